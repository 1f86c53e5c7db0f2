"""
Look at camera, depth, cloud and scan in Rerun.

Of images, videos, bags or the synthetic world; with ``--live``, of a running node.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
import dataclasses
from itertools import islice
from pathlib import Path
import time
from typing import Any

from depth_node.cli.numbers import frames, integer, metres, real
from depth_node.cli.options import (
    add_camera_options,
    add_filter_options,
    add_model_options,
    calibration_from,
    chosen_camera,
    config_from,
    estimator_from,
)
from depth_node.cli.progress import progress
from depth_node.cli.results import output_file
from depth_node.config import Config
from depth_node.errors import ConfigError, DataError
from depth_node.estimator import DepthEstimator
from depth_node.sources.frames import FrameSource, open_source
from depth_node.sources.video import RATE, RATES
from depth_node.viewer.drawing import Drawing, library, Series
from depth_node.viewer.layout import blueprint
from depth_node.viewer.recording import Recorder
from depth_node.viewer.serving import LOOPBACK, open_window, web_viewer

PORT = 9090
"""Of the page, by default."""
FROM_STATUS = {
    'scale': Series.SCALE, 'scale sigma (%)': Series.SIGMA,
    'latency p50 (ms)': Series.NODE_LATENCY,
}
"""Keys of the node's diagnostics (doc/diagnostics.md) that are drawn as series."""
_OF_INPUTS = {
    'model': None, 'camera': None, 'hfov': None, 'camera_height': 0.0, 'camera_pitch': 0.0,
    'scale': None, 'shift': None,
}
_OF_LIVE = {'namespace': ['/'], 'fixed_frame': ''}
"""Options that the other of the two does not use, with their defaults."""
_OF_WEB = {'bind': LOOPBACK, 'port': PORT, 'data_port': 0}


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Declare the options.

    :param parser: of this verb.
    """
    parser.add_argument(
        'inputs', nargs='*', metavar='INPUT',
        help='image, folder, video, rosbag, camera device, or world:SEED',
    )
    parser.add_argument('--frames', type=frames, default=0,
                        help='maximum number of frames of each INPUT; 0: all, or until Ctrl-C')
    parser.add_argument('--topic', default='',
                        help='image topic of a rosbag; empty: the first. With --live: of the '
                        'camera; empty: the one in the diagnostics of the node')
    parser.add_argument('--rate', type=real(*RATES), default=RATE,
                        help='frames per second of folders and of the world; with --live: drawn '
                        'at most (Hz)')
    parser.add_argument(
        '--camera-height', type=metres, default=0.0,
        help='height of the camera above the ground, for obstacles and scan (m); 0: none of them',
    )
    parser.add_argument(
        '--camera-pitch', type=real(-90.0, 90.0), default=0.0,
        help='how far it looks down (degrees)',
    )
    live = parser.add_argument_group('a running node')
    live.add_argument('--live', action='store_true',
                      help='draw the topics of a running node instead of an INPUT')
    live.add_argument('--namespace', nargs='+', default=['/'], metavar='NAME',
                      help='with --live: namespaces of the nodes, such as /front /rear')
    live.add_argument('--fixed-frame', default='', metavar='FRAME',
                      help='with --live: frame of TF to place the cameras in, such as odom; '
                      'empty: ground.base_frame of the node')
    where = parser.add_argument_group('where to')
    where.add_argument('--save', type=output_file, metavar='FILE.rrd',
                       help='write a recording instead of opening a window')
    where.add_argument('--web', action='store_true',
                       help='serve the viewer to a browser until Ctrl-C')
    where.add_argument('--bind', default=LOOPBACK, metavar='ADDRESS',
                       help='with --web: address to listen on (default: this machine only)')
    where.add_argument('--port', type=integer(1, 65535), default=PORT,
                       help='with --web: port of the page')
    where.add_argument('--data-port', type=integer(0, 65535), default=0,
                       help='with --web: port from which the page gets its data; 0: a free one')
    add_model_options(parser, required=False)
    add_filter_options(parser)
    add_camera_options(parser)


def run(args: argparse.Namespace) -> int:
    """
    Estimate, or listen, and show.

    :param args: the parsed options.
    :returns: the exit code.
    :raises DepthNodeError: an input, the model or the viewer cannot be used.
    """
    if args.save is not None and args.web:
        raise ConfigError('--save and --web exclude each other.', 'Choose one of them.')
    if args.save is not None and args.save.suffix.lower() != '.rrd':
        raise ConfigError(f'--save is {args.save}, expected FILE.rrd.')
    if not args.web:
        _refuse(args, 'a window or --save', 'belongs to --web', _OF_WEB)
    show = _live(args) if args.live else _offline(args)
    stream: Any = library().RecordingStream('depth_node')
    if args.save is not None:
        stream.save(str(args.save))
        code, count = show(stream)
        print(f'{count} frames in {args.save}: open it with `rerun {Path(args.save).name}`')
        return code
    if not args.web:
        open_window(stream)
        return show(stream)[0]
    with web_viewer(args.bind, args.port, args.data_port, live=args.live) as (page, uri):
        stream.connect_grpc(uri)
        try:
            print(f'open {page} in a browser; Ctrl-C ends it', flush=True)
            code, _ = show(stream)
            while not args.live:  # all frames are there, to be looked at
                time.sleep(1.0)
            return code
        finally:
            stream.disconnect()


def _live(args: argparse.Namespace) -> Callable[[Any], tuple[int, int]]:
    """Return what draws running nodes."""
    _refuse(args, '--live', 'belongs to the estimation of an INPUT', _OF_INPUTS)
    if args.inputs:
        raise ConfigError(
            f'--live draws a running node, and {args.inputs[0]} is an input.',
            'Leave one of them out.',
        )
    try:
        from depth_node.ros.canvas import Names
        from depth_node.ros.viewing import namespaces, watch, Watching
    except ImportError as error:
        raise ConfigError(
            f'--live needs ROS 2, which cannot be imported ({error}).',
            "Source a ROS 2 installation, or pip install 'depth_node[ros]'.",
        ) from error

    names = namespaces(args.namespace)
    watching = Watching(args.fixed_frame, args.topic, args.rate, args.frames)

    def show(stream: Any) -> tuple[int, int]:
        # the only one has no name
        cameras = {n: n.strip('/') if len(names) > 1 else '' for n in names}
        stream.send_blueprint(blueprint(list(cameras.values()), live=args.save is None))
        canvases = {n: Drawing(stream, camera, epoch=True) for n, camera in cameras.items()}
        try:
            return watch(canvases, Names(Series.LATENCY, FROM_STATUS), watching)
        finally:
            for canvas in canvases.values():
                canvas.flush()

    return show


def _offline(args: argparse.Namespace) -> Callable[[Any], tuple[int, int]]:
    """Return what draws the inputs."""
    _refuse(args, 'an INPUT', 'belongs to --live', _OF_LIVE)
    if not args.inputs:
        raise ConfigError('There is no INPUT.', 'Name an image, a video or a bag, or use --live.')
    if args.model is None:
        raise ConfigError('There is no --model.', 'See `depth-node models`.')
    config = config_from(args).replaced({
        'ground.camera_height': args.camera_height, 'ground.camera_pitch_deg': args.camera_pitch,
    })
    sources = [
        open_source(text, calibration_from(args), rate=args.rate, topic=args.topic)
        for text in args.inputs
    ]
    return lambda stream: (0, _show(args, config, sources, stream))


def _refuse(
    args: argparse.Namespace, other: str, why: str, defaults: Mapping[str, object]
) -> None:
    """Refuse options that would have no effect."""
    for name, default in defaults.items():
        if getattr(args, name) != default:
            option = f'--{name.replace("_", "-")}'
            raise ConfigError(f'{option} {why}, and has no effect with {other}.', 'Omit it.')


def _show(
    args: argparse.Namespace, config: Config, sources: list[FrameSource], stream: Any
) -> int:
    """Add every frame; return how many they were."""
    recorder = Recorder(stream, config)
    estimator: DepthEstimator | None = None
    count = 0
    try:
        for source in sources:
            for frame in progress(islice(source, args.frames or None), source.count, 'frame'):
                if estimator is None:
                    estimator = estimator_from(args, config, frame.size)
                seen = dataclasses.replace(
                    frame, camera=chosen_camera(args, frame.camera, frame.size)
                )
                begin = time.perf_counter()
                estimate = estimator.estimate(seen, confidence=True)
                recorder.add(seen, estimate, 1000 * (time.perf_counter() - begin))
                count += 1
    finally:
        if estimator is not None:
            estimator.close()
        recorder.flush()
    if not count:
        raise DataError(f'{" ".join(args.inputs)}: there is no frame.')
    return count
