"""
Clouds per second against the number of cameras, each with a node of its own.

    python bench/cameras.py [--cameras 4] [--rate 30] [--seconds 6] [--precision P] [--json FILE]

All cameras and nodes are processes of their own over real DDS, as multi.launch.py starts them,
each engine with one thread; this process listens to all clouds. 640x480 rgb8 in, an organized,
colored cloud out.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
import json
import os
from pathlib import Path
import tempfile
import time
from typing import Any

import network
import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, PointCloud2

from depth_node import process
from depth_node.ros import dds, messages
from depth_node.ros.trial import trio

PATIENCE_S = 60.0
WARM_S = 2.0


class Listener(Node):
    """Notes when what arrives from each camera."""

    def __init__(self, count: int) -> None:
        super().__init__('listener')
        self.clouds: dict[int, list[float]] = defaultdict(list)
        self.infos: dict[int, int] = defaultdict(int)
        for n in range(count):
            self.create_subscription(
                PointCloud2, f'/c{n}/depth/points', lambda m, n=n: self._cloud(n, m),
                QoSProfile(depth=5),
            )
            self.create_subscription(
                CameraInfo, f'/c{n}/camera/camera_info', lambda _, n=n: self._info(n), 5
            )

    def _cloud(self, n: int, message: Any) -> None:
        stamp = messages.nanoseconds_of(message.header.stamp)
        self.clouds[n].append((time.time_ns() - stamp) / 1e6)

    def _info(self, n: int) -> None:
        self.infos[n] += 1

    def clear(self) -> None:
        """Forget everything."""
        self.clouds.clear()
        self.infos.clear()


def measured(count: int, rate: float, seconds: float, precision: str) -> dict[str, float]:
    """Run so many cameras and nodes for a while."""
    parameters = network.parameters() | {'engine.precision': precision, 'engine.threads': 1}
    camera = {
        'source': 'world:7', 'width': 640, 'height': 480, 'hfov_deg': trio.HFOV_DEG, 'rate': rate,
        'preload': 30, 'wait': True, 'reliability': 'reliable',
    }
    environment = {**os.environ, **dds.transport().environment}
    listener = Listener(count)
    executor = SingleThreadedExecutor()
    executor.add_node(listener)
    with tempfile.TemporaryDirectory(prefix='cameras-') as logs:
        processes = trio.Processes(environment, Path(logs))
        try:
            for n in range(count):
                place = ['-r', f'__ns:=/c{n}']
                processes.start(
                    f'camera{n}', 'depth_node.ros.camera_publisher', '--ros-args', *place,
                    *trio.as_words(camera),
                )
                processes.start(
                    f'node{n}', 'depth_node.ros.node', '--ros-args', *place,
                    '-r', 'image:=camera/image_raw', '-r', 'camera_info:=camera/camera_info',
                    *trio.as_words(parameters),
                )
            end = time.monotonic() + PATIENCE_S
            while len(listener.clouds) < count and time.monotonic() < end:
                executor.spin_once(timeout_sec=0.05)
            if len(listener.clouds) < count:
                said = '\n'.join(
                    log.read_text(errors='replace')[-300:] for log in Path(logs).iterdir()
                )
                raise SystemExit(f'only {len(listener.clouds)} of {count} gave clouds:\n{said}')
            for length in (WARM_S, seconds):
                listener.clear()
                end = time.monotonic() + length
                while time.monotonic() < end:
                    executor.spin_once(timeout_sec=0.05)
        finally:
            processes.end()
            executor.shutdown(timeout_sec=0)
            listener.destroy_node()
    rates = [len(listener.clouds[n]) / seconds for n in range(count)]
    latencies = [value for n in range(count) for value in listener.clouds[n]] or [float('nan')]
    return {
        'cameras': count,
        'camera_hz': sum(listener.infos.values()) / seconds / count,
        'clouds_hz': sum(rates),
        'slowest_hz': min(rates),
        'latency_ms': float(np.median(latencies)),
        'latency_p99_ms': float(np.percentile(latencies, 99)),
    }


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--cameras', type=int, nargs='+', default=[1, 2, 3, 4])
    parser.add_argument('--rate', type=float, default=30.0, help='of each camera (Hz)')
    parser.add_argument('--seconds', type=float, default=6.0)
    parser.add_argument('--precision', default=network.fastest_precision())
    parser.add_argument('--json', type=Path)
    args = parser.parse_args()
    os.environ.update({
        'ROS_DOMAIN_ID': str(1 + os.getpid() % 100), 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        **dds.transport().environment,
    })
    process.keep_large_blocks()
    rclpy.init()
    print('| cameras | each at Hz | precision | clouds Hz, all | slowest | '
          'latency median, p99 ms |')
    print('|---|---|---|---|---|---|')
    results = []
    for count in args.cameras:
        r = measured(count, args.rate, args.seconds, args.precision)
        results.append(r)
        print(f'| {count} | {r["camera_hz"]:.1f} | {args.precision} | {r["clouds_hz"]:.1f} | '
              f'{r["slowest_hz"]:.1f} | {r["latency_ms"]:.1f}, {r["latency_p99_ms"]:.1f} |',
              flush=True)
    rclpy.shutdown()
    if args.json is not None:
        args.json.write_text(json.dumps(results, indent=2) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
