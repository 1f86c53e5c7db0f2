"""Readings of sensors for distances and motion, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from depth_node.scale.fit import Floats


@dataclass(frozen=True)
class PointsReading:
    """
    Points of a sensor.

    :param points: float64 (N, 3), sensor frame (m).
    :param optical_from_sensor: float64 (4, 4).
    """

    points: Floats
    optical_from_sensor: Floats


@dataclass(frozen=True)
class RangeReading:
    """
    One range.

    :param distance: measured distance (m).
    :param field_of_view: full angle of the cone (rad).
    :param optical_from_sensor: float64 (4, 4); the sensor looks along its x.
    """

    distance: float
    field_of_view: float
    optical_from_sensor: Floats


@dataclass(frozen=True)
class PoseReading:
    """
    The pose of the camera.

    :param world_from_optical: float64 (4, 4), in a fixed frame (odom).
    """

    world_from_optical: Floats


Reading: TypeAlias = 'PointsReading | RangeReading | PoseReading'
