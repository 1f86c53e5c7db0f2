"""Recovery and tracking of the metric scale of a network."""

from depth_node.scale.calibration import read_scale, ScaleCalibration, write_scale
from depth_node.scale.ground import FloorPose, Region
from depth_node.scale.keeper import ScaleKeeper
from depth_node.scale.measurement import Measurement, NotObservable
from depth_node.scale.opening import keeper_for
from depth_node.scale.pixels import ScaleFrame
from depth_node.scale.readings import PointsReading, PoseReading, RangeReading, Reading
from depth_node.scale.state import ScaleState
from depth_node.scale.tracker import Belief, ScaleTracker

__all__ = [
    'Belief',
    'FloorPose',
    'Measurement',
    'NotObservable',
    'PointsReading',
    'PoseReading',
    'RangeReading',
    'Reading',
    'Region',
    'ScaleCalibration',
    'ScaleFrame',
    'ScaleKeeper',
    'ScaleState',
    'ScaleTracker',
    'keeper_for',
    'read_scale',
    'write_scale',
]
