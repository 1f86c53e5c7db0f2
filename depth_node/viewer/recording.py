"""Frames of files and what was estimated of them, drawn one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.cloud.pipeline import obstacles_only, Planned, PointsPipeline, scan_in_optical
from depth_node.config import Config
from depth_node.estimator import Estimate
from depth_node.scale.points import scan_points
from depth_node.sources.frame import Frame
from depth_node.viewer.drawing import Drawing, Series
from depth_node.viewer.layout import blueprint


class Recorder:
    """
    Draws frames and what was estimated of them, with clouds and scans as the node makes them.

    :param stream: a ``rerun.RecordingStream`` that is connected to a file or a viewer.
    :param config: shapes the cloud and the scan, as in the node.
    """

    def __init__(self, stream: Any, config: Config) -> None:
        self._config = config
        self._drawing = Drawing(stream)
        self._points: PointsPipeline | None = None
        self._obstacles: PointsPipeline | None = None
        self._count = 0
        stream.send_blueprint(blueprint())
        self._drawing.world(body=False)

    def add(self, frame: Frame, estimate: Estimate, milliseconds: float) -> Planned | None:
        """
        Add one frame.

        :param frame: the frame, with a camera where there is one.
        :param estimate: what is known of its depth.
        :param milliseconds: the time it took (ms).
        :returns: the cloud that is shown; None where there are no metres.
        """
        draw = self._drawing
        draw.at(frame.stamp, self._count)
        self._count += 1
        if frame.camera is not None:
            draw.camera(frame.camera)
        if frame.pose is not None:
            draw.pose(frame.pose)
        draw.picture(frame.rgb)
        draw.series(Series.LATENCY, milliseconds)
        if estimate.depth is None or frame.camera is None:
            draw.relative(estimate.prediction.values)
            draw.note(estimate.note)
            return None
        draw.depth(estimate.depth)
        draw.series(Series.SCALE, estimate.state.value)
        draw.series(Series.SIGMA, 100 * estimate.state.sigma)
        if estimate.confidence is not None:
            draw.confidence(estimate.confidence)
        return self._plan(frame.camera, frame, estimate, estimate.depth)

    def flush(self) -> None:
        """Hand everything over to the file or the viewer."""
        self._drawing.flush()

    def _plan(
        self, camera: Camera, frame: Frame, estimate: Estimate, depth: NDArray[np.float32]
    ) -> Planned:
        """Draw cloud, obstacles and scan as the node publishes them."""
        made, config = self._points, self._config
        if made is None or not made.suits(camera, config):
            made = self._points = PointsPipeline(camera, config)
            self._obstacles = PointsPipeline(camera, obstacles_only(config))
        grounded = config.ground.camera_height > 0
        if grounded and self._obstacles is not None:
            found = self._obstacles.process(depth, limits=estimate.limits).points
            if found is not None:
                self._drawing.obstacles(found)
        planned = made.process(
            depth, frame.rgb, scan=grounded, limits=estimate.limits,
            confidence=estimate.confidence,
        )
        if planned.points is not None:
            points = planned.points.reshape(-1, planned.points.shape[-1])
            self._drawing.cloud(points[:, :3], _packed(points, confidence=planned.confidence))
        pose = scan_in_optical(config)
        if planned.scan is not None and pose is not None:
            geometry = planned.scan.geometry
            self._drawing.scan(scan_points(
                planned.scan.ranges, geometry.angle_min, geometry.angle_increment,
                geometry.range_min, geometry.range_max,
            ), pose)
        return planned


def _packed(points: NDArray[np.float32], *, confidence: bool) -> NDArray[np.uint32] | None:
    """Return the colors of points; None if they have none."""
    if points.shape[1] - confidence < 4:
        return None
    return np.ascontiguousarray(points[:, 3]).view(np.uint32)
