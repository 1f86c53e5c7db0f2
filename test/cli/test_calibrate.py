"""`depth-node calibrate`: distances by tape, ground and sensor, against painted depth."""

from __future__ import annotations

import json
import math

import cv2
from dummy_networks import write_red_network
import numpy as np
import pytest

from depth_node.camera import Camera
from depth_node.catalogue.opening import open_model
from depth_node.cli.main import main
from depth_node.config import Config
from depth_node.estimator import DepthEstimator
from depth_node.output.ply import write_ply
from depth_node.scale import read_scale

SCALE, SHIFT = 0.9, 0.1
CAMERA = Camera.from_hfov(64, 48, 70.0)


def painted(z):
    """Return the picture that the network takes for a depth (m)."""
    rgb = np.zeros((*z.shape, 3), np.uint8)
    rgb[..., 0] = np.clip(np.rint(255 * (1 / z - SHIFT) / SCALE), 0, 255)
    return rgb


def write(path, rgb):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), rgb[..., ::-1])


def steps():
    """Three walls, 1, 2 and 5 m away."""
    z = np.full((48, 64), 5.0)
    z[:, :40], z[:, :20] = 2.0, 1.0
    return z


@pytest.fixture
def model(tmp_path):
    """A network whose answer is known."""
    return write_red_network(tmp_path / 'red.onnx')


def calibrate(tmp_path, *words):
    """Run the verb; return its code and what it wrote."""
    out = tmp_path / 'scale.yaml'
    code = main(['calibrate', *map(str, words), '--out', str(out),
                 '--json', str(tmp_path / 'out.json')])
    return code, read_scale(out) if out.exists() else None


def test_distances_by_tape(tmp_path, model):
    """Two distances tell scale and shift; the file makes the estimator metric."""
    write(tmp_path / 'frames' / 'a.png', painted(steps()))
    code, found = calibrate(
        tmp_path, 'frames', tmp_path / 'frames', '--model', model,
        '--at', '8,20,1.0', '--at', '30,20,2.0', '--at', '55,20,5.0',
    )
    assert code == 0
    assert found.scale == pytest.approx(SCALE, rel=0.02)
    assert found.shift == pytest.approx(SHIFT, abs=0.01)
    assert json.loads((tmp_path / 'out.json').read_text())['frames'] == 1
    config = Config().replaced({
        'scale.source': 'fixed', 'scale.calibration_file': str(tmp_path / 'scale.yaml'),
        'filter.edge_threshold': 0.0,
    })
    depth = DepthEstimator(open_model(model), config).estimate(painted(steps()), CAMERA).depth
    np.testing.assert_allclose(depth, steps(), rtol=0.03)


def test_height_above_a_floor(tmp_path, model):
    slope = np.cos(math.radians(30)) * CAMERA.rays()[..., 1] + math.sin(math.radians(30))
    for name in ('a.png', 'b.png'):
        write(tmp_path / 'frames' / name, painted(1 / slope))
    code, found = calibrate(
        tmp_path, 'frames', tmp_path / 'frames', '--model', model, '--height', '1',
        '--pitch', '30', '--hfov', '70',
    )
    assert code == 0
    assert found.source == 'ground'
    assert found.scale == pytest.approx(SCALE, rel=0.02)
    assert found.shift == pytest.approx(SHIFT, abs=0.01)


def test_reference_sensor(tmp_path, model):
    z = steps()
    write(tmp_path / 'data' / 'color' / '1.png', painted(z))
    (tmp_path / 'data' / 'depth').mkdir()
    cv2.imwrite(str(tmp_path / 'data' / 'depth' / '1.png'), (1000 * z).astype(np.uint16))
    code, found = calibrate(tmp_path, 'rgbd', tmp_path / 'data', '--model', model)
    assert code == 0
    assert found.scale == pytest.approx(SCALE, rel=0.02)


def test_kitti_lidar(tmp_path, shared_data):
    code, found = calibrate(
        tmp_path, 'kitti-object', shared_data / 'kitti' / 'object', '--model',
        shared_data / 'weights' / 'rtmonodepth_s_ms_640_192.onnx', '--kind',
        'sigmoid_disparity', '--mean', '0,0,0', '--std', '1,1,1',
    )
    assert code == 0
    # the median ratio to the velodyne's depth is 6.2, the robust middle a little above
    assert found.scale == pytest.approx(6.3, rel=0.08)


@pytest.mark.parametrize('suffix', ['.npy', '.ply'])
def test_points_of_a_sensor(tmp_path, model, capsys, suffix):
    """One of two frames has its own points; what the local correction would gain is said."""
    z, bend = steps(), np.exp(np.linspace(-0.1, 0.1, 64))
    rays = CAMERA.rays()
    points = np.concatenate([rays * z[..., None], z[..., None]], -1).reshape(-1, 3)
    (tmp_path / 'points').mkdir()
    for name in 'ab':
        write(tmp_path / 'frames' / f'{name}.png', painted(z * bend))
        if suffix == '.ply':
            write_ply(tmp_path / 'points' / f'{name}.ply', points.astype(np.float32))
        else:
            np.save(tmp_path / 'points' / f'{name}.npy', points)
    code, found = calibrate(
        tmp_path, 'frames', tmp_path / 'frames', '--model', model, '--hfov', '70',
        '--points', tmp_path / 'points',
    )
    assert code == 0
    assert found.source == 'distances'
    report = json.loads((tmp_path / 'out.json').read_text())
    assert report['frames'] == 2
    assert report['local_gain'] > 0.3
    assert 'local correction' in capsys.readouterr().out
    metres = 1 / (found.scale * (1 / (z * bend) - SHIFT) / SCALE + found.shift)
    assert np.median(metres / z) == pytest.approx(1, abs=0.05)


def test_registered_depth(tmp_path, model):
    write(tmp_path / 'frames' / 'a.png', painted(steps()))
    cv2.imwrite(str(tmp_path / 'depth.png'), (1000 * steps()).astype(np.uint16))
    code, found = calibrate(
        tmp_path, 'frames', tmp_path / 'frames', '--model', model, '--depth',
        tmp_path / 'depth.png',
    )
    assert code == 0
    assert found.scale == pytest.approx(SCALE, rel=0.02)
    assert found.shift == pytest.approx(SHIFT, abs=0.01)


@pytest.mark.parametrize(('words', 'says'), [
    (['--points', 'missing.npy'], 'no such file'),
    (['--depth', __file__, '--at', '8,20,1.0'], 'cannot be combined'),
    (['--points', __file__, '--height', '1'], 'cannot be combined'),
    (['--depth', __file__, '--points', __file__], 'cannot be combined'),
    (['--points', __file__], '--hfov'),
    (['--points', __file__, '--hfov', '70'], 'expected points as'),
    (['--at', '8,20,1.0'], 'all distances'),
    (['--at', 'here'], 'COLUMN,ROW,METRES'),
    (['--at', '8,20,-1'], 'positive distance'),
    (['--at', '800,20,1.0'], 'no such pixel'),
    ([], 'needs'),
    (['--height', '1', '--at', '8,20,1.0'], 'cannot be combined'),
    (['--height', '1'], '--hfov'),
    (['--height', '-1'], "--height: '-1' is not a number"),
])
def test_what_cannot_be_used_is_one_clear_line(tmp_path, model, capsys, words, says):
    write(tmp_path / 'frames' / 'a.png', painted(steps()))
    code, found = calibrate(
        tmp_path, 'frames', tmp_path / 'frames', '--model', model, *words
    )
    assert code == 2
    assert found is None
    text = capsys.readouterr().err
    assert says in text
    assert text.count('\n') == 1
