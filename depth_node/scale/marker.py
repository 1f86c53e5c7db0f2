"""
The scale from printed markers of known size: ArUco and AprilTag, found by OpenCV.

The four corners of a square of known side give its plane (perspective-n-point for a square:
Collins and Bartoli, Infinitesimal plane-based pose estimation, IJCV 109, 2014), and the plane the
distance of every pixel on the marker. One marker shows the scale; scale and shift show only where
several are at different distances, or one is large and tilted.
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
from depth_node.scale.local import Anchors
from depth_node.scale.measurement import Measurement, NotObservable, Outcome
from depth_node.scale.pixels import ScaleFrame
from depth_node.scale.points import from_anchors
from depth_node.scale.unscaled import unscaled

Floats = NDArray[np.float64]

SMALLEST = 12.0
"""Shorter sides are too coarse for a plane (pixels)."""
REPROJECTION = 0.03
"""Distance of a corner from where the plane puts it, in sides, beyond which it is no square."""
CORNER_SIGMA = 0.15
"""Standard deviation of a refined corner (pixels)."""
SIZE_SIGMA = 0.005
"""Relative standard deviation of a printed side."""
SMALLEST_PERIMETER = 0.06
"""Of the longer side of the picture; smaller shapes are not looked at."""
WINDOWS = (5, 25)
"""Sides of the two windows in which pictures are divided into dark and light (pixels)."""
ALONG = 24
"""Points along each edge at which it is located."""
ACROSS = 4
"""Samples per pixel across an edge."""
INSET = 0.12
"""Share of the marker along its border that is left out: a network blurs it."""
DISAGREE = 1.6
"""Ratio of the scales of two markers beyond which one has another size, not the network fails."""
PIXELS = 400
"""Pixels that are taken of each marker at most."""


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
        corners, numbers, _ = self._detect(np.ascontiguousarray(gray))
        if numbers is None or len(numbers) == 0:
            return []
        rays = camera.rays() if rays is None else rays
        modules = int(self.dictionary.markerSize) + 2
        found = (
            _located(
                int(number), np.asarray(four, np.float64).reshape(4, 2), gray, rays, size, modules
            )
            for number, four in zip(np.ravel(numbers), corners, strict=True)
        )
        return [marker for marker in found if marker is not None]


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


def anchors_on(
    markers: list[Marker], rays: NDArray[np.float32], shape: tuple[int, int]
) -> Anchors:
    """
    Return the pixels on markers with their distances.

    :param markers: as found in an image of that shape.
    :param rays: float32 (H, W, 2), of the camera.
    :param shape: rows and columns of the image.
    :returns: up to `PIXELS` of each marker.
    """
    places = []
    for marker in markers:
        middle = marker.corners.mean(axis=0)
        inner = middle + (1 - 2 * INSET) * (marker.corners - middle)
        mask = np.zeros(shape, np.uint8)
        cv2.fillConvexPoly(mask, np.rint(inner).astype(np.int32), 1)
        rows, columns = np.nonzero(mask)
        step = max(1, rows.size // PIXELS)
        rows, columns = rows[::step], columns[::step]
        toward = rays[rows, columns].astype(np.float64)
        z = 1 / (toward @ marker.normal[:2] + marker.normal[2])
        good = np.isfinite(z) & (z > 0)
        places.append((rows[good], columns[good], z[good]))
    if not places:
        nothing = np.zeros(0, np.int64)
        return Anchors(nothing, nothing, np.zeros(0), shape)
    rows, columns, z = (np.concatenate(parts) for parts in zip(*places, strict=True))
    return Anchors(rows, columns, z, shape)


def from_markers(frame: ScaleFrame, markers: list[Marker]) -> Outcome:
    """
    Measure the scale on markers.

    :param frame: the frame they were found in.
    :param markers: at least one.
    :returns: the measurement, with the errors of print and corners in its bias, or why there is
        none.
    """
    shape = (frame.values.shape[0], frame.values.shape[1])
    factors = [] if frame.spec.kind.has_shift else _factors(frame, markers, shape)
    if factors and max(factors) > DISAGREE * min(factors):
        return NotObservable(
            f'the markers disagree by a factor of {max(factors) / min(factors):.2g}; check that '
            'all of them have the size marker.size, and set marker.ids to those that have'
        )
    found = from_anchors(frame, anchors_on(markers, frame.rays, shape))
    return found if isinstance(found, NotObservable) else with_print_errors(found, markers)


def _factors(frame: ScaleFrame, markers: list[Marker], shape: tuple[int, int]) -> list[float]:
    """Return the scale that each of the markers shows alone, for kinds without a shift."""
    factors = []
    for marker in markers:
        anchors = anchors_on([marker], frame.rays, shape)
        x = unscaled(frame.values[anchors.rows, anchors.columns], frame.spec, frame.focal)
        ratio = anchors.z[x > 0] / x[x > 0]
        if ratio.size:
            factors.append(float(np.median(ratio)))
    return factors


def with_print_errors(found: Measurement, markers: list[Marker]) -> Measurement:
    """
    Add the errors of print and corners to a measurement.

    :param found: measured on the markers.
    :param markers: that it was measured on; empty: others.
    :returns: the measurement with a larger bias.
    """
    if not markers:
        return found
    corner = min(CORNER_SIGMA * np.sqrt(2) / marker.side for marker in markers)
    relative = np.hypot(SIZE_SIGMA, corner)
    common = np.array([1.0, float(found.value[-1])])[: found.value.size] * relative
    bias = found.bias + np.outer(common, common)
    return Measurement(
        found.value, found.covariance, bias, found.typical, found.inliers, found.points,
        found.misfit,
    )


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
