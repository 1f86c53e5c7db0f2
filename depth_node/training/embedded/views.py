"""Where the embedded network's cameras are: on robots, over desks, in hands, before eyes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

from depth_node.world import camera_pose, Pose, World

NEAREST, FARTHEST = 0.4, 6.0
"""Between these the median depth of the frames is about log-uniform (m)."""
_TRIED = 10  # places of which the one that comes closest to a drawn depth is taken
_ROUNDS = 6  # how often they are drawn anew before any place will do
_CLEARANCE = 0.12  # least distance of a camera from anything (m)
_AHEAD = np.array([[x, y, 1.0] for y in (-0.3, 0.0, 0.3) for x in (-0.4, 0.0, 0.4)])


@dataclass(frozen=True)
class Holder:
    """
    Who or what holds a camera.

    :param share: of the frames.
    :param heights: of the camera (m).
    :param tilts: by which it looks down (degrees).
    :param roll: standard deviation (degrees).
    :param targets: heights of the things it looks at (m); None: it looks anywhere.
    :param distances: from these things (m).
    """

    share: float
    heights: tuple[float, float]
    tilts: tuple[float, float]
    roll: float
    targets: tuple[float, float] | None = None
    distances: tuple[float, float] = (0.3, 3.0)


HOLDERS = (
    Holder(0.14, (0.1, 0.5), (-5.0, 15.0), 2.0, (0.0, 0.7), (0.3, 3.0)),  # robot, at a thing
    Holder(0.14, (0.1, 0.6), (-10.0, 20.0), 3.0),  # robot, anywhere
    Holder(0.24, (0.95, 1.7), (15.0, 55.0), 4.0, (0.6, 1.2), (0.4, 1.6)),  # over a desk
    Holder(0.18, (0.1, 1.9), (-12.0, 55.0), 4.0, (0.03, 1.8), (0.3, 3.0)),  # in a hand
    Holder(0.18, (1.35, 1.8), (-3.0, 25.0), 3.0),  # of somebody who walks
    Holder(0.12, (0.5, 1.9), (-30.0, 45.0), 4.0),  # anywhere
)
"""Of the cameras."""


def draw_pose(rng: np.random.Generator, world: World) -> Pose:
    """
    Draw a camera's place: who holds it, then how deep its view is to be, then where that is so.

    :param rng: where the randomness comes from.
    :param world: the world.
    :returns: float64 (4, 4), from the optical frame to the world.
    """
    shares = np.array([holder.share for holder in HOLDERS])
    for _ in range(_ROUNDS):
        holder = HOLDERS[int(rng.choice(len(HOLDERS), p=shares / shares.sum()))]
        goal = rng.uniform(math.log(NEAREST), math.log(FARTHEST))
        poses = _drawn(rng, world, holder)
        if not poses:
            continue
        tried = np.stack(poses)
        free = world.distance(tried[:, :3, 3]) > _CLEARANCE
        if not free.any():
            continue
        tried = tried[free]
        rays = np.einsum('nij,kj->nki', tried[:, :3, :3], _AHEAD)
        lengths = world.cast(tried[:, None, :3, 3], rays) / np.linalg.norm(_AHEAD, axis=1)
        middle = np.median(lengths, 1)
        open_ahead = (lengths.min(1) > _CLEARANCE) & np.isfinite(middle)  # not all sky
        if open_ahead.any():
            seen = np.where(open_ahead, middle, 1.0)
            order = np.where(open_ahead, np.abs(np.log(seen) - goal), np.inf)
            return np.asarray(tried[int(order.argmin())])
    return world.random_pose(rng, height=(0.3, 1.8), tilt=(-15.0, 30.0), roll=8.0)


def _drawn(rng: np.random.Generator, world: World, holder: Holder) -> list[Pose]:
    """Draw places that a holder may have, without asking what is there."""
    size, room = world.room.size, _inside(world)
    things: NDArray[np.float64] | None = None
    if holder.targets is not None:
        every = [shape.corners() for shape in world.obstacles]
        spans = np.array([(c.min(1), c.max(1)) for c in every]).reshape(-1, 2, 3)
        middle = spans[:, :, 2].mean(1)
        things = spans[(middle > holder.targets[0]) & (middle < holder.targets[1])]
        if not len(things):
            return []
    found: list[Pose] = []
    for _ in range(4 * _TRIED):
        if len(found) == _TRIED:
            break
        yaw, tilt = rng.uniform(-math.pi, math.pi), math.radians(rng.uniform(*holder.tilts))
        if things is None:
            place = np.array([
                rng.uniform(-0.5, 0.5) * (size[0] - 0.5), rng.uniform(-0.5, 0.5) * (size[1] - 0.5),
                rng.uniform(*holder.heights),
            ])
        else:
            low, high = things[int(rng.integers(len(things)))]
            reach = math.log(holder.distances[0]), math.log(holder.distances[1])
            place = rng.uniform(low, high) - math.exp(rng.uniform(*reach)) * np.array([
                math.cos(yaw) * math.cos(tilt), math.sin(yaw) * math.cos(tilt), -math.sin(tilt)
            ])
            yaw += math.radians(rng.normal(0, 9))
            tilt += math.radians(rng.normal(0, 7))
        roll = math.radians(np.clip(rng.normal(0, holder.roll), -10, 10))
        if holder.heights[0] < place[2] < holder.heights[1] and room(place):
            at = (float(place[0]), float(place[1]), float(place[2]))
            found.append(camera_pose(at, float(yaw), float(tilt), float(roll)))
    return found


def _inside(world: World) -> Callable[[NDArray[np.float64]], bool]:
    """Return what tells whether a place is within the outermost walls."""
    size = np.array(world.room.size)

    def inside(place: NDArray[np.float64]) -> bool:
        return bool((np.abs(place[:2]) < size[:2] / 2).all() and 0 < place[2] < size[2])

    return inside
