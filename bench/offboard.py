"""
What of the depth comes back to a robot whose network runs on another machine.

    sudo .venv/bin/python bench/offboard.py [--rate-mbit 20] [--delay-ms 15] [--loss 0.01]

Two network namespaces of this machine with a link like Wi-Fi between them (bench/shaped_link.py):
in the robot's, camera_publisher with compressed pictures and an observer of what returns; in the
other, the node. Prints the table of doc/offboard.md: with Fast DDS by default and with
config/fastdds_offboard.xml, for subscribers that are reliable or best effort, and publishers that
keep one message or three.

In the first table (`--node echo`) the pictures and what returns are arrays of the usual sizes, and
nothing is computed: what the link and Fast DDS do, without the time of this machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
import contextlib
import json
import os
from pathlib import Path
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from shaped_link import Shape, ShapedLink

from depth_node.ros import dds
from depth_node.ros.trial.trio import as_words

ROOT = Path(__file__).parents[1]
CAMERA = {
    'source': 'world:7', 'width': 640, 'height': 480, 'hfov_deg': 75.0, 'preload': 20,
    'jpeg_quality': 80, 'wait': True,
}
NODE = {
    'model.name': 'embedded', 'input.transport': 'compressed', 'ground.camera_height': 0.6,
    'ground.camera_pitch_deg': 5.0, 'points.color': False, 'points.voxel_size': 0.1,
    'points.stride': 2, 'output.compressed_quantization': 20.0,
}
ECHO_BYTES = {'picture': 50_000, 'depth': 75_000, 'points': 40_000, 'scan': 151}
"""As of the first embedded network in the world: bytes, and for the scan beams."""
CAMERA_TOPICS = ('camera/image_raw/compressed', 'camera/camera_info')
TOPICS = ('depth/image/compressedDepth', 'depth/points', 'depth/scan')
CASES = [
    'default:reliable:1', 'default:best_effort:1', 'offboard:reliable:1', 'offboard:reliable:3',
    'offboard:best_effort:1',
]
RATES = {'echo': 10.0, 'depth_node': 5.0}
PATIENCE_S = 120.0


def main() -> None:
    """Print a table, or observe."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--rate-mbit', type=float, default=20.0)
    parser.add_argument('--delay-ms', type=float, default=15.0)
    parser.add_argument('--loss', type=float, default=0.01)
    parser.add_argument('--camera-hz', type=float, help=f'default: {RATES}')
    parser.add_argument('--seconds', type=float, default=20.0)
    parser.add_argument('--node', nargs='+', choices=list(RATES), default=list(RATES))
    parser.add_argument('--depth', type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument(
        '--cases', nargs='+', default=CASES, help='PROFILE:RELIABILITY:DEPTH (%(default)s)'
    )
    parser.add_argument('--observe', help=argparse.SUPPRESS)
    parser.add_argument('--play', choices=['pictures', 'returns'], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.observe:
        observe(args.observe, args.seconds)
        return
    if args.play:
        play(args.play, args.camera_hz, args.depth)
        return
    shape = Shape(args.rate_mbit * 1e6, args.delay_ms / 1e3, args.loss)
    for node in args.node:
        table(shape, node, args.camera_hz or RATES[node], args.seconds, args.cases)
    print(f'load of this machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores')


def table(shape: Shape, node: str, rate: float, seconds: float, cases: Sequence[str]) -> None:
    """Print the table of a node."""
    print(f'{shape.rate / 1e6:g} Mbit/s, {1000 * shape.delay:g} ms, {100 * shape.loss:g} % loss '
          f'in each direction; {node}; camera 640x480 at {rate:g} Hz, {seconds:g} s each')
    print('| profile | subscriber | publishers keep | depth | points | scan |')
    print('|---|---|---|---|---|---|')
    for case in cases:
        profile, reliability, depth = case.split(':')
        found = measure(
            shape, profile, reliability, rate, seconds, depth=int(depth), echo=node == 'echo',
        )
        cells = [
            f'{seen["hz"]:.1f} Hz, {seen["p50"]:.0f}, {seen["p95"]:.0f} ms, {seen["kb"]:.0f} kB'
            if (seen := found.get(topic)) else 'nothing' for topic in TOPICS
        ]
        print(f'| {profile} | {reliability} | {depth} | {" | ".join(cells)} |', flush=True)


def measure(
    shape: Shape, profile: str, reliability: str, rate: float, seconds: float, *,
    depth: int, echo: bool,
) -> dict[str, Any]:
    """Run camera, node and observer once; return the observer's report."""
    environment = {
        **os.environ, 'ROS_DOMAIN_ID': str(1 + os.getpid() % 100),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET', **profile_environment(profile),
    }
    python, logs = sys.executable, Path(tempfile.mkdtemp(prefix='offboard-'))
    remapped = ('-r', 'image:=camera/image_raw', '-r', 'camera_info:=camera/camera_info')
    started: list[subprocess.Popen[bytes]] = []
    with ShapedLink(shape) as link:
        def start(end: int, name: str, *words: str) -> subprocess.Popen[bytes]:
            with (logs / f'{name}.log').open('wb') as log:
                process = subprocess.Popen(
                    link.command(end, python, *words), env=environment, stdout=log,
                    stderr=subprocess.STDOUT, cwd=ROOT,
                )
            started.append(process)
            return process

        report = logs / 'report.json'
        try:
            if echo:
                play = (__file__, '--camera-hz', str(rate), '--depth', str(depth), '--play')
                start(0, 'camera', *play, 'pictures')
                start(1, 'node', *play, 'returns')
            else:
                start(0, 'camera', '-m', 'depth_node.ros.camera_publisher', '--ros-args',
                      *as_words({**CAMERA, 'rate': rate, **kept(depth, CAMERA_TOPICS)}))
                start(1, 'node', '-m', 'depth_node.ros.node', '--ros-args', *remapped,
                      *as_words({**NODE, **kept(depth, TOPICS)}))
            start(0, 'observer', __file__, '--observe', f'{reliability}:{report}',
                  '--seconds', str(seconds)).wait(PATIENCE_S + 3 * seconds)
        finally:
            for process in started:
                if process.poll() is None:
                    process.send_signal(signal.SIGINT)
            end = time.monotonic() + 10
            while time.monotonic() < end and None in [p.poll() for p in started]:
                time.sleep(0.1)
            for process in started:
                process.kill()
    if not report.exists():
        print(f'(nothing arrived; logs in {logs})')
        return {}
    found: dict[str, Any] = json.loads(report.read_text(encoding='utf-8'))
    return found


def kept(depth: int, topics: Iterable[str]) -> dict[str, int]:
    """Return the parameters for longer queues of publishers."""
    return {f'qos_overrides./{topic}.publisher.depth': depth for topic in topics}


def profile_environment(profile: str) -> dict[str, str]:
    """Return what a robot's processes have set for a profile."""
    if profile == 'default':
        return {'FASTDDS_BUILTIN_TRANSPORTS': 'DEFAULT'}
    return dict.fromkeys(dds.variables(), str(ROOT / 'config' / f'fastdds_{profile}.xml'))


def play(part: str, rate: float, depth: int) -> None:
    """Publish pictures, or what returns for each, of the usual sizes, until ended."""
    import array

    import rclpy
    from rclpy.executors import ExternalShutdownException
    from sensor_msgs.msg import CompressedImage, LaserScan, PointCloud2

    def filled(name: str) -> array.array[int]:
        return array.array('B', os.urandom(ECHO_BYTES[name]))

    rclpy.init()
    node = rclpy.create_node(part)
    name = 'camera/image_raw/compressed'
    if part == 'pictures':
        sent = node.create_publisher(CompressedImage, name, depth)
        picture = CompressedImage(data=filled('picture'))

        def publish() -> None:
            picture.header.stamp = node.get_clock().now().to_msg()
            sent.publish(picture)

        node.create_timer(1 / rate, publish)
    else:
        outputs = (
            (TOPICS[0], CompressedImage(data=filled('depth'))),
            (TOPICS[1], PointCloud2(data=filled('points'))),
            (TOPICS[2], LaserScan(ranges=[1.0] * ECHO_BYTES['scan'])),
        )
        returned = [(node.create_publisher(type(m), topic, depth), m) for topic, m in outputs]

        def answer(message: CompressedImage) -> None:
            for publisher, output in returned:
                output.header = message.header
                publisher.publish(output)

        node.create_subscription(CompressedImage, name, answer, 1)
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(node)


def observe(wanted: str, seconds: float) -> None:
    """Count messages and their age, and write what was found."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import CompressedImage, LaserScan, PointCloud2

    reliability, _, report = wanted.partition(':')
    rclpy.init()
    node = rclpy.create_node('observer')
    qos = QoSProfile(depth=5, reliability=ReliabilityPolicy[reliability.upper()])
    seen: dict[str, list[tuple[float, float, int]]] = {topic: [] for topic in TOPICS}

    def note(topic: str, message: Any) -> None:
        now = time.time()
        stamp = message.header.stamp
        size = len(message.ranges) * 4 if topic == 'depth/scan' else len(message.data)
        seen[topic].append((now, now - stamp.sec - stamp.nanosec / 1e9, size))

    for topic, kind in zip(TOPICS, (CompressedImage, PointCloud2, LaserScan), strict=True):
        node.create_subscription(kind, topic, lambda m, t=topic: note(t, m), qos)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    limit = time.monotonic() + PATIENCE_S
    while not any(seen.values()) and time.monotonic() < limit:
        executor.spin_once(timeout_sec=0.1)
    if not any(seen.values()):
        return
    settled = time.monotonic() + 3  # discovery, and what waited in queues
    while time.monotonic() < settled:
        executor.spin_once(timeout_sec=0.1)
    for messages in seen.values():
        messages.clear()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        executor.spin_once(timeout_sec=0.1)
    found = {}
    for topic, messages in seen.items():
        if len(messages) > 2:
            ages = sorted(1000 * age for _, age, _ in messages)
            found[topic] = {
                'kb': statistics.mean(size for _, _, size in messages) / 1000,
                'hz': len(messages) / seconds, 'p50': statistics.median(ages),
                'p95': ages[int(0.95 * (len(ages) - 1))],
            }
    Path(report).write_text(json.dumps(found), encoding='utf-8')


if __name__ == '__main__':
    main()
