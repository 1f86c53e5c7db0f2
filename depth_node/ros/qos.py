"""QoS of publishers, and what of it the `qos_overrides` parameters of ROS may change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rclpy.exceptions import ParameterException
from rclpy.qos import HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

from depth_node.errors import ConfigError


def latest(*, reliable: bool = True) -> QoSProfile:
    """
    Return the QoS of images and of everything made from them: only the latest is useful.

    :param reliable: False: best effort.
    :returns: keep last 1.
    """
    return QoSProfile(
        depth=1,
        history=HistoryPolicy.KEEP_LAST,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
    )


def overridable() -> QoSOverridingOptions:
    """
    Return what users may override.

    :returns: for `create_publisher`.
    """
    return QoSOverridingOptions((
        QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY,
        QoSPolicyKind.DURABILITY,
    ))


@contextmanager
def checked_overrides() -> Iterator[None]:
    """
    Create publishers in this context: invalid overrides become one clear error.

    :raises ConfigError: an unknown policy, value or type.
    """
    try:
        yield
    except (RuntimeError, ParameterException) as error:
        raise ConfigError(
            f'qos_overrides: {error}.',
            'Set them at start: reliability is reliable or best_effort, history is keep_last '
            'or keep_all, depth is a number, durability is volatile or transient_local.',
        ) from error
