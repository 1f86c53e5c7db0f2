"""
The embedded network's frames: many synthetic rooms, seen by many cameras.

They are rendered once and kept in a folder as plain arrays, because a frame is used in several
epochs. What is kept is light, not pictures: every time a frame is used, another camera takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
import contextlib
from dataclasses import dataclass
import functools
import itertools
import json
import multiprocessing
from pathlib import Path
from typing import Any
import warnings

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.errors import DataError
from depth_node.image.size import Size
from depth_node.process import die_with_parent
from depth_node.training.embedded.views import draw_pose
from depth_node.world import Pose, World
from depth_node.world.homes import furnish_home

SIZE = Size(256, 192)
"""Of the network; both multiples of 32, 4:3."""
FIRST_TRAINING_SEED = 1_000_000
"""Worlds with a smaller seed are never trained on: tests, benchmarks and the demo use those."""
FIRST_VALIDATION_SEED = 900_000
POSES = 25
"""Frames of one world: making one takes as long as twenty views of it."""
_ON_PATH, _DRIVE = 0.5, 60.0  # share of a drive's frames that are on the path; its length (s)
_ROBOTS = 0.15, 1.5  # heights of the cameras of robots (m)
_HOMES = 0.75  # share of the worlds that are lived in
_FLAT, _SPARED = 1.4, 0.25  # depths that differ less are a bare wall; how many of those stay
_THIN = 16  # every so many rows and columns show what a frame's median depth is
_NEAREST = 0.5  # frames nearer than this are drawn as often as those (canonical depth)
_FOCAL = 300.0  # of a canonical depth, see OutputKind
WHITEST = 4.0
"""The most light that can be kept; 1 is white paper in good light."""
Place = Callable[[np.random.Generator, World], Pose]
"""Draws where a camera is."""


@dataclass(frozen=True)
class Frames:
    """
    Frames ready for training; the arrays may be mapped from disk.

    :param images: uint8 (N, H, W, 3) rgb light at network size, see :func:`stored`.
    :param depths: float16 (N, H, W) canonical depth: metres times 300 over the focal length at
        network size; not finite where there is nothing to see.
    """

    images: NDArray[np.uint8]
    depths: NDArray[np.float16]

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.images)

    def halved(self) -> Frames:
        """
        Shrink every frame to half its size, in memory.

        :returns: the small frames; canonical depths double, as half as long a lens makes them.
        """
        count, height, width = self.depths.shape
        images = np.empty((count, height // 2, width // 2, 3), np.uint8)
        for image, small in zip(self.images, images, strict=True):
            cv2.resize(image, (width // 2, height // 2), small, interpolation=cv2.INTER_AREA)
        return Frames(images, 2 * self.depths[:, ::2, ::2])

    @classmethod
    def opened(cls, folder: Path) -> Frames:
        """
        Open what :func:`rendered` left in a folder.

        :param folder: of finished frames.
        :returns: the frames, mapped from disk.
        """
        images, depths = (
            np.load(folder / f'{name}.npy', mmap_mode='r') for name in ('images', 'depths')
        )
        return cls(images, depths)

    def chances(self, nearness: float) -> NDArray[np.float64]:
        """
        Return how likely each frame is to be drawn.

        :param nearness: chances fall with this power of the frame's median depth; 0: all equal.
        :returns: (N,), adding up to 1; 0 for frames without any depth.
        """
        some = self.depths[:, _THIN // 4::_THIN, _THIN // 4::_THIN].reshape(len(self), -1)
        known = np.where(np.isfinite(some), some, np.nan).astype(np.float32)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', RuntimeWarning)  # a frame may show nothing but sky
            medians = np.nanmedian(known, 1).astype(np.float64)
        seen = np.isfinite(medians)
        weights = np.where(seen, np.maximum(medians, _NEAREST) ** -nearness, 0.0)
        return np.asarray(weights / weights.sum())


def stored(radiance: NDArray[np.float32]) -> NDArray[np.uint8]:
    """
    Pack light into bytes; windows may be four times as bright as white paper.

    :param radiance: float32 (H, W, 3), linear.
    :returns: uint8 (H, W, 3), 255 times the square root of a quarter of it.
    """
    packed: NDArray[np.uint8] = cv2.convertScaleAbs(
        np.sqrt(np.clip(radiance, 0, WHITEST) / np.float32(WHITEST)), alpha=255
    )
    return packed


def driven(seed: int) -> bool:
    """
    Return whether a world of the training frames is seen by robots that drive.

    :param seed: of the world.
    :returns: whether it is: four of every sixteen, which are plain rooms.
    """
    return seed >= FIRST_TRAINING_SEED and (seed - FIRST_TRAINING_SEED) % 16 >= 12


def lived_in(seed: int) -> bool:
    """
    Return what a world of the training frames is.

    :param seed: of the world.
    :returns: whether it is lived in; otherwise it is a plain room.
    """
    return not driven(seed) and _lived_in(np.random.default_rng(seed))


def _lived_in(rng: np.random.Generator) -> bool:
    return bool(rng.random() < _HOMES)


def draw_world(rng: np.random.Generator, seed: int) -> World:
    """
    Draw a world: three in four are lived-in rooms, the rest, and all driven ones, plain ones.

    :param rng: where the randomness comes from.
    :param seed: of the world.
    :returns: the world.
    """
    if not driven(seed) and _lived_in(rng):
        return World(seed, scene=furnish_home(seed))
    return World(
        seed,
        movers=int(rng.integers(0, 2)),
        windows=int(rng.choice([0, 0, 0, 1, 2])),
        roof=bool(rng.random() > 0.08),
    )


def drive_pose(rng: np.random.Generator, world: World) -> Pose:
    """
    Draw a place of a robot that drives: on the world's path, or anywhere on the floor.

    :param rng: where the randomness comes from.
    :param world: the world.
    :returns: float64 (4, 4), from the optical frame to the world.
    """
    if rng.random() < _ON_PATH:
        return world.pose(float(rng.uniform(0, _DRIVE)))
    return world.random_pose(rng, height=_ROBOTS)


def draw_frame(
    rng: np.random.Generator, world: World, place: Place = draw_pose
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """
    Draw a camera in a world and look through it.

    A third of the cameras are finer than the network, so that it also knows pictures that were
    resized.

    :param rng: where the randomness comes from.
    :param world: the world.
    :param place: draws where the camera is.
    :returns: rgb light float32 (H, W, 3) at network size, linear, and canonical depth float32
        (H, W).
    """
    hfov = float(np.clip(rng.normal(64.0, 14.0), 44.0, 112.0))
    size = Size(384, 288) if rng.random() < 1 / 3 else SIZE
    camera = Camera.from_hfov(*size, hfov)
    while True:
        pose = place(rng, world)
        radiance, depth = world.radiance(camera, pose, time=float(rng.uniform(0, 20)))
        near, far = np.percentile(depth[::8, ::8], (5, 95), method='nearest')
        if far > _FLAT * near or rng.random() < _SPARED:
            break
    if size != SIZE:
        radiance = cv2.resize(radiance, SIZE, interpolation=cv2.INTER_LINEAR)
        depth = cv2.resize(depth, SIZE, interpolation=cv2.INTER_NEAREST_EXACT)
    return radiance, depth * np.float32(_FOCAL / Camera.from_hfov(*SIZE, hfov).fx)


def _draw_worlds(
    seeds: range, poses: int
) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    images: list[NDArray[Any]] = []
    depths: list[NDArray[Any]] = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        world = draw_world(rng, seed)
        for _ in range(poses):
            radiance, depth = draw_frame(rng, world, drive_pose if driven(seed) else draw_pose)
            images.append(stored(radiance))
            depths.append(depth.astype(np.float16))
    return np.stack(images), np.stack(depths)


def prepare_worker() -> None:
    """Leave the other cores to the other workers, and do not outlive who started this one."""
    cv2.setNumThreads(1)
    die_with_parent()


@contextlib.contextmanager
def _workers(processes: int) -> Iterator[Callable[..., Iterable[Any]]]:
    """Give what calls a function for each of some values: in this process if one is enough."""
    if processes == 1:
        yield map
        return
    # forking a process that has threads, as torch has, may hang
    spawn = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(processes, spawn, initializer=prepare_worker) as pool:
        yield pool.map


def rendered(
    folder: Path, count: int, first_seed: int, processes: int = 2, poses: int = POSES
) -> Frames:
    """
    Render frames, or open them where they were rendered before.

    :param folder: where they are kept; made when it is not there.
    :param count: how many, a multiple of `poses`.
    :param first_seed: of the worlds.
    :param processes: how many to render with.
    :param poses: frames of one world.
    :returns: the frames, mapped from disk.
    :raises DataError: the folder holds other frames.
    """
    what = {'count': count, 'first_seed': first_seed, 'poses': poses, 'size': list(SIZE)}
    done = folder / 'frames.json'
    paths = folder / 'images.npy', folder / 'depths.npy'
    if done.is_file():
        if json.loads(done.read_text(encoding='utf-8')) != what:
            raise DataError(f'{folder} holds other frames than {what}.', 'Give another folder.')
    else:
        folder.mkdir(parents=True, exist_ok=True)
        shape = (count, SIZE.height, SIZE.width)
        images = np.lib.format.open_memmap(paths[0], 'w+', np.uint8, (*shape, 3))
        depths = np.lib.format.open_memmap(paths[1], 'w+', np.float16, shape)
        step = 2  # worlds that a process draws at a time
        last = first_seed + count // poses
        parts = [range(s, min(s + step, last)) for s in range(first_seed, last, step)]
        draw = functools.partial(_draw_worlds, poses=poses)
        filled = itertools.count(0, step * poses)
        with _workers(processes) as run:
            for start, (some, their) in zip(filled, run(draw, parts), strict=False):
                images[start:start + len(some)] = some
                depths[start:start + len(some)] = their
        images.flush()
        depths.flush()
        done.write_text(json.dumps(what), encoding='utf-8')
    return Frames.opened(folder)
