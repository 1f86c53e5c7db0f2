"""Output messages of a frame: one method of :class:`Maker` for each output."""

from __future__ import annotations

from dataclasses import dataclass

from builtin_interfaces.msg import Time
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, LaserScan, PointCloud2
from std_msgs.msg import Header

from depth_node.camera import Camera
from depth_node.camera.transforms import TransformSource
from depth_node.cloud.pipeline import Planned
from depth_node.cloud.planner import Planner, Sight
from depth_node.config import Config
from depth_node.estimator import Estimate
from depth_node.image.color import bar_height, colorize
from depth_node.image.compressed_depth import encode_depth, format_of
from depth_node.ros import messages
from depth_node.ros.kept import Kept
from depth_node.ros.notices import Notices
from depth_node.sources.frame import Frame

Depth = NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """
    The data from which the messages of a frame are made.

    :param frame: the frame, with its camera if known.
    :param estimate: its depth.
    :param config: the configuration for this frame.
    :param wanted: relative names of the topics with subscribers.
    """

    frame: Frame
    estimate: Estimate
    config: Config
    wanted: frozenset[str]

    @property
    def header(self) -> Header:
        """Header of the camera's message."""
        return messages.header_of(self.stamp, self.frame.frame_id)

    @property
    def stamp(self) -> Time:
        """Stamp of the frame."""
        return messages.stamp_of(self.frame.stamp or 0)

    @property
    def has_metres(self) -> bool:
        """Whether depth and camera are known, as required for metric outputs."""
        return self.estimate.depth is not None and self.frame.camera is not None

    @property
    def camera(self) -> Camera:
        """The camera; only if :attr:`has_metres`."""
        assert self.frame.camera is not None
        return self.frame.camera

    @property
    def depth(self) -> Depth:
        """Depth, float32 (H, W) (m); only if :attr:`has_metres`."""
        assert self.estimate.depth is not None
        return self.estimate.depth


def wants_confidence(config: Config, wanted: frozenset[str]) -> bool:
    """
    Return whether an output with a subscriber needs the confidence of pixels.

    :param config: the configuration.
    :param wanted: relative names of the topics with subscribers.
    :returns: whether one does.
    """
    return 'depth/confidence' in wanted or (
        config.points.confidence and 'depth/points' in wanted
    )


class Maker:
    """
    Makes the messages of a frame, in buffers that are reused for the next one.

    :param transforms: where transforms are looked up.
    :param notices: receives the reasons why a cloud or scan cannot be made.
    """

    def __init__(self, transforms: TransformSource, notices: Notices) -> None:
        self._notices = notices
        self._stages = notices.health.stages
        self._planner = Planner(transforms)
        self._planned: tuple[Scene, Planned] | None = None
        # filled again with every frame; what is published has been copied
        self._cloud = Kept(PointCloud2)
        self._depth, self._relative, self._color, self._confidence = (
            Kept(Image) for _ in range(4)
        )

    # a new output: its method here
    def image_relative(self, scene: Scene) -> Image:
        """
        Return the image with the output of the network.

        :param scene: the frame.
        :returns: 32FC1 without a unit.
        """
        values = scene.estimate.prediction.values
        return messages.image_to_msg(values, '32FC1', scene.header, self._relative)

    def points(self, scene: Scene) -> PointCloud2 | None:
        """
        Return the point cloud.

        :param scene: a frame with metres.
        :returns: the cloud (m) in points.frame, or in the optical frame; None if the transform
            is not known.
        """
        planned = self._plan(scene)
        if planned.points is None:
            return None
        target = scene.config.points.frame or scene.frame.frame_id
        header = messages.header_of(scene.stamp, target)
        return messages.cloud_to_msg(
            planned.points, header, self._cloud, confidence=planned.confidence
        )

    def scan(self, scene: Scene) -> LaserScan | None:
        """
        Return the laser scan.

        :param scene: a frame with metres.
        :returns: the scan (m) in scan.output_frame; None if the ground is not known.
        """
        scan = self._plan(scene).scan
        if scan is None:
            return None
        header = messages.header_of(scene.stamp, scene.config.scan.output_frame)
        return messages.scan_to_msg(scan.ranges, scan.geometry, header)

    def image(self, scene: Scene) -> Image:
        """
        Return the depth image.

        :param scene: a frame with metres.
        :returns: 32FC1 (m) or 16UC1 (mm), see output.encoding.
        """
        encoding = scene.config.output.encoding
        return messages.depth_to_msg(scene.depth, encoding, scene.header, self._depth)

    def compressed_depth(self, scene: Scene) -> CompressedImage:
        """
        Make the depth image as compressed_depth_image_transport writes it.

        :param scene: a frame with metres.
        :returns: 1/depth, or millimetres where output.encoding is 16UC1.
        """
        output = scene.config.output
        data = encode_depth(
            scene.depth, output.encoding, output.compressed_max, output.compressed_quantization,
            output.compressed_format,
        )
        form = format_of(output.encoding, output.compressed_format)
        return messages.compressed_to_msg(data, form, scene.header)

    def camera_info(self, scene: Scene) -> CameraInfo:
        """
        Return the CameraInfo of the depth image.

        :param scene: a frame with a camera.
        :returns: the CameraInfo, for the size of the depth image.
        """
        return messages.camera_info_to_msg(scene.camera, scene.header)

    def confidence(self, scene: Scene) -> Image | None:
        """
        Return the image of the confidence.

        :param scene: a frame with metric depth.
        :returns: 32FC1, 0 to 1; None if it was not computed for this frame.
        """
        values = scene.estimate.confidence
        if values is None:
            return None
        return messages.image_to_msg(values, '32FC1', scene.header, self._confidence)

    def image_color(self, scene: Scene) -> Image:
        """
        Return the color image of the depth.

        :param scene: a frame with metres.
        :returns: bgr8, with a scale bar if output.color_bar is set.
        """
        output, (height, width) = scene.config.output, scene.depth.shape
        rows = height + (bar_height(height) if output.color_bar else 0)
        picture: NDArray[np.uint8] = self._color.room((rows, width, 3), np.uint8)
        low, high = output.color_min, output.color_max
        colorize(scene.depth, low, high, bar=output.color_bar, out=picture)
        return messages.image_to_msg(picture, 'bgr8', scene.header, self._color)

    def _plan(self, scene: Scene) -> Planned:
        """Return cloud and scan of a frame, computed once for both."""
        if self._planned is not None and self._planned[0] is scene:
            return self._planned[1]
        frame, estimate = scene.frame, scene.estimate
        planned = self._planner.plan(
            Sight(
                scene.depth, frame.rgb, scene.camera, frame.frame_id, frame.stamp or 0,
                estimate.limits, estimate.confidence,
            ),
            scene.config, points='depth/points' in scene.wanted,
            scan='depth/scan' in scene.wanted, room=self._cloud.room,
        )
        self._stages.lap('cloud')
        self._notices.set('planning', planned.note)
        self._planned = scene, planned
        return planned
