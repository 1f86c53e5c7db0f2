"""A camera and a listener in the test's process, around a depth_node in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import time
from typing import Any

import cv2
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
from numpy.typing import NDArray
from processes import Process, Processes
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from depth_node.camera import Camera
from depth_node.ros import messages

FRAME = 'camera_optical'
CAMERA = Camera.from_hfov(64, 48, 70.0)
RELIABLE = QoSProfile(
    depth=1, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.RELIABLE
)


def smooth_frame(width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    """A smooth picture."""
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    return np.ascontiguousarray(cv2.resize(noise, (width, height)))


class Rig:
    """
    Publishes a camera, listens to depth_node and keeps what it says.

    :param node: the test's node.
    :param processes: where the node's process is started.
    """

    def __init__(self, node: Node, processes: Processes) -> None:
        self.node = node
        self._processes = processes
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        self.images = node.create_publisher(Image, 'image', RELIABLE)
        self.compressed = node.create_publisher(CompressedImage, 'image/compressed', RELIABLE)
        self.infos = node.create_publisher(CameraInfo, 'camera_info', RELIABLE)
        self.got: dict[str, list[Any]] = {}
        self.statuses: dict[str, DiagnosticStatus] = {}
        self._clients: dict[str, Any] = {}
        node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self._stamp = 0

    def start(self, model: Path | str, **parameters: object) -> Process:
        """
        Start the node.

        :param model: path or name.
        :param parameters: dotted names with `__` for the dot.
        :returns: its process, after its first words.
        """
        words = ['-m', 'depth_node.ros.node', '--ros-args', '-p', f'model.name:={model}']
        for name, value in parameters.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            words += ['-p', f'{name.replace("__", ".")}:={text}']
        return self._processes.python(*words)

    def listen(self, *topics: str, kinds: dict[str, Any] | None = None) -> None:
        """
        Subscribe to outputs.

        :param topics: relative names.
        :param kinds: message types of topics that are not images.
        """
        known = {'depth/points': PointCloud2, 'depth/camera_info': CameraInfo, **(kinds or {})}
        for topic in topics:
            kept = self.got.setdefault(topic, [])
            self.node.create_subscription(known.get(topic, Image), topic, kept.append, RELIABLE)

    def spin(self, condition: Callable[[], object], seconds: float = 30.0) -> bool:
        """Spin until a condition holds; False when it did not in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.02)
            if condition():
                return True
        return False

    def publish(
        self,
        rgb: NDArray[np.uint8],
        camera: Camera | None,
        *,
        encoding: str = 'rgb8',
        frame_id: str = FRAME,
    ) -> int:
        """
        Publish one frame with a stamp of its own.

        :param rgb: of the encoding's shape.
        :param camera: whose CameraInfo goes along; None: none does.
        :param encoding: of the image.
        :param frame_id: of both headers.
        :returns: the stamp (ns).
        """
        self._stamp += 33_000_000
        header = messages.header_of(messages.stamp_of(self._stamp), frame_id)
        if camera is not None:
            self.infos.publish(messages.camera_info_to_msg(camera, header))
        self.images.publish(messages.image_to_msg(rgb, encoding, header))
        return self._stamp

    def until(
        self, topic: str, rgb: NDArray[np.uint8], camera: Camera | None, seconds: float = 40.0,
        **options: Any,
    ) -> Any:
        """
        Publish frames until something comes out.

        :param topic: where.
        :param rgb: the frame.
        :param camera: its camera.
        :param seconds: how long at most.
        :param options: see :meth:`publish`.
        :returns: the message.
        """
        self.got[topic].clear()
        end = time.monotonic() + seconds
        while not self.got[topic] and time.monotonic() < end:
            self.publish(rgb, camera, **options)
            self.spin(lambda: self.got[topic], 0.2)
        assert self.got[topic], f'nothing on {topic}; {self.said()}'
        return self.got[topic][-1]

    def together(
        self, topics: tuple[str, ...], rgb: NDArray[np.uint8], camera: Camera
    ) -> list[Any]:
        """
        Publish frames until one has been answered on every topic.

        :param topics: where.
        :param rgb: the frame.
        :param camera: its camera.
        :returns: the messages, of the same stamp, in the order of the topics.
        """
        def stamps(topic: str) -> dict[int, Any]:
            return {messages.nanoseconds_of(m.header.stamp): m for m in self.got[topic]}

        common: set[int] = set()
        for _ in range(200):
            self.publish(rgb, camera)
            self.settle(0.1)
            common = set.intersection(*(set(stamps(topic)) for topic in topics))
            if common:
                break
        assert common, self.said()
        return [stamps(topic)[max(common)] for topic in topics]

    def settle(self, seconds: float = 1.0) -> None:
        """Take whatever still comes."""
        self.spin(lambda: False, seconds)

    def said(self) -> dict[str, str]:
        """Return the last diagnostics: name to message."""
        return {name: status.message for name, status in self.statuses.items()}

    def hears(self, task: str, text: str, seconds: float = 20.0) -> bool:
        """Wait for diagnostics of a task that contain a text."""
        return self.spin(
            lambda: any(
                name.endswith(task) and text in status.message
                for name, status in self.statuses.items()
            ),
            seconds,
        )

    def until_hears(
        self, task: str, text: str, rgb: NDArray[np.uint8], camera: Camera | None,
        seconds: float = 40.0, **options: Any,
    ) -> bool:
        """Publish frames until diagnostics of a task contain a text."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.publish(rgb, camera, **options)
            if self.hears(task, text, 0.1):
                return True
        return False

    def set(self, name: str, value: Any) -> tuple[bool, str]:
        """
        Set a parameter of the node through its service.

        :param name: dotted.
        :param value: new value.
        :returns: whether it was accepted, and the reason why not.
        """
        from rcl_interfaces.srv import SetParameters

        parameter = Parameter(name, value=value).to_parameter_msg()
        request = SetParameters.Request(parameters=[parameter])
        result = self._call(SetParameters, 'set_parameters', request).results[0]
        return result.successful, result.reason

    def change_state(self, transition: str) -> bool:
        """Ask for a lifecycle transition by its label; return whether it succeeded."""
        from lifecycle_msgs.srv import ChangeState

        request = ChangeState.Request()
        request.transition.label = transition
        return bool(self._call(ChangeState, 'change_state', request).success)

    def state(self) -> str:
        """Ask for the label of the lifecycle's state."""
        from lifecycle_msgs.srv import GetState

        return str(self._call(GetState, 'get_state', GetState.Request()).current_state.label)

    def _call(self, kind: Any, name: str, request: Any) -> Any:
        """Call a service of the node and return its answer."""
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, f'depth_node/{name}')
        client = self._clients[name]
        assert self.spin(client.service_is_ready), f'no service {name}'
        future = client.call_async(request)
        assert self.spin(future.done), f'no answer from {name}'
        return future.result()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.statuses.update({status.name: status for status in message.status})
