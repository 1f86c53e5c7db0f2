"""The range of the colors of a picture of depth: of the depth itself, or fixed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.image.color import round_marks

Range = tuple[float, float]

SHARE = 2.0
"""Percentage of the pixels at either end that may lie beyond the range."""
NOTHING: Range = (0.0, 10.0)
"""The range of a picture without a single depth (m)."""
_MARKS = 10
_NARROWEST = 0.02


def color_range(*depths: NDArray[Any]) -> Range:
    """
    Return the ends of a scale for some depth images: round numbers around nearly all of it.

    The nearest and the farthest 2 % may lie outside. The ends are multiples of the distance
    between the marks of a scale of ten, and at least 2 % apart.

    :param depths: (H, W), z-depth (m) of one scene; values that are not finite are ignored.
    :returns: depths of the brightest and of the darkest color (m).
    """
    finite = np.concatenate([depth[np.isfinite(depth)] for depth in depths])
    if not finite.size:
        return NOTHING
    low, high = (float(end) for end in np.percentile(finite, (SHARE, 100 - SHARE)))
    gap = max(_NARROWEST * abs(high), 1e-6) - (high - low)
    if gap > 0:
        low, high = low - gap / 2, high + gap / 2
    marks = round_marks(low, high, _MARKS)
    step = marks[1] - marks[0] if len(marks) > 1 else high - low
    ends = math.floor(low / step) * step, math.ceil(high / step) * step
    return max(0.0, float(f'{ends[0]:.9g}')), float(f'{ends[1]:.9g}')


class ColorRange:
    """
    The range of the colors of one recording.

    :param fixed: ends of the scale (m), chosen by the user; None: those of the frames.
    :param kept: whether all frames have the range of the first one, as those of a video should.
    """

    def __init__(self, fixed: Range | None = None, *, kept: bool = False) -> None:
        self._fixed, self._kept = fixed, kept
        self._first: dict[bool, Range] = {}

    def metres(self, *depths: NDArray[Any]) -> Range:
        """
        Return the range for a frame in metres.

        :param depths: (H, W), its depth images (m).
        :returns: depths of the brightest and of the darkest color (m).
        """
        return self._fixed or self._chosen(True, color_range(*depths), depths)

    def relative(self, values: NDArray[Any], ends: Range) -> Range:
        """
        Return the range for a frame without metres, which no range in metres fits.

        :param values: (H, W), the output of the network.
        :param ends: values of the brightest and of the darkest color, if the frame were alone.
        :returns: the same of the first frame, if it is kept.
        """
        return self._chosen(False, ends, (values,))

    def _chosen(self, metric: bool, ends: Range, shown: tuple[NDArray[Any], ...]) -> Range:
        if not self._kept or not any(np.isfinite(values).any() for values in shown):
            return self._first.get(metric, ends)
        return self._first.setdefault(metric, ends)
