"""`depth-node models` and `depth-node fetch` as a user runs them."""

from __future__ import annotations

from collections.abc import Iterator
import hashlib
import json
from pathlib import Path

from bad_server import serve, Site
from dummy_networks import write_network
import pytest

from depth_node import catalogue
from depth_node.catalogue import Entry, Form, WebFile
from depth_node.cli.main import main
from depth_node.image.size import Size
from depth_node.model import ModelSpec, OutputKind


@pytest.fixture
def tiny(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """Put a network of a server on this machine into the catalogue."""
    content = write_network(tmp_path / 'source.onnx').read_bytes()
    with serve(Site({'/tiny.onnx': content})) as site:
        spec = ModelSpec(
            'tiny', OutputKind.METRIC_DEPTH, input_size=Size(32, 24), licence='Strange-1.0',
            commercial=False,
        )
        sha256 = hashlib.sha256(content).hexdigest()
        file = WebFile(f'{site.url}/tiny.onnx', size=len(content), sha256=sha256)
        monkeypatch.setitem(
            catalogue.CATALOGUE, 'tiny', Entry(spec, Form.ONNX, (file,), note='Be careful.')
        )
        monkeypatch.delenv('HF_HUB_OFFLINE', raising=False)
        yield site


def test_the_table_names_kind_licence_size_and_place(
    tiny: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['models', '--cache-dir', str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        'name', 'kind', 'licence', 'use', 'size', 'here', 'where'
    ]
    row = next(line for line in lines if line.startswith('tiny '))
    assert row.split() == [
        'tiny', 'metric_depth', 'Strange-1.0', 'non-commercial', '0', 'MB', 'no',
        f'{tiny.url}/tiny.onnx',
    ]
    assert {line.split()[0] for line in lines[1:] if line} >= set(catalogue.CATALOGUE)


def test_fetching_asks_for_the_licence_then_fetches(
    tiny: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ['--cache-dir', str(tmp_path / 'cache')]
    assert main(['fetch', 'tiny', *where]) == 2
    error = capsys.readouterr().err
    assert error.startswith('depth-node fetch: tiny is under the licence Strange-1.0')
    assert 'Be careful.' in error
    assert 'Traceback' not in error
    assert main(['fetch', 'tiny', '--accept-licence', *where]) == 0
    assert 'Strange-1.0' in capsys.readouterr().out
    assert main(['models', 'tiny', *where]) == 0
    assert 'here:         yes' in capsys.readouterr().out


def test_the_table_as_json(tiny: Site, tmp_path: Path) -> None:
    path = tmp_path / 'models.json'
    assert main(['models', '--json', str(path), '--cache-dir', str(tmp_path)]) == 0
    rows = {row['name']: row for row in json.loads(path.read_text())}
    assert rows['tiny']['commercial'] is False
    assert rows['depth_anything_v2_metric_indoor_small']['train_focal'] == 598.1
    assert rows['depth_anything_v2_base']['sha256'] == ['pinned on first use']


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['fetch', 'nothing'], 'neither a model of the catalogue'),
        (['models', 'nothing'], 'neither a model of the catalogue'),
        (['fetch', 'tiny', '--weights', 'x.pth'], 'published as a graph and needs no weights'),
        (['fetch', 'monodepth2_mono_640x192', '--accept-licence', '--input-size', '64x64'],
         'it cannot run at 64x64'),
    ],
)
def test_wrong_usage_is_one_clear_line(
    tiny: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main([*words, '--cache-dir', str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count('\n') == 1
