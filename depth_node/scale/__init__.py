"""Recovering and keeping the metric scale of a network."""

from depth_node.scale.calibration import Calibration, read_calibration, write_calibration
from depth_node.scale.ground import Ground, Region
from depth_node.scale.keeper import keeper_for, ScaleKeeper
from depth_node.scale.measurement import Measurement, NotObservable
from depth_node.scale.samples import PointsSample, PoseSample, RangeSample, Sample
from depth_node.scale.state import ScaleState
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
    'Sample',
    'ScaleFrame',
    'ScaleKeeper',
    'ScaleState',
    'ScaleTracker',
    'keeper_for',
    'read_calibration',
    'write_calibration',
]
