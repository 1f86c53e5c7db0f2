"""
Focal length, principal point and lens out of CameraInfo's matrices, and which are impossible.

What a recorder, a driver or a simulator writes is either used as it is meant, or refused with
the field's name: rays that are wrong would steer a robot wrong without anybody noticing.
"""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import NamedTuple

from depth_node.camera.distortion import Distortion, POLYNOMIAL_COUNTS
from depth_node.camera.info import is_calibrated, UncalibratedError, with_translation
from depth_node.errors import DataError

# CameraInfo's names, and those that drivers and calibration tools use for the same models
_POLYNOMIAL = ('plumb_bob', 'rational_polynomial', 'radtan')
_EQUIDISTANT = ('equidistant', 'fisheye', 'kannala_brandt4')
_NO_LENS = ('', 'none', 'pinhole', 'perspective')
# parts of the names of models that are no pinhole even where D is all zero
_WIDE = ('fish', 'omni', 'theta', 'kannala', 'unified', 'sphere', 'ucm', 'mei', 'fov', 'equi')
LARGEST_COEFFICIENT = 1e4
"""Of the radial ones in D: rational models of wide lenses reach some hundreds."""
LARGEST_SMALL = 1.0
"""Of the tangential, prism and tilt ones: real lenses stay below 0.1."""
_RADIAL = frozenset({0, 1, 4, 5, 6, 7})
_SKEW = 2e-3
"""Of the focal length: a ray is off by at most this (rad) when a smaller skew is ignored."""
_SHORTEST = 0.05
"""Of focal length and side of the image: a pinhole of 169 degrees; a full fisheye has 0.16."""
_SAME_SHARE = 0.02
"""By how much the shares of width and height may differ and still be one factor."""
_OFF_CENTER = 0.2
"""Of the side: a principal point this far from the middle is worth a word."""
_OTHER_SIZE = 0.12
"""Of the side: a principal point this far off along the diagonal is that of another size."""


class Intrinsics(NamedTuple):
    """
    What describes an image.

    :param fx: horizontal focal length (pixels).
    :param fy: vertical focal length (pixels).
    :param cx: principal point (pixels).
    :param cy: principal point (pixels).
    :param lens: the lens model.
    :param coefficients: its coefficients.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    lens: Distortion
    coefficients: tuple[float, ...]


def intrinsics(
    distortion_model: str,
    d: Sequence[float],
    k: Sequence[float],
    p: Sequence[float],
    rectified: bool,
) -> Intrinsics:
    """
    Take what describes an image: P alone when it is rectified, else K and D.

    A matrix is homogeneous: with K[8] or P[10] unlike 1 it is divided by that. The fourth column
    of P only says where the first camera of a stereo pair is.

    :param distortion_model: as in CameraInfo.
    :param d: distortion coefficients.
    :param k: 3x3, row by row.
    :param p: 3x4, row by row; where it is empty and there is no distortion, K says the same.
    :param rectified: whether the image is.
    :returns: focal lengths, principal point and lens.
    :raises UncalibratedError: K[0] is 0.
    :raises DataError: wrong counts, numbers that are not finite, a matrix no camera has, an
        unknown lens, an empty P.
    """
    d, k, p = ([float(v) for v in values] for values in (d, k, p))
    if len(k) != 9 or len(p) not in (0, 12):
        raise DataError(f'K has {len(k)} numbers and P {len(p)}, expected 9 and 12.')
    if not all(map(math.isfinite, (*d, *k, *p))):
        raise DataError('The calibration (CameraInfo) holds a number that is not finite.')
    if not is_calibrated(k):
        raise UncalibratedError(
            'The camera is not calibrated (K[0] in its CameraInfo is 0).',
            'Calibrate it, or give input.calibration_file or input.hfov_deg.',
        )
    lens, coefficients = lens_model(distortion_model, d)
    if not rectified:
        return Intrinsics(*_pinhole('K', k), lens, coefficients)
    if not any(p) and lens is Distortion.NONE:
        p = list(with_translation(tuple(k)))
    if not p or p[0] == 0:
        raise DataError(
            'The image is said to be rectified, but P in its CameraInfo is empty.',
            'Set input.rectified to false, or have the driver fill P.',
        )
    return Intrinsics(*_pinhole('P', p), Distortion.NONE, ())


def lens_model(name: str, d: Sequence[float]) -> tuple[Distortion, tuple[float, ...]]:
    """
    Read the lens model from its name and its coefficients.

    The number of coefficients decides between the polynomial models, as in OpenCV. Zeros behind
    those a model has are dropped: realsense-ros writes five for the four of ``equidistant``.
    Coefficients that are all zero are a lens for ``equidistant`` and none for the others.

    :param name: as in CameraInfo.
    :param d: distortion coefficients.
    :returns: the model and its coefficients.
    :raises DataError: an unknown model, a number of coefficients it does not have, or
        coefficients no lens has.
    """
    known = _plain(name)
    d = tuple(float(v) for v in d)
    if known in _EQUIDISTANT:
        kept = _of_count(d, (4,)) if d else (0.0,) * 4
        _check_coefficients(kept, radial=True)
        return Distortion.EQUIDISTANT, kept
    if not any(d) and not any(part in known for part in _WIDE):
        return Distortion.NONE, ()
    if known not in _POLYNOMIAL:
        raise DataError(
            f'The distortion model {name[:40]!r} is not known.',
            f'Known are {", ".join([*_POLYNOMIAL, *_EQUIDISTANT])}, and none without '
            'coefficients.',
        )
    kept = _of_count(d, POLYNOMIAL_COUNTS)
    _check_coefficients(kept)
    return (Distortion.PLUMB_BOB if len(kept) <= 5 else Distortion.RATIONAL), kept


def is_known_lens(name: str) -> bool:
    """
    Return whether the name of a lens model says what it is.

    :param name: as in CameraInfo.
    :returns: False for names :func:`lens_model` accepts only while D is all zero.
    """
    return _plain(name) in {*_POLYNOMIAL, *_EQUIDISTANT, *_NO_LENS}


def check_plausible(fx: float, fy: float, cx: float, cy: float, size: tuple[int, int]) -> None:
    """
    Refuse numbers that are possible and certainly mistaken: their metres would be wrong.

    :param fx: horizontal focal length (pixels).
    :param fy: vertical focal length (pixels).
    :param cx: principal point (pixels).
    :param cy: principal point (pixels).
    :param size: width and height of the full resolution (pixels).
    :raises DataError: they cannot belong to an image of this size.
    """
    for focal, center, side in ((fx, cx, size[0]), (fy, cy, size[1])):
        if focal < _SHORTEST * side or not -side <= center <= 2 * side:
            raise DataError(
                f'A focal length of {focal:g} px and a principal point at {center:g} px do not '
                f'belong to an image of {side} px.',
                'CameraInfo has both in pixels of the full resolution.',
            )
    across, down = cx / size[0], cy / size[1]
    share = (across + down) / 2
    if share > 0 and abs(across - down) < _SAME_SHARE and abs(share - 0.5) > _OTHER_SIZE:
        raise DataError(
            f'The principal point at {cx:g}, {cy:g} px is the middle of an image of '
            f'{2 * cx:.0f}x{2 * cy:.0f} px, but the calibration says {size[0]}x{size[1]}: '
            'its matrix is that of another size.',
            "Have the driver or simulator write K and P for its image (Gazebo: the camera's lens "
            'intrinsics), or set input.calibration_file.',
        )


def doubt_of(cx: float, cy: float, size: tuple[int, int]) -> str:
    """
    Say when a principal point is possible but unlikely.

    :param cx: principal point (pixels).
    :param cy: principal point (pixels).
    :param size: width and height of the full resolution (pixels).
    :returns: a warning, or nothing.
    """
    offsets = (abs(cx / size[0] - 0.5), abs(cy / size[1] - 0.5))
    if max(offsets) < _OFF_CENTER:
        return ''
    return (
        f'The principal point at {cx:g}, {cy:g} px lies far from the middle of the image of '
        f'{size[0]}x{size[1]} px. Check that the calibration belongs to this resolution, and '
        'that a cropped image has its region of interest in CameraInfo.'
    )


def _plain(name: str) -> str:
    return name.strip().lower().replace(' ', '_').replace('-', '_')


def _pinhole(name: str, matrix: Sequence[float]) -> tuple[float, float, float, float]:
    """Read fx, fy, cx and cy out of K (3x3) or P (3x4)."""
    columns = len(matrix) // 3
    rows = [matrix[start:start + columns] for start in (0, columns, 2 * columns)]
    unit = rows[2][2]
    if rows[2][0] or rows[2][1] or unit <= 0:
        raise DataError(
            f'The last row of {name} in CameraInfo is {" ".join(f"{v:g}" for v in rows[2])}, '
            'expected 0 0 1.', f'{name} is written row by row.',
        )
    fx, fy = rows[0][0] / unit, rows[1][1] / unit
    for label, value in ((f'{name}[1]', rows[0][1]), (f'{name}[{columns}]', rows[1][0])):
        if abs(value / unit) > _SKEW * abs(fx):
            raise DataError(
                f'{name} in CameraInfo has a skew of {value / unit:g} px ({label}), expected 0.',
                'Calibrate the camera without skew, as camera_calibration does, or give '
                'input.calibration_file.',
            )
    return fx, fy, rows[0][2] / unit, rows[1][2] / unit


def _of_count(d: tuple[float, ...], counts: tuple[int, ...]) -> tuple[float, ...]:
    """Drop zeros behind the largest number of coefficients that is left."""
    if len(d) in counts:
        return d
    for count in sorted(counts, reverse=True):
        if count < len(d) and not any(d[count:]):
            return d[:count]
    return d  # Camera names the number expected


def _check_coefficients(d: tuple[float, ...], *, radial: bool = False) -> None:
    """Refuse coefficients no lens has; their inverse takes long, and there is none to be had."""
    for index, value in enumerate(d):
        most = LARGEST_COEFFICIENT if radial or index in _RADIAL else LARGEST_SMALL
        if abs(value) > most:
            raise DataError(
                f'D[{index}] in CameraInfo is {value:g}, expected a distortion coefficient of at '
                f'most {most:g} either way.',
                'Calibrate the camera again, or give input.calibration_file.',
            )
