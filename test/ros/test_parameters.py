"""Every parameter: declared with its description, live or refused with a reason, bounded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy.context import Context
from rclpy.parameter import Parameter
import yaml

from depth_node.config import Config, parameters, ParamSpec, Value
from depth_node.errors import ConfigError
from depth_node.ros.parameters import Parameters

ALL = list(parameters())


@contextmanager
def started(overrides: dict[str, Any]) -> Iterator[Any]:
    """Give a node that was started with parameters."""
    context = Context()
    rclpy.init(context=context)
    given = [Parameter(name, value=value) for name, value in overrides.items()]
    node = rclpy.create_node('parameters', context=context, parameter_overrides=given)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture(scope='module')
def declared() -> Iterator[tuple[Any, Parameters, list[bool]]]:
    """A node with every parameter, and a switch that says whether it is configured."""
    locked = [True]
    with started({}) as node:
        yield node, Parameters(node, lambda: locked[0]), locked


def others(default: Value, spec: ParamSpec) -> list[Value]:
    """Other values within the bounds; where two parameters hold each other, one of them goes."""
    if isinstance(default, (int, float)) and not isinstance(default, bool):
        tried = (default + 1, default / 2, 1.01 * default, spec.low, spec.high)
        return [
            value for value in (type(default)(number) for number in tried if number is not None)
            if value != default and (spec.low is None or value >= spec.low)
            and (spec.high is None or value <= spec.high)
        ]
    return [other(default, spec)]


def other(default: Value, spec: ParamSpec) -> Value:
    """Another allowed value than the default, for what is no number."""
    if spec.choices:
        return next(choice for choice in spec.choices if choice != default)
    if isinstance(default, bool):
        return not default
    if isinstance(default, str) and 'WIDTHxHEIGHT' in spec.doc:
        return '320x256'
    if isinstance(default, str):
        return f'{default}x' if default else 'x'
    # three channels, or a place and a rotation
    return [1.0, 2.0, 3.0] if 'channel' in spec.doc else [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize(('name', 'default', 'spec'), ALL, ids=[row[0] for row in ALL])
def test_live_or_refused_with_a_reason(
    declared: tuple[Any, Parameters, list[bool]], name: str, default: Value, spec: ParamSpec
) -> None:
    """A live change reaches the configuration; another one says what to do instead."""
    node, found, locked = declared
    description = node.describe_parameter(name)
    assert spec.doc in description.description
    locked[0] = not spec.live and not spec.at_start
    for value in others(default, spec):
        (result,) = node.set_parameters([Parameter(name, value=value)])
        if result.successful or not spec.live:
            break
        # two bounds that hold each other, such as min and max: it says which
        assert name.rpartition('.')[2].partition('_')[0] in result.reason
    if spec.live:
        assert result.successful, f'{name} takes no other value: {result.reason}'
        assert found.config.flat()[name] == value
        assert node.get_parameter(name).value is not None
    elif spec.at_start:
        assert not result.successful
        assert 'read-only' in result.reason
        assert found.config.flat()[name] == default
        return
    else:
        assert not result.successful
        assert name in result.reason
        assert 'cleanup' in result.reason
        assert found.config.flat()[name] == default
        locked[0] = False
        (result,) = node.set_parameters([Parameter(name, value=value)])
        assert result.successful, result.reason
        assert found.config.flat()[name] == value
    assert node.set_parameters([Parameter(name, value=default)])[0].successful or default == []


@pytest.mark.parametrize(
    ('name', 'spec'), [(name, spec) for name, _, spec in ALL if spec.high is not None]
)
def test_bounds_are_held(
    declared: tuple[Any, Parameters, list[bool]], name: str, spec: ParamSpec
) -> None:
    """Above the highest is refused, and nothing changes."""
    node, found, locked = declared
    locked[0] = False
    before = found.config
    assert spec.high is not None
    default = before.flat()[name]
    above = spec.high + 1
    value: Any = [above] * 7 if isinstance(default, list) else above
    if isinstance(default, int):
        value = int(value)
    (result,) = node.set_parameters([Parameter(name, value=value)])
    assert not result.successful
    assert found.config == before


def test_an_int_is_taken_for_a_float_and_nothing_else_is(
    declared: tuple[Any, Parameters, list[bool]],
) -> None:
    """`max_range: 5` in a parameter file is what its author means; `'5'` is a mistake."""
    node, found, _ = declared
    assert node.set_parameters([Parameter('depth.max_range', value=5)])[0].successful
    assert found.config.depth.max_range == 5.0
    (result,) = node.set_parameters([Parameter('depth.max_range', value='5')])
    assert not result.successful
    assert 'depth.max_range' in result.reason


def test_the_shipped_file_is_the_defaults() -> None:
    """config/mono.yaml, read as ROS reads it, changes nothing."""
    path = Path(__file__).resolve().parents[2] / 'config' / 'mono.yaml'
    tree = yaml.safe_load(path.read_text())['/**']['ros__parameters']
    flat = {f'{group}.{key}': v for group, keys in tree.items() for key, v in (keys or {}).items()}
    assert Config().replaced(flat) == Config()


@pytest.mark.parametrize(('given', 'meant'), [
    ('depth.max_rnage', 'depth.max_range'),
    ('depht.max_range', 'depth.max_range'),
    ('model.nme', 'model.name'),
    ('scan.qqqqqqqqqq', 'doc/parameters.md'),
])
def test_a_misspelled_name_is_refused_at_start(given: str, meant: str) -> None:
    """Rclpy ignores it in silence, and the user believes it is in force."""
    with (
        started({given: 5.0}) as node,
        pytest.raises(ConfigError, match=f'{given}: no such parameter.*{meant}'),
    ):
        Parameters(node, lambda: False)


def test_the_names_of_other_nodes_are_none_of_our_business() -> None:
    """A file for all nodes holds them, and those of our own camera_publisher."""
    shared = {'robot.name': 'rosie', 'calibration_file': 'x.yaml', 'autostart': True}
    with started(shared) as node:
        assert Parameters(node, lambda: False).config == Config()
