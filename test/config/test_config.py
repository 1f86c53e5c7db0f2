"""The configuration without ROS: what is taken, what is refused, and with which words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import pytest

from depth_node.config import Config, parameters, ParamSpec
from depth_node.errors import ConfigError

PLACE = [0.1, 0.0, 0.6, -0.5, 0.5, -0.5, 0.5]
INF = float('inf')


@pytest.mark.parametrize(('name', 'value', 'words'), [
    ('depth.max_rnage', 5.0, r'no such parameter.*depth\.max_range'),
    ('depth.max_range', '5', 'expected float, found str'),
    ('points.stride', 2.5, 'expected int, found float'),
    ('points.color', 1, 'expected bool, found int'),
    ('points.stride', 0, 'below the least allowed, 1'),
    ('points.stride', 65, 'above the most allowed, 64'),
    ('scale.source', 'lidar', "'lidar' is not one of 'model', 'fixed'"),
    ('model.input_size', '640by192', 'expected WIDTHxHEIGHT'),
    ('model.input_size', '9' * 5000, 'a text of 5000 characters'),
    ('model.input_size', '9' * 3000 + 'x' + '9' * 3000, 'expected'),
    ('model.input_size', '²', 'expected WIDTHxHEIGHT'),
    ('model.input_size', '١٢٣', 'expected WIDTHxHEIGHT'),
    ('model.input_size', True, 'expected str, found bool'),
    ('points.frame', 'x' * 10**6, 'a text of 1000000 characters'),
    ('points.frame', 'a\nb\x1b[31m', 'contains control characters'),
    ('output.frame_id', '\ud7ff\ud800', 'contains control characters'),
    ('model.scale', INF, 'above the most allowed'),
    ('model.mean', [INF, 0.0, 0.0], 'above the most allowed'),
    ('model.std', [0.0, 1.0, 1.0], 'below the least allowed'),
    ('depth.min_range', float('nan'), 'not a number'),
    ('points.transform', [1.0, 2.0], 'expected x y z'),
    ('points.transform', [0.0] * 7, 'expected x y z'),
    ('points.transform', [0.0, 0.0, 0.0, 1e-200, 0.0, 0.0, 0.0], 'expected x y z'),
    ('points.transform', [INF, *PLACE[1:]], 'above the most allowed'),
    ('scale.extrinsic', [1e300] * 7, 'above the most allowed'),
    ('depth.min_range', 10.0, r'expected less than scan\.range_max, which is 10 m'),
    ('ground.tolerance', 1.0, r'expected less than scan\.max_height'),
    ('ground.max_height', 0.05, r'tolerance is 0\.05 m, expected less than ground\.max_height'),
    ('output.color_max', 0.3, r'expected less than output\.color_max'),
    ('points.no_return_range', 0.1, r'min_range is 0\.1 m, expected less than points\.no_return'),
    ('points.voxel_size', 0.003, 'too small for a depth of 100 m'),
    ('scan.min_height', 5.0, r'scan\.min_height is 5 m, expected less than scan\.max_height'),
])
def test_what_cannot_be_is_refused_by_name(name: str, value: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        Config().replaced({name: value})
    assert name in str(caught.value)


def test_all_changes_or_none() -> None:
    before = Config()
    with pytest.raises(ConfigError):
        before.replaced({'points.stride': 2, 'points.voxel_size': -1.0})
    assert before == Config()


def test_an_int_is_a_float_and_a_device_is_a_text() -> None:
    found = Config().replaced({'depth.min_range': 1, 'model.input_size': 308})
    assert (found.depth.min_range, found.model.input_size) == (1.0, '308')
    assert Config().replaced({'points.transform': PLACE}).points.transform == PLACE


@pytest.mark.parametrize('value', [True, 'true'])
def test_true_is_taken_where_the_word_is(value: object) -> None:
    assert Config().replaced({'input.rectified': value}).input.rectified == 'true'
    assert Config().replaced({'input.rectified': False}).input.rectified == 'false'


@pytest.mark.parametrize(('name', 'default', 'spec'), [
    pytest.param(*parameter, id=parameter[0]) for parameter in parameters()
    if isinstance(parameter[1], (int, float, list)) and not isinstance(parameter[1], bool)
])
def test_every_number_has_bounds(name: str, default: object, spec: ParamSpec) -> None:
    assert spec.low is not None, name
    assert spec.high is not None, name


@given(
    st.sampled_from([name for name, _, _ in parameters()]),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    | st.lists(st.floats() | st.integers() | st.text(), max_size=8),
)
def test_anything_is_taken_or_refused(name: str, value: object) -> None:
    """No other exception, and what is taken keeps the type of the default."""
    default = Config().flat()[name]
    try:
        found = Config().replaced({name: value}).flat()[name]
    except ConfigError:
        found = default
    assert type(found) is type(default)


@pytest.mark.parametrize(('changes', 'words'), [
    ({'points.no_return_range': 9.0, 'depth.max_range': 8.0}, 'at most depth.max_range'),
    ({'scan.range_min': 3.0, 'depth.max_range': 2.0}, 'less than depth.max_range'),
    ({'scan.range_min': 3.0, 'scan.range_max': 3.0}, 'less than scan.range_max'),
])
def test_limits_that_contradict_each_other_are_refused(changes: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Config().replaced(changes)


def test_limits_that_agree_or_are_not_set_are_taken() -> None:
    for changes in (
        {'points.no_return_range': 8.0, 'depth.max_range': 8.0},
        {'points.no_return_range': 300.0}, {'depth.max_range': 2.0},
        {'points.voxel_size': 0.001, 'depth.max_range': 30.0},
        {'depth.max_range': 5.0, 'scan.range_max': 10.0},
    ):
        Config().replaced(changes)
