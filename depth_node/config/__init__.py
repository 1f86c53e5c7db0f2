"""
The configuration of a depth estimator, with or without ROS around it.

``Config()`` has all defaults; ``Config().replaced({'points.stride': 2})`` changes some. Names
are dotted, as in ROS parameter files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import dataclasses
from dataclasses import dataclass, field
import difflib
import math
import re
from typing import Any

from depth_node.config.fields import checked, param, ParamSpec, specs, Value
from depth_node.config.groups import (
    DepthConfig,
    EngineConfig,
    InputConfig,
    ModelConfig,
    TemporalConfig,
)
from depth_node.config.outputs import (
    FilterConfig,
    GroundConfig,
    OutputConfig,
    PointsConfig,
    ScanConfig,
)
from depth_node.config.scale import MarkerConfig, ScaleConfig
from depth_node.errors import ConfigError

__all__ = [
    'Config',
    'DepthConfig',
    'EngineConfig',
    'FilterConfig',
    'GroundConfig',
    'InputConfig',
    'MarkerConfig',
    'ModelConfig',
    'OutputConfig',
    'ParamSpec',
    'PointsConfig',
    'ScaleConfig',
    'ScanConfig',
    'TemporalConfig',
    'Value',
    'param',
    'parameters',
]


_SIDE = '[1-9][0-9]{0,4}'
"""A side of an image (pixels): up to five of the ASCII digits."""
ORDERED = (
    ('depth.min_range', 'depth.max_range'),
    ('depth.min_range', 'scan.range_max'),
    ('depth.min_range', 'points.no_return_range'),
    ('scan.range_min', 'scan.range_max'),
    ('scan.range_min', 'depth.max_range'),
    ('scan.min_height', 'scan.max_height'),
    ('ground.tolerance', 'scan.max_height'),
    ('ground.tolerance', 'ground.max_height'),
    ('output.color_min', 'output.color_max'),
)
"""Pairs of parameters of which the first must be smaller (m)."""
WITHIN = (('points.no_return_range', 'depth.max_range'),)
"""Pairs of parameters of which the first must not be larger (m)."""
UNSET = ('depth.max_range', 'points.no_return_range')
"""Limits of which 0 is none."""
CELLS = 32767
"""Voxels from the camera to the farthest point that can be counted."""
FARTHEST = 100.0
"""Depth limit of a network without one of its own (m)."""


@dataclass(frozen=True)
class Config:
    """All parameters, by group."""

    model: ModelConfig = field(default_factory=ModelConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)
    input: InputConfig = field(default_factory=InputConfig)
    depth: DepthConfig = field(default_factory=DepthConfig)
    scale: ScaleConfig = field(default_factory=ScaleConfig)
    marker: MarkerConfig = field(default_factory=MarkerConfig)
    filter: FilterConfig = field(default_factory=FilterConfig)
    temporal: TemporalConfig = field(default_factory=TemporalConfig)
    points: PointsConfig = field(default_factory=PointsConfig)
    ground: GroundConfig = field(default_factory=GroundConfig)
    scan: ScanConfig = field(default_factory=ScanConfig)
    output: OutputConfig = field(default_factory=OutputConfig)

    def replaced(self, changes: Mapping[str, object]) -> Config:
        """
        Return a copy with some parameters changed.

        :param changes: dotted name to value.
        :returns: the new configuration.
        :raises ConfigError: an unknown name, a wrong type, a value out of bounds, or values
            that contradict each other.
        """
        by_group: dict[str, dict[str, Value]] = {}
        known = {name: (default, spec) for name, default, spec in parameters()}
        for name, value in changes.items():
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                hint = f'Did you mean {close[0]}?' if close else 'See doc/parameters.md.'
                raise ConfigError(f'{name}: no such parameter.', hint)
            default, spec = known[name]
            group, _, key = name.partition('.')
            by_group.setdefault(group, {})[key] = checked(name, value, default, spec)
        groups = {
            group: dataclasses.replace(getattr(self, group), **values)
            for group, values in by_group.items()
        }
        new = dataclasses.replace(self, **groups)
        new.check()
        return new

    def check(self) -> None:
        """
        Check the relations between parameters.

        :raises ConfigError: parameters that contradict each other.
        """
        values = self.flat()
        for name in ('points.transform', 'scale.extrinsic', 'scale.odometry_extrinsic'):
            given: Any = values[name]
            if given and (len(given) != 7 or math.hypot(*given[3:]) < 1e-3):
                raise ConfigError(
                    f'{name} is {given}, expected x y z (m) and a quaternion x y z w.'
                )
        for name, words in (('model.input_size', ('auto',)), ('engine.max_camera_size', ())):
            _check_size(name, str(values[name]), words)
        for low, high in (*ORDERED, *WITHIN):
            first, second = float(values[low]), float(values[high])  # type: ignore[arg-type]
            unset = (low in UNSET and not first) or (high in UNSET and not second)
            if unset or first < second or (first == second and (low, high) in WITHIN):
                continue
            most = 'at most' if (low, high) in WITHIN else 'less than'
            raise ConfigError(
                f'{low} is {first:g} m, expected {most} {high}, which is {second:g} m.'
            )
        farthest = self.depth.max_range or FARTHEST
        if 0 < self.points.voxel_size * CELLS < farthest:
            raise ConfigError(
                f'points.voxel_size {self.points.voxel_size:g} m is too small for a depth of '
                f'{farthest:g} m: at least {farthest / CELLS:.2g} m, or a smaller depth.max_range.'
            )

    def flat(self) -> dict[str, Value]:
        """
        Return every parameter by its dotted name.

        :returns: name to value, in declaration order.
        """
        return {
            f'{group.name}.{name}': getattr(getattr(self, group.name), name)
            for group in dataclasses.fields(self)
            for name in specs(getattr(self, group.name))
        }


def parameters() -> Iterator[tuple[str, Value, ParamSpec]]:
    """
    Iterate over all parameters.

    :returns: dotted name, default and description, in declaration order.
    """
    config = Config()
    for group in dataclasses.fields(config):
        values = getattr(config, group.name)
        for name, spec in specs(values).items():
            yield f'{group.name}.{name}', getattr(values, name), spec


def _check_size(name: str, text: str, words: tuple[str, ...]) -> None:
    """Check that a text is WIDTHxHEIGHT, a single number where allowed, or one of some words."""
    single = name == 'model.input_size' and re.fullmatch(_SIDE, text)
    pair = re.fullmatch(f'{_SIDE}[xX]{_SIDE}', text)
    if text not in words and not single and not pair:
        raise ConfigError(f'{name} is {text!r}, expected WIDTHxHEIGHT, like 640x192.')
