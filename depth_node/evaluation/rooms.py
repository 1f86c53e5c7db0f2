"""
Evaluate a model on several sets of real frames, against two baselines that ignore the image.

The baselines know the lens, and their constants are fitted to these frames: a model that is only
a little better has learned little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.evaluation.metrics import DepthMetrics, score
from depth_node.evaluation.report import error_picture
from depth_node.image.color import colorize
from depth_node.image.size import Size

_STEP = 4  # every so many rows and columns are enough to compare a guess
_HEIGHTS = np.geomspace(0.2, 2.0, 10)  # of the camera over the floor (m)
_DEPTHS = np.geomspace(0.5, 8.0, 40)  # one depth for all (m)
_WALLS = np.geomspace(0.7, 8.0, 14)  # before the camera (m)
_TILE = Size(240, 180)  # of each picture on the sheet
_HORIZON = 1e-6  # rays that go down less never meet the floor
Plane = NDArray[np.float32]


@dataclass(frozen=True)
class Compared:
    """
    One frame, compared twice.

    :param set_name: name of the set it belongs to.
    :param name: name of the frame.
    :param metric: metrics of the depth as it is.
    :param scaled: metrics with median scaling.
    """

    set_name: str
    name: str
    metric: DepthMetrics
    scaled: DepthMetrics


@dataclass(frozen=True)
class Truth:
    """
    What is known of a frame, thinned out.

    :param set_name: name of the set it belongs to.
    :param name: name of the frame.
    :param depth: float32 (H, W), z-depth (m), NaN where unknown.
    :param down: float32 (H, W), y / z of each pixel's ray.
    """

    set_name: str
    name: str
    depth: Plane
    down: Plane

    @staticmethod
    def thinned(set_name: str, name: str, depth: Plane, camera: Camera) -> Truth:
        """
        Keep what the guesses need of a frame.

        :param set_name: name of the set.
        :param name: name of the frame.
        :param depth: float32 (H, W), z-depth (m).
        :param camera: camera that took it.
        :returns: every fourth row and column.
        """
        down = camera.rays()[::_STEP, ::_STEP, 1].astype(np.float32)
        return Truth(set_name, name, depth[::_STEP, ::_STEP].copy(), down)


def compare(
    set_name: str, name: str, predicted: Plane, truth: Plane, *, farthest: float
) -> Compared:
    """
    Compare a frame with its truth, as it is and with median scaling.

    :param set_name: name of the set.
    :param name: name of the frame.
    :param predicted: float32 (H, W), z-depth (m).
    :param truth: float32 (H, W), z-depth (m), NaN where unknown.
    :param farthest: largest true depth that counts (m).
    :returns: both comparisons.
    :raises DataError: no pixel can be compared.
    """
    metric, scaled = (
        score(predicted, truth, farthest=farthest, median_scaling=scaling).metrics
        for scaling in (False, True)
    )
    return Compared(set_name, name, metric, scaled)


def constant(truths: Sequence[Truth], farthest: float) -> tuple[list[Compared], str]:
    """
    Evaluate the baseline of one depth for all pixels: the depth with the smallest error.

    :param truths: the frames.
    :param farthest: largest true depth that counts (m).
    :returns: the comparisons, and the baseline in words.
    """
    found, (depth,) = _best(
        truths, [(float(wall),) for wall in _DEPTHS],
        lambda truth, constants: np.full_like(truth.depth, constants[0]), farthest,
    )
    return found, f'one depth, {depth:.2f} m'


def floor_and_wall(truths: Sequence[Truth], farthest: float) -> tuple[list[Compared], str]:
    """
    Evaluate the baseline of a level floor with a wall ahead, fitted to the frames.

    :param truths: the frames.
    :param farthest: largest true depth that counts (m).
    :returns: the comparisons, and the baseline in words.
    """
    found, (height, wall) = _best(
        truths, [(float(h), float(w)) for h in _HEIGHTS for w in _WALLS],
        lambda truth, constants: np.where(
            truth.down > _HORIZON,
            np.minimum(constants[0] / np.maximum(truth.down, _HORIZON), constants[1]),
            constants[1],
        ).astype(np.float32), farthest,
    )
    return found, f'floor {height:.2f} m below, wall {wall:.2f} m ahead'


def _best(
    truths: Sequence[Truth], choices: Iterable[tuple[float, ...]],
    guess: Callable[[Truth, tuple[float, ...]], Plane], farthest: float,
) -> tuple[list[Compared], tuple[float, ...]]:
    """Return the comparisons of the guess whose mean over sets is the least, and its constants."""
    ranked = []
    for constants in choices:
        found = [
            compare(t.set_name, t.name, guess(t, constants), t.depth, farthest=farthest)
            for t in truths
        ]
        ranked.append((table(found)['mean']['metric'], constants, found))
    _, constants, found = min(ranked, key=lambda entry: entry[:2])
    return found, constants


def table(compared: Sequence[Compared]) -> dict[str, dict[str, float]]:
    """
    Average the frames of each set, and the sets.

    :param compared: the frames.
    :returns: by name of the set, then `mean`: `frames`, `metric` and `scaled` (abs_rel without
        and with median scaling) and `a1` (with median scaling); each frame counts the same
        within its set, each set the same in the mean.
    """
    rows: dict[str, dict[str, float]] = {}
    for name in dict.fromkeys(frame.set_name for frame in compared):
        frames = [frame for frame in compared if frame.set_name == name]
        rows[name] = {
            'frames': len(frames),
            'metric': float(np.mean([frame.metric.abs_rel for frame in frames])),
            'scaled': float(np.mean([frame.scaled.abs_rel for frame in frames])),
            'a1': float(np.mean([frame.scaled.a1 for frame in frames])),
        }
    mean = {
        key: float(np.mean([row[key] for row in rows.values()]))
        for key in ('metric', 'scaled', 'a1')
    }
    return {**rows, 'mean': {'frames': float(len(compared)), **mean}}


def strip(rgb: NDArray[np.uint8], predicted: Plane, truth: Plane) -> NDArray[np.uint8]:
    """
    Draw a frame for the sheet: the picture, the true depth, the predicted depth, the error.

    :param rgb: uint8 (H, W, 3).
    :param predicted: float32 (H, W), z-depth (m).
    :param truth: float32 (H, W), z-depth (m), NaN where unknown.
    :returns: uint8 (180, 960, 3), blue, green, red; both depths have the range of the truth.
    """
    known = truth[np.isfinite(truth)]
    nearest, farthest = (float(p) for p in np.percentile(known, (1, 99)))
    pictures: tuple[NDArray[Any], ...] = (
        rgb[..., ::-1], colorize(truth, nearest, farthest),
        colorize(predicted, nearest, farthest), error_picture(predicted, truth),
    )
    return np.hstack([
        cv2.resize(picture, _TILE, interpolation=cv2.INTER_AREA) for picture in pictures
    ]).astype(np.uint8)
