"""Reports of an evaluation over many frames: means, a table, error images."""

from __future__ import annotations

from collections.abc import Sequence
import csv
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.evaluation.metrics import DepthMetrics, interval, NAMES, Score
from depth_node.files import replacing

UNKNOWN = 96
"""Gray level of pixels of an error image without ground truth or prediction."""
FULL = 4 / 3
"""Ratio of predicted and true depth at which the colors of an error image saturate."""
SPARSE = 0.2
"""Share of the pixels with a truth below which it is drawn as dots."""
_NOTHING = 2.0**30


@dataclass(frozen=True)
class Predicted:
    """
    A frame with its predicted depth, before they are compared.

    :param name: name of the frame.
    :param depth: float32 (H, W), z-depth (m).
    :param truth: float32 (H, W), z-depth (m), NaN where unknown.
    :param scale: factor from the output of the network to metres.
    :param rgb: uint8 (H, W, 3), or None.
    """

    name: str
    depth: NDArray[np.float32]
    truth: NDArray[np.float32]
    scale: float
    rgb: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Result:
    """
    One frame of an evaluation.

    :param name: name of the frame.
    :param score: its metrics.
    :param scale: factor to metres, including median scaling.
    """

    name: str
    score: Score
    scale: float


def summary(results: Sequence[Result]) -> dict[str, Any]:
    """
    Return the means over frames with equal weights.

    :param results: one per frame.
    :returns: the means of the metrics by name, `frames`, the median `scale`, the mean
        `coverage`, the number of `pixels`, and for two frames or more `interval95` of each mean.
    :raises DataError: there is no frame.
    """
    mean = DepthMetrics.mean([result.score.metrics for result in results])
    columns = {
        name: [getattr(result.score.metrics, name) for result in results] for name in NAMES
    }
    intervals = {name: interval(values) for name, values in columns.items()}
    return {
        **dataclasses.asdict(mean),
        'frames': len(results),
        'scale': float(np.median([result.scale for result in results])),
        'coverage': float(np.mean([result.score.coverage for result in results])),
        'pixels': sum(result.score.pixels for result in results),
        **({'interval95': intervals} if all(intervals.values()) else {}),
    }


def write_table(path: Path, results: Sequence[Result]) -> None:
    """
    Write a table with one row per frame.

    :param path: of the CSV file.
    :param results: the rows.
    :raises DataError: it cannot be written.
    """
    with replacing(path) as temporary, temporary.open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(['name', *NAMES, 'scale', 'coverage', 'pixels'])
        for result in results:
            values = [*dataclasses.astuple(result.score.metrics), result.scale,
                      result.score.coverage]
            numbers = [f'{value:.6g}' for value in values]
            writer.writerow([result.name, *numbers, result.score.pixels])


def error_picture(predicted: NDArray[Any], truth: NDArray[Any]) -> NDArray[np.uint8]:
    """
    Draw the errors of a prediction.

    :param predicted: (H, W), z-depth (m).
    :param truth: (H, W), z-depth (m), NaN where unknown; sparse truth is drawn as dots.
    :returns: uint8 (H, W, 3), blue, green, red: white is correct, red a third too far or more,
        blue a quarter too near or more, gray unknown.
    """
    with np.errstate(all='ignore'):
        off = np.log(predicted / truth) / np.log(FULL)
    known = np.isfinite(off)
    if known.mean() < SPARSE:
        # dots of three pixels, each with the error in its middle, so that a lidar can be seen
        near = np.ones((3, 3), np.uint8)
        high = cv2.dilate(np.where(known, off, -_NOTHING).astype(np.float32), near)
        low = cv2.erode(np.where(known, off, _NOTHING).astype(np.float32), near)
        known = abs(high) < _NOTHING  # then low is one too
        off = np.where(known & (abs(high) > abs(low)), high, low)
    strength = np.clip(np.where(known, off, 0), -1, 1)
    blue, red = 1 - np.maximum(strength, 0), 1 + np.minimum(strength, 0)
    picture = np.rint(255 * np.stack([blue, 1 - abs(strength), red], -1)).astype(np.uint8)
    picture[~known] = UNKNOWN
    return picture
