"""
Finding printed markers, ArUco and AprilTag, by OpenCV, and their planes.

The four corners of a square of known side give its plane (perspective-n-point for a square:
Collins and Bartoli, Infinitesimal plane-based pose estimation, IJCV 109, 2014).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.errors import ConfigError

Floats = NDArray[np.float64]

SMALLEST = 12.0
"""Shorter sides are too coarse for a plane (pixels)."""
REPROJECTION = 0.03
"""Distance of a corner from where the plane puts it, in sides, beyond which it is no square."""
SMALLEST_PERIMETER = 0.06
"""Of the longer side of the picture; smaller shapes are not looked at."""
WINDOWS = (5, 25)
"""Sides of the two windows in which pictures are divided into dark and light (pixels)."""
APART = 0.02
"""Distance between corners below which OpenCV before 4.7 takes two squares for one, in perimeters:
a quiet zone of one module is 0.035 of the perimeter around it."""
ENLARGED = 40.0
"""Squares that are not read and are no larger are looked at again at twice their size (pixels)."""
TRIES = 8
"""So many of them at most, those of most contrast first."""
CONTRAST = 8.0
"""By how much all sides of a square are brighter on one side (levels of 255)."""
AROUND = 6
"""What belongs to a square around it (pixels)."""
ALONG = 24
"""Points along each edge at which it is located."""
ACROSS = 4
"""Samples per pixel across an edge."""


@dataclass(frozen=True)
class Marker:
    """
    A marker that was found.

    :param number: its number in the dictionary.
    :param corners: float64 (4, 2), columns and rows of its corners (pixels), clockwise from its
        top left.
    :param normal: float64 (3,), its plane: normal . point = 1 (1/m), optical frame.
    :param side: length of its longest side in the image (pixels).
    """

    number: int
    corners: Floats
    normal: Floats
    side: float


class MarkerFinder:
    """
    Finds markers of one family.

    :param dictionary: as ``marker.dictionary`` has it.
    :raises ConfigError: OpenCV has no ArUco module, or not this family.
    """

    def __init__(self, dictionary: str) -> None:
        self.dictionary = dictionary_of(dictionary)
        aruco: Any = cv2.aruco
        modern = hasattr(aruco, 'ArucoDetector')
        settings: Any = (
            aruco.DetectorParameters() if modern else aruco.DetectorParameters_create()
        )
        # corners are refined here: along the edges, and with the lens
        settings.cornerRefinementMethod = aruco.CORNER_REFINE_NONE
        settings.adaptiveThreshWinSizeMin, settings.adaptiveThreshWinSizeMax = WINDOWS
        settings.adaptiveThreshWinSizeStep = WINDOWS[1] - WINDOWS[0]
        settings.minMarkerPerimeterRate = SMALLEST_PERIMETER
        self._detect: Callable[[NDArray[np.uint8]], Any]
        if modern:
            self._detect = aruco.ArucoDetector(self.dictionary, settings).detectMarkers
        else:
            # of nested squares these versions look at the largest only: the edge of the paper
            settings.minMarkerDistanceRate = APART
            self._detect = lambda gray: aruco.detectMarkers(
                gray, self.dictionary, parameters=settings
            )

    def find(
        self, image: NDArray[np.uint8], camera: Camera, size: float,
        rays: NDArray[np.float32] | None = None,
    ) -> list[Marker]:
        """
        Find markers and their planes.

        :param image: uint8 (H, W, 3) rgb or (H, W) gray, distorted as the camera's images are.
        :param camera: that took it.
        :param size: side of the black squares (m).
        :param rays: float32 (H, W, 2), of the camera, where they are known already.
        :returns: those that are large enough and squares.
        """
        gray = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        seen = self._seen(np.ascontiguousarray(gray))
        if not seen:
            return []
        rays = camera.rays() if rays is None else rays
        modules = int(self.dictionary.markerSize) + 2
        found = (_located(number, four, gray, rays, size, modules) for number, four in seen)
        return [marker for marker in found if marker is not None]

    def _seen(self, gray: NDArray[np.uint8]) -> list[tuple[int, Floats]]:
        """Return numbers and corners; small squares that are not read are enlarged once."""
        corners, numbers, others = self._detect(gray)
        found = _paired(numbers, corners)
        known = [four.mean(axis=0) for _, four in found]
        unread = [np.asarray(one, np.float64).reshape(4, 2) for one in others]
        modules = int(self.dictionary.markerSize) + 2
        ranked = sorted(
            (-_contrast(gray, four, modules), index) for index, four in enumerate(unread)
            if SMALLEST <= np.ptp(four, axis=0).max() <= ENLARGED
        )
        tried = 0
        for contrast, index in ranked:
            four = unread[index]
            side, middle = float(np.ptp(four, axis=0).max()), four.mean(axis=0)
            if -contrast < CONTRAST or tried == TRIES:
                break
            if any(np.abs(middle - other).max() < side for other in known):
                continue  # the edge of its paper, or another outline of the same square
            tried += 1
            low = np.maximum(np.floor(four.min(axis=0) - AROUND), 0).astype(np.int64)
            high = np.ceil(four.max(axis=0) + AROUND).astype(np.int64)
            crop = cv2.resize(
                gray[low[1]:high[1], low[0]:high[0]], None, fx=2, fy=2,
                interpolation=cv2.INTER_CUBIC,
            )
            corners, numbers, _ = self._detect(np.asarray(crop, np.uint8))
            for number, larger in _paired(numbers, corners):
                place = (larger + 0.5) / 2 - 0.5 + low
                found.append((number, place))
                known.append(place.mean(axis=0))
        return found


def _contrast(gray: NDArray[np.uint8], four: Floats, modules: int) -> float:
    """Return by how much all sides of a square, or of its paper, are brighter on one side."""
    share = np.array([0.25, 0.5, 0.75])[:, None]
    edges = np.concatenate([
        start + share * (end - start)
        for start, end in zip(four, np.roll(four, -1, axis=0), strict=True)
    ])
    middle = four.mean(axis=0)
    levels = []
    for factor in (1 + 1 / modules, 1 - 1 / modules):
        at = np.rint(middle + factor * (edges - middle)).astype(np.int64)
        columns, rows = np.clip(at, 0, np.array(gray.shape[::-1]) - 1).T
        levels.append(gray[rows, columns].astype(np.float64).reshape(4, 3).mean(axis=1))
    steps = levels[0] - levels[1]
    return float(max(steps.min(), -steps.max()))


def _paired(numbers: Any, corners: Any) -> list[tuple[int, Floats]]:
    if numbers is None:
        return []
    return [
        (int(number), np.asarray(four, np.float64).reshape(4, 2))
        for number, four in zip(np.ravel(numbers), corners, strict=True)
    ]


def dictionary_of(name: str) -> Any:
    """
    Return OpenCV's dictionary.

    :param name: as ``marker.dictionary`` has it.
    :returns: a cv2.aruco dictionary.
    :raises ConfigError: OpenCV has no ArUco module, or not this family.
    """
    aruco = getattr(cv2, 'aruco', None)
    code = None
    if aruco is not None:
        upper = name.upper().removeprefix('ARUCO_') if name != 'aruco_original' else name.upper()
        spellings = (f'DICT_{upper}', f'DICT_{upper.replace("H", "h")}')
        code = next((getattr(aruco, s) for s in spellings if hasattr(aruco, s)), None)
    if code is None:
        raise ConfigError(
            f'OpenCV {cv2.__version__} has no markers of the family {name}.',
            'Install python3-opencv of Ubuntu, or OpenCV 4.7 or newer.',
        )
    get = getattr(aruco, 'getPredefinedDictionary', None) or aruco.Dictionary_get  # type: ignore[union-attr]
    return get(code)


def _located(  # noqa: PLR0917
    number: int, corners: Floats, gray: NDArray[np.uint8], rays: NDArray[np.float32], size: float,
    modules: int,
) -> Marker | None:
    """Return a marker with its plane, or None where it is too small or no square."""
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1)
    if sides.min() < SMALLEST / 2 or sides.max() < SMALLEST:
        return None
    plain = _corners(gray, corners, rays, modules)
    if plain is None:
        return None
    half = size / 2
    square = np.array([[-half, half, 0], [half, half, 0], [half, -half, 0], [-half, -half, 0]])
    good, turns, moves, errors = cv2.solvePnPGeneric(
        square, plain[:, None], np.eye(3), None, flags=cv2.SOLVEPNP_IPPE_SQUARE
    )
    if not good:
        return None
    best = int(np.argmin(np.ravel(errors)))
    rotation, _ = cv2.Rodrigues(turns[best])
    move = np.ravel(moves[best])
    extent = float(np.linalg.norm(plain[0] - plain[2])) / np.sqrt(2)
    axis = rotation[:, 2]
    offset = float(axis @ move)
    if move[2] <= 0 or np.ravel(errors)[best] > REPROJECTION * extent or abs(offset) < 1e-9:
        return None
    return Marker(number, corners, axis / offset, float(sides.max()))


def _corners(
    gray: NDArray[np.uint8], corners: Floats, rays: NDArray[np.float32], modules: int
) -> Floats | None:
    """
    Refine corners: lines through the edges, seen without the lens, and where they meet.

    A corner is pulled inwards by blur, an edge is not.

    :returns: float64 (4, 2), X/Z and Y/Z; None where an edge is not seen.
    """
    after = np.roll(corners, -1, axis=0)
    length = np.linalg.norm(after - corners, axis=1)
    reach = float(np.clip(0.7 * length.min() / modules, 1.5, 4.0))
    offsets = np.linspace(-reach, reach, 2 * round(reach * ACROSS) + 1)
    share = np.linspace(0.12, 0.88, ALONG)[:, None]
    lines = []
    for start, end, size in zip(corners, after, length, strict=True):
        along = (end - start) / size
        across = np.array([along[1], -along[0]])
        middle = start + share * (end - start)
        at = (middle[:, None] + offsets[:, None] * across).astype(np.float32)
        rise = np.diff(cv2.remap(
            gray, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ).astype(np.float64), axis=1)
        # black inside: brightness rises outwards, or falls where the order runs the other way
        rise *= np.sign(rise.sum())
        weights = np.maximum(rise - 0.2 * rise.max(axis=1, keepdims=True), 0)
        total = weights.sum(axis=1)
        if np.count_nonzero(total > 0) < ALONG // 2:
            return None
        steps = (offsets[:-1] + offsets[1:]) / 2
        place = (weights @ steps)[total > 0] / total[total > 0]
        edge = (middle[total > 0] + place[:, None] * across).astype(np.float32)
        plain = cv2.remap(
            rays, edge[:, :1], edge[:, 1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ).reshape(-1, 2)
        fitted = cv2.fitLine(plain, cv2.DIST_HUBER, 0, 1e-6, 1e-6).ravel().astype(np.float64)
        lines.append(np.array([fitted[1], -fitted[0],
                               fitted[0] * fitted[3] - fitted[1] * fitted[2]]))
    meets = [np.cross(lines[index - 1], lines[index]) for index in range(4)]
    if min(abs(point[2]) for point in meets) < 1e-9:
        return None
    return np.array([point[:2] / point[2] for point in meets])
