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
from depth_node.sources.datasets import LayoutOptions, LAYOUTS, prediction_pairs
from depth_node.sources.depth_files import read_depth, read_disparity, read_plane
from depth_node.sources.kitti import kitti_object, read_kitti_calibration, splat
from depth_node.sources.rgbd import rgbd

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
    """Millimetres become metres, 0 and 65535 unknown; quaternions turn as scipy says."""
    for side in ('color', 'depth'):
        (tmp_path / side).mkdir()
    depth = np.array([[0, 1000], [2500, 65535]], np.uint16)
    for name in ('2', '10'):
        cv2.imwrite(str(tmp_path / 'color' / f'{name}.png'), np.zeros((2, 2, 3), np.uint8))
        cv2.imwrite(str(tmp_path / 'depth' / f'{name}.pgm'), depth)
    (tmp_path / 'pose.txt').write_text('1 2 3 0 0 0 1\n-1 0 2 0.1 -0.2 0.3 0.5\n')
    dataset = rgbd(tmp_path)
    assert dataset.names == ('2', '10')
    np.testing.assert_allclose(dataset[0].depth, [[np.nan, 1], [2.5, np.nan]], rtol=1e-6)
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


def made(layout, folder):
    """Write a data set of one frame in a layout, and return what opens it."""
    rgb = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)
    match layout:
        case 'rgbd':
            for name in ('color', 'depth'):
                (folder / name).mkdir()
            cv2.imwrite(str(folder / 'color' / '7.png'), rgb)
            cv2.imwrite(str(folder / 'depth' / '7.png'), np.full((6, 8), 1500, np.uint16))
        case 'kitti-object':
            for name in ('image_2', 'calib', 'velodyne'):
                (folder / name).mkdir()
            cv2.imwrite(str(folder / 'image_2' / '7.png'), rgb)
            rows = 'P2: 10 0 4 0 0 10 3 0 0 0 1 0', 'R0_rect: 1 0 0 0 1 0 0 0 1', \
                'Tr_velo_to_cam: 1 0 0 0 0 1 0 0 0 0 1 0'
            (folder / 'calib' / '7.txt').write_text('\n'.join(rows))
            scan = np.array([[0, 0, 1.5, 0]], np.float32)
            (folder / 'velodyne' / '7.bin').write_bytes(scan.tobytes())
        case 'predictions':
            for name in ('predictions', 'truth'):
                (folder / name).mkdir()
                np.save(folder / name / '7.npy', np.ones((6, 8), np.float32))
        case 'rooms':
            (folder / 'one').mkdir()
            made('rgbd', folder / 'one')
            Camera.from_hfov(8, 6, 60).to_yaml(folder / 'one' / 'camera.yaml')
        case 'world':
            return '7'
    return str(folder)


@pytest.mark.parametrize('name', LAYOUTS)
def test_every_layout_of_the_table_opens(tmp_path, name):
    """Frames with depth, of which the first may be asked for; contents are described."""
    row, where = LAYOUTS[name], made(name, tmp_path)
    assert row.contents
    if row.sets is not None:
        [dataset] = row.sets(where, LayoutOptions()).values()
        assert next(iter(dataset)).camera == Camera.from_hfov(8, 6, 60)
        return
    if row.open is None:
        assert [pair[0] for pair in prediction_pairs(tmp_path)] == ['7']
        return
    dataset = row.open(where, LayoutOptions(Camera.from_hfov(8, 6, 60)))
    frame = next(iter(dataset))
    assert np.isfinite(frame.depth).any()
    assert frame.camera is not None
    assert frame.rgb.shape[:2] == frame.depth.shape
    assert len(dataset.first(1)) == 1
    assert len(dataset.first(0)) == len(dataset)
    with pytest.raises(DataError):
        row.open(str(tmp_path / 'gone') if row.measured else '5-3', LayoutOptions())


@pytest.mark.parametrize('scale', [0.0, -1.0, float('nan'), float('inf')])
def test_depth_scales_that_are_none(scale):
    """Refused when they are given, not when a frame is read."""
    with pytest.raises(DataError, match='depth scale'):
        LayoutOptions(depth_scale=scale)


def test_a_frame_that_cannot_be_read_is_told_and_left_out(tmp_path):
    """The others are wanted."""
    made('rgbd', tmp_path)
    for name in ('8', '9'):
        (tmp_path / 'color' / f'{name}.png').write_bytes(b'broken')
        (tmp_path / 'depth' / f'{name}.png').write_bytes(b'broken')
    (tmp_path / 'color' / '._7.png').write_bytes(b'left by macOS')
    reasons = []
    dataset = rgbd(tmp_path)
    assert [frame.name for frame in dataset.frames(reasons.append)] == ['7']
    assert len(reasons) == 2
    with pytest.raises(DataError, match=r'8\.png'):
        list(dataset)


def test_depth_with_a_last_axis_of_one(tmp_path):
    """DIODE stores (H, W, 1)."""
    np.save(tmp_path / 'a.npy', np.full((6, 8, 1), 9.0, np.float32))
    assert read_depth(tmp_path / 'a.npy').shape == (6, 8)
    np.save(tmp_path / 'b.npy', np.full((6, 8, 2), 9.0, np.float32))
    with pytest.raises(DataError, match='one channel'):
        read_depth(tmp_path / 'b.npy')


PIXELS = np.linspace(5, 100, 30 * 300).reshape(30, 300)


@pytest.mark.parametrize(('name', 'stored', 'unit'), [
    ('pixels.npy', PIXELS.astype(np.float32), 0),
    ('kitti.png', (PIXELS * 256).astype(np.uint16), 0),
    ('opencv.npy', (PIXELS * 16).astype(np.int16), 0),
    ('opencv.png', (PIXELS * 16).astype(np.uint16), 16),
    ('bytes.png', PIXELS.astype(np.uint8), 1),
])
def test_units_of_disparity(tmp_path, name, stored, unit):
    """By type where it is clear, else as the user says; the unknown is NaN."""
    stored = stored.copy()
    stored[0, 0] = 0
    path = tmp_path / name
    if path.suffix == '.npy':
        np.save(path, stored)
    else:
        cv2.imwrite(str(path), stored)
    found = read_disparity(path, unit)
    assert np.isnan(found[0, 0])
    np.testing.assert_allclose(found[1:], PIXELS[1:], atol=1)


def test_unknown_of_opencv_as_unsigned_numbers(tmp_path):
    """-16 has become 65520, which is 4095 pixels."""
    stored = (PIXELS * 16).astype(np.int16)
    stored[:, :40] = -16
    cv2.imwrite(str(tmp_path / 'a.png'), stored.astype(np.uint16))
    found = read_disparity(tmp_path / 'a.png')
    assert np.isnan(found[:, :40]).all()
    np.testing.assert_allclose(found[:, 40:], PIXELS[:, 40:], atol=0.1)


@pytest.mark.parametrize(('name', 'stored', 'text'), [
    ('bytes.png', PIXELS.astype(np.uint8), 'holds uint8'),
    ('either.png', (PIXELS * 16).astype(np.uint16), 'in that of OpenCV'),
    ('sixteenths.npy', (PIXELS * 16).astype(np.float32), 'no stereo camera'),
    ('shares.npy', (PIXELS / 300).astype(np.float32), 'no stereo camera'),
    ('whole.npy', PIXELS.astype(np.int32), 'holds int32'),
    ('raw.npy', np.round(PIXELS).clip(0, 5).astype(np.float32) * 16, 'whole numbers'),
])
def test_units_that_are_not_clear_are_refused(tmp_path, name, stored, text):
    """16 times too far is not a small mistake."""
    path = tmp_path / name
    if path.suffix == '.npy':
        np.save(path, stored)
    else:
        cv2.imwrite(str(path), stored)
    with pytest.raises(DataError, match=text):
        read_disparity(path)
