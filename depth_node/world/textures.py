"""
The atlas that patterns are looked up in, at any distance.

Every pattern is kept at several sizes (mip levels, Williams 1983), so that what is far away
fades to its mean instead of flickering.
"""

from __future__ import annotations

from collections.abc import Iterable
import functools
import threading
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.world.drawing import Plane, TEXELS
from depth_node.world.patterns import NAMES, PATTERNS

LEVELS = 9
"""Halvings kept of each pattern, the pattern itself included."""
_BORDER = 1  # wrapped texels around each level, for interpolation
_FRAME, _STEP = (_BORDER, _BORDER), 2 * _BORDER
_ACROSS = 5  # patterns next to each other


class Atlas:
    """
    Patterns at every level in one picture, so that one lookup serves a whole frame.

    Each has its place from the beginning and is drawn when it is first wanted: drawing all of them
    takes seconds, and a scene shows a third.
    """

    def __init__(self) -> None:
        count = len(NAMES)
        height, width = TEXELS + LEVELS * _STEP, TEXELS + TEXELS // 2 + 2 * _STEP
        self._image = np.zeros((-(-count // _ACROSS) * height, _ACROSS * width, 2), np.uint8)
        self._size = np.array([PATTERNS[name].size for name in NAMES], np.float32).T.copy()
        sides = TEXELS >> np.arange(LEVELS)
        index = np.arange(count)[:, None]
        # the halves stand in a column to the right of the whole
        across = np.where(np.arange(LEVELS) > 0, sides[0] + _STEP, 0)
        down = np.concatenate([[0, 0], np.cumsum(sides[1:-1] + _STEP)])
        self._left, self._top = index % _ACROSS * width + across, index // _ACROSS * height + down
        self._drawn: frozenset[int] = frozenset()
        self._lock = threading.Lock()

    def draw(self, patterns: frozenset[int]) -> None:
        """
        Draw what is not drawn yet.

        :param patterns: indices into NAMES.
        """
        if patterns <= self._drawn:
            return
        with self._lock:
            for index in patterns - self._drawn:
                level = _drawn(NAMES[index], index)
                for number in range(LEVELS):
                    side = level.shape[0]
                    framed = np.pad(level, (_FRAME, _FRAME, (0, 0)), 'wrap')
                    x, y = self._left[index, number], self._top[index, number]
                    self._image[y:y + side + _STEP, x:x + side + _STEP] = framed
                    level = cv2.resize(level, (side // 2, side // 2), interpolation=cv2.INTER_AREA)
                    level = level.reshape(side // 2, side // 2, 2)
            self._drawn |= patterns

    def lookup(self, pattern: NDArray[Any], u: Plane, v: Plane, footprint: Plane) -> Plane:
        """
        Sample patterns, filtered for the size of the pixels (trilinear).

        :param pattern: (H, W) index into NAMES; all of them drawn.
        :param u: (H, W) to the right (m).
        :param v: (H, W) up (m).
        :param footprint: (H, W) length of a pixel on the surface (m).
        :returns: float32 (H, W, 2) mix and shade, 0 to 255.
        """
        x = u / self._size[0][pattern]
        y = -v / self._size[1][pattern]
        x -= np.floor(x)
        y -= np.floor(y)
        per_metre = TEXELS / np.sqrt(self._size[0] * self._size[1])
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
        middle = np.float32(_BORDER - 0.5)
        columns = x * scale + (self._left.astype(np.float32) + middle).ravel()[row]
        rows = y * scale + (self._top.astype(np.float32) + middle).ravel()[row]
        sampled: NDArray[Any] = cv2.remap(self._image, columns, rows, cv2.INTER_LINEAR)
        return sampled.astype(np.float32)


_shared = functools.cache(Atlas)


def atlas(patterns: Iterable[int]) -> Atlas:
    """
    Return the atlas with some patterns drawn; they are the same in every world and every process.

    :param patterns: indices into NAMES that are going to be looked up.
    :returns: the atlas, kept until the process ends.
    """
    shared = _shared()
    shared.draw(patterns if isinstance(patterns, frozenset) else frozenset(patterns))
    return shared


def _drawn(name: str, index: int) -> NDArray[np.uint8]:
    pattern = PATTERNS[name]
    steps = (np.arange(TEXELS, dtype=np.float32) + 0.5) / TEXELS
    u, v = np.meshgrid(steps * pattern.size[0], steps[::-1] * pattern.size[1])
    mix, shade = pattern.draw(u, v, np.random.default_rng(index))
    stacked = np.stack([np.broadcast_to(mix, u.shape), np.broadcast_to(shade, u.shape)], -1)
    drawn: NDArray[np.uint8] = np.rint(np.clip(stacked, 0, 1) * 255).astype(np.uint8)
    return drawn
