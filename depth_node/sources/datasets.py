"""
Data sets with ground truth, in the folder layouts of their authors: one table of them.

Depth is z-depth in metres, NaN where nothing was measured. Poses are camera to world.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
import math
from pathlib import Path

import numpy as np

from depth_node.camera import Camera
from depth_node.errors import DataError
from depth_node.files import local_path
from depth_node.sources.dataset import Dataset, stems_in
from depth_node.sources.frame import Frame
from depth_node.sources.kitti import kitti_object
from depth_node.sources.rgbd import rgbd
from depth_node.world import World

_SEED_DIGITS = 18
_MOST_WORLDS = 10_000


def room_sets(folder: Path, *, depth_scale: float = 1000.0) -> dict[str, Dataset]:
    """
    Open several sets of RGB-D frames.

    :param folder: folder with one folder for each set: color, depth and camera.yaml.
    :param depth_scale: stored units per metre, for integer files; 0 is unknown.
    :returns: the sets by name.
    :raises DataError: no set, or one that cannot be read.
    """
    if not folder.is_dir():
        raise DataError(f'{folder}: no such folder.')
    found = sorted(path.parent for path in folder.glob('*/camera.yaml'))
    if not found:
        raise DataError(f'{folder}: no folder in it holds a camera.yaml.')
    return {
        part.name: rgbd(
            part, Camera.from_yaml(part / 'camera.yaml'), depth_scale=depth_scale,
        )
        for part in found
    }


def synthetic(
    seeds: Sequence[int], views: int = 10, *, size: tuple[int, int] = (320, 240),
    hfov: tuple[float, float] = (50.0, 90.0), height: tuple[float, float] = (0.3, 1.5),
) -> Dataset:
    """
    Open views of synthetic worlds from random poses, with exact depth.

    :param seeds: seeds of the worlds.
    :param views: number of views of each world.
    :param size: width and height (pixels).
    :param hfov: smallest and largest field of view, random for each view (deg).
    :param height: smallest and largest height of the camera (m).
    :returns: the frames, which depend only on the seeds.
    """
    def read(name: str) -> Frame:
        seed, number = (int(part) for part in name.split('_'))
        world, rng = World(seed), np.random.default_rng((seed, number))
        camera = Camera.from_hfov(*size, float(rng.uniform(*hfov)))
        pose = world.random_pose(rng, height=height)
        rgb, depth = world.render(camera, pose)
        return Frame(rgb, None, camera, name, depth, pose)

    return Dataset(tuple(f'{s}_{n}' for s in seeds for n in range(views)), read)


def prediction_pairs(folder: Path) -> list[tuple[str, Path, Path]]:
    """
    Match predicted with true depth: .npy files in ``predictions`` and ``truth``.

    :param folder: the folder with the two.
    :returns: name, predicted and true file of each pair; NAME_depth.npy, as written by
        `predict`, is matched with NAME.npy.
    :raises DataError: a folder is missing, or a prediction has no truth.
    """
    def files(side: str) -> dict[str, Path]:
        return {
            stem.removesuffix('_depth'): folder / side / f'{stem}.npy'
            for stem in stems_in(folder / side, ('.npy',))
        }

    predicted, truth = files('predictions'), files('truth')
    missing = sorted(predicted.keys() - truth.keys())
    if missing:
        raise DataError(f'{folder / "truth"}: has no {missing[0]}.npy ({len(missing)} missing).')
    return [(name, predicted[name], truth[name]) for name in predicted]


def seeds(text: str) -> Dataset:
    """
    Open views of worlds whose seeds a text gives.

    :param text: a seed, or a range like ``100-119``.
    :returns: ten frames of each.
    :raises DataError: neither.
    """
    first, dash, last = text.partition('-')
    last = last if dash else first
    numbers = [int(word) for word in (first, last)
               if word.isascii() and word.isdecimal() and len(word) <= _SEED_DIGITS]
    if len(numbers) != 2 or not 0 <= numbers[1] - numbers[0] < _MOST_WORLDS:
        raise DataError(
            f'{text[:60]!r} is neither a seed nor a range like 100-119 of at most '
            f'{_MOST_WORLDS} seeds.'
        )
    return synthetic(range(numbers[0], numbers[1] + 1))


@dataclass(frozen=True)
class LayoutOptions:
    """
    What a user says about a data set.

    :param camera: of the color images, where the layout has no calibration of its own.
    :param depth_scale: stored units in a metre, for depth images of whole numbers.
    """

    camera: Camera | None = None
    depth_scale: float = 1000.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not (math.isfinite(self.depth_scale) and self.depth_scale > 0):
            raise DataError(
                f'The depth scale is {self.depth_scale:g}, expected a positive number.'
            )


@dataclass(frozen=True)
class Layout:
    """
    One way of laying out a data set.

    :param contents: what is in its folder, for people.
    :param open: from what the user names to the frames; None: predictions are compared.
    :param sets: from what the user names to several data sets; None: there is one.
    :param measured: whether its depth comes from a sensor, so that a scale can be learned.
    """

    contents: str
    open: Callable[[str, LayoutOptions], Dataset] | None = None
    sets: Callable[[str, LayoutOptions], Mapping[str, Dataset]] | None = None
    measured: bool = False


LAYOUTS: Mapping[str, Layout] = {
    'kitti-object': Layout(
        'image_2, velodyne, calib', lambda where, _: kitti_object(local_path(where)),
        measured=True,
    ),
    'rgbd': Layout(
        'color, registered depth, optionally pose.txt',
        lambda where, options: rgbd(
            local_path(where), options.camera, depth_scale=options.depth_scale
        ),
        measured=True,
    ),
    'predictions': Layout(
        'folders predictions and truth of .npy files, in metres; no model is run'
    ),
    'rooms': Layout(
        'one folder for each set, laid out like rgbd, with its camera.yaml; evaluated with and '
        'without median scaling, and against two baselines',
        sets=lambda where, options: room_sets(
            local_path(where), depth_scale=options.depth_scale
        ),
    ),
    'world': Layout(
        'DIR is a seed of the synthetic world or a range like 100-119, ten views each',
        lambda where, _: seeds(where),
    ),
}
"""Every layout by its name on the command line: to add one is to add a row."""
