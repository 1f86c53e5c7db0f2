"""Check rays and projections against OpenCV, closed forms and image_geometry's rules."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from depth_node.camera import Camera, Distortion, is_calibrated, UncalibratedError
from depth_node.errors import DataError
from depth_node.image.size import Size

BARREL = (-0.35, 0.15, 0.001, -0.0005, -0.02)
RATIONAL = (0.9, 0.4, 0.0005, -0.0003, 0.02, 1.2, 0.7, 0.08)
PRISM = (*RATIONAL, 0.002, -0.001, 0.0015, 0.0005)
TILTED = (*PRISM, 0.02, -0.03)
FISHEYE = (-0.02, 0.01, -0.005, 0.001)
LENSES = [
    (Distortion.NONE, ()),
    (Distortion.PLUMB_BOB, BARREL[:4]),
    (Distortion.PLUMB_BOB, BARREL),
    (Distortion.PLUMB_BOB, (0.3, 0.1, 0.002, 0.001, 0.05)),
    (Distortion.RATIONAL, RATIONAL),
    (Distortion.RATIONAL, PRISM),
    (Distortion.RATIONAL, TILTED),
    (Distortion.EQUIDISTANT, FISHEYE),
]
K = (500.0, 0.0, 320.0, 0.0, 510.0, 240.0, 0.0, 0.0, 1.0)
P = (400.0, 0.0, 300.0, -20.0, 0.0, 410.0, 220.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def camera(distortion: Distortion, coefficients: tuple[float, ...], focal: float = 300) -> Camera:
    return Camera(640, 480, focal, focal * 1.02, 330.0, 235.0, distortion, coefficients)


def pixels(cam: Camera) -> np.ndarray:
    u, v = np.meshgrid(np.arange(cam.width), np.arange(cam.height))
    return np.stack([u, v], -1).astype(float)


def points_of(rays: np.ndarray, depth: float = 1.0) -> np.ndarray:
    rays = rays.astype(float)
    return np.concatenate([rays, np.ones_like(rays[..., :1])], -1) * depth


@pytest.mark.parametrize(('distortion', 'coefficients'), LENSES)
def test_projecting_the_rays_gives_the_pixels_back(distortion, coefficients) -> None:
    cam = camera(distortion, coefficients)
    rays = cam.rays()
    assert rays.dtype == np.float32
    assert rays.shape == (480, 640, 2)
    assert np.isfinite(rays).mean() > 0.9
    error = np.abs(cam.project(points_of(rays, 7.0)) - pixels(cam))
    assert np.nanmax(error) < 1e-3


@pytest.mark.parametrize(('distortion', 'coefficients'), LENSES)
def test_projection_is_opencvs(distortion, coefficients) -> None:
    cam = camera(distortion, coefficients)
    rng = np.random.default_rng(1)
    points = rng.uniform((-1, -0.8, 1), (1, 0.8, 3), (500, 3))
    k = np.array([[cam.fx, 0, cam.cx], [0, cam.fy, cam.cy], [0, 0, 1]])
    zero = np.zeros(3)
    if distortion is Distortion.EQUIDISTANT:
        expected = cv2.fisheye.projectPoints(
            points[:, None], zero, zero, k, np.array(coefficients)
        )[0]
    else:
        expected = cv2.projectPoints(points, zero, zero, k, np.array(coefficients))[0]
    ours = cam.project(points)
    assert np.isfinite(ours).all()
    np.testing.assert_allclose(ours, expected[:, 0], atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-0.6, 0.6), min_size=3, max_size=6),
    st.floats(-0.01, 0.01), st.floats(-0.01, 0.01), st.floats(120, 2000),
)
def test_any_lens_has_true_rays_or_none(k, p1, p2, focal) -> None:
    k = k + [0.0] * (6 - len(k))
    d = (k[0], k[1], p1, p2, *k[2:])
    cam = Camera(64, 48, focal / 10, focal / 10, 31.0, 23.0, Distortion.RATIONAL, d)
    rays = cam.rays()
    finite = np.isfinite(rays).all(-1)
    back = cam.project(points_of(rays))
    assert np.isfinite(back[finite]).all()
    assert np.abs(back[finite] - pixels(cam)[finite]).max(initial=0) < 1e-3


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-0.05, 0.05), min_size=4, max_size=4), st.floats(15, 400))
def test_any_fisheye_has_true_rays_or_none(k, focal) -> None:
    cam = Camera(64, 48, focal, focal, 31.0, 23.0, Distortion.EQUIDISTANT, tuple(k))
    rays = cam.rays()
    finite = np.isfinite(rays).all(-1)
    assert finite[23, 31]
    back = cam.project(points_of(rays))
    assert np.abs(back[finite] - pixels(cam)[finite]).max() < 1e-3


@settings(max_examples=60, deadline=None)
@given(st.floats(-0.5, 0.5), st.floats(-0.3, 0.3), st.floats(0.05, 0.97), st.floats(0, 6.28))
def test_inverse_finds_the_ray_it_was_made_from(k1, k2, share, angle) -> None:
    k1, k2 = round(k1, 6), round(k2, 6)
    cam = Camera(64, 48, 50.0, 50.0, 0.0, 0.0, Distortion.PLUMB_BOB, (k1, k2, 0.0, 0.0))
    roots = np.roots([5 * k2, 3 * k1, 1]) if k2 or k1 else np.array([])
    real = [r.real for r in roots if abs(r.imag) < 1e-9 and r.real > 0]
    radius = share * min(math.sqrt(min(real)) if real else 1.5, 1.5)
    true = np.array([radius * math.cos(angle), radius * math.sin(angle)])
    u, v = cam.project(np.array([*true, 1.0]))
    # one pixel whose centre lies exactly on the point
    single = Camera(1, 1, 50.0, 50.0, -u, -v, cam.distortion, cam.coefficients)
    np.testing.assert_allclose(single.rays()[0, 0], true, atol=2e-5)


def test_no_ray_where_the_lens_folds_over() -> None:
    cam = Camera(640, 480, 200.0, 200.0, 320.0, 240.0, Distortion.PLUMB_BOB, (-0.3, 0, 0, 0))
    rays = cam.rays()
    limit = math.sqrt(1 / 0.9)  # d/dr (r - 0.3 r^3) = 0
    outside = limit * (1 - 0.3 * limit ** 2) < np.hypot(*(pixels(cam) - (320, 240)).T).T / 200
    assert outside.any()
    assert np.isnan(rays[outside]).all()
    assert np.isfinite(rays[~outside]).mean() > 0.999
    assert np.isnan(cam.project([1.2 * limit, 0, 1])).all()


def test_fisheye_has_no_ray_beyond_90_degrees() -> None:
    cam = Camera(640, 480, 150.0, 150.0, 319.5, 239.5, Distortion.EQUIDISTANT, (0,) * 4)
    angle = np.hypot(*(pixels(cam) - (319.5, 239.5)).T).T / 150
    np.testing.assert_array_equal(np.isnan(cam.rays()[..., 0]), angle >= math.pi / 2)
    assert np.isnan(cam.project([1.0, 0.0, -1.0])).all()


def test_pinhole_numbers() -> None:
    cam = Camera.from_hfov(640, 480, 90.0)
    assert cam.fx == pytest.approx(320.0)
    assert (cam.cx, cam.cy) == (319.5, 239.5)
    assert cam.hfov == pytest.approx(90.0)
    np.testing.assert_allclose(cam.rays()[240, 639], [319.5 / 320, 0.5 / 320], rtol=1e-6)
    with pytest.raises(DataError, match='180'):
        Camera.from_hfov(640, 480, 180.0)


def test_hfov_of_a_fisheye_is_its_angle() -> None:
    cam = Camera(640, 480, 300.0, 300.0, 319.5, 239.5, Distortion.EQUIDISTANT, (0.0,) * 4)
    assert cam.hfov == pytest.approx(math.degrees(640 / 300), abs=1e-6)


def test_scaling_has_no_half_pixel_shift() -> None:
    cam = camera(Distortion.PLUMB_BOB, BARREL).scaled(Size(320, 120))
    assert (cam.width, cam.height) == (320, 120)
    assert (cam.fx, cam.cx) == (150.0, 165.0)
    assert (cam.fy, cam.cy) == (pytest.approx(76.5), 58.75)
    assert cam.coefficients == BARREL


def test_raw_takes_k_and_d_rectified_takes_p() -> None:
    raw = Camera.from_info(640, 480, 'plumb_bob', BARREL, K, P)
    assert (raw.fx, raw.fy, raw.cx, raw.cy) == (500, 510, 320, 240)
    assert raw.distortion is Distortion.PLUMB_BOB
    flat = Camera.from_info(640, 480, 'plumb_bob', BARREL, K, P, rectified=True)
    assert (flat.fx, flat.fy, flat.cx, flat.cy) == (400, 410, 300, 220)
    assert flat.distortion is Distortion.NONE


def test_zero_d_is_no_distortion_and_then_an_empty_p_is_k() -> None:
    cam = Camera.from_info(640, 480, 'plumb_bob', [0.0] * 5, K, [0.0] * 12, rectified=True)
    assert cam == Camera.from_info(640, 480, '', [], K, P)
    with pytest.raises(DataError, match='P in its CameraInfo is empty'):
        Camera.from_info(640, 480, 'plumb_bob', BARREL, K, [0.0] * 12, rectified=True)


def test_zero_fisheye_coefficients_are_still_a_fisheye() -> None:
    cam = Camera.from_info(640, 480, 'equidistant', [0.0] * 4, K, P)
    assert cam.distortion is Distortion.EQUIDISTANT


def test_roi_then_binning_as_image_geometry() -> None:
    cam = Camera.from_info(
        640, 480, 'plumb_bob', BARREL, K, P, binning_x=2, binning_y=4, roi=(100, 40, 400, 320)
    )
    assert cam.size == Size(200, 80)
    assert (cam.fx, cam.cx) == (250.0, 110.0)
    assert (cam.fy, cam.cy) == (127.5, 50.0)
    # the same pixel of the sensor looks the same way
    full = Camera.from_info(640, 480, 'plumb_bob', BARREL, K, P)
    np.testing.assert_allclose(cam.rays()[10, 30], full.rays()[40 + 40, 100 + 60], atol=1e-6)


def bad(**changes):
    info = {'width': 640, 'height': 480, 'distortion_model': 'plumb_bob', 'd': BARREL,
            'k': K, 'p': P}
    return Camera.from_info(**{**info, **changes})


@pytest.mark.parametrize(('changes', 'text'), [
    ({'width': 0}, '0x480'),
    ({'width': 10**9}, '16384'),
    ({'height': -1}, '640x-1'),
    ({'k': (math.nan, *K[1:])}, 'finite'),
    ({'k': (*K[:4], math.inf, *K[5:])}, 'finite'),
    ({'k': (*K[:4], 0.0, *K[5:])}, 'focal length'),
    ({'k': (-500.0, *K[1:])}, 'focal length'),
    ({'k': K[:6]}, 'K has 6 numbers'),
    ({'d': (math.nan,) * 5}, 'finite'),
    ({'d': (0.1, 0.2, 0.3)}, '3 coefficients'),
    ({'distortion_model': 'equidistant'}, '5 coefficients'),
    ({'distortion_model': 'oval'}, "'oval' is not known"),
    ({'roi': (600, 0, 100, 100)}, 'does not lie inside'),
    ({'roi': (640, 0, 0, 0)}, 'does not lie inside'),
    ({'binning_x': 700}, 'Binning'),
])
def test_impossible_calibrations_are_refused(changes, text) -> None:
    with pytest.raises(DataError, match=text):
        bad(**changes)


GOOD_K = st.tuples(
    st.floats(0.1, 2e3), st.just(0.0), st.floats(-1e3, 1e3), st.just(0.0), st.floats(0.1, 2e3),
    st.floats(-1e3, 1e3), st.just(0.0), st.just(0.0), st.just(1.0),
)
DISTORTIONS = st.sampled_from([4, 5, 8, 12, 14, 3]).flatmap(
    lambda count: st.lists(st.floats(-5, 5), min_size=count, max_size=count)
)
ANY = st.one_of(st.floats(), st.floats(-3, 3), st.sampled_from([0.0, 1.0, 300.0]))


@settings(max_examples=150, deadline=None)
@given(
    st.integers(-1, 40), st.integers(-1, 30), st.sampled_from(
        ['', 'plumb_bob', 'rational_polynomial', 'equidistant', 'fisheye', 'what']
    ),
    DISTORTIONS, st.one_of(st.lists(ANY, min_size=8, max_size=9), GOOD_K),
    st.lists(ANY, min_size=12, max_size=12), st.integers(-1, 2),
    st.one_of(st.none(), st.tuples(*[st.integers(-1, 20)] * 4)), st.booleans(),
)
def test_any_camera_info_is_a_camera_or_a_clear_error(
    width, height, model, d, k, p, binning, roi, rectified
) -> None:
    try:
        cam = Camera.from_info(
            width, height, model, d, k, p, binning_x=binning, binning_y=binning, roi=roi,
            rectified=rectified,
        )
    except DataError:
        return
    rays = cam.rays()
    assert rays.shape == (cam.height, cam.width, 2)
    assert 0 <= cam.hfov <= 180
    finite = np.isfinite(rays).all(-1)
    back = cam.project(points_of(rays))
    far = np.abs(rays).max(-1, initial=0) > 50  # float32 has too few digits there
    assert np.abs((back - pixels(cam))[finite & ~far]).max(initial=0) < 0.05


def test_zero_k_is_uncalibrated() -> None:
    assert not is_calibrated([0.0] * 9)
    assert is_calibrated(K)
    with pytest.raises(UncalibratedError, match='hfov_deg'):
        bad(k=[0.0] * 9)


def test_calibration_must_belong_to_the_image() -> None:
    cam = bad()
    assert cam.for_image(Size(640, 480)) is cam
    with pytest.raises(DataError, match='320x240'):
        cam.for_image(Size(320, 240))
    assert cam.for_image(Size(320, 240), resized=True).fx == 250
    with pytest.raises(DataError, match='320x180'):
        cam.for_image(Size(320, 180), resized=True)


@pytest.mark.parametrize(('distortion', 'coefficients'), LENSES)
def test_yaml_round_trip(tmp_path: Path, distortion, coefficients) -> None:
    cam = camera(distortion, coefficients)
    cam.to_yaml(tmp_path / 'camera.yaml')
    assert Camera.from_yaml(tmp_path / 'camera.yaml') == cam
    assert [p.name for p in tmp_path.iterdir()] == ['camera.yaml']


def test_numbers_describe_the_same_camera() -> None:
    cam = camera(Distortion.RATIONAL, RATIONAL)
    numbers = cam.numbers()
    assert Camera.from_numbers(numbers) == cam
    assert numbers.distortion_model == 'rational_polynomial'
    assert numbers.p[3] == 0.0


@pytest.mark.parametrize('k', [
    [500, 0, 0, 0, 500, 0, 320, 240, 1],  # column by column
    [0.78, 0, 0.5, 0, 1.04, 0.5, 0, 0, 1],  # in shares of the image
    [5.0, 0, 320, 0, 5.0, 240, 0, 0, 1],  # in millimetres
    [500, 0, 3200, 0, 500, 240, 0, 0, 1],
    [500, 0, 320, 0, 500, -2400, 0, 0, 1],
])
def test_calibrations_in_other_units_are_refused(k) -> None:
    """Each would give metres, and wrong ones."""
    with pytest.raises(DataError, match='CameraInfo'):
        Camera.from_info(640, 480, 'plumb_bob', [0.0] * 5, k, [0.0] * 12)


def test_a_window_far_from_the_axis_is_no_mistake() -> None:
    """The principal point may lie far outside a region of interest."""
    k = [500, 0, 320, 0, 500, 240, 0, 0, 1]
    found = Camera.from_info(640, 480, 'plumb_bob', [], k, [], roi=(600, 440, 40, 40))
    assert (found.cx, found.cy) == (-280, -200)
