"""A sheet: labelled pictures of one frame side by side, for eyes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.evaluation.report import error_picture, FULL, SPARSE
from depth_node.image.color import bar_height, colorize, INVALID

Picture = NDArray[np.uint8]
Depth = NDArray[np.float32]

GAP = 8
"""Pixels between panels."""
SCALED = 'depth, scaled to the truth'
"""Label of depth that has the scale of the truth."""
_NOWHERE = np.float32(1e9)
_BACKGROUND, _INK, _GRID = 250, 40, 215
_SCAN_COLOR = (40, 40, 230)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True)
class Panel:
    """
    One picture of a sheet.

    :param label: what it shows, a few words.
    :param picture: uint8 (H, W, 3), blue, green, red.
    """

    label: str
    picture: Picture


def sheet(panels: Sequence[Panel], columns: int = 3, title: str = '') -> Picture:
    """
    Put panels side by side, each under its label.

    :param panels: at least one; all get the width of the first.
    :param columns: panels in a row.
    :param title: a line above all of them; empty: none.
    :returns: uint8 (H, W, 3), blue, green, red.
    """
    width = panels[0].picture.shape[1]
    tiles = [_tile(panel, width) for panel in panels]
    height = max(tile.shape[0] for tile in tiles)
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    page = np.full(
        (rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3), _BACKGROUND, np.uint8
    )
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        top, left = GAP + row * (height + GAP), GAP + column * (width + GAP)
        page[top:top + tile.shape[0], left:left + width] = tile
    if not title:
        return page
    strip = _strip(title, page.shape[1] - 2 * GAP, max(0.5, width / 700))
    above = np.full((len(strip) + GAP, page.shape[1], 3), _BACKGROUND, np.uint8)
    above[GAP:, GAP:-GAP] = strip
    return np.vstack([above, page])


def blank_panel(label: str, size: tuple[int, int]) -> Panel:
    """
    Draw nothing, in the place of a panel that there is not.

    :param label: what is missing.
    :param size: width and height (pixels).
    :returns: the panel.
    """
    return Panel(label, np.full((size[1], size[0], 3), INVALID, np.uint8))


def depth_panel(label: str, depth: Depth, nearest: float, farthest: float) -> Panel:
    """
    Draw depth in metres, with a scale bar.

    :param label: what it shows.
    :param depth: float32 (H, W) (m).
    :param nearest: depth of the brightest color (m).
    :param farthest: depth of the darkest color (m).
    :returns: the panel.
    """
    return Panel(label, colorize(depth, nearest, farthest, bar=True))


def error_panel(label: str, depth: Depth, truth: Depth) -> Panel:
    """
    Draw how far depth is off: white is right, red too far, blue too near, with a scale bar.

    :param label: what it shows.
    :param depth: float32 (H, W) (m).
    :param truth: float32 (H, W) (m).
    :returns: the panel.
    """
    picture = error_picture(depth, truth)
    bar = error_bar(picture.shape[1], bar_height(len(picture)))
    return Panel(label, np.vstack([picture, bar]))


def error_bar(width: int, height: int) -> Picture:
    """
    Draw the colors of an error, from too near to too far, with the errors they stand for.

    :param width: columns (pixels).
    :param height: rows (pixels).
    :returns: uint8 (height, width, 3), blue, green, red.
    """
    bar = np.zeros((height, width, 3), np.uint8)
    ratio = FULL ** np.linspace(-1, 1, width)[None]
    bar[:height // 2] = error_picture(ratio, np.ones_like(ratio))
    size, baseline = height / 2 / 32, height - max(2, height // 10)
    texts = (f'{100 / FULL - 100:+.0f} %', '0', f'{100 * FULL - 100:+.0f} %')
    for text, place in zip(texts, (0.0, 0.5, 1.0), strict=True):
        wide = cv2.getTextSize(text, _FONT, size, 1)[0][0]
        left = min(max(int(place * width - wide / 2), 1), max(width - wide - 1, 0))
        cv2.putText(bar, text, (left, baseline), _FONT, size, (255,) * 3, 1, cv2.LINE_AA)
    return bar


def frame_panels(
    rgb: Picture | None, depth: Depth, truth: Depth | None, nearest: float, farthest: float, *,
    label: str = 'depth',
) -> list[Panel]:
    """
    Draw a frame and its depth in metres.

    :param rgb: uint8 (H, W, 3), or None.
    :param depth: float32 (H, W) (m).
    :param truth: float32 (H, W) (m), NaN where unknown; None: there is no truth. Sparse truth is
        drawn as dots of three pixels.
    :param nearest: depth of the brightest color (m).
    :param farthest: depth of the darkest color (m).
    :param label: what the depth is.
    :returns: the picture and the depth; with a truth also the truth and the error.
    """
    panels = [] if rgb is None else [_camera(rgb)]
    panels.append(depth_panel(label, depth, nearest, farthest))
    if truth is not None:
        panels.append(depth_panel('true depth', _visible(truth), nearest, farthest))
        panels.append(error_panel('error: red too far, blue too near', depth, truth))
    return panels


def _visible(truth: Depth) -> Depth:
    """Return sparse depth as dots in which the nearest of three by three pixels wins."""
    known = np.isfinite(truth)
    if known.mean() >= SPARSE:
        return truth
    nearest = cv2.erode(np.where(known, truth, _NOWHERE), np.ones((3, 3), np.uint8))
    return np.where(nearest < _NOWHERE, nearest, np.float32(np.nan))


def relative_panels(
    rgb: Picture, values: Depth, nearest: float, farthest: float, label: str = 'relative depth'
) -> list[Panel]:
    """
    Draw a frame and an output without metres: no scale bar and no error.

    :param rgb: uint8 (H, W, 3).
    :param values: float32 (H, W), in a unit of their own.
    :param nearest: value of the brightest color.
    :param farthest: value of the darkest color.
    :param label: what the values are.
    :returns: the picture and the values.
    """
    return [_camera(rgb), Panel(f'{label}, no metres', colorize(values, nearest, farthest))]


def top_view(
    points: NDArray[np.float32],
    colors: Picture | None,
    size: tuple[int, int],
    farthest: float,
    scan: NDArray[np.float32] | None = None,
) -> Picture:
    """
    Draw a cloud from above: the camera, a triangle, at the bottom, and a line every metre.

    :param points: float32 (N, 3), optical frame (m); those that are not finite are left out.
    :param colors: uint8 (N, 3), red, green, blue; None: gray.
    :param size: width and height of the picture (pixels).
    :param farthest: distance at the upper edge (m).
    :param scan: float32 (M, 2), where beams end, x to the right and z forward (m), drawn red.
    :returns: uint8 (H, W, 3), blue, green, red.
    """
    width, height = size
    picture = np.full((height, width, 3), _BACKGROUND, np.uint8)
    scale = height / farthest
    letters = max(0.35, height / 900)
    for metre in range(int(farthest) + 1):
        row = height - 1 - round(metre * scale)
        if row >= 0:
            picture[row] = _GRID
            cv2.putText(
                picture, f'{metre} m', (2, max(row - 3, round(26 * letters))), _FONT, letters,
                (_INK,) * 3, 1, cv2.LINE_AA,
            )
    half, far = width // 2, height - 12
    cv2.polylines(
        picture, [np.array([(half, height - 1), (half - 6, far), (half + 6, far)])], isClosed=True,
        color=(_INK,) * 3, thickness=1, lineType=cv2.LINE_AA,
    )
    known = np.isfinite(points).all(1)
    # the highest are drawn last: y points down
    order = np.argsort(-points[known, 1], kind='stable')
    shown = points[known][order]
    inks = np.full((len(shown), 3), 120, np.uint8) if colors is None else colors[known][order]
    rows, columns, inside = _places(shown[:, [0, 2]], width, height, scale)
    picture[rows, columns] = inks[inside][:, ::-1]
    if scan is not None:
        ends = scan[np.isfinite(scan).all(1)]
        rows, columns, _ = _places(ends, width, height, scale)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            cv2.circle(picture, (column, row), 2, _SCAN_COLOR, -1)
    return picture


def _places(
    ground: NDArray[np.float32], width: int, height: int, scale: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return rows and columns of points (x, z) that lie in the picture, and which do."""
    columns = np.rint(width / 2 + ground[:, 0] * scale).astype(np.int64)
    rows = np.rint(height - 1 - ground[:, 1] * scale).astype(np.int64)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    return rows[inside], columns[inside], inside


def _camera(rgb: Picture) -> Panel:
    return Panel('camera', np.ascontiguousarray(rgb[..., ::-1]))


def _tile(panel: Panel, width: int) -> Picture:
    """Return a panel at a width, with its label above."""
    picture = panel.picture
    if picture.shape[1] != width:
        height = max(1, round(picture.shape[0] * width / picture.shape[1]))
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return np.vstack([_strip(panel.label, width, max(0.4, width / 900)), picture])


def _strip(text: str, width: int, size: float) -> Picture:
    """Write a line of text, as large as the size says if the width allows."""
    strip = np.full((round(34 * size) + 6, width, 3), _BACKGROUND, np.uint8)
    needed = cv2.getTextSize(text, _FONT, 1.0, 1)[0][0] + 8
    cv2.putText(
        strip, text, (2, strip.shape[0] - round(10 * size)), _FONT,
        min(size, width / needed), (_INK,) * 3, 1, cv2.LINE_AA,
    )
    return strip
