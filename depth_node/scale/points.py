"""
The scale from a sensor that measures distances: lidar, radar, scan, stereo, time of flight.

All of them are converted to points in the camera's optical frame and compared where they project.
A sensor next to the camera sees behind edges, and a network blurs them. Therefore points that are
hidden by nearer ones, and points on edges of the prediction, are removed before the robust fit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.errors import DataError
from depth_node.scale.fit import Floats
from depth_node.scale.local import Anchors
from depth_node.scale.measurement import measure, Measurement, NotObservable, Outcome
from depth_node.scale.pixels import Pixels, pixels_at, ScaleFrame
from depth_node.scale.shape import COUNT, moved, patches_of, shape_sigma, shares
from depth_node.scale.unscaled import unscaled

MAX_READ = 30000
"""Maximum number of points of a cloud that are projected."""
MAX_POINTS = 5000
"""Maximum number of points that are fitted."""
CELLS = 48
"""Cells along the longer side of the image in which nearer points hide farther ones."""
HIDDEN = 1.15
"""A point farther by this factor than the near ones in its cell is considered hidden."""
MIN_IN_CONE = 4
"""Minimum number of pixels in the cone of a range sensor."""
EDGE = 1.1
"""Ratio of the outputs around a pixel from which it is on an edge."""


def from_points(frame: ScaleFrame, points: Floats, optical_from_sensor: Floats) -> Outcome:
    """
    Measure the scale with points of known position.

    :param frame: the frame.
    :param points: float64 (N, 3), sensor frame (m); rows with NaN are ignored.
    :param optical_from_sensor: float64 (4, 4), the extrinsic.
    :returns: the measurement, or the reason why there is none.
    """
    anchors = anchors_of(frame, points, optical_from_sensor)
    return anchors if isinstance(anchors, NotObservable) else from_anchors(frame, anchors)


def from_anchors(frame: ScaleFrame, anchors: Anchors) -> Outcome:
    """
    Measure the scale on pixels of known distance.

    :param frame: the frame.
    :param anchors: its pixels of known distance.
    :returns: the measurement, or the reason why there is none.
    """
    outcome = measure(frame.spec.kind, pixels_on(frame, anchors))
    return outcome if isinstance(outcome, NotObservable) else outcome[0]


def pixels_on(frame: ScaleFrame, anchors: Anchors) -> Pixels:
    """
    Return the outputs of the network on pixels of known distance.

    :param frame: the frame.
    :param anchors: its pixels of known distance.
    :returns: the pixels where both values are usable.
    """
    return pixels_at(
        frame, anchors.rows, anchors.columns, anchors.z, resolution=anchors.resolution
    )


def anchors_of(
    frame: ScaleFrame, points: Floats, optical_from_sensor: Floats
) -> Anchors | NotObservable:
    """
    Find the pixels at which a sensor's points tell the distance.

    :param frame: the frame.
    :param points: float64 (N, 3), sensor frame (m); rows with NaN are ignored.
    :param optical_from_sensor: float64 (4, 4), the extrinsic.
    :returns: at most `MAX_POINTS` of them, or why there is none.
    """
    # a lidar that looks all around has some in view however it is thinned
    points = points[:: max(1, len(points) // MAX_READ)]
    seen = in_view(frame.camera, transformed(optical_from_sensor, points))
    if seen is None:
        return NotObservable('no point of the sensor is in the view; check scale.extrinsic')
    rows, columns, z = seen
    flat = ~on_edge(frame, rows, columns)
    rows, columns, z = rows[flat], columns[flat], z[flat]
    if z.size > MAX_POINTS:
        some = np.linspace(0, z.size - 1, MAX_POINTS).astype(np.int64)
        rows, columns, z = rows[some], columns[some], z[some]
    return Anchors(rows, columns, z, (frame.values.shape[0], frame.values.shape[1]))


def transformed(transform: Floats, points: Floats) -> Floats:
    """
    Transform points to another frame.

    :param transform: float64 (4, 4).
    :param points: float (N, 3).
    :returns: float64 (N, 3).
    """
    return np.asarray(points, np.float64) @ transform[:3, :3].T + transform[:3, 3]


def in_view(
    camera: Camera, points: Floats
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats] | None:
    """
    Return the pixels of the visible points.

    :param camera: the camera.
    :param points: float64 (N, 3), optical frame (m).
    :returns: rows, columns (pixels) and z-depth (m) of the points in the image that are not
        hidden by nearer ones, or None if there are none.
    """
    points = points[np.isfinite(points).all(axis=1) & (points[:, 2] > 1e-3)]
    pixel = camera.project(points)
    with np.errstate(invalid='ignore'):
        inside = (pixel > -0.5).all(axis=1)
        inside &= (pixel[:, 0] < camera.width - 0.5) & (pixel[:, 1] < camera.height - 0.5)
    if not inside.any():
        return None
    columns, rows = np.rint(pixel[inside]).astype(np.int64).T
    z = points[inside, 2]
    side = max(1, -(-max(camera.width, camera.height) // CELLS))
    width = -(-camera.width // side)
    cell = rows // side * width + columns // side
    shown = z < HIDDEN * _near_side(cell, z)
    return rows[shown], columns[shown], z[shown]


def _near_side(cell: NDArray[np.int64], z: Floats) -> Floats:
    """Return for each point the 30 % quantile of the distances in its cell."""
    order = np.lexsort((z, cell))
    ordered = cell[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    counts = np.diff(np.r_[starts, cell.size])
    # not the very nearest: one false near return would hide the whole cell
    limits = z[order][starts + (0.3 * counts).astype(np.int64)]
    out = np.empty_like(z)
    out[order] = np.repeat(limits, counts)
    return out


def on_edge(
    frame: ScaleFrame, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """
    Return which pixels are on an edge of the prediction.

    :param frame: the frame.
    :param rows: int64 (N,).
    :param columns: int64 (N,).
    :returns: bool (N,).
    """
    height, width = frame.values.shape
    reach = max(2, width // 200)
    around = [
        unscaled(
            frame.values[
                np.clip(rows + dy, 0, height - 1), np.clip(columns + dx, 0, width - 1)
            ],
            frame.spec,
            frame.focal,
        )
        for dy, dx in ((0, reach), (0, -reach), (reach, 0), (-reach, 0))
    ]
    low, high = np.minimum.reduce(around), np.maximum.reduce(around)
    if frame.spec.kind.has_shift:
        # without the shift there are no ratios: an edge is a step larger than most
        step = high - low
        return np.asarray(step > 4 * np.median(step) + 0.02 * np.ptp(around[0]))
    with np.errstate(divide='ignore', invalid='ignore'):
        return np.asarray(~(high < EDGE * low))


def scan_points(
    ranges: NDArray[np.float32],
    angle_min: float,
    angle_increment: float,
    range_min: float,
    range_max: float,
) -> Floats:
    """
    Return the points of a planar scan (sensor_msgs/LaserScan).

    :param ranges: float32 (N,) (m).
    :param angle_min: angle of the first range (rad).
    :param angle_increment: angle between ranges (rad).
    :param range_min: smaller ranges are errors (m).
    :param range_max: larger ranges are not returns (m).
    :returns: float64 (M, 3), scan frame: x forward, y left, z up (m).
    """
    distance = np.asarray(ranges, np.float64)
    angle = angle_min + angle_increment * np.arange(distance.size)
    with np.errstate(invalid='ignore'):
        good = np.isfinite(distance) & (distance >= range_min) & (distance <= range_max)
    distance, angle = distance[good], angle[good]
    return np.column_stack(
        [distance * np.cos(angle), distance * np.sin(angle), np.zeros(distance.size)]
    )


def depth_points(depth: NDArray[np.float32], camera: Camera) -> Floats:
    """
    Return the points of another camera's depth image, at about `MAX_POINTS` of its pixels.

    :param depth: float32 (H, W), z-depth (m); 0 and values that are not finite are ignored.
    :param camera: camera of the depth image.
    :returns: float64 (M, 3), that camera's optical frame (m).
    """
    height, width = depth.shape
    step = max(1, int(np.sqrt(height * width / (2 * MAX_POINTS))))
    z = np.asarray(depth[step // 2:: step, step // 2:: step], np.float64)
    rows, columns = np.nonzero(np.isfinite(z) & (z > 0))
    z = z[rows, columns]
    rays = camera.rays()[step // 2:: step, step // 2:: step][rows, columns].astype(np.float64)
    return np.column_stack([rays * z[:, None], z])


def disparity_depth(
    disparity: NDArray[np.float32], focal: float, baseline: float, low: float, high: float
) -> NDArray[np.float32]:
    """
    Convert a disparity image (stereo_msgs/DisparityImage) to depth: z = f T / d.

    :param disparity: float32 (H, W) (pixels).
    :param focal: f (pixels).
    :param baseline: T (m).
    :param low: smallest disparity searched (pixels); smaller ones, and 0, are not matches.
    :param high: largest disparity searched (pixels).
    :returns: float32 (H, W), z-depth (m), NaN where there is no match.
    :raises DataError: most disparities are larger than `high`, or, if that is not given, than the
        width of the image.
    """
    limit = float(high if high > low else disparity.shape[1])
    matched = disparity[np.isfinite(disparity) & (disparity > 0)]
    if matched.size and np.median(matched) > limit:
        raise DataError(
            f'The disparities are about {np.median(matched):.4g} pixels, expected at most '
            f'{limit:g}.',
            'Publish pixels: the fixed point of stereo matchers has to be divided, by 16 with '
            'OpenCV.',
        )
    with np.errstate(divide='ignore', invalid='ignore'):
        good = np.isfinite(disparity) & (disparity > 0)
        good &= (disparity >= low) & ((disparity <= high) | (high <= low))
        return np.where(good, np.float32(focal * baseline) / disparity, np.float32(np.nan))


def from_range(
    frame: ScaleFrame,
    distance: float,
    field_of_view: float,
    optical_from_sensor: Floats,
    *,
    sigma: float = 0.01,
) -> Outcome:
    """
    Measure the scale with one range (sensor_msgs/Range): the nearest object in its cone.

    :param frame: the frame, for a kind with one unknown.
    :param distance: measured distance from the sensor (m).
    :param field_of_view: full angle of the cone (rad).
    :param optical_from_sensor: float64 (4, 4), the extrinsic; the sensor looks along its x.
    :param sigma: relative standard deviation of the measurement.
    :returns: the measurement, or the reason why there is none.
    """
    if frame.spec.kind.has_shift:
        return NotObservable('one range cannot separate scale and shift; use another source')
    sensor_from_optical = np.asarray(np.linalg.inv(optical_from_sensor), np.float64)
    step = max(1, frame.values.shape[1] // 320)
    rays = np.asarray(frame.rays[::step, ::step], np.float64).reshape(-1, 2)
    directions = np.column_stack([rays, np.ones(len(rays))])
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    spot = transformed(optical_from_sensor, np.array([[distance, 0, 0]]))[0]
    half = max(field_of_view, 0.02) / 2
    # what is in the cone depends on the scale, as the sensor is next to the camera: begin with
    # what is around the spot it looks at, and look no farther than parallax reaches
    towards = directions @ (spot / np.linalg.norm(spot))
    parallax = np.arctan2(np.linalg.norm(optical_from_sensor[:3, 3]), distance / 2)
    with np.errstate(invalid='ignore'):
        seen = np.flatnonzero(towards > np.cos(min(half + parallax, np.pi / 2)))
    towards, directions = towards[seen], directions[seen]
    u = unscaled(frame.values[::step, ::step].ravel()[seen], frame.spec, frame.focal)
    points = (u / directions[:, 2])[:, None] * directions
    near = (towards > np.cos(half)) & (u > 0)
    if not spot[2] > 0 or np.count_nonzero(near) < MIN_IN_CONE:
        return NotObservable(
            'the cone of the range sensor is not in the view; check scale.extrinsic'
        )
    scale = float(np.linalg.norm(spot) / np.median(np.linalg.norm(points[near], axis=1)))
    for _ in range(8):
        placed = transformed(sensor_from_optical, scale * points)
        reach = np.linalg.norm(placed, axis=1)
        with np.errstate(invalid='ignore'):
            inside = (placed[:, 0] > np.cos(half) * reach) & (u > 0)
        count = int(np.count_nonzero(inside))
        if count < MIN_IN_CONE:
            return NotObservable(
                'the cone of the range sensor is not in the view; check scale.extrinsic'
            )
        nearest = float(np.percentile(reach[inside], 0.5))
        scale *= distance / nearest
    typical = float(np.median(u[inside]))
    height, width = frame.values.shape
    rows, columns = np.divmod(seen[inside], -(-width // step))
    patch = patches_of(rows * step, columns * step, height, width)
    # nothing is known of the rest of the frame
    shape = shape_sigma(np.zeros(count), patch)
    bias = moved((shares(patch) - 1 / COUNT)[None], shape)
    return Measurement(
        np.array([np.log(scale)]), np.array([[sigma**2]]), bias, typical, count, count, shape
    )
