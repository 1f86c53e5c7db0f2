"""
Contact shadows: how much of the light from everywhere what is very near keeps away.

A point a little above a surface is nearer to whatever stands there than to the surface itself
(Evans, "Fast approximations for global illumination on dynamic scenes", SIGGRAPH 2006 courses).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from depth_node.world.room import Room
from depth_node.world.shapes import Shape

_REACH = (0.05, 0.16)  # heights above the surface that are looked at (m)
_LOSS = (0.3, 0.3)  # of the light, where something touches the surface
_LOSS_WALLS = 0.4  # the same of walls, times that of things: they are large, and lit as well


def unoccluded(
    room: Room, shapes: Sequence[Shape], points: NDArray[np.float32],
    normals: NDArray[np.float32],
) -> NDArray[np.float32]:
    """
    Compute which share of the light from everywhere reaches places.

    :param room: around all.
    :param shapes: what stands in it.
    :param points: (3, n), on surfaces (m).
    :param normals: (3, n), of the surfaces, of length one.
    :returns: (n,), 0 to 1.
    """
    order = np.argsort(points[0])
    points, normals = points[:, order], normals[:, order]
    share = np.ones(points.shape[1], np.float32)
    half = np.array([[room.size[0] / 2], [room.size[1] / 2]], np.float32)
    boxes = [shape.corners().astype(np.float32) for shape in shapes]
    ends = [(corners.min(1), corners.max(1)) for corners in boxes]
    for reach, loss in zip(_REACH, _LOSS, strict=True):
        above = points + np.float32(reach) * normals
        walls = np.concatenate([half - above[:2], half + above[:2], above[2:],
                                room.size[2] - above[2:]])
        share *= 1 - np.float32(loss * _LOSS_WALLS) * np.clip(1 - walls.min(0) / reach, 0, 1)
        least = np.full(len(share), reach, np.float32)
        for shape, (least_end, greatest_end) in zip(shapes, ends, strict=True):
            low, high = least_end - np.float32(reach), greatest_end + np.float32(reach)
            # of the places themselves, which are in order; float64 would copy all of them
            span = np.array([low[0] - reach, high[0] + reach], np.float32)
            first, last = np.searchsorted(points[0], span)
            y, z = above[1, first:last], above[2, first:last]
            near = np.flatnonzero((y > low[1]) & (y < high[1]) & (z > low[2]) & (z < high[2]))
            if near.size:
                near += first
                away = shape.distance(above[:, near])
                least[near] = np.minimum(least[near], np.maximum(away, 0))
        share *= 1 - np.float32(loss) * (1 - least / np.float32(reach))
    back = np.empty_like(share)
    back[order] = share
    return back
