"""The table of sources: complete, and every row works."""

from __future__ import annotations

import math

import numpy as np
import pytest
import simple_scene as scene

from depth_node.config import Config
from depth_node.config.scale import SCALE_SOURCES
from depth_node.errors import ConfigError
from depth_node.model import ModelSpec, OutputKind
from depth_node.scale import ScaleKeeper
from depth_node.scale.table import SOURCES

ROWS = list(SOURCES.values())


def named(row):
    return row.name


def test_the_table_is_what_the_parameter_offers():
    assert tuple(SOURCES) == SCALE_SOURCES


@pytest.mark.parametrize('row', ROWS, ids=named)
def test_a_row_either_gives_or_measures(row):
    assert (row.given is None) != (row.estimator is None)
    assert (row.message is None) == (row.reading is None)
    assert row.kinds
    assert bool(row.needs) != (row.name == 'model')


@pytest.mark.parametrize('row', ROWS, ids=named)
@pytest.mark.parametrize('kind', list(OutputKind))
def test_a_keeper_is_silent_without_what_the_source_needs(row, kind):
    """And says why; a source that cannot serve a kind names those that can."""
    config = Config().replaced({'scale.source': row.name})
    spec = ModelSpec('some_network', kind)
    if kind not in row.kinds:
        with pytest.raises(ConfigError, match=r'Use one of .*points'):
            ScaleKeeper(config, spec)
        return
    frame = scene.frame(kind)
    state = ScaleKeeper(config, spec).update(frame)
    if row.name == 'model' and kind.is_metric:
        assert state.usable
        return
    assert not state.usable
    assert math.isnan(state.value)
    assert state.reason


@pytest.mark.parametrize('row', [row for row in ROWS if row.reading], ids=named)
def test_readings_of_another_source_are_ignored(row):
    """A message that was on its way when scale.source changed is no error."""
    keeper = ScaleKeeper(
        Config().replaced({'scale.source': row.name}), ModelSpec('n', OutputKind.METRIC_DEPTH)
    )
    for other in ROWS:
        if other.reading not in (None, row.reading):
            keeper.add(0.0, object.__new__(other.reading))
    frame = scene.frame(OutputKind.METRIC_DEPTH)
    image = np.zeros((240, 320), np.uint8)
    state = keeper.update(scene.with_image(frame, image))
    assert 'has been received' in state.reason


def test_a_source_changed_in_the_configuration_is_no_fault():
    """The keeper stays what it is; the node makes another one."""
    keeper = ScaleKeeper(
        Config().replaced({'scale.source': 'odometry'}), ModelSpec('n', OutputKind.METRIC_DEPTH)
    )
    keeper.configure(Config().replaced({'scale.source': 'range'}))
    frame = scene.with_image(
        scene.frame(OutputKind.METRIC_DEPTH), np.zeros((240, 320), np.uint8)
    )
    assert keeper.update(frame).source == 'odometry'
