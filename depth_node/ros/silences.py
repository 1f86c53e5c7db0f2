"""What to check when a topic that should be drawn is silent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from depth_node.ros.matching import MatchedSubscription
from depth_node.text import printable

_LONGEST = 400
_ENDING = '/depth/image'


class Silences:
    """
    Finds out why topics of a watched node are silent.

    :param node: asks the graph.
    :param prefix: namespace of the watched node, without a slash at its end.
    :param patience: how long a topic may be silent (s).
    """

    def __init__(self, node: Node, prefix: str, patience: float) -> None:
        self._node, self._prefix, self._patience = node, prefix, patience

    def texts(
        self, depth: MatchedSubscription, others: Mapping[str, MatchedSubscription],
        image: MatchedSubscription | None, statuses: Mapping[str, DiagnosticStatus],
    ) -> Iterator[tuple[str, str]]:
        """
        Return what is missing, and what to do.

        :param depth: the depth image.
        :param others: the other outputs, by their names.
        :param image: of the camera, once it is known.
        :param statuses: the node's last diagnostics: `camera` and `depth`.
        :returns: a key and the problem with its remedy for each topic; an empty text for one
            that is well, or about which nothing is known yet.
        """
        reports = self._reports(statuses)
        quiet = depth.silence() > self._patience
        yield 'depth/image', self._depth(depth, reports) if quiet else ''
        for name, topic in others.items():
            # the depth image explains the silence of all of them
            silent = not quiet and topic.silence() > self._patience
            yield name, self._other(topic, reports) if silent else ''
        yield 'image', self._picture(image) if not quiet else ''

    def _depth(self, topic: MatchedSubscription, reports: str) -> str:
        if topic.publishers:
            return (
                f'{topic.topic} has a publisher, but nothing arrives. ' + (reports or
                'Check that the camera delivers, the lifecycle state of the node, and the DDS '
                'profile (doc/dds.md).')
            )
        if topic.heard:
            return f'{topic.topic} has no publisher any more: the node has ended. Start it again.'
        elsewhere = sorted(
            name.removesuffix(_ENDING) or '/'
            for name, _ in self._node.get_topic_names_and_types()
            if name.endswith(_ENDING) and name != topic.topic
            and self._node.count_publishers(name)
        )
        if elsewhere:
            return (
                f'{topic.topic} has no publisher, but there is one in '
                f'{printable(", ".join(elsewhere), _LONGEST)}: use --namespace '
                f'{printable(elsewhere[0], _LONGEST)}.'
            )
        return f'{topic.topic} has no publisher. ' + (
            reports or 'Start the node, or check --namespace, ROS_DOMAIN_ID and the middleware.'
        )

    def _other(self, topic: MatchedSubscription, reports: str) -> str:
        if not topic.publishers:
            return f'{topic.topic} has no publisher: check --namespace and remappings.'
        return f'{topic.topic} is silent while depth arrives. ' + (
            reports or 'Look at /diagnostics of the node for the reason.'
        )

    def _picture(self, image: MatchedSubscription | None) -> str:
        if image is None:
            return (
                'The topic of the camera is not known, because no diagnostics of the node have '
                'arrived on /diagnostics. Set it with --topic.'
            )
        if image.silence() <= self._patience:
            return ''
        return (
            f'{image.topic} is silent while depth arrives. Start the camera driver with the '
            'shared-memory DDS profile (doc/dds.md), or set another topic with --topic.'
        )

    def _reports(self, statuses: Mapping[str, DiagnosticStatus]) -> str:
        """Return what is wrong according to the node."""
        texts = [
            status.message for status in statuses.values() if status.level != DiagnosticStatus.OK
        ]
        if not texts:
            return ''
        return f'The node reports: {printable(" | ".join(texts), _LONGEST)}'
