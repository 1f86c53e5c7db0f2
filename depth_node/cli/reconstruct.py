"""`depth-node reconstruct`: fuse frames with poses into a mesh, a cloud and a map."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
import math
from pathlib import Path
import sys
import time

import numpy as np
from numpy.typing import NDArray

from depth_node.catalogue import caution
from depth_node.cli.anchors import extrinsic_of
from depth_node.cli.numbers import frames, integer, metres, real
from depth_node.cli.options import (
    add_camera_options,
    add_filter_options,
    add_json_option,
    add_model_options,
    add_upright_option,
    chosen_camera,
    config_from,
    estimator_from,
    numbers_from,
)
from depth_node.cli.progress import progress
from depth_node.cli.reconstructed import cloud_of, Options, write
from depth_node.cli.results import output_file
from depth_node.cli.skipped import PARTIAL, Skipped
from depth_node.errors import ConfigError, DataError
from depth_node.estimator import DepthEstimator
from depth_node.mapping.axes import Up
from depth_node.mapping.floor_plan import PlanOptions
from depth_node.mapping.fusion import MapOptions, Mapper
from depth_node.mapping.poses import Matching, open_poses, Poses
from depth_node.output.occupancy import yaml_of
from depth_node.sources.frame import Frame
from depth_node.sources.frames import FrameSource, open_source, WorldSource
from depth_node.sources.video import RATE, RATES

_AUTO = 'auto'
_FEW = 0.05
"""Share of pixels nearer than --far below which that option is doubtful."""
_MOST_MEMORY = 2**20
_DEFAULT, _PLAN = MapOptions(), PlanOptions()


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Declare the options.

    :param parser: of this verb.
    """
    parser.add_argument(
        'input', metavar='INPUT',
        help='folder of images, video, rosbag, world[:SEED] or home[:SEED]',
    )
    parser.add_argument(
        '--out', metavar='FILE.ply', type=output_file, required=True,
        help='the mesh (m, z up); the cloud is written next to it as FILE_cloud.ply',
    )
    add_upright_option(parser, 'the map (x ahead, y left, z up)')
    parser.add_argument('--frames', type=frames, default=0,
                        help='maximum number of frames; 0: all')
    parser.add_argument('--every', type=integer(1, 10**6), default=1, metavar='N',
                        help='use every Nth frame')
    parser.add_argument('--topic', default='', help='image topic of a rosbag; empty: the first')
    parser.add_argument('--rate', type=real(*RATES), default=RATE,
                        help='frames per second of folders and of the world (Hz)')
    parser.add_argument(
        '--true-depth', action='store_true',
        help='map the exact depth of world:SEED instead of that of a model: the error of the '
             'fusion alone',
    )
    _add_pose_options(parser)
    _add_map_options(parser)
    add_model_options(parser, required=False)
    add_filter_options(parser)
    add_camera_options(parser)
    add_json_option(parser)


def _add_pose_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group('poses')
    group.add_argument(
        '--poses', metavar='P', default='',
        help='where the camera was: a trajectory file of TUM (stamp x y z qx qy qz qw) or KITTI '
             '(3x4 a row, one for each frame), m, optical frame to a fixed frame; of a bag also '
             'the topic of its odometry, or tf:FRAME, for example tf:map; not for the world, '
             'which knows',
    )
    group.add_argument(
        '--extrinsic', metavar='X,Y,Z,QX,QY,QZ,QW', default='',
        help="pose of the camera's optical frame in the frame whose poses are given (m, "
             'quaternion); empty: the same frame, or with odometry as TF says',
    )
    group.add_argument('--max-gap', type=real(0.0, 3600.0), default=Matching.gap,
                       help='longest time between the two poses around a frame (s)')
    group.add_argument(
        '--time-offset', type=real(-1e10, 1e10), default=0.0,
        help='added to the stamps of frames before their poses are looked up (s)',
    )
    group.add_argument(
        '--up', choices=[_AUTO, *(up.value for up in Up)], default=_AUTO,
        help='axis of the poses that points up (as in --up=-y); auto: z of bags, for files the '
             'one nearest to up in the images. The map keeps the frame of the poses if z is up',
    )


def _add_map_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group('map')
    group.add_argument('--far', type=metres, default=_DEFAULT.far,
                       help='depth beyond which a frame says nothing (m); about 25 for streets')
    group.add_argument('--voxel', type=metres, default=0.0,
                       help='side of a voxel (m); 0: a hundredth of --far')
    group.add_argument(
        '--truncation', type=metres, default=0.0,
        help='how far from a surface its voxels reach (m), more than the error of depth; '
             '0: four voxels',
    )
    group.add_argument(
        '--min-weight', type=real(0.0, 1e9), default=_DEFAULT.min_weight,
        help='how many frames with full confidence at --far must have seen a surface; nearer '
             'ones count more, with the square',
    )
    group.add_argument(
        '--memory', type=real(1.0, _MOST_MEMORY), default=_DEFAULT.memory,
        help='bound on the memory of the map (MiB); what does not fit is left out and reported',
    )
    plan = parser.add_argument_group('map for navigation')
    plan.add_argument(
        '--topdown', metavar='FILE.pgm', type=output_file,
        help="write the map from above, and FILE.yaml, as Nav2's map_server reads them",
    )
    plan.add_argument(
        '--resolution', type=metres, default=0.0,
        help=f'side of a cell (m); 0: {_PLAN.resolution:g}, or a voxel if that is larger',
    )
    plan.add_argument('--obstacle-low', type=metres, default=_PLAN.low,
                      help='height above the floor from which on something is an obstacle (m)')
    plan.add_argument('--obstacle-high', type=metres, default=_PLAN.high,
                      help='height above the floor of what the robot passes under (m)')
    plan.add_argument('--floor', type=real(-1e6, 1e6), default=None,
                      help='height of the floor in the map (m); by default that of the largest '
                           'level surface, or below the way of the camera where it climbs')


@dataclass
class _Run:
    """The frames of a run, and where the time goes."""

    args: argparse.Namespace
    source: FrameSource
    poses: Poses
    mapper: Mapper
    skipped: Skipped
    unread: int = 0
    estimator: DepthEstimator | None = None
    seconds: dict[str, float] = field(default_factory=lambda: {'depth': 0.0, 'fusion': 0.0})


def run(args: argparse.Namespace) -> int:
    """
    Fuse every frame and write the map.

    :param args: the parsed options.
    :returns: 0, or 1 if frames were left out, memory did not suffice, or there is no plan.
    :raises DepthNodeError: an input, the poses, the model or an option cannot be used.
    """
    options = _options(args)
    extrinsic = extrinsic_of(args) if args.extrinsic else None
    matching = Matching(args.max_gap, args.time_offset, extrinsic)
    skipped = Skipped('reconstruct')
    work: _Run | None = None

    def left_out(error: DataError) -> None:
        skipped(error)
        if work is not None:
            work.unread += 1

    source = open_source(
        args.input, numbers_from(args), rate=args.rate, topic=args.topic,
        rectified=args.rectified, on_skip=left_out,
    )
    _check(args, source)
    up = None if args.up == _AUTO else Up(args.up)
    poses = open_poses(source, args.poses, matching, up)
    work = _Run(args, source, poses, Mapper(options.fusion), skipped)
    try:
        _fuse(work)
    finally:
        if work.estimator is not None:
            work.estimator.close()
    code = skipped.finish(work.mapper.frames)
    if not work.mapper.frames:
        raise DataError(f'{source.name}: contains no frame.')
    full = _warn_about(work.mapper, options)
    whole = write(
        options, source, poses, work.mapper, left_out=skipped.reasons, seconds=work.seconds
    )
    return code if whole and not full else PARTIAL


def _options(args: argparse.Namespace) -> Options:
    """Check the options before the work starts."""
    if args.out.suffix.lower() != '.ply':
        raise ConfigError(f'--out is {args.out}, expected FILE.ply.')
    _check_overwriting(args)
    if args.true_depth == (args.model is not None):
        raise ConfigError('Give either --model M, or --true-depth for a synthetic world.')
    fusion = MapOptions(args.far, args.voxel, args.truncation, args.min_weight, args.memory)
    plan = PlanOptions(
        args.resolution or max(_PLAN.resolution, fusion.side), args.obstacle_low,
        args.obstacle_high, math.nan if args.floor is None else args.floor,
    )
    return Options(args.out, fusion, plan, args.topdown, args.json, upright=args.upright)


def _check_overwriting(args: argparse.Namespace) -> None:
    """Refuse an output that would replace an input, or another output."""
    taken = {
        Path(given).resolve(): f'which {option} reads' for option, given in
        (('INPUT', args.input), ('--camera', args.camera), ('--poses', args.poses)) if given
    }
    written = [('--out', args.out), ('--out', cloud_of(args.out)), ('--json', args.json)]
    if args.topdown is not None:
        written += [('--topdown', args.topdown), ('--topdown', yaml_of(args.topdown))]
    for option, path in written:
        if path is None:
            continue
        if path.resolve() in taken:
            raise ConfigError(f'{option} writes {path}, {taken[path.resolve()]}.', 'Rename one.')
        taken[path.resolve()] = f'which {option} writes'


def _check(args: argparse.Namespace, source: FrameSource) -> None:
    """Refuse a source that never ends, or without what was asked for."""
    if source.count is None and not args.frames:
        raise ConfigError(
            f'{source.name} never ends. Limit the number of frames with --frames N.'
        )
    synthetic = isinstance(source, WorldSource)
    if args.true_depth and not synthetic:
        raise ConfigError(f'--true-depth: {source.name} has no exact depth, expected world:SEED.')
    if args.model is not None and not synthetic and caution(args.model):
        print(f'depth-node reconstruct: {caution(args.model)}', file=sys.stderr)


def _fuse(work: _Run) -> None:
    """Add every frame whose pose and depth are known."""
    args = work.args
    for number, frame in progress(_numbered(work), _total(work), 'frame'):
        work.skipped.frame()
        camera = chosen_camera(args, frame.camera, frame.size)
        if camera is None:
            raise ConfigError(
                f'{work.source.name}: a map needs the calibration of the camera.',
                'Add --camera or --hfov.',
            )
        try:
            pose = work.poses.of(frame, number)
        except DataError as error:
            work.skipped(error)
            continue
        seen = Frame(frame.rgb, frame.stamp, camera, frame.name, frame.depth)
        begin = time.perf_counter()
        depth, confidence = _depth(work, seen)
        middle = time.perf_counter()
        work.mapper.add(frame.rgb, depth, confidence, camera, pose)
        work.seconds['depth'] += middle - begin
        work.seconds['fusion'] += time.perf_counter() - middle


def _numbered(work: _Run) -> Iterator[tuple[int, Frame]]:
    """Iterate over the frames to use, with their numbers in the source."""
    args = work.args
    for index, frame in enumerate(work.source):
        number = index + work.unread
        if args.frames and number >= args.frames * args.every:
            return
        if number % args.every == 0:
            yield number, frame


def _total(work: _Run) -> int | None:
    count, every = work.source.count, work.args.every
    total = None if count is None else -(-count // every)
    limit = work.args.frames
    return limit or total if total is None else min(total, limit or total)


def _depth(
    work: _Run, frame: Frame
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Return depth and confidence of a frame."""
    args = work.args
    if args.true_depth:
        assert frame.depth is not None  # of a world
        return frame.depth, None
    if work.estimator is None:
        work.estimator = estimator_from(args, config_from(args), frame.size)
    prediction = work.estimator.predict(frame)
    found = work.estimator.measure(prediction, frame, confidence=True)
    if found.depth is None:
        raise ConfigError(
            f'A map needs metres. {found.note}',
            'Here: --scale and --shift, which `depth-node calibrate` finds.',
        )
    return found.depth, found.confidence


def _warn_about(mapper: Mapper, options: Options) -> bool:
    """Warn about a map that is not whole; return whether memory did not suffice."""
    refused = mapper.volume.refused
    if refused:
        print(
            f'depth-node reconstruct: {options.fusion.memory:g} MiB were not enough: '
            f'{refused} of {refused + mapper.volume.blocks} blocks of the map are missing. '
            'Choose a larger --voxel, a smaller --far, or more --memory.', file=sys.stderr,
        )
    if mapper.share < _FEW:
        print(
            f'depth-node reconstruct: only {100 * mapper.share:.1f} % of the pixels are nearer '
            f'than --far, {options.fusion.far:g} m. Is that the size of the place?',
            file=sys.stderr,
        )
    return refused > 0
