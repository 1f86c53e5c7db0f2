"""Networks and sensors in the synthetic world, with noise and outliers of a known size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.model import ModelSpec, OutputKind
from depth_node.scale import PointsReading, PoseReading, RangeReading, ScaleFrame
from depth_node.scale.points import depth_points, disparity_depth, scan_points
from depth_node.sources.frame import Frame, nanoseconds
from depth_node.world import World

Floats = NDArray[np.float64]

RATE = 10.0
"""Frames per second."""
TRUTH = {
    OutputKind.METRIC_DEPTH: (1.13, 0.0),
    OutputKind.CANONICAL_DEPTH: (0.87, 0.0),
    OutputKind.RELATIVE_DEPTH: (2.1, 0.3),
    OutputKind.SIGMOID_DISPARITY: (3.7, 0.0),
    OutputKind.RELATIVE_DISPARITY: (0.013, 0.05),
}
"""Scale and shift that the sources have to find."""
SOURCES = ('ground', 'points', 'scan', 'range', 'depth', 'disparity', 'odometry')

LIDAR = np.array([[0, -1, 0, 0.05], [0, 0, -1, -0.10], [1, 0, 0, -0.04], [0, 0, 0, 1.0]])
"""Optical frame from a lidar (x forward) 10 cm above the camera and 5 cm to the right."""
SIDE = np.array([[1, 0, 0, -0.08], [0, 1, 0, 0.02], [0, 0, 1, 0], [0, 0, 0, 1.0]])
"""Optical frame from a depth camera 8 cm to the left."""


def spec_of(kind: OutputKind) -> ModelSpec:
    """Describe a network of a kind."""
    return ModelSpec(f'simulated_{kind.value}', kind)


def values_of(kind: OutputKind, depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what a perfect network of a kind says about exact depth."""
    scale, shift = TRUTH[kind]
    spec = spec_of(kind)
    z = depth.astype(np.float64)
    if kind is OutputKind.RELATIVE_DISPARITY:
        values = (1 / z - shift) / scale
    elif kind is OutputKind.SIGMOID_DISPARITY:
        low, high = 1 / spec.max_depth, 1 / spec.min_depth
        values = (scale / z - low) / (high - low)
    else:
        values = (z - shift) / scale
    return values.astype(np.float32)


@dataclass(frozen=True)
class View:
    """One rendered frame of a drive."""

    stamp: float
    pose: Floats
    image: NDArray[np.uint8]
    depth: NDArray[np.float32]
    side_depth: NDArray[np.float32]


class Drive:
    """
    A drive through a world, rendered once and measured many times.

    :param seed: of the world.
    :param frames: how many.
    """

    def __init__(self, seed: int, frames: int = 30) -> None:
        self.world = World(seed)
        self.camera = Camera.from_hfov(320, 240, 75)
        self.rays = self.camera.rays()
        self.views = []
        for index in range(frames):
            stamp = index / RATE
            pose = self.world.pose(stamp)
            image, depth = self.world.render(self.camera, pose)
            _, side = self.world.render(self.camera, pose @ SIDE)
            self.views.append(View(stamp, pose, image, depth, side))

    def frame(
        self, view: View, kind: OutputKind, image: NDArray[np.uint8] | None = None
    ) -> ScaleFrame:
        """Let a perfect network look at a view."""
        rgb = view.image if image is None else image
        frame = Frame(rgb, nanoseconds(view.stamp), self.camera)
        return ScaleFrame(frame, values_of(kind, view.depth), spec_of(kind), self.rays)

    def sample(
        self, source: str, view: View, random: np.random.Generator, noise: float, outliers: float
    ) -> PointsReading | RangeReading:
        """
        Let a sensor look at what the camera sees.

        :param source: its name.
        :param view: the time and place.
        :param random: where its errors come from.
        :param noise: relative standard deviation of each distance.
        :param outliers: share of distances that are anything between a third and twice.
        """
        def spoilt(exact: Floats) -> Floats:
            wrong = random.random(exact.shape) < outliers
            factor = 1 + noise * random.standard_normal(exact.shape)
            return exact * np.where(wrong, random.uniform(0.33, 2, exact.shape), factor)

        lidar = view.pose @ LIDAR
        if source == 'points':
            rings, angles = np.radians(np.arange(-30, 16, 3.0)), np.radians(np.arange(-60, 60, 1))
            elevation, azimuth = (a.ravel() for a in np.meshgrid(rings, angles))
            directions = np.column_stack([
                np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth),
                np.sin(elevation),
            ])
            ranges = self.world.cast(lidar[:3, 3], directions @ lidar[:3, :3].T)
            return PointsReading(directions * spoilt(ranges)[:, None], LIDAR)
        if source == 'scan':
            azimuth = np.radians(np.arange(-60, 60, 0.25))
            directions = np.column_stack(
                [np.cos(azimuth), np.sin(azimuth), np.zeros(azimuth.size)]
            )
            ranges = spoilt(self.world.cast(lidar[:3, 3], directions @ lidar[:3, :3].T))
            points = scan_points(ranges, azimuth[0], math.radians(0.25), 0.05, 30.0)
            return PointsReading(points, LIDAR)
        if source == 'range':
            cone = 0.15
            spread = np.linspace(-cone / 2, cone / 2, 21)
            y, z = (a.ravel() for a in np.meshgrid(spread, spread))
            inside = np.hypot(y, z) <= cone / 2
            directions = np.column_stack([np.ones(inside.sum()), y[inside], z[inside]])
            ranges = self.world.cast(lidar[:3, 3], directions @ lidar[:3, :3].T)
            return RangeReading(float(spoilt(ranges.min(keepdims=True))[0]), cone, LIDAR)
        exact = view.side_depth.astype(np.float64)
        if source == 'disparity':
            wrong = random.random(exact.shape) < outliers
            disparity = 30 / exact * (1 + noise * random.standard_normal(exact.shape))
            disparity[wrong] = random.uniform(1, 40, int(wrong.sum()))
            measured = disparity_depth(disparity.astype(np.float32), 300, 0.1, 0.5, 64)
        else:
            measured = spoilt(exact).astype(np.float32)
        return PointsReading(depth_points(measured, self.camera), SIDE)

    def poses(self, random: np.random.Generator, noise: float) -> Iterator[PoseReading]:
        """
        Let odometry tell the poses of the views.

        :param random: where its errors come from.
        :param noise: relative standard deviation of each step.
        """
        told = self.views[0].pose
        for index, view in enumerate(self.views):
            if index:
                step = np.linalg.inv(self.views[index - 1].pose) @ view.pose
                step[:3, 3] *= 1 + noise * random.standard_normal()
                told = told @ step
            yield PoseReading(told)


def with_foreign_motion(
    image: NDArray[np.uint8], index: int, random: np.random.Generator, share: float
) -> NDArray[np.uint8]:
    """
    Cover a share of an image with something that moves by itself, its depth unchanged.

    :param image: uint8 (H, W, 3).
    :param index: of the frame: the pattern moves on with it.
    :param random: the same for all frames of a run, so that the pattern is.
    :param share: of the image covered.
    """
    height, width = image.shape[:2]
    coarse = random.integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    pattern = np.repeat(np.repeat(coarse, 8, axis=0), 8, axis=1)
    shown = np.roll(pattern, (index, -2 * index), axis=(0, 1))
    out = image.copy()
    wide = int(width * share)
    left = int(random.integers(0, width - wide))
    out[:, left:left + wide] = shown[:height, left:left + wide]
    return out
