"""A watched node, played by publishers of the test, and the viewer's side of it."""

from __future__ import annotations

from collections.abc import Callable
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
import numpy as np
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from depth_node.camera import Camera
from depth_node.ros import messages
from depth_node.ros.canvas import Names
from depth_node.ros.transforms import Transforms
from depth_node.ros.watched import Watched
from depth_node.viewer.drawing import Drawing

QUIET = 1.0
NAMES = Names('latency_ms', {'scale': 'scale'})
CAMERA = Camera.from_hfov(32, 24, 70.0)


class Paper:
    """A fake of the viewer's Drawing, which remembers what was drawn."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        assert hasattr(Drawing, name), f'the viewer cannot draw {name}'

        def draw(*arguments: Any, **_options: Any) -> None:
            self.calls.append((name, arguments))

        return draw

    def drawn(self, name: str) -> list[tuple[Any, ...]]:
        return [arguments for called, arguments in self.calls if called == name]


class Side:
    """A watched node, played by publishers of the test, and the viewer's side of it."""

    def __init__(self, node: Any, executor: Any) -> None:
        self.node, self._executor = node, executor
        self.paper, self.warnings = Paper(), {}
        self.player: Any = None
        self.start()
        self.watched = self.watch('/')

    def watch(self, namespace: str, paper: Paper | None = None, **options: Any) -> Watched:
        chosen: dict[str, Any] = {
            'fixed_frame': '', 'image_topic': '', 'rate': 1000.0, **options
        }
        return Watched(
            self.node, namespace, paper or self.paper, NAMES,
            transforms=Transforms(self.node), warn=self.warnings.__setitem__, **chosen,
        )

    def start(self, namespace: str = '', name: str = 'depth_node') -> Any:
        self.player = rclpy.create_node(name, namespace=namespace, context=self.node.context)
        self._executor.add_node(self.player)
        return self.player

    def stop(self) -> None:
        self._executor.remove_node(self.player)
        self.player.destroy_node()

    def publisher(self, kind: Any, topic: str, **qos: Any) -> Any:
        chosen = {'depth': 1, 'reliability': ReliabilityPolicy.RELIABLE, **qos}
        return self.player.create_publisher(kind, topic, QoSProfile(**chosen))

    def until(
        self, condition: Callable[[], object], act: Callable[[], object] = lambda: None,
        seconds: float = 20.0, matching: Watched | None = None,
    ) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            act()
            (matching or self.watched).match()
            for _ in range(5):
                self._executor.spin_once(timeout_sec=0.02)
            if condition():
                return True
        return False

    def says(self, key: str, text: str, act: Callable[[], object] = lambda: None) -> bool:
        return self.until(lambda: text in self.warnings.get(key, ''), act)


def header(stamp: int = 1_000_000_000, frame: str = 'eye') -> Any:
    return messages.header_of(messages.stamp_of(stamp), frame)


def depth_image(size: tuple[int, int] = (32, 24), **options: Any) -> Image:
    wide, high = size
    return messages.image_to_msg(np.full((high, wide), 2.0, np.float32), '32FC1',
                                 header(**options))


def status(task: str, level: bytes = DiagnosticStatus.OK, text: str = '', **more: Any) -> Any:
    values = [KeyValue(key=key, value=value) for key, value in more.pop('values', {}).items()]
    return DiagnosticArray(status=[DiagnosticStatus(
        name=f'{more.get("node", "depth_node")}: {task}', level=level, message=text,
        hardware_id=more.get('topic', ''), values=values,
    )])
