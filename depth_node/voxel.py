"""
Thinning a cloud: one point per voxel, and a cap on their number.

A point that is kept is a point that was measured, not an average of several.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.cloud import CloudMaker, Depth

Indices = NDArray[np.int64]


def one_per_voxel(maker: CloudMaker, depth: Depth, size: float) -> Indices:
    """
    Choose one pixel for every cube of space that has any.

    Pixels that share their cube with the neighbor to the left or above go first: each cube keeps
    the corner of its patch in the image, and little is left for the exact second step.

    :param maker: of the frame whose axes the cubes have.
    :param depth: float32 (H, W), z-depth (m), not finite where there is no point.
    :param size: edge of the cubes (m); cubes beyond 32767 edges from the origin are one.
    :returns: (N,) flat pixel indices, in no particular order, for ``CloudMaker.picked``.
    """
    width = maker.shape[1]
    chosen: list[Indices] = []
    keys: list[NDArray[np.int64]] = []
    for rows, *planes in maker.planes(depth):
        # rounding to int16 also saturates, and NaN is not looked at
        cells = [cv2.multiply(plane, 1.0 / size, dtype=cv2.CV_16S) for plane in planes]
        key = cv2.merge([*cells, np.zeros_like(cells[0])]).view(np.int64)[..., 0]
        first = np.isfinite(planes[2])
        differs = first.copy()
        np.not_equal(key[:, 1:], key[:, :-1], out=differs[:, 1:])
        np.logical_or(differs[:, 1:], ~first[:, :-1], out=differs[:, 1:])
        corner = differs & first
        np.not_equal(key[1:], key[:-1], out=differs[1:])
        np.logical_or(differs[1:], ~first[:-1], out=differs[1:])
        corner[1:] &= differs[1:]
        picked = np.flatnonzero(corner)
        keys.append(key.reshape(-1)[picked])
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
    table = np.zeros(1 << bits, np.int32)
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
