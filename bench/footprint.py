"""
What it takes to start, and what stays in memory.

    python bench/footprint.py [--json FILE]

`import depth_node`; the node from its process to its first depth image, with an empty cache and
again with a filled one; what the node keeps in memory while it runs. Once with the small network,
once with one of Depth Anything V2 Small's architecture (random weights, which cost the same)
exported by this package, both on OpenVINO in fp32, 640x480 rgb8 in, depth and an organized,
colored cloud out.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
import subprocess
import sys
import tempfile
import time

import network
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image, PointCloud2

from depth_node.ros import dds
from depth_node.ros.trial import trio

PATIENCE_S = 120.0
WARM_S = 3.0
IMPORTS = 7
NETWORK_SIZE = '518x392'


def import_time() -> float:
    """Median time of `import depth_node` in a fresh interpreter (s)."""
    code = 'from time import perf_counter as t; a = t(); import depth_node; print(t() - a)'
    times = []
    for _ in range(IMPORTS):
        done = subprocess.run([sys.executable, '-c', code], check=True, capture_output=True)
        times.append(float(done.stdout))
    return sorted(times)[IMPORTS // 2]


def depth_anything(folder: Path) -> dict[str, object]:
    """Write the larger network in a process of its own; return the node's parameters for it."""
    path = folder / 'depth_anything_v2_small_random.onnx'
    code = (
        'import sys; from pathlib import Path; from network import write_graph; '
        'from depth_node.image.size import Size; '
        'write_graph(Path(sys.argv[1]), Size.parse(sys.argv[2]))'
    )
    subprocess.run(
        [sys.executable, '-c', code, str(path), NETWORK_SIZE], check=True, capture_output=True,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join([str(Path(__file__).parent), *sys.path])},
    )
    return {
        **network.parameters(), 'model.name': str(path), 'model.kind': 'relative_disparity',
        'model.mean': [0.485, 0.456, 0.406], 'model.std': [0.229, 0.224, 0.225],
        'scale.value': 0.02, 'scale.shift': 0.05,
    }


def started(parameters: dict[str, object], cache: Path) -> dict[str, float]:
    """Start a camera and a node; time the first depth image, and look at the node's memory."""
    first: list[float] = []
    listener = rclpy.create_node('listener')
    listener.create_subscription(
        Image, 'depth/image', lambda _: first.append(time.monotonic()), QoSProfile(depth=5)
    )
    listener.create_subscription(PointCloud2, 'depth/points', lambda _: None, QoSProfile(depth=5))
    executor = SingleThreadedExecutor()
    executor.add_node(listener)
    camera = {
        'source': 'world:7', 'width': 640, 'height': 480, 'hfov_deg': trio.HFOV_DEG, 'rate': 30.0,
        'preload': 30, 'wait': False, 'reliability': 'reliable',
    }
    words = parameters | {
        'engine.name': 'openvino', 'engine.precision': 'fp32', 'engine.cache_dir': str(cache),
    }
    environment = {**os.environ, **dds.transport().environment}
    with tempfile.TemporaryDirectory(prefix='footprint-') as logs:
        processes = trio.Processes(environment, Path(logs))
        try:
            processes.start(
                'camera', 'depth_node.ros.camera_publisher', '--ros-args', *trio.as_words(camera)
            )
            _spin(executor, 6.0, lambda: bool(listener.count_publishers('camera/camera_info')))
            _spin(executor, 1.0, lambda: False)  # it renders before it publishes
            begin = time.monotonic()
            node = processes.start(
                'node', 'depth_node.ros.node', '--ros-args', '-r', 'image:=camera/image_raw',
                '-r', 'camera_info:=camera/camera_info', *trio.as_words(words),
            )
            _spin(executor, PATIENCE_S, lambda: bool(first))
            used = _processor_time(node.pid)
            _spin(executor, WARM_S, lambda: False)
            memory = _memory(node.pid)
        finally:
            processes.end()
            executor.shutdown(timeout_sec=0)
            listener.destroy_node()
    return {'first_s': first[0] - begin if first else float('nan'), 'cpu_s': used, **memory}


def _spin(executor: SingleThreadedExecutor, limit: float, done) -> None:
    end = time.monotonic() + limit
    while time.monotonic() < end and not done():
        executor.spin_once(timeout_sec=0.02)


def _memory(pid: int) -> dict[str, float]:
    """Resident memory of a process now and at most (MiB); proc(5)."""
    status = Path(f'/proc/{pid}/status').read_text(encoding='ascii', errors='replace')
    found = {}
    for name, key in (('resident_mb', 'VmRSS'), ('most_mb', 'VmHWM')):
        line = next(line for line in status.splitlines() if line.startswith(key))
        found[name] = int(line.split()[1]) / 1024
    return found


def _processor_time(pid: int) -> float:
    words = Path(f'/proc/{pid}/stat').read_text(encoding='ascii').rpartition(')')[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf('SC_CLK_TCK')


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--json', type=Path)
    args = parser.parse_args()
    os.environ.update({
        'ROS_DOMAIN_ID': str(1 + os.getpid() % 100), 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        **dds.transport().environment,
    })
    importing = import_time()
    print(f'`import depth_node`: {importing * 1e3:.0f} ms\n')
    rclpy.init()
    print('| network | cache | first depth image s | CPU time until then s | '
          'resident MiB | peak MiB |')
    print('|---|---|---|---|---|---|')
    results: dict[str, object] = {'import_s': importing}
    with tempfile.TemporaryDirectory() as folder:
        networks = {
            'small': network.parameters(), 'Depth Anything V2 Small': depth_anything(Path(folder)),
        }
        for name, parameters in networks.items():
            for state in ('empty', 'filled'):
                found = started(parameters, Path(folder) / f'{name} cache')
                results[f'{name}, {state}'] = found
                print(f'| {name} | {state} | {found["first_s"]:.2f} | {found["cpu_s"]:.2f} | '
                      f'{found["resident_mb"]:.0f} | {found["most_mb"]:.0f} |', flush=True)
    rclpy.shutdown()
    if args.json is not None:
        args.json.write_text(json.dumps(results, indent=2) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
