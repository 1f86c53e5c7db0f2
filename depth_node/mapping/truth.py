"""How far a map of the synthetic world is from the world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depth_node.mapping.floor_plan import FloorPlan, FREE, PlanOptions, UNKNOWN
from depth_node.mapping.volume import Mesh
from depth_node.world import World

_STEP = 0.02
"""Step of heights at which obstacles are looked for (m)."""
_CHUNK = 200_000


@dataclass(frozen=True)
class SurfaceError:
    """
    Distances of vertices from the nearest true surface.

    :param median: (m).
    :param share_95: 95 % are nearer (m).
    """

    median: float
    share_95: float


def surface_error(mesh: Mesh, world: World) -> SurfaceError:
    """
    Measure how far a mesh is from the surfaces of a world, where they are at time 0.

    :param mesh: in the world's frame.
    :param world: the world.
    :returns: the distances; NaN for an empty mesh.
    """
    if not len(mesh.points):
        return SurfaceError(np.nan, np.nan)
    parts = np.array_split(mesh.points, 1 + len(mesh.points) // _CHUNK)
    distance = np.abs(np.concatenate([world.distance(part) for part in parts]))
    median, share_95 = np.percentile(distance, (50, 95))
    return SurfaceError(float(median), float(share_95))


def free_cells(world: World, plan: FloorPlan, options: PlanOptions) -> NDArray[np.bool_]:
    """
    Return the true free cells on the grid of a plan, continued to the walls of the room.

    :param world: the world.
    :param plan: gives the grid.
    :param options: what counts as an obstacle.
    :returns: bool (rows, columns), with a margin of :func:`margin` cells on every side; a cell is
        free if nothing stands over its centre.
    """
    edge = margin(world, plan)
    rows, columns = (n + 2 * edge for n in plan.cells.shape)
    y, x = np.mgrid[:rows, :columns] + 0.5 - edge
    place = np.stack([x, y], -1) * plan.resolution + plan.origin
    free = np.ones((rows, columns), bool)
    for height in np.arange(options.low, options.high + _STEP / 2, _STEP):
        level = np.full((rows, columns, 1), height)
        free &= world.distance(np.concatenate([place, level], -1)) > 0
    return free


def margin(world: World, plan: FloorPlan) -> int:
    """
    Return by how many cells a plan must grow so that the room fits whatever part was mapped.

    :param world: the world.
    :param plan: a plan of it.
    """
    room = np.array(world.room.size[:2]) / 2
    low = np.array(plan.origin)
    high = low + np.array(plan.cells.shape[::-1]) * plan.resolution
    missing = max(0.0, float((low + room).max()), float((room - high).max()))
    return int(np.ceil(missing / plan.resolution))


@dataclass(frozen=True)
class FreeSpace:
    """
    Agreement of free cells, as intersection over union.

    :param room: with the free space of the whole room, seen or not.
    :param known: with that of the cells that the plan knows to be free or occupied.
    """

    room: float
    known: float


def free_space_iou(world: World, plan: FloorPlan, options: PlanOptions) -> FreeSpace:
    """
    Compare the free space of a plan with that of the room.

    :param world: the world.
    :param plan: a plan of it, in its frame.
    :param options: with which it was made.
    :returns: the agreement.
    """
    true, edge = free_cells(world, plan, options), margin(world, plan)
    mapped = np.pad(plan.cells == FREE, edge)
    known = np.pad(plan.cells != UNKNOWN, edge)
    return FreeSpace(_iou(true, mapped), _iou(true & known, mapped))


def _iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return float((first & second).sum() / max(1, (first | second).sum()))
