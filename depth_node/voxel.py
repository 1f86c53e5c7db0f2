"""
Thinning a cloud: one point per voxel, and a cap on their number.

A point that is kept is a point that was measured, not an average of several.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.cloud import CloudMaker, Depth

Indices = NDArray[np.int64]


def one_per_voxel(maker: CloudMaker, depth: Depth, size: float) -> Indices:
    """
    Choose one pixel for every cube of space that has any.

    Pixels that share their cube with the neighbor to the left or above go first: of each patch
    in the image a few corners are left, and the exact second step has little to do.

    :param maker: of the frame whose axes the cubes have.
    :param depth: float32 (H, W), z-depth (m), not finite where there is no point.
    :param size: edge of the cubes (m); 32767 of them reach as far as points may be.
    :returns: (N,) flat pixel indices, in no particular order, for ``CloudMaker.picked``.
    """
    width = maker.shape[1]
    per_metre = np.float32(1.0 / size)
    chosen: list[Indices] = []
    keys: list[NDArray[np.int64]] = []
    for rows, *planes in maker.planes(depth):
        there = np.isfinite(planes[2]).ravel()
        cells = []
        for plane in planes:
            np.multiply(plane, per_metre, out=plane)
            np.floor(plane, out=plane)
            with np.errstate(invalid='ignore'):
                cells.append(plane.ravel().astype(np.int16))
        corner = there.copy()
        for back in (1, width):  # the pixel before, and the one above
            if back < corner.size:
                differs = there[back:] != there[:-back]
                for cell in cells:
                    differs |= cell[back:] != cell[:-back]
                corner[back:] &= differs
        picked = np.flatnonzero(corner)
        key = np.zeros(picked.size, np.int64)
        for cell in cells:
            key = key << 16 | cell[picked].view(np.uint16)
        keys.append(key)
        chosen.append(picked + rows.start * width)
    every = np.concatenate(chosen)
    return every[one_of_each(np.concatenate(keys))]


def one_of_each(keys: NDArray[np.int64]) -> NDArray[Any]:
    """
    Find one place of every value, without sorting.

    All write their place into a hash table, and who finds himself there is kept. Who finds
    another with the same key is a duplicate; who was pushed out by a stranger tries again with
    another hash.

    :param keys: (N,) any integers.
    :returns: (M,) places in `keys`, one for each of its M different values.
    """
    bits = max(8, (4 * keys.size).bit_length())
    table = np.empty(1 << bits, np.int32)
    left = np.arange(keys.size, dtype=np.int32)
    factor = 0x9E3779B97F4A7C15
    kept = [left[:0]]
    while left.size:
        hashed = keys[left].view(np.uint64) * np.uint64(factor)
        slots = (hashed >> np.uint64(64 - bits)).view(np.int64)
        table[slots] = left
        winners = table[slots]
        kept.append(left[winners == left])
        left = left[keys[winners] != keys[left]]
        factor = (factor * 0xD1B54A32D192ED03) % (1 << 64) | 1
    return np.concatenate(kept)


def capped(indices: Indices, count: int) -> Indices:
    """
    Keep at most so many, evenly spread over the image.

    :param indices: (N,) flat pixel indices.
    :param count: how many at most; 0: all.
    :returns: (N,) or (count,) of them.
    """
    if count == 0 or len(indices) <= count:
        return indices
    ordered = np.sort(indices)
    return ordered[np.linspace(0, len(ordered) - 1, count).astype(np.int64)]
