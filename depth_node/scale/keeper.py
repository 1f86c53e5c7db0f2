"""The scale over time: from what arrives beside the frames to what makes metres of each."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
import threading

import numpy as np
from typing_extensions import assert_never

from depth_node.config import Config
from depth_node.depth.metres import scale_of
from depth_node.errors import ConfigError
from depth_node.model import ModelSpec
from depth_node.model.hashes import hash_of
from depth_node.scale.calibration import read_scale, ScaleCalibration
from depth_node.scale.fit import Floats
from depth_node.scale.ground import FloorPose, from_ground, Region
from depth_node.scale.measurement import Measurement, NotObservable, Outcome
from depth_node.scale.odometry import OdometrySource
from depth_node.scale.pixels import ScaleFrame
from depth_node.scale.points import from_points, from_range
from depth_node.scale.readings import PointsReading, PoseReading, RangeReading, Reading
from depth_node.scale.state import ScaleState
from depth_node.scale.sync import blend_poses, StampedBuffer
from depth_node.scale.tracker import Belief, ScaleTracker

SPAN = 2.0
"""How long sensor messages are kept (s)."""
POSE_GAP = 0.5
"""Longest time between two poses that is bridged (s)."""
GIVEN = ('model', 'fixed')
"""Sources that look at nothing."""


class ScaleKeeper:
    """
    Finds and keeps the scale of one network with one camera.

    Samples may be added, and everything else asked, from other threads than the frames come in.

    :param config: of which `scale` and `ground` are looked at.
    :param spec: the network.
    :param calibration: a scale found before, which belongs to this network; or None.
    :raises ConfigError: a source that cannot serve this kind of network.
    """

    def __init__(
        self, config: Config, spec: ModelSpec, calibration: ScaleCalibration | None = None
    ) -> None:
        if config.scale.source == 'range' and spec.kind.has_shift:
            raise ConfigError(
                f'scale.source is range, but {spec.name} gives {spec.kind.value}, and one range '
                'cannot tell scale from shift.',
                'Use ground, points, scan, depth, disparity or odometry.',
            )
        self._config = config.scale
        self._mounting = config.ground
        self._spec = spec
        self._calibration = calibration
        self._ground: FloorPose | None = None
        self._ground_note = ''
        self._samples: StampedBuffer[Reading] = StampedBuffer(SPAN)
        self._tracker = ScaleTracker(config.scale.drift)
        self._odometry = OdometrySource()
        self._looked_at = -math.inf
        self._sample_used = -math.inf
        self._seen = -math.inf
        self._reason = ''
        self._stamp = 0.0
        self._restart = True
        self._lock = threading.Lock()

    def configure(self, config: Config) -> None:
        """
        Change what may change while running.

        :param config: with the same source; another one needs another keeper.
        """
        self._config, self._mounting = config.scale, config.ground
        self._tracker.drift = config.scale.drift

    def reset(self) -> None:
        """Forget what was measured, and the calibration the source started from."""
        with self._lock:
            self._tracker.reset()
            self._odometry.reset()
            self._looked_at, self._restart = -math.inf, False
            self._reason = 'the scale was reset'

    def set_ground(self, ground: FloorPose | None, note: str = '') -> None:
        """
        Tell where the ground is (source ground), when the parameters do not.

        :param ground: from TF; None while unknown.
        :param note: why it is unknown and what to do.
        """
        self._ground, self._ground_note = ground, note

    def add(self, stamp: float, sample: Reading) -> None:
        """
        Take in what a sensor says.

        :param stamp: its time (s).
        :param sample: of the kind the source looks at.
        """
        self._samples.add(stamp, sample)

    def update(self, frame: ScaleFrame) -> ScaleState:
        """
        Look at a frame, and tell what is known of the scale then.

        :param frame: the frame.
        :returns: the state to make metres with.
        """
        given = self.given()
        if given is not None:
            return given
        with self._lock:
            return self._looked(frame)

    def unknown(self, reason: str) -> ScaleState:
        """
        Say that nothing is known, because frames cannot even be looked at.

        :param reason: why.
        :returns: the state.
        """
        return ScaleState(math.nan, 0.0, math.nan, self._config.source, reason=reason)

    def _looked(self, frame: ScaleFrame) -> ScaleState:
        """Look at a frame with the source."""
        if frame.stamp < self._stamp - SPAN:
            # a bag that starts over: times before are not comparable
            self._looked_at = self._sample_used = -math.inf
            self._odometry.reset()
            self._restart = True
        self._stamp = frame.stamp
        if self._restart:
            self._tracker.reset()
            if self._calibration is not None:
                self._tracker.start(frame.stamp, _believed(self._calibration))
            self._restart = False
        if frame.stamp - self._looked_at >= 0.999 / self._config.rate:
            outcome = self._measure(frame)
            # tracking is work also when it finds nothing; a message may come with any frame
            if isinstance(outcome, Measurement) or self._config.source == 'odometry':
                self._looked_at = frame.stamp
            if isinstance(outcome, Measurement):
                used = self._tracker.update(frame.stamp, outcome)
                waiting = self._tracker.collecting
                self._reason = (
                    '' if used
                    else f'{waiting} more measurements are needed' if waiting
                    else 'the last measurement does not agree with those before and is not used'
                )
            elif outcome is not None:
                self._reason = outcome.reason
        return self._state(frame.stamp)

    def found(self) -> Belief | None:
        """Return what was found until now, for a calibration; None when nothing was."""
        with self._lock:
            return self._tracker.belief(self._stamp)

    def calibration(self, sha256: str) -> ScaleCalibration:
        """
        Describe what was found, for a file.

        :param sha256: of the model's ONNX file.
        :returns: the calibration.
        :raises ConfigError: nothing was found, or it is too uncertain to keep.
        """
        if self._config.source in GIVEN:
            raise ConfigError(
                f'scale.source is {self._config.source}, which finds nothing to save.',
                'Set it to ground, points, scan, range, depth, disparity or odometry.',
            )
        state = self._state(self._stamp)
        belief = self.found()
        if belief is None or not state.usable:
            raise ConfigError(f'There is no scale to save yet: {state.reason}.')
        return ScaleCalibration(
            self._spec.name, sha256, self._spec.kind, state.value, state.shift,
            tuple(map(tuple, belief.covariance.tolist())), belief.typical, self._config.source,
        )

    def _measure(self, frame: ScaleFrame) -> Outcome | None:
        """Ask the source; None while it has nothing new to say."""
        config = self._config
        if config.source == 'ground':
            ground = self._known_ground()
            if ground is None:
                return NotObservable(
                    self._ground_note or 'set ground.camera_height and pitch, or publish TF'
                )
            region = Region(far=config.ground_far, side=config.ground_side)
            return from_ground(frame, ground, region, estimate_tilt=config.estimate_tilt)
        if config.source == 'odometry':
            pose = self._pose(frame.stamp)
            if pose is None:
                self._odometry.reset()
                return NotObservable(
                    'no odometry around the time of the frame; is it published, with the same '
                    'clock?'
                )
            return self._odometry.update(frame, pose)
        match = self._samples.nearest(frame.stamp, config.time_tolerance)
        if match is None:
            return NotObservable(
                f'no {config.source} message within {config.time_tolerance:g} s of the frame; '
                'is it published, with the same clock? (scale.time_tolerance)'
            )
        stamp, sample = match
        if stamp == self._sample_used:
            return None
        self._sample_used = stamp
        match sample:
            case PointsReading():
                return from_points(frame, sample.points, sample.optical_from_sensor)
            case RangeReading():
                return from_range(
                    frame, sample.distance, sample.field_of_view, sample.optical_from_sensor
                )
            case PoseReading():
                raise AssertionError(f'{config.source} does not look at poses')
            case _:
                assert_never(sample)

    def _known_ground(self) -> FloorPose | None:
        mounting, sigma = self._mounting, math.radians(self._config.tilt_sigma_deg)
        if mounting.camera_height > 0:
            return FloorPose.from_angles(
                mounting.camera_height,
                math.radians(mounting.camera_pitch_deg),
                math.radians(mounting.camera_roll_deg),
                tilt_sigma=sigma,
            )
        known = self._ground
        return None if known is None else dataclasses.replace(known, tilt_sigma=sigma)

    def _pose(self, stamp: float) -> Floats | None:
        def blend(first: Reading, second: Reading, share: float) -> Reading:
            assert isinstance(first, PoseReading)
            assert isinstance(second, PoseReading)
            return PoseReading(
                blend_poses(first.world_from_optical, second.world_from_optical, share)
            )

        sample = self._samples.between(
            stamp, blend, POSE_GAP, beyond=self._config.time_tolerance
        )
        return sample.world_from_optical if isinstance(sample, PoseReading) else None

    def given(self) -> ScaleState | None:
        """
        Tell the scale of a source that looks at nothing.

        :returns: the state, or None where the source has to look at frames.
        """
        config = self._config
        if config.source not in GIVEN:
            return None
        if self._calibration is not None:
            known = self._calibration
            return ScaleState(
                known.scale, known.shift, known.sigma, 'calibration', usable=True
            )
        if config.source == 'fixed' and config.value > 0:
            return ScaleState(config.value, config.shift, 0.0, 'fixed', usable=True)
        if config.source == 'fixed':
            return ScaleState(
                math.nan, 0.0, math.nan, 'fixed',
                reason='scale.source is fixed and scale.value is not set: no metres. Set '
                'scale.value, or scale.calibration_file',
            )
        scale = scale_of(self._spec)
        if scale is not None:
            return ScaleState(scale.scale, scale.shift, 0.0, 'model', usable=True)
        unknowns = 'scale and shift are' if self._spec.kind.has_shift else 'scale is'
        return ScaleState(
            math.nan, 0.0, math.nan, 'model',
            reason=f'{self._spec.name} predicts {self._spec.kind.value}, whose {unknowns} not '
            'known: no metres. Set scale.source and what it needs (doc/scale.md), or choose a '
            'metric model',
        )

    def _state(self, stamp: float) -> ScaleState:
        belief, source = self._tracker.belief(stamp), self._config.source
        if belief is None:
            return ScaleState(
                math.nan, 0.0, math.nan, source,
                reason=f'the scale is not known yet: {self._reason or "no frame has arrived"}',
            )
        value = math.exp(belief.value[0])
        shift = float(belief.value[1]) if belief.value.size > 1 else 0.0
        sigma, limit = belief.sigma, self._config.max_sigma
        usable = sigma < limit
        reason = self._reason
        if not usable:
            reason = (
                f'the scale is uncertain by {100 * sigma:.1f} %, more than scale.max_sigma '
                f'{100 * limit:g} %' + (f': {self._reason}' if self._reason else '')
            )
        return ScaleState(
            value, shift, sigma, source, belief.age, belief.inliers, usable, reason
        )


def _believed(calibration: ScaleCalibration) -> Belief:
    return Belief(
        calibration.value, np.array(calibration.covariance), calibration.typical, 0.0, 0
    )


def keeper_for(config: Config, spec: ModelSpec, path: Path | None) -> ScaleKeeper:
    """
    Make a keeper, with the calibration that the parameters name.

    :param config: of which `scale` and `ground` are looked at.
    :param spec: the network.
    :param path: its ONNX file, whose hash a calibration has to name; None: unknown.
    :returns: the keeper.
    :raises ConfigError: a source that cannot serve the network, or a calibration that is not
        there, cannot be read, or was made for another model.
    """
    file = config.scale.calibration_file
    calibration = None
    # sources that find the scale may name a file that they will write
    if file and (config.scale.source in GIVEN or Path(file).exists()):
        if path is None:
            raise ConfigError(
                f'{file}: cannot check that it belongs to {spec.name} without the file of the '
                'model.'
            )
        calibration = read_scale(Path(file))
        calibration.check(spec, hash_of(path), file)
    return ScaleKeeper(config, spec, calibration)
