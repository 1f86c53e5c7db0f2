"""Fetching from a Hugging Face Hub: its addresses, its endpoint, the cache others have filled."""

from __future__ import annotations

from collections.abc import Iterator
import hashlib
from pathlib import Path
import random

from bad_server import COMMIT, serve, Site
import pytest

from depth_node.catalogue.entry import HubFile
from depth_node.catalogue.fetch import fetch, is_here
from depth_node.errors import ModelError

CONTENT = random.Random(8).randbytes(200_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FILE = HubFile('owner/name', 'onnx/model.onnx', COMMIT, sha256=SHA256)


@pytest.fixture(autouse=True)
def hub_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Keep the tests out of the user's cache."""
    for name in ('HF_HUB_OFFLINE', 'HF_HUB_CACHE', 'HF_TOKEN'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('HF_HOME', str(tmp_path / 'hf'))
    return tmp_path / 'hf' / 'hub'


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Run a Hub with one file."""
    with serve(Site({f'/owner/name/resolve/{COMMIT}/onnx/model.onnx': CONTENT})) as running:
        monkeypatch.setenv('HF_ENDPOINT', running.url)
        yield running


def cache(home: Path, content: bytes = CONTENT, commit: str = COMMIT) -> Path:
    """Lay a file down as huggingface_hub does: a blob, and a link to it."""
    folder = home / 'models--owner--name'
    blob = folder / 'blobs' / SHA256
    link = folder / 'snapshots' / commit / 'onnx' / 'model.onnx'
    for path in (blob, link):
        path.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(content)
    link.symlink_to(blob)
    (folder / 'refs').mkdir()
    (folder / 'refs' / 'main').write_text(commit)
    return blob


def test_the_address_is_that_of_the_hub() -> None:
    assert FILE.url == f'https://huggingface.co/owner/name/resolve/{COMMIT}/onnx/model.onnx'


def test_the_hub_at_another_endpoint(site: Site, tmp_path: Path) -> None:
    assert fetch(FILE, tmp_path / 'models').read_bytes() == CONTENT


def test_a_token_of_the_user_is_shown(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('HF_TOKEN', 'secret')
    fetch(FILE, tmp_path / 'models')
    assert site.tokens == ['Bearer secret']


def test_owners_that_ask_who_uses_it(site: Site, tmp_path: Path) -> None:
    site.errors = [403]
    with pytest.raises(ModelError, match='accept their conditions there, then set HF_TOKEN'):
        fetch(FILE, tmp_path / 'models')


@pytest.mark.parametrize('revision', [COMMIT, 'main'])
def test_what_others_have_fetched_is_used_without_network(
    site: Site, tmp_path: Path, hub_home: Path, revision: str
) -> None:
    blob = cache(hub_home)
    file = HubFile('owner/name', 'onnx/model.onnx', revision, sha256=SHA256)
    assert is_here(file, tmp_path / 'models')
    path = fetch(file, tmp_path / 'models', offline=True)
    assert path.read_bytes() == CONTENT
    assert not path.is_symlink()
    assert path.stat().st_nlink == blob.stat().st_nlink == 1  # onnx refuses hard links
    assert site.seen == []


def test_a_damaged_file_in_their_cache_is_fetched_again(
    site: Site, tmp_path: Path, hub_home: Path
) -> None:
    blob = cache(hub_home, CONTENT[:1000])
    with pytest.raises(ModelError, match='network access is forbidden'):
        fetch(FILE, tmp_path / 'models', offline=True)
    assert fetch(FILE, tmp_path / 'models').read_bytes() == CONTENT
    assert blob.read_bytes() == CONTENT[:1000]  # theirs is left alone


@pytest.mark.parametrize('reference', ['', '../../..', 'x' * 40, '\xff'])
def test_a_damaged_reference_in_their_cache_is_ignored(
    tmp_path: Path, hub_home: Path, reference: str
) -> None:
    cache(hub_home)
    (hub_home / 'models--owner--name' / 'refs' / 'main').write_bytes(reference.encode('latin-1'))
    assert not is_here(HubFile('owner/name', 'onnx/model.onnx'), tmp_path)


def test_the_hub_having_another_file(site: Site, tmp_path: Path) -> None:
    site.files[f'/owner/name/resolve/{COMMIT}/onnx/model.onnx'] = CONTENT[::-1]
    with pytest.raises(ModelError, match='is not the expected file'):
        fetch(FILE, tmp_path / 'models')
    assert not list((tmp_path / 'models').glob('[!.]*'))


def test_the_hub_not_having_the_file(site: Site, tmp_path: Path) -> None:
    file = HubFile('owner/name', 'onnx/gone.onnx', COMMIT, sha256=SHA256)
    with pytest.raises(ModelError, match='the server returned 404'):
        fetch(file, tmp_path / 'models')


def test_the_hub_while_offline(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('HF_HUB_OFFLINE', '1')
    with pytest.raises(ModelError, match='network access is forbidden'):
        fetch(FILE, tmp_path / 'models')
    assert site.seen == []
