"""Parameters that are set and change nothing: the mistakes everybody makes once."""

from __future__ import annotations

from depth_node.config import Config
from depth_node.model import ModelSpec


def idle_parameters(config: Config, spec: ModelSpec) -> str:
    """
    Find parameters that have been set and have no effect with the others.

    :param config: the configuration.
    :param spec: the model in use.
    :returns: one sentence each, with what to do; empty when there are none.
    """
    default, scale = Config(), config.scale
    found = []
    if scale.source != 'fixed' and scale.value != default.scale.value:
        found.append(
            f'scale.value is set, but scale.source is {scale.source}: set it to fixed, or it '
            'changes nothing.'
        )
    if scale.source == 'fixed' and scale.shift != 0 and not spec.kind.has_shift:
        found.append(f'scale.shift is set, but {spec.kind.value} has no shift.')
    if config.points.transform and not config.points.frame:
        found.append(
            'points.transform is set, but points.frame is empty: name the frame it leads to.'
        )
    return ' '.join(found)
