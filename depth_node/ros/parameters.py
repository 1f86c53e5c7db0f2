"""ROS parameters of ``depth_node.config``: declared, read, and changed at run time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
import difflib
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from depth_node.config import Config, parameters, ParamSpec, Value
from depth_node.config.camera_publisher import CameraPublisherConfig
from depth_node.config.fields import specs
from depth_node.errors import ConfigError

NEAR = 0.72
"""Similarity of a misspelled name: hvof_deg matches hfov_deg, frame_rate not frame_id."""
_ELSEWHERE = frozenset({
    'autostart', *specs(CameraPublisherConfig), *(name for name, _, _ in parameters())
})
"""Parameters of the two nodes, which often share a file."""


def descriptor(default: Value, spec: ParamSpec) -> ParameterDescriptor:
    """
    Return the descriptor of a parameter.

    Typing is dynamic, so that `5` in a parameter file is accepted for a number with default 5.0;
    the configuration checks the type instead, with a clearer message.

    :param default: the default value.
    :param spec: unit, bounds, choices and description.
    :returns: the descriptor for `ros2 param describe`.
    """
    text = f'{spec.doc} [{spec.unit}]' if spec.unit else spec.doc
    found = ParameterDescriptor(description=text, dynamic_typing=True)
    found.read_only = spec.at_start
    found.additional_constraints = ', '.join(
        [*(f"'{choice}'" for choice in spec.choices), *([] if spec.live else ['not live'])]
    )
    if spec.low is not None and spec.high is not None:
        if isinstance(default, float):
            found.floating_point_range = [
                FloatingPointRange(from_value=float(spec.low), to_value=float(spec.high))
            ]
        elif isinstance(default, int):
            found.integer_range = [
                IntegerRange(from_value=int(spec.low), to_value=int(spec.high), step=1)
            ]
    return found


class Parameters:
    """
    The parameters of the node as a :class:`Config` that is always valid.

    :param node: the node; every parameter is declared on it.
    :param locked: returns whether parameters that are not live are locked.
    :raises ConfigError: a value set at start is invalid, or the parameter does not exist.
    """

    def __init__(self, node: Node, locked: Callable[[], bool]) -> None:
        self._locked = locked
        self._names: dict[str, ParamSpec] = {}
        values: dict[str, Any] = {}
        for name, default, spec in parameters():
            self._names[name] = spec
            values[name] = node.declare_parameter(name, default, descriptor(default, spec)).value
        refuse_unknown(node, self._names)
        self.config = Config().replaced(values)
        node.add_on_set_parameters_callback(self._set)

    def _set(self, changes: Sequence[Parameter]) -> SetParametersResult:
        """Accept all changes or none, with the reason."""
        ours = {p.name: p.value for p in changes if p.name in self._names}
        if not ours:
            return SetParametersResult(successful=True)
        try:
            config = self.config.replaced(ours)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        before, after = self.config.flat(), config.flat()
        fixed = [n for n in ours if before[n] != after[n] and not self._names[n].live]
        if fixed and self._locked():
            return SetParametersResult(
                successful=False,
                reason=f'{", ".join(fixed)}: cannot change while the node is configured. Run '
                '`ros2 lifecycle set` deactivate and cleanup, set it, and configure again.',
            )
        self.config = config
        return SetParametersResult(successful=True)


def refuse_unknown(node: Node, known: Collection[str]) -> None:
    """
    Refuse misspelled parameters set at start, which rclpy ignores silently.

    A file for all nodes (/**) may contain parameters of other nodes: names that are not similar
    to one of this node only cause a warning.

    :param node: the node, with its parameters declared.
    :param known: names of the parameters.
    :raises ConfigError: a misspelled name, with the likely correct one.
    """
    groups = {name.partition('.')[0] for name in known if '.' in name}
    strange = []
    for name in getattr(node, '_parameter_overrides', {}):  # has no public name on Humble
        if name in known or name in _ELSEWHERE or name.startswith('qos_overrides.'):
            continue
        if node.has_parameter(name):
            continue
        group = name.partition('.')[0]
        close = difflib.get_close_matches(name, known, 1, NEAR)
        if close or ('.' in name and group in groups):
            close = close or difflib.get_close_matches(name, known, 1)
            hint = f'Did you mean {close[0]}?' if close else 'See doc/parameters.md.'
            raise ConfigError(f'{name}: no such parameter.', hint)
        strange.append(name)
    if strange:
        node.get_logger().warning(
            f'Ignored, because this node has no such parameter: {", ".join(strange)}. '
            'See doc/parameters.md.'
        )
