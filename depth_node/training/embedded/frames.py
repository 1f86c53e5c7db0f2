"""
The embedded network's frames: many synthetic rooms, seen by many cameras.

They are rendered once and kept in a folder as plain arrays, because a frame is used in several
epochs and rendering it costs about as much as three steps of training on it.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
import itertools
import json
import multiprocessing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.errors import DataError
from depth_node.image.size import Size
from depth_node.world import World

SIZE = Size(256, 192)
"""Of the network; both multiples of 32, 4:3."""
FIRST_TRAINING_SEED = 1_000_000
"""Worlds with a smaller seed are never trained on: tests, benchmarks and the demo use those."""
FIRST_VALIDATION_SEED = 900_000
POSES = 4  # frames of one world
_FOCAL = 300.0  # of a canonical depth, see OutputKind


@dataclass(frozen=True)
class Frames:
    """
    Frames ready for training; the arrays may be mapped from disk.

    :param images: uint8 (N, H, W, 3) rgb at network size.
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


def draw_world(rng: np.random.Generator, seed: int) -> World:
    """
    Draw a room; some have windows, a few no ceiling.

    :param rng: where the randomness comes from.
    :param seed: of the world.
    :returns: the world.
    """
    return World(
        seed,
        movers=int(rng.integers(0, 2)),
        windows=int(rng.choice([0, 0, 0, 1, 2])),
        roof=bool(rng.random() > 0.08),
    )


def draw_frame(
    rng: np.random.Generator, world: World
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """
    Draw a camera in a world and look through it, as the node would.

    A third of the cameras are VGA, so that the network also knows pictures that were resized.
    The ranges are a little wider than what the network is meant for.

    :param rng: where the randomness comes from.
    :param world: the world.
    :returns: rgb uint8 (H, W, 3) at network size and canonical depth float32 (H, W).
    """
    pose = world.random_pose(
        rng, height=(0.25, 1.55), tilt=(-10.0, 25.0), roll=3.0, clearance=0.3
    )
    hfov = float(rng.uniform(46.0, 94.0))
    size = Size(640, 480) if rng.random() < 1 / 3 else SIZE
    image, depth = world.render(
        Camera.from_hfov(*size, hfov), pose,
        time=float(rng.uniform(0, 20)),
        noise=float(rng.uniform(0, 6)),
        brightness=float(rng.uniform(0.65, 1.3)),
    )
    if size != SIZE:
        image = cv2.resize(image, SIZE, interpolation=cv2.INTER_LINEAR)
        depth = cv2.resize(depth, SIZE, interpolation=cv2.INTER_NEAREST_EXACT)
    return image, depth * np.float32(_FOCAL / Camera.from_hfov(*SIZE, hfov).fx)


def _draw_worlds(seeds: range) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    cv2.setNumThreads(1)
    images: list[NDArray[Any]] = []
    depths: list[NDArray[Any]] = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        world = draw_world(rng, seed)
        for _ in range(POSES):
            image, depth = draw_frame(rng, world)
            images.append(image)
            depths.append(depth.astype(np.float16))
    return np.stack(images), np.stack(depths)


def rendered(folder: Path, count: int, first_seed: int, processes: int = 2) -> Frames:
    """
    Render frames, or open them where they were rendered before.

    :param folder: where they are kept; made when it is not there.
    :param count: how many, a multiple of :data:`POSES`.
    :param first_seed: of the worlds.
    :param processes: how many to render with.
    :returns: the frames, mapped from disk.
    :raises DataError: the folder holds other frames.
    """
    what = {'count': count, 'first_seed': first_seed, 'size': list(SIZE)}
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
        step = 8
        last = first_seed + count // POSES
        parts = [range(s, min(s + step, last)) for s in range(first_seed, last, step)]
        # forking a process that has threads, as torch has, may hang
        spawn = multiprocessing.get_context('spawn')
        with ProcessPoolExecutor(processes, mp_context=spawn) as pool:
            filled = itertools.count(0, step * POSES)
            for start, (some, their) in zip(filled, pool.map(_draw_worlds, parts), strict=False):
                images[start:start + len(some)] = some
                depths[start:start + len(some)] = their
        images.flush()
        depths.flush()
        done.write_text(json.dumps(what), encoding='utf-8')
    return Frames(np.load(paths[0], mmap_mode='r'), np.load(paths[1], mmap_mode='r'))
