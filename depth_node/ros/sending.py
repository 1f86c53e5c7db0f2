"""From metres to the messages somebody listens to."""

from __future__ import annotations

from collections.abc import Callable

from builtin_interfaces.msg import Time
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image, PointCloud2

from depth_node.camera import Camera
from depth_node.camera.rigid import Matrix
from depth_node.cloud.pipeline import Frames, PointsPipeline
from depth_node.config import Config
from depth_node.estimator import DepthFrame
from depth_node.image.color import bar_height, colorize
from depth_node.ros import messages
from depth_node.ros.notices import Notices
from depth_node.ros.outputs import Outputs
from depth_node.ros.reading import Seen
from depth_node.ros.transforms import Transforms

Wanted = frozenset[str]


class Sender:
    """
    Makes and publishes the messages of a frame.

    :param config: returns the configuration in force.
    :param outputs: the publishers.
    :param transforms: where frames are looked up.
    :param notices: told when a planner's output cannot be made.
    """

    def __init__(
        self,
        config: Callable[[], Config],
        outputs: Outputs,
        transforms: Transforms,
        notices: Notices,
    ) -> None:
        self._config = config
        self._outputs = outputs
        self._transforms = transforms
        self._notices = notices
        self._stages = notices.health.stages
        self._points: PointsPipeline | None = None
        # filled again with every frame; what is published has been copied
        self._cloud = messages.Kept(PointCloud2)
        self._depth, self._relative, self._color = (messages.Kept(Image) for _ in range(3))

    def wanted(self) -> Wanted:
        """
        Tell what somebody listens to.

        :returns: topics, as in ``outputs.TOPICS``.
        """
        return self._outputs.wanted()

    def send(
        self, wanted: Wanted, result: DepthFrame, seen: Seen, camera: Camera | None
    ) -> bool:
        """
        Publish what is wanted and known.

        :param wanted: topics with subscribers, as in ``outputs.TOPICS``.
        :param result: what was estimated.
        :param seen: the frame it was estimated from.
        :param camera: that took it, or None where nobody knows.
        :returns: whether anything was published.
        """
        publish, header = self._outputs.publish, seen.header
        if 'depth/image_relative' in wanted:
            values, kept = result.prediction.values, self._relative
            publish('depth/image_relative', messages.image_to_msg(values, '32FC1', header, kept))
        depth = result.depth
        if depth is None or camera is None:
            return 'depth/image_relative' in wanted
        # what a planner waits for goes first; where it cannot be made, the depth goes all the same
        try:
            if 'depth/points' in wanted or 'depth/scan' in wanted:
                self._plan(wanted, depth, camera, seen)
        finally:
            self._show(wanted, depth, camera, seen)
        return True

    def _plan(
        self, wanted: Wanted, depth: NDArray[np.float32], camera: Camera, seen: Seen
    ) -> None:
        """Publish what planners listen to: points and scan."""
        config = self._config()
        made = self._points
        if made is None or made.camera != camera or made.config is not config:
            made = self._points = PointsPipeline(camera, config)
        points, scan = 'depth/points' in wanted, 'depth/scan' in wanted
        optical, stamp = seen.header.frame_id, seen.header.stamp
        frames = self._frames(made.frames(points=points, scan=scan), optical, stamp)
        planned = made.process(
            depth, seen.rgb, frames, points=points, scan=scan, room=self._cloud.room
        )
        self._stages.lap('cloud')
        self._notices.set('planning', planned.note)
        if planned.points is not None:
            header = messages.header_of(stamp, config.points.frame or optical)
            message = messages.cloud_to_msg(planned.points, header, self._cloud)
            self._stages.lap('message')
            self._outputs.publish('depth/points', message)
            self._stages.lap('publish')
        if planned.scan is not None:
            header = messages.header_of(stamp, config.scan.output_frame)
            ranges, geometry = planned.scan.ranges, planned.scan.geometry
            self._outputs.publish('depth/scan', messages.scan_to_msg(ranges, geometry, header))
            self._stages.lap('scan')

    def _show(
        self, wanted: Wanted, depth: NDArray[np.float32], camera: Camera, seen: Seen
    ) -> None:
        """Publish the depth as images, and its camera."""
        publish, header, output = self._outputs.publish, seen.header, self._config().output
        if 'depth/image' in wanted:
            message = messages.depth_to_msg(depth, output.encoding, header, self._depth)
            self._stages.lap('message')
            publish('depth/image', message)
            self._stages.lap('publish')
        if 'depth/camera_info' in wanted:
            publish('depth/camera_info', messages.camera_info_to_msg(camera, header))
        if 'depth/image_color' in wanted:
            height, width = depth.shape
            rows = height + (bar_height(height) if output.color_bar else 0)
            picture: NDArray[np.uint8] = self._color.room((rows, width, 3), np.uint8)
            colorize(depth, output.color_min, output.color_max, bar=output.color_bar, out=picture)
            message = messages.image_to_msg(picture, 'bgr8', header, self._color)
            publish('depth/image_color', message)
            self._stages.lap('color')

    def _frames(self, names: tuple[str, str, str], optical: str, stamp: Time) -> Frames:
        """Ask TF for the frames that are needed; empty names are not."""
        hint = ''

        def place(name: str) -> Matrix | None:
            nonlocal hint
            found = self._transforms.lookup(name, optical, stamp) if name else None
            if name and found is None:
                hint = self._transforms.hint
            return found

        points, base, scan = map(place, names)
        return Frames(points, base, scan, hint)
