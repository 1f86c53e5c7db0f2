"""Subscriptions whose QoS is what the publishers offer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import time
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def offered_reliability(
    offers: Sequence[Any], otherwise: ReliabilityPolicy = ReliabilityPolicy.BEST_EFFORT
) -> ReliabilityPolicy:
    """
    Return the reliability to subscribe with.

    Of reliable publishers best effort loses images, which are larger than a UDP packet; a
    publisher that offers best effort does not match a reliable subscription.

    :param offers: what ``get_publishers_info_by_topic`` returned.
    :param otherwise: the answer if there is no publisher.
    :returns: reliable if all of them offer it, otherwise best effort, which all of them match.
    """
    if not offers:
        return otherwise
    if all(offer.qos_profile.reliability == ReliabilityPolicy.RELIABLE for offer in offers):
        return ReliabilityPolicy.RELIABLE
    return ReliabilityPolicy.BEST_EFFORT


class MatchedSubscription:
    """
    A subscription that is replaced when the publishers offer another QoS.

    Until there is a publisher it is best effort and volatile, which matches all of them. What a
    publisher keeps for late subscribers (transient local) is received.

    :param node: the node that owns it.
    :param kind: message type.
    :param topic: name, with the namespace.
    :param callback: called with every message.
    :param depth: number of messages to keep.
    """

    def __init__(
        self, node: Node, kind: Any, topic: str, callback: Callable[[Any], None], depth: int = 1
    ) -> None:
        self._node, self._kind, self._callback, self._depth = node, kind, callback, depth
        self.topic = topic
        self.publishers: tuple[Any, ...] = ()
        self._received = 0.0
        self._since = time.monotonic()
        self._qos = ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE
        self._subscription = self._subscribe()

    def silence(self) -> float:
        """
        Return for how long nothing has arrived.

        :returns: since the last message, or since the subscription (s).
        """
        return time.monotonic() - max(self._received, self._since)

    @property
    def heard(self) -> bool:
        """Whether anything has ever arrived."""
        return self._received > 0

    def match(self) -> None:
        """Look at the publishers, and subscribe again if they offer another QoS."""
        offers = self._node.get_publishers_info_by_topic(self.topic)
        self.publishers = tuple(offers)
        if not offers:
            return
        reliability = offered_reliability(offers)
        kept = reliability == ReliabilityPolicy.RELIABLE and all(
            offer.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for offer in offers
        )
        durability = DurabilityPolicy.TRANSIENT_LOCAL if kept else DurabilityPolicy.VOLATILE
        if (reliability, durability) != self._qos:
            self._node.destroy_subscription(self._subscription)
            self._qos = reliability, durability
            self._subscription = self._subscribe()

    def destroy(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)

    def _subscribe(self) -> Any:
        reliability, durability = self._qos
        qos = QoSProfile(
            depth=self._depth, history=HistoryPolicy.KEEP_LAST, reliability=reliability,
            durability=durability,
        )
        return self._node.create_subscription(self._kind, self.topic, self._take, qos)

    def _take(self, message: Any) -> None:
        self._received = time.monotonic()
        self._callback(message)
