"""
A camera's calibration as plain numbers: what CameraInfo holds, and camera_calibration's YAML.

The YAML is the one ``camera_calibration`` writes and ``camera_info_manager`` reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import math
import os
from pathlib import Path
import tempfile
from typing import Any

import yaml

from depth_node.errors import DataError

LARGEST_SIDE = 16384


@dataclass(frozen=True)
class CameraNumbers:
    """
    The fields of sensor_msgs/CameraInfo without its header, binning and ROI.

    :param width: full resolution (pixels).
    :param height: full resolution (pixels).
    :param distortion_model: as in CameraInfo.
    :param d: distortion coefficients.
    :param k: 3x3, row by row, of the raw image.
    :param r: 3x3, row by row, rectification.
    :param p: 3x4, row by row, of the rectified image.
    """

    width: int
    height: int
    distortion_model: str
    d: tuple[float, ...]
    k: tuple[float, ...]
    r: tuple[float, ...]
    p: tuple[float, ...]


_MATRICES = {
    'camera_matrix': (3, 3),
    'rectification_matrix': (3, 3),
    'projection_matrix': (3, 4),
}


def read_calibration(path: Path | str) -> CameraNumbers:
    """
    Read a file written by camera_calibration.

    :param path: the YAML file.
    :returns: its numbers; R is the identity and P is K where the file has none.
    :raises DataError: unreadable, not YAML, a field missing, of the wrong shape or not finite.
    """
    try:
        fields = yaml.safe_load(Path(path).read_text(encoding='utf-8'))
    except OSError as error:
        raise DataError(f'{path}: cannot be read ({error.strerror}).') from error
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise DataError(f'{path}: is not YAML ({" ".join(str(error).split())}).') from error
    if not isinstance(fields, dict):
        raise DataError(
            f'{path}: expected a calibration, found {type(fields).__name__}.',
            'Give the YAML that camera_calibration saves.',
        )
    where = str(path)
    k = _matrix(fields, 'camera_matrix', where)
    d = _data(fields, 'distortion_coefficients', where) if (
        'distortion_coefficients' in fields
    ) else ()
    model = fields.get('distortion_model', 'plumb_bob' if d else '')
    if not isinstance(model, str):
        raise DataError(f'{where}: distortion_model is {model!r}, expected a name.')
    return CameraNumbers(
        _side(fields, 'image_width', where),
        _side(fields, 'image_height', where),
        model,
        d,
        k,
        _matrix(fields, 'rectification_matrix', where)
        if 'rectification_matrix' in fields else (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
        _matrix(fields, 'projection_matrix', where)
        if 'projection_matrix' in fields else with_translation(k),
    )


def write_calibration(path: Path | str, numbers: CameraNumbers, name: str = 'camera') -> None:
    """
    Write the file camera_calibration would, in one step.

    :param path: the YAML file, replaced when it exists.
    :param numbers: what to write.
    :param name: camera_name in the file.
    :raises DataError: the folder cannot be written.
    """
    matrices = {'camera_matrix': numbers.k, 'rectification_matrix': numbers.r,
                'projection_matrix': numbers.p}
    fields: dict[str, Any] = {
        'image_width': numbers.width,
        'image_height': numbers.height,
        'camera_name': name,
        'distortion_model': numbers.distortion_model,
        'distortion_coefficients': {
            'rows': 1, 'cols': len(numbers.d), 'data': [float(v) for v in numbers.d],
        },
    }
    for key, values in matrices.items():
        rows, cols = _MATRICES[key]
        fields[key] = {'rows': rows, 'cols': cols, 'data': [float(v) for v in values]}
    path = Path(path)
    try:
        with tempfile.NamedTemporaryFile(
            'w', dir=path.parent, prefix=f'.{path.name}.', delete=False, encoding='utf-8'
        ) as file:
            yaml.safe_dump(fields, file, default_flow_style=None, sort_keys=False)
        os.replace(file.name, path)  # noqa: PTH105  (the way the conventions name)
    except OSError as error:
        raise DataError(f'{path}: cannot be written ({error.strerror}).') from error


def with_translation(k: tuple[float, ...]) -> tuple[float, ...]:
    """
    Make P of a single camera from K.

    :param k: 3x3, row by row.
    :returns: 3x4, row by row: [K | 0].
    """
    return (*k[0:3], 0.0, *k[3:6], 0.0, *k[6:9], 0.0)


def _matrix(fields: Mapping[str, Any], key: str, where: str) -> tuple[float, ...]:
    rows, cols = _MATRICES[key]
    values = _data(fields, key, where)
    if len(values) != rows * cols:
        raise DataError(f'{where}: {key} has {len(values)} numbers, expected {rows * cols}.')
    return values


def _data(fields: Mapping[str, Any], key: str, where: str) -> tuple[float, ...]:
    entry = fields.get(key)
    values = entry.get('data') if isinstance(entry, dict) else None
    if not isinstance(values, list) or not all(
        isinstance(v, (int, float)) and not isinstance(v, bool) for v in values
    ):
        raise DataError(
            f'{where}: {key} is missing or has no list of numbers under data.',
            'Give the YAML that camera_calibration saves.',
        )
    try:
        numbers = tuple(float(v) for v in values)
    except OverflowError:
        numbers = (math.inf,)
    if not all(map(math.isfinite, numbers)):
        raise DataError(f'{where}: {key} holds a number that is not finite.')
    return numbers


def _side(fields: Mapping[str, Any], key: str, where: str) -> int:
    value = fields.get(key)
    if type(value) is not int or not 0 < value <= LARGEST_SIDE:
        raise DataError(
            f'{where}: {key} is {value!r}, expected 1 to {LARGEST_SIDE} pixels.'
        )
    return value
