"""Subscriptions to the camera, with matching reliability, and checks that they receive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import math
import time
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from depth_node.config import InputConfig
from depth_node.ros.health import WINDOW_S
from depth_node.ros.matching import offered_reliability
from depth_node.ros.notices import Notices

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
    CameraInfo that was published once, before this node started, is received by a second
    subscription, which exists while a publisher offers it (transient local).

    :param node: the node that owns the subscriptions.
    :param config: the `input` parameters.
    :param notices: count what arrives, and hold the conditions.
    :param on_image: called with Image or CompressedImage.
    :param on_info: called with CameraInfo.
    """

    def __init__(
        self,
        node: Node,
        config: InputConfig,
        notices: Notices,
        on_image: Callable[[Any], None],
        on_info: Callable[[CameraInfo], None],
    ) -> None:
        self._node = node
        self._config = config
        self._notices = notices
        self._health = notices.health
        self._on_image = on_image
        self._on_info = on_info
        compressed = config.transport == 'compressed'
        self._type = CompressedImage if compressed else Image
        self._topic = compressed_topic(node) if compressed else 'image'
        self._reliability = ReliabilityPolicy.BEST_EFFORT
        self._publishers: frozenset[bytes] = frozenset()
        self._since = 0.0
        self._image: Subscription = self._subscribe()
        # small enough not to be lost on the way, and so heard from either kind of publisher; the
        # queue holds those of a burst, because a frame wants its own and not the newest
        small = QoSProfile(depth=INFO_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._info = node.create_subscription(CameraInfo, 'camera_info', self._counted, small)
        self._latched: Subscription | None = None
        self.match()

    def _counted(self, info: CameraInfo) -> None:
        self._health.infos.add()
        self._on_info(info)

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
        offers = self._node.get_publishers_info_by_topic(self.image_topic)
        publishers = frozenset(bytes(offer.endpoint_gid) for offer in offers)
        if publishers - self._publishers:
            self._since = time.monotonic()
        self._publishers = publishers
        wanted = self._wanted(offers)
        if wanted != self._reliability:
            self._node.destroy_subscription(self._image)
            self._reliability = wanted
            self._image = self._subscribe()
            self._notices.info(
                'reliability',
                f'{self.image_topic}: subscribed {self.reliability}, as its publishers offer',
            )
        self._match_latched()

    def _match_latched(self) -> None:
        """Subscribe to CameraInfo that was published before, while a publisher keeps it."""
        kept = any(
            offer.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
            for offer in self._node.get_publishers_info_by_topic(self.info_topic)
        )
        if kept and self._latched is None:
            qos = QoSProfile(
                depth=INFO_DEPTH, reliability=ReliabilityPolicy.RELIABLE,
                durability=DurabilityPolicy.TRANSIENT_LOCAL,
            )
            self._latched = self._node.create_subscription(
                CameraInfo, 'camera_info', self._on_info, qos
            )
        elif not kept and self._latched is not None:
            self._node.destroy_subscription(self._latched)
            self._latched = None

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
        elif self._settled() and infos.rate() > 1.5 * received.rate() + 1:
            text = (
                f'{self.image_topic} delivers {received.rate():.1f} of {infos.rate():.1f} frames '
                'per second. Start the camera driver with the shared-memory DDS profile '
                '(doc/dds.md); if it has it, this machine is overloaded.'
            )
        else:
            self._health.clear('image')
            self._check_infos(min(infos.age(), self._health.uptime()))
            return
        if silent or publishers:
            self._notices.warn('image', text, fatal=silent)

    def _settled(self) -> bool:
        """
        Return whether the rates are those of this subscription and of these publishers.

        CameraInfo arrives as soon as it is subscribed, images once the reliability is known.
        """
        return time.monotonic() - self._since > WINDOW_S + SILENCE_S

    def _check_infos(self, age: float) -> None:
        """Warn if CameraInfo stopped while frames arrive; one that never arrived is an error."""
        never = math.isinf(self._health.infos.age())
        # one that is kept by its publisher need not come again
        if age < SILENCE_S or never or self._latched is not None or self._config.calibration_file:
            self._health.clear('stale')
            return
        text = (
            f'{self.info_topic} is stale: frames arrive, but no CameraInfo for over {SILENCE_S:g} '
            's. The last one is used. Restart the publisher that stopped.'
        )
        self._notices.warn('stale', text)

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
        """Destroy the subscriptions."""
        for subscription in (self._image, self._info, self._latched):
            if subscription is not None:
                self._node.destroy_subscription(subscription)

    def _wanted(self, offers: Sequence[Any]) -> ReliabilityPolicy:
        if self._config.reliability != 'auto':
            return ReliabilityPolicy[self._config.reliability.upper()]
        return offered_reliability(offers, self._reliability)

    def _subscribe(self) -> Subscription:
        self._since = time.monotonic()
        qos = QoSProfile(
            depth=1, history=HistoryPolicy.KEEP_LAST, reliability=self._reliability
        )
        return self._node.create_subscription(self._type, self._topic, self._on_image, qos)


def compressed_topic(node: Node) -> str:
    """
    Find the topic of compressed images, as image_transport would.

    :param node: with its remappings.
    :returns: `image/compressed` where that name is remapped; otherwise what `image` is remapped
        to, with `/compressed` where it does not end so.
    """
    own = 'image/compressed'
    if node.resolve_topic_name(own) != node.resolve_topic_name(own, only_expand=True):
        return own
    base = str(node.resolve_topic_name('image'))
    return base if base.endswith('/compressed') else f'{base}/compressed'
