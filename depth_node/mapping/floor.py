"""Where the floor of a map is: at one height, or below the way of the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depth_node.errors import DataError
from depth_node.mapping.volume import Mesh

LEVEL = 0.7
"""Least vertical part of the normal of what can be driven on: a slope of 45 degrees."""
_BIN = 0.05
"""Step of heights in which the floor is looked for (m)."""
_GAIN = 1.25
"""A floor that follows the camera must explain this much more than a level one."""
_MOST_PLACES = 512
"""Places of the camera that are compared with."""
_CELL = 0.25
"""Places of the map this near to each other have the same nearest place of the camera (m)."""
_CHUNK = 4096


@dataclass(frozen=True)
class Floor:
    """
    The height of the floor, everywhere.

    :param height: of a level floor in the map, or of one that follows the camera, relative to the
        nearest place of its way (m).
    :param way: float64 (N, 3), places of a camera at constant height above the floor, or None if
        the floor is level (m).
    """

    height: float
    way: NDArray[np.float64] | None = None

    def under(self, places: NDArray[np.floating]) -> NDArray[np.float64]:
        """
        Return the height of the floor.

        :param places: (N, 2 or 3), of which x and y count (m).
        :returns: float64 (N,) (m).
        """
        if self.way is None:
            return np.full(len(places), self.height)
        return _nearest(places, self.way) + self.height


def find_floor(cloud: Mesh, way: NDArray[np.float64]) -> Floor:
    """
    Find the floor: the height of the largest part of what is level and faces up.

    A vehicle's camera stays at one height above the road, also uphill; a camera in the hand does
    not, above a level floor. The floor follows the camera if that explains clearly more of what
    is level.

    :param cloud: points with normals, z up.
    :param way: float64 (N, 3), places of the camera in the map (m).
    :returns: the floor.
    :raises DataError: nothing is level.
    """
    points = cloud.points[cloud.normals[:, 2] > LEVEL].astype(np.float64)
    if not len(points):
        raise DataError(
            'No level surface was mapped, so the height of the floor is unknown.',
            'Give it with --floor, or check --up.',
        )
    places = way[np.linspace(0, len(way) - 1, min(len(way), _MOST_PLACES)).astype(np.int64)]
    level, count = _most_frequent(points[:, 2])
    below, more = _most_frequent(points[:, 2] - _nearest(points, places))
    return Floor(below, places) if more > _GAIN * count else Floor(level)


def _most_frequent(heights: NDArray[np.float64]) -> tuple[float, int]:
    """Return the median of the most frequent heights, and how many there are."""
    low = float(heights.min())
    counts = np.bincount(((heights - low) / _BIN).astype(np.int64))
    # a noisy floor lies in several bins
    best = int(np.argmax(np.convolve(counts, np.ones(3), 'same')))
    near = heights[np.abs(heights - low - (best + 0.5) * _BIN) < 1.5 * _BIN]
    return float(np.median(near)), len(near)


def _nearest(
    places: NDArray[np.floating], way: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the height of the nearest place of a way, by x and y."""
    cells, inverse = np.unique(
        np.floor(places[:, :2] / _CELL).astype(np.int64), axis=0, return_inverse=True
    )
    middle = (cells + 0.5) * _CELL
    heights = np.empty(len(cells))
    for first in range(0, len(cells), _CHUNK):
        gaps = middle[first:first + _CHUNK, None] - way[None, :, :2]
        heights[first:first + _CHUNK] = way[np.square(gaps).sum(-1).argmin(1), 2]
    return heights[inverse.ravel()]
