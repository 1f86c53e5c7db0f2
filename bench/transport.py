"""
What of a cloud's latency is DDS and rclpy, and what is ours.

    python bench/transport.py [--rate 30] [--seconds 8] [--rounds 3]

A process that answers every image with a depth image and a cloud of the usual sizes, and does
nothing else, is put in the node's place between the same camera and the same observer. The
node's own latency less that of its engine is measured in turns with it.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
import sys
import tempfile
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, PointCloud2

from depth_node import process
from depth_node.image.size import Size
from depth_node.ros import messages
from depth_node.ros.kept import Kept
from depth_node.ros.trial import trio

SIZE = Size(640, 480)


class Echo(Node):
    """Answers every image at once."""

    def __init__(self) -> None:
        super().__init__('depth_node')
        qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
        self._points = self.create_publisher(PointCloud2, 'depth/points', qos)
        self._depth = self.create_publisher(Image, 'depth/image', qos)
        self._cloud, self._image = Kept(PointCloud2), Kept(Image)
        self._cloud.room((SIZE.height, SIZE.width, 4))[...] = 1.0
        self._image.room((SIZE.height, SIZE.width))[...] = 1.0
        self.create_subscription(Image, 'image', self._answer, qos)

    def _answer(self, message: Any) -> None:
        points = self._cloud.room((SIZE.height, SIZE.width, 4))
        self._points.publish(messages.cloud_to_msg(points, message.header, self._cloud))
        depth = self._image.room((SIZE.height, SIZE.width))
        self._depth.publish(messages.depth_to_msg(depth, '32FC1', message.header, self._image))


def echo() -> None:
    """Be the process in the node's place."""
    process.keep_large_blocks()
    rclpy.init(args=sys.argv)
    executor = SingleThreadedExecutor()
    executor.add_node(Echo())
    try:
        executor.spin()
    except (KeyboardInterrupt, rclpy.executors.ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()


def main() -> None:
    """Take turns, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--model', default=os.environ.get('MODEL', 'embedded'))
    parser.add_argument('--precision', default='auto')
    parser.add_argument('--rate', type=float, default=30.0)
    parser.add_argument('--seconds', type=float, default=8.0)
    parser.add_argument('--rounds', type=int, default=3)
    args = parser.parse_args()
    parameters = {
        'model.name': args.model, 'engine.precision': args.precision, 'points.voxel_size': 0.0,
        'scale.source': 'fixed', 'scale.value': 1.0,
    }
    rows: dict[str, list[tuple[float, float]]] = {'DDS and rclpy alone': [], 'the node': []}
    for _ in range(args.rounds):
        for name, found in rows.items():
            with tempfile.TemporaryDirectory(prefix='transport-') as logs:
                report = trio.run(trio.Drive(
                    parameters, SIZE, args.rate, args.seconds, Path(logs),
                    node='depth_node.ros.node' if name == 'the node' else 'bench.transport',
                ))
            latency = report['streams']['depth/points']['latency_ms']
            engine = report['stages_ms'].get('engine', 0.0)
            found.append((latency['median'] - engine, latency['p99'] - engine))
    print('| between camera and subscriber | median ms | p99 ms | median of each round |')
    print('|---|---|---|---|')
    for name, found in rows.items():
        beside = ' without its engine' if name == 'the node' else ''
        median, p99 = np.median(np.array(found), axis=0)
        each = ', '.join(f'{one:.1f}' for one, _ in found)
        print(f'| {name}{beside} | {median:.1f} | {p99:.1f} | {each} |')


if __name__ == '__main__':
    if '--ros-args' in sys.argv:
        echo()
    else:
        main()
