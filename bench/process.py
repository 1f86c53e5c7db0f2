"""
Measure how fast `depth-node process` is: one worker, and workers on Ray.

``python bench/process.py`` records three bags of the synthetic world, processes them in every way,
each round in another order, and prints a table with the shortest time of each. The network runs on
one thread, except where it says otherwise; it is made here, of three convolutions, and takes about
50 ms. ``--model embedded`` takes the network of this package.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import itertools
import json
import os
from pathlib import Path
import random
import subprocess
import sys
import tempfile
import time

import numpy as np
from onnx import helper, numpy_helper, save, TensorProto

from depth_node.camera import Camera
from depth_node.output.message_fields import camera_info_fields, image_fields
from depth_node.processing.bag_writer import BagWriter, Head
from depth_node.world import World

IMAGES = 8
"""Different images of a bag, which are repeated."""
WAYS = {
    'one worker, one thread': ('--threads', '1'),
    'one worker, all cores': ('--threads', '0'),
    'Ray, one worker, one thread': ('--threads', '1', '--workers', '1', '--ray'),
    'Ray, two workers, one thread each': ('--threads', '1', '--workers', '2', '--ray'),
}


def write_network(path: Path, size: tuple[int, int], channels: int = 64) -> str:
    """Write a network of three convolutions, with a sidecar; return its path."""
    width, height = size
    rng = np.random.default_rng(0)
    counts = [3, channels, channels, 1]
    nodes, weights, name = [], [], 'image'
    for number, (before, after) in enumerate(itertools.pairwise(counts)):
        kernel = rng.normal(0, (2 / (9 * before)) ** 0.5, (after, before, 3, 3))
        weights.append(numpy_helper.from_array(kernel.astype(np.float32), f'kernel{number}'))
        nodes.append(helper.make_node(
            'Conv', [name, f'kernel{number}'], [f'conv{number}'], pads=[1, 1, 1, 1]
        ))
        name = 'depth' if after == 1 else f'relu{number}'
        kind = 'Sigmoid' if after == 1 else 'Relu'
        nodes.append(helper.make_node(kind, [f'conv{number}'], [name]))
    graph = helper.make_graph(
        nodes, 'three',
        [helper.make_tensor_value_info('image', TensorProto.FLOAT, [1, 3, height, width])],
        [helper.make_tensor_value_info('depth', TensorProto.FLOAT, [1, 1, height, width])],
        weights,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)])
    made.ir_version = 8
    save(made, path)
    path.with_suffix('.json').write_text(json.dumps({
        'format': 1, 'kind': 'sigmoid_disparity', 'mean': [0, 0, 0], 'std': [1, 1, 1],
        'min_depth': 0.5, 'max_depth': 10.0, 'scale': 1.0,
    }))
    return str(path)


class _Nothing:
    """Stands for the bag that is copied: there is none."""

    is2 = True


def record(path: Path, frames: int, camera: Camera, seed: int) -> None:
    """Record images and CameraInfo of the world."""
    world = World(seed)
    images = [world.render(camera, world.pose(0.5 * n))[0] for n in range(IMAGES)]
    with BagWriter(path, _Nothing()) as bag:
        for number in range(frames):
            when = number * 33_000_000
            head = Head(when, when, 'camera')
            bag.write(
                '/camera/camera_info', 'sensor_msgs/msg/CameraInfo', head,
                camera_info_fields(camera),
            )
            bag.write(
                '/camera/image_raw', 'sensor_msgs/msg/Image', head,
                image_fields(images[number % IMAGES], 'rgb8'),
            )


def took(bags: list[Path], model: str, options: tuple[str, ...]) -> tuple[float, float]:
    """Process bags; return the time of the command, and what the bags cost the processor (s)."""
    with tempfile.TemporaryDirectory() as out:
        begin = time.perf_counter()
        done = subprocess.run(
            [sys.executable, '-m', 'depth_node', 'process', *map(str, bags), '--out', out,
             '--model', model, *options],
            check=True, capture_output=True, text=True,
        )
        whole = time.perf_counter() - begin
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line['status'] for line in lines] == ['done'] * len(bags), lines
    return whole, sum(line['cpu_seconds'] for line in lines)


def rounds(bags: list[Path], args: argparse.Namespace) -> Iterator[tuple[str, float, float]]:
    """Process the bags in every way, again and again."""
    order = random.Random(0)  # noqa: S311 - only the order
    for number in range(args.rounds):
        names = [list(WAYS)[way] for way in args.ways]
        order.shuffle(names)
        for name in names:
            load = os.getloadavg()[0]
            whole, busy = took(bags, args.model, WAYS[name])
            print(
                f'round {number + 1}: {name}: {whole:.1f} s, bags {busy:.1f} s of CPU, '
                f'load before {load:.1f}', file=sys.stderr,
            )
            yield name, whole, busy


def main() -> None:
    """Record, process, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--model', default='', help='empty: the one that is made here')
    parser.add_argument('--frames', type=int, nargs=3, default=[600, 300, 300],
                        help='frames of the three bags')
    parser.add_argument('--size', type=int, nargs=2, default=[320, 240])
    parser.add_argument('--rounds', type=int, default=1)
    parser.add_argument('--ways', type=int, nargs='+', default=[*range(len(WAYS))],
                        help='which of the ways, from 0; the first is compared with')
    args = parser.parse_args()
    camera = Camera.from_hfov(*args.size, 75)
    with tempfile.TemporaryDirectory() as folder:
        args.model = args.model or write_network(Path(folder) / 'three.onnx', args.size)
        bags = [Path(folder) / f'bag{number}' for number in range(3)]
        for number, (bag, frames) in enumerate(zip(bags, args.frames, strict=True)):
            record(bag, frames, camera, number)
        times: dict[str, list[tuple[float, float]]] = {}
        for name, whole, busy in rounds(bags, args):
            times.setdefault(name, []).append((whole, busy))
    total = sum(args.frames)
    base = min(whole for whole, _ in times[list(WAYS)[args.ways[0]]])
    print(f'{total} frames of {args.size[0]}x{args.size[1]} in bags of {args.frames}, '
          f'{Path(args.model).stem}, {os.cpu_count()} cores, '
          f'load at the end {os.getloadavg()[0]:.1f}')
    print('\n| | command (s) | frames/s | times as fast | CPU per frame (ms) |')
    print('|---|---|---|---|---|')
    for name, found in times.items():
        best, cpu = (min(column) for column in zip(*found, strict=True))
        print(f'| {name} | {best:.1f} | {total / best:.1f} | {base / best:.2f} '
              f'| {1000 * cpu / total:.1f} |')


if __name__ == '__main__':
    main()
