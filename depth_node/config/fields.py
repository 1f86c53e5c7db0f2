"""
Description, validation and conversion of a parameter.

A parameter is a dataclass field made by :func:`param`. Its default, unit, bounds, choices and
description are defined there and nowhere else; ROS parameters, ``config/mono.yaml`` and the tables
in the documentation are derived from it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
import math
from typing import Any, ClassVar, Protocol, TypeAlias

from depth_node.errors import ConfigError
from depth_node.text import printable

LONGEST_TEXT = 4096
"""Characters of a text parameter: PATH_MAX of Linux."""

Value: TypeAlias = bool | int | float | str | list[float] | list[str]


@dataclass(frozen=True)
class ParamSpec:
    """
    The description of one parameter.

    :param doc: one or two sentences for a user.
    :param unit: for example ``m`` or ``px``; empty if there is none.
    :param low: smallest allowed value, inclusive, or None.
    :param high: largest allowed value, inclusive, or None.
    :param choices: the allowed strings, or empty for any.
    :param live: whether it may change while the node is active; otherwise the change is
        refused and takes effect after cleanup and configure.
    :param at_start: whether it can only be set at start, because callers of services must not
        choose where the node writes.
    """

    doc: str
    unit: str = ''
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    live: bool = True
    at_start: bool = False


def param(
    default: Value,
    doc: str,
    *,
    unit: str = '',
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    live: bool = True,
    at_start: bool = False,
) -> Any:
    """
    Declare a parameter as a dataclass field; see :class:`ParamSpec` for the arguments.

    :returns: a dataclass field (typed Any, so that the annotation of the field is its type).
    """
    spec = ParamSpec(doc, unit, low, high, choices, live and not at_start, at_start)
    metadata = {'param': spec}
    if isinstance(default, list):
        return dataclasses.field(default_factory=lambda: list(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


def specs(group: _Dataclass | type[_Dataclass]) -> dict[str, ParamSpec]:
    """
    List the parameters of a group.

    :param group: a dataclass whose fields were made by :func:`param`, or an instance of one.
    :returns: field name to its description, in declaration order.
    """
    return {field.name: field.metadata['param'] for field in dataclasses.fields(group)}


def checked(name: str, value: object, default: Value, spec: ParamSpec) -> Value:
    """
    Convert a value to the type of the default and check it against its bounds.

    An int is accepted for a float or a string; nothing else is converted, because a quoted
    number in a parameter file is probably a mistake.

    :param name: the dotted name, for error messages.
    :param value: the value to check.
    :param default: the default, which has the required type.
    :param spec: the bounds and choices.
    :returns: the value, with the default's type.
    :raises ConfigError: wrong type, not finite, out of bounds or not among the choices.
    """
    if isinstance(value, bool) and str(value).lower() in spec.choices:
        value = str(value).lower()  # ROS makes booleans of the words true and false
    converted = _converted(name, value, default)
    for text in converted if isinstance(converted, list) else [converted]:
        if isinstance(text, str):
            _check_text(name, text)
    numbers = converted if isinstance(converted, list) else [converted]
    for number in numbers:
        if isinstance(number, (int, float)) and not isinstance(number, bool):
            _check_bounds(name, number, spec)
    if spec.choices and converted not in spec.choices:
        raise ConfigError(
            f'{name}: {converted!r} is not one of {", ".join(map(repr, spec.choices))}.'
        )
    return converted


def _converted(name: str, value: object, default: Value) -> Value:
    """Give `value` the type of `default`, or raise."""
    if isinstance(default, list):
        # rclpy passes arrays as array.array, and an untyped empty YAML list as a list
        if isinstance(value, (str, bytes)) or not hasattr(value, '__iter__'):
            raise ConfigError(f'{name}: expected a list, found {value!r}.')
        items = list(value)
        if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in items):
            if not default or isinstance(default[0], float) or not items:
                return [float(v) for v in items]
        elif all(isinstance(v, str) for v in items) and (
            not default or isinstance(default[0], str)
        ):
            return [str(v) for v in items]
        raise ConfigError(f'{name}: expected a list like {default!r}, found {items!r}.')
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(default, str) and type(value) is int:
        return str(value)  # a nominal side of 308, a camera device of 0: YAML has no quotes there
    if type(value) is not type(default):
        raise ConfigError(
            f'{name}: expected {type(default).__name__}, found '
            f'{type(value).__name__} {value!r}.'
        )
    return value


def _check_text(name: str, text: str) -> None:
    """Refuse what no path, name or frame holds."""
    if len(text) > LONGEST_TEXT:
        raise ConfigError(
            f'{name}: a text of {len(text)} characters, expected at most {LONGEST_TEXT}.'
        )
    if printable(text, LONGEST_TEXT) != text:
        raise ConfigError(f'{name}: {text!r} contains control characters.', 'Remove them.')


def _check_bounds(name: str, number: float, spec: ParamSpec) -> None:
    unit = f' {spec.unit}' if spec.unit else ''
    if math.isnan(number):
        raise ConfigError(f'{name}: not a number.')
    if math.isinf(number) and (spec.high if number > 0 else spec.low) is None:
        raise ConfigError(f'{name}: {number:g} is not a finite number.')
    if spec.low is not None and number < spec.low:
        raise ConfigError(f'{name}: {number:g}{unit} is below the least allowed, {spec.low:g}.')
    if spec.high is not None and number > spec.high:
        raise ConfigError(f'{name}: {number:g}{unit} is above the most allowed, {spec.high:g}.')
