"""Whatever a message's data may be, against numpy."""

import array
from dataclasses import dataclass, replace
import math

import cv2
import numpy as np
import pytest

from depth_node.errors import DataError
from depth_node.image.compressed import compressed_size, decode_message
from depth_node.image.compressed_depth import decode_depth, encode_depth, format_of
from depth_node.image.data import bytes_of, floats_of
from depth_node.image.message import metres_of_message, rgb_of_message, view_of_message
from depth_node.scale.decoding import scan_of, xyz_of

BYTES = bytes(range(256)) * 3


class Wrapped:
    """Only an array interface, as buffers on a device's host side have."""

    def __init__(self, values):
        self._values = np.frombuffer(values, np.uint8)
        self.__array_interface__ = self._values.__array_interface__


class DeviceBuffer:
    """
    A fake of ROS 2 Lyrical's rosidl_buffer.Buffer, of what its bindings offer to Python.

    No buffer protocol, no array interface, no items.
    """

    def __init__(self, data):
        self._data = data

    def __len__(self):
        return len(self._data)

    def to_bytes(self):
        """Copy from the device."""
        if self._data is None:
            raise RuntimeError('the device is gone')
        return bytes(self._data)

    @property
    def backend_type(self):
        """Where the data is."""
        return 'cuda'


MAKERS = {'a buffer on a device': DeviceBuffer,
    'bytes': bytes, 'bytearray': bytearray, 'memoryview': memoryview,
    'writable memoryview': lambda data: memoryview(bytearray(data)),
    'array.array': lambda data: array.array('B', data),
    'array of float': lambda data: array.array('f', data),
    'memoryview of another format': lambda data: memoryview(data).cast('H'),
    'memoryview of two dimensions': lambda data: memoryview(data).cast('B', (24, len(data) // 24)),
    'every second byte': lambda data: memoryview(np.repeat(np.frombuffer(data, 'u1'), 2))[::2],
    'ndarray': lambda data: np.frombuffer(data, np.uint8),
    'ndarray of three dimensions': lambda data: np.frombuffer(data, 'u1').reshape(2, 2, -1),
    'ndarray of another type': lambda data: np.frombuffer(data, '>f4'),
    'strided ndarray': lambda data: np.repeat(np.frombuffer(data, np.uint8), 2)[::2],
    'array interface': Wrapped,
    'list': list, 'tuple': tuple,
}
EVERY = pytest.mark.parametrize('make', MAKERS.values(), ids=MAKERS)


@EVERY
def test_the_bytes_are_the_same(make):
    """As a flat array of uint8."""
    found = bytes_of(make(BYTES))
    assert found.dtype == np.uint8
    assert found.tobytes() == BYTES


@pytest.mark.parametrize('name', ['bytearray', 'array.array', 'memoryview', 'ndarray'])
def test_a_contiguous_buffer_is_not_copied(name):
    """A frame of several megabytes comes thirty times a second."""
    data = MAKERS[name](BYTES)
    assert np.shares_memory(bytes_of(data), np.asarray(memoryview(data)))


@pytest.mark.parametrize('empty', [b'', [], (), array.array('B'), np.empty(0), bytearray()])
def test_nothing_is_no_bytes(empty):
    """And no error: what is missing is the caller's to say."""
    assert bytes_of(empty).shape == floats_of(empty).shape == (0,)


@pytest.mark.parametrize('bad', [
    None, 3, 1.5, 'text', {}, object(), [1.5], [256], [-1], [[1, 2], [3]], ['a'], [True],
    np.array([object()]), np.array(['a'], object),
])
def test_what_is_no_data_is_refused(bad):
    """With an error of ours."""
    with pytest.raises(DataError, match='the data'):
        bytes_of(bad)


def test_a_device_that_is_gone():
    """Is an error of ours."""
    with pytest.raises(DataError, match='the device is gone'):
        bytes_of(DeviceBuffer(None))


def test_a_released_buffer_is_refused():
    """It can no longer be read."""
    view = memoryview(bytearray(4))
    view.release()
    with pytest.raises(DataError, match='the data'):
        bytes_of(view)


NUMBERS = [1.5, -2.0, math.inf, 0.25]


OF_NUMBERS = pytest.mark.parametrize('make', [
    list, tuple, lambda v: array.array('f', v), lambda v: array.array('d', v),
    lambda v: np.array(v, '>f4'), lambda v: np.array(v, np.float32),
    lambda v: memoryview(array.array('f', v)), lambda v: array.array('f', v).tobytes(),
    lambda v: np.array(v, np.float32).view(np.uint8), lambda v: np.repeat(v, 2)[::2],
])


@OF_NUMBERS
def test_scans_of_any_numbers(make):
    """Ranges of a LaserScan; what is not finite is no point."""
    points = scan_of(Scan(ranges=make([1.5, math.inf, 2.0])), np.eye(4), None).points
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), [1.5, 2.0])


@OF_NUMBERS
def test_numbers_are_float32(make):
    """A list, an array of any float, or raw bytes."""
    found = floats_of(make(NUMBERS))
    assert found.dtype == np.float32
    assert found.tolist() == NUMBERS


@pytest.mark.parametrize('bad', [None, 'text', ['a'], b'123', np.ones((2, 2)), [1j], object()])
def test_what_is_no_number_is_refused(bad):
    """With an error of ours."""
    with pytest.raises(DataError, match='the data'):
        floats_of(bad)


@dataclass
class Message:
    """The fields of an Image or a CompressedImage."""

    height: int = 4
    width: int = 6
    encoding: str = 'rgb8'
    step: int = 18
    is_bigendian: int = 0
    data: object = b''
    format: str = 'jpeg'


@dataclass
class Field:
    """The fields of a PointField."""

    name: str
    offset: int
    datatype: int = 7
    count: int = 1


@dataclass
class Cloud:
    """The fields of a PointCloud2."""

    height: int = 1
    width: int = 8
    fields: tuple[Field, ...] = (Field('x', 0), Field('y', 4), Field('z', 8))
    is_bigendian: bool = False
    point_step: int = 12
    row_step: int = 96
    data: object = b''


@dataclass
class Scan:
    """The fields of a LaserScan."""

    angle_min: float = 0.0
    angle_increment: float = 0.1
    range_min: float = 0.1
    range_max: float = 100.0
    ranges: object = ()


@EVERY
def test_images_of_any_data(make):
    """Raw color, depth, and compressed."""
    raw = np.random.default_rng(0).integers(0, 255, (4, 6, 3), np.uint8)
    message = Message(data=make(raw.tobytes()))
    np.testing.assert_array_equal(rgb_of_message(message, 'sensor_msgs/msg/Image'), raw)
    metres = np.arange(1, 25, dtype=np.float32).reshape(4, 6)
    depth = replace(message, encoding='32FC1', step=24, data=make(metres.tobytes()))
    np.testing.assert_array_equal(metres_of_message(depth), metres)
    png = cv2.imencode('.png', raw)[1].tobytes()
    data = make(png + bytes(-len(png) % 24))
    assert compressed_size(data) == (6, 4)
    np.testing.assert_array_equal(decode_message(data, 'png'), raw[..., ::-1])


@EVERY
def test_compressed_depth_and_clouds_of_any_data(make):
    """Every other input with bytes."""
    metres = np.linspace(1, 9, 24, dtype=np.float32).reshape(4, 6)
    png = encode_depth(metres, '16UC1')
    png += bytes(-len(png) % 24)
    np.testing.assert_allclose(
        decode_depth(make(png), format_of('16UC1')), metres, atol=6e-4
    )
    cloud = Cloud(data=make(metres.tobytes()))
    np.testing.assert_array_equal(xyz_of(cloud), metres.reshape(8, 3))


def test_a_view_is_a_view():
    """On the memory of the message."""
    data = bytearray(72)
    data[0] = 9
    view = view_of_message(Message(data=data))
    data[1] = 8
    assert view[0, 0].tolist() == [9, 8, 0]
