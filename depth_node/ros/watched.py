"""A running node, drawn from its topics."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, LaserScan, PointCloud2

from depth_node.camera import Camera
from depth_node.camera.rigid import Matrix, matrix_of
from depth_node.camera.transforms import TransformSource
from depth_node.cloud.pipeline import obstacles_only, Placement, PointsPipeline, scan_in_optical
from depth_node.config import Config
from depth_node.ros import messages
from depth_node.ros.asked import AskedConfig
from depth_node.ros.canvas import Canvas, Names
from depth_node.ros.choosing import FrameChoice, Pictures
from depth_node.ros.matching import MatchedSubscription
from depth_node.ros.outputs import OUTPUTS
from depth_node.ros.silences import Silences
from depth_node.scale.decoding import scan_of
from depth_node.scale.point_fields import cloud_of

SHOWN = ('depth/image', 'depth/points', 'depth/scan', 'depth/confidence', 'depth/camera_info')
"""Outputs that are drawn; a test compares them with the table."""
RELATIVE = 'depth/image_relative'
"""Drawn only while there are no metres: a subscriber makes the node compute it."""
QUIET_S = 5.0
"""How long a topic may be silent before it is reported (s)."""
MOST_WAITING = 30
"""Frames whose transform may still come."""
WAIT_S = 1.0
"""How long to wait for a transform (s)."""
OLDEST_MS = 60_000.0
"""Latencies beyond this are the difference of two clocks (ms)."""


class Watched:
    """
    Draws what one node publishes.

    :param node: the node that owns the subscriptions.
    :param namespace: of the watched node, such as `/` or `/front`.
    :param canvas: where to draw.
    :param names: of the series.
    :param fixed_frame: in which the camera is placed; empty: the node's ``ground.base_frame``.
    :param image_topic: of the camera; empty: the one in the node's diagnostics.
    :param rate: frames that are drawn per second, at most.
    :param transforms: TF.
    :param warn: receives a key and a problem with its remedy, or an empty text when it is over.
    """

    def __init__(
        self, node: Node, namespace: str, canvas: Canvas, names: Names, *,
        fixed_frame: str, image_topic: str, rate: float, transforms: TransformSource,
        warn: Callable[[str, str], None],
    ) -> None:
        self._node, self._canvas, self._names = node, canvas, names
        self._prefix = namespace.rstrip('/')
        self._fixed = fixed_frame
        self._transforms, self._warn = transforms, warn
        self._choice, self._pictures = FrameChoice(rate), Pictures()
        self._asked = AskedConfig(node, 'points', 'ground', 'scan', 'depth')
        self._camera: Camera | None = None
        self._optical = ''
        self._pipeline: PointsPipeline | None = None
        self._waiting: deque[tuple[int, float]] = deque(maxlen=MOST_WAITING)
        self._placed = False
        self._statuses: dict[str, DiagnosticStatus] = {}
        self._since = time.monotonic()
        self.frames = 0
        """Depth images that were drawn."""
        draw = {
            'depth/image': self._depth, 'depth/points': self._points, 'depth/scan': self._scan,
            'depth/confidence': self._confidence, 'depth/camera_info': self._info,
        }
        self._kinds = {output.topic: output.type for output in OUTPUTS}
        self._topics = {name: self._subscribe(name, draw[name]) for name in SHOWN}
        self._relative: MatchedSubscription | None = None
        self._image: MatchedSubscription | None = None
        if image_topic:
            self._follow(image_topic)
        self._image_given = bool(image_topic)
        self._silences = Silences(node, self._prefix, QUIET_S)
        canvas.world(body=False)

    @property
    def config(self) -> Config:
        """The configuration of the node, as far as it is known."""
        return self._asked.config

    def diagnostics(self, message: DiagnosticArray) -> None:
        """
        Take the statuses of the watched node.

        :param message: of any node.
        """
        own = self._own_name()
        for status in message.status:
            name, _, task = status.name.rpartition(': ')
            if task not in {'camera', 'depth'} or (
                f'/{name}' != own if own else f'/{name}'.rpartition('/')[0] != self._prefix
            ):
                continue
            self._statuses[task] = status
            if task == 'camera' and status.hardware_id and not self._image_given:
                self._follow(status.hardware_id)
            self._canvas.at(_stamp(message))
            for item in status.values:
                series = self._names.of_status.get(item.key)
                if series is not None and _number(item.value) is not None:
                    self._canvas.series(series, float(item.value))

    def match(self) -> None:
        """Follow changes of the graph and of parameters, and report what is missing."""
        for topic in self._all():
            topic.match()
        own = self._own_name()
        if own:
            self._asked.ask(own)
        depth = self._topics['depth/image']
        quiet = depth.silence() > QUIET_S
        if quiet and self._relative is None:
            self._relative = self._subscribe(RELATIVE, self._draw_relative)
        elif not quiet and self._relative is not None:
            self._relative.destroy()
            self._relative = None
        if self._age() < QUIET_S:
            return
        for key, text in self._silences.texts(
            depth, {k: v for k, v in self._topics.items() if v is not depth}, self._image,
            self._statuses,
        ):
            self._warn(key, text)

    def retry(self) -> None:
        """Place the frames whose transform had not arrived."""
        for _ in range(len(self._waiting)):
            stamp, since = self._waiting.popleft()
            if not self._place(stamp) and time.monotonic() - since < WAIT_S:
                self._waiting.append((stamp, since))

    def close(self) -> None:
        """Unsubscribe."""
        self._asked.close()
        for topic in self._all():
            topic.destroy()

    def _age(self) -> float:
        return time.monotonic() - self._since

    def _all(self) -> Iterable[MatchedSubscription]:
        more = (self._relative, self._image)
        return [*self._topics.values(), *(topic for topic in more if topic is not None)]

    def _own_name(self) -> str:
        """Return the full name of the node that publishes the depth; empty if not known yet."""
        for offer in self._topics['depth/image'].publishers:
            if not offer.node_name.startswith('_NODE_'):  # of which discovery has not heard yet
                return f'{offer.node_namespace.rstrip("/")}/{offer.node_name}'
        return ''

    def _subscribe(self, name: str, draw: Callable[[Any], None]) -> MatchedSubscription:
        topic = f'{self._prefix}/{name}'
        return MatchedSubscription(self._node, self._kinds[name], topic, self._chosen(draw))

    def _chosen(self, draw: Callable[[Any], None]) -> Callable[[Any], None]:
        """Draw the messages of the chosen frames, after the picture that belongs to them."""
        def drawn(message: Any) -> None:
            stamp = _stamp(message)
            known = self._choice.has(stamp)
            if not self._choice.takes(stamp):
                return
            picture = None if known else self._pictures.take(stamp)
            if picture is not None:
                self._draw_picture(picture)
            draw(message)

        return drawn

    def _follow(self, topic: str) -> None:
        """Subscribe to the picture of the camera."""
        if self._image is not None:
            if self._image.topic == topic:
                return
            self._image.destroy()
        kind = CompressedImage if topic.endswith('/compressed') else Image
        self._image = MatchedSubscription(self._node, kind, topic, self._picture)

    def _at(self, message: Any) -> int:
        stamp = _stamp(message)
        self._canvas.at(stamp)
        return stamp

    def _picture(self, message: Image | CompressedImage) -> None:
        """Keep a picture until its depth arrives; draw it now if there is none."""
        stamp = _stamp(message)
        alone = self._topics['depth/image'].silence() > QUIET_S
        if self._choice.has(stamp) or (alone and self._choice.takes(stamp)):
            self._draw_picture(message)
        else:
            self._pictures.add(message)

    def _draw_picture(self, message: Image | CompressedImage) -> None:
        compressed = isinstance(message, CompressedImage)
        read = messages.rgb_from_compressed if compressed else messages.rgb_from_msg
        rgb = read(message)
        self._at(message)
        self._canvas.picture(rgb)

    def _info(self, message: CameraInfo) -> None:
        camera = messages.camera_from_msg(message)
        if camera != self._camera:
            self._camera = camera
        self._at(message)
        self._canvas.camera(camera)

    def _draw_relative(self, message: Image) -> None:
        values = messages.metres_from_msg(message)
        self._at(message)
        self._canvas.relative(values)

    def _confidence(self, message: Image) -> None:
        values = messages.metres_from_msg(message)
        self._at(message)
        self._canvas.confidence(values)

    def _depth(self, message: Image) -> None:
        metres = messages.metres_from_msg(message)
        self._optical = message.header.frame_id
        stamp = self._at(message)
        self._canvas.depth(metres)
        latency = (self._node.get_clock().now().nanoseconds - stamp) / 1e6
        if 0 <= latency < OLDEST_MS:
            self._canvas.series(self._names.latency, latency)
        self._obstacles(message, metres)
        self.frames += 1
        if not self._place(stamp):
            self._waiting.append((stamp, time.monotonic()))

    def _obstacles(self, message: Image, metres: NDArray[np.float32]) -> None:
        """Draw the obstacles as the node publishes them with points.content: obstacles."""
        height, width = metres.shape
        if self._camera is None or self._camera.size != (width, height):
            return
        config = obstacles_only(self.config)
        if self._pipeline is None or not self._pipeline.suits(self._camera, config):
            self._pipeline = PointsPipeline(self._camera, config)
        _, base, _ = self._pipeline.frames(points=True, scan=False)
        pose = self._lookup(base, self._optical, _stamp(message)) if base else None
        found = self._pipeline.process(metres, frames=Placement(base=pose)).points
        if found is not None:
            self._canvas.obstacles(found)

    def _points(self, message: PointCloud2) -> None:
        xyz, packed = cloud_of(message)
        frame, points = message.header.frame_id, self.config.points
        pose: Matrix | None = None
        if not self._optical:
            return  # in which frame it would be drawn is known from the first depth image on
        if frame != self._optical:
            if points.frame == frame and points.transform:
                pose = np.asarray(np.linalg.inv(matrix_of(points.transform)), np.float64)
            else:
                pose = self._lookup(self._optical, frame, _stamp(message))
            if not self._known(frame, 'depth/points', 'points.transform', pose):
                return
        self._at(message)
        self._canvas.cloud(xyz, packed, pose)

    def _scan(self, message: LaserScan) -> None:
        pose, frame = scan_in_optical(self.config), message.header.frame_id
        if pose is None:
            pose = self._lookup(self._optical, frame, _stamp(message))
        if not self._known(frame, 'depth/scan', 'ground.camera_height', pose) or pose is None:
            return
        ends = scan_of(message, pose, None).points
        self._at(message)
        self._canvas.scan(ends, pose)

    def _known(self, frame: str, topic: str, instead: str, pose: Matrix | None) -> bool:
        """Report whether the pose of a frame is not known."""
        if pose is None and not self._asked.known and self._age() < QUIET_S:
            return False  # its parameters may say where it is
        text = '' if pose is not None else (
            f'{self._prefix}/{topic} is in {frame}, whose pose is not known, and is not drawn. '
            f'Set {instead} of the node{self._transforms.hint}.'
        )
        self._warn(f'pose of {topic}', text)
        return pose is not None

    def _place(self, stamp: int) -> bool:
        """Place the camera at the time of a frame; return whether its transform is known."""
        fixed = self._fixed or self.config.ground.base_frame
        pose = self._lookup(fixed, self._optical, stamp)
        if self._fixed:
            self._warn('fixed frame', '' if pose is not None else (
                f'The pose of {self._optical} in {fixed} is not known. Set another '
                f'--fixed-frame{self._transforms.hint}.'
            ))
        if pose is None:
            return False
        if not self._placed:
            self._placed = True
            self._canvas.world(body=True)
        self._canvas.at(stamp)
        self._canvas.pose(pose)
        return True

    def _lookup(self, target: str, source: str, stamp: int) -> Matrix | None:
        if not target or not source:
            return None
        # the executor receives TF: it must not wait for it
        return self._transforms.lookup(target, source, stamp, wait=0.0)


def _stamp(message: Any) -> int:
    return messages.nanoseconds_of(message.header.stamp)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
