"""From a name to a file on disk: licence, fetching, adapting, exporting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import dataclasses
import hashlib
import importlib.util
import json
from pathlib import Path
import sys

from bad_server import serve, Site
from dummy_networks import write_network
import pytest

from depth_node import catalogue, process
from depth_node.catalogue import Entry, Form, store, WebFile
from depth_node.catalogue.opening import open_model
from depth_node.catalogue.store import export_path, export_size, Request
from depth_node.errors import CancelledError, ModelError
from depth_node.image.size import Size
from depth_node.model import ModelSpec, OutputKind
from depth_node.process import python

FREE = ModelSpec(
    'tiny', OutputKind.RELATIVE_DEPTH, nominal_size=Size(518, 518), multiple=14,
    mean=(0.5, 0.5, 0.5), licence='MIT', commercial=True,
)
BOUND = dataclasses.replace(FREE, licence='CC-BY-NC-4.0', commercial=False)
WEIGHTS = Entry(
    dataclasses.replace(FREE, name='weights'), Form.DEPTH_ANYTHING, (), sides=(252, 770)
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
    with pytest.raises(ModelError, match='the network may not be used'):
        open_model('tiny', cache_dir=tmp_path, offline=True)
    assert site.seen == []


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
def test_the_size_of_an_export_is_chosen_per_camera(
    wanted: str, frame: Size | None, size: Size, tmp_path: Path
) -> None:
    request = Request(cache_dir=tmp_path, input_size=wanted, frame=frame)
    assert export_size(WEIGHTS, request) == size
    assert export_path(WEIGHTS, request) == tmp_path / 'weights' / f'weights_{size}.onnx'
    assert size.width % 14 == 0
    assert size.height % 14 == 0


@pytest.mark.parametrize('wanted', ['140', '1400', '140x140'])
def test_a_size_the_network_was_never_meant_for_is_refused(wanted: str) -> None:
    with pytest.raises(ModelError, match='expected 252 to 770 px'):
        export_size(WEIGHTS, Request(input_size=wanted))


def test_a_size_that_is_no_multiple_is_refused() -> None:
    with pytest.raises(ModelError, match='are not multiples of 14'):
        export_size(WEIGHTS, Request(input_size='512x384'))


def test_without_torch_the_command_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(catalogue.CATALOGUE, 'weights', WEIGHTS)
    monkeypatch.setattr(importlib.util, 'find_spec', lambda _name: None)
    with pytest.raises(ModelError) as caught:
        open_model('weights', cache_dir=tmp_path)
    assert 'needs torch and transformers' in str(caught.value)
    assert "pip install 'depth_node[export]'" in str(caught.value)
    assert 'depth-node fetch weights --input-size 602x448' in str(caught.value)


def test_an_export_runs_in_a_process_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    called = []

    def run(words: list[str], _cancelled: object) -> tuple[int, str]:
        called.append(words)
        size = Size(350, 266)
        path = write_network(
            tmp_path / 'weights' / f'weights_{size}.onnx', width=350, height=266
        )
        spec = dataclasses.replace(
            WEIGHTS.spec, input_size=size, sha256=hashlib.sha256(path.read_bytes()).hexdigest()
        )
        path.with_suffix('.json').write_text(spec.to_json())
        return 0, ''

    monkeypatch.setitem(catalogue.CATALOGUE, 'weights', WEIGHTS)
    monkeypatch.setattr(store, '_run', run)
    for _ in range(2):
        model = open_model('weights', cache_dir=tmp_path, input_size='308')
        assert model.spec.input_size == Size(350, 266)
        assert model.spec.name == 'weights'
    assert len(called) == 1
    assert called[0][len(python()):][:7] == [
        '-m', 'depth_node', 'fetch', 'weights', '--input-size', '350x266', '--cache-dir'
    ]


def test_a_failed_export_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # a process of its own knows nothing of this test's catalogue
    monkeypatch.setitem(catalogue.CATALOGUE, 'weights', WEIGHTS)
    with pytest.raises(ModelError, match="the export failed: 'weights' is neither a model"):
        open_model('weights', cache_dir=tmp_path)


@pytest.mark.parametrize('version', [sys.version_info, (3, 10)])
def test_an_export_runs_nothing_of_the_working_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: tuple[int, ...]
) -> None:
    """`python -m` puts the working folder in front of the standard library."""
    monkeypatch.setitem(catalogue.CATALOGUE, 'weights', WEIGHTS)
    monkeypatch.setattr(process.sys, 'version_info', version)
    folder = tmp_path / 'downloads'
    folder.mkdir()
    for name in ('argparse', 'json', 'numpy', 'depth_node', 'sitecustomize'):
        (folder / f'{name}.py').write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.chdir(folder)
    with pytest.raises(ModelError, match="the export failed: 'weights' is neither a model"):
        open_model('weights', cache_dir=Path('cache'))
    assert not (tmp_path / 'ran').exists()


def test_an_export_can_be_cancelled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(catalogue.CATALOGUE, 'weights', WEIGHTS)
    monkeypatch.setattr(store, '_PAUSE', 0.01)
    with pytest.raises(CancelledError):
        open_model('weights', cache_dir=tmp_path, cancelled=lambda: True)


def test_a_changed_export_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(catalogue.CATALOGUE, 'weights', WEIGHTS)
    path = export_path(WEIGHTS, Request(cache_dir=tmp_path))
    path.parent.mkdir(parents=True)
    write_network(path, width=602, height=448)
    fields = json.loads(dataclasses.replace(WEIGHTS.spec, sha256='0' * 64).to_json())
    path.with_suffix('.json').write_text(json.dumps(fields))
    with pytest.raises(ModelError, match='expected 0000'):
        open_model('weights', cache_dir=tmp_path)
