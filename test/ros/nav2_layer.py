"""
What Nav2's ObstacleLayer does with LaserScan and PointCloud2, written from its documentation.

Independent of depth_node: it reads messages, and knows nothing of how they were made. The rules
(nav2_costmap_2d of Humble and Jazzy): an observation buffer per source takes the points whose
height in the global frame lies in the source's interval; NaN drops out there. A LaserScan becomes
points first: ranges outside its own limits drop out, +Inf becomes just under range_max when
inf_is_valid. An update clears along the line from the sensor's origin to every point of the
clearing sources, up to raytrace_max_range, and then marks the cell of every point of the marking
sources between obstacle_min_range and obstacle_max_range.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sensor_msgs.msg import LaserScan, PointCloud2

FREE, UNKNOWN, LETHAL = 0, 255, 254


class ObstacleLayer:
    """
    A square costmap in the global frame with the sources of one layer.

    :param layer: the layer's parameters, as in a Nav2 parameter file.
    :param center: x and y of the middle of the map (m).
    :param side: length of the map's sides (m).
    :param resolution: side of a cell (m).
    :param fill: what the cells are before anything was seen.
    """

    def __init__(
        self, layer: Mapping[str, Any], center: tuple[float, float], side: float = 8.0,
        resolution: float = 0.05, fill: int = UNKNOWN,
    ) -> None:
        self.sources = {name: layer[name] for name in layer['observation_sources'].split()}
        self.resolution = resolution
        self.origin = np.array(center) - side / 2
        self.cells = np.full((round(side / resolution),) * 2, fill, np.uint8)  # [x, y]
        self.ceiling = layer.get('max_obstacle_height', 2.0)

    def update(self, topics: Mapping[str, tuple[Any, np.ndarray]]) -> None:
        """
        Take one message per topic: clear with all, then mark with all.

        :param topics: topic to message and (4, 4) from the message's frame to the global one.
        """
        observed = observations(self.sources, topics)
        for source, points, origin in observed:
            if source['clearing']:
                self._clear(points, origin, source['raytrace_max_range'])
        for source, points, origin in observed:
            if source['marking']:
                self._mark(points, origin, source)

    def lethal(self) -> np.ndarray:
        """Centres of the lethal cells, (N, 2) in the global frame (m)."""
        return (np.argwhere(self.cells == LETHAL) + 0.5) * self.resolution + self.origin

    def _cell(self, points: np.ndarray) -> np.ndarray:
        return np.floor((points[..., :2] - self.origin) / self.resolution).astype(int)

    def _mark(self, points: np.ndarray, origin: np.ndarray, source: Mapping[str, Any]) -> None:
        distance = np.linalg.norm(points - origin, axis=1)
        near = distance < source['obstacle_max_range']
        near &= (distance >= source['obstacle_min_range']) & (points[:, 2] <= self.ceiling)
        cells = self._cell(points[near])
        inside = ((cells >= 0) & (cells < len(self.cells))).all(1)
        self.cells[tuple(cells[inside].T)] = LETHAL

    def _clear(self, points: np.ndarray, origin: np.ndarray, reach: float) -> None:
        start = self._cell(origin)
        longest = reach / self.resolution
        for end in np.unique(self._cell(points), axis=0):
            delta = end - start
            steps = int(np.abs(delta).max())
            length = np.hypot(*delta)
            if steps == 0:
                continue
            count = int(min(1.0, longest / length) * steps)
            # Bresenham's cells: a step along the long axis, rounded on the short one
            line = start + np.rint(np.arange(count + 1)[:, None] * delta / steps).astype(int)
            inside = ((line >= 0) & (line < len(self.cells))).all(1)
            self.cells[tuple(line[inside].T)] = FREE


Observation = tuple[Mapping[str, Any], np.ndarray, np.ndarray]


def observations(
    sources: Mapping[str, Mapping[str, Any]], topics: Mapping[str, tuple[Any, np.ndarray]]
) -> list[Observation]:
    """Of every source: its parameters, its points (N, 3) and the sensor (3,), global frame."""
    observed = []
    for source in sources.values():
        message, pose = topics[source['topic']]
        points = (
            scan_points(message, source.get('inf_is_valid', False))
            if source['data_type'] == 'LaserScan' else cloud_points(message)
        )
        points = points @ pose[:3, :3].T + pose[:3, 3]
        low, high = source['min_obstacle_height'], source['max_obstacle_height']
        kept = (points[:, 2] <= high) & (points[:, 2] >= low)
        observed.append((source, points[kept], pose[:3, 3]))
    return observed


def combined(*layers: np.ndarray) -> np.ndarray:
    """
    The costmap of layers with combination_method 1, the maximum.

    Cells that a layer does not know keep what the layers before it said; the costmap starts free.
    """
    master = np.full_like(layers[0], FREE)
    for cells in layers:
        np.maximum(master, cells, out=master, where=cells != UNKNOWN)
    return master


def cloud_points(cloud: PointCloud2) -> np.ndarray:
    """Read x, y, z as sensor_msgs' iterators do: by name, offset and steps; (N, 3)."""
    assert not cloud.is_bigendian
    offsets = {field.name: field.offset for field in cloud.fields if field.datatype == 7}
    raw = np.frombuffer(cloud.data, np.uint8).reshape(cloud.height, cloud.row_step)
    raw = raw[:, :cloud.width * cloud.point_step].reshape(-1, cloud.point_step)
    return np.concatenate([
        raw[:, offsets[name]:offsets[name] + 4].copy().view('<f4') for name in 'xyz'
    ], 1).astype(float)


def scan_points(scan: LaserScan, inf_is_valid: bool) -> np.ndarray:
    """Project a scan as laser_geometry does; (N, 3) in the scan's frame."""
    ranges = np.array(scan.ranges, float)
    if inf_is_valid:
        ranges[np.isposinf(ranges)] = scan.range_max - 1e-4
    angles = scan.angle_min + np.arange(len(ranges)) * scan.angle_increment
    with np.errstate(invalid='ignore'):
        good = (ranges >= scan.range_min) & (ranges <= scan.range_max)
    x, y = ranges[good] * np.cos(angles[good]), ranges[good] * np.sin(angles[good])
    return np.stack([x, y, np.zeros_like(x)], 1)
