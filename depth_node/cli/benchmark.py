"""`depth-node benchmark`: what a frame costs on this machine, alone or through ROS 2."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
import dataclasses
import sys
from typing import Any

from depth_node.cli.options import add_json_option, add_model_options, config_from, model_from
from depth_node.cli.progress import progress
from depth_node.cli.results import write_json
from depth_node.config import Config
from depth_node.errors import ConfigError
from depth_node.evaluation.benchmark import Benchmark, benchmark
from depth_node.image.size import Size

EVERYTHING: dict[str, object] = {
    'points.content': 'obstacles', 'points.voxel_size': 0.05,
    'ground.camera_height': 0.6, 'ground.camera_pitch_deg': 5.0,  # of the world's camera
}
_TABLE = '{:16}{:>10}{:>10}{:>10}'


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    add_model_options(parser)
    group = parser.add_argument_group('benchmark')
    group.add_argument(
        '--camera-size', default='640x480', metavar='WxH', help="of the camera's frames [px]"
    )
    group.add_argument('--frames', type=int, default=200, help='how many to time')
    group.add_argument(
        '--set', action='append', default=[], metavar='NAME=VALUE',
        help='set a parameter, like points.voxel_size=0.05; the cloud is organized and colored '
        'with every point unless this says otherwise',
    )
    group.add_argument(
        '--everything', action='store_true',
        help='all that a planner can ask for, without ROS: edge filter, ground split, obstacles '
        'in voxels of 5 cm, scan, color picture',
    )
    group.add_argument(
        '--ros', action='store_true',
        help='also run camera, node and observer as processes over real DDS',
    )
    group.add_argument(
        '--rate', type=float, default=30.0, help='of the camera, with --ros [Hz]'
    )
    group.add_argument(
        '--seconds', type=float, default=10.0, help='how long to observe, with --ros [s]'
    )
    add_json_option(parser)


def run(args: argparse.Namespace) -> None:
    """Measure, print a table, and write JSON where asked."""
    plain: dict[str, object] = {'points.voxel_size': 0.0, 'points.max_points': 0}
    changes = {**(EVERYTHING if args.everything else plain), **_settings(args.set)}
    config = config_from(args, changes)
    size = Size.parse(args.camera_size)
    if args.frames < 1:
        raise ConfigError(f'--frames is {args.frames}, expected 1 or more.')
    model = model_from(args, config, size)
    steps = iter(progress(range(args.frames), args.frames, 'frame'))
    result = benchmark(
        model, config, size, args.frames, lambda: next(steps, None), everything=args.everything
    )
    print(table(result))
    content = dataclasses.asdict(result)
    if args.ros:
        content |= _through_ros(args, config, size, result)
    write_json(args.json, content)


def table(result: Benchmark) -> str:
    """
    Write a benchmark for people.

    :param result: what was measured.
    :returns: lines.
    """
    rows: Mapping[str, Any] = {
        'bare network': result.bare_ms,
        'engine': result.engine_ms,
        **{f'  {name}': lap for name, lap in result.stages_ms.items() if name != 'engine'},
        'whole frame': result.frame_ms,
        'not the network': result.overhead_ms,
    }
    return '\n'.join([
        f'{result.model} at {result.network_size} on {result.engine}; frames {result.frame_size}',
        _TABLE.format('ms', 'median', 'p95', 'p99'),
        *(
            _TABLE.format(name, f'{q.median:.2f}', f'{q.p95:.2f}', f'{q.p99:.2f}')
            for name, q in rows.items()
        ),
        (f'{result.fps:.1f} frames a second one after the other, {result.cpu:.2f} cores busy, '
         f'{result.memory_mb:.0f} MiB at most, {result.allocations} blocks kept and '
         f'{result.allocated_kb:.0f} KiB allocated for a time per frame'),
    ])


def _through_ros(
    args: argparse.Namespace, config: Config, size: Size, alone: Benchmark
) -> dict[str, Any]:
    """Run the three processes and print what crossed DDS."""
    import tempfile

    try:
        from depth_node.ros.trial import trio
    except ImportError as error:
        raise ConfigError(
            f'--ros needs ROS 2, which cannot be imported ({error}).',
            "Source a ROS 2 installation, or pip install 'depth_node[ros]'.",
        ) from error
    from pathlib import Path

    default = Config().flat()
    parameters = {k: v for k, v in config.flat().items() if v != default[k]}
    parameters['model.name'] = args.model
    if config.scale.source == 'model' and args.model.endswith('.onnx'):
        # what is timed here is speed: the metres of a network without a scale mean nothing
        parameters |= {'scale.source': 'fixed', 'scale.value': 1.0}
    with tempfile.TemporaryDirectory() as logs:
        report = trio.run(
            trio.Drive(parameters, size, args.rate, args.seconds, Path(logs))
        )
    cloud = report['streams'].get('depth/points') or report['streams']['depth/image']
    latency, engine = cloud['latency_ms'], report['stages_ms'].get('engine')
    found = {
        'fps': cloud['rate'],
        'fps_alone': alone.fps,
        'camera_fps': report['camera_fps'],
        'delivered': report['delivered'],
        'latency_ms': latency,
        'latency_over_engine_ms': engine and {
            name: value - engine for name, value in latency.items()
        },
        'ratio_to_bare': cloud['rate'] * alone.bare_ms.median / 1000,
        'node_stages_ms': report['stages_ms'],
        'node_memory_mb': report.get('node_memory_mb'),
        'node_cpu': report.get('node_cpu'),
    }
    more = found['latency_over_engine_ms']
    beside = f' (the engine and {more["median"]:.1f}, {more["p99"]:.1f})' if more else ''
    print(
        f'through ROS 2: camera {found["camera_fps"]:.1f} Hz, clouds {found["fps"]:.1f} Hz '
        f'({found["ratio_to_bare"]:.2f} of the bare network in a loop), '
        f'{100 * found["delivered"]:.1f} % delivered, latency {latency["median"]:.1f} ms median, '
        f'{latency["p99"]:.1f} ms p99{beside}; '
        f'node {found["node_memory_mb"] or 0:.0f} MiB, '
        f'{found["node_cpu"] or 0:.2f} cores'
    )
    stages = ', '.join(f'{name} {ms:.2f}' for name, ms in found['node_stages_ms'].items())
    print(f'in the node (ms, median): {stages}', file=sys.stdout)
    return found


def _settings(words: list[str]) -> dict[str, object]:
    """Read NAME=VALUE as YAML does, so that true, 5 and 0.5 are what they look like."""
    import yaml

    found: dict[str, object] = {}
    for word in words:
        name, equals, value = word.partition('=')
        if not equals:
            raise ConfigError(f'--set {word}: expected NAME=VALUE.')
        try:
            found[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f'--set {word}: {value!r} is not a value.') from error
    return found
