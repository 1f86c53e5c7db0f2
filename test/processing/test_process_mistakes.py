"""What users get wrong: the wrong folder, the wrong bag, a topic without its source, no room."""

from __future__ import annotations

import json
from pathlib import Path
import socket
import sqlite3
import time
from typing import Any

from dummy_networks import write_red_network
import pytest
from results import contents
from world_bags import record

from depth_node.config import Config
from depth_node.errors import ConfigError, DataError
from depth_node.processing.bag_writer import BagWriter
from depth_node.processing.fleet import Fleet, process_on_fleet
from depth_node.processing.options import Options
from depth_node.processing.report import Report
from depth_node.scale import ScaleState
from depth_node.sources.rosbag_opening import opened

pytest.importorskip('rosbags')


def test_a_result_never_replaces_its_own_bag(tmp_path: Path, model: Path, process: Any) -> None:
    """A result is a bag, too, and without its copies the recording would be gone."""
    process(record(tmp_path / 'drive', 2), '--out', tmp_path / 'out', '--model', model)
    result = tmp_path / 'out' / 'drive'
    before = {path.name: path.read_bytes() for path in result.iterdir()}
    for out in (tmp_path / 'out', result):
        code, [line] = process(
            result, '--out', out, '--model', model, '--topics', 'relative', '--namespace', 'b',
            '--no-copy', '--overwrite',
        )
        assert (code, line['status']) == (2, 'failed')
        assert 'in the place of the bag itself' in line['error']
    assert before == {path.name: path.read_bytes() for path in result.iterdir()}


def test_another_bag_of_the_same_name_and_size(tmp_path: Path, model: Path, process: Any) -> None:
    """Bags of the same length often have the same size: it is not skipped as finished."""
    bags = [record(tmp_path / name / 'run', 2, seed=seed) for seed, name in enumerate('ab')]
    sizes = [{path.name: path.stat().st_size for path in bag.iterdir()} for bag in bags]
    assert sizes[0] == sizes[1]
    assert process(bags[0], '--out', tmp_path / 'out', '--model', model)[0] == 0
    code, [line] = process(bags[1], '--out', tmp_path / 'out', '--model', model)
    assert (code, line['status']) == (2, 'failed')
    assert 'another bag' in line['error']
    first = contents(bags[0])['/camera/image_raw']
    kept = contents(tmp_path / 'out' / 'run')['/camera/image_raw']
    assert [message.raw for message in kept] == [message.raw for message in first]


@pytest.mark.parametrize(('options', 'says'), [
    (('--scale-topic', '/lidar'), '--scale-topic has no effect: scale.source is model'),
    (('--scale-source', 'points', '--scale-camera-info', '/lidar/camera_info'),
     '--scale-camera-info has no effect: scale.source is points'),
    (('--scale', '2', '--scale-source', 'model'), 'have no effect with --scale-source model'),
    (('--shift', '1', '--scale-source', 'points'), 'have no effect with --scale-source points'),
    (('--namespace', 'a b'), 'not a namespace'), (('--namespace', '/1st'), 'not a namespace'),
])
def test_options_that_would_do_nothing_or_harm(
    tmp_path: Path, model: Path, process: Any, options: tuple[str, ...], says: str
) -> None:
    """Above all, metres of the model where those of a sensor were meant."""
    bag = record(tmp_path / 'drive', 1, lidar=True)
    code, lines = process(bag, '--out', tmp_path / 'out', '--model', model, *options)
    assert (code, lines) == (2, [])
    assert says in process.error


def test_a_full_disk_is_not_a_damaged_bag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite has errors of its own, which rosbags passes on."""
    def full(*_: object) -> None:
        raise sqlite3.OperationalError('database or disk is full')

    with opened(record(tmp_path / 'drive', 1)) as reader:
        connection = reader.connections[0]
        with BagWriter(tmp_path / 'out', reader, 'sqlite3') as writer:
            monkeypatch.setattr(writer._writer, 'write', full)
            with pytest.raises(DataError, match=r'out: cannot be written \(database or disk'):
                writer.copy(connection, 0, b'')


def test_a_cluster_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is reported at once, and not after five minutes."""
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))  # nobody listens
        address = f'127.0.0.1:{other.getsockname()[1]}'
        begin = time.monotonic()
        with pytest.raises(ConfigError, match='cannot be reached'):
            next(process_on_fleet([], Options(Config()), Fleet(address)))
        monkeypatch.setenv('RAY_ADDRESS', f'ray://{address}')
        with pytest.raises(ConfigError, match=rf'at ray://{address} \(RAY_ADDRESS\) cannot be'):
            next(process_on_fleet([], Options(Config()), Fleet('auto')))
    assert time.monotonic() - begin < 20


@pytest.mark.parametrize('sigma', [float('nan'), float('inf')])
def test_a_line_is_json_for_every_program(sigma: float) -> None:
    """NaN and Infinity are Python's."""
    found = Report(state=ScaleState(2.0, 0.0, sigma, 'points')).as_json()
    assert json.loads(json.dumps(found, allow_nan=False))['scale']['sigma'] is None


@pytest.mark.parametrize(('topics', 'code', 'missing'), [
    ('scan', 2, []), ('depth,scan', 1, ['/depth/scan']), ('depth', 0, []),
])
def test_a_topic_of_which_nothing_can_be_made(
    tmp_path: Path, model: Path, process: Any, topics: str, code: int, missing: list[str]
) -> None:
    """A scan needs the height of the camera, which this bag does not hold."""
    bag = record(tmp_path / 'drive', 2, posed=False)
    words = (bag, '--out', tmp_path / 'out', '--model', model, '--topics', topics)
    for _ in range(2):  # and a result that is there already is no better
        found, [line] = process(*words)
        assert found == code
        assert list(line.get('missing', {})) == missing
        if code == 2:
            assert 'nothing of /depth/scan can be made of its 2 images. The' in line['error']
            assert not (tmp_path / 'out' / 'drive').exists()
        said = process.error.splitlines()
        assert len(said) == len(missing)
        for text, topic in zip(said, missing, strict=True):
            assert f'nothing was written to {topic}. The ground plane is not known' in text
            assert 'Set ground.camera_height' in text
            assert line['messages'] == {'/depth/image': 2, topic: 0}


def test_depth_without_a_scale_is_missing_beside_what_needs_none(
    tmp_path: Path, process: Any
) -> None:
    """It says what to set."""
    model = write_red_network(tmp_path / 'red.onnx')
    bag = record(tmp_path / 'drive', 2)
    code, [line] = process(
        bag, '--out', tmp_path / 'out', '--model', model, '--topics', 'relative,depth'
    )
    assert code == 1
    assert line['messages'] == {'/depth/image': 0, '/depth/image_relative': 2}
    assert 'Set scale.source' in line['missing']['/depth/image']
