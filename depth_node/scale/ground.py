"""
The scale from a camera at a known height over flat ground.

A pixel that looks down at the ground knows its distance: with the unit vector `down` in the
optical frame, a point at z (rx, ry, 1) lies `height` below the camera when
z (rx, ry, 1) . down = height. So the ground is a depth sensor, and its inverse depth is affine
in the image, which is why affine inverse depth can be scaled by it too.

What is not flat ground is an outlier. For kinds with one unknown the tilt may be estimated: a
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
"""An estimated plane farther than this from the given tilt is a wall, a ramp or a mistake."""
SAMPLES = 4000
"""Pixels looked at."""
SEEN = 200
"""Pixels of a floor from which its height is measured."""


@dataclass(frozen=True)
class FloorPose:
    """
    Where the ground is, seen from the camera.

    :param down: float64 (3,), unit vector to the ground in the optical frame.
    :param height: of the camera above the ground (m).
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
        Describe a camera by its mounting.

        :param height: above the ground (m).
        :param pitch: down is positive (rad).
        :param roll: right side down is positive (rad).
        :param tilt_sigma: see the class (rad).
        :returns: the ground.
        """
        down = np.array([
            math.sin(roll) * math.cos(pitch), math.cos(roll) * math.cos(pitch), math.sin(pitch),
        ])
        return cls(down, height, tilt_sigma)

    @classmethod
    def from_transform(cls, base_from_optical: Floats, *, tilt_sigma: float = 0.0) -> FloorPose:
        """
        Describe a camera by its place in the robot's base frame (z up, on the ground at z = 0).

        :param base_from_optical: float64 (4, 4).
        :param tilt_sigma: see the class (rad).
        :returns: the ground.
        :raises DataError: the camera is not above the ground.
        """
        height = float(base_from_optical[2, 3])
        if height <= 0:
            raise DataError(
                f'The camera is at z = {height:.2f} m of the base frame, expected above the '
                'ground, which is z = 0 there.',
                'Set ground.base_frame to a frame on the ground (base_footprint).',
            )
        return cls(-base_from_optical[2, :3], height, tilt_sigma)

    def tilted(self, axis: int, angle: float) -> FloorPose:
        """
        Turn the ground a little.

        :param axis: 0 pitches, 2 rolls (axes of the optical frame).
        :param angle: (rad), small.
        :returns: the ground as the camera would see it then.
        """
        turn = np.zeros(3)
        turn[axis] = angle
        down = self.down + np.cross(turn, self.down)
        return FloorPose(
            down / np.linalg.norm(down), self.height, self.tilt_sigma, self.height_sigma
        )

    def depth(self, rays: Floats) -> Floats:
        """
        Find how far the ground is.

        :param rays: float64 (..., 2).
        :returns: float64 (...), z-depth (m); not above zero where a ray does not meet it.
        """
        slope = rays[..., 0] * self.down[0] + rays[..., 1] * self.down[1] + self.down[2]
        with np.errstate(divide='ignore'):
            return np.asarray(self.height / np.where(slope > 0, slope, -np.inf))


@dataclass(frozen=True)
class Region:
    """
    Which part of the ground is looked at.

    :param near: least z-depth (camera heights).
    :param far: greatest z-depth (camera heights): far away a small tilt is a large error.
    :param side: greatest distance to the side (camera heights).
    """

    near: float = 0.0
    far: float = 10.0
    side: float = 3.0


REGION = Region(far=8.0)
"""Where the floor is looked at to find the height of the camera."""


def from_ground(
    frame: ScaleFrame, ground: FloorPose, region: Region, *, estimate_tilt: bool = False
) -> Outcome:
    """
    Measure the scale on flat ground.

    :param frame: the frame.
    :param ground: height and tilt.
    :param region: the part looked at.
    :param estimate_tilt: take the tilt from the frame, for kinds with one unknown; the given
        one only says where to look.
    :returns: the measurement with the errors of height and tilt in its bias, or why there is
        none.
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
    Pick the pixels that should see the ground.

    :param frame: the frame.
    :param ground: height and tilt.
    :param region: the part looked at.
    :returns: the pixels with the ground's distances and their rays float64 (N, 2), or why there
        are none.
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
    Measure the height of the camera over the floor that is seen.

    :param depth: float32 (H, W), z-depth (m); what is not finite is not used.
    :param rays: float32 (H, W, 2), of the same pixels.
    :param floor: where the floor should be; its height plays no part.
    :returns: height (m), or None where no plane of about that tilt fills the place.
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
    :param pixels: with the ground's distances.
    :param rays: float64 (N, 2), theirs.
    :param ground: height and tilt.
    :returns: the measurement, or why there is none.
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
    """Measure with the tilt taken from the plane itself."""
    directions = np.column_stack([rays, np.ones(len(rays))])
    plane = fit_plane(directions * pixels.x[:, None], pixels.patch)
    if plane is None:
        return NotObservable('no plane is seen where the ground should be')
    m, covariance, bias, inliers = plane
    length = float(np.linalg.norm(m))
    angle = math.acos(min(float(m @ ground.down) / length, 1.0))
    if angle > MAX_TILT_CHANGE:
        return NotObservable(
            f'the plane seen is tilted by {math.degrees(angle):.0f} deg against the ground'
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

