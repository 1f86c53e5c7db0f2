"""Where the embedded network's cameras are: on robots, over desks, in hands, before eyes."""

from __future__ import annotations

from dataclasses import dataclass
import functools
import math

import numpy as np
from numpy.typing import NDArray

from depth_node.world import camera_pose, Pose, World

NEAREST, FARTHEST = 0.4, 8.0
"""Between these the median depth of the frames is about log-uniform (m)."""
_TRIED = 12  # places of which the one that comes closest to a drawn depth is taken
_ROUNDS = 6  # how often they are drawn again before any place will do
_LARGE, _LARGE_POWER = 8.0, 0.75  # diagonal (m), of the uniform number that depths are drawn with
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
    :param depths: medians that its views have (m).
    :param targets: heights of the things it looks at (m); None: it looks anywhere.
    """

    share: float
    heights: tuple[float, float]
    tilts: tuple[float, float]
    roll: float
    depths: tuple[float, float]
    targets: tuple[float, float] | None = None


HOLDERS = (
    Holder(0.14, (0.1, 0.5), (-5.0, 15.0), 2.0, (0.3, 2.5), (0.0, 0.7)),  # robot, at a thing
    Holder(0.14, (0.1, 0.6), (-10.0, 20.0), 3.0, (0.5, 9.0)),  # robot, anywhere
    Holder(0.24, (0.95, 1.7), (15.0, 55.0), 4.0, (0.4, 1.6), (0.6, 1.2)),  # over a desk
    Holder(0.18, (0.1, 1.9), (-12.0, 55.0), 4.0, (0.3, 3.0), (0.03, 1.8)),  # in a hand
    Holder(0.18, (1.35, 1.8), (-3.0, 25.0), 3.0, (1.2, 9.0)),  # of somebody who walks
    Holder(0.12, (0.5, 1.9), (-30.0, 45.0), 4.0, (0.4, 9.0)),  # anywhere
)
"""Of the cameras."""


def draw_pose(rng: np.random.Generator, world: World) -> Pose:
    """
    Draw a camera's place: how deep its view is to be, who holds it, then where that is so.

    :param rng: where the randomness comes from.
    :param world: the world.
    :returns: float64 (4, 4), from the optical frame to the world.
    """
    known = _known(world)
    for _ in range(_ROUNDS):
        goal = NEAREST * (FARTHEST / NEAREST) ** (rng.random() ** known.power)
        holders = [h for h in HOLDERS if h.depths[0] <= goal <= h.depths[1]]
        shares = np.array([holder.share for holder in holders])
        holder = holders[int(rng.choice(len(holders), p=shares / shares.sum()))]
        poses = [pose for pose in _drawn(rng, known, holder) if known.free(pose[:3, 3])]
        if not poses:
            continue
        tried = np.stack(poses)
        lengths = known.cast(tried)
        middle = np.median(lengths, 1)
        open_ahead = (lengths.min(1) > _CLEARANCE) & np.isfinite(middle)  # not all sky
        if open_ahead.any():
            seen = np.where(open_ahead, middle, 1.0)
            order = np.where(open_ahead, np.abs(np.log(seen / goal)), np.inf)
            return np.asarray(tried[int(order.argmin())])
    return world.random_pose(rng, height=(0.3, 1.8), tilt=(-15.0, 30.0), roll=8.0)


class _Known:
    """
    What is worked out once for all views of a world, so that trying places is quick.

    :param world: the world, as it is at time 0.
    """

    def __init__(self, world: World) -> None:
        self.room = world.room
        # far views are only to be had in large rooms: there, they make up for small ones
        self.power = _LARGE_POWER if math.hypot(*world.room.size[:2]) > _LARGE else 1.0
        self._shapes = [solid.shape for solid in world.scene.solids]
        corners = [shape.corners() for shape in self._shapes]
        spans = np.array([(c.min(1), c.max(1)) for c in corners]).reshape(-1, 2, 3)
        self._low, self._high = spans[:, 0], spans[:, 1]
        self._middles = (self._low + self._high) / 2
        # a little more, for what rounding does
        self._radii = np.linalg.norm(self._high - self._low, axis=1) / 2 + 1e-3
        obstacle = np.array([solid.obstacle for solid in world.scene.solids], bool)
        self.things: NDArray[np.float64] = spans[obstacle]

    def free(self, place: NDArray[np.float64]) -> bool:
        """Return whether nothing is within the clearance of a place."""
        size = np.array(self.room.size)
        low, high = np.array([-size[0] / 2, -size[1] / 2, 0]), size / (2, 2, 1)
        if (place < low + _CLEARANCE).any() or (place > high - _CLEARANCE).any():
            return False
        near = (place > self._low - _CLEARANCE) & (place < self._high + _CLEARANCE)
        return all(
            float(self._shapes[n].distance(place)) > _CLEARANCE
            for n in np.flatnonzero(near.all(1))
        )

    def cast(self, poses: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the z-depths along some rays of cameras (n, rays) (m)."""
        count = len(_AHEAD)
        rays = np.einsum('nij,kj->nki', poses[:, :3, :3], _AHEAD).reshape(-1, 3)
        start = np.repeat(poses[:, :3, 3], count, 0)
        nearest, _ = self.room.intersect(start.T, rays.T)
        # of each solid's sphere, where the ray comes nearest to its middle
        squared = (rays**2).sum(1)[:, None]
        along = (rays @ self._middles.T - (rays * start).sum(1)[:, None]) / squared
        gaps = (self._middles[None] - start[:, None]) - along[..., None] * rays[:, None]
        meets = (gaps**2).sum(2) < self._radii**2
        for n in np.flatnonzero(meets.any(0)):
            found = meets[:, n]
            t, _ = self._shapes[n].intersect(start[found].T, rays[found].T)
            nearest[found] = np.minimum(nearest[found], t)
        return np.asarray(nearest.reshape(-1, count))


@functools.lru_cache(maxsize=1)
def _known(world: World) -> _Known:
    return _Known(world)


def _drawn(rng: np.random.Generator, known: _Known, holder: Holder) -> list[Pose]:
    """Draw places that a holder may have, without asking what is there."""
    size, things = known.room.size, known.things
    if holder.targets is not None:
        middle = things[:, :, 2].mean(1)
        things = things[(middle > holder.targets[0]) & (middle < holder.targets[1])]
        if not len(things):
            return []
    found: list[Pose] = []
    for _ in range(4 * _TRIED):
        if len(found) == _TRIED:
            break
        yaw, tilt = rng.uniform(-math.pi, math.pi), math.radians(rng.uniform(*holder.tilts))
        if holder.targets is None:
            place = np.array([
                rng.uniform(-0.5, 0.5) * (size[0] - 0.5), rng.uniform(-0.5, 0.5) * (size[1] - 0.5),
                rng.uniform(*holder.heights),
            ])
        else:
            low, high = things[int(rng.integers(len(things)))]
            reach = math.log(holder.depths[0]), math.log(holder.depths[1])
            place = rng.uniform(low, high) - math.exp(rng.uniform(*reach)) * np.array([
                math.cos(yaw) * math.cos(tilt), math.sin(yaw) * math.cos(tilt), -math.sin(tilt)
            ])
            yaw += math.radians(rng.normal(0, 9))
            tilt += math.radians(rng.normal(0, 7))
        roll = math.radians(np.clip(rng.normal(0, holder.roll), -10, 10))
        if holder.heights[0] < place[2] < holder.heights[1]:
            at = (float(place[0]), float(place[1]), float(place[2]))
            found.append(camera_pose(at, float(yaw), float(tilt), float(roll)))
    return found
