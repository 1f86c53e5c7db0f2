"""
The scale from a camera at a known height above flat ground.

The distance of a pixel on the ground is known: with the unit vector `down` in the optical frame, a
point at z (rx, ry, 1) lies `height` below the camera if z (rx, ry, 1) . down = height. Thus the
ground is a depth sensor. Its inverse depth is affine in the image, so affine inverse depth can be
scaled by it, too.

Everything else is an outlier. For kinds with one unknown the tilt may be estimated: a
plane in unscaled space is linear in inverse depth, 1/u = m . (rx, ry, 1) with
m = down * scale / height.
"""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

from depth_node.errors import DataError
from depth_node.model import OutputKind
from depth_node.scale.fit import fit_plane, Floats
from depth_node.scale.measurement import (
    changed,
    measure,
    Measurement,
    NotObservable,
    Outcome,
    with_bias,
)
from depth_node.scale.pixels import Pixels, pixels_at, ScaleFrame
from depth_node.scale.shape import patches_of

MAX_TILT_CHANGE = math.radians(10)
"""Maximum difference of an estimated plane from the given tilt (rad)."""
SAMPLES = 4000
"""Number of pixels used."""
SEEN = 200
"""Minimum number of floor pixels for measuring its height."""


@dataclass(frozen=True)
class FloorPose:
    """
    The pose of the ground relative to the camera.

    :param down: float64 (3,), unit vector to the ground in the optical frame.
    :param height: height of the camera above the ground (m).
    :param tilt_sigma: standard deviation of the direction, about each axis (rad).
    :param height_sigma: standard deviation of the height, relative.
    """

    down: Floats
    height: float
    tilt_sigma: float = math.radians(0.5)
    height_sigma: float = 0.01

    @classmethod
    def from_angles(
        cls, height: float, pitch: float, roll: float = 0.0, *, tilt_sigma: float = 0.0
    ) -> FloorPose:
        """
        Return the pose for a mounting.

        :param height: height above the ground (m).
        :param pitch: pitch, positive if the camera looks down (rad).
        :param roll: roll, positive if the right side is down (rad).
        :param tilt_sigma: see the class (rad).
        :returns: the pose of the ground.
        """
        down = np.array([
            math.sin(roll) * math.cos(pitch), math.cos(roll) * math.cos(pitch), math.sin(pitch),
        ])
        return cls(down, height, tilt_sigma)

    @classmethod
    def from_transform(cls, base_from_optical: Floats, *, tilt_sigma: float = 0.0) -> FloorPose:
        """
        Return the pose for a camera in the base frame (z up, ground at z = 0).

        :param base_from_optical: float64 (4, 4).
        :param tilt_sigma: see the class (rad).
        :returns: the pose of the ground.
        :raises DataError: the camera is not above the ground.
        """
        height = float(base_from_optical[2, 3])
        if height <= 0:
            raise DataError(
                f'The camera is at z = {height:.2f} m in the base frame, expected above the '
                'ground, which is z = 0 there.',
                'Set ground.base_frame to a frame on the ground (base_footprint).',
            )
        return cls(-base_from_optical[2, :3], height, tilt_sigma)

    def tilted(self, axis: int, angle: float) -> FloorPose:
        """
        Return the pose after a small rotation.

        :param axis: 0 pitches, 2 rolls (axes of the optical frame).
        :param angle: the angle (rad), small.
        :returns: the rotated pose.
        """
        turn = np.zeros(3)
        turn[axis] = angle
        down = self.down + np.cross(turn, self.down)
        return FloorPose(
            down / np.linalg.norm(down), self.height, self.tilt_sigma, self.height_sigma
        )

    def depth(self, rays: Floats) -> Floats:
        """
        Return the depth of the ground.

        :param rays: float64 (..., 2).
        :returns: float64 (...), z-depth (m); not positive where a ray does not meet it.
        """
        slope = rays[..., 0] * self.down[0] + rays[..., 1] * self.down[1] + self.down[2]
        with np.errstate(divide='ignore'):
            return np.asarray(self.height / np.where(slope > 0, slope, -np.inf))


@dataclass(frozen=True)
class Region:
    """
    The part of the ground to use.

    :param near: minimum z-depth (camera heights).
    :param far: maximum z-depth (camera heights); far away a small tilt is a large error.
    :param side: maximum distance to the side (camera heights).
    """

    near: float = 0.0
    far: float = 10.0
    side: float = 3.0


REGION = Region(far=8.0)
"""The region for measuring the height of the camera."""


def from_ground(
    frame: ScaleFrame, ground: FloorPose, region: Region, *, estimate_tilt: bool = False
) -> Outcome:
    """
    Measure the scale on flat ground.

    :param frame: the frame.
    :param ground: height and tilt.
    :param region: the part of the ground to use.
    :param estimate_tilt: whether to estimate the tilt from the frame, for kinds with one unknown;
        the given tilt is then the initial guess.
    :returns: the measurement with the errors of height and tilt in its bias, or the reason why
        there is none.
    """
    looked = ground_pixels(frame, ground, region)
    if isinstance(looked, NotObservable):
        return looked
    pixels, rays = looked
    if estimate_tilt and not frame.spec.kind.has_shift:
        return _with_plane(pixels, rays, ground)
    return measured_on(frame.spec.kind, pixels, rays, ground)


def ground_pixels(
    frame: ScaleFrame, ground: FloorPose, region: Region
) -> tuple[Pixels, Floats] | NotObservable:
    """
    Return the pixels that should show the ground.

    :param frame: the frame.
    :param ground: height and tilt.
    :param region: the part of the ground to use.
    :returns: the pixels with the distances of the ground, and their rays float64 (N, 2), or the
        reason why there are none.
    """
    height, width = frame.values.shape
    step = max(1, math.isqrt(height * width // (4 * SAMPLES)))
    rays = np.asarray(frame.rays[::step, ::step], np.float64)
    z = ground.depth(rays)
    sideways = np.abs(z * rays[..., 0])
    with np.errstate(invalid='ignore'):
        inside = (z > region.near * ground.height) & (z < region.far * ground.height)
        inside &= (z > 0) & (sideways < region.side * ground.height)
    rows, columns = np.nonzero(inside)
    if rows.size == 0:
        return NotObservable(
            'the camera does not see the ground; check ground.camera_height and '
            'ground.camera_pitch_deg'
        )
    pixels = pixels_at(frame, rows * step, columns * step, z[rows, columns])
    return pixels, rays[rows, columns][pixels.kept]


def seen_height(
    depth: NDArray[np.float32], rays: NDArray[np.float32], floor: FloorPose
) -> float | None:
    """
    Return the height of the camera above the visible floor.

    :param depth: float32 (H, W), z-depth (m); values that are not finite are ignored.
    :param rays: float32 (H, W, 2), rays of the same pixels.
    :param floor: where the floor should be; its height is ignored.
    :returns: height (m), or None if there is no plane of about that tilt.
    """
    exact = np.asarray(rays, np.float64)
    z = floor.depth(exact) / floor.height
    with np.errstate(invalid='ignore'):
        inside = (z > 0) & (z < REGION.far) & (np.abs(z * exact[..., 0]) < REGION.side)
        inside &= np.isfinite(depth)
    rows, columns = np.nonzero(inside)
    if rows.size < SEEN:
        return None
    height, width = depth.shape
    directions = np.column_stack([exact[rows, columns], np.ones(rows.size)])
    points = directions * depth[rows, columns, None].astype(np.float64)
    plane = fit_plane(points, patches_of(rows, columns, height, width))
    if plane is None:
        return None
    length = float(np.linalg.norm(plane[0]))
    if math.acos(min(float(plane[0] @ floor.down) / length, 1.0)) > MAX_TILT_CHANGE:
        return None
    return 1 / length


def measured_on(kind: OutputKind, pixels: Pixels, rays: Floats, ground: FloorPose) -> Outcome:
    """
    Measure the scale on pixels of the ground, with the errors of its pose.

    :param kind: of the network.
    :param pixels: pixels with the distances of the ground.
    :param rays: float64 (N, 2), their rays.
    :param ground: height and tilt.
    :returns: the measurement, or the reason why there is none.
    """
    outcome = measure(kind, pixels)
    if isinstance(outcome, NotObservable):
        return outcome
    found, fit = outcome
    causes = [changed(kind, pixels, fit, pixels.z * (1 + ground.height_sigma))]
    for axis in (0, 2):
        z_there = ground.tilted(axis, ground.tilt_sigma).depth(rays)
        causes.append(changed(kind, pixels, fit, np.where(z_there > 0, z_there, pixels.z)))
    return with_bias(found, fit, np.array(causes))


def _with_plane(pixels: Pixels, rays: Floats, ground: FloorPose) -> Outcome:
    """Measure with the tilt of the plane itself."""
    directions = np.column_stack([rays, np.ones(len(rays))])
    plane = fit_plane(directions * pixels.x[:, None], pixels.patch)
    if plane is None:
        return NotObservable('no plane is visible where the ground should be')
    m, covariance, bias, inliers = plane
    length = float(np.linalg.norm(m))
    angle = math.acos(min(float(m @ ground.down) / length, 1.0))
    if angle > MAX_TILT_CHANGE:
        return NotObservable(
            f'the visible plane is tilted by {math.degrees(angle):.0f} deg against the ground'
        )
    # log scale = log height + log |m|, so d log scale = m . dm / |m|^2
    gradient = (m / length**2)[None]
    return Measurement(
        np.array([math.log(ground.height * length)]),
        gradient @ covariance @ gradient.T,
        gradient @ bias @ gradient.T + ground.height_sigma**2,
        float(np.median(pixels.x)),
        inliers,
        pixels.x.size,
    )

