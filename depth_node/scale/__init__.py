"""Recovering and keeping the metric scale of a network."""

from depth_node.scale.calibration import Calibration, read_calibration, write_calibration
from depth_node.scale.ground import Ground, Region
from depth_node.scale.keeper import (
    PointsSample,
    PoseSample,
    RangeSample,
    ScaleKeeper,
    ScaleState,
)
from depth_node.scale.measurement import Measurement, NotObservable, ScaleFrame
from depth_node.scale.tracker import Belief, ScaleTracker

__all__ = [
    'Belief',
    'Calibration',
    'Ground',
    'Measurement',
    'NotObservable',
    'PointsSample',
    'PoseSample',
    'RangeSample',
    'Region',
    'ScaleFrame',
    'ScaleKeeper',
    'ScaleState',
    'ScaleTracker',
    'read_calibration',
    'write_calibration',
]
