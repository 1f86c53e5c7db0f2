"""Training samples from recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depth_node.errors import DataError
from depth_node.training.config import TrainConfig
from depth_node.training.data.augment import ColorChange, mirrored, mirrored_camera
from depth_node.training.data.recording import Recording


@dataclass(frozen=True)
class TrainingSample:
    """
    A target frame, its source frames, and their measurements.

    :param frames: uint8 (S, H, W, 3): the target, then frames before and after it (-1, +1, -2,
        +2, ...), then the stereo partner.
    :param inputs: as `frames`, with augmented colors: the network input.
    :param camera: float64 (4,): fx, fy, cx, cy (pixels).
    :param lengths: float64 (sources in time,): distance to the target (m), NaN if unknown.
    :param baseline: distance of the stereo partner along +x (m), negative if mirrored; 0: none.
    :param depth: float32 (H, W) z-depth (m), NaN where none, or None.
    :param lesson: float32 (H, W), prediction of the teacher, in its own unit, or None.
    """

    frames: NDArray[np.uint8]
    inputs: NDArray[np.uint8]
    camera: NDArray[np.float64]
    lengths: NDArray[np.float64]
    baseline: float
    depth: NDArray[np.float32] | None
    lesson: NDArray[np.float32] | None


class Samples:
    """
    All samples of some recordings.

    :param recordings: recordings of one size.
    :param config: determines what a sample needs.
    :raises DataError: no recording has what the objective or the odometry loss needs.
    """

    def __init__(self, recordings: Sequence[Recording], config: TrainConfig) -> None:
        self.recordings = recordings
        self._config = config
        warps = config.objective == 'self_supervised'
        self.stereo = (
            warps and config.stereo and all(r.stereo is not None for r in recordings)
        )
        self.neighbors = config.neighbors if warps else 0
        pairs = [
            (number, frame)
            for number, recording in enumerate(recordings)
            for frame in _usable(recording, config.objective, self.neighbors)
        ]
        if not pairs:
            raise DataError(
                'The recordings have no usable sample.', _NEEDS[config.objective]
            )
        self.index = np.array(pairs, np.int64)
        if config.odometry and not any(np.isfinite(r.poses).any() for r in recordings):
            raise DataError(
                'odometry has a weight, but no recording has poses.',
                'Add poses=FILE or odometry=TOPIC to the source, or set --odometry 0.',
            )

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.index)

    @property
    def offsets(self) -> tuple[int, ...]:
        """Frame numbers of the sources in time, relative to the target."""
        return tuple(
            sign * distance for distance in range(1, self.neighbors + 1) for sign in (-1, 1)
        )

    def focal(self) -> float:
        """
        Return the mean vertical focal length.

        :returns: over all samples (pixels at network size).
        """
        return float(np.mean([self.recordings[r].cameras[f, 1] for r, f in self.index]))

    def load(self, number: int, rng: np.random.Generator | None = None) -> TrainingSample:
        """
        Return one sample.

        :param number: its index, 0 to len - 1.
        :param rng: random generator for augmentation; None: no augmentation.
        :returns: the sample.
        """
        which, frame = self.index[number]
        recording = self.recordings[which]
        frames = recording.frames[[frame, *(frame + o for o in self.offsets)]]
        if self.stereo:
            assert recording.stereo is not None
            frames = np.concatenate([frames, recording.stereo[frame][None]])
        camera = recording.cameras[frame]
        baseline = recording.baseline if self.stereo else 0.0
        depth = None if recording.depth is None else recording.depth[frame].astype(np.float32)
        lesson = None if recording.lesson is None else np.array(recording.lesson[frame])
        config = self._config
        if rng is not None and rng.random() < config.flip:
            frames = mirrored(frames, 2)
            camera = mirrored_camera(camera, recording.size.width)
            baseline = -baseline
            depth = None if depth is None else mirrored(depth, 1)
            lesson = None if lesson is None else mirrored(lesson, 1)
        inputs = frames
        if rng is not None and rng.random() < config.jitter:
            inputs = ColorChange.drawn(config, rng).apply(frames)
        return TrainingSample(
            frames, inputs, camera, self._lengths(recording, frame), baseline, depth, lesson
        )

    def _lengths(self, recording: Recording, frame: int) -> NDArray[np.float64]:
        places = recording.poses[:, :3, 3]
        return np.array(
            [np.linalg.norm(places[frame + o] - places[frame]) for o in self.offsets], np.float64
        )


_NEEDS = {
    'self_supervised': 'Self-supervision needs a moving camera and consecutive frames.',
    'supervised': 'Supervision needs measured depth (an RGB-D or KITTI layout, the world).',
    'distill': 'Distillation needs the predictions of a teacher.',
}


def _usable(recording: Recording, objective: str, neighbors: int) -> NDArray[np.int64]:
    if objective == 'self_supervised':
        return recording.with_neighbors(neighbors)
    if objective == 'supervised' and recording.depth is None:
        return np.arange(0)
    if objective == 'distill' and recording.lesson is None:
        return np.arange(0)
    return np.arange(len(recording))
