"""
Color images of depth.

The map is inferno (Smith and van der Walt, 2015), which is perceptually uniform: equal steps in
depth look like equal steps. Near is bright. The range is fixed in metres, so that one color
means one distance in every frame.
"""

from __future__ import annotations

import functools
import math

import cv2
import numpy as np
from numpy.typing import NDArray

Color = NDArray[np.uint8]

INVALID = 96
"""Gray level of pixels without a depth."""
_LEVELS = 254
_BAR_MARKS = 6
_STRIP = 40000


def colorize(
    depth: NDArray[np.float32],
    nearest: float,
    farthest: float,
    *,
    bar: bool = False,
    out: Color | None = None,
) -> Color:
    """
    Color a depth image.

    :param depth: float32 (H, W), m; -Inf and +Inf take the colors of the ends, NaN gray.
    :param nearest: depth of the brightest color (m).
    :param farthest: depth of the darkest color (m); below `nearest` for a disparity, in which
        what is near is large.
    :param bar: whether to add a scale bar in metres below the image.
    :param out: array to write the result to; None: a new one.
    :returns: uint8 (H, W, 3), blue, green, red; with a bar, :func:`bar_height` more rows.
    """
    low, high = sorted((nearest, farthest))
    per_metre = _LEVELS / (farthest - nearest)
    height, width = depth.shape
    more = bar_height(height) if bar else 0
    picture = np.empty((height + more, width, 3), np.uint8) if out is None else out
    image = picture[:height]
    rows = min(height, max(1, _STRIP // width))
    scratch, levels = np.empty((rows, width), np.float32), np.empty((rows, width), np.uint8)
    for start in range(0, height, rows):
        strip = depth[start:start + rows]
        within, indices = scratch[:len(strip)], levels[:len(strip)]
        np.clip(strip, np.float32(low), np.float32(high), out=within)
        # 1 for the farthest to 255 for the nearest; NaN becomes 0, the color kept for it
        cv2.convertScaleAbs(within, indices, -per_metre, 1 + farthest * per_metre)
        cv2.applyColorMap(indices, _table(), dst=image[start:start + rows])
    if bar:
        picture[height:] = scale_bar(width, more, nearest, farthest)
    return picture


def bar_height(height: int) -> int:
    """
    Return the height of the scale bar.

    :param height: rows of the depth image (pixels).
    :returns: rows of the scale bar (pixels).
    """
    return max(20, height // 12)


@functools.lru_cache(maxsize=8)
def scale_bar(width: int, height: int, nearest: float, farthest: float) -> Color:
    """
    Draw the scale bar: the colors from near to far, with their distances.

    :param width: columns (pixels).
    :param height: rows (pixels).
    :param nearest: distance at the left end (m).
    :param farthest: distance at the right end (m).
    :returns: uint8 (height, width, 3), blue, green, red.
    """
    ramp = np.linspace(nearest, farthest, width, dtype=np.float32)[None]
    bar = np.zeros((height, width, 3), np.uint8)
    bar[:height // 2] = colorize(ramp, nearest, farthest)
    font, size = cv2.FONT_HERSHEY_SIMPLEX, height / 2 / 32
    baseline = height - max(2, height // 10)
    widest = cv2.getTextSize(f'{round_marks(nearest, farthest, 2)[-1]:g} m', font, size, 1)[0][0]
    for metres in round_marks(nearest, farthest, min(_BAR_MARKS, int(width / (1.5 * widest)))):
        text = f'{metres:g} m'
        text_width = cv2.getTextSize(text, font, size, 1)[0][0]
        middle = round((metres - nearest) / (farthest - nearest) * (width - 1))
        left = min(max(int(middle - text_width / 2), 1), max(width - text_width - 1, 0))
        cv2.putText(
            bar, text, (left, baseline), font, size, (255, 255, 255), 1, cv2.LINE_AA
        )
        bar[height // 2:height // 2 + max(2, height // 12), middle] = 255
    return bar


def round_marks(nearest: float, farthest: float, most: int) -> list[float]:
    """
    Choose round numbers as labels of a scale.

    :param nearest: smallest value of the scale.
    :param farthest: largest value of the scale.
    :param most: maximum number of labels, at least 2.
    :returns: multiples of 1, 2 or 5 times a power of ten, ascending; the ends of the scale if
        no such multiple lies between them.
    """
    step = 10.0 ** math.floor(math.log10((farthest - nearest) / max(most, 2)))
    for times in (1, 2, 5, 10, 20):
        first, last = (round(end / (times * step), 9) for end in (nearest, farthest))
        counts = range(math.ceil(first), math.floor(last) + 1)
        if 0 < len(counts) <= max(most, 2):
            return [float(f'{count * times * step:.9g}') for count in counts]
    return [nearest, farthest]


@functools.lru_cache(maxsize=1)
def _table() -> Color:
    """Return the color table: 0 is gray for invalid, 1 to 255 go from far to near."""
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    table: Color = cv2.applyColorMap(ramp, cv2.COLORMAP_INFERNO).reshape(256, 1, 3)
    table[0] = INVALID
    return table
