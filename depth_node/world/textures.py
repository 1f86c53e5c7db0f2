"""
The atlas that patterns are looked up in, at any distance.

Every pattern is kept at several sizes (mip levels, Williams 1983), so that what is far away
fades to its mean instead of flickering.
"""

from __future__ import annotations

from dataclasses import dataclass
import functools
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.world.drawing import Plane, TEXELS
from depth_node.world.patterns import NAMES, PATTERNS

LEVELS = 9
"""Halvings kept of each pattern, the pattern itself included."""
_BORDER = 1  # wrapped texels around each level, for interpolation


@dataclass(frozen=True)
class Atlas:
    """
    Every pattern at every level in one picture, so that one lookup serves a whole frame.

    :param image: uint8 (rows, columns, 2): mix and shade.
    :param left: float32 (patterns, LEVELS), column of the first texel of each level.
    :param top: the same, rows.
    :param size: float32 (2, patterns), what repeats, along u and v (m).
    """

    image: NDArray[np.uint8]
    left: Plane
    top: Plane
    size: Plane

    def lookup(self, pattern: NDArray[Any], u: Plane, v: Plane, footprint: Plane) -> Plane:
        """
        Sample patterns, filtered for the size of the pixels (trilinear).

        :param pattern: (H, W) index into NAMES.
        :param u: (H, W) to the right (m).
        :param v: (H, W) up (m).
        :param footprint: (H, W) length of a pixel on the surface (m).
        :returns: float32 (H, W, 2) mix and shade, 0 to 255.
        """
        x = u / self.size[0][pattern]
        y = -v / self.size[1][pattern]
        x -= np.floor(x)
        y -= np.floor(y)
        per_metre = TEXELS / np.sqrt(self.size[0] * self.size[1])
        with np.errstate(divide='ignore', invalid='ignore'):
            level = np.log2(footprint * per_metre[pattern])
        level = np.clip(np.nan_to_num(level), 0, LEVELS - 1.001)
        base = level.astype(np.intp)
        row = pattern * LEVELS + base
        fine = self._level(row, base, x, y)
        coarse = self._level(row + 1, base + 1, x, y)
        coarse -= fine
        coarse *= (level - base).astype(np.float32)[..., None]
        fine += coarse
        return fine

    def _level(self, row: NDArray[Any], level: NDArray[Any], x: Plane, y: Plane) -> Plane:
        side = np.float32(TEXELS) / (1 << np.arange(LEVELS)).astype(np.float32)
        scale = side[level]
        columns = x * scale + self.left.ravel()[row]
        rows = y * scale + self.top.ravel()[row]
        sampled: NDArray[Any] = cv2.remap(self.image, columns, rows, cv2.INTER_LINEAR)
        return sampled.astype(np.float32)


def atlas(count: int = len(NAMES)) -> Atlas:
    """
    Draw the patterns; the same in every world and every process.

    :param count: how many, from the first: each of them takes time and memory.
    :returns: the atlas, kept until the process ends.
    """
    return drawn(count)


@functools.lru_cache(maxsize=2)
def drawn(count: int) -> Atlas:
    """
    Draw the patterns; see :func:`atlas`.

    :param count: how many.
    :returns: the atlas.
    """
    step = 2 * _BORDER
    height, width = TEXELS + LEVELS * step, TEXELS + TEXELS // 2 + 2 * step
    across = 5
    down = -(-count // across)
    image = np.zeros((down * height, across * width, 2), np.uint8)
    left = np.zeros((count, LEVELS), np.float32)
    top = np.zeros_like(left)
    for index, name in enumerate(NAMES[:count]):
        x, y = index % across * width, index // across * height
        level = _drawn(name, index)
        for number in range(LEVELS):
            side = level.shape[0]
            framed = np.pad(level, ((_BORDER, _BORDER), (_BORDER, _BORDER), (0, 0)), 'wrap')
            image[y:y + side + step, x:x + side + step] = framed
            left[index, number], top[index, number] = x + _BORDER - 0.5, y + _BORDER - 0.5
            # the halves stand in a column to the right of the whole
            if number == 0:
                x += side + step
            else:
                y += side + step
            level = cv2.resize(level, (side // 2, side // 2), interpolation=cv2.INTER_AREA)
            level = level.reshape(side // 2, side // 2, 2)
    size = np.array([PATTERNS[name].size for name in NAMES[:count]], np.float32).T
    return Atlas(image, left, top, np.ascontiguousarray(size))


def _drawn(name: str, index: int) -> NDArray[np.uint8]:
    pattern = PATTERNS[name]
    steps = (np.arange(TEXELS, dtype=np.float32) + 0.5) / TEXELS
    u, v = np.meshgrid(steps * pattern.size[0], steps[::-1] * pattern.size[1])
    mix, shade = pattern.draw(u, v, np.random.default_rng(index))
    stacked = np.stack([np.broadcast_to(mix, u.shape), np.broadcast_to(shade, u.shape)], -1)
    drawn: NDArray[np.uint8] = np.rint(np.clip(stacked, 0, 1) * 255).astype(np.uint8)
    return drawn
