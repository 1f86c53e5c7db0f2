"""Check clouds against the plain formula, and their bytes against PointCloud2's rules."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from depth_node.camera import Camera, Distortion
from depth_node.cloud.maker import CloudMaker, sampled
from depth_node.errors import DataError

CAMERA = Camera(80, 60, 70.0, 71.0, 38.0, 31.0, Distortion.PLUMB_BOB, (-0.2, 0.05, 0.0, 0.0))
TURN = np.array([[0, 0, 1, 0.3], [-1, 0, 0, -0.1], [0, -1, 0, 0.5], [0, 0, 0, 1.0]])


def scene() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    depth = rng.uniform(0.3, 9, (60, 80)).astype(np.float32)
    depth[0, :3] = np.nan, np.inf, -np.inf
    return depth, rng.integers(0, 256, (60, 80, 3)).astype(np.uint8)


def plain(depth: np.ndarray, transform: np.ndarray | None = None) -> np.ndarray:
    rays = CAMERA.rays().astype(float)
    points = np.concatenate([rays, np.ones_like(rays[..., :1])], -1) * depth[..., None]
    points[~np.isfinite(depth)] = np.nan
    if transform is not None:
        points = points @ transform[:3, :3].T + transform[:3, 3]
    return points


@pytest.mark.parametrize('transform', [None, np.eye(4), TURN])
@pytest.mark.parametrize('color', [False, True])
def test_organized_cloud_is_depth_times_ray(transform, color) -> None:
    depth, rgb = scene()
    cloud = CloudMaker(CAMERA.rays(), transform).organized(depth, rgb if color else None)
    assert cloud.shape == (60, 80, 4 if color else 3)
    np.testing.assert_allclose(cloud[..., :3], plain(depth, transform), atol=2e-6, rtol=1e-6)
    assert np.isnan(cloud[0, :3, :3]).all()
    if color:
        packed = cloud[..., 3].copy().view(np.uint32)
        np.testing.assert_array_equal(packed >> 24, 0)
        for channel, shift in enumerate((16, 8, 0)):
            np.testing.assert_array_equal(packed >> shift & 255, rgb[..., channel])


@pytest.mark.parametrize('slopes', [(0.0, 0.0), (0.1, -0.2)])
def test_height_over_a_plane(slopes) -> None:
    depth, _ = scene()
    x, y, z = np.moveaxis(plain(depth, TURN), -1, 0)
    strips = [height.copy() for _, height in CloudMaker(CAMERA.rays(), TURN).over(
        depth, slopes, 0.3
    )]
    expected = z - slopes[0] * x - slopes[1] * y - 0.3
    height = np.concatenate(strips)
    there = np.isfinite(depth)
    np.testing.assert_allclose(height[there], expected[there], atol=1e-5)
    assert not np.isfinite(height[~there]).any()


def test_the_bytes_are_what_a_reader_of_pointcloud2_expects() -> None:
    depth, rgb = scene()
    raw = CloudMaker(CAMERA.rays()).organized(depth, rgb).tobytes()
    point = np.frombuffer(raw, np.dtype('<f4, <f4, <f4, u1, u1, u1, u1'), 1, 16 * 85)[0]
    np.testing.assert_allclose(list(point)[:3], plain(depth)[1, 5], rtol=1e-5)
    assert list(point)[3:] == [*rgb[1, 5, ::-1], 0]


@pytest.mark.parametrize('color', [False, True])
def test_listed_cloud_has_the_valid_points_only(color) -> None:
    depth, rgb = scene()
    maker = CloudMaker(CAMERA.rays())
    organized = maker.organized(depth, rgb if color else None).copy()
    listed = maker.listed(depth, rgb if color else None)
    assert len(listed) == 60 * 80 - 3
    np.testing.assert_array_equal(listed, organized[np.isfinite(organized[..., 2])])
    assert len(maker.listed(np.full_like(depth, np.nan))) == 0


def test_picked_points_are_those_of_the_organized_cloud() -> None:
    depth, rgb = scene()
    maker = CloudMaker(CAMERA.rays(), TURN)
    indices = np.array([7, 200, 4799])
    rows = maker.organized(depth, rgb).reshape(-1, 4)[indices]
    picked = maker.picked(indices, depth, rgb)
    np.testing.assert_allclose(picked[:, :3], rows[:, :3], rtol=1e-6)
    np.testing.assert_array_equal(picked[:, 3].view(np.uint32), rows[:, 3].view(np.uint32))


def test_no_point_without_a_ray() -> None:
    rays = CAMERA.rays()
    rays[5, 6] = np.nan
    for transform in (None, TURN):
        cloud = CloudMaker(rays, transform).organized(np.ones((60, 80), np.float32))
        assert np.isnan(cloud[5, 6]).all()


def test_more_than_one_strip() -> None:
    camera = Camera.from_hfov(700, 301, 80)
    depth = np.random.default_rng(1).uniform(1, 5, (301, 700)).astype(np.float32)
    cloud = CloudMaker(camera.rays()).organized(depth)
    np.testing.assert_array_equal(cloud[..., 2], depth)
    np.testing.assert_allclose(camera.project(cloud)[300, 699], (699, 300), atol=1e-3)


@pytest.mark.parametrize(('shape', 'stride'), [((60, 80), 1), ((60, 80), 2), ((61, 83), 3)])
def test_stride_takes_every_nth_pixel(shape, stride) -> None:
    image = np.arange(shape[0] * shape[1] * 3).reshape(*shape, 3).astype(np.uint8)
    taken = sampled(image, stride)
    np.testing.assert_array_equal(taken, image[::stride, ::stride])
    assert taken.flags.c_contiguous


def test_depth_of_another_size_is_refused() -> None:
    with pytest.raises(DataError, match='rays are'):
        CloudMaker(CAMERA.rays()).organized(np.ones((30, 40), np.float32))


@pytest.mark.parametrize(('distortion', 'coefficients'), [
    (Distortion.PLUMB_BOB, (-0.35, 0.15, 0.001, -0.0005, -0.02)),
    (Distortion.RATIONAL, (0.9, 0.4, 0.0005, -0.0003, 0.02, 1.2, 0.7, 0.08)),
    (Distortion.EQUIDISTANT, (-0.02, 0.01, -0.005, 0.001)),
])
def test_plane_seen_through_a_distorted_lens_is_flat(distortion, coefficients) -> None:
    """Issue 2: under 1 mm at 5 m. OpenCV says where pixels look; depth is the closed form."""
    camera = Camera(320, 240, 150.0, 153.0, 165.0, 117.0, distortion, coefficients)
    normal = np.array([0.3, -0.2, -1.0]) / np.linalg.norm([0.3, -0.2, -1.0])
    k = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    u, v = np.meshgrid(np.arange(320.0), np.arange(240.0))
    pixels = np.stack([u, v], -1).reshape(-1, 1, 2)
    fisheye = distortion is Distortion.EQUIDISTANT
    precise = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 200, 1e-12)
    d = np.array(coefficients)
    if not fisheye and hasattr(cv2, 'undistortPointsIter'):  # OpenCV 4.5, which Humble has
        looks = cv2.undistortPointsIter(pixels, k, d, None, None, precise)
    elif fisheye and cv2.__version__.startswith('4.5'):
        looks = cv2.fisheye.undistortPoints(pixels, k, d)
    else:
        undistort = cv2.fisheye.undistortPoints if fisheye else cv2.undistortPoints
        looks = undistort(pixels, k, d, criteria=precise)
    looks = looks.reshape(240, 320, 2)
    depth = -5.0 / (np.concatenate([looks, np.ones((240, 320, 1))], -1) @ normal)
    depth[np.hypot(looks[..., 0], looks[..., 1]) > 1.2] = np.nan  # OpenCV's converges to there
    points = CloudMaker(camera.rays()).organized(depth.astype(np.float32))
    off = points.astype(float) @ normal + 5.0
    assert np.isfinite(off).mean() > 0.5
    assert np.ptp(points[np.isfinite(off)][:, 2]) > 2.0
    assert np.nanmax(np.abs(off)) < 1e-3


@pytest.mark.parametrize('color', [False, True])
def test_points_can_have_one_more_value(color) -> None:
    depth = np.full((CAMERA.height, CAMERA.width), 2.0, np.float32)
    depth[:5] = np.nan
    rgb = np.full((*depth.shape, 3), 7, np.uint8) if color else None
    extra = np.random.default_rng(0).random(depth.shape).astype(np.float32)
    maker = CloudMaker(CAMERA.rays())
    plain = maker.organized(depth, rgb).copy()
    more = maker.organized(depth, rgb, extra=extra).copy()
    assert more.shape[-1] == plain.shape[-1] + 1
    np.testing.assert_array_equal(more[..., :-1], plain)
    np.testing.assert_array_equal(more[..., -1], extra)
    np.testing.assert_array_equal(maker.listed(depth, rgb, extra)[:, -1], extra[5:].ravel())
    indices = np.array([5 * CAMERA.width + 3, 2000])
    np.testing.assert_array_equal(
        maker.picked(indices, depth, rgb, extra)[:, -1], extra.ravel()[indices]
    )
