"""
The frames that there are, while more are still being made.

Frames are kept in shards, folders of a few hundred each, so that training can begin with the first
of them and takes in the others as they come.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_node.errors import DataError
from depth_node.training.embedded.frames import FIRST_TRAINING_SEED, Frames, POSES, rendered

WORLDS = 16
"""Worlds in a shard."""


class Pool:
    """
    Shards to draw from, all equally likely; in each the near frames are more likely.

    :param shards: the frames.
    :param nearness: see :meth:`Frames.chances`.
    """

    def __init__(self, shards: Iterable[Frames] = (), nearness: float = 0.0) -> None:
        self._shards: list[Frames] = []
        self._sums: list[NDArray[np.float64]] = []
        self._nearness = nearness
        for shard in shards:
            self.add(shard)

    def __len__(self) -> int:
        """Return the number of frames."""
        return sum(map(len, self._shards))

    def add(self, shard: Frames) -> None:
        """
        Add a shard.

        :param shard: its frames; they may be mapped from disk.
        """
        self._shards.append(shard)
        self._sums.append(np.cumsum(shard.chances(self._nearness)))

    def look(self) -> None:
        """Take in what has been finished since the last look; here nothing is."""

    def draw(
        self, rng: np.random.Generator, half: bool
    ) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
        """
        Draw a frame.

        :param rng: where the randomness comes from.
        :param half: give it at half its size.
        :returns: light and canonical depth.
        """
        chosen = int(rng.integers(len(self._shards)))
        sums, shard = self._sums[chosen], self._shards[chosen]
        index = int(np.searchsorted(sums, rng.random() * sums[-1], side='right'))
        index = min(index, len(shard) - 1)
        one = Frames(shard.images[index:index + 1], shard.depths[index:index + 1])
        one = one.halved() if half else one
        return one.images[0], one.depths[0]


class Growing(Pool):
    """
    The finished shards in a folder; those that are finished later are taken in, too.

    :param folder: holds a folder for each shard.
    :param nearness: see :meth:`Frames.chances`.
    :raises DataError: there is none yet.
    """

    def __init__(self, folder: Path, nearness: float) -> None:
        super().__init__(nearness=nearness)
        self._folder = folder
        self._known: set[Path] = set()
        self.look()
        if not self._known:
            raise DataError(f'{folder} holds no finished shard.', 'Render one first.')

    def look(self) -> None:
        """Take in what has been finished since the last look."""
        for mark in sorted(self._folder.glob('*/frames.json')):
            if mark.parent not in self._known:
                self._known.add(mark.parent)
                self.add(Frames.opened(mark.parent))


def render_shards(folder: Path, numbers: range, processes: int) -> None:
    """
    Render shards that are not there yet, one after the other.

    :param folder: gets a folder for each.
    :param numbers: which; a number always gives the same frames.
    :param processes: how many to render with.
    """
    for number in numbers:
        first = FIRST_TRAINING_SEED + number * WORLDS
        rendered(folder / f'shard{number:03d}', WORLDS * POSES, first, processes)
