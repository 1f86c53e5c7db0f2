"""
The table of the sources of scale.

To add a source, add its estimator, its row here, its name in ``config.scale.SCALE_SOURCES``, and,
if it needs a new message type, a decoder in ``scale.decoding`` and its class in
``ros.scale_inputs``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import math

from depth_node.config.scale import ScaleConfig
from depth_node.depth.metres import scale_of
from depth_node.errors import ConfigError
from depth_node.model import ModelSpec, OutputKind
from depth_node.scale.estimators import (
    Estimator,
    FloorEstimator,
    MarkerEstimator,
    OdometryEstimator,
    PointsEstimator,
    RangeEstimator,
)
from depth_node.scale.readings import PointsReading, PoseReading, RangeReading
from depth_node.scale.state import ScaleState

Given = Callable[[ScaleConfig, ModelSpec], ScaleState]
EVERY_KIND = frozenset(OutputKind)
NO_SHIFT = frozenset(kind for kind in OutputKind if not kind.has_shift)


@dataclass(frozen=True)
class ScaleSource:
    """
    A source of scale.

    :param name: value of ``scale.source``; its topic is ``scale/NAME``.
    :param needs: what the user must provide; '' for nothing.
    :param given: returns the scale of a source without measurements; None: see `estimator`.
    :param estimator: creates the estimator; None if the scale is given.
    :param message: ROS type of the sensor's message, such as ``sensor_msgs/msg/Range``, or None.
    :param reading: type of the decoded message.
    :param kinds: supported output kinds.
    :param camera_info: whether it also subscribes to ``scale/camera_info``.
    :param floor: whether it needs the pose of the floor.
    :param image: whether it uses the image.
    :param tracks: whether it also processes frames without a measurement.
    :param local: whether it shows enough distances to correct locally: never, optional (where
        ``scale.local`` is true), or auto.
    :param file_needed: whether a ``scale.calibration_file`` that is named has to exist.
    """

    name: str
    needs: str
    given: Given | None = None
    estimator: Callable[[], Estimator] | None = None
    message: str | None = None
    reading: type | None = None
    kinds: frozenset[OutputKind] = EVERY_KIND
    camera_info: bool = False
    floor: bool = False
    image: bool = False
    tracks: bool = False
    local: str = 'never'
    file_needed: bool = False

    def corrects(self, wanted: str) -> bool:
        """
        Return whether the local correction is on.

        :param wanted: ``scale.local``: auto, true or false.
        :returns: whether this source corrects locally.
        """
        return self.local == 'auto' if wanted == 'auto' else (
            wanted == 'true' and self.local != 'never'
        )

    def check(self, spec: ModelSpec) -> None:
        """
        Check that this source supports a network.

        :param spec: the network.
        :raises ConfigError: it does not; names the sources that do.
        """
        if spec.kind in self.kinds:
            return
        others = ', '.join(
            row.name for row in SOURCES.values()
            if row.estimator is not None and spec.kind in row.kinds
        )
        raise ConfigError(
            f'scale.source is {self.name}, but {spec.name} gives {spec.kind.value}, and one '
            f'distance cannot separate scale and shift.',
            f'Use one of {others}.',
        )


def _from_model(_config: ScaleConfig, spec: ModelSpec) -> ScaleState:
    scale = scale_of(spec)
    if scale is not None:
        return ScaleState(scale.scale, scale.shift, 0.0, 'model', usable=True)
    unknowns = 'scale and shift are' if spec.kind.has_shift else 'scale is'
    return ScaleState(
        math.nan, 0.0, math.nan, 'model',
        reason=f'{spec.name} predicts {spec.kind.value}, whose {unknowns} not known: no metres. '
        'Set scale.source and what it needs (doc/scale.md), or choose a metric model',
    )


def _fixed(config: ScaleConfig, _spec: ModelSpec) -> ScaleState:
    if config.value > 0:
        return ScaleState(config.value, config.shift, 0.0, 'fixed', usable=True)
    return ScaleState(
        math.nan, 0.0, math.nan, 'fixed',
        reason='scale.source is fixed and scale.value is not set: no metres. Set scale.value, or '
        'scale.calibration_file',
    )


_ROWS = (
    ScaleSource('model', '', given=_from_model),
    ScaleSource('fixed', 'scale.value and scale.shift, or scale.calibration_file', given=_fixed,
        file_needed=True,
    ),
    ScaleSource(
        'ground', 'ground.camera_height and ground.camera_pitch_deg, or TF from '
        'ground.base_frame', estimator=FloorEstimator, floor=True,
    ),
    ScaleSource(
        'points', 'PointCloud2 on scale/points', estimator=PointsEstimator,
        message='sensor_msgs/msg/PointCloud2', reading=PointsReading, local='auto',
    ),
    ScaleSource(
        'scan', 'LaserScan on scale/scan', estimator=PointsEstimator,
        message='sensor_msgs/msg/LaserScan', reading=PointsReading, local='optional',
    ),
    ScaleSource(
        'range', 'Range on scale/range', estimator=RangeEstimator,
        message='sensor_msgs/msg/Range', reading=RangeReading, kinds=NO_SHIFT,
    ),
    ScaleSource(
        'depth', 'Image on scale/depth and CameraInfo on scale/camera_info',
        estimator=PointsEstimator, message='sensor_msgs/msg/Image', reading=PointsReading,
        camera_info=True, local='auto',
    ),
    ScaleSource(
        'disparity', 'DisparityImage on scale/disparity', estimator=PointsEstimator,
        message='stereo_msgs/msg/DisparityImage', reading=PointsReading, camera_info=True,
        local='auto',
    ),
    ScaleSource(
        'odometry', 'Odometry on scale/odometry', estimator=OdometryEstimator,
        message='nav_msgs/msg/Odometry', reading=PoseReading, image=True, tracks=True,
    ),
    ScaleSource(
        'marker', 'marker.size, and a printed marker in view', estimator=MarkerEstimator,
        tracks=True,
    ),
)
SOURCES = {row.name: row for row in _ROWS}
"""The sources by name, in the order of ``scale.source``."""
MEASURING = ', '.join(row.name for row in _ROWS if row.estimator is not None)
"""The sources that measure the scale, for messages."""
