"""
Conversion between messages and arrays, with at most one copy.

The bytes are written into the message's own ``array.array``, on every ROS 2; ``bytes`` or an
ndarray would be checked value by value (58 ms for a VGA depth image on Humble). A
float field takes a Python float and nothing else: with checks off, an int is sent as garbage.
"""

from __future__ import annotations

import array
import functools
from typing import Any

from builtin_interfaces.msg import Time
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, LaserScan, PointCloud2, PointField
from std_msgs.msg import Header

from depth_node.camera import Camera
from depth_node.cloud.scan import ScanGeometry
from depth_node.errors import DataError
from depth_node.image.compressed import decode_message, encode_jpeg
from depth_node.image.encodings import COLOR_ENCODINGS, DEPTH_ENCODINGS, to_rgb
from depth_node.image.message import metres_of_message, view_of_message
from depth_node.output.message_fields import (
    camera_info_fields,
    cloud_fields,
    depth_values,
    Fields,
    image_fields,
    scan_fields,
)
from depth_node.ros.kept import Kept, MessageT
from depth_node.sources import frame


def rgb_from_msg(message: Image, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """
    Return the rgb image of an image message.

    Other encodings are converted by cv_bridge if it is installed.

    :param message: image with one of ``encodings.COLOR_ENCODINGS``.
    :param out: uint8 (H, W, 3) for the result, if a conversion is needed and the shape matches.
    :returns: uint8 (H, W, 3), contiguous; for ``rgb8`` a view on the message's bytes.
    :raises DataError: the message is inconsistent, or its encoding is not known.
    """
    if message.encoding not in COLOR_ENCODINGS + DEPTH_ENCODINGS:
        bridged = _cv_bridge_rgb(message)
        if bridged is not None:
            return bridged
    return to_rgb(view_of_message(message), message.encoding, out)


def metres_from_msg(message: Image, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """
    Return the metres of a depth image message (REP-118).

    :param message: ``32FC1`` (m) or ``16UC1`` (mm).
    :param out: float32 (H, W) for the result; None: a new array.
    :returns: float32 (H, W), z-depth (m).
    :raises DataError: the message is inconsistent, or not a depth image.
    """
    return metres_of_message(message, out)


def rgb_from_compressed(message: CompressedImage) -> NDArray[np.uint8]:
    """
    Decode a compressed image message.

    :param message: JPEG or PNG.
    :returns: uint8 (H, W, 3).
    :raises DataError: neither, too large, or broken.
    """
    return decode_message(message.data, message.format)


def camera_from_msg(message: CameraInfo, *, rectified: bool = False) -> Camera:
    """
    Return the camera of a CameraInfo.

    :param message: the calibration, with binning and region of interest.
    :param rectified: whether the image is rectified, so that P applies instead of K and D.
    :returns: the camera of the published image.
    :raises UncalibratedError: K[0] is 0.
    :raises DataError: numbers that are not finite, impossible or contradict each other.
    """
    roi = message.roi
    return Camera.from_info(
        message.width,
        message.height,
        message.distortion_model,
        message.d,
        message.k,
        message.p,
        binning_x=message.binning_x,
        binning_y=message.binning_y,
        roi=(roi.x_offset, roi.y_offset, roi.width, roi.height),
        rectified=rectified,
    )


def camera_info_to_msg(camera: Camera, header: Header) -> CameraInfo:
    """
    Return the CameraInfo of a camera.

    :param camera: camera of the image that belongs to the message.
    :param header: header of that image.
    :returns: K and D, R identity, P = [K | 0].
    """
    return CameraInfo(header=header, **camera_info_fields(camera))


def image_to_msg(
    image: NDArray[Any], encoding: str, header: Header, kept: Kept[Image] | None = None
) -> Image:
    """
    Return an image message of an array.

    :param image: (H, W) or (H, W, C), of the encoding's type, native byte order.
    :param encoding: an encoding with whole pixels, such as ``rgb8``, ``bgr8``, ``32FC1``.
    :param header: stamp and optical frame.
    :param kept: the message to fill; None: a new one.
    :returns: the message.
    """
    kept = kept or Kept(Image)
    return _filled(kept, header, image_fields(image, encoding))


def depth_to_msg(
    metres: NDArray[np.float32], encoding: str, header: Header, kept: Kept[Image] | None = None
) -> Image:
    """
    Return a depth image message (REP-118) of metres.

    :param metres: float32 (H, W), z-depth (m), NaN and infinities as in REP-117.
    :param encoding: ``32FC1`` for metres, or ``16UC1`` for millimetres, with 0 for values that
        are invalid or exceed 65.535 m.
    :param header: header of the camera image.
    :param kept: the message to fill; None: a new one.
    :returns: the message.
    """
    return image_to_msg(depth_values(metres, encoding), encoding, header, kept)


def jpeg_to_msg(rgb: NDArray[np.uint8], header: Header, quality: int = 90) -> CompressedImage:
    """
    Return a JPEG message of a frame, in the format of compressed_image_transport.

    :param rgb: uint8 (H, W, 3).
    :param header: stamp and optical frame.
    :param quality: 1 to 100.
    :returns: the message.
    """
    return compressed_to_msg(encode_jpeg(rgb, quality), 'rgb8; jpeg compressed bgr8', header)


def compressed_to_msg(data: bytes, form: str, header: Header) -> CompressedImage:
    """
    Send a file as a compressed image.

    :param data: its bytes.
    :param form: the message's `format`.
    :param header: stamp and optical frame.
    :returns: the message.
    """
    return CompressedImage(header=header, format=form, data=array.array('B', data))


def cloud_to_msg(
    points: NDArray[np.float32], header: Header, kept: Kept[PointCloud2] | None = None, *,
    confidence: bool = False,
) -> PointCloud2:
    """
    Return a point cloud message.

    :param points: float32 (H, W, C) for an organized cloud with NaN where there is no point, or
        (N, C) for a list of valid points; C is 3 for x, y, z (m), or 4 with the color as
        0x00RRGGBB in the bits of a float, and one more with a confidence.
    :param header: stamp, and frame of the points.
    :param kept: the message to fill; None: a new one.
    :param confidence: whether the last value of each point is its confidence.
    :returns: the message, in the byte order of the machine.
    """
    kept = kept or Kept(PointCloud2)
    values = cloud_fields(points, confidence=confidence)
    layout = values.pop('fields')
    if [field.name for field in kept.message.fields] != [field['name'] for field in layout]:
        kept.message.fields = [PointField(**field) for field in layout]
    return _filled(kept, header, values)


def scan_to_msg(ranges: NDArray[np.float32], geometry: ScanGeometry, header: Header) -> LaserScan:
    """
    Return a laser scan message.

    :param ranges: float32 (N,), one per beam (m), +Inf where there is nothing (REP-117).
    :param geometry: directions of the beams.
    :param header: stamp, and a frame with x forward.
    :returns: the message; all beams are measured at once, so ``time_increment`` is 0.
    """
    values = scan_fields(ranges, geometry)
    values['ranges'] = array.array('f', values['ranges'].tobytes())
    return LaserScan(header=header, **values)


def header_of(stamp: Time, frame_id: str) -> Header:
    """
    Return a header.

    :param stamp: time of the image.
    :param frame_id: for images, an optical frame (x right, y down, z forward).
    :returns: the header.
    """
    return Header(stamp=stamp, frame_id=frame_id)


def stamp_of(nanoseconds: int) -> Time:
    """
    Return the stamp of a time.

    :param nanoseconds: since the epoch (ns).
    :returns: the stamp.
    """
    seconds, rest = divmod(nanoseconds, frame.SECOND)
    return Time(sec=seconds, nanosec=rest)


def nanoseconds_of(stamp: Time) -> int:
    """
    Return the time of a stamp.

    :param stamp: stamp of a header.
    :returns: since the epoch (ns).
    """
    return frame.nanoseconds_of(stamp)


def _filled(kept: Kept[MessageT], header: Header, values: Fields) -> MessageT:
    """Return a message that is filled in place with its fields."""
    message = kept.message
    message.header = header
    kept.fill(values.pop('data'))
    for name, value in values.items():
        setattr(message, name, value)
    return message


@functools.cache
def _cv_bridge() -> Any:
    """Return a CvBridge, or None; imported only once."""
    try:
        from cv_bridge import CvBridge
    except Exception:  # noqa: BLE001 - one built for numpy 1 raises more than ImportError
        return None
    return CvBridge()


def _cv_bridge_rgb(message: Image) -> NDArray[np.uint8] | None:
    """Convert with cv_bridge; None if it is not installed."""
    bridge = _cv_bridge()
    if bridge is None:
        return None
    try:
        image = bridge.imgmsg_to_cv2(message, 'rgb8')
    except Exception as error:  # its own errors, cv2's, and numpy's on a wrong step
        raise DataError(
            f'image encoding {message.encoding[:40]!r} is not known, and cv_bridge says: {error}.'
        ) from error
    return np.ascontiguousarray(image, np.uint8)
