"""Where the metres come from."""

from __future__ import annotations

from dataclasses import dataclass

from depth_node.config.fields import param

SCALE_SOURCES = (
    'model',
    'fixed',
    'ground',
    'points',
    'scan',
    'range',
    'depth',
    'disparity',
    'odometry',
    'marker',
)
DICTIONARIES = (
    'apriltag_36h11',
    'apriltag_25h9',
    'apriltag_16h5',
    'apriltag_36h10',
    'aruco_original',
    'aruco_4x4_50',
    'aruco_4x4_250',
    'aruco_5x5_50',
    'aruco_5x5_250',
    'aruco_6x6_50',
    'aruco_6x6_250',
    'aruco_7x7_50',
    'aruco_7x7_250',
)


@dataclass(frozen=True)
class ScaleConfig:
    """Where the metric scale comes from."""

    source: str = param(
        'model',
        'Where the metric scale comes from. model: the network is metric, or its sidecar has a '
        'scale. fixed: `value` and `shift`. ground: the height of the camera (`ground.*`). '
        'points, scan, range, depth, disparity: a sensor that measures distances (topic of the '
        'same name below `scale/`). odometry: the motion of the robot. marker: printed markers '
        'of known size (`marker.*`).',
        choices=SCALE_SOURCES,
    )
    value: float = param(
        0.0,
        'Scale of source fixed (see the table of output kinds in doc/scale.md). 0: not set, and '
        'nothing metric is published.',
        low=0.0, high=1e6,
    )
    shift: float = param(
        0.0,
        'Shift of source fixed, for kinds that have one.',
        low=-1e6, high=1e6,
    )
    calibration_file: str = param(
        '',
        'YAML file with a saved scale. Sources model and fixed use it unchanged, the others start '
        'from it. ~/save_calibration writes it.',
        at_start=True,
    )
    rate: float = param(
        10.0,
        'Maximum rate at which the scale is measured and, with odometry, features are tracked.',
        unit='Hz', low=0.1, high=1000.0,
    )
    drift: float = param(
        0.01,
        'How fast the scale may change (relative, per square root of a second). Without '
        'measurements its uncertainty grows at this rate.',
        low=1e-5, high=1.0,
    )
    max_sigma: float = param(
        0.2,
        'Metric depth is published while the relative standard deviation of the factor by which '
        'a frame may be off is below this (doc/scale.md).',
        low=0.001, high=1.0,
    )
    max_misfit: float = param(
        0.25,
        'Metric depth is published while pixels disagree with the fit of the scale by less than '
        'this (relative, robust standard deviation): beyond it the network does not understand '
        'the scene.',
        low=0.01, high=10.0,
    )
    local: str = param(
        'auto',
        'Whether the depth of every pixel is corrected with the errors found at the measured '
        'points (local correction). auto: for points, depth and disparity; true: also for scan.',
        choices=('auto', 'true', 'false'),
    )
    tilt_sigma_deg: float = param(
        0.5,
        'Source ground: standard deviation of pitch and roll; part of the reported uncertainty.',
        unit='deg', low=0.0, high=10.0,
    )
    estimate_tilt: bool = param(
        False,
        'Source ground, kinds without a shift: estimate the tilt from the image; pitch and roll '
        'are then only the initial guess.',
    )
    ground_far: float = param(
        8.0,
        'Source ground: how far ahead the ground is used, in camera heights.',
        low=1.0, high=100.0,
    )
    ground_side: float = param(
        3.0,
        'Source ground: how far to either side the ground is used, in camera heights.',
        low=0.1, high=100.0,
    )
    extrinsic: list[float] = param(
        [],
        "Pose of the sensor (source odometry: of its child frame) in the camera's optical frame: "
        'x y z (m) and quaternion x y z w. Empty: from TF.',
        low=-1e6, high=1e6,
        live=False,
    )
    odometry_extrinsic: list[float] = param(
        [],
        "Pose of odometry's child frame in the camera's optical frame, as `extrinsic`, where "
        'odometry is used together with another source. Empty: from TF.',
        low=-1e6, high=1e6,
        live=False,
    )
    time_tolerance: float = param(
        0.05,
        'Maximum time difference between a sensor message and the frame it is used for.',
        unit='s', low=0.001, high=10.0,
    )
    known_distance: float = param(
        0.0,
        'Distance along the optical axis to the surface in the middle of the image, measured by '
        'tape. ~/calibrate_distance sets the scale from it. 0: not known.',
        unit='m', low=0.0, high=1000.0,
    )
    freeze: bool = param(
        False,
        'Keep the first usable scale, for SLAM, which needs a constant one. Measurements '
        'continue, and differences are reported.',
    )


@dataclass(frozen=True)
class MarkerConfig:
    """Printed markers, for source marker."""

    size: float = param(
        0.0,
        'Side of the black square of the markers, as measured on the print. 0: not set.',
        unit='m', low=0.0, high=10.0,
    )
    dictionary: str = param(
        'apriltag_36h11', 'The family of the markers.', choices=DICTIONARIES,
    )
    ids: list[float] = param(
        [],
        'Only markers with these numbers are used; empty: all of the dictionary.',
        low=0, high=100000,
    )
