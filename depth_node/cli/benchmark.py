"""`depth-node benchmark`: measure the time of a frame, alone or through ROS 2."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
import dataclasses
import sys
from typing import Any

from depth_node.cli.numbers import integer, real
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

LEAST_SIDE = 16
"""Of a camera that is worth a measurement (pixels)."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    add_model_options(parser)
    group = parser.add_argument_group('benchmark')
    group.add_argument(
        '--camera-size', default='640x480', metavar='WxH', help='size of the camera frames [px]'
    )
    group.add_argument(
        '--frames', type=integer(1, 10**6), default=200, help='number of frames to time'
    )
    group.add_argument(
        '--set', action='append', default=[], metavar='NAME=VALUE',
        help='set a parameter, like points.voxel_size=0.05; by default the cloud is organized and '
        'colored, with every point',
    )
    group.add_argument(
        '--everything', action='store_true',
        help='compute all outputs, without ROS: edge filter, ground segmentation, obstacles in '
        'voxels of 5 cm, scan, color image',
    )
    group.add_argument(
        '--ros', action='store_true',
        help='also run camera, node and subscriber as processes over real DDS',
    )
    group.add_argument(
        '--rate', type=real(0.1, 1000.0), default=30.0, help='camera rate with --ros [Hz]'
    )
    group.add_argument(
        '--seconds', type=real(1.0, 1e5), default=10.0,
        help='duration of the measurement with --ros [s]',
    )
    add_json_option(parser)


def run(args: argparse.Namespace) -> None:
    """Measure, print a table, and write JSON if requested."""
    plain: dict[str, object] = {'points.voxel_size': 0.0, 'points.max_points': 0}
    changes = {**(EVERYTHING if args.everything else plain), **_settings(args.set)}
    config = config_from(args, changes)
    size = Size.parse(args.camera_size)
    if min(size) < LEAST_SIDE:
        raise ConfigError(
            f'--camera-size is {size}, expected sides of at least {LEAST_SIDE} pixels.'
        )
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
    Return a benchmark as text.

    :param result: the benchmark.
    :returns: lines.
    """
    rows: Mapping[str, Any] = {
        'bare network': result.bare_ms,
        'engine': result.engine_ms,
        **{f'  {name}': lap for name, lap in result.stages_ms.items() if name != 'engine'},
        'whole frame': result.frame_ms,
        'outside the network': result.overhead_ms,
    }
    return '\n'.join([
        f'{result.model} at {result.network_size} on {result.engine}; frames {result.frame_size}',
        _TABLE.format('ms', 'median', 'p95', 'p99'),
        *(
            _TABLE.format(name, f'{q.median:.2f}', f'{q.p95:.2f}', f'{q.p99:.2f}')
            for name, q in rows.items()
        ),
        (f'{result.fps:.1f} frames per second sequentially, {result.cpu:.2f} cores busy, '
         f'{result.memory_mb:.0f} MiB peak memory; per frame {result.allocations} blocks not '
         f'freed and {result.allocated_kb:.0f} KiB allocated temporarily'),
    ])


def _through_ros(
    args: argparse.Namespace, config: Config, size: Size, alone: Benchmark
) -> dict[str, Any]:
    """Run the three processes and print what the subscriber measured."""
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
    surplus = f' (the engine and {more["median"]:.1f}, {more["p99"]:.1f})' if more else ''
    print(
        f'through ROS 2: camera {found["camera_fps"]:.1f} Hz, clouds {found["fps"]:.1f} Hz '
        f'({found["ratio_to_bare"]:.2f} of the rate of the bare network), '
        f'{100 * found["delivered"]:.1f} % delivered, latency {latency["median"]:.1f} ms median, '
        f'{latency["p99"]:.1f} ms p99{surplus}; '
        f'node {found["node_memory_mb"] or 0:.0f} MiB, '
        f'{found["node_cpu"] or 0:.2f} cores'
    )
    stages = ', '.join(f'{name} {ms:.2f}' for name, ms in found['node_stages_ms'].items())
    print(f'in the node (ms, median): {stages}', file=sys.stdout)
    return found


def _settings(words: list[str]) -> dict[str, object]:
    """Parse NAME=VALUE with values in YAML notation."""
    import yaml

    found: dict[str, object] = {}
    for word in words:
        name, equals, value = word.partition('=')
        if not equals:
            raise ConfigError(f'--set {word:.40}: expected NAME=VALUE.')
        try:
            found[name] = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, LookupError, TypeError, RecursionError) as error:
            raise ConfigError(f'--set {name}: {value!r:.40} is not a YAML value.') from error
    return found
