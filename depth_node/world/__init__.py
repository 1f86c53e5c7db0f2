"""
The synthetic world: a furnished room, a camera that drives through it, and its exact depth.

It is the camera of the demo, the ground truth of the tests and the training set of the embedded
network, which must be trained again after a change of its appearance.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from typing import Any
import zlib

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.errors import DataError
from depth_node.world.furnish import furnish
from depth_node.world.homes import furnish_home
from depth_node.world.lighting import light_up
from depth_node.world.path import camera_pose, Path, Pose, shifted
from depth_node.world.render import render, tabulate
from depth_node.world.room import Room
from depth_node.world.scene import Motion, Scene, Solid
from depth_node.world.shapes import Ellipsoid, Shape
from depth_node.world.solids import Box, Cylinder

__all__ = [
    'Box',
    'Cylinder',
    'Ellipsoid',
    'Motion',
    'Pose',
    'Room',
    'Scene',
    'Solid',
    'Style',
    'World',
    'camera_pose',
    'shifted',
]


_GAMMA = 2.2  # of a screen
_PATIENCE = 50  # places to try before a smaller clearance will do
_EXPOSURE = 1.1  # of a home, whose mean light is 1


class Style(str, enum.Enum):
    """The style of the rooms."""

    PLAIN = 'plain'
    """Boxes and cylinders with loud patterns of fixed size, in the light of lamps."""
    HOME = 'home'
    """Lived-in rooms with soft shadows; see :mod:`depth_node.world.homes`."""


class World:
    """
    A deterministic indoor scene. World frame: x forward, y left, z up, floor at z = 0, metres.

    :param seed: determines the room, its objects, colors and lights.
    :param camera_height: height of the path's camera above the floor (m).
    :param tilt: angle by which that camera looks down (degrees).
    :param speed: its mean speed (m/s); 0: it stands still.
    :param pause: interval at which it stops (s); 0: never.
    :param obstacles: number of pieces of furniture to try to place; None: 6 to 14.
    :param movers: number of objects that move back and forth.
    :param windows: number of holes in the walls with sky behind them (depth +Inf).
    :param roof: False: sky instead of a ceiling.
    :param scene: a custom scene instead of that of the seed.
    :param style: style of the seed's scene; a home supports no other options.
    :raises DataError: the camera height is outside the room.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        camera_height: float = 0.6,
        tilt: float = 5.0,
        speed: float = 0.6,
        pause: float = 0.0,
        obstacles: int | None = None,
        movers: int = 0,
        windows: int = 0,
        roof: bool = True,
        scene: Scene | None = None,
        style: Style = Style.PLAIN,
    ) -> None:
        self.seed, self.style = seed, style
        if scene is None and style is Style.HOME:
            scene = furnish_home(seed, tour=True)
        self.scene = scene or furnish(
            seed, obstacles=obstacles, movers=movers, windows=windows, roof=roof
        )
        if not 0 < camera_height < self.scene.room.size[2]:
            raise DataError(
                f'The camera height is {camera_height:g} m, expected less than that of the room, '
                f'{self.scene.room.size[2]:.2f} m.'
            )
        self._tables = tabulate(self.scene)
        if self.scene.panels:
            self._tables = dataclasses.replace(self._tables, lightmap=light_up(self.scene))
        self.path = Path(
            self.scene.track, camera_height, math.radians(tilt), speed, pause,
            sway=0.35, start=0.61803 * seed % 1 * 2 * math.pi,
        )

    @property
    def room(self) -> Room:
        """The walls, with their size (m)."""
        return self.scene.room

    @property
    def obstacles(self) -> tuple[Shape, ...]:
        """The objects in the room at time 0: shapes with their exact geometry."""
        return tuple(solid.shape for solid in self.scene.solids if solid.obstacle)

    def pose(self, time: float) -> Pose:
        """
        Return the pose of the camera on the path.

        :param time: since the start (s).
        :returns: float64 (4, 4), from the optical frame (x right, y down, z forward) to the
            world.
        """
        return self.path.pose(time)

    def random_pose(
        self, rng: np.random.Generator, *, height: tuple[float, float] = (0.3, 1.5),
        tilt: tuple[float, float] = (-5.0, 20.0), roll: float = 2.0, clearance: float = 0.35,
    ) -> Pose:
        """
        Return a random pose from which the room is visible, for training.

        :param rng: random generator.
        :param height: minimum and maximum height of the camera (m).
        :param tilt: minimum and maximum angle by which it looks down (degrees).
        :param roll: maximum rotation about the viewing direction (degrees).
        :param clearance: least distance to anything, and depth straight ahead (m); less in a
            room that is too full for it.
        :returns: float64 (4, 4), from the optical frame to the world.
        """
        size = self.room.size
        tries = 0
        while True:
            tries += 1
            if tries % _PATIENCE == 0:
                clearance *= 0.9
            x, y = (float(rng.uniform(-0.5, 0.5) * (s - 2 * clearance)) for s in size[:2])
            place = (x, y, float(rng.uniform(height[0], min(height[1], size[2] - clearance))))
            pose = camera_pose(
                place, float(rng.uniform(0, 2 * math.pi)), math.radians(rng.uniform(*tilt)),
                math.radians(rng.uniform(-roll, roll)),
            )
            free = self.distance(np.array(place))
            if free > clearance and self.cast(place, pose[:3, 2]) > 2 * clearance:
                return pose

    def render(
        self, camera: Camera, pose: Pose, *, time: float = 0.0, noise: float = 0.0,
        brightness: float = 1.0,
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """
        Render the image and depth of a camera.

        :param camera: any intrinsics and distortion.
        :param pose: (4, 4), from the optical frame to the world.
        :param time: time, for moving objects (s).
        :param noise: standard deviation of the sensor noise (8-bit steps); the same for the same
            world, pose and time.
        :param brightness: factor on the light.
        :returns: rgb uint8 (H, W, 3) and exact z-depth float32 (H, W) in metres; +Inf for sky,
            NaN where the camera has no ray.
        """
        light, depth = render(self.scene, self._tables, camera, pose, time=time)
        if self._tables.lightmap is not None:
            # bright places keep their shades, as on film
            light = 1 - cv2.exp(np.float32(-_EXPOSURE) * np.maximum(light, 0, out=light))
            light = cv2.pow(light, 1 / _GAMMA) * np.float32(255)
        # a lens is never sharper than this
        light = cv2.GaussianBlur(light, (3, 3), 0.5)
        if brightness != 1:
            light *= np.float32(brightness)
        if noise:
            where = zlib.crc32(np.float64(pose).tobytes() + np.float64(time).tobytes())
            rng = np.random.default_rng((self.seed, where))
            light += np.float32(noise) * rng.standard_normal(light.shape, np.float32)
        picture: NDArray[np.uint8] = cv2.convertScaleAbs(np.maximum(light, 0, out=light))
        return picture, depth

    def radiance(
        self, camera: Camera, pose: Pose, *, time: float = 0.0
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """
        Return the light on each pixel of a camera.

        :param camera: any intrinsics and distortion.
        :param pose: (4, 4), from the optical frame to the world.
        :param time: time, for moving objects (s).
        :returns: rgb float32 (H, W, 3), linear, 1 for white paper in good light, and z-depth
            float32 (H, W) as in :meth:`render`.
        """
        light, depth = render(self.scene, self._tables, camera, pose, time=time)
        if self._tables.lightmap is None:
            light = cv2.pow(np.maximum(light, 0) / 255, _GAMMA)
        return light, depth

    def cast(self, origins: Any, directions: Any, *, time: float = 0.0) -> NDArray[np.float64]:
        """
        Return the distance along rays, as of a lidar or range sensor.

        :param origins: (3,) or (..., 3) inside the room (m).
        :param directions: (..., 3), of any length.
        :param time: time, for moving objects (s).
        :returns: (...,) length of each ray to the first surface (m), +Inf into the sky.
        """
        start, ahead = np.broadcast_arrays(
            np.asarray(origins, np.float64), np.asarray(directions, np.float64)
        )
        rays = ahead.reshape(-1, 3).T / np.linalg.norm(ahead.reshape(-1, 3), axis=1)
        begin = start.reshape(-1, 3).T
        nearest, _ = self.room.intersect(begin, rays)
        for solid in self.scene.solids:
            nearest = np.minimum(nearest, solid.at(time).intersect(begin, rays)[0])
        return nearest.reshape(ahead.shape[:-1])

    def distance(self, points: Any, *, time: float = 0.0) -> NDArray[np.float64]:
        """
        Return the distance of points from the nearest surface.

        :param points: (..., 3) in the world (m).
        :param time: time, for moving objects (s).
        :returns: (...,) distance (m), negative inside a solid or outside the room.
        """
        where = np.moveaxis(np.asarray(points, np.float64), -1, 0)
        size = self.room.size
        gap = np.minimum(size[0] / 2 - abs(where[0]), size[1] / 2 - abs(where[1]))
        gap = np.minimum(gap, np.minimum(where[2], size[2] - where[2]))
        for solid in self.scene.solids:
            gap = np.minimum(gap, solid.at(time).distance(where))
        return np.asarray(gap)
