"""
Verification of compiled engines against their networks.

Half precision has been silently wrong in several versions of TensorRT. Therefore every engine that
was built is run on realistic frames, and its results are compared with those of the network in
fp32 with ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
import contextlib
import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.engine.base import Engine
from depth_node.errors import EngineError
from depth_node.model.prediction import Prediction

MEDIAN_BOUND = 0.01
"""Maximum median of the relative error of a frame."""
TAIL_BOUND = 0.05
"""Maximum 99th percentile of the relative error of a frame."""
SPREAD_BOUND = 0.005
"""Maximum 99th percentile of the relative difference between two runs of a frame."""
FLOOR = 0.02
"""Errors are relative to the value, or to this share of the frame's largest if larger."""


@dataclass(frozen=True)
class Verdict:
    """
    The result of comparing an engine with its reference.

    :param frames: number of frames compared.
    :param median: worst median of the relative error over the frames and outputs.
    :param p99: worst 99th percentile of the relative error.
    :param reason: why it is not accurate enough; empty if it is.
    :param rounds: number of runs of each frame.
    :param spread: worst 99th percentile of the relative difference between two runs of the same
        frame.
    """

    frames: int
    median: float
    p99: float
    reason: str = ''
    rounds: int = 1
    spread: float = 0.0

    @property
    def good(self) -> bool:
        """Whether the engine may be used."""
        return not self.reason

    def as_facts(self, precision: str) -> dict[str, Any]:
        """
        Return the verdict for the metadata of the engine.

        :param precision: precision of the engine.
        :returns: plain values.
        """
        return {'precision': precision, **dataclasses.asdict(self), 'good': self.good}


def as_built(facts: Mapping[str, Any]) -> bool:
    """
    Return whether metadata from a file has the fields that :func:`in_words` needs.

    :param facts: facts of an engine, which may have been edited.
    :returns: whether it has the verified attempts, of which the last one was kept.
    """
    attempts = facts.get('verification')
    return isinstance(facts.get('precision'), str) and isinstance(attempts, list) and all(
        isinstance(attempt, dict)
        and isinstance(attempt.get('precision'), str)
        and isinstance(attempt.get('reason'), str)
        and (not attempt.get('good') or all(
            isinstance(attempt.get(name), (int, float)) for name in ('frames', 'median', 'p99')
        ))
        for attempt in attempts
    )


def in_words(facts: Mapping[str, Any]) -> str:
    """
    Return how an engine was verified, as text.

    :param facts: facts of the engine.
    :returns: one line.
    """
    attempts = facts.get('verification', [])
    kept = [a for a in attempts if a['good']]
    words = 'not needed: the unmodified network in fp32'
    if kept:
        last = kept[-1]
        words = (
            f'relative error {last["median"]:.2%} (median), '
            f'{last["p99"]:.2%} (99th percentile) over {last["frames"]} frames'
        )
    rejected = [f'; not {a["precision"]}: {a["reason"]}' for a in attempts if not a['good']]
    return words + ''.join(rejected)


def circumstances(facts: Mapping[str, Any]) -> dict[str, str]:
    """
    Return the circumstances of a build, if known.

    :param facts: facts of the engine, which may have been edited.
    :returns: key to value: the board with its power mode and clocks at the build, and public
        reports of wrong engines of this version and GPU.
    """
    found = {}
    board, reports = facts.get('board'), facts.get('advisories')
    if isinstance(board, dict) and board:
        found['engine built on'] = ', '.join(f'{key}: {value}' for key, value in board.items())
    if isinstance(reports, list) and reports:
        found['engine reports'] = '; '.join(map(str, reports))
    return found


def accepted(engine: Engine, reference: Engine) -> Engine:
    """
    Compare an engine with the network in fp32, on the synthetic world.

    :param engine: the engine to verify; closed if it is wrong.
    :param reference: the reference in fp32; it is closed.
    :returns: the engine, with its `facts`.
    :raises EngineError: it is wrong, or one of them failed.
    """
    with contextlib.closing(reference):
        verdict = compare(engine, reference, sample_frames())
    if not verdict.good:
        engine.close()
        raise EngineError(
            f'{engine.description} is wrong: {verdict.reason}.', 'Set engine.precision to fp32.'
        )
    precision = engine.precision
    engine.facts = {'precision': precision, 'verification': [verdict.as_facts(precision)]}
    return engine


def answers(reference: Engine, frames: Iterable[NDArray[np.uint8]]) -> list[Prediction]:
    """
    Return the results of the reference engine, so that it can be closed.

    :param reference: the reference engine.
    :param frames: uint8 (H, W, 3) rgb each, sizes may differ.
    :returns: a prediction for each.
    :raises EngineError: it failed.
    """
    found = []
    for frame in frames:
        out = reference.buffers(*frame.shape[:2])
        reference.infer(frame, out)
        found.append(out)
    return found


def compare(
    engine: Engine,
    reference: Engine,
    frames: Iterable[NDArray[np.uint8]],
    *,
    median_bound: float = MEDIAN_BOUND,
    tail_bound: float = TAIL_BOUND,
) -> Verdict:
    """
    Run frames through two engines, once.

    :param engine: the engine to verify.
    :param reference: the reference engine.
    :param frames: uint8 (H, W, 3) rgb each, sizes may differ.
    :param median_bound: maximum median of the relative error of a frame.
    :param tail_bound: maximum 99th percentile.
    :returns: the verdict; see :func:`check`.
    :raises EngineError: one of them failed.
    """
    frames = list(frames)
    return check(
        engine, frames, answers(reference, frames), median_bound=median_bound,
        tail_bound=tail_bound,
    )


def check(
    engine: Engine,
    frames: Sequence[NDArray[np.uint8]],
    expected: Sequence[Prediction],
    *,
    rounds: int = 1,
    median_bound: float = MEDIAN_BOUND,
    tail_bound: float = TAIL_BOUND,
    step: Callable[[int, int], None] = lambda _done, _total: None,
) -> Verdict:
    """
    Run frames through an engine in turns, and compare the results with the expected ones.

    Engines have been wrong in a way that varies from run to run. Therefore the frames are
    interleaved, and an engine that does not give the same result for the same frame is rejected.

    :param engine: the engine to verify.
    :param frames: uint8 (H, W, 3) rgb each, sizes may differ.
    :param expected: expected result for each.
    :param rounds: number of runs of each frame.
    :param median_bound: maximum median of the relative error of a frame.
    :param tail_bound: maximum 99th percentile.
    :param step: called before each inference with the number done and the total number.
    :returns: the verdict; NaN and Inf are failures unless the reference has them.
    :raises EngineError: it failed.
    """
    findings = _Findings(len(frames), rounds)
    first: list[Prediction] = []
    buffers: dict[tuple[int, int], Prediction] = {}
    for turn in range(rounds):
        for number, (frame, wanted) in enumerate(zip(frames, expected, strict=True)):
            step(turn * len(frames) + number, rounds * len(frames))
            shape = wanted.shape
            if shape not in buffers:
                buffers[shape] = engine.buffers(*shape)
            ours = buffers[shape]
            for _, plane, _ in _outputs(ours, wanted):
                plane.fill(np.nan)  # what is not written must not pass for an answer
            engine.infer(frame, ours)
            findings.compare(number + 1, ours, wanted)
            if turn:
                findings.repeat(number + 1, ours, first[number])
            elif rounds > 1:
                first.append(_copy(ours))
    return findings.verdict(median_bound, tail_bound)


class _Findings:
    """The findings while an engine is verified."""

    def __init__(self, frames: int, rounds: int) -> None:
        self.frames, self.rounds = frames, rounds
        self.medians, self.tails, self.spreads = [0.0], [0.0], [0.0]
        self.reason = ''

    def compare(self, number: int, ours: Prediction, wanted: Prediction) -> None:
        """Compare a result with the expected one."""
        for name, found, expected in _outputs(ours, wanted):
            known = np.isfinite(expected)
            bad = np.count_nonzero(np.isfinite(found) != known)
            if bad:
                share = bad / found.size
                self.reason = self.reason or (
                    f'{share:.1%} of {name} is not a number in frame {number}'
                )
                continue
            if not known.any():
                continue
            error = relative_error(found[known], expected[known])
            self.medians.append(float(np.median(error)))
            self.tails.append(float(np.percentile(error, 99)))

    def repeat(self, number: int, ours: Prediction, first: Prediction) -> None:
        """Compare a result with the first one for the same frame."""
        for name, found, expected in _outputs(ours, first):
            known = np.isfinite(expected)
            if np.array_equal(found, expected, equal_nan=True) or not known.any():
                continue
            error = relative_error(np.nan_to_num(found[known]), expected[known])
            spread = float(np.percentile(error, 99))
            self.spreads.append(spread)
            if spread > SPREAD_BOUND:
                self.reason = self.reason or (
                    f'{name} of frame {number} differs by {spread:.2%} (99th percentile) from '
                    'one run to the next'
                )

    def verdict(self, median_bound: float, tail_bound: float) -> Verdict:
        """Return the verdict."""
        median, tail = max(self.medians), max(self.tails)
        reason = self.reason
        if not reason and (median > median_bound or tail > tail_bound):
            reason = (
                f'relative error {median:.2%} (median), {tail:.2%} (99th percentile); allowed '
                f'are {median_bound:.0%} and {tail_bound:.0%}'
            )
        return Verdict(self.frames, median, tail, reason, self.rounds, max(self.spreads))


def relative_error(
    found: NDArray[np.float32], expected: NDArray[np.float32]
) -> NDArray[np.float32]:
    """
    Return the relative error of values.

    Disparities of distant objects are near zero, where a plain relative error is meaningless;
    therefore there is a floor.

    :param found: float32, any shape, finite.
    :param expected: float32, the same shape, finite.
    :returns: float32, the same shape.
    """
    size = np.abs(expected)
    floor = max(FLOOR * float(size.max()), float(np.finfo(np.float32).tiny))
    return np.abs(found - expected) / np.maximum(size, np.float32(floor))


def sample_frames(given: Sequence[NDArray[np.uint8]] = ()) -> list[NDArray[np.uint8]]:
    """
    Return the frames for comparison: the synthetic world at two sizes, and those of the user.

    :param given: uint8 (H, W, 3) rgb, for example from the robot's camera.
    :returns: the frames, always the same ones.
    """
    from depth_node.camera import Camera
    from depth_node.world import World

    frames = list(given)
    for seed, width, height in ((1, 640, 480), (2, 640, 480), (3, 480, 270)):
        world = World(seed)
        frames.append(world.render(Camera.from_hfov(width, height, 70), world.pose(2.0))[0])
    return frames


def _outputs(
    ours: Prediction, wanted: Prediction
) -> list[tuple[str, NDArray[np.float32], NDArray[np.float32]]]:
    return [
        (name, found, expected) for name, found in ours.planes.items()
        if found is not None and (expected := wanted.planes[name]) is not None
    ]


def _copy(prediction: Prediction) -> Prediction:
    """Return a copy of a prediction in ordinary memory."""
    planes = (None if p is None else p.copy() for p in prediction.planes.values())
    return Prediction(*planes)  # type: ignore[arg-type]  # the first is always there
