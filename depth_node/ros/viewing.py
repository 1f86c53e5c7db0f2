"""Watch running nodes: subscribe, draw, report what is missing, and end in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
import os
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidNamespaceException
from rclpy.node import Node
from rclpy.validate_namespace import validate_namespace

from depth_node.errors import ConfigError, DepthNodeError, unexpected
from depth_node.ros import runtime
from depth_node.ros.canvas import Canvas, Names
from depth_node.ros.health import Health
from depth_node.ros.log import Log
from depth_node.ros.matching import MatchedSubscription
from depth_node.ros.transforms import Transforms
from depth_node.ros.watched import Watched

MATCH_PERIOD_S = 0.5
_DIAGNOSTICS_DEPTH = 10


@dataclass(frozen=True)
class Watching:
    """
    What to watch.

    :param fixed_frame: in which the cameras are placed; empty: ``ground.base_frame`` of each
        node.
    :param image_topic: of the camera; empty: as in the diagnostics of each node.
    :param rate: frames that are drawn per second, at most.
    :param frames: depth images after which to end; 0: a signal ends it.
    """

    fixed_frame: str = ''
    image_topic: str = ''
    rate: float = 30.0
    frames: int = 0


class ViewingNode(Node):
    """
    The node that subscribes.

    :param canvases: namespace to where it is drawn.
    :param names: of the time series.
    :param watching: what to watch.
    """

    def __init__(
        self, canvases: Mapping[str, Canvas], names: Names, watching: Watching
    ) -> None:
        # several viewers may look at one robot
        super().__init__(
            f'depth_node_view_{os.getpid()}', enable_rosout=False,
            start_parameter_services=False,
        )
        self._log = Log(self.get_logger())
        self._health = Health()
        self._most = watching.frames
        transforms = Transforms(self)

        def warn_for(namespace: str, canvas: Canvas) -> Callable[[str, str], None]:
            def warn(key: str, text: str) -> None:
                name = f'{namespace} {key}'
                if not text:
                    self._health.clear(name)
                elif self._health.report(name, text):
                    self._log.warning(text, name)
                    canvas.note(text)

            return warn

        self._watched = [
            Watched(
                self, namespace, canvas, names, fixed_frame=watching.fixed_frame,
                image_topic=watching.image_topic, rate=watching.rate, transforms=transforms,
                warn=warn_for(namespace, canvas),
            )
            for namespace, canvas in canvases.items()
        ]
        self._diagnostics = MatchedSubscription(
            self, DiagnosticArray, '/diagnostics', self._take, _DIAGNOSTICS_DEPTH
        )
        # steady: watching goes on while simulated time is paused
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(MATCH_PERIOD_S, self._match, clock=self._steady)

    @property
    def frames(self) -> int:
        """Depth images that were drawn."""
        return sum(watched.frames for watched in self._watched)

    def poll(self) -> int | None:
        """
        Do what waits, ten times a second.

        :returns: the exit code, if that was enough.
        """
        for watched in self._watched:
            watched.retry()
        return runtime.OK if 0 < self._most <= self.frames else None

    def caught(self, where: str, error: Exception) -> None:
        """
        Report an exception of a callback.

        :param where: the topic.
        :param error: the exception.
        """
        text = str(error) if isinstance(error, DepthNodeError) else unexpected(error)
        if self._health.report(where, f'{where}: {text}'):
            self._log.warning(f'{where}: {text}', where)

    def close(self) -> None:
        """Unsubscribe."""
        for watched in self._watched:
            watched.close()
        self._diagnostics.destroy()

    def _take(self, message: DiagnosticArray) -> None:
        for watched in self._watched:
            watched.diagnostics(message)

    def _match(self) -> None:
        self._diagnostics.match()
        for watched in self._watched:
            watched.match()


def namespaces(texts: Sequence[str]) -> tuple[str, ...]:
    """
    Check the names of namespaces.

    :param texts: such as `/`, `front` or `/robot/front`.
    :returns: each once, with a slash before it.
    :raises ConfigError: not a namespace.
    """
    found = tuple(dict.fromkeys('/' + text.strip('/') for text in texts))
    try:
        for name in found:
            validate_namespace(name)
    except InvalidNamespaceException as error:
        raise ConfigError(
            f'--namespace {name}: not a namespace of ROS.',
            'Expected names of letters, digits and underscores, such as /robot/front.',
        ) from error
    return found


def watch(canvases: Mapping[str, Canvas], names: Names, watching: Watching) -> tuple[int, int]:
    """
    Draw running nodes until a signal, or until enough frames have come.

    :param canvases: namespace, of :func:`namespaces`, to where it is drawn.
    :param names: of the time series.
    :param watching: what to watch.
    :returns: the exit code, and the number of depth images that were drawn.
    """
    count = 0

    def poll(node: ViewingNode) -> int | None:
        nonlocal count
        found = node.poll()
        count = node.frames
        return found

    def make(_arguments: Any) -> ViewingNode:
        return ViewingNode(canvases, names, watching)

    code = runtime.run(make, ['depth-node'], poll, name='depth_node_view')
    return code, count
