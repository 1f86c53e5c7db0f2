"""Subscriptions to the camera, with matching reliability, and checks that they receive."""

from __future__ import annotations

from collections.abc import Callable
import math
from typing import Any

from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from depth_node.config import InputConfig
from depth_node.ros.health import Health

SILENCE_S = 3.0
"""How long frames may be missing before a warning (s)."""
INFO_DEPTH = 8


class CameraTopics:
    """
    Subscriptions to the image and its CameraInfo.

    A publisher that offers reliable delivery is subscribed reliably: images are larger than a
    UDP packet, and best effort loses most of them when the driver runs without the shared-memory
    profile. One that offers best effort only does not match a reliable subscription. Therefore
    the offers of the publishers are queried, and the subscription is replaced when they change.

    :param node: the node that owns the subscriptions.
    :param config: the `input` parameters.
    :param health: counts what arrives, and holds the conditions.
    :param on_image: called with Image or CompressedImage.
    :param on_info: called with CameraInfo.
    """

    def __init__(
        self,
        node: Node,
        config: InputConfig,
        health: Health,
        on_image: Callable[[Any], None],
        on_info: Callable[[CameraInfo], None],
    ) -> None:
        self._node = node
        self._config = config
        self._health = health
        self._on_image = on_image
        compressed = config.transport == 'compressed'
        self._type = CompressedImage if compressed else Image
        self._topic = 'image/compressed' if compressed else 'image'
        self._reliability = ReliabilityPolicy.BEST_EFFORT
        self._image: Subscription = self._subscribe()
        # small enough not to be lost on the way, and so heard from either kind of publisher; the
        # queue holds those of a burst, because a frame wants its own and not the newest
        small = QoSProfile(depth=INFO_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._info = node.create_subscription(CameraInfo, 'camera_info', on_info, small)
        self.match()

    @property
    def image_topic(self) -> str:
        """Resolved name of the image topic."""
        return str(self._image.topic_name)

    @property
    def info_topic(self) -> str:
        """Resolved name of the CameraInfo topic."""
        return str(self._info.topic_name)

    @property
    def reliability(self) -> str:
        """Reliability of the image subscription, for diagnostics."""
        return self._reliability.name.lower()

    def match(self) -> None:
        """Subscribe again if the publishers now offer another reliability."""
        wanted = self._wanted()
        if wanted != self._reliability:
            self._node.destroy_subscription(self._image)
            self._reliability = wanted
            self._image = self._subscribe()
            self._node.get_logger().info(
                f'{self.image_topic}: subscribed {self.reliability}, as its publishers offer'
            )

    def check_silence(self) -> None:
        """Set or clear the conditions about missing frames and CameraInfo messages."""
        publishers = self._node.count_publishers(self.image_topic)
        received, infos = self._health.received, self._health.infos
        silent = min(received.age(), self._health.uptime()) > SILENCE_S
        if not publishers:
            text = f'{self.image_topic} has no publisher{self._instead()}'
        elif silent:
            text = self._other_type() or (
                f'{self.image_topic} has a publisher, but no frame arrives. Unless the camera is '
                'paused, start its driver with the shared-memory DDS profile (doc/dds.md), or '
                'check its QoS.'
            )
        elif not silent and infos.rate() > 1.5 * received.rate() + 1:
            text = (
                f'{self.image_topic} delivers {received.rate():.1f} of {infos.rate():.1f} frames '
                'per second. Start the camera driver with the shared-memory DDS profile '
                '(doc/dds.md); if it has it, this machine is overloaded.'
            )
        else:
            self._health.clear('image')
            self._check_infos(min(infos.age(), self._health.uptime()))
            return
        if (silent or publishers) and self._health.set('image', text, fatal=silent):
            self._node.get_logger().warning(text)

    def _check_infos(self, age: float) -> None:
        """Warn if CameraInfo stopped while frames arrive; one that never arrived is an error."""
        never = math.isinf(self._health.infos.age())
        if age < SILENCE_S or never or self._config.calibration_file:
            self._health.clear('stale')
            return
        text = (
            f'{self.info_topic} is stale: frames arrive, but no CameraInfo for over {SILENCE_S:g} '
            's. The last one is used. Restart the publisher that stopped.'
        )
        if self._health.set('stale', text):
            self._node.get_logger().warning(text)

    def _instead(self) -> str:
        """Return the end of that sentence: the other transport, if it has a publisher."""
        compressed = self._config.transport == 'compressed'
        suffix = '/compressed'
        topic = self.image_topic
        other = topic.removesuffix(suffix) if compressed else topic + suffix
        if not self._node.count_publishers(other):
            return '. Start the camera or remap `image`.'
        transport = 'raw' if compressed else 'compressed'
        return f', but {other} has one: set input.transport to {transport}.'

    def _other_type(self) -> str:
        """Return the problem if the topic has another type than the one subscribed."""
        offers = self._node.get_publishers_info_by_topic(self.image_topic)
        types = sorted({offer.topic_type for offer in offers})
        ours = f'sensor_msgs/msg/{self._type.__name__}'
        if ours in types:
            return ''
        return (
            f'{self.image_topic} is published as {", ".join(types)}, expected {ours}. Remap '
            '`image`, or set input.transport.'
        )

    def destroy(self) -> None:
        """Destroy both subscriptions."""
        self._node.destroy_subscription(self._image)
        self._node.destroy_subscription(self._info)

    def _wanted(self) -> ReliabilityPolicy:
        if self._config.reliability != 'auto':
            return ReliabilityPolicy[self._config.reliability.upper()]
        offers = self._node.get_publishers_info_by_topic(self.image_topic)
        if not offers:
            return self._reliability
        if all(offer.qos_profile.reliability == ReliabilityPolicy.RELIABLE for offer in offers):
            return ReliabilityPolicy.RELIABLE
        return ReliabilityPolicy.BEST_EFFORT

    def _subscribe(self) -> Subscription:
        qos = QoSProfile(
            depth=1, history=HistoryPolicy.KEEP_LAST, reliability=self._reliability
        )
        return self._node.create_subscription(self._type, self._topic, self._on_image, qos)
