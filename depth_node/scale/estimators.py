"""Estimators of the sources: measurement of the scale on a frame."""

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import Future, ThreadPoolExecutor
import dataclasses
from dataclasses import dataclass
import math
from typing import cast, Protocol

import cv2

from depth_node.config import Config
from depth_node.config.scale import MarkerConfig, ScaleConfig
from depth_node.scale.ground import FloorPose, from_ground, Region
from depth_node.scale.local import Anchors
from depth_node.scale.marker import from_markers
from depth_node.scale.marker_finding import Marker, MarkerFinder
from depth_node.scale.measurement import NotObservable, Outcome
from depth_node.scale.motion import pose_at
from depth_node.scale.odometry import OdometrySource
from depth_node.scale.pixels import ScaleFrame
from depth_node.scale.points import anchors_of, from_anchors, from_range
from depth_node.scale.readings import PointsReading, RangeReading, Reading
from depth_node.scale.sync import StampedBuffer

ABANDONED = 1.0
"""A picture that was given to the marker finder so long ago has been forgotten (s)."""


@dataclass(frozen=True)
class Known:
    """
    The data available in addition to a frame.

    :param config: the parameters of the scale.
    :param marker: the parameters of printed markers.
    :param readings: readings of the source's sensor.
    :param floor: pose of the floor, or None.
    :param floor_note: why it is not known, and what to do.
    """

    config: ScaleConfig
    marker: MarkerConfig
    readings: StampedBuffer[Reading]
    floor: FloorPose | None = None
    floor_note: str = ''

    @classmethod
    def of(
        cls, config: Config, readings: StampedBuffer[Reading], floor: FloorPose | None,
        note: str,
    ) -> Known:
        """
        Return what is known, with the floor where the parameters have it.

        :param config: the configuration, of which `scale`, `marker` and `ground` are used.
        :param readings: see the class.
        :param floor: pose of the floor from TF, or None.
        :param note: why it is not known, and what to do.
        :returns: the data.
        """
        ground, sigma = config.ground, math.radians(config.scale.tilt_sigma_deg)
        if ground.camera_height > 0:
            floor = FloorPose.from_angles(
                ground.camera_height, math.radians(ground.camera_pitch_deg),
                math.radians(ground.camera_roll_deg),
            )
        if floor is not None:
            floor = dataclasses.replace(floor, tilt_sigma=sigma)
        note = note or 'set ground.camera_height and ground.camera_pitch_deg, or publish TF'
        return cls(config.scale, config.marker, readings, floor, note)


@dataclass(frozen=True)
class Early(NotObservable):
    """The reading of the frame may still arrive: try again with the next frame."""


class Estimator(Protocol):
    """
    Measures the scale, frame after frame.

    :param anchors: pixels of known distance in the frame measured last, or None.
    """

    anchors: Anchors | None

    def measure(self, frame: ScaleFrame, known: Known) -> Outcome | None:
        """
        Measure on a frame; the frames are in order of time.

        :param frame: the frame.
        :param known: additional data.
        :returns: the measurement, the reason why there is none, or None if there is nothing new.
        """

    def reset(self) -> None:
        """Discard earlier frames."""


class FloorEstimator:
    """Measures on the floor ahead."""

    anchors: Anchors | None = None

    def measure(self, frame: ScaleFrame, known: Known) -> Outcome | None:
        """Measure on a frame."""
        if known.floor is None:
            return NotObservable(known.floor_note)
        config = known.config
        region = Region(far=config.ground_far, side=config.ground_side)
        return from_ground(frame, known.floor, region, estimate_tilt=config.estimate_tilt)

    def reset(self) -> None:
        """Do nothing, because there is no state."""


class MatchedEstimator(ABC):
    """Measures with the reading that was taken at the time of the frame."""

    anchors: Anchors | None = None

    def __init__(self) -> None:
        self._used = -math.inf

    def measure(self, frame: ScaleFrame, known: Known) -> Outcome | None:
        """Measure on a frame."""
        config, readings = known.config, known.readings
        match = readings.nearest(frame.stamp, config.time_tolerance)
        if match is None:
            return _unmatched(frame.stamp, known)
        stamp, reading = match
        if stamp == self._used:
            return None
        self._used = stamp
        return self._compare(frame, reading)

    @abstractmethod
    def _compare(self, frame: ScaleFrame, reading: Reading) -> Outcome:
        """Measure with one reading."""

    def reset(self) -> None:
        """Discard which reading was used."""
        self._used = -math.inf


class PointsEstimator(MatchedEstimator):
    """Measures on the points of a sensor."""

    def _compare(self, frame: ScaleFrame, reading: Reading) -> Outcome:
        points = cast('PointsReading', reading)
        anchors = anchors_of(frame, points.points, points.optical_from_sensor)
        self.anchors = None
        if isinstance(anchors, NotObservable):
            return anchors
        self.anchors = anchors
        return from_anchors(frame, anchors)


class RangeEstimator(MatchedEstimator):
    """Measures with one range."""

    def _compare(self, frame: ScaleFrame, reading: Reading) -> Outcome:
        one = cast('RangeReading', reading)
        return from_range(frame, one.distance, one.field_of_view, one.optical_from_sensor)


class OdometryEstimator:
    """Measures with the motion of the robot."""

    anchors: Anchors | None = None

    def __init__(self) -> None:
        self._source = OdometrySource()

    def measure(self, frame: ScaleFrame, known: Known) -> Outcome | None:
        """Measure on a frame."""
        pose = pose_at(known.readings, frame.stamp, known.config.time_tolerance)
        if pose is None:
            why = _unmatched(frame.stamp, known)
            if not isinstance(why, Early):
                self._source.reset()
            return why
        return self._source.update(frame, pose)

    def reset(self) -> None:
        """Discard the key frame."""
        self._source.reset()


class MarkerEstimator:
    """Measures on printed markers, which a thread of its own looks for."""

    anchors: Anchors | None = None

    def __init__(self) -> None:
        self._finder: tuple[str, MarkerFinder] | None = None
        self._looks = ThreadPoolExecutor(1, 'markers')
        self._looking: tuple[float, Future[list[Marker]]] | None = None

    def measure(self, frame: ScaleFrame, known: Known) -> Outcome | None:
        """Measure on a frame; while its picture is looked at the answer is `Early`."""
        config = known.marker
        if config.size <= 0:
            return NotObservable('marker.size is not set: measure the black square of the print')
        if self._looking is None:
            if self._finder is None or self._finder[0] != config.dictionary:
                self._finder = config.dictionary, MarkerFinder(config.dictionary)
            gray = cv2.cvtColor(frame.frame.rgb, cv2.COLOR_RGB2GRAY)
            self._looking = frame.stamp, self._looks.submit(
                self._finder[1].find, gray, frame.camera, config.size, frame.rays
            )
            return Early('markers are being looked for')
        stamp, job = self._looking
        if stamp != frame.stamp:
            if abs(frame.stamp - stamp) > ABANDONED:
                self._looking = None  # its frame waits no longer
            return None
        if not job.done():
            return Early('markers are being looked for')
        self._looking = None
        wanted = {int(number) for number in config.ids}
        markers = [one for one in job.result() if not wanted or one.number in wanted]
        if not markers:
            return NotObservable(
                f'no marker of {config.dictionary} is seen large enough and whole'
                + (f' with one of the numbers {sorted(wanted)}' if wanted else '')
            )
        return from_markers(frame, markers)

    def reset(self) -> None:
        """Forget the picture that is being looked at."""
        self._looking = None


def _unmatched(stamp: float, known: Known) -> NotObservable:
    """Return which message is missing, and whether it may still arrive."""
    source, tolerance = known.config.source, known.config.time_tolerance
    newest = known.readings.newest()
    if newest is None:
        return NotObservable(f'no {source} message has been received; publish it')
    nearest = known.readings.nearest(stamp, math.inf)
    assert nearest is not None
    off = nearest[0] - stamp
    text = (
        f'no {source} message within {tolerance:g} s of the frame: the nearest is '
        f'{abs(off):.3g} s {"later" if off > 0 else "earlier"}; check that both use the same '
        'clock, or increase scale.time_tolerance'
    )
    return Early(text) if newest <= stamp + tolerance else NotObservable(text)
