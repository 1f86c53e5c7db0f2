"""Validation of a network on held-out samples."""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray
import torch

from depth_node.errors import DataError
from depth_node.evaluation.metrics import score
from depth_node.training.data.batches import stacked
from depth_node.training.data.samples import Samples
from depth_node.training.learner import Learner

PICTURES = 6


@dataclass(frozen=True)
class Picture:
    """
    A frame and its predicted depth.

    :param frame: uint8 (H, W, 3) rgb.
    :param depth: float32 (H, W) (m, or up to scale).
    :param truth: float32 (H, W) (m), NaN where none, or None.
    """

    frame: NDArray[np.uint8]
    depth: NDArray[np.float32]
    truth: NDArray[np.float32] | None


@dataclass(frozen=True)
class Validation:
    """
    The result of one validation.

    :param figures: `loss`, and for frames with measured depth the means of `abs_rel`, `rmse`
        (m), `a1`, and `abs_rel_median` (after median scaling).
    :param pictures: some frames.
    """

    figures: dict[str, float]
    pictures: list[Picture]


def validate(learner: Learner, samples: Samples, device: torch.device) -> Validation:
    """
    Validate the networks and set them to training mode.

    :param learner: the networks and their loss.
    :param samples: held-out samples.
    :param device: device of the networks.
    :returns: metrics and some frames.
    """
    config = learner.config
    count = min(config.validation_frames, len(samples))
    chosen = np.linspace(0, len(samples) - 1, count).round().astype(int)
    shown = set(np.linspace(0, count - 1, min(PICTURES, count)).round().astype(int).tolist())
    size = max(config.batch // config.accumulate, 1)
    sums: dict[str, list[float]] = {}
    pictures: list[Picture] = []
    learner.eval()
    with torch.no_grad():
        for first in range(0, count, size):
            numbers = tuple(int(n) for n in chosen[first : first + size])
            loaded = [samples.load(n) for n in numbers]
            outcome = learner(stacked(loaded, numbers).to(device))
            sums.setdefault('loss', []).extend([float(outcome.loss)] * len(numbers))
            depths = outcome.depth[:, 0].float().cpu().numpy()
            for place, (sample, depth) in enumerate(zip(loaded, depths, strict=True)):
                if sample.depth is not None:
                    for name, value in judged(depth, sample.depth, config.max_depth).items():
                        sums.setdefault(name, []).append(value)
                if first + place in shown:
                    pictures.append(Picture(sample.frames[0], depth, sample.depth))
    learner.train()
    figures = {name: float(np.nanmean(values)) for name, values in sums.items()}
    return Validation(figures, pictures)


def judged(
    depth: NDArray[np.float32], truth: NDArray[np.float32], cap: float
) -> dict[str, float]:
    """
    Compare one depth image with the ground truth.

    :param depth: float32 (H, W) (m, or up to scale).
    :param truth: float32 (H, W) (m), NaN where none.
    :param cap: larger true depths are ignored (m).
    :returns: the metrics of :class:`Validation` without the loss; NaN without ground truth.
    """
    figures = dict.fromkeys(('abs_rel', 'rmse', 'a1', 'abs_rel_median'), math.nan)
    try:
        plain = score(depth, truth, farthest=cap).metrics
        scaled = score(depth, truth, farthest=cap, median_scaling=True).metrics
    except DataError:  # a frame without a single measurement
        return figures
    return {
        'abs_rel': plain.abs_rel,
        'rmse': plain.rmse,
        'a1': plain.a1,
        'abs_rel_median': scaled.abs_rel,
    }
