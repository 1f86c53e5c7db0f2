"""
Calibration files: camera_calibration's YAML, OpenCV's FileStorage and Kalibr's camchain.

What is written is the YAML of ``camera_calibration``, which ``camera_info_manager`` reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import math
from pathlib import Path
import re
from typing import Any

import yaml

from depth_node.camera.info import CameraNumbers, LARGEST_SIDE, with_translation
from depth_node.errors import DataError
from depth_node.files import local_path, read_text, replacing

_REMEDY = "Give the YAML that camera_calibration saves, OpenCV's YAML or a camchain of Kalibr."
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
_MATRICES = {
    'camera_matrix': (3, 3),
    'rectification_matrix': (3, 3),
    'projection_matrix': (3, 4),
}
# what OpenCV's samples and the programs around them call the same things
_ALIASES = {
    'cameramatrix': 'camera_matrix', 'intrinsic_matrix': 'camera_matrix', 'k': 'camera_matrix',
    'distcoeffs': 'distortion_coefficients', 'dist_coeffs': 'distortion_coefficients',
    'distortion_coeffs': 'distortion_coefficients', 'd': 'distortion_coefficients',
    'imagewidth': 'image_width', 'imageheight': 'image_height',
}
# YAML 1.2 has numbers like 5e-05, which yaml-cpp writes and YAML 1.1 takes for text
_NUMBER = re.compile(r'[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?')


class _Loader(yaml.SafeLoader):
    """Plain YAML, and OpenCV's matrices as the mappings they are."""


def _opencv_matrix(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor('tag:yaml.org,2002:opencv-matrix', _opencv_matrix)


def read_calibration(path: Path | str) -> CameraNumbers:
    """
    Read a calibration file.

    :param path: YAML of camera_calibration, of OpenCV's FileStorage, or of Kalibr with one
        camera; also as ``file://`` URL, and with ``~``.
    :returns: its numbers; R is the identity and P is K where the file has none.
    :raises DataError: unreadable, not YAML, a field missing, of the wrong shape or not finite.
        Nothing but the fields of a calibration is quoted: the path may name any file.
    """
    where = str(path)
    fields = _fields(where, read_text(local_path(where)))
    chain = [name for name in fields if re.fullmatch(r'cam\d+', name)]
    if chain:
        return _kalibr(fields, chain, where)
    if isinstance(fields.get('camera'), dict) and 'camera_matrix' not in fields:
        fields = _named(fields['camera'])
    k = _matrix(fields, 'camera_matrix', where)
    d = _data(fields, 'distortion_coefficients', where) if (
        'distortion_coefficients' in fields
    ) else ()
    fisheye = fields.get('fisheye_model') in (1, True)  # of OpenCV's calibration sample
    model = fields.get('distortion_model')
    if model is None:
        model = 'equidistant' if fisheye else 'plumb_bob' if d else ''
    if not isinstance(model, str):
        raise DataError(f'{where}: distortion_model is {model!r:.60}, expected a name.')
    return CameraNumbers(
        _side(fields, 'image_width', where),
        _side(fields, 'image_height', where),
        model,
        d,
        k,
        _matrix(fields, 'rectification_matrix', where)
        if 'rectification_matrix' in fields else _IDENTITY,
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
    with replacing(path) as temporary, temporary.open('w', encoding='utf-8') as file:
        yaml.safe_dump(fields, file, default_flow_style=None, sort_keys=False)


def _fields(where: str, text: str) -> dict[str, Any]:
    """Parse a file, without quoting it in errors."""
    try:
        if text.lstrip().startswith('<?xml'):
            raise DataError(
                f"{where}: is XML of OpenCV's FileStorage, expected YAML.",
                'Save it as .yaml: cv2.FileStorage chooses the format by the suffix.',
            )
        # OpenCV 2 to 4 write a directive that is not YAML's
        lines = text.splitlines()
        if lines and lines[0].startswith('%YAML:'):
            text = '\n'.join(['', *lines[1:]])
        fields = yaml.load(text, _Loader)  # noqa: S506 - derives from SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f' at line {mark.line + 1}, column {mark.column + 1}' if mark else ''
        raise DataError(f'{where}: is not YAML (syntax error{place}).', _REMEDY) from None
    except (ValueError, LookupError, TypeError, AttributeError, yaml.YAMLError, RecursionError):
        raise DataError(f'{where}: is not YAML.', _REMEDY) from None
    if not isinstance(fields, dict):
        raise DataError(
            f'{where}: expected a calibration, found {type(fields).__name__}.', _REMEDY
        )
    return _named(fields)


def _named(fields: Mapping[Any, Any]) -> dict[str, Any]:
    """Give the fields camera_calibration's names."""
    found = {}
    for key, value in fields.items():
        name = str(key).lower() if not isinstance(key, str) or key.lower() != key else key
        found[_ALIASES.get(name, name)] = value
    return found


def _kalibr(fields: Mapping[str, Any], chain: Sequence[str], where: str) -> CameraNumbers:
    """Read the only camera of a camchain (Kalibr's wiki, page Yaml formats)."""
    if len(chain) > 1:
        raise DataError(
            f'{where}: is a camchain of Kalibr with {len(chain)} cameras, expected one.',
            'Keep the one that takes the images, and delete the others.',
        )
    camera = fields[chain[0]]
    camera = camera if isinstance(camera, dict) else {}
    model = camera.get('camera_model')
    if model != 'pinhole':
        raise DataError(
            f'{where}: camera_model of {chain[0]} is {model!r:.40}, expected pinhole.',
            'Calibrate with pinhole-radtan or pinhole-equi.',
        )
    lens = camera.get('distortion_model', 'none')
    intrinsics, resolution, d = (
        _numbers(camera.get(key, default), f'{chain[0]}: {key}', where)
        for key, default in (
            ('intrinsics', None), ('resolution', None), ('distortion_coeffs', []),
        )
    )
    if len(intrinsics) != 4 or len(resolution) != 2 or not isinstance(lens, str):
        raise DataError(
            f'{where}: {chain[0]} has {len(intrinsics)} intrinsics and {len(resolution)} sides, '
            'expected fu fv pu pv and width height.'
        )
    fx, fy, cx, cy = intrinsics
    k = (fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0)
    sides = {'resolution': None, 'width': resolution[0], 'height': resolution[1]}
    whole = {key: int(v) if v is not None and v == int(v) else v for key, v in sides.items()}
    return CameraNumbers(
        _side(whole, 'width', where), _side(whole, 'height', where), lens, d, k, _IDENTITY,
        with_translation(k),
    )


def _matrix(fields: Mapping[str, Any], key: str, where: str) -> tuple[float, ...]:
    rows, cols = _MATRICES[key]
    values = _data(fields, key, where)
    if len(values) != rows * cols:
        raise DataError(f'{where}: {key} has {len(values)} numbers, expected {rows * cols}.')
    return values


def _data(fields: Mapping[str, Any], key: str, where: str) -> tuple[float, ...]:
    entry = fields.get(key)
    return _numbers(entry.get('data') if isinstance(entry, dict) else entry, key, where)


def _numbers(values: Any, key: str, where: str) -> tuple[float, ...]:
    """Read a list of numbers; camera_calibration of ROS Kinetic left the commas out."""
    if isinstance(values, list) and len(values) == 1 and isinstance(values[0], str):
        values = values[0].split()
    if isinstance(values, list) and values and all(isinstance(row, list) for row in values):
        values = [value for row in values for value in row]  # rows of a matrix
    if not isinstance(values, list) or not all(map(_is_number, values)):
        raise DataError(f'{where}: {key} is missing or is no list of numbers.', _REMEDY)
    try:
        numbers = tuple(float(v) for v in values)
    except OverflowError:
        numbers = (math.inf,)
    if not all(map(math.isfinite, numbers)):
        raise DataError(f'{where}: {key} holds a number that is not finite.')
    return numbers


def _is_number(value: object) -> bool:
    if isinstance(value, str):
        return _NUMBER.fullmatch(value) is not None
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _side(fields: Mapping[str, Any], key: str, where: str) -> int:
    value = fields.get(key)
    if type(value) is not int or not 0 < value <= LARGEST_SIDE:
        raise DataError(
            f'{where}: {key} is {value!r:.40}, expected 1 to {LARGEST_SIDE} pixels.'
        )
    return value
