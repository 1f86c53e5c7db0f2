"""The map from above: where a robot can drive, where something stands, and what is unknown."""

from __future__ import annotations

from dataclasses import dataclass
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.errors import ConfigError, DataError
from depth_node.mapping.floor import find_floor, Floor, LEVEL
from depth_node.mapping.volume import Mesh

FREE, OCCUPIED, UNKNOWN = 0, 100, -1
"""Cells as in nav_msgs/OccupancyGrid."""
_MOST_CELLS = 2**26
_GAP = 3
"""Side of the square that closes gaps between cells whose floor was seen (cells)."""


@dataclass(frozen=True)
class PlanOptions:
    """
    What counts as an obstacle.

    :param resolution: side of a cell (m).
    :param low: height above the floor from which on something is an obstacle; what is lower is
        the floor, noise of depth included (m).
    :param high: height above the floor of what passes over the robot (m).
    :param floor: height of the floor in the map (m); NaN: found, see
        :mod:`depth_node.mapping.floor`.
    :raises ConfigError: impossible numbers.
    """

    resolution: float = 0.05
    low: float = 0.1
    high: float = 0.6
    floor: float = math.nan

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not self.resolution > 0 or not 0 < self.low < self.high:
            raise ConfigError(
                f'Cells of {self.resolution:g} m and obstacles from {self.low:g} to '
                f'{self.high:g} m make no map, expected 0 < resolution and 0 < low < high.'
            )


@dataclass(frozen=True)
class FloorPlan:
    """
    Cells seen from above.

    :param cells: int8 (rows, columns): 0 free, 100 occupied, -1 unknown; rows along y.
    :param origin: x and y of the outer corner of cell 0, 0 (m).
    :param resolution: side of a cell (m).
    :param floor: where the floor is.
    """

    cells: NDArray[np.int8]
    origin: tuple[float, float]
    resolution: float
    floor: Floor

    def area(self, kind: int) -> float:
        """
        Return the area of a kind of cells.

        :param kind: one of FREE, OCCUPIED, UNKNOWN.
        :returns: (m^2).
        """
        return float(np.count_nonzero(self.cells == kind)) * self.resolution**2


def floor_plan(
    cloud: Mesh, options: PlanOptions, way: NDArray[np.float64]
) -> FloorPlan:
    """
    Look at a map from above.

    A cell is occupied if a surface in it is higher than `low` and lower than `high` above the
    floor, free if its floor was seen and it is not occupied, and unknown otherwise: space whose
    floor that was not seen may be a staircase.

    :param cloud: points with normals, z up (m).
    :param options: what counts as an obstacle.
    :param way: float64 (N, 3), places of the camera in the map (m).
    :returns: the plan, as large as the cloud.
    :raises DataError: an empty cloud, no floor, or a plan that is too large.
    """
    if not len(cloud.points):
        raise DataError('Nothing was mapped.')
    floor = find_floor(cloud, way) if math.isnan(options.floor) else Floor(options.floor)
    height = cloud.points[:, 2] - floor.under(cloud.points)
    level = (np.abs(height) < options.low) & (cloud.normals[:, 2] > LEVEL)
    blocks = (height >= options.low) & (height <= options.high)
    seen = level | blocks
    if not seen.any():
        raise DataError(
            f'Nothing was mapped from the floor to {options.high:g} m above it.',
            'Give the height of the floor with --floor, or check --up.',
        )
    cell = np.floor(cloud.points[:, :2] / options.resolution)
    first = cell[seen].min(axis=0)
    columns, rows = (int(n) + 1 for n in cell[seen].max(axis=0) - first)
    if rows * columns > _MOST_CELLS:
        raise DataError(
            f'The plan would have {columns} x {rows} cells, expected at most {_MOST_CELLS}.',
            'Choose a larger --resolution.',
        )

    def marked(chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        marks = np.zeros((rows, columns), bool)
        column, row = (cell[chosen] - first).astype(np.int64).T
        marks[row, column] = True
        return marks

    occupied = marked(blocks)
    free = _closed(marked(level))
    cells = np.full((rows, columns), UNKNOWN, np.int8)
    cells[free] = FREE
    cells[occupied] = OCCUPIED
    origin = float(first[0]) * options.resolution, float(first[1]) * options.resolution
    return FloorPlan(cells, origin, options.resolution, floor)


def _closed(marks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Close gaps between marked cells."""
    wide = np.pad(marks, _GAP).astype(np.uint8)
    closed = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, np.ones((_GAP, _GAP), np.uint8))
    return np.asarray(closed[_GAP:-_GAP, _GAP:-_GAP] > 0)
