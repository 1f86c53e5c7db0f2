"""Which of CameraInfo's matrices describes an image: all that drivers and simulators write."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from depth_node.camera import Camera, Distortion
from depth_node.camera.info import CameraNumbers
from depth_node.camera.rectified import choose, named_rectified
from depth_node.errors import ConfigError, DataError

K = (500.0, 0.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0)
P = (400.0, 0.0, 310.0, 0.0, 0.0, 400.0, 250.0, 0.0, 0.0, 0.0, 1.0, 0.0)
R = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
BARREL = (-0.3, 0.1, 0.001, -0.001, 0.0)
PLAIN = CameraNumbers(640, 480, 'plumb_bob', BARREL, K, R, P)


def camera_of(numbers: CameraNumbers, topic: str = '', rectified: str = 'auto') -> Camera:
    """Make the camera that is chosen."""
    choice = choose(numbers, topic, rectified)
    return Camera.from_numbers(numbers, rectified=choice.rectified)


@pytest.mark.parametrize(('topic', 'expected'), [
    ('/camera/image_rect', True),
    ('/camera/image_rect_color/compressed', True),
    ('/camera/infra1/image_rect_raw', True),  # realsense-ros
    ('/zed/zed_node/rgb/color/rect/image', True),
    ('/camera/rectified', True),
    ('/camera/imageRect', True),
    ('/camera/image_raw', False),
    ('/camera/image_unrect', False),
    ('/rect/camera/image_raw/compressed', False),
    ('/rect/image_raw', False),  # the last part that says anything
    ('/rect/front/camera/image', None),  # a robot of that name
    ('/director/image', None),
    ('/correct/image', None),
    ('/direct/rectangle', None),
    ('', None),
])
def test_the_last_parts_of_the_name(topic: str, expected: bool | None) -> None:
    assert named_rectified(topic) is expected


def test_with_distortion_k_and_d_unless_the_name_says_rectified() -> None:
    assert camera_of(PLAIN, '/camera/image').distortion is Distortion.PLUMB_BOB
    assert camera_of(PLAIN, '/camera/image').fx == 500
    assert camera_of(PLAIN, '/camera/image_rect') == Camera(640, 480, 400, 400, 310, 250)


def test_the_user_wins_over_the_name() -> None:
    assert camera_of(PLAIN, '/camera/image_rect', 'false').fx == 500
    assert camera_of(PLAIN, '/camera/image_raw', 'true').fx == 400
    with pytest.raises(ConfigError, match='auto, true, false'):
        choose(PLAIN, '', 'yes')


def test_raw_without_distortion_takes_k_where_p_is_another_camera() -> None:
    """A raw stereo image whose lens is already corrected: R and P are for the pair."""
    numbers = dataclasses.replace(PLAIN, d=(0.0,) * 5)
    assert camera_of(numbers, '/left/image_raw').fx == 500
    assert not choose(numbers, '/left/image_raw').doubt
    assert camera_of(numbers, '/left/image').fx == 500
    assert 'input.rectified' in choose(numbers, '/left/image').doubt
    assert camera_of(numbers, '/left/image_rect').fx == 400


def test_a_fisheye_of_zeros_is_no_pinhole() -> None:
    """The equidistant model with zeros is theta times focal length."""
    for d in ((0.0,) * 4, (0.0,) * 5, ()):
        numbers = dataclasses.replace(PLAIN, distortion_model='equidistant', d=d)
        assert camera_of(numbers, '/camera/image').distortion is Distortion.EQUIDISTANT
        assert camera_of(numbers, '/camera/image_rect').distortion is Distortion.NONE


@pytest.mark.parametrize(('model', 'd', 'expected'), [
    ('equidistant', (-0.01, 0.03, -0.03, 0.005, 0.0), (-0.01, 0.03, -0.03, 0.005)),  # realsense
    ('fisheye', (0.1, 0.1, 0.1, 0.1), (0.1, 0.1, 0.1, 0.1)),
    ('Plumb Bob', BARREL, BARREL),
    ('radtan', BARREL[:4], BARREL[:4]),
    ('plumb_bob', (*BARREL, 0.0, 0.0), BARREL),
    ('', (), ()),
    ('None', (0.0,) * 5, ()),
])
def test_names_and_zeros_that_drivers_write(model, d, expected) -> None:
    numbers = dataclasses.replace(PLAIN, distortion_model=model, d=d)
    assert camera_of(numbers).coefficients == expected


@pytest.mark.parametrize(('fields', 'text'), [
    ({'distortion_model': 'equidistant', 'd': (0.1,) * 5}, '5 coefficients, expected 4'),
    ({'distortion_model': 'omnidirectional', 'd': ()}, "'omnidirectional' is not known"),
    ({'distortion_model': 'ftheta', 'd': (0.0,) * 4}, "'ftheta' is not known"),
    ({'distortion_model': 'foo'}, "'foo' is not known"),
    ({'d': (1e8, -1e8, 0.0, 0.0, 0.0)}, r'D\[0\] in CameraInfo is 1e\+08'),
    ({'d': (0.1, 0.1, 3.0, 0.0, 0.0)}, r'D\[2\] in CameraInfo is 3, .* at most 1 '),
    ({'k': (500, 100, 320, 0, 500, 240, 0, 0, 1)}, r'skew of 100 px \(K\[1\]\)'),
    ({'k': (500, 0, 320, 50, 500, 240, 0, 0, 1)}, r'skew of 50 px \(K\[3\]\)'),
    ({'k': (500, 0, 320, 0, 500, 240, 0, 0, 0)}, 'last row of K in CameraInfo is 0 0 0'),
    ({'k': (500, 0, 0, 0, 500, 0, 320, 240, 1)}, 'row by row'),
    ({'k': (277, 0, 160, 0, 277, 120, 0, 0, 1)}, 'middle of an image of 320x240'),  # Gazebo
    ({'k': (1000, 0, 640, 0, 1000, 480, 0, 0, 1)}, 'middle of an image of 1280x960'),
    ({'width': 0}, '0x480'),
])
def test_what_no_camera_is_has_its_name_said(fields, text) -> None:
    with pytest.raises(DataError, match=text):
        camera_of(dataclasses.replace(PLAIN, **fields))


def test_matrices_are_homogeneous() -> None:
    """A matrix and twice the matrix are the same camera."""
    numbers = dataclasses.replace(PLAIN, k=tuple(2 * v for v in K), p=tuple(2 * v for v in P))
    assert camera_of(numbers) == camera_of(PLAIN)
    assert camera_of(numbers, 'image_rect') == camera_of(PLAIN, 'image_rect')


def test_an_unknown_model_without_coefficients_is_a_pinhole_with_a_warning() -> None:
    numbers = dataclasses.replace(PLAIN, distortion_model='mystery', d=(0.0,) * 5)
    assert camera_of(numbers).distortion is Distortion.NONE
    assert 'mystery' in choose(numbers, '/image_raw').doubt


def test_what_simulators_leave_out_is_no_obstacle() -> None:
    """No model, no D, R and P of zeros (realsense_gazebo_plugin)."""
    numbers = CameraNumbers(640, 480, '', (), K, (0.0,) * 9, (0.0,) * 12)
    for topic in ('/image', '/image_raw', '/image_rect'):
        assert camera_of(numbers, topic) == Camera(640, 480, 500, 500, 320, 240)
        assert not choose(numbers, topic).doubt


def test_stereo_pairs_have_their_baseline_said() -> None:
    numbers = dataclasses.replace(PLAIN, p=(*P[:3], -48.0, *P[4:]))
    assert 'baseline of 0.12 m' in str(choose(numbers, '/right/image_rect'))
    assert 'baseline' not in str(choose(numbers, '/right/image_raw'))
    c, s = np.cos(0.02), np.sin(0.02)
    turned = dataclasses.replace(PLAIN, r=(c, 0.0, s, 0.0, 1.0, 0.0, -s, 0.0, c))
    assert 'R turns the rectified image by 1.1 deg' in str(choose(turned, '/right/image_raw'))


def test_a_principal_point_far_off_is_doubted() -> None:
    numbers = dataclasses.replace(PLAIN, k=(500, 0, 320, 0, 500, 20, 0, 0, 1))
    assert 'principal point at 320, 20 px lies far' in choose(numbers).doubt
    assert not choose(PLAIN).doubt
