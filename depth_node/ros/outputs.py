"""The table of the node's outputs, and their publishers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, LaserScan, PointCloud2

from depth_node.errors import ConfigError
from depth_node.ros.making import Maker, Scene
from depth_node.ros.qos import checked_overrides, latest, overridable
from depth_node.timing import Stages


@dataclass(frozen=True)
class Output:
    """
    One topic of the node.

    :param topic: relative name.
    :param type: message type.
    :param make: returns the message of a frame, or None.
    :param text: description, for the table in the README.
    :param needs_metres: whether it needs metric depth and a camera.
    """

    topic: str
    type: Any
    make: Callable[[Maker, Scene], Any]
    text: str
    needs_metres: bool = True


OUTPUTS = (
    Output(
        'depth/image_relative', Image, Maker.image_relative,
        '32FC1, the output of models without a metric scale', needs_metres=False,
    ),
    Output('depth/points', PointCloud2, Maker.points, 'colored; thinned by default'),
    Output('depth/scan', LaserScan, Maker.scan, 'obstacles within a range of heights'),
    Output(
        'depth/image', Image, Maker.image,
        '32FC1, m (or 16UC1, mm): z-depth; NaN, +Inf, -Inf as in REP-117',
    ),
    Output(
        'depth/image/compressedDepth', CompressedImage, Maker.compressed_depth,
        'the same as PNG or RVL, for links with little bandwidth',
    ),
    Output('depth/camera_info', CameraInfo, Maker.camera_info, 'the camera of the depth image'),
    Output(
        'depth/confidence', Image, Maker.confidence,
        '32FC1, 0 to 1: 0.5 for an error of 10 %, 0 for no depth',
    ),
    Output('depth/image_color', Image, Maker.image_color, 'bgr8, for people'),
)
"""
All outputs in the order of publishing: those for planners before those for people. Add an output
with a row here and a method of :class:`Maker`.
"""


class Outputs:
    """
    Publishers of all outputs: reliable, keep last 1.

    Reliable matches every subscriber, and only the latest frame is useful. These settings and
    the durability can be overridden by the `qos_overrides` parameters of ROS.

    :param node: the node that owns the publishers.
    :param maker: makes the messages.
    :param stages: timer of making and publishing.
    :raises ConfigError: an invalid override.
    """

    def __init__(self, node: LifecycleNode, maker: Maker, stages: Stages) -> None:
        self._node = node
        self._maker = maker
        self._stages = stages
        self._publishers: dict[str, Any] = {}
        try:
            with checked_overrides():
                for output in OUTPUTS:
                    self._publishers[output.topic] = self._publisher(output.topic, output.type)
        except ConfigError:
            self.destroy()
            raise

    def _publisher(self, topic: str, kind: Any) -> Any:
        return self._node.create_lifecycle_publisher(
            kind, topic, latest(), qos_overriding_options=overridable()
        )

    def wanted(self) -> frozenset[str]:
        """
        Return the topics that have subscribers.

        :returns: the topics with at least one subscriber, by their names in :data:`OUTPUTS`.
        """
        return frozenset(
            topic
            for topic, publisher in self._publishers.items()
            if publisher.get_subscription_count()
        )

    def send(self, scene: Scene) -> bool:
        """
        Make and publish the outputs that have subscribers.

        An output that cannot be made does not affect the others; its error is raised after they
        have been published.

        :param scene: the frame.
        :returns: whether anything was published.
        """
        sent, errors = False, []
        for output in OUTPUTS:
            if output.topic not in scene.wanted or (output.needs_metres and not scene.has_metres):
                continue
            try:
                message = output.make(self._maker, scene)
            except Exception as error:  # noqa: BLE001 - raised below
                errors.append(error)
                continue
            self._stages.lap('message')
            if message is not None:
                self._publishers[output.topic].publish(message)
                self._stages.lap('publish')
            # a cloud that is not known yet is a reason to wait, not a frame without metres
            sent = True
        if errors:
            raise errors[0]
        return sent

    def destroy(self) -> None:
        """Destroy all publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers = {}
