"""
The fields of the output messages, which the node and recordings have in common.

Every function returns the fields other than the header by their names in ROS 2. Data are arrays in
the byte order of the machine: the code that fills a message decides how it is copied.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.cloud.scan import ScanGeometry
from depth_node.image.encodings import to_millimetres

Fields = dict[str, Any]
FLOAT32 = 7
"""Datatype of a PointField."""


def depth_values(metres: NDArray[np.float32], encoding: str) -> NDArray[Any]:
    """
    Return the pixels of a depth image (REP-118).

    :param metres: float32 (H, W), z-depth (m), NaN and infinities as in REP-117.
    :param encoding: ``32FC1`` for metres, or ``16UC1`` for millimetres, with 0 for values that
        are invalid or exceed 65.535 m.
    :returns: `metres` itself, or uint16 (H, W).
    """
    return to_millimetres(metres) if encoding == '16UC1' else metres


def image_fields(image: NDArray[Any], encoding: str) -> Fields:
    """
    Return the fields of an Image.

    :param image: (H, W) or (H, W, C), of the encoding's type, native byte order.
    :param encoding: an encoding with whole pixels, such as ``rgb8``, ``bgr8``, ``32FC1``.
    :returns: the fields; `data` is `image`.
    """
    height, width = image.shape[:2]
    return {
        'height': height, 'width': width, 'encoding': encoding,
        'is_bigendian': int(not _little_endian(image)), 'step': image.nbytes // height,
        'data': image,
    }


def camera_info_fields(camera: Camera) -> Fields:
    """
    Return the fields of a CameraInfo.

    :param camera: camera of the image that belongs to the message.
    :returns: K and D, R identity, P = [K | 0], as lists of floats.
    """
    numbers = camera.numbers()
    return {
        'height': numbers.height, 'width': numbers.width,
        'distortion_model': numbers.distortion_model,
        'd': list(map(float, numbers.d)), 'k': list(map(float, numbers.k)),
        'r': list(map(float, numbers.r)), 'p': list(map(float, numbers.p)),
    }


def cloud_fields(points: NDArray[np.float32], *, confidence: bool = False) -> Fields:
    """
    Return the fields of a PointCloud2.

    :param points: float32 (H, W, C) for an organized cloud with NaN where there is no point, or
        (N, C) for a list of valid points; C is 3 for x, y, z (m), or 4 with the color as
        0x00RRGGBB in the bits of a float, and one more with a confidence.
    :param confidence: whether the last value of each point is its confidence.
    :returns: the fields; `fields` is a list of the fields of each PointField, `data` is `points`.
    """
    organized = points.ndim == 3
    height, width = points.shape[:2] if organized else (1, len(points))
    channels = points.shape[-1]
    names = ['x', 'y', 'z', 'rgb'][:channels - confidence] + ['confidence'] * confidence
    return {
        'height': height, 'width': width,
        'fields': [
            {'name': name, 'offset': 4 * i, 'datatype': FLOAT32, 'count': 1}
            for i, name in enumerate(names)
        ],
        'is_bigendian': not _little_endian(points),
        'point_step': 4 * channels, 'row_step': 4 * channels * width,
        'data': points, 'is_dense': not organized,
    }


def scan_fields(ranges: NDArray[np.float32], geometry: ScanGeometry) -> Fields:
    """
    Return the fields of a LaserScan.

    :param ranges: float32 (N,), one per beam (m), +Inf where there is nothing (REP-117).
    :param geometry: directions of the beams.
    :returns: the fields; all beams are measured at once, so ``time_increment`` is 0.
    """
    first, step = float(geometry.angle_min), float(geometry.angle_increment)
    return {
        'angle_min': first, 'angle_max': float(
            geometry.angle_min + (len(ranges) - 1) * geometry.angle_increment
        ),
        'angle_increment': step, 'time_increment': 0.0,
        'scan_time': float(geometry.scan_time), 'range_min': float(geometry.range_min),
        'range_max': float(geometry.range_max),
        'ranges': np.ascontiguousarray(ranges, np.float32),
    }


def _little_endian(values: NDArray[Any]) -> bool:
    return values.dtype.newbyteorder('<') == values.dtype
