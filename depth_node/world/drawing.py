"""What patterns are drawn with: noise, grain, joints, cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

TEXELS = 512
"""Width and height of a pattern (texels)."""

Plane = NDArray[Any]
_Draw = Callable[[Plane, Plane, np.random.Generator], tuple[Plane, Plane]]


@dataclass(frozen=True)
class Pattern:
    """
    How one texture looks.

    :param size: of what repeats, along u and v (m).
    :param draw: from u and v (m, float32 planes) to mix and shade, 0 to 1.
    """

    size: tuple[float, float]
    draw: _Draw


def noise(rng: np.random.Generator, roughness: float) -> Plane:
    """
    Return a fractal that repeats without a seam.

    :param rng: random generator.
    :param roughness: exponent of the amplitude over frequency; 0 is white, 1.5 like clouds.
    :returns: (TEXELS, TEXELS), mean 0, deviation 1.
    """
    fy, fx = np.fft.fftfreq(TEXELS)[:, None], np.fft.rfftfreq(TEXELS)[None]
    radius = np.hypot(fy, fx)
    radius[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((TEXELS, TEXELS))) * radius**-roughness
    plane = np.fft.irfft2(spectrum, (TEXELS, TEXELS))
    return (plane / plane.std()).astype(np.float32)


def streaks(rng: np.random.Generator, size: tuple[int, int]) -> Plane:
    """
    Return noise smeared out, as the grain of wood is.

    :param rng: random generator.
    :param size: columns and rows of the window it is smeared over (texels).
    :returns: (TEXELS, TEXELS), deviation 1.
    """
    framed = np.pad(noise(rng, 0.3), 32, 'wrap')
    smeared = cv2.blur(framed, size)[32:-32, 32:-32]
    return smeared / smeared.std()


def edge(x: Plane, pitch: float, width: float) -> Plane:
    """
    Draw lines.

    :param x: coordinate (m).
    :param pitch: from line to line (m).
    :param width: of half a line (m).
    :returns: 1 within `width` of a multiple of `pitch`, else 0, with a soft flank.
    """
    off = abs((x + pitch / 2) % pitch - pitch / 2)
    return np.clip((width - off) / 0.004 + 0.5, 0, 1).astype(np.float32)


def cells(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """
    Draw one random number for each pair of whole numbers.

    :param x: from 0.
    :param y: from 0, of the same shape.
    :param rng: random generator.
    :returns: 0 to 1, of the same shape.
    """
    columns = int(x.max()) + 1
    table = rng.random((int(y.max()) + 1) * columns, dtype=np.float32)
    return table[y.astype(int) * columns + x.astype(int)]


def rows(
    u: Plane, v: Plane, rng: np.random.Generator, *, brick: tuple[float, float],
    joint: float, across: int,
) -> tuple[Plane, Plane]:
    """
    Draw a wall of bricks, every other row offset by half of one.

    :param u: along the rows (m).
    :param v: across the rows (m).
    :param rng: random generator.
    :param brick: width and height of one (m).
    :param joint: half the width of a joint (m).
    :param across: bricks in a row before they repeat.
    :returns: joints, 0 or 1, and one random number for each brick, 0 to 1.
    """
    row = np.floor(v / brick[1] + 1e-4)
    shifted = (u + (row % 2) * brick[0] / 2) % (across * brick[0])
    joints = np.maximum(edge(shifted, brick[0], joint), edge(v, brick[1], joint))
    return joints, cells(np.floor(shifted / brick[0] + 1e-4) % across, row, rng)
