"""Subscriptions to the sources of scale, and to the odometry that goes with them."""

from __future__ import annotations

from collections.abc import Callable
import functools
import time
from typing import Any

from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, LaserScan, PointCloud2, Range
from stereo_msgs.msg import DisparityImage

from depth_node.config.scale import ScaleConfig
from depth_node.ros.notices import Notices
from depth_node.ros.transforms import Transforms
from depth_node.scale import Reading
from depth_node.scale.decoding import PREFIX
from depth_node.scale.receiving import Receiver
from depth_node.scale.table import ScaleSource

TYPES: dict[str, Any] = {
    'sensor_msgs/msg/PointCloud2': PointCloud2,
    'sensor_msgs/msg/LaserScan': LaserScan,
    'sensor_msgs/msg/Range': Range,
    'sensor_msgs/msg/Image': Image,
    'stereo_msgs/msg/DisparityImage': DisparityImage,
    'nav_msgs/msg/Odometry': Odometry,
}
"""ROS type in the table of sources to message class."""
PROBLEMS = ('scale input', 'scale odometry')
"""Names of problems with the source's messages and with the odometry that goes with it."""


class ScaleInputs:
    """
    Subscribes to the topics of a source of scale, best effort, which matches every publisher.

    Sources that correct locally also get odometry, with which their points are carried along.

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
        self._notices = notices
        self._subscriptions: list[Any] = []

        def listen(problem: str, *, secondary: bool) -> Receiver:
            receiver = Receiver(
                config, transforms, take, functools.partial(self._report, problem),
                secondary=secondary,
            )
            source = receiver.source
            if source.message is not None:
                self._subscribe(
                    TYPES[source.message], PREFIX + source.name,
                    lambda message: receiver.receive(message, time.monotonic()),
                )
            return receiver

        self._receiver = listen(PROBLEMS[0], secondary=False)
        self._receivers = [self._receiver]
        source = self._receiver.source
        if source.local != 'never':
            self._receivers.append(listen(PROBLEMS[1], secondary=True))
        if source.camera_info:
            self._subscribe(CameraInfo, PREFIX + 'camera_info', self._on_info)

    @property
    def source(self) -> ScaleSource:
        """The source of scale."""
        return self._receiver.source

    @property
    def topics(self) -> list[str]:
        """Resolved names of the subscribed topics."""
        return [str(subscription.topic_name) for subscription in self._subscriptions]

    @property
    def info(self) -> CameraInfo | None:
        """The latest CameraInfo of the sensor."""
        return self._receiver.info

    def destroy(self) -> None:
        """Destroy the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()
        for receiver in self._receivers:
            receiver.forget()
        for problem in PROBLEMS:
            self._notices.health.clear(problem)

    def see_from(self, optical: str) -> None:
        """
        Set the frame of the readings.

        :param optical: optical frame of the camera, from the header of its images.
        """
        for receiver in self._receivers:
            receiver.see_from(optical)

    def retry(self) -> None:
        """Decode messages that were waiting for the transform of their time."""
        for receiver in self._receivers:
            receiver.retry(time.monotonic())

    def _subscribe(self, kind: Any, topic: str, callback: Callable[[Any], None]) -> None:
        qos = QoSProfile(
            depth=5, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.BEST_EFFORT
        )
        self._subscriptions.append(self._node.create_subscription(kind, topic, callback, qos))

    def _on_info(self, info: CameraInfo) -> None:
        self._receiver.info = info

    def _report(self, name: str, problem: str) -> None:
        if problem:
            self._notices.warn(name, problem)
        else:
            self._notices.health.clear(name)
