"""The statuses on ``/diagnostics``, published once per second."""

from __future__ import annotations

from collections.abc import Mapping
import math

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from depth_node.engine.verify import circumstances, in_words
from depth_node.ros.health import Health, Problem
from depth_node.ros.opening import Opening
from depth_node.text import printable

LONGEST_MESSAGE = 4000
"""Maximum length of a status message (characters); the worst condition comes first."""
INPUT_KEYS = ('image', 'stale', 'calibration', 'assumed', 'frame_id')
"""Conditions of the camera status; all others belong to the depth status."""


def levelled(
    name: str, hardware: str, problems: Mapping[str, Problem], good: str,
    values: Mapping[str, object],
) -> DiagnosticStatus:
    """
    Return a status with the level of its worst condition.

    :param name: name of the status: `node: task`, as in diagnostic_updater.
    :param hardware: hardware_id of the status.
    :param problems: the current conditions.
    :param good: the message without any condition.
    :param values: key to value.
    :returns: the message.
    """
    worst = sorted(problems.values(), key=lambda problem: not problem.fatal)
    level = DiagnosticStatus.OK
    if worst:
        level = DiagnosticStatus.ERROR if worst[0].fatal else DiagnosticStatus.WARN
    return DiagnosticStatus(
        level=level,
        name=name,
        hardware_id=hardware,
        message=printable(' | '.join(problem.text for problem in worst) or good, LONGEST_MESSAGE),
        values=[
            KeyValue(key=printable(key), value=printable(_text(value)))
            for key, value in values.items()
        ],
    )


def input_values(health: Health) -> dict[str, object]:
    """
    Return the values of the camera status.

    :param health: counters of the node.
    :returns: key to value.
    """
    values: dict[str, object] = {
        'rate in (Hz)': health.received.rate(),
        'CameraInfo rate (Hz)': health.infos.rate(),
        'frames received': health.frames_in,
        'calibration': health.calibration or 'none yet',
    }
    values.update({f'dropped: {why}': count for why, count in sorted(health.dropped.items())})
    return values


def output_values(health: Health) -> dict[str, object]:
    """
    Return the values of the depth status.

    :param health: counters of the node.
    :returns: key to value.
    """
    values: dict[str, object] = {
        'rate out (Hz)': health.published.rate(),
        'frames published': health.frames_out,
        'latency p50 (ms)': 1e3 * health.latency.quantile(0.5),
        'latency p99 (ms)': 1e3 * health.latency.quantile(0.99),
        'invalid pixels (%)': 100 * health.invalid_share,
        **{f'{lap} p50 (ms)': q.median for lap, q in health.stages.summary().items()},
        'errors': health.errors,
        **health.scale,
    }
    if health.last_error is not None:
        values['last error'] = health.last_error.text
    return values


def statuses(
    node: str, topic: str, health: Health, opening: Opening | None, state: str
) -> tuple[DiagnosticStatus, ...]:
    """
    Return the statuses of the node.

    :param node: name of the node.
    :param topic: the image topic; empty if not subscribed.
    :param health: its counters and conditions.
    :param opening: its engine; None if unconfigured.
    :param state: its lifecycle state.
    :returns: one status for the camera, one for the depth.
    """
    problems = health.problems()
    of_input = {key: problem for key, problem in problems.items() if key in INPUT_KEYS}
    of_depth = {key: problem for key, problem in problems.items() if key not in INPUT_KEYS}
    values: dict[str, object] = {'lifecycle': state}
    if opening is not None:
        values['model'] = opening.name
        values['engine'] = opening.state
        if opening.engine is not None:
            values['engine'] = opening.engine.description
            values['engine choice'] = opening.choice
            values['engine verified'] = in_words(opening.engine.facts)
            values.update(circumstances(opening.engine.facts))
        if opening.error is not None:
            of_depth['engine'] = Problem(str(opening.error), fatal=True)
        elif opening.engine is None and state == 'active':
            of_depth['engine'] = Problem(f'No engine yet: {opening.state}.', fatal=True)
    values.update(output_values(health))
    return (
        levelled(f'{node}: camera', topic, of_input, state, input_values(health)),
        levelled(f'{node}: depth', topic, of_depth, state, values),
    )


class DiagnosticsPublisher:
    """
    Publishes statuses on `/diagnostics`.

    :param node: the node that owns the publisher.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 1)

    def publish(self, *statuses: DiagnosticStatus) -> None:
        """
        Publish statuses with the current time.

        :param statuses: one for each task.
        """
        message = DiagnosticArray(status=list(statuses))
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)


def _text(value: object) -> str:
    if isinstance(value, float):
        return 'unknown' if math.isnan(value) else f'{value:.2f}'
    return str(value)
