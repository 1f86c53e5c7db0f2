"""Strict parsing of a network's description from JSON or options."""

from __future__ import annotations

from collections.abc import Mapping
import enum
import json
from pathlib import Path
from typing import Any

from depth_node.errors import ModelError
from depth_node.files import read_text
from depth_node.image.size import Size
from depth_node.model.spec import Aspect, Interpolation, ModelSpec, OutputKind, SIDECAR_FORMAT
from depth_node.text import printable

_TUPLES = {'mean': 3, 'std': 3, 'input_size': 2, 'nominal_size': 2}
_ENUMS: dict[str, type[enum.Enum]] = {
    'kind': OutputKind,
    'aspect': Aspect,
    'interpolation': Interpolation,
}
_NUMBERS = (
    'min_depth', 'max_depth', 'scale', 'train_focal', 'canonical_focal', 'sky_threshold',
)
LONGEST_NAME = 100
"""Characters that are kept of a name and of a licence."""
_TYPES: dict[str, type] = {
    'name': str,
    'output': str,
    'confidence_output': str,
    'sky_output': str,
    'slope_output': str,
    'multiple': int,
    'bgr': bool,
    'licence': str,
    'commercial': bool,
    'sha256': str,
}


def spec_from_mapping(name: str, fields: Mapping[str, Any], where: str) -> ModelSpec:
    """
    Return the spec for plain values, as in JSON.

    :param name: used if the mapping has no name.
    :param fields: field name to value; see :class:`ModelSpec`.
    :param where: the file or options with the values, for error messages.
    :returns: the spec.
    :raises ModelError: an unknown field, a missing kind, a value of the wrong type or range.
    """
    values: dict[str, Any] = {'name': name}
    for key, value in fields.items():
        if key in _ENUMS:
            values[key] = _enum_value(_ENUMS[key], key, value, where)
        elif key in _TUPLES:
            values[key] = _tuple_value(key, value, where)
        elif key in _TYPES:
            if type(value) is not _TYPES[key]:
                raise ModelError(
                    f'{where}: {key} is {value!r}, expected {_TYPES[key].__name__}.'
                )
            values[key] = value
        elif key in _NUMBERS:
            values[key] = _number(key, value, where)
        else:
            known = ', '.join([*_ENUMS, *_TUPLES, *_TYPES, *_NUMBERS])
            raise ModelError(f'{where}: unknown field {key!r}.', f'Use one of {known}.')
    if 'kind' not in values:
        kinds = ', '.join(kind.value for kind in OutputKind)
        raise ModelError(f'{where}: kind is missing.', f'Set it to one of {kinds}.')
    for key in ('name', 'licence'):
        if key in values:  # they are shown in logs and messages
            values[key] = printable(values[key], LONGEST_NAME)
    return ModelSpec(**values)


def _number(key: str, value: object, where: str) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            pass  # JSON allows whole numbers no float can hold
    raise ModelError(f'{where}: {key} is {value!r}, expected a number.')


def _enum_value(kind: type[enum.Enum], key: str, value: object, where: str) -> enum.Enum:
    try:
        return kind(value)
    except ValueError:
        allowed = ', '.join(str(member.value) for member in kind)
        raise ModelError(f'{where}: {key} is {value!r}, expected one of {allowed}.') from None


def _tuple_value(key: str, value: Any, where: str) -> tuple[float, ...] | Size:
    count = _TUPLES[key]
    numbers: list[Any] = list(value) if isinstance(value, (list, tuple)) else []
    if len(numbers) != count:
        raise ModelError(f'{where}: {key} is {value!r}, expected {count} numbers.')
    floats = tuple(_number(key, n, where) for n in numbers)
    if count == 2:
        if not all(type(n) is int for n in numbers):
            raise ModelError(f'{where}: {key} is {value!r}, expected integers (pixels).')
        return Size(*numbers)
    return floats


def read_sidecar(path: Path) -> ModelSpec:
    """
    Read the sidecar of an ONNX file.

    :param path: the JSON file.
    :returns: the spec in it.
    :raises ModelError: not readable, not JSON, of a newer format, or not a valid description.
    """
    try:
        fields = json.loads(read_text(path, raised=ModelError))
    except (ValueError, RecursionError) as error:
        raise ModelError(f'{path}: is not JSON ({error}).') from error
    if not isinstance(fields, dict):
        raise ModelError(f'{path}: expected a JSON object, found {type(fields).__name__}.')
    found = fields.pop('format', SIDECAR_FORMAT)
    if found != SIDECAR_FORMAT:
        raise ModelError(
            f'{path}: has format {found!r}, but this version reads {SIDECAR_FORMAT}.',
            'Update depth_node, or write the sidecar again.',
        )
    return spec_from_mapping(path.stem, fields, str(path))
