"""
The processing of a frame: it is read and predicted, then converted to metres and published.

If the engine leaves a core free, or runs on a GPU, a second thread does the second half while the
engine already runs on the next frame. There is no queue: the second thread takes a frame only when
it is idle, and the first one then continues with the newest frame. An engine with a thread on
every core would only be delayed, because its threads synchronize after every layer; there a single
thread does both halves.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
import os
import time
from typing import Any

import numpy as np

from depth_node.camera import Camera
from depth_node.config import Config
from depth_node.engine.base import Engine
from depth_node.errors import DataError, DepthNodeError, DeviceLostError, EngineError
from depth_node.estimator import DepthEstimator, Estimate
from depth_node.model.advice import idle_parameters
from depth_node.model.prediction import Prediction
from depth_node.ros.making import Scene, wants_confidence
from depth_node.ros.notices import Notices
from depth_node.ros.opening import Opening
from depth_node.ros.outputs import Outputs
from depth_node.ros.reading import Reader
from depth_node.ros.scaling import Scaling
from depth_node.ros.worker import Worker
from depth_node.sources.calibration import Calibration
from depth_node.sources.frame import Frame

ALL_NAN = (
    'Every pixel is invalid: the engine returns NaN, or a filter is too strict. Set '
    'engine.precision to fp32, and filter.* and depth.* to their defaults.'
)


_GIVE_WAY_S = 1e-4
"""Pause that lets the other thread wake up (s); it saves 0.35 of 0.45 ms per frame."""


@dataclass(frozen=True)
class Job:
    """
    A received frame.

    :param message: Image or CompressedImage.
    :param arrived: time of reception (s, monotonic clock).
    :param config: the configuration in force then; the whole frame goes by it.
    """

    message: Any
    arrived: float
    config: Config


@dataclass(frozen=True)
class Predicted:
    """
    A frame after inference.

    :param frame: the frame, still without its camera.
    :param prediction: output of the network.
    :param estimator: the estimator that made the prediction.
    :param config: the configuration when it was read, used for the whole frame.
    :param wanted: topics that had subscribers when it was read.
    :param arrived: time of reception (s, monotonic clock).
    """

    frame: Frame
    prediction: Prediction
    estimator: DepthEstimator
    config: Config
    wanted: frozenset[str]
    arrived: float


class Pipeline:
    """
    Processes frames from the input message to the outputs, from activate to deactivate.

    :param opening: opens the engine.
    :param reader: reads messages.
    :param calibration: finds the camera of a frame.
    :param scaling: keeps the scale.
    :param outputs: publishes the results.
    :param notices: where conditions are reported.
    """

    def __init__(  # noqa: PLR0917
        self,
        opening: Opening,
        reader: Reader,
        calibration: Calibration,
        scaling: Scaling,
        outputs: Outputs,
        notices: Notices,
    ) -> None:
        self._opening = opening
        self._reader = reader
        self._calibration = calibration
        self._scaling = scaling
        self._outputs = outputs
        self._notices = notices
        self._health = notices.health
        self._estimator: DepthEstimator | None = None
        self._predictions: list[Prediction | None] = [None, None]
        self._turn = 0
        self._front: Worker[Job] = Worker(self._predict, 'predict')
        self._back: Worker[Predicted] = Worker(self._finish, 'publish')

    def start(self) -> None:
        """Start both threads."""
        self._back.start()
        self._front.start()

    def offer(self, message: Any, config: Config) -> None:
        """
        Accept a message, which replaces one that is still waiting.

        :param message: Image or CompressedImage.
        :param config: the configuration in force.
        """
        if self._front.offer(Job(message, time.monotonic(), config)):
            self._health.drop('replaced by a newer frame')
        # or the executor would keep the GIL while it prepares its next wait, and the frame with it
        time.sleep(_GIVE_WAY_S)

    def busy_for(self) -> float:
        """
        Return how long the oldest frame has been in process.

        :returns: seconds, 0.0 if idle.
        """
        return max(self._front.busy_for(), self._back.busy_for())

    def stop(self, timeout: float) -> bool:
        """
        Finish the current frames and end both threads.

        :param timeout: how long to wait for each (s).
        :returns: whether they have ended.
        """
        # the back first: the front may be waiting for it
        ended = self._back.stop(timeout)
        return self._front.stop(timeout) and ended

    def _predict(self, job: Job) -> None:
        """Do the first half of a frame; never raises."""
        with _Guard(self._notices):
            config = job.config
            estimator = self._ready(job.message, config)
            wanted = self._outputs.wanted()
            if not wanted or estimator is None:
                self._health.drop('no engine yet' if estimator is None else 'no subscriber')
                return
            stages = self._health.stages
            stages.begin()
            turn = self._turn
            frame = self._reader.read(job.message, turn, config)
            stages.lap('view')
            prediction = self._predictions[turn] = estimator.predict(
                frame, self._predictions[turn]
            )
            self._health.clear('engine', 'frame')
            self._turn = 1 - turn
            predicted = Predicted(frame, prediction, estimator, config, wanted, job.arrived)
            engine, threads = estimator.engine, config.engine.threads
            if engine is not None and overlaps(engine, threads):
                self._back.hand_over(predicted)
            else:
                self._finish(predicted)

    def _finish(self, predicted: Predicted) -> None:
        """Do the second half of a frame; never raises."""
        with _Guard(self._notices):
            self._health.stages.begin()
            estimator, config = predicted.estimator, predicted.config
            estimator.configure(config, self._scaling.begin(config, predicted.frame))
            # as late as possible, since a CameraInfo may come after its frame
            frame = dataclasses.replace(predicted.frame, camera=self._camera(predicted.frame))
            estimate = estimator.measure(
                predicted.prediction, frame,
                confidence=wants_confidence(config, predicted.wanted),
            )
            try:
                if self._outputs.send(Scene(frame, estimate, config, predicted.wanted)):
                    self._health.sent(time.monotonic() - predicted.arrived)
                else:
                    self._health.drop('no metres')
            finally:
                # what there is to say about a frame is not waited for
                self._scaling.note(config, frame, estimate)
                self._notices.set('idle', idle_parameters(config, estimator.spec))
                self._judge(estimate, estimator)

    def _camera(self, frame: Frame) -> Camera | None:
        """Return the camera of a frame, or report why there is none."""
        try:
            camera = self._calibration.camera(frame)
        except DataError as error:
            self._notices.warn('calibration', str(error), fatal=True)
            return None
        self._health.clear('calibration')
        assumed = self._calibration.assumed
        instead = f'The camera is calibrated by {assumed}, not by CameraInfo.' if assumed else ''
        self._notices.set('assumed', instead)
        self._notices.set('lens', self._calibration.doubt)
        self._health.calibration = self._calibration.choice
        self._notices.info('calibration', f'camera: {self._calibration.choice}')
        return camera

    def _ready(self, message: Any, config: Config) -> DepthEstimator | None:
        """Return the estimator, or start opening its engine."""
        if self._estimator is None:
            engine = self._opening.engine
            if engine is None:
                if self._opening.wants_frame:
                    # read as a whole: a message that contradicts itself decides nothing
                    self._opening.start(self._reader.read(message, self._turn, config).size)
                return None
            self._estimator = DepthEstimator(
                engine, config, self._health.stages, self._scaling.keeper(config)
            )
        return self._estimator

    def _judge(self, result: Estimate, estimator: DepthEstimator) -> None:
        """Set conditions for the problems that the estimator found."""
        self._notices.set('focal', estimator.focal_note)
        if result.depth is None:
            self._notices.warn('scale', result.note, fatal=True)
            return
        self._health.clear('scale')
        # a sixty-fourth of the pixels says as much and costs nothing
        invalid = float(np.isnan(result.depth[::8, ::8]).mean())
        self._health.invalid_share = invalid
        if invalid == 1.0:
            self._notices.warn('nan', ALL_NAN, fatal=True)
        else:
            self._health.clear('nan')


class _Guard:
    """Converts exceptions of a frame to conditions, so that a bad frame does not end the node."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if error is None:
            return False
        if isinstance(error, DeviceLostError):
            self._notices.health.device_lost = str(error)
        if isinstance(error, EngineError):
            self._notices.failed('engine', error)
        elif isinstance(error, DepthNodeError):
            self._notices.failed('frame', error)
        elif isinstance(error, Exception):
            text = f'{type(error).__name__}: {error}. This is a bug in depth_node: report it.'
            self._notices.failed('frame', DepthNodeError(text))
        else:
            return False
        return True


def overlaps(engine: Engine, threads: int) -> bool:
    """
    Return whether a frame is published while the engine runs on the next one.

    :param engine: the engine.
    :param threads: the parameter ``engine.threads``.
    :returns: whether the engine leaves a core free.
    """
    return not engine.on_cpu or 0 < threads < len(os.sched_getaffinity(0))
