"""The topics of the sources of scale, decoded to plain numbers for the keeper."""

from __future__ import annotations

from collections.abc import Callable
import math
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
from depth_node.config import Config
from depth_node.errors import DataError
from depth_node.ros import messages
from depth_node.ros.notices import Notices
from depth_node.ros.transforms import Transforms
from depth_node.scale import PointsReading, PoseReading, RangeReading, Reading
from depth_node.scale.points import depth_points, disparity_depth, scan_points

PREFIX = 'scale/'
"""Topics are `scale/points`, `scale/scan` and so on, to be remapped."""
TYPES: dict[str, Any] = {
    'points': PointCloud2,
    'scan': LaserScan,
    'range': Range,
    'depth': Image,
    'disparity': DisparityImage,
    'odometry': Odometry,
}
FLOATS: dict[int, Any] = {7: 'f4', 8: 'f8'}
"""PointField's datatypes that coordinates have."""


class ScaleInputs:
    """
    Subscribes to what the source of scale needs; best effort, which every publisher can serve.

    :param node: owner of the subscriptions.
    :param config: returns the configuration in force.
    :param transforms: TF, for the extrinsic where the parameters have none.
    :param notices: told what is wrong with the messages.
    :param optical: returns the camera's frame, or '' before the first image.
    :param take: called with each sample and its time (s).
    """

    def __init__(  # noqa: PLR0917
        self,
        node: Node,
        config: Callable[[], Config],
        transforms: Transforms,
        notices: Notices,
        optical: Callable[[], str],
        take: Callable[[float, Reading], None],
    ) -> None:
        self._node = node
        self._config = config
        self._transforms = transforms
        self._notices = notices
        self._optical = optical
        self._take = take
        self._info: CameraInfo | None = None
        self._subscriptions: list[Any] = []
        self.source = config().scale.source
        kind = TYPES.get(self.source)
        if kind is not None:
            self._subscribe(kind, PREFIX + self.source, self._on_message)
        if self.source == 'depth':
            self._subscribe(CameraInfo, PREFIX + 'camera_info', self._on_info)

    @property
    def topics(self) -> list[str]:
        """Resolved names of the topics subscribed to."""
        return [str(subscription.topic_name) for subscription in self._subscriptions]

    def destroy(self) -> None:
        """End the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()

    def _subscribe(self, kind: Any, topic: str, callback: Callable[[Any], None]) -> None:
        qos = QoSProfile(
            depth=5, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.BEST_EFFORT
        )
        self._subscriptions.append(self._node.create_subscription(kind, topic, callback, qos))

    def _on_info(self, info: CameraInfo) -> None:
        self._info = info

    def _on_message(self, message: Any) -> None:
        try:
            sample = self._sample(message)
        except DataError as error:
            self._notices.warn('scale input', str(error))
            return
        if sample is not None:
            self._notices.health.clear('scale input')
            self._take(messages.nanoseconds_of(message.header.stamp) / 1e9, sample)

    def _sample(self, message: Any) -> Reading | None:
        """Decode a message; None, with a warning, if its pose is not known."""
        if isinstance(message, Odometry):
            return self._pose(message)
        extrinsic = self._extrinsic(message.header.frame_id)
        if extrinsic is None:
            return None
        if isinstance(message, PointCloud2):
            return PointsReading(xyz_of(message), extrinsic)
        if isinstance(message, LaserScan):
            points = scan_points(
                np.asarray(message.ranges, np.float32), message.angle_min,
                message.angle_increment, message.range_min, message.range_max,
            )
            return PointsReading(points, extrinsic)
        if isinstance(message, Range):
            return range_of(message, extrinsic)
        if isinstance(message, DisparityImage):
            return PointsReading(self._stereo(message), extrinsic)
        if self._info is None:
            topic = f'{PREFIX}camera_info'
            self._notices.warn('scale input', f'{PREFIX}depth arrives, but no {topic}.')
            return None
        depth = messages.metres_from_msg(message)
        return PointsReading(depth_points(depth, camera_of(self._info, depth.shape)), extrinsic)

    def _stereo(self, message: DisparityImage) -> NDArray[np.float64]:
        disparity = messages.metres_from_msg(message.image)
        depth = disparity_depth(
            disparity, message.f, message.t, message.min_disparity, message.max_disparity
        )
        # DisparityImage has no principal point: that of a rectified pair is near the middle
        height, width = depth.shape
        info = self._info
        if info is not None and (info.height, info.width) == depth.shape:
            return depth_points(depth, camera_of(info, depth.shape))
        camera = Camera(
            width, height, message.f, message.f, (width - 1) / 2, (height - 1) / 2
        )
        return depth_points(depth, camera)

    def _pose(self, message: Odometry) -> PoseReading | None:
        extrinsic = self._extrinsic(message.child_frame_id)
        if extrinsic is None:
            return None
        place, turn = message.pose.pose.position, message.pose.pose.orientation
        pose = matrix_of((place.x, place.y, place.z, turn.x, turn.y, turn.z, turn.w))
        return PoseReading(pose @ np.linalg.inv(extrinsic))

    def _extrinsic(self, frame: str) -> Matrix | None:
        """Return the pose of a sensor in the optical frame, or None while it is not known."""
        given = self._config().scale.extrinsic
        if given:
            return matrix_of(given)
        optical = self._optical()
        if not optical:
            return None
        found = self._transforms.lookup(optical, frame)
        if found is None:
            self._notices.warn(
                'scale input',
                f'The pose of {frame or "the sensor"} in {optical} is not known. '
                f'Set scale.extrinsic{self._transforms.hint}.',
            )
        return found


def xyz_of(message: PointCloud2) -> NDArray[np.float64]:
    """
    Read the places of a cloud's points.

    :param message: with fields x, y and z of floats, in any place and of either byte order.
    :returns: float64 (N, 3), the cloud's frame (m).
    :raises DataError: the fields are not there, or do not fit the data.
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
            f'The cloud says {message.width}x{message.height} points of {step} bytes in rows of '
            f'{message.row_step}, and brings {data.size} bytes.'
        )
    rows = data[:padded].reshape(message.height, message.row_step)[:, : message.width * step]
    layout = np.dtype({
        'names': ['x', 'y', 'z'],
        'formats': [FLOATS[fields[axis].datatype] for axis in 'xyz'],
        'offsets': [fields[axis].offset for axis in 'xyz'],
        'itemsize': step,
    }).newbyteorder('>' if message.is_bigendian else '<')
    points = np.ascontiguousarray(rows).reshape(-1)[: count * step].view(layout)
    return np.column_stack([points[axis].astype(np.float64) for axis in 'xyz'])


def _fits(fields: dict[str, Any], step: int) -> bool:
    return step > 0 and all(
        fields[axis].offset + np.dtype(FLOATS[fields[axis].datatype]).itemsize <= step
        for axis in 'xyz'
    )


def range_of(message: Range, extrinsic: Matrix) -> RangeReading | None:
    """
    Read a range.

    :param message: sensor_msgs/Range; REP-117: -Inf, +Inf and NaN are no distances.
    :param extrinsic: float64 (4, 4), the sensor in the optical frame.
    :returns: the sample, or None where the sensor saw nothing within its limits.
    """
    distance = float(message.range)
    if not math.isfinite(distance) or not message.min_range < distance < message.max_range:
        return None
    return RangeReading(distance, float(message.field_of_view), extrinsic)


def camera_of(info: CameraInfo, shape: tuple[int, ...]) -> Camera:
    """
    Read the camera of a depth image: rectified, as all depth images of stereo and ToF are.

    :param info: its CameraInfo.
    :param shape: rows and columns of the image (pixels).
    :returns: the camera.
    :raises DataError: not calibrated, or of another size.
    """
    camera = messages.camera_from_msg(info, rectified=True)
    if (camera.height, camera.width) != tuple(shape):
        raise DataError(
            f'The depth image is {shape[1]}x{shape[0]}, its CameraInfo {camera.size}.'
        )
    return camera
