from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny import noise

from depth_node.camera import Camera
from depth_node.errors import DataError
from depth_node.image.size import Size
from depth_node.training.data.poses import Track
from depth_node.training.data.prepare import RecordingOptions
from depth_node.training.data.sources import read_source, Source

SIZE = Size(64, 32)
ALL = RecordingOptions(SIZE, least_motion=0.0)


def pictures(folder: Path, count: int, size: tuple[int, int] = (96, 48)) -> Path:
    folder.mkdir(parents=True)
    for index in range(count):
        # with frame2 before frame10
        picture = noise(size[1], size[0], 3, seed=index)
        cv2.imwrite(str(folder / f'frame{index + 1}.png'), picture)
    return folder


@pytest.mark.parametrize(
    ('text', 'match'),
    [
        ('nothing', 'not a source'),
        ('tape:x', 'not a source'),
        ('folder:/nowhere/at/all', 'does not exist'),
        ('world:speed=fast', 'expected a number'),
        ('world:colour=red', 'unknown option'),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, match: str) -> None:
    with pytest.raises(DataError, match=match):
        next(iter(Source.parse(text).frames(SIZE)))


def test_a_source_writes_itself_as_it_was_read(tmp_path: Path) -> None:
    text = f'folder:{pictures(tmp_path / "f", 1)},hfov=70,every=2'
    assert str(Source.parse(text)) == text
    assert Source.parse(text).name != Source.parse(text.replace('70', '71')).name


def test_a_folder_with_a_calibration_and_poses(tmp_path: Path) -> None:
    folder = pictures(tmp_path / 'f', 12)
    Camera(192, 96, 150, 152, 95, 47).to_yaml(folder / 'camera.yaml')
    table = tmp_path / 'poses.txt'
    np.savetxt(table, [[0.1 * i, 0, 0, 0, 0, 0, 1] for i in range(12)])
    made = read_source(Source.parse(f'folder:{folder},poses={table}'), tmp_path / 'c', ALL)
    assert len(made) == 12
    np.testing.assert_allclose(made.cameras[0], [50, 152 / 3, 95 / 3, 47 / 3])
    np.testing.assert_allclose(made.poses[:, 0, 3], 0.1 * np.arange(12))
    second = cv2.cvtColor(cv2.imread(str(folder / 'frame2.png')), cv2.COLOR_BGR2RGB)
    expected = cv2.resize(second, SIZE, interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(made.frames[1], expected)


def test_a_folder_without_a_calibration_is_refused(tmp_path: Path) -> None:
    folder = pictures(tmp_path / 'f', 2)
    with pytest.raises(DataError, match='no calibration'):
        read_source(Source.parse(f'folder:{folder}'), tmp_path / 'c', ALL)


def test_poses_of_another_number_are_refused(tmp_path: Path) -> None:
    folder = pictures(tmp_path / 'f', 3)
    np.savetxt(tmp_path / 'p.txt', np.eye(7)[[6, 6]])
    source = Source.parse(f'folder:{folder},hfov=70,poses={tmp_path / "p.txt"}')
    with pytest.raises(DataError, match='2 poses for 3 frames'):
        read_source(source, tmp_path / 'c', ALL)


def test_a_video(tmp_path: Path) -> None:
    path = tmp_path / 'v.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 20.0, (96, 48))
    if not writer.isOpened():
        pytest.skip('this OpenCV writes no MJPG')
    for index in range(6):
        writer.write(noise(48, 96, 3, seed=index))
    writer.release()
    made = read_source(Source.parse(f'video:{path},hfov=60,every=2'), tmp_path / 'c', ALL)
    assert len(made) == 3
    # half the width over the tangent of half the angle, at 64 columns
    assert made.cameras[0, 0] == pytest.approx(32 / np.tan(np.radians(30)), rel=1e-6)


def test_an_rgbd_layout(tmp_path: Path) -> None:
    pictures(tmp_path / 'd' / 'color', 2)
    (tmp_path / 'd' / 'depth').mkdir()
    for index in (1, 2):
        cv2.imwrite(str(tmp_path / 'd' / 'depth' / f'frame{index}.png'),
                    np.full((48, 96), 500 * index, np.uint16))
    text = f'rgbd:{tmp_path / "d"},hfov=60,units=500'
    made = read_source(Source.parse(text), tmp_path / 'c', ALL)
    assert made.depth is not None
    assert (made.depth[1] == 2.0).all()
    assert made.counts.depth == 2


def _projection(focal: float, shift: float) -> str:
    return f'{focal} 0 45 {shift} 0 {focal} 20 0 0 0 1 0'


def test_a_raw_kitti_drive_with_stereo_lidar_and_gps(tmp_path: Path) -> None:
    drive = tmp_path / '2011' / 'drive_sync'
    for side in ('02', '03'):
        pictures(drive / f'image_{side}' / 'data', 3)
    (tmp_path / '2011' / 'calib_cam_to_cam.txt').write_text(
        'calib_time: 09-Jan-2012 13:57:47\n'
        f'P_rect_02: {_projection(80, 4)}\nP_rect_03: {_projection(80, -36)}\n'
    )
    truth = drive / 'proj_depth' / 'groundtruth' / 'image_02'
    truth.mkdir(parents=True)
    depth = np.zeros((48, 96), np.uint16)
    depth[30, 60] = 256 * 7
    cv2.imwrite(str(truth / 'frame2.png'), depth)
    (drive / 'oxts' / 'data').mkdir(parents=True)
    for index in range(3):  # a thousandth of a degree north each
        row = [49 + 1e-5 * index, 8.4, 110, 0, 0, 0.5, *[0] * 24]
        (drive / 'oxts' / 'data' / f'{index:010d}.txt').write_text(' '.join(map(str, row)))
    made = read_source(Source.parse(f'kitti:{drive}'), tmp_path / 'c', ALL)
    assert made.baseline == pytest.approx(0.5)
    assert made.counts.stereo == 3
    assert made.counts.depth == 1
    assert made.depth is not None
    assert np.isnan(made.depth[0]).all()
    assert made.depth[1][20, 40] == 7.0
    way = np.linalg.norm(made.poses[1, :3, 3] - made.poses[0, :3, 3])
    # a degree of latitude is 111.3 km on the sphere KITTI uses
    assert way == pytest.approx(np.radians(1e-5) * 6378137, rel=1e-4)


def test_a_kitti_sequence(shared_data: Path, tmp_path: Path) -> None:
    source = Source.parse(f'kitti:{shared_data / "kitti" / "sequence"}')
    made = read_source(source, tmp_path, RecordingOptions(Size(320, 96)))
    assert made.counts.read == 51
    assert made.counts.poses == 51
    assert made.counts.segments == 1
    ways = np.linalg.norm(np.diff(made.poses[:, :3, 3], axis=0), axis=1)
    assert 0.1 < ways.mean() < 2.0


def test_a_track_is_interpolated_and_ends() -> None:
    track = Track(np.array([1.0, 2.0]), np.array([[0, 0, 0], [2.0, 0, 1.0]]))
    pose = track.at(1.25)
    assert pose is not None
    np.testing.assert_allclose(pose[:3, 3], [0.5, 0, 0.25])
    assert track.at(0.9) is None
    assert track.at(2.1) is None


def test_rendered_sources(tmp_path: Path) -> None:
    drive = read_source(
        Source.parse('world:seed=4,seconds=1,fps=4,stereo=0.1'), tmp_path, ALL
    )
    assert drive.counts.stereo == len(drive) == 4
    assert drive.baseline == 0.1
    scenes = read_source(Source.parse('scenes:rooms=2,views=2'), tmp_path, ALL)
    assert len(scenes) == 4
    assert len(set(scenes.cameras[:, 0])) == 4
    assert scenes.depth is not None
    assert np.isfinite(scenes.depth).all()
