"""`depth-node reconstruct` on the synthetic world, whose surfaces and floor plan are known."""

from __future__ import annotations

import json
from pathlib import Path
import shutil

import cv2
import numpy as np
from numpy.typing import NDArray
from posed_bag import write_posed_bag
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from depth_node.camera import Camera
from depth_node.cli.main import main
from depth_node.mapping.fusion import Mapper
from depth_node.world import World

pytest.importorskip('open3d', reason='Open3D has no wheel for this Python')

CAMERA = Camera.from_hfov(160, 120, 75)
FEW = ('--far', '4', '--voxel', '0.08', '--min-weight', '1', '--memory', '256')
# a network's way in the world that files and bags take, too
DRIVE = ('--rate', '5', '--frames', '6')


def vertices(path: Path) -> NDArray[np.float64]:
    """Read the points of a PLY file with Open3D's reader, which is not ours."""
    import open3d

    return np.asarray(open3d.io.read_point_cloud(str(path)).points)


def reconstruct(*words: object) -> int:
    return main(['reconstruct', *map(str, words)])


@pytest.fixture(scope='module')
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('camera') / 'camera.yaml'
    CAMERA.to_yaml(path)
    return path


@pytest.fixture(scope='module')
def room(tmp_path_factory: pytest.TempPathFactory, camera: Path) -> Path:
    """Reconstruct a room from its exact depth, a round and a bit."""
    out = tmp_path_factory.mktemp('room')
    code = reconstruct(
        'world:7', '--true-depth', '--camera', camera, '--rate', 3, '--frames', 64, '--far', 5,
        '--out', out / 'room.ply', '--topdown', out / 'plan.pgm', '--json', out / 'room.json',
    )
    assert code == 0
    return out


def test_true_depth_gives_the_true_surfaces(room: Path) -> None:
    distance = np.abs(World(7).distance(vertices(room / 'room.ply')))
    assert np.median(distance) < 0.015
    assert np.percentile(distance, 95) < 0.03
    figures = json.loads((room / 'room.json').read_text())
    assert figures['truth']['median'] == pytest.approx(np.median(distance), abs=1e-6)
    assert figures['frames'] == 64
    assert figures['mesh']['vertices'] == len(distance) > 10_000
    assert len(vertices(room / 'room_cloud.ply')) == figures['cloud']['points']
    assert figures['memory']['refused_blocks'] == 0
    assert figures['frames_per_second'] > 0


def test_the_map_agrees_with_the_floor_plan(room: Path) -> None:
    """By our own figure, and from the files, cell by cell."""
    figures = json.loads((room / 'room.json').read_text())['topdown']
    assert figures['free_iou'] >= 0.85
    assert figures['free_iou_known'] >= 0.95
    assert abs(figures['floor']) < 0.01
    pixels = cv2.imread(str(room / 'plan.pgm'), cv2.IMREAD_UNCHANGED)[::-1]
    row, column = np.nonzero(pixels == 254)
    side = figures['resolution']
    x = figures['origin'][0] + (column + 0.5) * side
    y = figures['origin'][1] + (row + 0.5) * side
    gap = np.min([World(7).distance(np.stack([x, y, np.full_like(x, z)], 1))
                  for z in (0.15, 0.3, 0.45)], axis=0)
    assert (gap > -side).all(), 'something stands where the map says free'
    assert (pixels == 0).sum() * side**2 == pytest.approx(figures['occupied_m2'])


@pytest.mark.parametrize(('far', 'median', 'share'), [
    ((), 0.05, 0.30),
    (('--far', 2.5), 0.03, 0.15),
], ids=['by default', 'near'])
def test_the_embedded_network_gives_a_room(
    tmp_path: Path, far: tuple[object, ...], median: float, share: float
) -> None:
    code = reconstruct(
        'world:7', '--model', 'embedded', '--rate', 2, '--frames', 20, *far,
        '--out', tmp_path / 'm.ply', '--json', tmp_path / 'm.json',
    )
    assert code == 0
    truth = json.loads((tmp_path / 'm.json').read_text())['truth']
    assert 0 < truth['median'] < median
    assert truth['share_95'] < share


@pytest.fixture(scope='module')
def expected(tmp_path_factory: pytest.TempPathFactory, camera: Path) -> NDArray[np.float64]:
    """Reconstruct with the embedded network and the world's own poses."""
    out = tmp_path_factory.mktemp('expected') / 'm.ply'
    assert reconstruct('world:7', '--model', 'embedded', '--camera', camera, *DRIVE, *FEW,
                       '--out', out) == 0
    return vertices(out)


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the same frames as images, named as in TUM's data sets, and poses."""
    out = tmp_path_factory.mktemp('folder')
    world = World(7)
    (out / 'rgb').mkdir()
    poses = [world.pose(number / 5) for number in range(6)]
    for number, pose in enumerate(poses):
        rgb, _ = world.render(CAMERA, pose, time=number / 5)
        name = f'13050311{number // 5:02d}.{number % 5 * 200000:06d}'
        cv2.imwrite(str(out / 'rgb' / f'{name}.png'), rgb[..., ::-1])
    # twice as many poses as frames, later by an hour
    twice = [world.pose(number / 10) for number in range(12)]
    rows = [[1305034700 + n / 10, *pose[:3, 3], *Rotation.from_matrix(pose[:3, :3]).as_quat()]
            for n, pose in enumerate(twice)]
    np.savetxt(out / 'tum.txt', rows, fmt='%.6f', header='timestamp tx ty tz qx qy qz qw')
    # KITTI: in the frame of the first camera, whose y is down
    first = np.linalg.inv(poses[0])
    np.savetxt(out / 'kitti.txt', [(first @ pose)[:3].ravel() for pose in poses])
    return out


def test_tum_poses_of_another_clock(
    tmp_path: Path, folder: Path, camera: Path, expected: NDArray[np.float64]
) -> None:
    words = (folder / 'rgb', '--poses', folder / 'tum.txt', '--model', 'embedded', '--camera',
             camera, *FEW, '--out', tmp_path / 'm.ply', '--json', tmp_path / 'm.json')
    assert reconstruct(*words) == 2
    assert not list(tmp_path.iterdir())
    assert reconstruct(*words, '--time-offset', 3600) == 0
    found = vertices(tmp_path / 'm.ply')
    assert abs(len(found) - len(expected)) < 0.02 * len(expected)
    np.testing.assert_allclose(np.median(found, 0), np.median(expected, 0), atol=0.02)
    assert json.loads((tmp_path / 'm.json').read_text())['up'] == 'z'


def test_kitti_poses_stand_upright(
    tmp_path: Path, folder: Path, camera: Path, expected: NDArray[np.float64]
) -> None:
    """The first camera looks ahead and 5 degrees down: so does the map's x."""
    words = (folder / 'rgb', '--poses', folder / 'kitti.txt', '--model', 'embedded', '--camera',
             camera, *FEW)
    assert reconstruct(*words, '--out', tmp_path / 'm.ply', '--json', tmp_path / 'm.json') == 0
    assert json.loads((tmp_path / 'm.json').read_text())['up'] == '-y'
    pose = World(7).pose(0)
    map_from_optical = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    back = (expected - pose[:3, 3]) @ pose[:3, :3] @ map_from_optical.T
    found = vertices(tmp_path / 'm.ply')
    # voxels lie otherwise, so vertices differ; the surface does not
    for one, other in ((found, back), (back, found)):
        apart, _ = cKDTree(other).query(one)
        assert np.median(apart) < 0.04
        assert np.percentile(apart, 95) < 0.12
    # and with --upright: x right, y up, z to the viewer
    assert reconstruct(*words, '--upright', '--out', tmp_path / 'u.ply') == 0
    up = vertices(tmp_path / 'u.ply')
    np.testing.assert_allclose(np.stack([-up[:, 2], -up[:, 0], up[:, 1]], 1), found, atol=1e-5)
    assert b'y up' in (tmp_path / 'u.ply').read_bytes()[:200]


def test_a_bag_by_odometry_and_by_tf(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip('rosbags')
    write_posed_bag(tmp_path / 'bag', world=World(7), camera=CAMERA, frames=4)
    words = (tmp_path / 'bag', '--model', 'embedded', *FEW, '--every', 2)
    for name, poses in (('odom', '/odom'), ('tf', 'tf:odom')):
        assert reconstruct(*words, '--poses', poses, '--out', tmp_path / f'{name}.ply',
                           '--topdown', tmp_path / f'{name}.pgm') == 0
    assert '2 frames' in capsys.readouterr().out
    found = vertices(tmp_path / 'odom.ply')
    np.testing.assert_array_equal(found, vertices(tmp_path / 'tf.ply'))
    distance = np.abs(World(7).distance(found))
    assert np.median(distance) < 0.2, 'the bag drives through the world as it says'
    assert reconstruct(*words, '--out', tmp_path / 'n.ply') == 2
    assert 'The bag has /odom, TF.' in capsys.readouterr().err
    assert reconstruct(*words, '--poses', 'tf:map', '--out', tmp_path / 'n.ply') == 2
    assert 'does not connect' in capsys.readouterr().err
    assert reconstruct(*words, '--poses', 'odom', '--out', tmp_path / 'n.ply') == 2
    assert 'odom is not a file, and not a topic, which begins with /. The bag has /odom, TF.' in (
        capsys.readouterr().err)
    assert reconstruct(*words, '--poses', tmp_path, '--out', tmp_path / 'n.ply') == 2
    assert f'has no odometry on {tmp_path}. It has /odom.' in capsys.readouterr().err


def test_a_bag_whose_camera_is_nowhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip('rosbags')
    write_posed_bag(tmp_path / 'bag', world=World(7), camera=CAMERA, frames=2, tf=False)
    words = (tmp_path / 'bag', '--model', 'embedded', *FEW, '--poses', '/odom', '--out',
             tmp_path / 'm.ply')
    assert reconstruct(*words) == 2
    assert "Give its pose in 'base_link' with --extrinsic" in capsys.readouterr().err
    assert reconstruct(*words, '--extrinsic=0,0,0.6,-0.5,0.5,-0.5,0.5') == 0
    assert np.median(np.abs(World(7).distance(vertices(tmp_path / 'm.ply')))) < 0.2


@pytest.mark.parametrize(('words', 'reason'), [
    (['world:7', '--frames', '2', '--model', 'embedded', '--poses', 'tum.txt'], 'of its own'),
    (['world:7', '--model', 'embedded'], 'never ends'),
    (['world:7', '--frames', '2'], 'either --model M, or --true-depth'),
    (['rgb', '--model', 'embedded', '--hfov', '75'], 'needs the poses of the camera'),
    (['rgb', '--true-depth', '--poses', 'kitti.txt'], 'has no exact depth'),
    (['rgb', '--model', 'embedded', '--poses', 'kitti.txt'], 'needs the calibration'),
    (['rgb', '--model', 'embedded', '--poses', 'short.txt', '--hfov', '75'],
     'has 5 poses without stamps for the 6 frames'),
    (['rgb', '--model', 'embedded', '--poses', 'tum.txt', '--hfov', '75'], '--time-offset'),
    (['rgb', '--model', 'embedded', '--poses', 'none.txt', '--hfov', '75'], 'cannot be read'),
    (['world:7', '--frames', '2', '--true-depth', '--far', '0.05'], 'gave no surface'),
    (['world:7', '--frames', '2', '--true-depth', '--topdown', 'a.png'], 'NAME.pgm'),
    (['world:7', '--frames', '2', '--true-depth', '--out', 'a.obj'], 'expected FILE.ply'),
    (['world:7', '--frames', '2', '--true-depth', '--voxel', '9'], '0 < voxel < far'),
    (['world:7', '--frames', '2', '--true-depth', '--camera', 'a.yaml', '--topdown', 'a.pgm'],
     'which --camera reads'),
    (['rgb', '--model', 'embedded', '--poses', 'tum.txt', '--json', 'tum.txt'],
     'which --poses reads'),
    (['world:7', '--frames', '2', '--true-depth', '--json', 'm.yaml', '--topdown', 'm.pgm'],
     '--topdown writes m.yaml, which --json writes'),
    (['world:7', '--frames', '2', '--true-depth', '--json', 'm_cloud.ply'],
     '--json writes m_cloud.ply, which --out writes'),
])
def test_what_cannot_be_mapped_is_one_line(
    tmp_path: Path, folder: Path, camera: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], words: list[str], reason: str,
) -> None:
    shutil.copytree(folder, tmp_path / 'd')
    shutil.copy(camera, tmp_path / 'd' / 'a.yaml')
    lines = (tmp_path / 'd' / 'kitti.txt').read_text().splitlines()
    (tmp_path / 'd' / 'short.txt').write_text('\n'.join(lines[:5]))
    before = sorted((tmp_path / 'd').rglob('*'))
    monkeypatch.chdir(tmp_path / 'd')
    out = [] if '--out' in words else ['--out', 'm.ply']
    assert reconstruct(*words, *out) == 2
    said = capsys.readouterr().err
    assert reason in said
    assert 'Traceback' not in said
    assert sorted((tmp_path / 'd').rglob('*')) == before


def test_without_a_floor_the_mesh_is_kept(
    tmp_path: Path, camera: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The frames may have taken hours: exit code 1, the reason, and everything but the plan."""
    words = ('world:7', '--true-depth', '--camera', camera, '--frames', 2, '--min-weight', '0.5',
             '--out', tmp_path / 'm.ply', '--topdown', tmp_path / 'm.pgm', '--json',
             tmp_path / 'm.json')
    assert reconstruct(*words, '--floor', 50) == 1
    assert 'm.pgm was not written. Nothing was mapped from the floor' in capsys.readouterr().err
    assert len(vertices(tmp_path / 'm.ply')) > 100
    figures = json.loads((tmp_path / 'm.json').read_text())
    assert '--floor' in figures['topdown']['error']
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ['m.json', 'm.ply', 'm_cloud.ply']
    assert reconstruct(*words) == 0
    assert (tmp_path / 'm.pgm').exists()


def test_a_network_without_metres(
    tmp_path: Path, network, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ('world:7', '--frames', 1, '--model', network(), '--kind', 'relative_disparity',
             '--mean', '0,0,0', '--std', '1,1,1', '--out', tmp_path / 'm.ply')
    assert reconstruct(*words) == 2
    assert 'A map needs metres' in capsys.readouterr().err
    assert not (tmp_path / 'm.ply').exists()


def test_the_confidence_of_the_estimator_is_used(
    tmp_path: Path, camera: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []
    monkeypatch.setattr(Mapper, 'add', lambda _self, *values: given.append(values[2].copy()))
    reconstruct('world:7', '--model', 'embedded', '--camera', camera, '--frames', 2, '--out',
                tmp_path / 'm.ply')
    assert len(given) == 2
    assert all(0 <= c.min() < 0.5 < c.max() <= 1 for c in given)


def test_too_little_memory_leaves_a_part_and_says_so(
    tmp_path: Path, camera: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = reconstruct(
        'world:7', '--true-depth', '--camera', camera, '--frames', 2, '--voxel', '0.02',
        '--min-weight', '0.5', '--memory', 24, '--out', tmp_path / 'm.ply',
        '--json', tmp_path / 'm.json',
    )
    assert code == 1
    assert '24 MiB were not enough' in capsys.readouterr().err
    figures = json.loads((tmp_path / 'm.json').read_text())['memory']
    assert figures['refused_blocks'] > 0
    assert figures['used_mib'] <= 24


def test_a_frame_without_a_pose_is_left_out(
    tmp_path: Path, folder: Path, camera: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The pose of a frame that cannot be read is not that of the next one."""
    shutil.copytree(folder, tmp_path / 'd')
    broken = sorted((tmp_path / 'd' / 'rgb').iterdir())[2]
    broken.write_bytes(broken.read_bytes()[:100])
    code = reconstruct(
        tmp_path / 'd' / 'rgb', '--poses', folder / 'kitti.txt', '--model', 'embedded',
        '--camera', camera, *FEW, '--out', tmp_path / 'm.ply', '--json', tmp_path / 'm.json',
    )
    assert code == 1
    assert '1 of 6 frames were left out' in capsys.readouterr().err
    figures = json.loads((tmp_path / 'm.json').read_text())
    assert (figures['frames'], len(figures['left_out'])) == (5, 1)
