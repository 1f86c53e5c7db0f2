"""
A subscriber that measures rates, latencies, delivery, and accuracy if the truth is known.

`make demo` and `depth-node benchmark --ros` run it as a separate process, so that its measurements
include DDS. With any other camera: `python -m depth_node.ros.trial.observer --help`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
import json
from pathlib import Path
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from numpy.typing import NDArray
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.utilities import remove_ros_args
from sensor_msgs.msg import CameraInfo, Image, LaserScan, PointCloud2

from depth_node import process
from depth_node.evaluation.metrics import DepthMetrics, score
from depth_node.ros import messages
from depth_node.ros.trial.saving import save, Seen
from depth_node.scale.point_fields import records_of
from depth_node.timing import Quantiles

TRUTH_FRAMES = 10
"""Number of frames compared with the truth."""
STAGE = ' p50 (ms)'
"""Suffix of the diagnostics for the median of a stage."""
PATIENCE_S = 60.0
"""How long to wait for the first depth image after the first camera image (s)."""
CAMERA_PATIENCE_S = 120.0
"""How long to wait for the camera, which may have to render a world first (s)."""


@dataclass(frozen=True)
class StreamSummary:
    """
    Statistics of one topic.

    :param messages: number of messages.
    :param rate: their rate (Hz).
    :param latency_ms: reception minus stamp (ms).
    """

    messages: int
    rate: float
    latency_ms: Quantiles


@dataclass(frozen=True)
class Report:
    """
    The measurements of the observer.

    :param seconds: duration (s).
    :param camera_fps: rate of the CameraInfo messages (Hz).
    :param streams: topic to its statistics.
    :param delivered: share of the camera frames with a depth image (0 to 1).
    :param delivered_points: share of the camera frames with a cloud (0 to 1).
    :param points: number of valid points in the last cloud.
    :param accuracy: mean errors over the frames compared with the truth, or None.
    :param stages_ms: median time of each stage of the node, from its diagnostics (ms).
    """

    seconds: float
    camera_fps: float
    streams: dict[str, StreamSummary]
    delivered: float
    delivered_points: float
    points: int
    accuracy: DepthMetrics | None
    stages_ms: dict[str, float]


@dataclass
class Stream:
    """Reception times and latencies of one topic (ns since the epoch)."""

    received: list[int] = field(default_factory=list)
    stamps: list[int] = field(default_factory=list)

    def note(self, message: Any) -> None:
        """Add a message that has just arrived."""
        self.received.append(time.time_ns())
        self.stamps.append(messages.nanoseconds_of(message.header.stamp))

    def clear(self) -> None:
        """Delete all measurements."""
        self.received.clear()
        self.stamps.clear()

    def summary(self) -> StreamSummary:
        """Return the statistics; zeros if nothing arrived."""
        count = len(self.received)
        latencies = (np.array(self.received) - np.array(self.stamps)) / 1e6
        rate = 0.0
        if count > 1:
            rate = 1e9 * (count - 1) / (self.received[-1] - self.received[0])
        return StreamSummary(count, rate, Quantiles.of(latencies))


class Observer(Node):
    """
    Subscribes to a camera and to depth_node, by their default names (remap as usual).

    :param cloud: whether to subscribe to the cloud.
    """

    def __init__(self, *, cloud: bool) -> None:
        super().__init__('observer')
        self._qos = QoSProfile(
            depth=5, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.RELIABLE
        )
        self.infos, self.depths, self.clouds = Stream(), Stream(), Stream()
        self.stages: dict[str, float] = {}
        self.cloud: PointCloud2 | None = None
        self.depth: Image | None = None
        self.color: Image | None = None
        self.scan: LaserScan | None = None
        self._frames: dict[int, NDArray[np.uint8]] = {}
        self._true: dict[int, NDArray[np.float32]] = {}
        self._estimated: dict[int, NDArray[np.float32]] = {}
        self._comparing = False
        # of a camera that may offer no more than this
        small = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.create_subscription(CameraInfo, 'camera_info', self.infos.note, small)
        self._listen(Image, 'depth/image', self._on_depth)
        self._listen(DiagnosticArray, '/diagnostics', self._on_diagnostics)
        if cloud:
            self._listen(PointCloud2, 'depth/points', self._on_cloud)

    def _listen(self, kind: Any, topic: str, callback: Any) -> None:
        self.create_subscription(kind, topic, callback, self._qos)

    def look(self) -> None:
        """Also subscribe to the images and the truth, which would affect the timing."""
        self._comparing = True
        self._listen(Image, 'image', self._on_frame)
        self._listen(LaserScan, 'depth/scan', lambda message: setattr(self, 'scan', message))
        self._listen(Image, 'depth/image_color', lambda message: setattr(self, 'color', message))
        self._listen(Image, 'depth_truth', self._on_truth)

    def has_seen_enough(self) -> bool:
        """
        Return whether there is one of everything to look at, and enough to compare.

        :returns: false while something is missing; a scan may never come.
        """
        return (
            len(self.pairs()) >= TRUTH_FRAMES and self.color is not None
            and bool(self._frames.keys() & self._estimated.keys() & self._true.keys())
        )

    def pairs(self) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """
        Return the depth images that can be compared.

        :returns: estimated and true depth of the same frames, float32 (H, W), m.
        """
        both = sorted(self._true.keys() & self._estimated.keys())
        return [(self._estimated[stamp], self._true[stamp]) for stamp in both]

    def seen(self) -> Seen:
        """
        Return what is worth looking at.

        :returns: the last frame of which everything is here, and the last cloud and scan.
        """
        known = self._frames.keys() & self._estimated.keys()
        stamp = max(known & self._true.keys() or known, default=None)
        if stamp is None:
            return Seen(color=self.color, cloud=self.cloud, scan=self.scan)
        return Seen(
            self._frames[stamp], self._estimated[stamp], self._true.get(stamp), self.color,
            self.cloud, self.scan,
        )

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            for item in status.values:
                stage, of, _ = item.key.partition(STAGE)
                if of and item.value != 'unknown':
                    self.stages[stage] = float(item.value)

    def _on_depth(self, message: Image) -> None:
        self.depths.note(message)
        self.depth = message
        if self._comparing:
            self._keep(self._estimated, message)

    def _on_cloud(self, message: PointCloud2) -> None:
        self.clouds.note(message)
        self.cloud = message

    def _on_frame(self, message: Image) -> None:
        if len(self._frames) < 5 * TRUTH_FRAMES:
            stamp = messages.nanoseconds_of(message.header.stamp)
            self._frames[stamp] = messages.rgb_from_msg(message).copy()

    def _on_truth(self, message: Image) -> None:
        self._keep(self._true, message)

    def _keep(self, kept: dict[int, NDArray[np.float32]], message: Image) -> None:
        if len(kept) < 5 * TRUTH_FRAMES:
            stamp = messages.nanoseconds_of(message.header.stamp)
            kept[stamp] = messages.metres_from_msg(message)


def observe(seconds: float, *, cloud: bool, out: Path | None, truth: bool) -> Report | None:
    """
    Measure for some time.

    :param seconds: duration from the first depth image on (s).
    :param cloud: whether to subscribe to the cloud.
    :param out: folder for images and the cloud, or None.
    :param truth: whether to compare with `depth_truth`.
    :returns: the measurements; None if no depth image arrived.
    """
    node = Observer(cloud=cloud)
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def spin(limit: float, done: Any = lambda: False) -> None:
        end = time.monotonic() + limit
        while time.monotonic() < end and not done():
            executor.spin_once(timeout_sec=0.05)

    try:
        spin(CAMERA_PATIENCE_S, lambda: bool(node.infos.received or node.depths.received))
        spin(PATIENCE_S, lambda: bool(node.depths.received))
        if not node.depths.received:
            return None
        spin(1.0)  # the first frames still pay for warming up
        for stream in (node.infos, node.depths, node.clouds):
            stream.clear()
        spin(seconds)
        report = _report(node, seconds)
        if truth or out is not None:
            node.look()
            spin(10.0, node.has_seen_enough)
            report = _with_accuracy(report, node)
        if out is not None:
            save(node.seen(), out)
        return report
    finally:
        executor.shutdown(timeout_sec=0)
        node.destroy_node()


def _report(node: Observer, seconds: float) -> Report:
    streams = {'depth/image': node.depths.summary()}
    points = 0
    if node.cloud is not None:
        streams['depth/points'] = node.clouds.summary()
        points = int(np.isfinite(records_of(node.cloud)['z']).sum())
    return Report(
        seconds,
        node.infos.summary().rate,
        streams,
        _delivered(node.infos, node.depths),
        _delivered(node.infos, node.clouds),
        points,
        None,
        dict(node.stages),
    )


def _delivered(camera: Stream, output: Stream) -> float:
    """Return the share of the camera frames that have an output."""
    # one whose output was on its way when the time began or was up is not lost
    first, last = min(output.stamps, default=0), max(output.stamps, default=0)
    taken = {stamp for stamp in camera.stamps if first <= stamp <= last}
    return len(taken & set(output.stamps)) / max(len(taken), 1)


def _with_accuracy(report: Report, node: Observer) -> Report:
    scores = []
    for estimated, true in node.pairs()[:TRUTH_FRAMES]:
        inside = np.isfinite(estimated)
        scores.append(score(estimated, true, mask=inside).metrics)
    accuracy = DepthMetrics.mean(scores) if scores else None
    return Report(**{**vars(report), 'accuracy': accuracy})


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Measure and print a JSON report.

    :param arguments: command line; None: that of the process. ROS arguments are taken too.
    :returns: 0, or 1 if no depth image arrived.
    """
    words = list(sys.argv if arguments is None else ['observer', *arguments])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--seconds', type=float, default=10.0, help='duration of the measurement (s)'
    )
    parser.add_argument('--no-cloud', action='store_true', help='do not subscribe to the cloud')
    parser.add_argument('--truth', action='store_true', help='compare with topic depth_truth')
    parser.add_argument('--out', type=Path, help='folder for images and the cloud')
    parser.add_argument('--json', type=Path, help='file for the report; by default it is printed')
    args = parser.parse_args(remove_ros_args(words)[1:])
    process.keep_large_blocks()
    rclpy.init(args=words)
    try:
        report = observe(
            args.seconds, cloud=not args.no_cloud, out=args.out, truth=args.truth
        )
    except KeyboardInterrupt:
        return 130
    finally:
        rclpy.try_shutdown()
    if report is None:
        print('no depth image arrived in time', file=sys.stderr)  # noqa: T201
        return 1
    text = json.dumps(asdict(report), indent=2)
    if args.json is None:
        print(text)  # noqa: T201
    else:
        args.json.write_text(text + '\n', encoding='utf-8')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
