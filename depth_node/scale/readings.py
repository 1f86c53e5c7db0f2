"""What sensors say of distances and of motion, in plain numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from depth_node.scale.fit import Floats


@dataclass(frozen=True)
class PointsReading:
    """
    Points that a sensor saw.

    :param points: float64 (N, 3), sensor frame (m).
    :param optical_from_sensor: float64 (4, 4).
    """

    points: Floats
    optical_from_sensor: Floats


@dataclass(frozen=True)
class RangeReading:
    """
    One range.

    :param distance: (m).
    :param field_of_view: full angle of the cone (rad).
    :param optical_from_sensor: float64 (4, 4); the sensor looks along its x.
    """

    distance: float
    field_of_view: float
    optical_from_sensor: Floats


@dataclass(frozen=True)
class PoseReading:
    """
    Where the camera is.

    :param world_from_optical: float64 (4, 4), in a frame that does not move (odom).
    """

    world_from_optical: Floats


Reading: TypeAlias = 'PointsReading | RangeReading | PoseReading'
