"""What a bigger network says about the frames, for a small one to learn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.config import Config
from depth_node.depth.metres import scale_of
from depth_node.estimator import DepthEstimator
from depth_node.files import replacing
from depth_node.model import Model, OutputKind
from depth_node.model.fingerprint import fingerprint
from depth_node.training.data.recording import Recording

_RANGE = {'depth.min_range': 0.01, 'depth.max_range': 200.0}


def lesson_kind(model: Model) -> OutputKind:
    """
    Tell what a teacher's word is good for.

    :param model: the teacher.
    :returns: METRIC_DEPTH where metres can be had, else its own kind.
    """
    return model.spec.kind if scale_of(model.spec) is None else OutputKind.METRIC_DEPTH


def taught(
    recordings: Sequence[Recording],
    model: Model,
    watch: Callable[[Iterable[int], int], Iterable[int]] = lambda frames, _: frames,
) -> list[Recording]:
    """
    Ask a teacher about every frame, or take what it said before.

    The teacher sees the frames at the size of the student's network; its output is stored next to
    the frames, under the hash of its weights.

    :param recordings: whole ones, as stored.
    :param model: any model of the catalogue or on disk.
    :param watch: wraps the loop over frames and takes their number, for a progress bar.
    :returns: the recordings with their lessons: metres, or the teacher's own unit; NaN where it
        says nothing.
    :raises EngineError: no engine runs it.
    """
    mark = fingerprint(model.path)[:12]
    estimator = DepthEstimator(model, Config().replaced(_RANGE))
    try:
        return [_with_lesson(r, mark, estimator, watch) for r in recordings]
    finally:
        estimator.close()


def _with_lesson(
    recording: Recording,
    mark: str,
    estimator: DepthEstimator,
    watch: Callable[[Iterable[int], int], Iterable[int]],
) -> Recording:
    count, (width, height) = len(recording), recording.size
    shape = (count, height, width)
    path: Path = recording.path / f'lesson-{mark}.bin'
    if not path.is_file() or path.stat().st_size != 4 * count * height * width:
        with replacing(path) as part, part.open('wb') as file:
            for frame in watch(range(count), count):
                file.write(_said(recording, frame, estimator).tobytes())
    lesson: Any = np.memmap(path, np.float32, 'r', shape=shape)
    return dataclasses.replace(recording, lesson=lesson)


def _said(recording: Recording, frame: int, estimator: DepthEstimator) -> NDArray[np.float32]:
    fx, fy, cx, cy = recording.cameras[frame].tolist()
    camera = Camera(*recording.size, fx, fy, cx, cy)
    answer = estimator.estimate(np.array(recording.frames[frame]), camera)
    values = answer.prediction.values if answer.depth is None else answer.depth
    said = values.astype(np.float32)
    said[~np.isfinite(said)] = np.nan
    return said
