"""
The frames that there are, while more are still being made.

Frames are kept in shards, folders of a hundred each, so that training can begin with the first of
them and takes in the others as they come.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import as_completed, ProcessPoolExecutor
import json
import multiprocessing
from multiprocessing.synchronize import Event
from pathlib import Path
import warnings

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from depth_node.errors import DataError
from depth_node.process import die_with_parent
from depth_node.training.embedded.frames import (
    FIRST_TRAINING_SEED,
    Frames,
    POSES,
    prepare_worker,
    rendered,
)

WORLDS = 4
"""Worlds in a shard."""
_MARK = 'frames.json'  # stands in a finished shard
CPU = torch.device('cpu')


class Pool:
    """
    Shards to draw from, all equally likely; in each the near frames are more likely.

    On the CPU frames stay where they are, on disk perhaps; a GPU gets them into its memory as long
    as half of that stays free for learning.

    :param shards: the frames.
    :param nearness: see :meth:`Frames.chances`.
    :param device: where batches are wanted.
    """

    def __init__(
        self, shards: Iterable[Frames] = (), nearness: float = 0.0, device: torch.device = CPU
    ) -> None:
        self.device = device
        self._images: list[Tensor] = []
        self._depths: list[Tensor] = []
        self._chances: list[NDArray[np.float64]] = []
        self._sums = np.zeros(0)
        self._firsts = np.zeros(1, np.intp)
        self._nearness = nearness
        for shard in shards:
            self.add(shard)

    def __len__(self) -> int:
        """Return the number of frames."""
        return int(self._firsts[-1])

    def add(self, shard: Frames) -> None:
        """
        Add a shard.

        :param shard: its frames; they may be mapped from disk.
        """
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', UserWarning)  # what is mapped is read only
            images, depths = torch.from_numpy(shard.images), torch.from_numpy(shard.depths)
        if self._holds(images.nbytes + depths.nbytes):
            images, depths = images.to(self.device), depths.to(self.device)
        self._images.append(images)
        self._depths.append(depths)
        self._chances.append(shard.chances(self._nearness))
        self._sums = np.cumsum(np.concatenate(self._chances))
        self._firsts = np.append(self._firsts, self._firsts[-1] + len(shard))

    def _holds(self, size: int) -> bool:
        """Return whether some bytes more are to be kept in the memory of a GPU."""
        if self.device.type != 'cuda':
            return False
        free, total = torch.cuda.mem_get_info(self.device)
        return free - size > total / 2

    def look(self) -> None:
        """Take in what has been finished since the last look; here nothing is."""

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Tensor, Tensor]:
        """
        Draw frames.

        :param rng: where the randomness comes from.
        :param count: how many.
        :returns: light, uint8 (count, H, W, 3), and canonical depth, float16 (count, H, W), on the
            device.
        """
        at = np.searchsorted(self._sums, rng.random(count) * self._sums[-1], side='right')
        at = np.minimum(at, len(self) - 1)
        shards = np.searchsorted(self._firsts, at, side='right') - 1
        within = at - self._firsts[shards]
        pairs = list(zip(shards.tolist(), within.tolist(), strict=True))
        return (
            torch.stack([self._images[shard][index].to(self.device) for shard, index in pairs]),
            torch.stack([self._depths[shard][index].to(self.device) for shard, index in pairs]),
        )


class Growing(Pool):
    """
    The finished shards in a folder; those that are finished later are taken in, too.

    :param folder: holds a folder for each shard.
    :param nearness: see :meth:`Frames.chances`.
    :param device: where batches are wanted.
    :raises DataError: there is none yet.
    """

    def __init__(self, folder: Path, nearness: float, device: torch.device = CPU) -> None:
        super().__init__(nearness=nearness, device=device)
        self._folder = folder
        self._known: set[Path] = set()
        self.look()
        if not self._known:
            raise DataError(f'{folder} holds no finished shard.', 'Render one first.')

    def look(self) -> None:
        """Take in what has been finished since the last look."""
        for shard in finished(self._folder):
            if shard not in self._known:
                self._known.add(shard)
                self.add(Frames.opened(shard))


def finished(folder: Path) -> list[Path]:
    """
    Find the shards that are finished.

    :param folder: holds a folder for each.
    :returns: their folders.
    """
    return sorted(mark.parent for mark in folder.glob(f'*/{_MARK}'))


def first_seed(shard: Path) -> int:
    """
    Return the seed of a shard's first world; the others follow it.

    :param shard: its folder.
    :returns: the seed.
    """
    mark = json.loads((shard / _MARK).read_text(encoding='utf-8'))
    return int(mark['first_seed'])


def render_shards(
    folder: Path, numbers: range, processes: int, stop: Event | None = None
) -> None:
    """
    Render shards that are not there yet, one in each process at a time.

    :param folder: gets a folder for each.
    :param numbers: which; a number always gives the same frames.
    :param processes: how many to render with.
    :param stop: no other shard is begun once this is set.
    """
    # forking a process that has threads, as torch has, may hang
    spawn = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(processes, spawn, initializer=prepare_worker) as pool:
        futures = [pool.submit(_render_shard, folder, WORLDS, number) for number in numbers]
        failed: BaseException | None = None
        for future in as_completed(futures):
            # what is wrong with one world must not end a run that renders while it trains
            failed = failed or future.exception()
            if stop is not None and stop.is_set():
                pool.shutdown(cancel_futures=True)
                break
        if failed is not None:
            raise failed


def render_meanwhile(folder: Path, numbers: range, processes: int, stop: Event) -> None:
    """
    Do the same as :func:`render_shards` in a process of its own, which ends with its parent.

    :param folder: gets a folder for each.
    :param numbers: which.
    :param processes: how many to render with.
    :param stop: no other shard is begun once this is set.
    """
    die_with_parent()
    render_shards(folder, numbers, processes, stop)


def _render_shard(folder: Path, worlds: int, number: int) -> None:
    first = FIRST_TRAINING_SEED + number * worlds
    rendered(folder / f'shard{number:04d}', worlds * POSES, first, processes=1)
