"""
What Nav2's VoxelLayer does with PointCloud2, written from its documentation.

Independent of depth_node, as nav2_layer is. The rules beside those of ObstacleLayer: every column
of the grid has up to 16 voxels, unknown, free or marked. A clearing ray ends two cells before its
point, at the ends of the grid, and raytrace_max_range voxels from the sensor; every voxel on the
way becomes free, and the column, too, unless more than mark_threshold of its voxels are still
marked, or more than unknown_threshold of them unknown. A marking point marks its voxel; with more
than mark_threshold marked voxels, the column is lethal. Without the sensor inside the grid,
nothing is cleared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nav2_layer import FREE, LETHAL, observations, UNKNOWN
import numpy as np


class VoxelLayer:
    """
    A grid in the global frame with the sources of one layer.

    :param layer: the layer's parameters, as in a Nav2 parameter file.
    :param center: x and y of the middle of the map (m).
    :param side: length of the map's sides (m).
    :param resolution: side of a cell (m).
    """

    def __init__(
        self, layer: Mapping[str, Any], center: tuple[float, float], side: float = 8.0,
        resolution: float = 0.05,
    ) -> None:
        self.layer, self.resolution = layer, resolution
        self.sources = {name: layer[name] for name in layer['observation_sources'].split()}
        self.origin = np.array([*(np.array(center) - side / 2), layer['origin_z']])
        self.step = np.array([resolution, resolution, layer['z_resolution']])
        count = round(side / resolution)
        self.marked = np.zeros((count, count, layer['z_voxels']), bool)
        self.unknown = np.ones_like(self.marked)
        self.cells = np.full((count, count), UNKNOWN, np.uint8)  # [x, y]

    def update(self, topics: Mapping[str, tuple[Any, np.ndarray]]) -> None:
        """
        Take one message per topic: clear with all, then mark with all.

        :param topics: topic to message and (4, 4) from the message's frame to the global one.
        """
        observed = observations(self.sources, topics)
        for source, points, origin in observed:
            if source['clearing'] and len(points):
                self._clear(points, origin, source['raytrace_max_range'])
        for source, points, origin in observed:
            if source['marking']:
                self._mark(points, origin, source)

    def _inside(self, voxels: np.ndarray) -> np.ndarray:
        return ((voxels >= 0) & (voxels < self.marked.shape)).all(-1)

    def _mark(self, points: np.ndarray, origin: np.ndarray, source: Mapping[str, Any]) -> None:
        distance = np.linalg.norm(points - origin, axis=1)
        near = distance < source['obstacle_max_range']
        near &= distance >= source['obstacle_min_range']
        near &= points[:, 2] <= self.layer['max_obstacle_height']
        points = points[near]
        points[:, 2] = np.maximum(points[:, 2], self.origin[2])
        voxels = np.floor((points - self.origin) / self.step).astype(int)
        x, y, z = voxels[self._inside(voxels)].T
        self.marked[x, y, z], self.unknown[x, y, z] = True, False
        full = self.marked[x, y].sum(1) > self.layer['mark_threshold']
        self.cells[x[full], y[full]] = LETHAL

    def _clear(self, points: np.ndarray, origin: np.ndarray, reach: float) -> None:
        start = (origin - self.origin) / self.step
        if not self._inside(np.floor(start)):
            return
        way = points - origin
        distance = np.linalg.norm(way, axis=1)
        way *= np.clip((distance - 2 * self.resolution) / distance, 0, 1)[:, None]
        # what leaves the grid ends at its faces
        ends = self.origin + self.step * self.marked.shape
        with np.errstate(divide='ignore', invalid='ignore'):
            faces = np.where(way > 0, ends - origin, origin - self.origin) / np.abs(way)
        way *= (np.minimum(1, np.nanmin(faces, axis=1)) - 1e-5)[:, None]
        delta = way / self.step
        # Bresenham's voxels: a step along the long axis, rounded on the others
        steps = np.maximum(np.abs(delta).max(1), 1)
        share = np.minimum(1, reach / self.resolution / np.maximum(
            np.linalg.norm(delta, axis=1), 1e-9
        ))
        along = np.arange(int(steps.max()) + 1) / steps[:, None]
        ray, step = np.nonzero(along <= share[:, None])
        voxels = np.floor(start + along[ray, step, None] * delta[ray]).astype(int)
        voxels = voxels[self._inside(voxels)]
        x, y, z = voxels.T
        self.marked[x, y, z] = self.unknown[x, y, z] = False
        touched = np.zeros_like(self.cells, bool)
        touched[x, y] = True
        x, y = np.nonzero(touched)
        few = self.marked[x, y].sum(1) <= self.layer['mark_threshold']
        known = self.unknown[x, y].sum(1) <= self.layer['unknown_threshold']
        self.cells[x[few], y[few]] = np.where(known, FREE, UNKNOWN)[few]
