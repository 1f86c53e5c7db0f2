"""
The scale from the motion of the robot, without another sensor.

Features are tracked from a key frame on (Lucas and Kanade, in OpenCV). Once the robot has moved
enough, they are triangulated with the motion from odometry. Features that contradict the motion
(moving objects, lost tracks) are removed, and the others are fitted like any points. Then a new
key frame starts, so that measurements share no motion.
"""

from __future__ import annotations

from dataclasses import dataclass
import itertools

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.scale.fit import Floats
from depth_node.scale.measurement import (
    changed,
    measure,
    MIN_POINTS,
    NotObservable,
    Outcome,
    with_bias,
)
from depth_node.scale.pixels import pixels_at, ScaleFrame
from depth_node.scale.points import on_edge

CELLS = 5
"""Number of parts of the image in each direction, so that corners are well distributed."""
CORNERS = 25
"""Number of corners in each part."""
MIN_BASELINE = 0.02
"""Minimum motion, because odometry is not exact (m)."""
PARALLAX = 5.0
"""Required shift of a feature at typical distance, without that of the rotation (pixels)."""
USEFUL = 60
"""Number of features that must shift this much before triangulation."""
REPROJECTION = 1.5
"""Maximum distance of a feature from its epipolar line (pixels)."""
ROUND_TRIP = 0.7
"""Maximum error of a feature that is tracked forward and back (pixels)."""
MOTION_SIGMA = 0.005
"""Relative standard deviation of the length of the motion from wheel odometry."""
PIXEL_SIGMA = 0.3
"""Standard deviation of a tracked feature (pixels)."""


@dataclass
class _Key:
    """The key frame and the current positions of its features (pixels; N, 2)."""

    pose: Floats
    image: NDArray[np.uint8]
    start: NDArray[np.float32]
    last_image: NDArray[np.uint8]
    last: NDArray[np.float32]


class OdometrySource:
    """Measures the scale from a key frame to later frames."""

    def __init__(self) -> None:
        self._key: _Key | None = None

    def reset(self) -> None:
        """Discard the key frame, for example after a gap or a jump of odometry."""
        self._key = None

    def update(self, frame: ScaleFrame, world_from_optical: Floats) -> Outcome:
        """
        Process the next frame.

        :param frame: the frame, with its image.
        :param world_from_optical: float64 (4, 4), the pose of the camera at the time of the
            frame, in a fixed frame (odom).
        :returns: the measurement, or the reason why there is none.
        """
        gray = _gray(frame.frame.rgb)
        key = self._key
        if key is None or key.image.shape != gray.shape:
            self._begin(gray, world_from_optical)
            return NotObservable('a new key frame has started')
        _track(key, gray)
        if len(key.start) < 2 * MIN_POINTS:
            self._begin(gray, world_from_optical)
            return NotObservable('too few features are tracked; the image may be blurred or blank')
        motion = np.linalg.inv(world_from_optical) @ key.pose
        baseline = float(np.linalg.norm(motion[:3, 3]))
        if baseline < MIN_BASELINE:
            return NotObservable(
                'the robot stands or only turns; drive some decimetres'
            )
        found = triangulated(frame.camera, frame.rays, key.start, key.last, motion)
        if np.count_nonzero(found.useful) < USEFUL:
            return NotObservable(
                f'{np.count_nonzero(found.useful)} features moved enough relative to each other, '
                f'expected {USEFUL}; drive on, or sideways'
            )
        if np.count_nonzero(found.good) < MIN_POINTS:
            self._begin(gray, world_from_optical)
            return NotObservable(
                'the features contradict odometry; check scale.extrinsic and the clock'
            )
        height, width = gray.shape
        columns, rows = np.rint(key.last[found.good]).astype(np.int64).T
        columns, rows = np.clip(columns, 0, width - 1), np.clip(rows, 0, height - 1)
        # a corner on an occluding edge is neither near nor far in the prediction
        flat = ~on_edge(frame, rows, columns)
        kept = np.flatnonzero(found.good)[flat]
        pixels = pixels_at(
            frame, rows[flat], columns[flat], 1 / found.inverse[kept], found.sigma[kept]
        )
        self._begin(gray, world_from_optical)
        kind = frame.spec.kind
        outcome = measure(kind, pixels)
        if isinstance(outcome, NotObservable):
            return outcome
        longer = changed(kind, pixels, outcome[1], pixels.z * (1 + MOTION_SIGMA))
        return with_bias(*outcome, longer[None])

    def _begin(self, gray: NDArray[np.uint8], pose: Floats) -> None:
        start = _corners(gray)
        if len(start) == 0:
            self._key = None
            return
        self._key = _Key(pose, gray, start, gray, start)


@dataclass(frozen=True)
class Triangulated:
    """
    Features in two views.

    :param inverse: float64 (N,), inverse z-depth in the second view (1/m).
    :param sigma: float64 (N,), its standard deviation (1/m).
    :param useful: bool (N,), features whose position depends on their distance: not near the
        direction of motion. This uses the motion only, because a selection by the measured
        parallax would depend on its errors.
    :param good: bool (N,), those of them that agree with the motion.
    """

    inverse: Floats
    sigma: Floats
    useful: NDArray[np.bool_]
    good: NDArray[np.bool_]


def triangulated(
    camera: Camera,
    rays: NDArray[np.float32],
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    motion: Floats,
) -> Triangulated:
    """
    Triangulate features from two views with a known motion between them.

    With rays a (first) and b (second), both with z = 1, and the motion R, t:
    z_b b = z_a R a + t. So b lies on the line through R a (infinitely far) and t; with
    r = 1/z_a, projecting R a + r t and asking where it comes nearest to b gives r in closed form
    (Hartley and Zisserman, 2003, section 12.6, for the error in the second image only).

    :param camera: camera of both views.
    :param rays: float32 (H, W, 2), its rays.
    :param first: float32 (N, 2), pixels in the first view.
    :param second: float32 (N, 2), pixels in the second view.
    :param motion: float64 (4, 4), second view's frame from first view's frame.
    :returns: inverse depths in the second view, and which of them are valid.
    """
    rotation, t = motion[:3, :3], motion[:3, 3]
    turned = _directions(rays, first) @ rotation.T
    b = _directions(rays, second)[:, :2]
    # (turned + r t) projects to b: (turned_xy - b turned_z) + r (t_xy - b t_z) = 0
    still = turned[:, :2] - b * turned[:, 2:]
    move = t[:2] - b * t[2]
    square = np.maximum(np.sum(move * move, axis=1), 1e-18)
    r = -np.sum(still * move, axis=1) / square
    focal = (camera.fx + camera.fy) / 2
    gain = focal * np.sqrt(square)  # pixels per 1/m
    with np.errstate(all='ignore'):
        z = turned[:, 2] / r + t[2]
        inverse = 1 / z
        miss = np.linalg.norm(camera.project(turned / r[:, None] + t) - second, axis=1)
        sigma = PIXEL_SIGMA / gain
        near = (r > 0) & (inverse > 3 * sigma)
        usual = float(np.median(inverse[near])) if near.any() else 0.0
        useful = gain * usual > PARALLAX
        good = useful & near & (miss < REPROJECTION)
    return Triangulated(inverse, sigma, np.asarray(useful), np.asarray(good))


def _directions(rays: NDArray[np.float32], pixels: NDArray[np.float32]) -> Floats:
    """Interpolate the rays: float64 (N, 3) with z = 1."""
    at = np.ascontiguousarray(pixels, np.float32)
    xy = cv2.remap(rays, at[:, :1], at[:, 1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.column_stack([xy.reshape(-1, 2).astype(np.float64), np.ones(len(at))])


def _gray(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if image.ndim == 2:
        return image.copy()  # kept as a key frame, while the caller's buffer is filled again
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def _corners(gray: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return corners in all parts of the image: float32 (N, 2), column and row (pixels)."""
    height, width = gray.shape
    apart = max(4.0, width / 100)
    found = [np.zeros((0, 2), np.float32)]
    for top, bottom in _parts(height):
        for left, right in _parts(width):
            corners = cv2.goodFeaturesToTrack(
                gray[top:bottom, left:right], CORNERS, 0.02, apart
            )
            if corners is not None:
                found.append(corners.reshape(-1, 2) + np.array((left, top), np.float32))
    return np.concatenate(found)


def _parts(length: int) -> list[tuple[int, int]]:
    edges = np.linspace(0, length, CELLS + 1).astype(int).tolist()
    return list(itertools.pairwise(edges))


def _track(key: _Key, gray: NDArray[np.uint8]) -> None:
    """Track the features to the next frame, and drop those that fail the round trip."""
    window = (15, 15)
    there, found, _ = cv2.calcOpticalFlowPyrLK(
        key.last_image, gray, key.last, None, winSize=window, maxLevel=4
    )
    back, returned, _ = cv2.calcOpticalFlowPyrLK(
        gray, key.last_image, there, None, winSize=window, maxLevel=4
    )
    height, width = gray.shape
    good = (found.ravel() == 1) & (returned.ravel() == 1)
    good &= np.linalg.norm(back - key.last, axis=1) < ROUND_TRIP
    good &= (there >= 0).all(axis=1) & (there[:, 0] < width) & (there[:, 1] < height)
    key.start, key.last, key.last_image = key.start[good], there[good], gray
