"""What a bigger network says about the frames, for a small one to learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from depth_node.model import OutputKind
from depth_node.training.config import TrainConfig
from depth_node.training.data.recording import Recording


@dataclass(frozen=True)
class Lessons:
    """
    A teacher's word on recordings.

    :param kind: what the numbers mean: metres, relative depth or relative disparity.
    :param planes: for each recording float32 (N, H, W), NaN where the teacher says nothing.
    """

    kind: OutputKind = OutputKind.METRIC_DEPTH
    planes: list[NDArray[np.float32]] = field(default_factory=list)


def no_lessons(recordings: Sequence[Recording], config: TrainConfig) -> Lessons:  # noqa: ARG001
    """
    Ask nobody.

    :param recordings: not looked at.
    :param config: not looked at.
    :returns: nothing.
    """
    return Lessons()
