"""Subscriptions to the sources of scale, decoded to plain numbers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
import math
import time
from typing import Any

from nav_msgs.msg import Odometry
import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, LaserScan, PointCloud2, Range
from stereo_msgs.msg import DisparityImage

from depth_node.camera import Camera
from depth_node.camera.rigid import Matrix, matrix_of
from depth_node.config.scale import ScaleConfig
from depth_node.errors import DataError
from depth_node.ros import messages
from depth_node.ros.notices import Notices
from depth_node.ros.transforms import pose_matrix, Transforms
from depth_node.scale import PointsReading, PoseReading, RangeReading, Reading
from depth_node.scale.points import depth_points, disparity_depth, MAX_READ, scan_points
from depth_node.scale.table import SOURCES

PREFIX = 'scale/'
"""Prefix of the topics `scale/points`, `scale/scan` and so on."""
FLOATS: dict[int, Any] = {7: 'f4', 8: 'f8'}
"""Accepted PointField datatypes of coordinates."""
PATIENCE_S = 0.5
"""How long a message waits for the transform of its time (s)."""
WAITING = 10
"""Maximum number of waiting messages."""


class ScaleInputs:
    """
    Subscribes to the topics of a source of scale, best effort, which matches every publisher.

    :param node: the node that owns the subscriptions.
    :param config: the parameters of the scale.
    :param transforms: TF, for the extrinsic if it is not in the parameters.
    :param notices: receives problems with the messages.
    :param take: called with each reading and its time (s).
    """

    def __init__(
        self,
        node: Node,
        config: ScaleConfig,
        transforms: Transforms,
        notices: Notices,
        take: Callable[[float, Reading], None],
    ) -> None:
        self._node = node
        self._transforms = transforms
        self._notices = notices
        self._take = take
        self._extrinsic = matrix_of(config.extrinsic) if config.extrinsic else None
        self._optical = ''
        self._info: CameraInfo | None = None
        self._subscriptions: list[Any] = []
        self._waiting: deque[tuple[float, Any]] = deque(maxlen=WAITING)
        self.source = SOURCES[config.source]
        if self.source.message is not None:
            kind, self._decode = DECODERS[self.source.message]
            self._subscribe(kind, PREFIX + self.source.name, self._on_message)
        if self.source.camera_info:
            self._subscribe(CameraInfo, PREFIX + 'camera_info', self._on_info)

    @property
    def topics(self) -> list[str]:
        """Resolved names of the subscribed topics."""
        return [str(subscription.topic_name) for subscription in self._subscriptions]

    @property
    def info(self) -> CameraInfo | None:
        """The latest CameraInfo of the sensor."""
        return self._info

    def destroy(self) -> None:
        """Destroy the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()
        self._waiting.clear()

    def see_from(self, optical: str) -> None:
        """
        Set the frame of the readings.

        :param optical: optical frame of the camera, from the header of its images.
        """
        self._optical = optical

    def retry(self) -> None:
        """Decode messages that were waiting for the transform of their time."""
        now = time.monotonic()
        for _ in range(len(self._waiting)):
            arrived, message = self._waiting.popleft()
            self._try(arrived, message, last=now - arrived > PATIENCE_S)

    def _subscribe(self, kind: Any, topic: str, callback: Callable[[Any], None]) -> None:
        qos = QoSProfile(
            depth=5, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.BEST_EFFORT
        )
        self._subscriptions.append(self._node.create_subscription(kind, topic, callback, qos))

    def _on_info(self, info: CameraInfo) -> None:
        self._info = info

    def _on_message(self, message: Any) -> None:
        self.retry()
        self._try(time.monotonic(), message, last=False)

    def _try(self, arrived: float, message: Any, *, last: bool) -> None:
        """Decode a message, or keep it until its transform arrives; warn the last time."""
        frame = getattr(message, 'child_frame_id', '') or message.header.frame_id
        try:
            extrinsic = self._place(frame, message.header.stamp)
            if extrinsic is None:
                if not last:
                    self._waiting.append((arrived, message))
                elif self._optical:
                    raise DataError(
                        f'The pose of {frame or "the sensor"} in {self._optical} is not known. '
                        f'Set scale.extrinsic{self._transforms.hint}.'
                    )
                return
            reading = self._decode(message, extrinsic, self._info)
        except DataError as error:
            self._notices.warn('scale input', str(error))
            return
        if reading is not None:
            self._notices.health.clear('scale input')
            self._take(messages.nanoseconds_of(message.header.stamp) / 1e9, reading)

    def _place(self, frame: str, stamp: Any) -> Matrix | None:
        """Return the pose of a sensor in the optical frame, or None if it is not known."""
        if self._extrinsic is not None:
            return self._extrinsic
        if not self._optical:
            return None
        # the executor receives TF: it must not wait for it
        return self._transforms.lookup(self._optical, frame, stamp, wait=0.0)


def points_of(message: PointCloud2, extrinsic: Matrix, _info: CameraInfo | None) -> PointsReading:
    """
    Return the reading of a cloud.

    :param message: sensor_msgs/PointCloud2.
    :param extrinsic: float64 (4, 4), the sensor in the optical frame.
    :returns: its points.
    :raises DataError: as :func:`xyz_of`.
    """
    return PointsReading(xyz_of(message), extrinsic)


def scan_of(message: LaserScan, extrinsic: Matrix, _info: CameraInfo | None) -> PointsReading:
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
        np.asarray(message.ranges, np.float32), message.angle_min, message.angle_increment,
        message.range_min, message.range_max,
    )
    return PointsReading(points, extrinsic)


def depth_of(message: Image, extrinsic: Matrix, info: CameraInfo | None) -> PointsReading:
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
    depth = messages.metres_from_msg(message)
    return PointsReading(depth_points(depth, sensor_camera(info, depth.shape)), extrinsic)


def stereo_of(
    message: DisparityImage, extrinsic: Matrix, info: CameraInfo | None
) -> PointsReading:
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
    disparity = messages.metres_from_msg(message.image)
    depth = disparity_depth(
        disparity, message.f, message.t, message.min_disparity, message.max_disparity
    )
    height, width = depth.shape
    if info is not None and (info.height, info.width) == depth.shape:
        camera = sensor_camera(info, depth.shape)
    else:
        camera = Camera(width, height, message.f, message.f, (width - 1) / 2, (height - 1) / 2)
    return PointsReading(depth_points(depth, camera), extrinsic)


def pose_of(message: Odometry, extrinsic: Matrix, _info: CameraInfo | None) -> PoseReading:
    """
    Return the reading of odometry.

    :param message: nav_msgs/Odometry.
    :param extrinsic: float64 (4, 4), its child frame in the optical frame.
    :returns: the pose of the camera.
    :raises DataError: an invalid pose.
    """
    return PoseReading(pose_matrix(message.pose.pose) @ np.linalg.inv(extrinsic))


def xyz_of(message: PointCloud2) -> NDArray[np.float64]:
    """
    Return the positions of a cloud's points.

    :param message: cloud with float fields x, y and z, at any offset and in either byte order.
    :returns: float64 (N, 3), the cloud's frame (m); of a large cloud about `MAX_READ` points.
    :raises DataError: the fields are missing, or do not match the data.
    """
    fields = {field.name: field for field in message.fields}
    if not {'x', 'y', 'z'} <= fields.keys():
        raise DataError(f'The cloud has fields {sorted(fields)}, expected x, y and z.')
    kinds = {fields[axis].datatype for axis in 'xyz'}
    if not kinds <= FLOATS.keys():
        raise DataError(f'x, y and z have datatypes {kinds}, expected FLOAT32 or FLOAT64.')
    count, step = message.width * message.height, message.point_step
    data = np.frombuffer(message.data, np.uint8)
    padded = message.row_step * message.height
    fitting = _fits(fields, step) and message.row_step >= message.width * step
    if not fitting or data.size < padded:
        raise DataError(
            f'The cloud declares {message.width}x{message.height} points of {step} bytes in rows '
            f'of {message.row_step}, but has {data.size} bytes.'
        )
    if count == 0:
        return np.zeros((0, 3))
    rows = data[:padded].reshape(message.height, message.row_step)[:, : message.width * step]
    layout = np.dtype({
        'names': ['x', 'y', 'z'],
        'formats': [FLOATS[fields[axis].datatype] for axis in 'xyz'],
        'offsets': [fields[axis].offset for axis in 'xyz'],
        'itemsize': step,
    }).newbyteorder('>' if message.is_bigendian else '<')
    points = np.ascontiguousarray(rows).reshape(-1)[: count * step].view(layout)
    points = points[:: max(1, count // MAX_READ)]
    return np.column_stack([points[axis].astype(np.float64) for axis in 'xyz'])


def _fits(fields: dict[str, Any], step: int) -> bool:
    return step > 0 and all(
        fields[axis].offset + np.dtype(FLOATS[fields[axis].datatype]).itemsize <= step
        for axis in 'xyz'
    )


def range_of(
    message: Range, extrinsic: Matrix, _info: CameraInfo | None = None
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


def sensor_camera(info: CameraInfo, shape: tuple[int, ...]) -> Camera:
    """
    Return the camera of a depth image, which is rectified for stereo and ToF sensors.

    :param info: its CameraInfo.
    :param shape: rows and columns of the image (pixels).
    :returns: the camera.
    :raises DataError: not calibrated, or of another size.
    """
    camera = messages.camera_from_msg(info, rectified=True)
    if (camera.height, camera.width) != tuple(shape):
        raise DataError(
            f'The depth image is {shape[1]}x{shape[0]}, but its CameraInfo is for {camera.size}.'
        )
    return camera


Decoder = Callable[[Any, Matrix, 'CameraInfo | None'], 'Reading | None']
DECODERS: dict[str, tuple[Any, Decoder]] = {
    'sensor_msgs/msg/PointCloud2': (PointCloud2, points_of),
    'sensor_msgs/msg/LaserScan': (LaserScan, scan_of),
    'sensor_msgs/msg/Range': (Range, range_of),
    'sensor_msgs/msg/Image': (Image, depth_of),
    'stereo_msgs/msg/DisparityImage': (DisparityImage, stereo_of),
    'nav_msgs/msg/Odometry': (Odometry, pose_of),
}
"""ROS type in the table of sources to message class and decoder."""
