"""`depth-node predict`: convert images, folders, videos or bags to depth images and clouds."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import dataclasses
from dataclasses import dataclass, field
import itertools
from pathlib import Path
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.catalogue import caution
from depth_node.cli.anchors import add_anchor_options, aligned, check_distances, has_anchors
from depth_node.cli.numbers import frames, interval, metres, real
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
from depth_node.cli.results import output_folder, write_json
from depth_node.cli.skipped import PARTIAL, Skipped
from depth_node.config import Config
from depth_node.depth.metres import to_metres
from depth_node.errors import ConfigError, DataError
from depth_node.estimator import DepthEstimator
from depth_node.image.color_range import ColorRange
from depth_node.output.frame_files import DEFAULT, FrameFiles, KINDS
from depth_node.scale.align import to_disparity
from depth_node.sources.depth_files import file_of, read_disparity
from depth_node.sources.frame import Frame
from depth_node.sources.frames import FrameSource, ImageFolder, open_source, WorldSource
from depth_node.sources.video import RATE, RATES


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument(
        'inputs', nargs='+', metavar='INPUT',
        help='image, folder of images, video, rosbag, camera device, world[:SEED] or home[:SEED]',
    )
    parser.add_argument('--out', metavar='DIR', type=Path, required=True, help='output folder')
    parser.add_argument(
        '--write', metavar='LIST', default=','.join(DEFAULT),
        help='files to write: npy (float32 m), png (16 bit mm), color (with a scale bar), ply, '
             'sheet (picture and depth side by side; of the world also truth and error)',
    )
    parser.add_argument('--near', type=metres, default=0.1, help='smallest depth (m)')
    parser.add_argument(
        '--far', type=metres, default=0.0,
        help='largest depth (m); 0: the range of a metric network, 100 m for other networks',
    )
    parser.add_argument(
        '--color-range', type=interval, metavar='NEAR,FAR',
        help='ends of the color scale (m); without it they are chosen to show nearly all of the '
             'depth: of each image, and for a video, bag, device or world of its first frame',
    )
    parser.add_argument('--frames', type=frames, default=0,
                        help='maximum number of frames of each INPUT; 0: all')
    parser.add_argument('--topic', default='', help='image topic of a rosbag; empty: the first')
    parser.add_argument('--rate', type=real(*RATES), default=RATE,
                        help='frames per second of folders and of the world (Hz)')
    add_model_options(parser)
    add_filter_options(parser)
    add_camera_options(parser)
    group = parser.add_argument_group('alignment to a stereo disparity')
    group.add_argument(
        '--align-disparity', metavar='FILE', type=Path,
        help='fit the scale (and shift) of every prediction to this disparity image (float in '
             'pixels, 16-bit PNG in 1/256 pixels as in KITTI, int16 .npy in 1/16 pixels as from '
             'OpenCV; 0 or less: unknown), or to the file of the same name in this folder; '
             'frames for which the fit is bad are left out',
    )
    group.add_argument(
        '--disparity-unit', type=real(0.0, 65536.0), default=0.0, metavar='N',
        help='stored values per pixel of disparity; 0: by the type of the file, as above',
    )
    group.add_argument(
        '--baseline', type=real(0.0, 100.0), default=0.0,
        help='distance between the stereo cameras (m); 0: write aligned disparity, not metres',
    )
    add_anchor_options(parser)
    add_upright_option(
        parser, "the camera's optical frame (x right, y down, z forward), upside down in them"
    )
    add_json_option(parser)


@dataclass
class _Run:
    """The constant data of a run."""

    args: argparse.Namespace
    config: Config
    out: Path
    estimator: DepthEstimator | None = None
    warned: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Open the writer of the files."""
        self.files = FrameFiles(
            self.out, _kinds(self.args.write), self.warn, upright=self.args.upright
        )

    def warn(self, note: str) -> None:
        """Print a warning once, not for every frame."""
        if note and note not in self.warned:
            print(f'depth-node predict: {note}', file=sys.stderr)
            self.warned.add(note)


def run(args: argparse.Namespace) -> int:
    """
    Predict every frame of every input and write the files.

    :param args: the parsed options.
    :returns: 0, or 1 if frames were left out or have no valid pixel.
    :raises DepthNodeError: an input, the model or an option cannot be used.
    """
    _kinds(args.write)
    _check_numbers(args)
    check_distances(args)
    # what the node publishes besides depth has limits of its own, which are not needed here
    config = config_from(args, {
        'depth.min_range': args.near, 'depth.max_range': args.far, 'points.voxel_size': 0.0,
        'scan.range_max': 10000.0,
    })
    given, skipped = numbers_from(args), Skipped('predict')
    sources = [
        open_source(
            text, given, rate=args.rate, topic=args.topic, rectified=args.rectified,
            on_skip=skipped,
        )
        for text in args.inputs
    ]
    for source in sources:
        if source.count is None and not args.frames:
            raise ConfigError(
                f'{source.name} never ends. Limit the number of frames with --frames N.',
            )
    work = _Run(args, config, output_folder(args.out))
    if not all(isinstance(source, WorldSource) for source in sources):
        work.warn(caution(args.model))
    report: list[dict[str, Any]] = []
    frames = progress(
        _frames(sources, args.frames, args.color_range), _total(sources, args.frames), 'frame'
    )
    try:
        for name, frame, colors in frames:
            skipped.frame()
            try:
                report.append(_predict(work, name, frame, colors))
            except _UnusableFrameError as error:
                skipped(error)
    finally:
        if work.estimator is not None:
            work.estimator.close()
        # also when a full disk or Ctrl-C ends it
        if report or skipped.reasons:
            write_json(args.json, {'frames': report, 'left_out': skipped.reasons})
    code = skipped.finish(len(report))
    if not report:
        raise DataError(f'{", ".join(source.name for source in sources)}: contains no frame.')
    print(f'{len(report)} frames written to {args.out}')
    empty = sum(entry.get('valid') == 0 for entry in report)
    if empty:
        work.warn(f'{empty} of {len(report)} frames have no valid pixel.')
    return PARTIAL if empty else code


def _kinds(text: str) -> frozenset[str]:
    """Read which files to write."""
    kinds = frozenset(filter(None, text.split(',')))
    if not kinds <= set(KINDS) or not kinds:
        raise ConfigError(f'--write is {text!r}, expected some of {", ".join(KINDS)}.')
    return kinds


def _check_numbers(args: argparse.Namespace) -> None:
    """Refuse numbers that contradict each other."""
    if args.far and args.near >= args.far:
        raise ConfigError(
            f'--near is {args.near:g} m, expected less than --far, which is {args.far:g} m.',
        )
    if args.color_range and args.align_disparity is not None and not args.baseline:
        raise ConfigError(
            '--color-range is in metres, but without --baseline the result is a disparity.',
            'Add --baseline, or leave out --color-range.',
        )


class _UnusableFrameError(DataError):
    """What is wrong with one frame, and not with the run."""


def _frames(
    sources: list[FrameSource], limit: int, fixed: tuple[float, float] | None
) -> Iterator[tuple[str, Frame, ColorRange]]:
    """Iterate over frames with names that are unique over all inputs, and their colors."""
    taken: set[str] = set()
    for source in sources:
        colors = ColorRange(fixed, kept=not isinstance(source, ImageFolder))
        stem = Path(source.name).stem.replace(':', '_')
        for frame in itertools.islice(source, limit or None):
            name = frame.name
            if name in taken:
                name = f'{stem}_{frame.name}'
            number = 2
            while name in taken:
                name = f'{stem}_{frame.name}_{number}'
                number += 1
            taken.add(name)
            yield name, frame, colors


def _total(sources: list[FrameSource], limit: int) -> int | None:
    total = 0
    for source in sources:
        if source.count is None and not limit:
            return None
        total += min(source.count or limit, limit or source.count or 0)
    return total


def _predict(work: _Run, name: str, frame: Frame, colors: ColorRange) -> dict[str, Any]:
    """Predict and write one frame; return its report."""
    args, size, stamp = work.args, frame.size, frame.stamp
    if work.estimator is None:
        work.estimator = estimator_from(args, work.config, size)
    frame = dataclasses.replace(
        frame, stamp=None, camera=chosen_camera(args, frame.camera, size)
    )
    if args.align_disparity is not None:
        return _aligned(work, name, frame, colors) | {'stamp': stamp}
    if has_anchors(args):
        return _on_anchors(work, name, frame, colors) | {'stamp': stamp}
    found = work.estimator.estimate(frame)
    work.warn(work.estimator.focal_note)
    if found.depth is None:
        work.warn(f'{found.note} Here: --scale and --shift, --camera or --hfov.')
        if args.color_range:
            work.warn('--color-range is in metres, which this output does not have.')
        work.files.relative(
            name, frame, found.prediction.values, work.estimator.spec.kind, colors
        )
        return {'name': name, 'stamp': stamp, 'note': found.note}
    return _write(work, name, frame, found.depth, colors) | {'stamp': stamp}


def _write(
    work: _Run, name: str, frame: Frame, depth: NDArray[np.float32], colors: ColorRange
) -> dict[str, Any]:
    """Write a frame in metres; return its report."""
    work.files.metres(name, frame, depth, colors)
    finite = depth[np.isfinite(depth)]
    near, middle, far = np.percentile(finite, (5, 50, 95)) if finite.size else [np.nan] * 3
    return {
        'name': name, 'valid': finite.size / depth.size,
        'depth_5': float(near), 'depth_median': float(middle), 'depth_95': float(far),
    }


def _on_anchors(
    work: _Run, name: str, frame: Frame, colors: ColorRange
) -> dict[str, Any]:
    """Align the prediction to known distances, correct it locally, and write metres."""
    assert work.estimator is not None
    prediction = work.estimator.predict(frame)
    try:
        found = aligned(work.args, work.estimator, prediction, frame)
    except DataError as error:
        problem = error.problem.removeprefix(f'{frame.name}: ')
        raise _UnusableFrameError(f'{name}: {problem}', error.remedy) from error
    gain = found.field.gain if found.field is not None else 0.0
    print(f'{name}: scale {found.scale.scale:.5g}, shift {found.scale.shift:.5g}; '
          f'{found.inliers} of {found.anchors} distances agree; the local correction removes '
          f'{100 * gain:.0f} % of the error of held-out ones')
    depth = work.estimator.measure(prediction, frame, found.scale, found.field).depth
    assert depth is not None
    return _write(work, name, frame, depth, colors) | {
        'scale': found.scale.scale, 'shift': found.scale.shift, 'anchors': found.anchors,
        'agree': found.inliers, 'local_gain': gain,
    }


def _aligned(
    work: _Run, name: str, frame: Frame, colors: ColorRange
) -> dict[str, Any]:
    """Align the prediction to a stereo disparity, and write metres or disparity."""
    args, estimator, camera = work.args, work.estimator, frame.camera
    assert estimator is not None
    if args.baseline and camera is None:
        raise ConfigError('--baseline needs the focal length. Add --camera or --hfov.')
    product = args.baseline * camera.fx if args.baseline and camera else 1.0
    spec, prediction = estimator.spec, estimator.predict(frame)
    try:
        found = to_disparity(prediction.values, _disparity(args, frame), spec, product)
    except DataError as error:
        raise _UnusableFrameError(f'{name}: {error.problem}', error.remedy) from error
    print(f'{name}: {found}')
    facts = {
        'scale': found.scale.scale, 'shift': found.scale.shift, 'agree': found.agree,
        'compared': found.points, 'error': found.abs_rel,
    }
    if args.baseline:
        depth = estimator.measure(prediction, frame, found.scale).depth
        assert depth is not None
        return _write(work, name, frame, depth, colors) | facts
    depth = to_metres(
        prediction, spec, found.scale, 1.0, np.empty(prediction.shape, np.float32)
    )
    pixels = np.reciprocal(depth)  # one over the inverse of pixels
    work.files.disparity(name, frame, pixels, colors)
    return {'name': name, **facts}


def _disparity(args: argparse.Namespace, frame: Frame) -> NDArray[np.float32]:
    """Read the disparity of a frame."""
    path = file_of(args.align_disparity, frame.name)
    disparity = read_disparity(path, args.disparity_unit)
    if disparity.shape != frame.rgb.shape[:2]:
        raise DataError(
            f'{path}: the disparity is {disparity.shape[1]}x{disparity.shape[0]}, but the image '
            f'is {frame.rgb.shape[1]}x{frame.rgb.shape[0]}.'
        )
    return disparity
