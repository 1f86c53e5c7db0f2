"""`depth-node process`: add depth, clouds and scans to rosbags, many at a time."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
import json
from pathlib import Path
import sys
from typing import Any

from depth_node.catalogue import caution
from depth_node.catalogue.opening import is_path
from depth_node.cli.numbers import integer, real
from depth_node.cli.options import (
    add_camera_options,
    add_filter_options,
    add_json_option,
    add_model_options,
    config_from,
)
from depth_node.cli.progress import ByteBar
from depth_node.cli.results import output_folder, write_json
from depth_node.cli.skipped import PARTIAL
from depth_node.config import Config
from depth_node.config.parameter_file import read_parameters
from depth_node.config.scale import SCALE_SOURCES
from depth_node.errors import ConfigError
from depth_node.files import local_path
from depth_node.processing.bag_writer import STORAGES
from depth_node.processing.cluster import LOCAL
from depth_node.processing.fleet import Fleet, process_on_fleet
from depth_node.processing.options import FILES, Options
from depth_node.processing.outputs import chosen, DEFAULT, OUTPUTS
from depth_node.processing.worker import FAILED, Job, jobs_of, Line, Worker
from depth_node.scale.table import SOURCES
from depth_node.sources.topics import is_namespace

USAGE = 2


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Add the options of this verb.

    :param parser: of this verb.
    """
    parser.add_argument(
        'bags', nargs='+', metavar='BAG', help='rosbag: a folder, or an .mcap, .db3 or .bag file',
    )
    parser.add_argument(
        '--out', metavar='DIR', type=Path, required=True,
        help='folder of the results, one folder for each bag; a bag whose result is there is '
             'skipped',
    )
    parser.add_argument(
        '--topics', metavar='LIST', default=','.join(DEFAULT),
        help=f'topics to add: {", ".join(OUTPUTS)}; names and contents are the node\'s',
    )
    parser.add_argument('--topic', default='',
                        help='image topic; empty: the first one with color images')
    parser.add_argument(
        '--camera-info', default='', metavar='TOPIC',
        help='CameraInfo of the images; empty: next to the image topic',
    )
    parser.add_argument('--namespace', default='', help='namespace of the added topics')
    parser.add_argument('--no-copy', action='store_true',
                        help='write only the added topics, without what was recorded')
    parser.add_argument('--storage', choices=STORAGES, default='mcap',
                        help='storage of the results of ROS 2 bags; ROS 1 bags stay ROS 1 bags')
    parser.add_argument('--compress', action='store_true', help='compress mcap (zstd)')
    parser.add_argument('--overwrite', action='store_true',
                        help='replace results of other options or of another bag')
    parameters = parser.add_argument_group('parameters of the node')
    parameters.add_argument('--params', metavar='YAML', type=Path,
                            help='parameter file of the node')
    parameters.add_argument(
        '--set', metavar='NAME=VALUE', action='append', default=[],
        help='a parameter of the node, as YAML; may be repeated; wins over the file, and other '
             'options that are not at their default win over both',
    )
    fleet = parser.add_argument_group('many bags at once')
    fleet.add_argument(
        '--ray', nargs='?', const=LOCAL, metavar='ADDRESS',
        help='process bags in parallel with Ray: on the cluster at ADDRESS (HOST:PORT or auto), '
             'or on the cores of this machine; each worker has --threads cores, 1 by default',
    )
    fleet.add_argument('--workers', type=integer(0, 10000), default=0,
                       help='with --ray: maximum number of workers; 0: as many as fit')
    fleet.add_argument('--worker-gpus', type=real(0.0, 64.0), default=0.0,
                       help='with --ray: GPUs of each worker; 0.5 for two workers on one')
    sources = parser.add_argument_group('scale from the sensors of the bag')
    sources.add_argument('--scale-source', choices=SCALE_SOURCES, metavar='SOURCE',
                         help=f'scale.source of the node: {", ".join(SCALE_SOURCES)}')
    sources.add_argument(
        '--scale-topic', default='', metavar='TOPIC',
        help='topic of that sensor; empty: the only one of its type',
    )
    sources.add_argument(
        '--scale-camera-info', default='', metavar='TOPIC',
        help='CameraInfo of that sensor; empty: next to its topic',
    )
    add_model_options(parser)
    add_filter_options(parser)
    add_camera_options(parser)
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """
    Process every bag, and print a line of JSON for each.

    :param args: the parsed options.
    :returns: 0; 1 if something of the bags could not be used, or nothing was written to a topic;
        2 if nothing could.
    :raises DepthNodeError: an option, or the model cannot be used.
    """
    options = options_from(args)
    if args.ray is None and (args.workers or args.worker_gpus):
        raise ConfigError('--workers and --worker-gpus are for --ray.', 'Add --ray.')
    if args.ray is not None and Path(args.ray).exists():
        raise ConfigError(
            f'--ray takes {args.ray!r:.80} for the address of a cluster.',
            'Put --ray behind the bags, or write --ray=ADDRESS.',
        )
    jobs = jobs_of([local_path(text) for text in args.bags], output_folder(args.out))
    if warning := caution(args.model):
        print(f'depth-node process: {warning}', file=sys.stderr)
    lines: list[Line] = []
    out = sys.stdout  # which Ray may not use
    bar = ByteBar(sum(job.size() for job in jobs))
    try:
        for line in _lines(options, jobs, args, bar):
            bar.clear()
            print(json.dumps(line), file=out, flush=True)
            for topic, why in line.get('missing', {}).items():
                print(f'depth-node process: {line["bag"]}: nothing was written to {topic}. {why}',
                      file=sys.stderr)
            lines.append(line)
    finally:
        bar.close()
        write_json(args.json, {'bags': lines})
    return exit_code(lines)


def options_from(args: argparse.Namespace) -> Options:
    """
    Return what is done with every bag.

    :param args: the parsed options.
    :returns: the options; the command line wins over `--set`, and that over `--params`.
    :raises ConfigError: one of them is wrong.
    """
    if args.compress and args.storage != 'mcap':
        raise ConfigError('--compress is for --storage mcap.', 'Leave one of them out.')
    values: dict[str, object] = read_parameters(args.params) if args.params else {}
    values |= dict(map(_assignment, args.set))
    plain, given = Config().flat(), config_from(args).flat()
    values |= {name: value for name, value in given.items() if value != plain[name]}
    values['model.name'] = (
        str(local_path(args.model).resolve()) if is_path(args.model) else args.model
    )
    # a worker of Ray is in another folder
    values |= {
        name: str(local_path(text).resolve()) for name in FILES
        if isinstance(text := values.get(name), str) and text
    }
    if args.scale_source not in {None, 'fixed'} and {args.scale, args.shift} != {None}:
        raise ConfigError(
            f'--scale and --shift have no effect with --scale-source {args.scale_source}.',
            'Choose one of them.',
        )
    if args.scale_source:
        values['scale.source'] = args.scale_source
    if args.camera:
        values['input.calibration_file'] = str(Path(args.camera).resolve())
    if args.hfov:
        values['input.hfov_deg'] = args.hfov
    if args.rectified != 'auto':
        values['input.rectified'] = args.rectified
    if not is_namespace(args.namespace):
        raise ConfigError(
            f'--namespace {args.namespace!r:.100} is not a namespace of ROS.',
            'Expected names of letters, digits and underscores, such as /robot/front.',
        )
    config = Config().replaced(values)
    source = SOURCES[config.scale.source]
    for option, given, used in (
        ('--scale-topic', args.scale_topic, source.message),
        ('--scale-camera-info', args.scale_camera_info, source.camera_info),
    ):
        if given and not used:
            raise ConfigError(
                f'{option} has no effect: scale.source is {source.name}, which does not use it.',
                'Choose the source with --scale-source, or omit the topic.',
            )
    return Options(
        config, chosen(args.topics), args.topic, args.camera_info,
        args.scale_topic, args.scale_camera_info, args.namespace, args.storage, args.compress,
        not args.no_copy, args.overwrite,
    )


def exit_code(lines: Iterable[Line]) -> int:
    """
    Return the exit code of a run.

    :param lines: what happened to each bag.
    :returns: see :func:`run`.
    """
    lines = list(lines)
    failed = [line['status'] == FAILED for line in lines]
    if all(failed):
        return USAGE
    incomplete = any(line.get('left_out') or line.get('missing') for line in lines)
    return PARTIAL if any(failed) or incomplete else 0


def _lines(
    options: Options, jobs: list[Job], args: argparse.Namespace, bar: ByteBar
) -> Iterator[Line]:
    options.identity()  # of a model that is not there, once and not for every bag
    if args.ray is not None:
        fleet = Fleet(args.ray, args.workers, args.worker_gpus)
        sizes = {str(job.bag.resolve()): job.size() for job in jobs}
        for line in process_on_fleet([_absolute(job) for job in jobs], options, fleet):
            bar.advance(sizes[line['bag']])
            yield line
        return
    # messages have another size than the files that hold them, which may be compressed
    left = 0

    def advance(count: int) -> None:
        nonlocal left
        count = min(count, left)
        left -= count
        bar.advance(count)

    worker = Worker(options, advance)
    try:
        for job in jobs:
            left = job.size()
            line = worker.process(job)
            advance(left)
            yield line
    finally:
        worker.close()


def _absolute(job: Job) -> Job:
    """Return a bag with paths that hold in every folder."""
    return Job(job.bag.resolve(), job.result.resolve())


def _assignment(text: str) -> tuple[str, Any]:
    import yaml

    name, mark, value = text.partition('=')
    try:
        if mark and name:
            return name.strip(), yaml.safe_load(value)
    except yaml.YAMLError:
        pass
    raise ConfigError(f'--set {text!r:.80} is not NAME=VALUE.', 'As in --set depth.max_range=8.0.')
