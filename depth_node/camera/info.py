"""
A camera's calibration as plain numbers: CameraInfo, and the YAML of camera_calibration.

The YAML format is that of ``camera_calibration`` and ``camera_info_manager``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import math
from pathlib import Path
from typing import Any

import yaml

from depth_node.camera.distortion import Distortion
from depth_node.errors import DataError
from depth_node.files import replacing

LARGEST_SIDE = 16384

# CameraInfo's names, and those drivers use for the same models
_POLYNOMIAL = ('plumb_bob', 'rational_polynomial')
_EQUIDISTANT = ('equidistant', 'fisheye')


class UncalibratedError(DataError):
    """CameraInfo says the camera has no calibration (K[0] is 0)."""


def is_calibrated(k: Sequence[float]) -> bool:
    """
    Return whether a CameraInfo contains a calibration.

    :param k: K of CameraInfo, 9 numbers.
    :returns: False if K[0] is 0, which marks an uncalibrated camera.
    """
    return len(k) == 9 and float(k[0]) != 0.0


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


def intrinsics(
    distortion_model: str,
    d: Sequence[float],
    k: Sequence[float],
    p: Sequence[float],
    rectified: bool,
) -> tuple[float, float, float, float, Distortion, tuple[float, ...]]:
    """
    Return the intrinsics of an image: P if it is rectified, otherwise K and D.

    :param distortion_model: as in CameraInfo.
    :param d: distortion coefficients.
    :param k: 3x3, row by row.
    :param p: 3x4, row by row; if it is empty and there is no distortion, K is used.
    :param rectified: whether the image is rectified.
    :returns: fx, fy, cx, cy (pixels), lens model and its coefficients.
    :raises UncalibratedError: K[0] is 0.
    :raises DataError: wrong counts, numbers that are not finite, an unknown lens, an empty P.
    """
    d, k, p = ([float(v) for v in values] for values in (d, k, p))
    if len(k) != 9 or len(p) not in (0, 12):
        raise DataError(f'K has {len(k)} numbers and P {len(p)}, expected 9 and 12.')
    if not all(map(math.isfinite, (*d, *k, *p))):
        raise DataError('The calibration (CameraInfo) contains a number that is not finite.')
    if not is_calibrated(k):
        raise UncalibratedError(
            'The camera is not calibrated (K[0] in its CameraInfo is 0).',
            'Calibrate it, or set input.calibration_file or input.hfov_deg.',
        )
    model, coefficients = _distortion(distortion_model, d)
    if not rectified:
        return k[0], k[4], k[2], k[5], model, coefficients
    if not any(p) and model is Distortion.NONE:
        p = list(with_translation(tuple(k)))
    if not p or p[0] == 0:
        raise DataError(
            'The image is declared as rectified, but P in its CameraInfo is empty.',
            'Set input.rectified to false, or let the driver fill P.',
        )
    return p[0], p[5], p[2], p[6], Distortion.NONE, ()


def read_calibration(path: Path | str) -> CameraNumbers:
    """
    Read a file written by camera_calibration.

    :param path: the YAML file.
    :returns: its numbers; R is the identity and P is K if the file has none.
    :raises DataError: not readable, not YAML, a field missing, of wrong shape or not finite.
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
            'Use the YAML file that camera_calibration saves.',
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
    Write a file in the format of camera_calibration, atomically.

    :param path: the YAML file; replaced if it exists.
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


def with_translation(k: tuple[float, ...]) -> tuple[float, ...]:
    """
    Return P of a single camera with a given K.

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
            'Use the YAML file that camera_calibration saves.',
        )
    try:
        numbers = tuple(float(v) for v in values)
    except OverflowError:
        numbers = (math.inf,)
    if not all(map(math.isfinite, numbers)):
        raise DataError(f'{where}: {key} contains a number that is not finite.')
    return numbers


def _side(fields: Mapping[str, Any], key: str, where: str) -> int:
    value = fields.get(key)
    if type(value) is not int or not 0 < value <= LARGEST_SIDE:
        raise DataError(
            f'{where}: {key} is {value!r}, expected 1 to {LARGEST_SIDE} pixels.'
        )
    return value


def _distortion(name: str, d: Sequence[float]) -> tuple[Distortion, tuple[float, ...]]:
    """Return the model for its name and, as in OpenCV, its number of coefficients."""
    if not any(d):
        fisheye = name in _EQUIDISTANT and len(d) == 4  # zeros are a lens there, not the lack
        return (Distortion.EQUIDISTANT, tuple(d)) if fisheye else (Distortion.NONE, ())
    if name in _EQUIDISTANT:
        return Distortion.EQUIDISTANT, tuple(d)
    if name not in _POLYNOMIAL:
        raise DataError(
            f'The distortion model {name!r} is not known.',
            f'Use one of {", ".join([*_POLYNOMIAL, *_EQUIDISTANT])}.',
        )
    model = Distortion.PLUMB_BOB if len(d) <= 5 else Distortion.RATIONAL
    return model, tuple(d)
