"""Clouds and scans of the frames of a camera, wherever transforms are looked up."""

from __future__ import annotations

from dataclasses import dataclass

from depth_node.camera import Camera
from depth_node.camera.rigid import Matrix
from depth_node.camera.transforms import TransformSource
from depth_node.cloud.maker import Color, Depth, Room
from depth_node.cloud.pipeline import Placement, Planned, PointsPipeline
from depth_node.config import Config


@dataclass(frozen=True)
class Sight:
    """
    What was seen in one frame.

    :param depth: float32 (H, W), z-depth (m), REP-117.
    :param rgb: uint8 (H, W, 3), for a cloud with color.
    :param camera: that took it.
    :param optical: name of its optical frame.
    :param stamp: when it was taken (ns).
    :param limits: z-depth below which depth is -Inf, and above which it is +Inf (m).
    :param confidence: float32 (H, W), for a cloud that has it, or None.
    """

    depth: Depth
    rgb: Color
    camera: Camera
    optical: str
    stamp: int
    limits: tuple[float, float]
    confidence: Depth | None = None


class Planner:
    """
    Makes clouds and scans, with what only depends on the camera computed once.

    :param transforms: where the pose of the camera is looked up.
    """

    def __init__(self, transforms: TransformSource) -> None:
        self._transforms = transforms
        self._pipeline: PointsPipeline | None = None

    def plan(
        self, sight: Sight, config: Config, *, points: bool, scan: bool, room: Room | None = None
    ) -> Planned:
        """
        Return cloud and scan of a frame.

        :param sight: the frame.
        :param config: the configuration for this frame.
        :param points: whether the cloud is wanted.
        :param scan: whether the scan is wanted.
        :param room: see :meth:`PointsPipeline.process`.
        :returns: those that are wanted and known, and why one is not.
        """
        made = self._pipeline
        if made is None or not made.suits(sight.camera, config):
            made = self._pipeline = PointsPipeline(sight.camera, config)
        names = made.frames(points=points, scan=scan)
        return made.process(
            sight.depth, sight.rgb, self._placement(names, sight.optical, sight.stamp),
            points=points, scan=scan, room=room, limits=sight.limits,
            confidence=sight.confidence,
        )

    def _placement(self, names: tuple[str, str, str], optical: str, stamp: int) -> Placement:
        """Look up the transforms of the frames that are not empty."""
        def place(name: str) -> tuple[Matrix | None, str]:
            if not name:
                return None, ''
            found = self._transforms.lookup(name, optical, stamp)
            return found, '' if found is not None else self._transforms.hint

        (points, first), (base, second), (scan, third) = map(place, names)
        return Placement(points, base, scan, (first, second, third))
