"""
Thinning of clouds: one point per voxel, and a maximum number of points.

Points that are kept are measured points, not averages.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.cloud.maker import CloudMaker, Depth, Indices, Mask

_STRIP = 40000


class VoxelGrid:
    """
    A voxel grid that keeps one point per voxel, with buffers shared by all frames.

    :param size: edge of the voxels (m); points may be up to 32767 voxels away.
    """

    def __init__(self, size: float) -> None:
        self._per_metre = np.float32(1.0 / size)
        self._cells = np.empty((3, 0), np.int16)
        self._masks = np.empty((3, 0), np.bool_)
        self._kept = np.empty((2, 0), np.int64)
        self._table = np.empty(0, np.int32)

    def thinned(self, maker: CloudMaker, there: Mask, depth: Depth) -> Indices:
        """
        Return one pixel for every voxel that has any.

        Pixels in the same voxel as their left or upper neighbour are removed first, which leaves
        a fraction of them for the exact second step. The image is processed in strips, to stay
        in the cache; strips with few points are compacted first.

        :param maker: computes the points, in the frame whose axes the voxels have.
        :param there: bool (H, W), the pixels that have a point.
        :param depth: float32 (H, W), z-depth (m), contiguous.
        :returns: (N,) flat indices of pixels, ascending, for ``CloudMaker.picked``.
        """
        width, flat = depth.shape[1], there.reshape(-1)
        strip = max(1, _STRIP // width) * width
        if self._cells.shape[1] < strip:
            self._cells, self._masks = np.empty((3, strip), np.int16), np.empty((3, strip), bool)
        count = 0
        for start in range(0, flat.size, strip):
            mask = flat[start:start + strip]
            dense = 2 * np.count_nonzero(mask) >= mask.size
            if dense:
                cells = self._cells_of(maker.positions(slice(start, start + mask.size), depth))
                corners = np.flatnonzero(self._corners((mask, *cells), mask, (1, width)))
                pixels = corners + start
            else:
                pixels = np.flatnonzero(mask)
                pixels += start
                cells = self._cells_of(maker.positions(pixels, depth))
                corners = np.flatnonzero(self._corners(tuple(cells), True, (1,)))
                pixels = pixels.take(corners)
            chosen, key = self._room_for(len(corners), count)
            np.copyto(chosen, pixels)
            np.copyto(key, cells[0].take(corners))
            for cell in cells[1:]:
                np.left_shift(key, 16, out=key)
                np.bitwise_or(key, cell.take(corners).view(np.uint16), out=key)
            count += len(corners)
        if len(self._table) < 1 << _bits(count):
            self._table = np.empty(1 << _bits(count), np.int32)
        chosen, keys = self._kept[:, :count]
        return chosen.take(one_of_each(keys, self._table))

    def _room_for(self, more: int, count: int) -> Indices:
        """Return the buffer for more pixels and keys after the existing ones."""
        if self._kept.shape[1] < count + more:
            larger = np.empty((2, 2 * (count + more)), np.int64)
            larger[:, :count] = self._kept[:, :count]
            self._kept = larger
        return self._kept[:, count:count + more]

    def _cells_of(self, points: NDArray[np.float32]) -> NDArray[np.int16]:
        cells = self._cells[:, :points.shape[1]]
        np.multiply(points, self._per_metre, out=points)
        np.floor(points, out=points)
        with np.errstate(invalid='ignore'):  # what is no point, or out of reach
            np.copyto(cells, points, casting='unsafe')
        return cells

    def _corners(
        self, planes: tuple[NDArray[Any], ...], mask: Mask | bool, backs: tuple[int, ...]
    ) -> Mask:
        """Return which pixels differ in some plane from those at given distances before them."""
        corners, differs, other = self._masks[:, :len(planes[0])]
        np.copyto(corners, mask)
        for back in backs:
            some, scratch = differs[back:], other[back:]
            np.not_equal(planes[0][back:], planes[0][:-back], out=some)
            for plane in planes[1:]:
                np.not_equal(plane[back:], plane[:-back], out=scratch)
                np.logical_or(some, scratch, out=some)
            np.logical_and(corners[back:], some, out=corners[back:])
        return corners


def one_of_each(
    keys: NDArray[np.int64], table: NDArray[np.int32] | None = None
) -> NDArray[np.int64]:
    """
    Return one position of every value, without sorting.

    All write their position to a hash table, and those that remain in it are kept. An element
    that finds the same key in its slot is a duplicate; one that finds another key tries again
    with another hash.

    :param keys: (N,) any integers.
    :param table: work buffer, whose size is a power of two larger than that of `keys`; None: a
        new one.
    :returns: (M,) positions in `keys`, ascending, one for each of its M different values.
    """
    bits = _bits(keys.size)
    if table is None:
        table = np.empty(1 << bits, np.int32)
    kept = np.ones(keys.size, np.bool_)
    left = np.arange(keys.size, dtype=np.int32)
    mine, factor = keys, 0x9E3779B97F4A7C15
    while left.size:
        hashed = mine.view(np.uint64) * np.uint64(factor)
        hashed >>= np.uint64(64 - bits)
        slots = hashed.view(np.int64)
        table[slots] = left
        winners = table.take(slots, mode='clip')
        lost = np.flatnonzero(winners != left)
        losers = left.take(lost)
        pushed = keys.take(winners.take(lost)) != mine.take(lost)
        kept[losers] = pushed
        left = losers.take(np.flatnonzero(pushed))  # several times as quick as by a mask
        mine = keys.take(left)
        factor = (factor * 0xD1B54A32D192ED03) % (1 << 64) | 1
    return np.flatnonzero(kept)


def _bits(count: int) -> int:
    return max(8, (4 * count).bit_length())


def capped(indices: NDArray[Any], count: int) -> NDArray[Any]:
    """
    Return at most some pixels, evenly distributed over the image.

    :param indices: (N,) flat pixel indices.
    :param count: maximum number; 0: all.
    :returns: (N,) or (count,) of them.
    """
    if count == 0 or len(indices) <= count:
        return indices
    ordered = np.sort(indices)
    return ordered[np.linspace(0, len(ordered) - 1, count).astype(np.int64)]
