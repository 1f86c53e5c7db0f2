"""The scale over time: from readings and frames to the scale of each frame."""

from __future__ import annotations

from collections import deque
import dataclasses
import math
import threading
import time

import numpy as np

from depth_node.config import Config
from depth_node.depth.metres import Scale
from depth_node.errors import ConfigError
from depth_node.model import ModelSpec
from depth_node.scale.calibration import ScaleCalibration
from depth_node.scale.correction import Corrector
from depth_node.scale.estimators import Early, Known
from depth_node.scale.frames import FRAME_PRIOR, scaled_alike
from depth_node.scale.freezing import Freezer
from depth_node.scale.ground import FloorPose
from depth_node.scale.measurement import Measurement, NotObservable, Outcome
from depth_node.scale.motion import moved, pose_at
from depth_node.scale.pixels import ScaleFrame
from depth_node.scale.plausibility import doubt_of, plausible
from depth_node.scale.readings import PoseReading, Reading
from depth_node.scale.state import ScaleState
from depth_node.scale.sync import ClockWatch, StampedBuffer
from depth_node.scale.table import MEASURING, SOURCES
from depth_node.scale.tracker import Belief, ScaleTracker

SPAN = 2.0
"""How long readings are kept (s)."""
MOST = 400
"""Maximum number of readings: odometry at 200 Hz for that time."""
LATE = 0.5
"""How long a frame waits for its reading (s)."""
WAITING = 10
"""Maximum number of waiting frames."""
STANDSTILL = (
    'the stamps of the frames do not advance, so neither their age nor their readings can be '
    'determined; check the clock of the camera (use_sim_time, the driver)'
)


class ScaleKeeper:
    """
    Recovers and tracks the scale of one network with one camera.

    All methods except :meth:`update` may be called from other threads.

    :param config: the configuration, of which `scale` and `ground` are used.
    :param spec: the network.
    :param calibration: a saved scale of this network, or None.
    :param note: what to say of a given scale; mostly empty.
    :raises ConfigError: the source does not support this kind of network.
    """

    def __init__(
        self, config: Config, spec: ModelSpec, calibration: ScaleCalibration | None = None,
        note: str = '',
    ) -> None:
        self.source = SOURCES[config.scale.source]
        self.source.check(spec)
        self._config = config
        self._spec = spec
        self._calibration = calibration
        self._note = note
        self._floor: FloorPose | None = None
        self._floor_note = ''
        self._readings: StampedBuffer[Reading] = StampedBuffer(SPAN, MOST)
        by_poses = self.source.reading is PoseReading
        self._poses = self._readings if by_poses else StampedBuffer[Reading](SPAN, MOST)
        self._tracker = ScaleTracker(config.scale.drift)
        self._estimator = self.source.estimator() if self.source.estimator else None
        self._waiting: deque[ScaleFrame] = deque(maxlen=WAITING)
        self._clock = ClockWatch()
        self._corrector = Corrector()
        self._freezer = Freezer(spec.kind)
        self._adopted = False
        self._looked_at = -math.inf
        self._reason = ''
        self._stamp = 0.0
        self._restart = True
        self._lock = threading.Lock()

    def configure(self, config: Config) -> None:
        """
        Use another configuration from the next frame on, with the same source.

        :param config: the configuration, of which `scale` and `ground` are used.
        """
        self._config = config

    def reset(self) -> None:
        """Discard all measurements and the initial calibration."""
        with self._lock:
            self._tracker.reset()
            self._freezer.thaw()
            self._forget_frames()
            self._restart = False
            self._reason = 'the scale was reset'

    def set_floor(self, floor: FloorPose | None, note: str = '') -> None:
        """
        Set the pose of the floor, for sources that need it if it is not in the parameters.

        :param floor: pose from TF; None if unknown.
        :param note: why it is unknown, and what to do.
        """
        self._floor, self._floor_note = floor, note

    def add(self, stamp: float, reading: Reading) -> None:
        """
        Add a reading of a sensor; those of other sources are ignored, except for poses.

        :param stamp: its time (s).
        :param reading: reading of the type that the source uses, or a pose of the camera.
        """
        if self.source.reading is not None and isinstance(reading, self.source.reading):
            self._readings.add(stamp, reading)
        elif isinstance(reading, PoseReading):
            self._poses.add(stamp, reading)

    def moving(self, stamp: float) -> bool:
        """
        Return whether odometry shows that the camera moves.

        :param stamp: the time (s).
        :returns: whether it moves; False if there is no odometry at that time.
        """
        return moved(self._poses, stamp)

    def update(self, frame: ScaleFrame) -> ScaleState:
        """
        Process a frame, and return the scale.

        :param frame: the frame.
        :returns: the state of the scale at this frame.
        """
        given = self.given()
        if given is not None:
            return given
        with self._lock:
            return self._looked(frame)

    def unknown(self, reason: str) -> ScaleState:
        """
        Return the state if frames cannot be processed.

        :param reason: the reason.
        :returns: the state.
        """
        return ScaleState(math.nan, 0.0, math.nan, self.source.name, reason=reason)

    def given(self) -> ScaleState | None:
        """
        Return the scale of a source that needs no measurement.

        :returns: the state, or None if the source measures on frames.
        """
        if self.source.given is None:
            return None
        known, limit = self._calibration, self._config.scale.max_sigma
        if known is None:
            state = self.source.given(self._config.scale, self._spec)
            return dataclasses.replace(state, reason=state.reason or self._note)
        usable = known.sigma < limit
        reason = '' if usable else _too_uncertain(known.sigma, limit)
        return ScaleState(
            known.scale, known.shift, known.sigma, 'calibration', usable=usable, reason=reason
        )

    def adopt(self, calibration: ScaleCalibration) -> None:
        """
        Use a scale that was found otherwise, as with a tape measure.

        :param calibration: of this network; a source that measures starts from it.
        """
        with self._lock:
            self._calibration, self._adopted, self._restart = calibration, True, True
            self._freezer.thaw()

    def found(self) -> Belief | None:
        """Return the current estimate for a calibration; None if there is none."""
        with self._lock:
            return self._tracker.belief(self._stamp)

    def calibration(self, sha256: str) -> ScaleCalibration:
        """
        Return the current scale as a calibration.

        A file is also used in other places, so its uncertainty includes the factor by which
        frames of different scenes differ.

        :param sha256: hash of the model's ONNX file.
        :returns: the calibration.
        :raises ConfigError: there is no scale, or it is too uncertain to save.
        """
        if self._adopted and self._calibration is not None and self.source.given is not None:
            return self._calibration
        if self.source.given is not None:
            raise ConfigError(
                f'scale.source is {self.source.name}, which measures nothing to save.',
                f'Set it to one of {MEASURING}.',
            )
        with self._lock:
            state = self._state(self._stamp)
            belief = self._tracker.belief(self._stamp)
        if belief is None or not state.usable:
            raise ConfigError(f'There is no scale to save yet: {state.reason}.')
        common = scaled_alike(self._spec.kind, belief.value, FRAME_PRIOR)
        covariance = belief.covariance + np.outer(common, common)
        return ScaleCalibration(
            self._spec.name, sha256, self._spec.kind, state.value, state.shift,
            tuple(map(tuple, covariance.tolist())), belief.typical, self.source.name,
        )

    def _forget_frames(self) -> None:
        self._waiting.clear()
        self._looked_at = -math.inf
        self._corrector.reset()
        if self._estimator is not None:
            self._estimator.reset()

    def _looked(self, frame: ScaleFrame) -> ScaleState:
        """Process a frame with the source."""
        if frame.stamp < self._stamp - SPAN:
            # a bag that starts over: times before are not comparable
            self._forget_frames()
            self._restart = True
        self._stamp = frame.stamp
        if self._clock.stands_still(frame.stamp, time.monotonic()):
            self._restart = True
            return self.unknown(STANDSTILL)
        config = self._config
        self._tracker.drift = config.scale.drift
        if self._restart:
            self._tracker.reset()
            if self._calibration is not None:
                self._tracker.start(frame.stamp, _believed(self._calibration))
            self._restart = False
        known = Known.of(config, self._readings, self._floor, self._floor_note)
        for _ in range(len(self._waiting)):
            earlier = self._waiting.popleft()
            early = self._measure(earlier, known)
            if early is not None and frame.stamp - earlier.stamp < LATE:
                self._waiting.append(earlier)
            elif early is not None:
                self._reason = early.reason
        early = self._measure(frame, known)
        if early is not None:
            if len(self._waiting) == WAITING:
                self._reason = early.reason
            looked_at = self.source.image or self.source.corrects(config.scale.local)
            self._waiting.append(frame.copied(image=looked_at))
        return self._state(frame.stamp)

    def _measure(self, frame: ScaleFrame, known: Known) -> Early | None:
        """Measure on a frame if due; return why to try again later."""
        if frame.stamp - self._looked_at < 0.999 / known.config.rate:
            return None
        assert self._estimator is not None
        outcome = self._estimator.measure(frame, known)
        if isinstance(outcome, Measurement):
            outcome = plausible(self._spec, outcome) or outcome
        if isinstance(outcome, Early):
            return outcome
        # tracking is work also when it finds nothing; a message may come with any frame
        if isinstance(outcome, Measurement) or (self.source.tracks and outcome is not None):
            self._looked_at = frame.stamp
        self._take(frame.stamp, outcome)
        self._correct(frame, outcome)
        return None

    def _correct(self, frame: ScaleFrame, outcome: Outcome | None) -> None:
        """Find the local correction with the anchors of a frame that was measured."""
        assert self._estimator is not None
        config = self._config.scale
        if config.freeze or not self.source.corrects(config.local):
            self._corrector.reset()
            return
        state, anchors = self._state(frame.stamp), self._estimator.anchors
        if not isinstance(outcome, Measurement) or math.isnan(state.value) or anchors is None:
            return
        pose = frame.frame.pose
        if pose is None:
            pose = pose_at(self._poses, frame.stamp, config.time_tolerance)
        self._corrector.update(frame, anchors, Scale(state.value, state.shift), pose)

    def _take(self, stamp: float, outcome: Outcome | None) -> None:
        if isinstance(outcome, NotObservable):
            self._reason = outcome.reason
        elif outcome is not None:
            used = self._tracker.update(stamp, outcome)
            waiting = self._tracker.collecting
            self._reason = (
                doubt_of(self._spec, outcome) if used
                else f'{waiting} more measurements are needed' if waiting
                else 'the last measurement does not agree with the previous ones and is not used'
            )

    def _state(self, stamp: float) -> ScaleState:
        belief, source, config = self._tracker.belief(stamp), self.source.name, self._config.scale
        if belief is None:
            return self.unknown(
                f'the scale is not known yet: {self._reason or "no frame has arrived"}'
            )
        value = math.exp(belief.value[0])
        shift = float(belief.value[1]) if belief.value.size > 1 else 0.0
        field = self._corrector.field(stamp)
        misfit = belief.misfit if field is None else belief.misfit * (1 - field.gain)
        why = ''
        if not belief.sigma < config.max_sigma:
            why = _too_uncertain(belief.sigma, config.max_sigma)
        elif not misfit < config.max_misfit:
            why = (
                f'pixels differ from the fit by {100 * misfit:.0f} %, more than '
                f'scale.max_misfit {100 * config.max_misfit:g} %: the network fails on this '
                'scene, or the pose of the sensor (scale.extrinsic) is wrong'
            )
        reason = f'{why}: {self._reason}' if why and self._reason else why or self._reason
        state = ScaleState(
            value, shift, belief.sigma, source, belief.age, belief.inliers, not why, reason,
            misfit, field,
        )
        if config.freeze:
            return self._freezer.state(state, belief, config.max_sigma)
        self._freezer.thaw()
        return state


def _too_uncertain(sigma: float, limit: float) -> str:
    return (
        f'the scale is uncertain by {100 * sigma:.1f} %, more than scale.max_sigma '
        f'{100 * limit:g} %'
    )


def _believed(calibration: ScaleCalibration) -> Belief:
    return Belief(
        calibration.value, np.array(calibration.covariance), calibration.typical, 0.0, 0
    )
