"""Readings of sensors out of the messages of any ROS, from rclpy or from a rosbag."""

from __future__ import annotations

from collections.abc import Callable
import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.camera.message import camera_of_message
from depth_node.camera.rigid import Matrix
from depth_node.camera.transforms import pose_matrix
from depth_node.errors import DataError
from depth_node.image.data import floats_of
from depth_node.image.message import metres_of_message
from depth_node.scale.point_fields import records_of
from depth_node.scale.points import depth_points, disparity_depth, MAX_READ, scan_points
from depth_node.scale.readings import PointsReading, PoseReading, RangeReading, Reading

PREFIX = 'scale/'
"""Prefix of the node's topics `scale/points`, `scale/scan` and so on."""


def points_of(message: Any, extrinsic: Matrix, _info: Any) -> PointsReading:
    """
    Return the reading of a cloud.

    :param message: sensor_msgs/PointCloud2.
    :param extrinsic: float64 (4, 4), the sensor in the optical frame.
    :returns: its points.
    :raises DataError: as :func:`xyz_of`.
    """
    return PointsReading(xyz_of(message), extrinsic)


def scan_of(message: Any, extrinsic: Matrix, _info: Any) -> PointsReading:
    """
    Return the reading of a planar scan.

    :param message: sensor_msgs/LaserScan.
    :param extrinsic: float64 (4, 4), the sensor in the optical frame.
    :returns: its points.
    :raises DataError: angles that are not finite.
    """
    if not (math.isfinite(message.angle_min) and math.isfinite(message.angle_increment)):
        raise DataError('The scan has angles that are not finite. Check its driver.')
    points = scan_points(
        floats_of(message.ranges), message.angle_min, message.angle_increment,
        message.range_min, message.range_max,
    )
    return PointsReading(points, extrinsic)


def depth_of(message: Any, extrinsic: Matrix, info: Any) -> PointsReading:
    """
    Return the reading of another camera's depth image.

    :param message: sensor_msgs/Image, 32FC1 (m) or 16UC1 (mm).
    :param extrinsic: float64 (4, 4), the sensor in the optical frame.
    :param info: CameraInfo of the sensor.
    :returns: its points.
    :raises DataError: no CameraInfo, or it does not fit.
    """
    if info is None:
        raise DataError(
            f'{PREFIX}depth arrives, but no {PREFIX}camera_info. Publish or remap it.'
        )
    depth = metres_of_message(message)
    return PointsReading(depth_points(depth, sensor_camera(info, depth.shape)), extrinsic)


def stereo_of(message: Any, extrinsic: Matrix, info: Any) -> PointsReading:
    """
    Return the reading of a disparity image.

    :param message: stereo_msgs/DisparityImage.
    :param extrinsic: float64 (4, 4), the left camera in the optical frame.
    :param info: CameraInfo of the left camera, or None: the principal point, which is not in the
        message, is assumed to be the centre of the image.
    :returns: its points.
    :raises DataError: an invalid image, one of another encoding or unit, or a focal length or
        baseline that is not positive.
    """
    encoding = message.image.encoding
    if encoding != '32FC1':
        raise DataError(
            f'The disparity image has encoding {encoding[:40]!r}, expected 32FC1 in pixels.',
            'Divide the fixed point of stereo matchers by its unit, 16 with OpenCV.',
        )
    disparity = metres_of_message(message.image)
    depth = disparity_depth(
        disparity, message.f, message.t, message.min_disparity, message.max_disparity
    )
    height, width = depth.shape
    if info is not None and (info.height, info.width) == depth.shape:
        camera = sensor_camera(info, depth.shape)
    else:
        camera = Camera(width, height, message.f, message.f, (width - 1) / 2, (height - 1) / 2)
    return PointsReading(depth_points(depth, camera), extrinsic)


def pose_of(message: Any, extrinsic: Matrix, _info: Any) -> PoseReading:
    """
    Return the reading of odometry.

    :param message: nav_msgs/Odometry.
    :param extrinsic: float64 (4, 4), its child frame in the optical frame.
    :returns: the pose of the camera.
    :raises DataError: an invalid pose.
    """
    return PoseReading(pose_matrix(message.pose.pose) @ np.linalg.inv(extrinsic))


def xyz_of(message: Any) -> NDArray[np.float64]:
    """
    Return the positions of a cloud's points.

    :param message: sensor_msgs/PointCloud2 with float fields x, y and z, at any offset and in
        either byte order.
    :returns: float64 (N, 3), the cloud's frame (m); of a large cloud about `MAX_READ` points.
    :raises DataError: the fields are missing, or do not match the data.
    """
    points = records_of(message)
    points = points[:: max(1, len(points) // MAX_READ)]
    return np.column_stack([points[axis].astype(np.float64) for axis in 'xyz'])


def range_of(
    message: Any, extrinsic: Matrix, _info: Any = None
) -> RangeReading | None:
    """
    Return the reading of a range.

    :param message: sensor_msgs/Range; -Inf, +Inf and NaN are not distances (REP-117).
    :param extrinsic: float64 (4, 4), the sensor in the optical frame.
    :returns: the reading, or None if the sensor detected nothing within its limits.
    :raises DataError: an invalid field of view.
    """
    distance, cone = float(message.range), float(message.field_of_view)
    if not 0 <= cone <= math.pi:
        raise DataError(
            f'The range sensor has a field_of_view of {cone:g} rad, expected 0 to pi; check its '
            'driver.'
        )
    least = max(message.min_range, 0.0)
    if not math.isfinite(distance) or not least < distance < message.max_range:
        return None
    return RangeReading(distance, cone, extrinsic)


def sensor_camera(info: Any, shape: tuple[int, ...]) -> Camera:
    """
    Return the camera of a depth image, which is rectified for stereo and ToF sensors.

    :param info: its CameraInfo.
    :param shape: rows and columns of the image (pixels).
    :returns: the camera.
    :raises DataError: not calibrated, or of another size.
    """
    camera, _ = camera_of_message(info, '', 'true')
    if (camera.height, camera.width) != tuple(shape):
        raise DataError(
            f'The depth image is {shape[1]}x{shape[0]}, but its CameraInfo is for {camera.size}.'
        )
    return camera


Decoder: TypeAlias = 'Callable[[Any, Matrix, Any], Reading | None]'
DECODERS: dict[str, Decoder] = {
    'sensor_msgs/msg/PointCloud2': points_of,
    'sensor_msgs/msg/LaserScan': scan_of,
    'sensor_msgs/msg/Range': range_of,
    'sensor_msgs/msg/Image': depth_of,
    'stereo_msgs/msg/DisparityImage': stereo_of,
    'nav_msgs/msg/Odometry': pose_of,
}
"""Message type in the table of sources to decoder."""
