"""A recording of the viewer read back: its entities, and the cloud as the node publishes it."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from rrd import columns

from depth_node import DepthEstimator, open_model
from depth_node.cli.main import main
from depth_node.cloud.pipeline import PointsPipeline
from depth_node.config import Config
from depth_node.errors import ConfigError
from depth_node.sources.frames import open_source
from depth_node.viewer import drawing, recording
from depth_node.viewer.drawing import Entities, Series
from depth_node.viewer.serving import web_viewer

rerun = pytest.importorskip('rerun')

ENTITIES = Entities()
CONFIG = Config().replaced({'ground.camera_height': 0.6, 'ground.camera_pitch_deg': 5.0})


@pytest.fixture(scope='module')
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, object]]]:
    path = tmp_path_factory.mktemp('view') / 'room.rrd'
    code = main([
        'view', 'world:7', '--frames', '3', '--model', 'embedded', '--save', str(path),
        '--camera-height', '0.6', '--camera-pitch', '5',
    ])
    assert code == 0
    return columns(path)


def test_every_entity_is_there(recorded: dict[str, list[dict[str, object]]]) -> None:
    each = (
        ENTITIES.camera, ENTITIES.image, ENTITIES.depth, ENTITIES.confidence, ENTITIES.points,
        ENTITIES.obstacles, ENTITIES.scan, ENTITIES.plot(Series.SCALE),
        ENTITIES.plot(Series.SIGMA), ENTITIES.plot(Series.LATENCY),
        ENTITIES.plot(Series.CONFIDENCE),
    )
    for entity in each:
        rows = recorded[f'/{entity}']
        assert len(rows) == 3, entity
        assert sorted(row['frame'] for row in rows) == [0, 1, 2]
    camera = recorded[f'/{ENTITIES.camera}'][0]
    assert camera['Pinhole:resolution'] == [[320.0, 240.0]]


def test_the_cloud_is_the_nodes(recorded: dict[str, list[dict[str, object]]]) -> None:
    """What is drawn is what a planner would get, point by point, with its colors."""
    estimator = DepthEstimator(open_model('embedded'), CONFIG)
    rows = sorted(recorded[f'/{ENTITIES.points}'], key=lambda row: row['frame'])
    for row, frame in zip(rows, islice(open_source('world:7'), 3), strict=True):
        depth = estimator.estimate(frame).depth
        expected = PointsPipeline(frame.camera, CONFIG).process(depth, frame.rgb).points
        shown = np.array(row['Points3D:positions'], np.float32)
        np.testing.assert_array_equal(shown, expected[:, :3])
        packed = np.ascontiguousarray(expected[:, 3]).view(np.uint32)
        rgba = np.array(row['Points3D:colors'], np.uint32)
        np.testing.assert_array_equal(rgba >> 8, packed)
    estimator.close()


def test_confidence_and_obstacles_are_the_nodes(
    recorded: dict[str, list[dict[str, object]]]
) -> None:
    """The image that depth/confidence carries, in 255 steps, and points.content: obstacles."""
    estimator = DepthEstimator(open_model('embedded'), CONFIG)
    shown = sorted(recorded[f'/{ENTITIES.confidence}'], key=lambda row: row['frame'])
    means = sorted(recorded[f'/{ENTITIES.plot(Series.CONFIDENCE)}'], key=lambda r: r['frame'])
    stands = sorted(recorded[f'/{ENTITIES.obstacles}'], key=lambda row: row['frame'])
    content = CONFIG.replaced({'points.content': 'obstacles'})
    for row, mean, points, frame in zip(
        shown, means, stands, islice(open_source('world:7'), 3), strict=True
    ):
        estimate = estimator.estimate(frame, confidence=True)
        gray = np.frombuffer(bytes(row['Image:buffer'][0]), np.uint8).reshape(240, 320)
        np.testing.assert_allclose(gray / 255, estimate.confidence, atol=1 / 255)
        assert mean['Scalars:scalars'][0] == pytest.approx(estimate.confidence.mean(), abs=1e-3)
        expected = PointsPipeline(frame.camera, content).process(
            estimate.depth, limits=estimate.limits
        ).points
        np.testing.assert_array_equal(
            np.array(points['Points3D:positions'], np.float32), expected[:, :3]
        )
    estimator.close()


def test_the_scan_lies_where_the_walls_are(recorded: dict[str, list[dict[str, object]]]) -> None:
    """Ends of beams, 10 cm over the floor of a camera 0.6 m above it."""
    ends = np.array(recorded[f'/{ENTITIES.scan}'][0]['Points3D:positions'])
    pitch = np.radians(5.0)
    height = 0.6 - (ends[:, 1] * np.cos(pitch) + ends[:, 2] * np.sin(pitch))
    np.testing.assert_allclose(height, 0.1, atol=1e-3)
    assert (ends[:, 2] > 0.3).all()


def test_without_metres_the_relative_depth_is_shown(tmp_path: Path) -> None:
    """A network without a scale: no cloud, no metres, and the reason as text."""
    stream = rerun.RecordingStream('test')
    path = tmp_path / 'r.rrd'
    stream.save(str(path))
    config = Config()
    model = open_model('embedded', overrides={'kind': 'relative_disparity'})
    estimator = DepthEstimator(model, config)
    frame = next(iter(open_source('world:7')))
    recorder = recording.Recorder(stream, config)
    assert recorder.add(frame, estimator.estimate(frame), 1.0) is None
    estimator.close()
    stream.flush()
    del stream, recorder
    found = columns(path)
    assert f'/{ENTITIES.relative}' in found
    assert f'/{ENTITIES.depth}' not in found
    assert f'/{ENTITIES.points}' not in found
    assert 'no metres' in str(found['/notes'])


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'rerun', None)
    with pytest.raises(ConfigError, match=r"pip install 'depth_node\[view\]'"):
        drawing.library()


def test_save_and_web_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    words = ['view', 'world:1', '--model', 'embedded', '--save', 'x.rrd', '--web']
    assert main(words) == 2
    assert 'exclude each other' in capsys.readouterr().err


def test_the_page_is_served_to_this_machine_only() -> None:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    with web_viewer(port=port) as (page, uri):
        assert uri.startswith('rerun+http://127.0.0.1:')
        html = urllib.request.urlopen(page.partition('?')[0], timeout=10).read()
        assert b'<html' in html.lower()
        taken = subprocess.run(
            ['cat', '/proc/net/tcp', '/proc/net/tcp6'], capture_output=True, text=True, check=False
        ).stdout
        listening = [
            line.split()[1] for line in taken.splitlines()
            if len(line.split()) > 3 and line.split()[3] == '0A'
        ]
        mine = [address for address in listening if address.endswith(f':{port:04X}')]
        assert mine == [f'0100007F:{port:04X}']
    with pytest.raises(OSError, match='refused'):
        urllib.request.urlopen(f'http://127.0.0.1:{port}', timeout=5)


def allowed(uri: str, origin: str) -> bool:
    """Ask the data server whether a page of an origin may talk to it, as browsers do."""
    address = uri.removeprefix('rerun+')
    asked = urllib.request.Request(address, method='OPTIONS', headers={
        'Origin': origin, 'Access-Control-Request-Method': 'POST',
    })
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return answer.headers.get('access-control-allow-origin') == origin


def test_a_browser_elsewhere_can_use_what_is_bound_to_every_interface() -> None:
    """By the name of this machine; a page from elsewhere cannot read the data."""
    with web_viewer('0.0.0.0', 0) as (page, uri):
        assert uri.startswith('rerun+http://127.0.0.1:')
        name, port = socket.gethostname(), page.split(':')[2].partition('?')[0]
        assert page.startswith(f'http://{name}:{port}?url=rerun+http://{name}:')
        assert allowed(uri, f'http://{name}:{port}')
        assert allowed(uri, f'http://192.168.0.9:{port}')
        assert not allowed(uri, 'http://evil.example')


def test_on_loopback_no_other_page_reads_the_data() -> None:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        data = probe.getsockname()[1]
    with web_viewer(port=0, data_port=data) as (page, uri):
        assert uri == f'rerun+http://127.0.0.1:{data}/proxy'
        assert allowed(uri, page.partition('?')[0])
        assert not allowed(uri, f'http://robot:{page.split(":")[2].partition("?")[0]}')


def test_the_server_ends_with_a_viewer_that_is_killed() -> None:
    """Nothing is left behind that holds the port."""
    code = (
        'import os, time\n'
        'from depth_node.viewer.serving import web_viewer\n'
        'with web_viewer(port=0) as (page, uri):\n'
        '    print(uri, flush=True)\n'
        '    time.sleep(60)\n'
    )
    viewer = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True)
    assert viewer.stdout is not None
    port = int(viewer.stdout.readline().strip().removesuffix('/proxy').rpartition(':')[2])
    viewer.kill()
    viewer.wait()
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(('127.0.0.1', port)):
                return
        time.sleep(0.1)
    raise AssertionError('the server outlives its viewer')


def test_without_a_display_there_is_no_window(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ('DISPLAY', 'WAYLAND_DISPLAY'):
        monkeypatch.delenv(name, raising=False)
    assert main(['view', 'world:1', '--model', 'embedded', '--frames', '1']) == 2
    said = capsys.readouterr().err
    assert 'no display' in said
    assert '--web' in said


@pytest.mark.parametrize(('words', 'said'), [
    (['world:1', '--live'], '--live draws a running node, and world:1 is an input'),
    (['--live', '--model', 'embedded'], '--model belongs to the estimation of an INPUT'),
    (['--live', '--camera-height', '0.5'], '--camera-height belongs to the estimation'),
    (['world:1', '--model', 'embedded', '--fixed-frame', 'odom'], '--fixed-frame belongs to'),
    (['world:1', '--model', 'embedded', '--namespace', 'front'], '--namespace belongs to --live'),
    ([], 'There is no INPUT'),
    (['world:1'], 'There is no --model'),
    (['world:1', '--model', 'embedded', '--port', '9091'], '--port belongs to --web'),
    (['world:1', '--model', 'embedded', '--bind', '0.0.0.0'], '--bind belongs to --web'),
])
def test_what_is_drawn_has_to_be_named(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing is written before that is known."""
    path = tmp_path / 'x.rrd'
    assert main(['view', *words, '--save', str(path)]) == 2
    assert said in capsys.readouterr().err
    assert not path.exists()


def test_a_recording_never_replaces_its_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only what is called .rrd is written."""
    bag = tmp_path / 'drive.mcap'
    bag.write_bytes(b'a recording of hours')
    assert main(['view', str(bag), '--model', 'embedded', '--save', str(bag)]) == 2
    assert 'expected FILE.rrd' in capsys.readouterr().err
    assert bag.read_bytes() == b'a recording of hours'


def test_live_without_ros_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, 'rclpy', None)
    for name in [name for name in sys.modules if name.startswith('depth_node.ros')]:
        monkeypatch.delitem(sys.modules, name)
    assert main(['view', '--live', '--web']) == 2
    assert '--live needs ROS 2' in capsys.readouterr().err
