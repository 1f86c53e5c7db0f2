"""Look at images, videos, bags or the synthetic world in Rerun: camera, depth, cloud, scan."""

from __future__ import annotations

import argparse
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
from depth_node.viewer.recording import library, Recorder
from depth_node.viewer.serving import LOOPBACK, open_window, web_viewer


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Declare the options.

    :param parser: of this verb.
    """
    parser.add_argument(
        'inputs', nargs='+', metavar='INPUT',
        help='image, folder, video, rosbag, camera device, or world:SEED',
    )
    parser.add_argument('--frames', type=frames, default=0,
                        help='maximum number of frames of each INPUT; 0: all')
    parser.add_argument('--topic', default='', help='image topic of a rosbag; empty: the first')
    parser.add_argument('--rate', type=real(*RATES), default=RATE,
                        help='frames per second of folders and of the world (Hz)')
    parser.add_argument(
        '--camera-height', type=metres, default=0.0,
        help='height of the camera above the ground, for the scan (m); 0: no scan',
    )
    parser.add_argument(
        '--camera-pitch', type=real(-90.0, 90.0), default=0.0,
        help='how far it looks down (degrees)',
    )
    where = parser.add_argument_group('where to')
    where.add_argument('--save', type=output_file, metavar='FILE.rrd',
                       help='write a recording instead of opening a window')
    where.add_argument('--web', action='store_true',
                       help='serve the viewer to a browser until Ctrl-C')
    where.add_argument('--bind', default=LOOPBACK, metavar='ADDRESS',
                       help='with --web: address to listen on (default: this machine only)')
    where.add_argument('--port', type=integer(1, 65535), default=9090,
                       help='with --web: port of the page')
    add_model_options(parser)
    add_filter_options(parser)
    add_camera_options(parser)


def run(args: argparse.Namespace) -> None:
    """
    Estimate, and show.

    :param args: the parsed options.
    :raises DepthNodeError: an input, the model or the viewer cannot be used.
    """
    if args.save is not None and args.web:
        raise ConfigError('--save and --web exclude each other.', 'Choose one of them.')
    config = config_from(args).replaced({
        'ground.camera_height': args.camera_height, 'ground.camera_pitch_deg': args.camera_pitch,
    })
    sources = [
        open_source(text, calibration_from(args), rate=args.rate, topic=args.topic)
        for text in args.inputs
    ]
    stream: Any = library().RecordingStream('depth_node')
    if args.save is not None:
        stream.save(str(args.save))
        count = _show(args, config, sources, stream)
        print(f'{count} frames in {args.save}: open it with `rerun {Path(args.save).name}`')
    elif args.web:
        with web_viewer(args.bind, args.port) as (page, uri):
            stream.connect_grpc(uri)
            print(f'open {page} in a browser; Ctrl-C ends it', flush=True)
            _show(args, config, sources, stream)
            while True:
                time.sleep(1.0)
    else:
        open_window(stream)
        _show(args, config, sources, stream)


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
                estimate = estimator.estimate(seen)
                recorder.add(seen, estimate, 1000 * (time.perf_counter() - begin))
                count += 1
    finally:
        if estimator is not None:
            estimator.close()
        stream.flush()
    if not count:
        raise DataError(f'{" ".join(args.inputs)}: there is no frame.')
    return count
