"""
The parameters of the outputs: filters, clouds, ground, scans and images.

See ``groups.py`` for how to add a parameter.
"""

from __future__ import annotations

from dataclasses import dataclass

from depth_node.config.fields import param


@dataclass(frozen=True)
class FilterConfig:
    """Which pixels are removed from the depth image, and thereby from every output."""

    edge_threshold: float = param(
        0.08,
        'Set flying pixels between two surfaces to NaN: a step in inverse depth over about 1 % of '
        'the image width that exceeds the slope of the surrounding surface by this share. 0: off.',
        low=0.0, high=10.0,
    )
    min_confidence: float = param(
        -1.0,
        'Set pixels whose confidence (0 to 1, see depth/confidence) is lower to NaN. 0: off. '
        '-1: 0.2 for networks that predict a confidence, off for others.',
        low=-1.0, high=1.0,
    )
    temporal_threshold: float = param(
        0.0,
        'Set pixels to NaN whose depth differs by more than this share from all nearby depths in '
        'the previous frame. Removes flicker, and new objects for one frame. 0: off.',
        low=0.0, high=10.0,
    )


@dataclass(frozen=True)
class PointsConfig:
    """The point cloud."""

    color: bool = param(
        True,
        'Add an rgb field.',
    )
    confidence: bool = param(
        False,
        'Add the field `confidence`, 0 to 1, to every point (see depth/confidence).',
    )
    organized: bool = param(
        True,
        'Keep the image grid (height x width, NaN where there is no point), if voxel_size and '
        'max_points are 0. false: a list of valid points.',
    )
    stride: int = param(
        1,
        'Use every n-th row and column.',
        low=1, high=64,
    )
    voxel_size: float = param(
        0.05,
        'Keep one point per cube of this size; the cloud is then a list of points. 0: off.',
        unit='m', low=0.0, high=10.0,
    )
    max_points: int = param(
        0,
        'Maximum number of points, selected evenly. 0: no limit.',
        low=0, high=100_000_000,
    )
    content: str = param(
        'all',
        'Which points to publish: all, only obstacles (from the ground up to ground.max_height), '
        'or only the ground. obstacles and ground need to know where the ground is (see ground).',
        choices=('all', 'obstacles', 'ground'),
    )
    no_return_range: float = param(
        0.0,
        'Add a point at this depth for sky and for everything beyond depth.max_range, so that '
        'costmaps can clear with it, in image columns without unknown parts. It must lie beyond '
        'their marking range, and within depth.max_range. 0: no such points.',
        unit='m', low=0.0, high=10000.0,
    )
    frame: str = param(
        '',
        "Transform the points into this frame. Empty: the camera's optical frame.",
    )
    transform: list[float] = param(
        [],
        "Pose of the camera's optical frame in points.frame: x y z (m) and quaternion x y z w. "
        'Empty: from TF.',
        low=-1e6, high=1e6,
    )


@dataclass(frozen=True)
class GroundConfig:
    """The ground, for points.content and the scan."""

    base_frame: str = param(
        'base_footprint',
        'Frame whose z = 0 is the ground (TF); used while camera_height is 0.',
    )
    camera_height: float = param(
        0.0,
        'Height of the camera above the ground. The ground frame is then below the camera, with x '
        'along its viewing direction. 0: from TF (base_frame).',
        unit='m', low=0.0, high=100.0,
    )
    camera_pitch_deg: float = param(
        0.0,
        'Angle by which the camera looks down; used with camera_height.',
        unit='deg', low=-90.0, high=90.0,
    )
    camera_roll_deg: float = param(
        0.0,
        'Angle by which the camera leans to its right; used with camera_height.',
        unit='deg', low=-180.0, high=180.0,
    )
    tolerance: float = param(
        0.05,
        'Points within this distance of the ground belong to it; plus 2 % of their distance.',
        unit='m', low=0.001, high=10.0,
    )
    max_slope_deg: float = param(
        10.0,
        'Slopes up to this angle are ground: a plane is fitted in every frame. 0: the ground is '
        'flat.',
        unit='deg', low=0.0, high=45.0,
    )
    max_height: float = param(
        2.0,
        'Anything higher than this above the ground is not an obstacle.',
        unit='m', low=0.01, high=1000.0,
    )


@dataclass(frozen=True)
class ScanConfig:
    """The laser scan of the obstacles."""

    output_frame: str = param(
        'base_link',
        'Frame of the scan, x forward (TF). With ground.camera_height, its origin is assumed to '
        'be below the camera.',
    )
    min_height: float = param(
        0.1,
        'Lower limit of the heights above the ground.',
        unit='m', low=-100.0, high=100.0,
    )
    max_height: float = param(
        1.0,
        'Upper limit of the heights above the ground.',
        unit='m', low=-100.0, high=100.0,
    )
    range_min: float = param(
        0.1,
        'Nearer points are ignored.',
        unit='m', low=0.0, high=1000.0,
    )
    range_max: float = param(
        10.0,
        'Farther points are ignored. A beam is +Inf (free) if everything up to here was seen '
        'through. The message has the limit of depth instead if that is nearer.',
        unit='m', low=0.01, high=10000.0,
    )
    scan_time: float = param(
        0.033,
        'Time between scans, as reported in the message.',
        unit='s', low=0.0, high=1000.0,
    )
    angle_increment_deg: float = param(
        0.5,
        'Angle between beams.',
        unit='deg', low=0.05, high=10.0,
    )


@dataclass(frozen=True)
class OutputConfig:
    """Properties of the outputs."""

    frame_id: str = param(
        '',
        'frame_id of every output, for drivers that leave it empty. Empty: that of the input.',
    )
    encoding: str = param(
        '32FC1',
        'Encoding of the depth image: 32FC1 in metres, or 16UC1 in millimetres with 0 for '
        'invalid.',
        choices=('32FC1', '16UC1'),
    )
    compressed_format: str = param(
        'png',
        'Compression of compressedDepth: png is smaller, rvl is faster.',
        choices=('png', 'rvl'),
    )
    compressed_max: float = param(
        10.0,
        'Depth from which compressedDepth sends a pixel of a 32FC1 image as unknown.',
        unit='m', low=0.1, high=10000.0,
    )
    compressed_quantization: float = param(
        100.0,
        'depth_quantization of compressedDepth: with q the error at depth z is at most '
        'z^2 / (q (q + 1)), and nothing nearer than about q (q + 1) / 65000 m is sent.',
        low=1.0, high=10000.0,
    )
    color_min: float = param(
        0.3,
        'Depth of the brightest color of image_color.',
        unit='m', low=0.0, high=10000.0,
    )
    color_max: float = param(
        10.0,
        'Depth of the darkest color of image_color.',
        unit='m', low=0.01, high=10000.0,
    )
    color_bar: bool = param(
        False,
        'Add a scale bar in metres below image_color.',
    )
