"""Messages both ways, with the real classes and their field checks on."""

from __future__ import annotations

import array
import builtins
import struct
import sys
import tracemalloc
import types

from builtin_interfaces.msg import Time
import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import (
    CameraInfo,
    CompressedImage,
    Image,
    LaserScan,
    PointCloud2,
    RegionOfInterest,
)
from std_msgs.msg import Header

from depth_node.camera import Camera, Distortion, UncalibratedError
from depth_node.errors import DataError
from depth_node.image.encodings import COLOR_ENCODINGS
from depth_node.ros import messages
from depth_node.ros.kept import Kept

HEADER = Header(stamp=Time(sec=12, nanosec=345), frame_id='camera_optical')


def through_dds(message):
    """Send and receive without a network: what is wrong inside a field shows here."""
    return deserialize_message(serialize_message(message), type(message))


def test_fields_are_checked():
    # without this, every test here would let an int in a float field pass
    with pytest.raises(AssertionError):
        LaserScan().range_max = 3


def test_rgb_is_a_view_on_the_message():
    values = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    message = through_dds(messages.image_to_msg(values, 'rgb8', HEADER))
    rgb = messages.rgb_from_msg(message)
    np.testing.assert_array_equal(rgb, values)
    assert np.shares_memory(rgb, np.frombuffer(message.data, np.uint8))
    assert (message.height, message.width, message.step) == (4, 6, 18)
    assert message.header == HEADER


def test_other_encodings_fill_the_buffer():
    values = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    out = np.empty_like(values)
    message = messages.image_to_msg(values, 'bgr8', HEADER)
    assert messages.rgb_from_msg(message, out) is out
    np.testing.assert_array_equal(out, values[..., ::-1])


@pytest.mark.parametrize('order', ['<', '>'])
def test_depth_both_ways(order):
    metres = np.float32([[0.5, np.nan, 3.25], [np.inf, -np.inf, 70]])
    message = through_dds(messages.depth_to_msg(metres, '32FC1', HEADER))
    np.testing.assert_array_equal(messages.metres_from_msg(message), metres)
    # by the specification and not by our own reader
    assert struct.unpack('<6f', message.data)[2] == 3.25
    assert (message.step, message.is_bigendian) == (12, 0)

    message = through_dds(messages.depth_to_msg(metres, '16UC1', HEADER))
    assert struct.unpack('<6H', message.data) == (500, 0, 3250, 0, 0, 0)
    assert message.step == 6

    full = messages.image_to_msg(np.uint16([[0, 65535, 65534]]), '16UC1', HEADER)
    np.testing.assert_allclose(messages.metres_from_msg(full), [[np.nan, np.nan, 65.534]])

    foreign = messages.image_to_msg(metres.astype(f'{order}f4'), '32FC1', HEADER)
    assert foreign.is_bigendian == (order == '>')
    assert struct.unpack(f'{order}6f', foreign.data)[0] == 0.5
    np.testing.assert_array_equal(messages.metres_from_msg(foreign), metres)


def unpacked(message: PointCloud2) -> list[tuple[float, ...]]:
    """Read a cloud field by field, as its description says."""
    return [
        tuple(
            struct.unpack_from(
                '<f',
                message.data,
                row * message.row_step + column * message.point_step + field.offset,
            )[0]
            for field in message.fields
        )
        for row in range(message.height)
        for column in range(message.width)
    ]


def test_organized_cloud():
    points = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
    points[1, 2] = np.nan
    message = through_dds(messages.cloud_to_msg(points, HEADER))
    assert [field.name for field in message.fields] == ['x', 'y', 'z', 'rgb']
    assert (message.height, message.width, message.point_step, message.row_step) == (2, 3, 16, 48)
    assert not message.is_dense
    np.testing.assert_array_equal(unpacked(message), points.reshape(-1, 4))


@pytest.mark.parametrize('count', [0, 1, 5])
def test_list_of_points(count):
    points = np.arange(count * 3, dtype=np.float32).reshape(count, 3)
    message = through_dds(messages.cloud_to_msg(points, HEADER))
    assert (message.height, message.width, message.point_step) == (1, count, 12)
    assert message.row_step == len(message.data) == 12 * count
    assert message.is_dense
    assert unpacked(message) == [tuple(point) for point in points.tolist()]


@pytest.mark.parametrize(('make', 'module'), [
    (lambda values: messages.image_to_msg(values[..., 0], '32FC1', HEADER), '_image'),
    (lambda values: messages.cloud_to_msg(values, HEADER), '_point_cloud2'),
])
def test_values_are_copied_once(make, module, monkeypatch):
    """Also without the checks of fields, which is how a node runs."""
    unchecked = sys.modules[f'sensor_msgs.msg.{module}']
    monkeypatch.setattr(unchecked, 'ros_python_check_fields', '0', raising=False)
    values = np.ones((400, 500, 1 if module == '_image' else 4), np.float32)
    tracemalloc.start()
    try:
        message = make(values)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.2 * len(message.data)


def test_a_strided_cloud_is_sent_whole():
    points = np.arange(4 * 6 * 4, dtype=np.float32).reshape(4, 6, 4)[::2, ::2]
    message = messages.cloud_to_msg(points, HEADER)
    np.testing.assert_array_equal(unpacked(message), points.reshape(-1, 4))


def test_scan():
    ranges = np.float32([1.5, np.inf, 2.5])
    geometry = messages.ScanGeometry(np.float32(-0.5), 0.5, np.float64(0.1), 20, 1 / 30)
    message = through_dds(messages.scan_to_msg(ranges, geometry, HEADER))
    assert list(message.ranges) == [1.5, np.inf, 2.5]
    assert message.angle_min == pytest.approx(-0.5)
    assert message.angle_max == pytest.approx(0.5)
    assert message.angle_increment == pytest.approx(0.5)
    assert (message.range_min, message.range_max) == pytest.approx((0.1, 20))
    assert message.scan_time == pytest.approx(1 / 30)
    assert message.time_increment == 0


@pytest.mark.parametrize('camera', [
    Camera(640, 480, 500.5, 501.5, 320.25, 240.75),
    Camera(64, 48, 50, 51, 32, 24, Distortion.PLUMB_BOB, (-0.3, 0.1, 0.001, -0.002, 0.01)),
    Camera(64, 48, 50, 51, 32, 24, Distortion.EQUIDISTANT, (0.1, 0.01, 0.0, 0.0)),
    Camera(64, 48, 50, 51, 32, 24, Distortion.RATIONAL, (0.1,) * 8),
], ids=lambda camera: camera.distortion.value)
def test_camera_both_ways(camera):
    message = through_dds(messages.camera_info_to_msg(camera, HEADER))
    assert message.header == HEADER
    assert list(message.k) == [camera.fx, 0, camera.cx, 0, camera.fy, camera.cy, 0, 0, 1]
    assert list(message.p) == [
        camera.fx, 0, camera.cx, 0, 0, camera.fy, camera.cy, 0, 0, 0, 1, 0,
    ]
    assert messages.camera_from_msg(message) == camera


def test_binning_and_region_of_interest_are_read():
    message = messages.camera_info_to_msg(Camera(640, 480, 500, 500, 320, 240), HEADER)
    message.binning_x = message.binning_y = 2
    message.roi = RegionOfInterest(x_offset=40, y_offset=20, width=400, height=300)
    camera = messages.camera_from_msg(message)
    assert (camera.width, camera.height) == (200, 150)
    assert (camera.fx, camera.cx, camera.cy) == pytest.approx((250, 140, 110))


def test_an_uncalibrated_camera_is_told_apart():
    with pytest.raises(UncalibratedError):
        messages.camera_from_msg(CameraInfo(width=640, height=480))


@pytest.mark.parametrize('form', ['jpeg', 'rgb8; jpeg compressed bgr8', 'bgr8;png', ''])
def test_compressed(form):
    rgb = np.full((16, 24, 3), (200, 100, 50), np.uint8)
    suffix = '.png' if 'png' in form else '.jpg'
    data = array.array('B', cv2.imencode(suffix, rgb[..., ::-1])[1].tobytes())
    message = through_dds(CompressedImage(header=HEADER, format=form, data=data))
    assert np.abs(messages.rgb_from_compressed(message).astype(int) - rgb).max() <= 2


def test_our_jpeg_is_read_back():
    rgb = np.full((16, 24, 3), (200, 100, 50), np.uint8)
    message = through_dds(messages.jpeg_to_msg(rgb, HEADER))
    assert message.header == HEADER
    assert np.abs(messages.rgb_from_compressed(message).astype(int) - rgb).max() <= 2


def test_compressed_depth_is_not_taken_for_a_picture():
    message = CompressedImage(format='16UC1; compressedDepth png')
    with pytest.raises(DataError, match='is a depth image'):
        messages.rgb_from_compressed(message)


@given(st.integers(0, 2**31 * 10**9 - 1))
def test_stamps(nanoseconds):
    stamp = messages.stamp_of(nanoseconds)
    assert messages.nanoseconds_of(stamp) == nanoseconds
    assert 0 <= stamp.nanosec < 10**9


@settings(max_examples=200)
@given(
    st.sampled_from(COLOR_ENCODINGS) | st.text(st.characters(codec='ascii'), max_size=8),
    st.integers(0, 2**32 - 1) | st.integers(0, 20),
    st.integers(0, 2**32 - 1) | st.integers(0, 20),
    st.integers(0, 2**32 - 1) | st.integers(0, 80),
    st.integers(0, 255),
    st.binary(max_size=500),
)
def test_any_message_gives_a_picture_or_an_error(encoding, height, width, step, big, data):
    message = Image(height=height, width=width, encoding=encoding, step=step, is_bigendian=big)
    message.data = array.array('B', data)
    try:
        rgb = messages.rgb_from_msg(message)
    except DataError:
        return
    assert rgb.shape == (height, width, 3)


class Bridge:
    """What cv_bridge looks like from here."""

    def imgmsg_to_cv2(self, message, desired_encoding):
        if message.encoding == 'broken':
            raise RuntimeError('no such thing')
        assert desired_encoding == 'rgb8'
        return np.full((message.height, message.width, 3), 7, np.uint8)


@pytest.fixture
def install_bridge(monkeypatch):
    """Install a cv_bridge, or none, for one test."""
    def install(module):
        messages._cv_bridge.cache_clear()
        monkeypatch.setitem(sys.modules, 'cv_bridge', module)

    yield install
    messages._cv_bridge.cache_clear()


def test_unknown_encodings_go_through_cv_bridge_where_it_is(install_bridge):
    message = Image(height=2, width=3, encoding='nv24', step=3)
    install_bridge(None)
    with pytest.raises(DataError, match="'nv24' is not known, expected one of rgb8"):
        messages.rgb_from_msg(message)
    install_bridge(types.SimpleNamespace(CvBridge=Bridge))
    assert messages.rgb_from_msg(message).tolist() == [[[7] * 3] * 3] * 2
    message.encoding = 'broken'
    with pytest.raises(DataError, match='no such thing'):
        messages.rgb_from_msg(message)


def test_cv_bridge_is_looked_for_once(install_bridge, monkeypatch):
    looked = []
    install_bridge(None)
    find = builtins.__import__

    def watched(name, *rest):
        looked.extend([name] if name == 'cv_bridge' else [])
        return find(name, *rest)

    monkeypatch.setattr(builtins, '__import__', watched)
    for _ in range(3):
        with pytest.raises(DataError):
            messages.rgb_from_msg(Image(height=2, width=3, encoding='nv24', step=3))
    assert len(looked) == 1


shapes = st.one_of(
    st.tuples(st.integers(0, 9), st.integers(3, 4)),
    st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(3, 4)),
)


@given(st.lists(shapes, min_size=1, max_size=5), st.integers(0, 2**32 - 1))
def test_a_message_filled_again_is_as_a_new_one(clouds, seed):
    rng, kept = np.random.default_rng(seed), Kept(PointCloud2)
    for shape in clouds:
        points = rng.standard_normal(shape).astype(np.float32)
        again = messages.cloud_to_msg(points, HEADER, kept)
        assert through_dds(again) == through_dds(messages.cloud_to_msg(points, HEADER))


@given(st.lists(st.sampled_from([(4, 6, 3), (4, 6), (2, 12), (8, 9, 3)]), min_size=1, max_size=5))
def test_an_image_filled_again_is_as_a_new_one(sizes):
    kept = Kept(Image)
    for number, shape in enumerate(sizes):
        image = np.full(shape, number + 1, np.uint8)
        encoding = 'rgb8' if len(shape) == 3 else 'mono8'
        again = messages.image_to_msg(image, encoding, HEADER, kept)
        assert through_dds(again) == through_dds(messages.image_to_msg(image, encoding, HEADER))


def test_what_is_written_into_a_message_is_not_copied():
    kept = Kept(PointCloud2)
    room = kept.room((3, 5, 4))
    room[...] = np.arange(60, dtype=np.float32).reshape(3, 5, 4)
    message = messages.cloud_to_msg(room, HEADER, kept)
    assert np.shares_memory(room, np.frombuffer(message.data, np.uint8))
    assert kept.room((3, 5, 4)).ctypes.data == room.ctypes.data
    read = np.frombuffer(through_dds(message).data, np.float32)
    np.testing.assert_array_equal(read, np.arange(60))
    # a view that somebody still holds does not keep the message from changing its size
    assert kept.room((2, 5, 4)).shape == (2, 5, 4)
    np.testing.assert_array_equal(room.reshape(-1), np.arange(60))


def test_agrees_with_cv_bridge():
    bridge = pytest.importorskip('cv_bridge').CvBridge()
    rng = np.random.default_rng(0)
    for encoding, channels in (('rgb8', 3), ('bgr8', 3), ('mono8', 1), ('bgra8', 4)):
        values = rng.integers(0, 256, (8, 10, channels), np.uint8).squeeze()
        message = messages.image_to_msg(values, encoding, HEADER)
        expected = bridge.imgmsg_to_cv2(message, 'rgb8')
        np.testing.assert_array_equal(messages.rgb_from_msg(message), expected)


def test_agrees_with_sensor_msgs_py():
    point_cloud2 = pytest.importorskip('sensor_msgs_py.point_cloud2')
    points = np.arange(2 * 3 * 3, dtype=np.float32).reshape(2, 3, 3)
    message = messages.cloud_to_msg(points, HEADER)
    read = point_cloud2.read_points_numpy(message, ('x', 'y', 'z'))
    np.testing.assert_array_equal(read.reshape(-1, 3), points.reshape(-1, 3))
