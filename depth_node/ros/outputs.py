"""The node's publishers, and which of them somebody listens to."""

from __future__ import annotations

from typing import Any

from rclpy.exceptions import ParameterException
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image, LaserScan, PointCloud2

from depth_node.errors import ConfigError

TOPICS: dict[str, Any] = {
    'depth/image': Image,
    'depth/camera_info': CameraInfo,
    'depth/points': PointCloud2,
    'depth/image_color': Image,
    'depth/image_relative': Image,
    'depth/scan': LaserScan,
}
"""Relative topic name to message type."""
_OVERRIDABLE = (
    QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY,
    QoSPolicyKind.DURABILITY,
)


class Outputs:
    """
    Publishers of depth, cloud and pictures: reliable, keep last 1.

    Reliable matches every subscriber; one message is kept because an older frame is of no use.
    These and the durability can be overridden by ROS's own `qos_overrides` parameters.

    :param node: owner of the publishers.
    :raises ConfigError: an override that ROS does not know.
    """

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._publishers: dict[str, Any] = {}
        try:
            for topic, kind in TOPICS.items():
                self._publishers[topic] = self._publisher(topic, kind)
        except (RuntimeError, ParameterException) as error:  # an unknown policy, value or type
            self.destroy()
            raise ConfigError(
                f'qos_overrides: {error}.',
                'They are given at start: reliability is reliable or best_effort, history '
                'keep_last or keep_all, depth a number, durability volatile or transient_local.',
            ) from error

    def _publisher(self, topic: str, kind: Any) -> Any:
        qos = QoSProfile(
            depth=1, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.RELIABLE
        )
        return self._node.create_lifecycle_publisher(
            kind, topic, qos,
            qos_overriding_options=QoSOverridingOptions(_OVERRIDABLE),
        )

    def wanted(self) -> frozenset[str]:
        """
        Tell what somebody listens to.

        :returns: the topics with at least one subscriber, by their names in :data:`TOPICS`.
        """
        return frozenset(
            topic
            for topic, publisher in self._publishers.items()
            if publisher.get_subscription_count()
        )

    def publish(self, topic: str, message: Any) -> None:
        """
        Publish on one of :data:`TOPICS`.

        :param topic: its relative name.
        :param message: of its type.
        """
        self._publishers[topic].publish(message)

    def destroy(self) -> None:
        """Withdraw every publisher."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers = {}
