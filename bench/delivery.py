"""
How many of a camera's frames come out of the node as depth and as cloud, and how late.

    python bench/delivery.py [--model M] [--size 640x480] [--rate 30] [--seconds 10]

A camera in the synthetic world, the node and an observer are processes of their own, over real
DDS. The camera is run with and without the shared-memory profile, offering reliable and best
effort: a driver without the profile that offers best effort is what doc/dds.md warns of.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
import tempfile

from depth_node.camera import Camera
from depth_node.errors import DepthNodeError
from depth_node.image.size import Size
from depth_node.ros.trial import trio
from depth_node.ros.trial.demo import choose_model, scaled
from depth_node.world import World


def main() -> None:
    """Print a table, and write the reports where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--model', default=os.environ.get('MODEL', ''), help='name or path')
    parser.add_argument('--engine', default='auto')
    parser.add_argument('--size', default='640x480')
    parser.add_argument('--rate', type=float, default=30.0)
    parser.add_argument('--seconds', type=float, default=10.0)
    parser.add_argument('--json', type=Path)
    args = parser.parse_args()
    size = Size.parse(args.size)
    camera = Camera.from_hfov(size.width, size.height, trio.HFOV_DEG)
    choice = scaled(choose_model(args.model), World(7), camera)
    parameters = {
        'model.name': choice.name, 'engine.name': args.engine, 'points.voxel_size': 0.0,
        'points.max_points': 0, 'points.stride': 1, 'points.color': True,
        'points.organized': True, **choice.parameters,
    }
    print(f'{choice.name}; camera {args.size} rgb8 at {args.rate:g} Hz, {args.seconds:g} s each')
    print('camera             camera Hz   depth  cloud   latency p50/p99 of depth, of cloud (ms)')
    reports = {}
    for profile in (True, False):
        for reliability in ('reliable', 'best_effort'):
            name = f'{"profile" if profile else "default"} {reliability}'
            drive = trio.Drive(
                parameters, size, args.rate, args.seconds,
                Path(tempfile.mkdtemp(prefix='delivery-')),
                reliability=reliability, camera_profile=profile,
            )
            try:
                report = trio.run(drive)
            except DepthNodeError as error:
                print(f'{name:18} {error}')
                continue
            reports[name] = report
            depth, cloud = (
                report['streams'][topic]['latency_ms'] for topic in ('depth/image', 'depth/points')
            )
            print(
                f'{name:18} {report["camera_fps"]:9.1f} {100 * report["delivered"]:6.1f}% '
                f'{100 * report["delivered_points"]:5.1f}%   '
                f'{depth["median"]:.1f}/{depth["p99"]:.1f}, '
                f'{cloud["median"]:.1f}/{cloud["p99"]:.1f}',
                flush=True,
            )
    if args.json is not None:
        args.json.write_text(json.dumps(reports, indent=2) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
