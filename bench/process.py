"""
Measure how fast `depth-node process` is: one worker, and workers on Ray.

``python bench/process.py`` records three bags of the synthetic world, processes them in every way,
each round in another order, and prints a table with the shortest time of each. The network runs on
one thread, except where it says otherwise.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import json
import os
from pathlib import Path
import random
import subprocess
import sys
import tempfile
import time

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
        names = list(WAYS)
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
    parser.add_argument('--model', default='embedded')
    parser.add_argument('--frames', type=int, nargs=3, default=[800, 400, 400],
                        help='frames of the three bags')
    parser.add_argument('--size', type=int, nargs=2, default=[320, 240])
    parser.add_argument('--rounds', type=int, default=2)
    args = parser.parse_args()
    camera = Camera.from_hfov(*args.size, 75)
    with tempfile.TemporaryDirectory() as folder:
        bags = [Path(folder) / f'bag{number}' for number in range(3)]
        for number, (bag, frames) in enumerate(zip(bags, args.frames, strict=True)):
            record(bag, frames, camera, number)
        times: dict[str, list[tuple[float, float]]] = {}
        for name, whole, busy in rounds(bags, args):
            times.setdefault(name, []).append((whole, busy))
    total = sum(args.frames)
    base = min(whole for whole, _ in times[next(iter(WAYS))])
    print(f'{total} frames of {args.size[0]}x{args.size[1]} in bags of {args.frames}, '
          f'{args.model}, {os.cpu_count()} cores, load at the end {os.getloadavg()[0]:.1f}')
    print('\n| | command (s) | frames/s | times as fast | CPU per frame (ms) |')
    print('|---|---|---|---|---|')
    for name in WAYS:
        best = min(whole for whole, _ in times[name])
        cpu = min(busy for _, busy in times[name])
        print(f'| {name} | {best:.1f} | {total / best:.1f} | {base / best:.2f} '
              f'| {1000 * cpu / total:.1f} |')


if __name__ == '__main__':
    main()
