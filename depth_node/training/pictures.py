"""Images of validation results, side by side with the truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from depth_node.image.color import bar_height
from depth_node.image.color_range import color_range
from depth_node.model import OutputKind
from depth_node.output.sheet import (
    blank_panel,
    frame_panels,
    Panel,
    relative_panels,
    SCALED,
    sheet,
)
from depth_node.scale.align import relative_colors
from depth_node.training.validation import Picture


def panels(picture: Picture, *, metric: bool) -> list[Panel]:
    """
    Draw one frame: camera, depth and, where it is known, truth and error.

    Depth without metres is scaled to the median of the truth. Without a truth it has relative
    colors.

    :param picture: a validated frame.
    :param metric: whether its depth is in metres.
    :returns: two or four panels.
    """
    depth, truth = picture.depth, picture.truth
    if truth is not None and not np.isfinite(truth).any():
        truth = None
    if metric or truth is None:
        if not metric:
            ends = relative_colors(depth, OutputKind.RELATIVE_DEPTH)
            return relative_panels(picture.frame, depth, *ends)
        return frame_panels(picture.frame, depth, truth, *_ends(depth, truth))
    known = np.isfinite(truth)
    depth = depth * np.float32(np.median(truth[known]) / np.median(depth[known]))
    return frame_panels(picture.frame, depth, truth, *_ends(depth, truth), label=SCALED)


def validation_sheet(
    pictures: Sequence[Picture], title: str, *, metric: bool
) -> NDArray[np.uint8]:
    """
    Draw the frames of a validation, one in a row.

    :param pictures: validated frames, at least one.
    :param title: a line above them.
    :param metric: whether their depth is in metres.
    :returns: uint8 (H, W, 3), blue, green, red.
    """
    rows = [panels(picture, metric=metric) for picture in pictures]
    columns = max(map(len, rows))
    height, width = pictures[0].depth.shape
    blank = blank_panel('no truth', (width, height + bar_height(height)))
    filled = [panel for row in rows for panel in [*row, *[blank] * (columns - len(row))]]
    return sheet(filled, columns, title)


def _ends(
    depth: NDArray[np.float32], truth: NDArray[np.float32] | None
) -> tuple[float, float]:
    """Return the range of the colors, of the truth if there is one."""
    return color_range(depth if truth is None else truth)
