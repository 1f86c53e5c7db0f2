"""Known distances on the command line: `predict --points|--depth`, `evaluate --anchors`."""

from __future__ import annotations

import json

import cv2
from dummy_networks import write_red_network
import numpy as np
import pytest

from depth_node.camera import Camera
from depth_node.cli.main import main

CAMERA = Camera.from_hfov(64, 48, 70.0)
BEND = np.exp(np.linspace(-0.15, 0.15, 64))


def truth():
    """A slope from 1.2 m to 4 m, with a box before it."""
    z = np.repeat(np.linspace(4, 1.2, 48)[:, None], 64, axis=1)
    z[10:30, 20:40] = 1.5
    return z


@pytest.fixture
def scene(tmp_path):
    """A picture that the network takes for a bent world, its model, and its true depth."""
    red = 255 * (1 / (truth() * BEND) - 0.1) / 0.9
    rgb = np.zeros((48, 64, 3), np.uint8)
    rgb[..., 0] = np.clip(np.rint(red), 0, 255)
    (tmp_path / 'color').mkdir()
    (tmp_path / 'depth').mkdir()
    cv2.imwrite(str(tmp_path / 'color' / 'a.png'), rgb[..., ::-1])
    cv2.imwrite(str(tmp_path / 'depth' / 'a.png'), np.rint(1000 * truth()).astype(np.uint16))
    return tmp_path, write_red_network(tmp_path / 'red.onnx')


def predict(scene, *words):
    """Run the verb; return its code, the depth (m) and the report."""
    folder, model = scene
    code = main([
        'predict', str(folder / 'color' / 'a.png'), '--model', str(model), '--out',
        str(folder / 'out'), '--write', 'npy', '--hfov', '70', '--edge-threshold', '0',
        '--json', str(folder / 'out.json'), *map(str, words),
    ])
    file = folder / 'out' / 'a_depth.npy'
    depth = np.load(file) if file.exists() else None
    report = json.loads((folder / 'out.json').read_text()) if code == 0 else None
    return code, depth, report


def write_points(path, optical_from_sensor, suffix):
    rays = CAMERA.rays().astype(np.float64)
    z = truth()
    points = np.concatenate([rays * z[..., None], z[..., None]], axis=-1).reshape(-1, 3)
    back = np.linalg.inv(optical_from_sensor)
    points = points @ back[:3, :3].T + back[:3, 3]
    if suffix == '.npy':
        np.save(path, points)
    elif suffix == '.bin':
        np.column_stack([points, np.ones(len(points))]).astype(np.float32).tofile(path)
    else:
        np.savetxt(path, points)


@pytest.mark.parametrize('suffix', ['.npy', '.bin', '.txt'])
def test_points_give_scale_shift_and_the_shape(scene, suffix):
    file = scene[0] / f'points{suffix}'
    write_points(file, np.eye(4), suffix)
    code, depth, report = predict(scene, '--points', file)
    assert code == 0
    assert np.median(np.abs(depth / truth() - 1)) < 0.02
    assert report['frames'][0]['local_gain'] > 0.4


def test_points_of_a_sensor_elsewhere(scene):
    lidar = np.array([[0, -1, 0, 0.05], [0, 0, -1, -0.1], [1, 0, 0, -0.04], [0, 0, 0, 1.0]])
    file = scene[0] / 'points.npy'
    write_points(file, lidar, '.npy')
    code, depth, _ = predict(
        scene, '--points', file, '--extrinsic', '0.05,-0.1,-0.04,0.5,-0.5,0.5,0.5'
    )
    assert code == 0
    assert np.median(np.abs(depth / truth() - 1)) < 0.02


def test_registered_depth_from_a_folder(scene):
    code, depth, report = predict(scene, '--depth', scene[0] / 'depth')
    assert code == 0
    assert np.median(np.abs(depth / truth() - 1)) < 0.02
    assert report['frames'][0]['anchors'] > 1000


@pytest.mark.parametrize(('words', 'says'), [
    (['--points', 'x.npy', '--depth', 'y.png'], 'cannot be combined'),
    (['--points', 'missing.npy'], 'missing.npy'),
    (['--points', 'points.las'], 'expected points as'),
    (['--depth', 'missing.png'], 'missing.png'),
    (['--points', 'p.npy', '--extrinsic', '1,2'], '--extrinsic'),
])
def test_what_cannot_be_used_is_one_line(scene, capsys, monkeypatch, words, says):
    monkeypatch.chdir(scene[0])
    np.save(scene[0] / 'p.npy', np.ones((9, 3)))
    (scene[0] / 'points.las').write_text('VERSION 0.7')
    code, depth, _ = predict(scene, *words)
    assert code != 0
    assert depth is None
    assert says in capsys.readouterr().err


def test_points_in_millimetres_are_refused(scene, capsys):
    file = scene[0] / 'points.npy'
    write_points(file, np.eye(4), '.npy')
    np.save(file, 1000 * np.load(file))
    code, depth, _ = predict(scene, '--points', file)
    assert code != 0
    assert depth is None
    assert 'millimetres' in capsys.readouterr().err


@pytest.mark.parametrize('change', [
    lambda z: z[::-1],
    lambda z: np.roll(z, 24, axis=0),  # another picture
    lambda z: np.where(z > 1.6, 40.0, z),  # a sensor that saturates
], ids=['upside down', 'another', 'saturated'])
def test_depth_that_does_not_belong_is_refused(scene, capsys, change):
    np.save(scene[0] / 'other.npy', change(truth()))
    code, depth, _ = predict(scene, '--depth', scene[0] / 'other.npy')
    assert code != 0
    assert depth is None
    assert 'aligned' in (said := capsys.readouterr().err) or 'determine' in said


def test_evaluate_holds_the_anchors_out(shared_data, tmp_path):
    """KITTI with a tenth of the lidar: the same as the bench measures."""
    out = tmp_path / 'out.json'
    code = main([
        'evaluate', 'kitti-object', str(shared_data / 'kitti' / 'object'), '--model',
        str(shared_data / 'weights' / 'rtmonodepth_s_ms_640_192.onnx'), '--kind',
        'sigmoid_disparity', '--mean', '0,0,0', '--std', '1,1,1', '--garg-crop', '--cap', '80',
        '--anchors', '0.1', '--json', str(out),
    ])
    assert code == 0
    report = json.loads(out.read_text())
    assert report['abs_rel'] < 0.065
    assert 15000 < report['pixels'] < 17000
