"""Fetching from a server that breaks off, stalls, lies, moves and refuses."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
from pathlib import Path
import socket
import threading
import time

from bad_server import serve, Site
from fetched import CONTENT, SHA256, web
import pytest

from depth_node.catalogue import download as download_module
from depth_node.catalogue.download import download, UnreachableError
from depth_node.catalogue.entry import WebFile
from depth_node.catalogue.fetch import fetch, model_cache_root
from depth_node.errors import ModelError

pytestmark = pytest.mark.usefixtures('quick')


def left(folder: Path) -> set[str]:
    """Name what a user sees in a folder."""
    return {path.name for path in folder.iterdir() if not path.name.startswith('.')}


def test_a_good_file_arrives_and_is_not_fetched_again(site: Site, tmp_path: Path) -> None:
    path = fetch(web(site, size=len(CONTENT)), tmp_path)
    assert path.read_bytes() == CONTENT
    assert left(tmp_path) == {'model.bin'}
    fetch(web(site), tmp_path)
    assert len(site.seen) == 1


def test_a_broken_download_is_continued(site: Site, tmp_path: Path) -> None:
    site.cuts = 2
    assert fetch(web(site), tmp_path).read_bytes() == CONTENT
    assert [seen[2] for seen in site.seen] == ['', 'bytes=100000-', 'bytes=150000-']


def test_a_server_that_cannot_continue_starts_again(site: Site, tmp_path: Path) -> None:
    site.cuts, site.ranges = 1, False
    assert fetch(web(site), tmp_path).read_bytes() == CONTENT


def test_what_arrived_is_kept_when_the_network_is_lost(site: Site, tmp_path: Path) -> None:
    site.cuts = download_module.ATTEMPTS
    with pytest.raises(ModelError, match=r'in 5 attempts .*interrupted after .* of 200000 bytes'):
        fetch(web(site), tmp_path)
    assert left(tmp_path) == {'model.bin.part'}
    site.seen.clear()
    assert fetch(web(site), tmp_path).read_bytes() == CONTENT
    assert site.seen[0][2].startswith('bytes=')


def test_a_stalled_server_is_given_up_and_continued(site: Site, tmp_path: Path) -> None:
    site.stalls = 1
    part = tmp_path / 'x.part'
    download(f'{site.url}/model.bin', part, timeout=0.3)
    assert part.read_bytes() == CONTENT
    assert site.seen[1][2] == 'bytes=100000-'


def test_a_slow_server_is_waited_for(site: Site, tmp_path: Path) -> None:
    site.slow = 0.002
    part = tmp_path / 'x.part'
    download(f'{site.url}/model.bin', part, timeout=0.3, attempts=1)
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize(('head', 'words'), [
    (b'HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n', 'slower than 4096 bytes per second'),
    (b'HTTP/1.1 200 OK\r\nX: ', 'no response within 1 s'),
])
def test_a_server_that_dribbles_is_given_up(tmp_path: Path, head: bytes, words: str) -> None:
    """
    A byte now and then would hold the lock of the model for weeks.

    The timeout of a socket counts from byte to byte.
    """
    ended = threading.Event()
    with socket.create_server(('127.0.0.1', 0)) as listener:
        def serve_slowly() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(head)
                while not ended.wait(0.1):
                    connection.sendall(b'a')

        threading.Thread(target=serve_slowly, daemon=True).start()
        url = f'http://127.0.0.1:{listener.getsockname()[1]}/x'
        begun = time.monotonic()
        with pytest.raises(ModelError, match=words):
            download(url, tmp_path / 'x.part', timeout=0.5, answer=1.0, attempts=1)
        assert time.monotonic() - begun < 3
        ended.set()


def test_a_busy_server_is_asked_again(site: Site, tmp_path: Path) -> None:
    site.errors = [503, 429]
    assert fetch(web(site), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize('status', [401, 403, 404, 410])
def test_a_refusal_is_final(site: Site, tmp_path: Path, status: int) -> None:
    site.errors = [status]
    with pytest.raises(ModelError, match=f'the server returned {status}'):
        fetch(web(site), tmp_path)
    assert len(site.seen) == 1


def test_wrong_bytes_are_never_used(site: Site, tmp_path: Path) -> None:
    site.files['/model.bin'] = CONTENT[:-1] + b'!'
    with pytest.raises(ModelError, match=f'SHA-256 .*, expected {SHA256}'):
        fetch(web(site), tmp_path)
    assert left(tmp_path) == set()


def test_a_file_of_another_length_is_refused_before_it_is_fetched(
    site: Site, tmp_path: Path
) -> None:
    site.files['/model.bin'] = CONTENT * 2
    with pytest.raises(ModelError, match='the server has 400000 bytes, expected 200000'):
        fetch(web(site, size=len(CONTENT)), tmp_path)


@pytest.mark.parametrize('size', [len(CONTENT), None])
def test_a_server_that_never_stops_is_left(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int | None
) -> None:
    """It cannot fill the disk, whether the length is known or not."""
    monkeypatch.setattr(download_module, 'LARGEST', 1_000_000)
    site.endless = True
    with pytest.raises(ModelError, match=f'sends more than {size or 1_000_000} bytes'):
        fetch(web(site, size=size), tmp_path)
    assert left(tmp_path) == set()


def test_a_server_that_goes_on_elsewhere_is_not_believed(site: Site, tmp_path: Path) -> None:
    """Its bytes would be put behind others, and without a hash nobody would notice."""
    site.cuts, site.shift = 1, 7
    path = fetch(web(site, sha256=None), tmp_path)
    assert path.read_bytes() == CONTENT
    assert [seen[2] for seen in site.seen] == ['', 'bytes=100000-', '']


def test_a_remainder_of_another_file_is_thrown_away(site: Site, tmp_path: Path) -> None:
    (tmp_path / 'model.bin.part').write_bytes(bytes(300_000))
    assert fetch(web(site), tmp_path).read_bytes() == CONTENT


def test_a_damaged_file_is_noticed_when_it_is_used(site: Site, tmp_path: Path) -> None:
    path = fetch(web(site), tmp_path)
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(ModelError, match='is not the expected file'):
        fetch(web(site), tmp_path)


def test_the_hash_of_the_authors_is_checked_too(site: Site, tmp_path: Path) -> None:
    md5 = hashlib.md5(CONTENT).hexdigest()
    assert fetch(web(site, md5=md5), tmp_path / 'good').exists()
    with pytest.raises(ModelError, match=f'MD5 {md5}, expected 0000'):
        fetch(web(site, md5='0' * 32), tmp_path / 'bad')


def test_an_unknown_hash_is_pinned_on_first_use_and_said_so(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        path = fetch(web(site, sha256=None), tmp_path)
    assert f'pinned on this first use as {SHA256}' in caplog.text
    assert json.loads((tmp_path / 'pins.json').read_text()) == {'model.bin': SHA256}
    path.unlink()
    site.files['/model.bin'] = b'another file under the same name'
    with pytest.raises(ModelError, match=f'expected {SHA256}'):
        fetch(web(site, sha256=None), tmp_path)


@pytest.mark.parametrize('pins', ['[]', '"x"', '{', '\xff'])
def test_damaged_pins_are_named(site: Site, tmp_path: Path, pins: str) -> None:
    (tmp_path / 'pins.json').write_bytes(pins.encode('latin-1'))
    with pytest.raises(ModelError, match='Remove it to trust the current files'):
        fetch(web(site, sha256=None), tmp_path)


def test_no_server_at_all(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(('127.0.0.1', 0))
        url = f'http://127.0.0.1:{unused.getsockname()[1]}/x'
        with pytest.raises(ModelError, match=r'cannot be reached \(.*Check the network'):
            fetch(WebFile(url), tmp_path)


def test_a_server_that_does_not_answer_is_given_up_soon(tmp_path: Path) -> None:
    with socket.create_server(('127.0.0.1', 0)) as listener:
        url = f'http://127.0.0.1:{listener.getsockname()[1]}/x'
        begun = time.monotonic()
        with pytest.raises(UnreachableError, match=r'be reached \(no response within 0.5 s'):
            download(url, tmp_path / 'x.part', answer=0.5)
        assert time.monotonic() - begun < 3


def test_what_is_fetched_and_how_large_it_is_is_said_first(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, 'depth_node')
    site.errors = [404]
    with pytest.raises(ModelError):
        fetch(web(site, size=123_000_000), tmp_path)
    assert f'Downloading model.bin (123 MB) from {site.url}/model.bin' in caplog.text


def test_a_token_is_shown_to_its_own_server_only(site: Site, tmp_path: Path) -> None:
    with serve(Site({'/elsewhere.bin': CONTENT})) as other:
        site.redirects = {'/model.bin': f'{other.url}/elsewhere.bin'}
        download(f'{site.url}/model.bin', tmp_path / 'x.part', token='secret')
        assert site.tokens == ['Bearer secret']
        assert other.tokens == ['']


def test_a_full_disk_is_called_that_and_nothing_is_left(site: Site, tmp_path: Path) -> None:
    # the system itself refuses what is written there
    (tmp_path / 'model.bin.part').symlink_to('/dev/full')
    with pytest.raises(ModelError, match=r'the disk is full\. It needs 0 MB\. Free some space'):
        fetch(web(site, size=len(CONTENT)), tmp_path)
    assert left(tmp_path) == set()


def test_a_folder_that_cannot_be_written_is_named(site: Site, tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('not a folder')
    with pytest.raises(ModelError, match='cannot be written'):
        fetch(web(site), tmp_path / 'file' / 'models')


def test_a_read_only_folder_with_the_file_is_enough(site: Site, tmp_path: Path) -> None:
    (tmp_path / 'model.bin').write_bytes(CONTENT)
    before = sorted(tmp_path.iterdir())
    assert fetch(web(site), tmp_path).read_bytes() == CONTENT
    assert sorted(tmp_path.iterdir()) == before  # not even a lock was written


def test_offline_uses_what_is_there_and_asks_nobody(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('HF_HUB_OFFLINE', '1')
    with pytest.raises(ModelError, match='network access is forbidden'):
        fetch(web(site), tmp_path)
    (tmp_path / 'model.bin').write_bytes(CONTENT)
    assert fetch(web(site), tmp_path).read_bytes() == CONTENT
    assert site.seen == []


def test_two_at_once_fetch_once(site: Site, tmp_path: Path) -> None:
    site.slow = 0.0001
    threads = [
        threading.Thread(target=fetch, args=(web(site), tmp_path)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / 'model.bin').read_bytes() == CONTENT
    assert len(site.seen) == 1


def test_who_waits_for_another_says_so(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, 'depth_node')
    thread = threading.Thread(target=fetch, args=(web(site), tmp_path))
    with (tmp_path / '.model.bin.lock').open('ab') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread.start()
        end = time.monotonic() + 30
        while not caplog.records and time.monotonic() < end:
            thread.join(0.01)
        assert not site.seen
    thread.join()
    assert caplog.text.count('waiting for another process that downloads it') == 1
    assert (tmp_path / 'model.bin').read_bytes() == CONTENT


def test_the_cache_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', '/somewhere')
    assert model_cache_root() == Path('/somewhere/depth_node/models')
    monkeypatch.setenv('XDG_CACHE_HOME', 'relative')
    assert model_cache_root() == Path.home() / '.cache/depth_node/models'
