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


def grain(rng: np.random.Generator, roughness: float, aspect: float) -> Plane:
    """
    Return a fractal that is longer one way than the other; it repeats without a seam.

    :param rng: random generator.
    :param roughness: see :func:`noise`.
    :param aspect: length along u over that along v.
    :returns: (TEXELS, TEXELS), mean 0, deviation 1.
    """
    fy, fx = np.fft.fftfreq(TEXELS)[:, None], np.fft.rfftfreq(TEXELS)[None]
    radius = np.hypot(fy / np.sqrt(aspect), fx * np.sqrt(aspect))
    radius[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((TEXELS, TEXELS))) * radius**-roughness
    plane = np.fft.irfft2(spectrum, (TEXELS, TEXELS))
    return (plane / plane.std()).astype(np.float32)


def taken(plane: Plane, right: Plane, down: Plane) -> Plane:
    """
    Take every texel from elsewhere.

    :param plane: (TEXELS, TEXELS), repeats.
    :param right: how far to the right of its own place (texels), of any shape that broadcasts.
    :param down: how far below it.
    :returns: (TEXELS, TEXELS).
    """
    places = np.arange(TEXELS)
    rows_ = (places[:, None] + np.rint(down).astype(int)) % TEXELS
    columns = (places[None] + np.rint(right).astype(int)) % TEXELS
    return plane[rows_, columns]


def relief(height: Plane) -> Plane:
    """
    Return how a bumpy surface looks in light from the upper left.

    :param height: (TEXELS, TEXELS), repeats.
    :returns: the same shape, mean 0, deviation 1.
    """
    slope = height - np.roll(height, (1, 1), (0, 1))
    return (slope / max(float(slope.std()), 1e-6)).astype(np.float32)


def filled(plane: Plane, corners: Plane, value: float) -> None:
    """
    Fill a polygon that goes on at the other side where it leaves the plane.

    :param plane: float32 (TEXELS, TEXELS), changed.
    :param corners: (n, 2) columns and rows (texels).
    :param value: to fill it with.
    """
    low, high = corners.min(0), corners.max(0)
    for x in (-TEXELS, 0, TEXELS):
        for y in (-TEXELS, 0, TEXELS):
            offset = np.array([x, y])
            if (high + offset >= 0).all() and (low + offset < TEXELS).all():
                cv2.fillPoly(plane, [np.rint(corners + offset).astype(np.int32)], value)


def shape(rng: np.random.Generator, radius: float, corners: int = 0, flat: float = 1.0) -> Plane:
    """
    Draw a polygon somewhere.

    :param rng: random generator.
    :param radius: (texels).
    :param corners: how many; 0: a rectangle that stands straight.
    :param flat: height over width.
    :returns: its corners (n, 2) (texels).
    """
    middle = rng.uniform(0, TEXELS, 2)
    if not corners:
        half = radius * rng.uniform(0.4, 1.0, 2)
        return middle + half * np.array([(-1, -flat), (1, -flat), (1, flat), (-1, flat)])
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners)) if corners < 8 else np.linspace(
        0, 2 * np.pi, corners, endpoint=False)
    spots = radius * np.stack([np.cos(angles), flat * np.sin(angles)], 1)
    turn = rng.uniform(0, np.pi) if flat < 1 else 0.0
    c, s = np.cos(turn), np.sin(turn)
    return middle + spots @ np.array([(c, s), (-s, c)])


def dead_leaves(
    rng: np.random.Generator, radii: tuple[float, float], corners: tuple[int, ...],
    *, count: int = 500, flat: float = 1.0,
) -> tuple[Plane, Plane]:
    """
    Draw shapes of many sizes over each other; their statistics are those of photographs.

    After Lee, Mumford and Huang, "Occlusion models for natural images" (IJCV 2001): the density
    of radii falls with their third power.

    :param rng: random generator.
    :param radii: least and greatest (texels).
    :param corners: how many corners a shape may have; see :func:`shape`.
    :param count: of shapes.
    :param flat: height over width.
    :returns: two random numbers of the shape that each texel shows, 0 to 1.
    """
    first = np.full((TEXELS, TEXELS), rng.random(), np.float32)
    second = np.full((TEXELS, TEXELS), rng.random(), np.float32)
    low, high = radii[0]**-2, radii[1]**-2
    # the smallest come last, lest the larger ones hide them all
    for radius in np.sort((low + (high - low) * rng.random(count))**-0.5)[::-1]:
        spots = shape(rng, float(radius), int(rng.choice(corners)), flat)
        filled(first, spots, float(rng.random()))
        filled(second, spots, float(rng.random()))
    return first, second


def unit(plane: Plane, contrast: float, middle: float = 0.5) -> Plane:
    """
    Bring a plane of mean 0 between 0 and 1.

    :param plane: any shape.
    :param contrast: factor on it.
    :param middle: what 0 becomes.
    :returns: the same shape, 0 to 1.
    """
    return np.clip(middle + contrast * plane, 0, 1)
