"""The synthetic world as a source: drives, and random views with depth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from depth_node.camera import Camera
from depth_node.errors import DataError
from depth_node.image.size import Size
from depth_node.sources.frame import Frame, nanoseconds
from depth_node.world import shifted, World


@dataclass(frozen=True)
class SyntheticDrive:
    """
    A drive through one room.

    :param seed: of the room.
    :param seconds: duration (s).
    :param start: start time (s).
    :param fps: frames per second.
    :param hfov: horizontal field of view (degrees).
    :param height: of the camera (m).
    :param tilt: angle by which the camera looks down (degrees).
    :param speed: of the camera (m/s).
    :param noise: standard deviation of the sensor noise (8-bit steps).
    :param stereo: distance of a second camera to the right (m); 0: none.
    """

    seed: int = 0
    seconds: float = 60.0
    start: float = 0.0
    fps: float = 10.0
    hfov: float = 70.0
    height: float = 0.6
    tilt: float = 5.0
    speed: float = 0.6
    noise: float = 1.0
    stereo: float = 0.0

    def frames(self, size: Size) -> Iterator[Frame]:
        """
        Render the drive.

        :param size: of the frames (pixels).
        :returns: frames with depth and poses.
        """
        world = World(
            self.seed, camera_height=self.height, tilt=self.tilt, speed=self.speed
        )
        camera = Camera.from_hfov(size.width, size.height, self.hfov)
        for index in range(round(self.seconds * self.fps)):
            time = self.start + index / self.fps
            pose = world.pose(time)
            image, depth = world.render(camera, pose, time=time, noise=self.noise)
            partner = None
            if self.stereo:
                right = shifted(pose, self.stereo)
                partner, _ = world.render(camera, right, time=time, noise=self.noise)
            yield Frame(
                image, nanoseconds(time), camera, depth=_finite(depth), pose=pose, stereo=partner,
                baseline=self.stereo,
            )


@dataclass(frozen=True)
class Scenes:
    """
    Random views of many rooms, each with its own camera.

    :param seed: seed of the first room; the others follow.
    :param rooms: number of rooms.
    :param views: number of views in each room.
    :param hfov_min: smallest horizontal field of view (degrees).
    :param hfov_max: largest (degrees).
    :param height_min: lowest camera (m).
    :param height_max: highest camera (m).
    :param noise: largest standard deviation of the sensor noise (8-bit steps).
    :param light: largest relative change of the light, up or down.
    """

    seed: int = 1000
    rooms: int = 100
    views: int = 20
    hfov_min: float = 50.0
    hfov_max: float = 90.0
    height_min: float = 0.3
    height_max: float = 1.5
    noise: float = 3.0
    light: float = 0.3

    def frames(self, size: Size) -> Iterator[Frame]:
        """
        Render the views.

        :param size: of the frames (pixels).
        :returns: frames with depth.
        """
        if self.hfov_min > self.hfov_max or self.height_min > self.height_max:
            raise DataError('scenes: a minimum is larger than its maximum.')
        for room in range(self.seed, self.seed + self.rooms):
            world = World(room)
            rng = np.random.default_rng([room, 7])
            for _ in range(self.views):
                hfov = rng.uniform(self.hfov_min, self.hfov_max)
                camera = Camera.from_hfov(size.width, size.height, hfov)
                pose = world.random_pose(rng, height=(self.height_min, self.height_max))
                image, depth = world.render(
                    camera,
                    pose,
                    noise=rng.uniform(0, self.noise),
                    brightness=1 + rng.uniform(-self.light, self.light),
                )
                yield Frame(image, None, camera, depth=_finite(depth))


def _finite(depth: np.typing.NDArray[np.float32]) -> np.typing.NDArray[np.float32]:
    """Return depth with NaN for sky."""
    depth[np.isinf(depth)] = np.nan
    return depth
