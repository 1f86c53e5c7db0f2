"""Layouts on disk, made here and real ones."""

from contextlib import suppress

import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from depth_node.camera import Camera
from depth_node.errors import DataError
from depth_node.sources.datasets import (
    kitti_object,
    kitti_sequence,
    prediction_pairs,
    read_kitti_calibration,
    rgbd,
    splat,
)
from depth_node.sources.depth_files import read_depth, read_plane

KINECT = Camera(640, 480, 518.0, 519.0, 325.5, 253.5)


def test_splat_keeps_the_nearest():
    """Two points on one pixel, one behind the camera, one outside."""
    points = np.array([[2.0 * 9, 3.0 * 9, 9], [2.2 * 5, 3.1 * 5, 5], [2, 3, -4], [70, 3, 1]]).T
    depth = splat(points, 6, 8)
    assert depth[3, 2] == 5
    assert np.isfinite(depth).sum() == 1


def test_kitti_object(shared_data):
    """The lidar's road lies where the road is: 1.5 to 1.75 m under the camera, as it bulges."""
    dataset = kitti_object(shared_data / 'kitti' / 'object')
    assert len(dataset) == 1
    sample = dataset[0]
    assert sample.rgb.shape[:2] == sample.depth.shape
    known = np.isfinite(sample.depth)
    assert 0.03 < known.mean() < 0.06
    assert 2 < np.nanmin(sample.depth) < np.nanmax(sample.depth) < 90
    down = sample.camera.rays()[..., 1] * sample.depth
    columns = slice(sample.depth.shape[1] // 3, sample.depth.shape[1] * 2 // 3)
    assert np.nanmedian(down[-60:, columns]) == pytest.approx(1.6, abs=0.2)


def test_kitti_sequence(shared_data):
    """The car drives forwards, about a metre a frame."""
    dataset = kitti_sequence(shared_data / 'kitti' / 'sequence')
    assert len(dataset) == 51
    first, last = dataset[0], dataset[50]
    assert first.camera.fx == pytest.approx(707.09, abs=0.01)
    moved = np.linalg.inv(first.pose) @ last.pose
    assert moved[2, 3] > 20
    assert abs(moved[1, 3]) < 5


def test_real_rgbd_frames_agree_across_poses(shared_data):
    """Points of one Kinect frame, moved by the poses, fall on the next frame's surfaces."""
    dataset = rgbd(shared_data / 'rgbd', KINECT)
    one, two = dataset[3], dataset[4]
    known = np.isfinite(one.depth)
    rays = KINECT.rays()[known]
    points = np.column_stack([rays, np.ones(len(rays))]) * one.depth[known][:, None]
    move = np.linalg.inv(two.pose) @ one.pose
    seen = points @ move[:3, :3].T + move[:3, 3]
    u, v = np.rint(KINECT.project(seen)).T
    inside = (u >= 0) & (u < 640) & (v >= 0) & (v < 480)
    there = two.depth[v[inside].astype(int), u[inside].astype(int)]
    off = abs(there - seen[inside, 2]) / seen[inside, 2]
    assert np.nanmedian(off) < 0.02


def test_rgbd_made_here(tmp_path):
    """Millimetres become metres, 0 unknown; quaternions turn as scipy says."""
    for side in ('color', 'depth'):
        (tmp_path / side).mkdir()
    depth = np.array([[0, 1000], [2500, 65535]], np.uint16)
    for name in ('2', '10'):
        cv2.imwrite(str(tmp_path / 'color' / f'{name}.png'), np.zeros((2, 2, 3), np.uint8))
        cv2.imwrite(str(tmp_path / 'depth' / f'{name}.pgm'), depth)
    (tmp_path / 'pose.txt').write_text('1 2 3 0 0 0 1\n-1 0 2 0.1 -0.2 0.3 0.5\n')
    dataset = rgbd(tmp_path)
    assert dataset.names == ('2', '10')
    np.testing.assert_allclose(dataset[0].depth, [[np.nan, 1], [2.5, 65.535]], rtol=1e-6)
    np.testing.assert_allclose(
        dataset[1].pose[:3, :3], Rotation.from_quat([0.1, -0.2, 0.3, 0.5]).as_matrix(),
        atol=1e-12,
    )
    np.testing.assert_array_equal(dataset[1].pose[:3, 3], [-1, 0, 2])
    (tmp_path / 'pose.txt').write_text('1 2 3 0 0 0 1\n')
    with pytest.raises(DataError, match='poses'):
        rgbd(tmp_path)


def test_depth_files(tmp_path):
    """Floats are metres as they are; what is not finite or positive is unknown."""
    values = np.array([[1.5, np.inf], [-2, 0]], np.float32)
    np.save(tmp_path / 'a.npy', values)
    np.testing.assert_array_equal(read_depth(tmp_path / 'a.npy'), [[1.5, np.nan], [np.nan] * 2])
    cv2.imwrite(str(tmp_path / 'a.pfm'), values[:, :1])
    np.testing.assert_array_equal(read_plane(tmp_path / 'a.pfm'), [[1.5], [-2]])


def header(shape):
    """Return the start of a .npy file that promises a shape (NEP 1)."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".ljust(117) + '\n'
    return b'\x93NUMPY\x01\x00v\x00' + text.encode()


@pytest.mark.parametrize(('name', 'content'), [
    ('a.npy', b''), ('a.npy', header((10**9, 10**9))), ('a.npy', header((4, 4)) + bytes(12)),
    ('a.npy', b'\x93NUMPY\x01\x00'), ('a.png', b''), ('a.png', b'text'),
])
def test_broken_depth_files(tmp_path, name, content):
    """Refused with the file's name."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name):
        read_plane(tmp_path / name)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(['.npy', '.png', '.pfm', '.pgm', '.tiff']), st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory, suffix, content):
    """Whatever a file holds, there is a plane or one clear error."""
    starts = {'.npy': header((3, 3)), '.png': b'\x89PNG\r\n\x1a\n', '.pfm': b'Pf\n9 9\n-1\n',
              '.pgm': b'P5 9 9 65535\n', '.tiff': b'II*\x00'}
    path = tmp_path_factory.mktemp('any') / f'a{suffix}'
    path.write_bytes(starts[suffix] + content)
    with suppress(DataError):
        assert read_plane(path).ndim == 2


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_any_text_of_poses_and_calibrations(tmp_path_factory, text):
    """Read or refused with a clear error."""
    folder = tmp_path_factory.mktemp('any')
    (folder / 'color').mkdir()
    cv2.imwrite(str(folder / 'color' / '1.png'), np.zeros((2, 2, 3), np.uint8))
    (folder / 'pose.txt').write_text(text, encoding='utf-8')
    (folder / 'calib.txt').write_text(text, encoding='utf-8')
    for reader, path in ((rgbd, folder), (read_kitti_calibration, folder / 'calib.txt')):
        with suppress(DataError):
            reader(path)


def test_pickles_and_pictures_are_no_planes(tmp_path):
    """Nothing is unpickled, and three channels are no depth."""
    np.save(tmp_path / 'a.npy', np.array([{'x': 1}], object))
    np.save(tmp_path / 'b.npy', np.zeros((2, 2, 3)))
    for name in ('a', 'b'):
        with pytest.raises(DataError, match=name):
            read_plane(tmp_path / f'{name}.npy')


def test_kitti_refusals(tmp_path):
    """Missing folders and matrices are named."""
    with pytest.raises(DataError, match='image_2'):
        kitti_object(tmp_path)
    for side in ('image_2', 'velodyne', 'calib'):
        (tmp_path / side).mkdir()
    cv2.imwrite(str(tmp_path / 'image_2' / '0.png'), np.zeros((4, 4, 3), np.uint8))
    (tmp_path / 'calib' / '0.txt').write_text('P2: 1 2 3\n')
    with pytest.raises(DataError, match='P2'):
        kitti_object(tmp_path)[0]


def test_prediction_pairs(tmp_path):
    """What predict writes pairs with the truth's plain names."""
    for side in ('predictions', 'truth'):
        (tmp_path / side).mkdir()
    np.save(tmp_path / 'predictions' / 'a_depth.npy', np.ones((2, 2)))
    with pytest.raises(DataError, match='truth'):
        prediction_pairs(tmp_path)
    np.save(tmp_path / 'truth' / 'a.npy', np.ones((2, 2)))
    [(name, predicted, truth)] = prediction_pairs(tmp_path)
    assert (name, predicted.name, truth.name) == ('a', 'a_depth.npy', 'a.npy')
