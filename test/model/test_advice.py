"""A parameter that is set and changes nothing is named."""

from __future__ import annotations

import pytest

from depth_node.config import Config
from depth_node.model import ModelSpec, OutputKind
from depth_node.model.advice import idle_parameters

SPEC = ModelSpec('net', OutputKind.SIGMOID_DISPARITY)


@pytest.mark.parametrize(('changes', 'named'), [
    ({}, ''),
    ({'scale.value': 2.0}, 'scale.source'),
    ({'scale.value': 2.0, 'scale.source': 'fixed'}, ''),
    ({'scale.value': 2.0, 'scale.source': 'fixed', 'scale.shift': 1.0}, 'scale.shift'),
    ({'points.transform': [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]}, 'points.frame'),
    ({'points.transform': [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], 'points.frame': 'base'}, ''),
])
def test_idle_parameters(changes: dict[str, object], named: str) -> None:
    """Each mistake by its name, and nothing where there is none."""
    found = idle_parameters(Config().replaced(changes), SPEC)
    assert named in found
    assert bool(named) == bool(found)
