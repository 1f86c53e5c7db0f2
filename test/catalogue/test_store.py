"""From a name to a file on disk: licence, fetching, adapting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import dataclasses
import hashlib
from pathlib import Path
import socket
import time

from bad_server import serve, Site
from dummy_networks import write_network
import pytest

from depth_node import catalogue
from depth_node.catalogue import Entry, Form, WebFile
from depth_node.catalogue.opening import open_model
from depth_node.catalogue.store import graph_size, Request
from depth_node.errors import CancelledError, ModelError
from depth_node.image.size import Size
from depth_node.model import ModelSpec, OutputKind

FREE = ModelSpec(
    'tiny', OutputKind.RELATIVE_DEPTH, nominal_size=Size(518, 518), multiple=14,
    mean=(0.5, 0.5, 0.5), licence='MIT', commercial=True,
)
BOUND = dataclasses.replace(FREE, licence='CC-BY-NC-4.0', commercial=False)
WEIGHTS = Entry(
    dataclasses.replace(FREE, name='weights'), Form.DEPTH_ANYTHING, (), variant='v2_vits',
    sides=(252, 770),
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Run a server that has a tiny network."""
    content = write_network(tmp_path / 'source.onnx').read_bytes()
    with serve(Site({'/tiny.onnx': content})) as running:
        yield running


@pytest.fixture
def register(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> Callable[[ModelSpec], Entry]:
    """Put the server's network into the catalogue."""
    def add(spec: ModelSpec) -> Entry:
        sha256 = hashlib.sha256(site.files['/tiny.onnx']).hexdigest()
        entry = Entry(spec, Form.ONNX, (WebFile(f'{site.url}/tiny.onnx', sha256=sha256),))
        monkeypatch.setitem(catalogue.CATALOGUE, spec.name, entry)
        return entry

    monkeypatch.delenv('HF_HUB_OFFLINE', raising=False)
    return add


def test_a_name_becomes_a_model(
    register: Callable[[ModelSpec], Entry], site: Site, tmp_path: Path
) -> None:
    register(FREE)
    model = open_model('tiny', cache_dir=tmp_path / 'cache')
    assert model.path == tmp_path / 'cache' / 'tiny' / 'tiny.onnx'
    assert model.spec == FREE
    site.files.clear()
    again = open_model('tiny', cache_dir=tmp_path / 'cache', overrides={'max_depth': 50})
    assert again.spec == dataclasses.replace(FREE, max_depth=50.0)


def test_a_licence_is_named_and_accepted_once(
    register: Callable[[ModelSpec], Entry], site: Site, tmp_path: Path
) -> None:
    register(BOUND)
    with pytest.raises(ModelError, match=r'CC-BY-NC-4\.0.* model\.accept_licence: true or'):
        open_model('tiny', cache_dir=tmp_path)
    assert site.seen == []
    open_model('tiny', cache_dir=tmp_path, accept_licence=True)
    open_model('tiny', cache_dir=tmp_path)


def test_another_licence_is_asked_for_again(
    register: Callable[[ModelSpec], Entry], tmp_path: Path
) -> None:
    register(BOUND)
    open_model('tiny', cache_dir=tmp_path, accept_licence=True)
    register(dataclasses.replace(BOUND, licence='Other'))
    with pytest.raises(ModelError, match='under the licence Other'):
        open_model('tiny', cache_dir=tmp_path)


def test_offline_without_the_file_says_so(
    register: Callable[[ModelSpec], Entry], site: Site, tmp_path: Path
) -> None:
    register(FREE)
    with pytest.raises(ModelError, match='network access is forbidden'):
        open_model('tiny', cache_dir=tmp_path, offline=True)
    assert site.seen == []


def test_a_download_is_reported_and_can_be_cancelled(
    register: Callable[[ModelSpec], Entry], site: Site, tmp_path: Path
) -> None:
    register(FREE)
    seen: list[tuple[float, str]] = []
    with pytest.raises(CancelledError):
        open_model(
            'tiny', cache_dir=tmp_path, cancelled=lambda: bool(seen),
            on_progress=lambda share, stage: seen.append((share, stage)),
        )
    assert seen == [(1.0, 'fetching tiny (unknown)')]
    assert open_model('tiny', cache_dir=tmp_path).path.exists()


@pytest.mark.parametrize(
    ('wanted', 'frame', 'size'),
    [
        ('auto', None, Size(602, 448)),  # 4:3 at the area of 518x518
        ('auto', Size(1280, 720), Size(686, 392)),
        ('308', Size(640, 480), Size(350, 266)),
        ('252', Size(640, 480), Size(294, 224)),
        ('770', Size(640, 480), Size(896, 672)),
        ('518x392', Size(1280, 720), Size(518, 392)),
    ],
)
def test_the_size_of_a_graph_is_chosen_per_camera(
    wanted: str, frame: Size | None, size: Size, tmp_path: Path
) -> None:
    request = Request(cache_dir=tmp_path, input_size=wanted, frame=frame)
    assert graph_size(WEIGHTS, request) == size
    assert size.width % 14 == 0
    assert size.height % 14 == 0


@pytest.mark.parametrize('wanted', ['140', '1400', '140x140'])
def test_a_size_the_network_was_never_meant_for_is_refused(wanted: str) -> None:
    with pytest.raises(ModelError, match='expected 252 to 770 px'):
        graph_size(WEIGHTS, Request(input_size=wanted))


def test_a_size_that_is_no_multiple_is_refused() -> None:
    with pytest.raises(ModelError, match='not multiples of 14'):
        graph_size(WEIGHTS, Request(input_size='512x384'))


def test_a_model_that_is_not_published_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(catalogue.CATALOGUE, 'weights', WEIGHTS)
    with pytest.raises(ModelError, match=r'not been published.* fetch weights --weights FILE'):
        open_model('weights', cache_dir=tmp_path)


def test_without_network_one_text_says_what_to_do(
    register: Callable[[ModelSpec], Entry], site: Site, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """True, complete, soon, and without advice to install anything."""
    with socket.socket() as unused:
        unused.bind(('127.0.0.1', 0))
        address = f'127.0.0.1:{unused.getsockname()[1]}'
        entry = dataclasses.replace(
            WEIGHTS, files=(WebFile(f'http://{address}/weights.pth', size=99_200_000),)
        )
        monkeypatch.setitem(catalogue.CATALOGUE, 'weights', entry)
        begun = time.monotonic()
        with pytest.raises(ModelError) as caught:
            open_model('weights', cache_dir=tmp_path)
    assert time.monotonic() - begun < 3
    text = str(caught.value)
    assert text.startswith(
        f'weights (99 MB) is not on this machine, and {address} cannot be reached ('
    )
    assert f'copy {tmp_path / "weights"} from a machine that has fetched it' in text
    assert '`depth-node fetch weights --weights FILE`' in text
    assert '`embedded`' in text
    assert 'pip' not in text
    assert 'torch' not in text
    assert '\n' not in text
