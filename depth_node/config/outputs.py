"""
The parameters of what is published: filters, clouds, ground, scans and the rest.

See ``groups.py`` for how a parameter is added.
"""

from __future__ import annotations

from dataclasses import dataclass

from depth_node.config.fields import param


@dataclass(frozen=True)
class FilterConfig:
    """What is taken out of the depth image, and so out of all that is made of it."""

    edge_threshold: float = param(
        0.08,
        'Flying pixels between two surfaces become NaN: a step in inverse depth over some 1 % of '
        'the width that exceeds the slope of the surface around by this share. 0: off.',
        low=0.0, high=10.0,
    )
    min_confidence: float = param(
        0.5,
        'For networks that tell their confidence: pixels below this share of the median of the '
        'frame become NaN. 0: off.',
        low=0.0, high=10.0,
    )
    temporal_threshold: float = param(
        0.0,
        'Pixels whose depth lies outside what the frame before had nearby, by more than this '
        'share, become NaN: flicker, and for one frame whatever appears. 0: off.',
        low=0.0, high=10.0,
    )


@dataclass(frozen=True)
class PointsConfig:
    """The point cloud."""

    color: bool = param(True, 'Add an rgb field.')
    organized: bool = param(
        True,
        'Keep the image grid (height x width, NaN where there is no point) where voxel_size and '
        'max_points are 0; false: a list of valid points.',
    )
    stride: int = param(1, 'Take every n-th row and column.', low=1, high=64)
    voxel_size: float = param(
        0.05,
        'Keep one point per cube of this size; the cloud is a list of points then. 0: off.',
        unit='m', low=0.0, high=10.0,
    )
    max_points: int = param(
        0, 'Keep at most so many points, evenly chosen; 0: no limit.', low=0, high=100_000_000
    )
    content: str = param(
        'all',
        'Which points: all, only obstacles (from the ground up to ground.max_height), or only '
        'the ground. Anything but all needs to know where the ground is (see ground).',
        choices=('all', 'obstacles', 'ground'),
    )
    no_return_range: float = param(
        0.0,
        'Put a point at this z-depth where there is sky or nothing within depth.max_range, for '
        'costmaps to clear with: it has to lie beyond their marking range. 0: no such points.',
        unit='m', low=0.0, high=10000.0,
    )
    frame: str = param(
        '', "Transform the points into this frame; empty: the camera's optical frame."
    )
    transform: list[float] = param(
        [],
        'Where the camera is in points.frame: x y z of its optical frame and the quaternion qx '
        'qy qz qw; empty: TF tells.',
        low=-1e6, high=1e6,
    )


@dataclass(frozen=True)
class GroundConfig:
    """Where the ground is, for points.content and the scan."""

    base_frame: str = param(
        'base_footprint',
        'The frame whose z = 0 is the ground (TF); used while camera_height is 0.',
    )
    camera_height: float = param(
        0.0,
        'Height of the camera over the ground; 0: TF tells (base_frame). Otherwise the ground '
        'frame lies below the camera, with x along its view.',
        unit='m', low=0.0, high=100.0,
    )
    camera_pitch_deg: float = param(
        0.0, 'How far the camera looks down; used with camera_height.', unit='deg',
        low=-90.0, high=90.0,
    )
    camera_roll_deg: float = param(
        0.0, 'How far the camera leans to its right; used with camera_height.', unit='deg',
        low=-180.0, high=180.0,
    )
    tolerance: float = param(
        0.05,
        'Points within this height of the ground belong to it; grows by 2 % of the distance.',
        unit='m', low=0.001, high=10.0,
    )
    max_slope_deg: float = param(
        10.0,
        'Slopes up to this are ground: a plane is fitted in every frame. 0: the ground is flat.',
        unit='deg', low=0.0, high=45.0,
    )
    max_height: float = param(
        2.0, "What is higher than this over the ground is in nobody's way.", unit='m',
        low=0.01, high=1000.0,
    )


@dataclass(frozen=True)
class ScanConfig:
    """The laser scan made of obstacles."""

    output_frame: str = param(
        'base_link',
        'Frame of the scan, x forward (TF). With ground.camera_height its origin is taken to '
        'lie below the camera.',
    )
    min_height: float = param(
        0.1, 'Lower end of the band, over the ground.', unit='m', low=-100.0, high=100.0
    )
    max_height: float = param(
        1.0, 'Upper end of the band, over the ground.', unit='m', low=-100.0, high=100.0
    )
    range_min: float = param(
        0.1, 'Nearer points are not used.', unit='m', low=0.0, high=1000.0
    )
    range_max: float = param(
        10.0, 'Farther points are not used: the beam is +Inf, free.', unit='m',
        low=0.01, high=10000.0,
    )
    scan_time: float = param(
        0.033, 'Time between scans, as the message says it.', unit='s', low=0.0, high=1000.0
    )
    angle_increment_deg: float = param(
        0.5, 'Angle between beams.', unit='deg', low=0.05, high=10.0
    )


@dataclass(frozen=True)
class OutputConfig:
    """What is published."""

    frame_id: str = param(
        '', "frame_id of every output; empty: the input's. For drivers that leave it empty."
    )
    encoding: str = param(
        '32FC1',
        'Depth image in metres (32FC1) or in millimetres with 0 for invalid (16UC1).',
        choices=('32FC1', '16UC1'),
    )
    color_min: float = param(
        0.3, 'Depth of the brightest color of image_color.', unit='m', low=0.0, high=10000.0
    )
    color_max: float = param(
        10.0, 'Depth of the darkest color of image_color.', unit='m', low=0.01, high=10000.0
    )
    color_bar: bool = param(False, 'Add a scale in metres below image_color.')
