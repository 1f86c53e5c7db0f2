"""
Resizing with Lanczos' kernel as Pillow does it: smoothed where an image becomes smaller.

OpenCV's INTER_LANCZOS4 takes eight pixels however much it shrinks, and the detail in between
turns into patterns; networks that were trained on Pillow's images have never seen these. Rows
are resized first, as Pillow did when these networks were trained; since version 13 it begins with
the columns where that is cheaper, for example when an image becomes wider and lower.
"""

from __future__ import annotations

from collections.abc import Iterator
import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_node.image.size import Size

LOBES = 3
"""Half of the width of the kernel, in pixels of the smaller of the two images."""
_BLOCK = 16
"""Targets that are computed by one product: more would multiply with more zeros."""
_PRODUCT = 2**17
"""Multiplications of one product: from twice as many, OpenBLAS wakes threads of its own, which
wait for each other where engines keep every core busy."""


class _Block(NamedTuple):
    """
    Some targets, and the sources they depend on.

    :param targets: their range.
    :param sources: theirs.
    :param weights: float32 (targets, sources).
    """

    targets: slice
    sources: slice
    weights: NDArray[np.float32]


class Lanczos:
    """
    Buffers for resizing images to one size.

    :param size: the size (pixels).
    """

    def __init__(self, size: Size) -> None:
        self._size = size
        self._source = Size(0, 0)
        self._planes = self._narrow = self._small = np.empty((3, 0, 0), np.float32)

    def resize(self, image: NDArray[np.uint8], out: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """
        Resize an image: rows first, rounded in between, as Pillow does it.

        :param image: uint8 (H, W, 3).
        :param out: uint8 (h, w, 3), filled.
        :returns: `out`.
        """
        height, width = image.shape[:2]
        if (width, height) != self._source:
            self._source = Size(width, height)
            self._planes = np.empty((3, height, width), np.float32)
            self._narrow = np.empty((3, height, self._size.width), np.float32)
            self._small = np.empty((3, *self._size[::-1]), np.float32)
        for channel, plane in enumerate(self._planes):
            np.copyto(plane, image[..., channel])
        if width == self._size.width:
            narrow = self._planes
        else:
            narrow = self._narrow
            for block in _blocks(width, self._size.width):
                for rows in _parts(height, block):
                    np.matmul(
                        self._planes[:, rows, block.sources], block.weights.T,
                        out=narrow[:, rows, block.targets],
                    )
            _to_levels(narrow)
        for block in _blocks(height, self._size.height):
            for columns in _parts(self._size.width, block):
                np.matmul(
                    block.weights, narrow[:, block.sources, columns],
                    out=self._small[:, block.targets, columns],
                )
        _to_levels(self._small)
        for channel, plane in enumerate(self._small):
            np.copyto(out[..., channel], plane, casting='unsafe')
        return out


def weights(source: int, target: int) -> NDArray[np.float64]:
    """
    Compute how much of each source pixel is in each target pixel.

    sinc(x) sinc(x / 3) for |x| < 3, where x is the distance of two pixel centres in pixels of
    the smaller image (Turkowski, Filters for common resampling tasks, 1990).

    :param source: pixels of the source.
    :param target: pixels of the target.
    :returns: float64 (target, source), each row with the sum 1.
    """
    scale = source / target
    centers = (np.arange(target)[:, None] + 0.5) * scale
    distance = (np.arange(source) + 0.5 - centers) / max(scale, 1.0)
    kernel = np.where(
        np.abs(distance) < LOBES, np.sinc(distance) * np.sinc(distance / LOBES), 0.0
    )
    return np.asarray(kernel / kernel.sum(axis=1, keepdims=True), np.float64)


@functools.lru_cache(maxsize=8)
def _blocks(source: int, target: int) -> tuple[_Block, ...]:
    """Cut the weights into blocks that hold all that is not zero."""
    blocks = []
    every = weights(source, target).astype(np.float32)
    for start in range(0, target, _BLOCK):
        targets = slice(start, min(start + _BLOCK, target))
        used = np.flatnonzero(every[targets].any(axis=0))
        sources = slice(int(used[0]), int(used[-1]) + 1)
        blocks.append(_Block(targets, sources, np.ascontiguousarray(every[targets, sources])))
    return tuple(blocks)


def _parts(count: int, block: _Block) -> Iterator[slice]:
    """Cut rows or columns so that no product is too large."""
    step = max(8, _PRODUCT // block.weights.size)
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def _to_levels(image: NDArray[np.float32]) -> None:
    """Round to whole numbers from 0 to 255."""
    np.rint(image, out=image)
    np.clip(image, 0, 255, out=image)
