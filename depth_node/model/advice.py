"""Detection of parameters that are set but have no effect."""

from __future__ import annotations

from depth_node.config import Config
from depth_node.model import ModelSpec


def idle_parameters(config: Config, spec: ModelSpec) -> str:
    """
    Return which parameters are set but have no effect in combination with the others.

    :param config: the configuration.
    :param spec: the model in use.
    :returns: one sentence for each, with the remedy; empty if there are none.
    """
    default, scale = Config(), config.scale
    found = []
    if scale.source != 'fixed' and scale.value != default.scale.value:
        found.append(
            f'scale.value is set, but has no effect, because scale.source is {scale.source}: set '
            'it to fixed.'
        )
    if scale.source == 'fixed' and scale.shift != 0 and not spec.kind.has_shift:
        found.append(f'scale.shift is set, but {spec.kind.value} has no shift: remove it.')
    if config.points.transform and not config.points.frame:
        found.append(
            'points.transform is set, but points.frame is empty: set the frame it leads to.'
        )
    return ' '.join(found)
