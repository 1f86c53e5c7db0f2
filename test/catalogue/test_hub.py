"""Fetching from a Hugging Face Hub: its cache, its endpoint, its errors in our words."""

from __future__ import annotations

from collections.abc import Iterator
import errno
import hashlib
import os
from pathlib import Path
import random
import socket
import subprocess
import sys
import textwrap

from bad_server import COMMIT, serve, Site
import pytest

from depth_node.catalogue import hub as hub_module
from depth_node.catalogue.entry import HubFile
from depth_node.catalogue.fetch import fetch
from depth_node.errors import ModelError

CONTENT = random.Random(8).randbytes(200_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Run a Hub with one file, whatever the machine's user has set."""
    for name in ('HF_HUB_OFFLINE', 'HF_ENDPOINT'):
        monkeypatch.delenv(name, raising=False)
    with serve(Site({f'/owner/name/resolve/{COMMIT}/onnx/model.onnx': CONTENT})) as running:
        yield running


HUB = '''
    import sys, time
    from pathlib import Path
    time.sleep = lambda _seconds: None  # the library's pauses between attempts
    sys.path.insert(0, {tests!r})
    from depth_node.catalogue.entry import HubFile
    from depth_node.errors import ModelError
    from depth_node.catalogue.fetch import fetch
    file = HubFile('owner/name', {path!r}, {commit!r}, sha256={sha!r})
    try:
        path = fetch(file, Path({folder!r}), offline={offline!r})
    except ModelError as error:
        print('ModelError', error)
    else:
        print('fetched', path, path.stat().st_size, path.is_symlink())
'''


def hub(
    site: Site, tmp_path: Path, *, path: str = 'onnx/model.onnx', sha: str | None = SHA256,
    offline: bool = False, folder: str = 'models', **environment: str,
) -> str:
    """Fetch from a Hub in a process of its own: its library reads the environment once."""
    script = HUB.format(
        tests=str(Path(__file__).parent), path=path, commit=COMMIT, sha=sha,
        folder=str(tmp_path / folder), offline=offline,
    )
    done = subprocess.run(
        [sys.executable, '-c', textwrap.dedent(script)], check=False, capture_output=True,
        text=True, timeout=60,
        env={
            **os.environ, 'HF_HOME': str(tmp_path / 'hub'), 'HF_ENDPOINT': site.url,
            'HF_HUB_DISABLE_XET': '1', 'HF_HUB_DOWNLOAD_TIMEOUT': '2',
            'HF_HUB_ETAG_TIMEOUT': '2', 'HF_HUB_DISABLE_TELEMETRY': '1', **environment,
        },
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_hub_at_another_endpoint(site: Site, tmp_path: Path) -> None:
    out = hub(site, tmp_path)
    assert out.startswith('fetched')
    assert out.split()[-2:] == ['200000', 'False']
    # its cache serves another folder with the network gone
    site.files.clear()
    assert hub(site, tmp_path, folder='other', offline=True).startswith('fetched')


def test_the_hub_breaking_off_is_continued(site: Site, tmp_path: Path) -> None:
    site.cuts = 1
    assert hub(site, tmp_path).startswith('fetched')
    assert [seen[0] for seen in site.seen].count('GET') == 2


def test_the_hub_having_another_file(site: Site, tmp_path: Path) -> None:
    out = hub(site, tmp_path, sha='0' * 64)
    assert 'is not the file it should be' in out
    assert f'SHA-256 {SHA256}, expected 0000' in out
    assert not list((tmp_path / 'models').glob('[!.]*'))


def test_a_damaged_file_in_the_hubs_cache_is_fetched_anew(site: Site, tmp_path: Path) -> None:
    """Its library believes whatever lies there."""
    assert hub(site, tmp_path).startswith('fetched')
    (tmp_path / 'models' / 'model.onnx').unlink()
    blob, = (path for path in (tmp_path / 'hub').rglob('blobs/*') if path.is_file())
    blob.write_bytes(CONTENT[:1000])
    assert 'is not the file it should be' in hub(site, tmp_path, offline=True)
    out = hub(site, tmp_path)
    assert out.startswith('fetched'), out
    assert (tmp_path / 'models' / 'model.onnx').read_bytes() == CONTENT


def test_the_hub_not_having_the_file(site: Site, tmp_path: Path) -> None:
    out = hub(site, tmp_path, path='onnx/gone.onnx')
    assert f'there is no onnx/gone.onnx at revision {COMMIT}' in out


def test_the_hub_while_offline(site: Site, tmp_path: Path) -> None:
    out = hub(site, tmp_path, HF_HUB_OFFLINE='1')
    assert 'is not in the cache, and the network may not be used' in out
    assert site.seen == []


def test_no_hub_at_all(site: Site, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(('127.0.0.1', 0))
        out = hub(site, tmp_path, HF_ENDPOINT=f'http://127.0.0.1:{unused.getsockname()[1]}')
    assert 'could not be fetched' in out
    assert 'Check the network' in out


def test_a_disk_full_of_the_hubs_cache_is_called_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(_file: HubFile, *, offline: bool) -> Path:
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(hub_module, 'download', no_room)
    with pytest.raises(ModelError, match=r'the disk is full\.'):
        fetch(HubFile('owner/name', 'model.onnx'), tmp_path)
    assert not list(tmp_path.glob('[!.]*'))
