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

from depth_node.camera import Camera
from depth_node.catalogue import caution
from depth_node.cli.anchors import add_anchor_options, aligned, check_distances, has_anchors
from depth_node.cli.numbers import frames, metres, real
from depth_node.cli.options import (
    add_camera_options,
    add_filter_options,
    add_json_option,
    add_model_options,
    chosen_camera,
    config_from,
    estimator_from,
    numbers_from,
)
from depth_node.cli.progress import progress
from depth_node.cli.results import output_folder, write_json
from depth_node.cli.skipped import PARTIAL, Skipped
from depth_node.cloud.maker import CloudMaker
from depth_node.config import Config
from depth_node.depth.metres import to_metres
from depth_node.errors import ConfigError, DataError
from depth_node.estimator import DepthEstimator, Estimate
from depth_node.image.color import colorize
from depth_node.output.sheet import frame_panels, Panel, relative_panels, sheet
from depth_node.output.writers import write_cloud, write_millimetres, write_npy, write_picture
from depth_node.scale.align import relative_colors, to_disparity
from depth_node.sources.depth_files import file_of, read_disparity
from depth_node.sources.frame import Frame
from depth_node.sources.frames import FrameSource, open_source, WorldSource
from depth_node.sources.video import RATE, RATES

_DEFAULT = ('npy', 'png', 'color', 'ply')
_FILES = (*_DEFAULT, 'sheet')
_COLORS_TO = 20.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument(
        'inputs', nargs='+', metavar='INPUT',
        help='image, folder of images, video, rosbag, camera device, world[:SEED] or home[:SEED]',
    )
    parser.add_argument('--out', metavar='DIR', type=Path, required=True, help='output folder')
    parser.add_argument(
        '--write', metavar='LIST', default=','.join(_DEFAULT),
        help='files to write: npy (float32 m), png (16 bit mm), color (with a scale bar), ply, '
             'sheet (picture and depth side by side; of the world also truth and error)',
    )
    parser.add_argument('--near', type=metres, default=0.1, help='smallest depth (m)')
    parser.add_argument(
        '--far', type=metres, default=0.0,
        help='largest depth, and end of the color scale (m); 0: the range of a metric '
             f'network, 100 m for other networks, and colors up to {_COLORS_TO:g} m',
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
    add_json_option(parser)


@dataclass
class _Run:
    """The constant data of a run."""

    args: argparse.Namespace
    config: Config
    files: frozenset[str]
    out: Path
    estimator: DepthEstimator | None = None
    maker: tuple[Camera, CloudMaker] | None = None
    warned: set[str] = field(default_factory=set)

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
    files = frozenset(filter(None, args.write.split(',')))
    if not files <= set(_FILES) or not files:
        raise ConfigError(f'--write is {args.write!r}, expected some of {", ".join(_FILES)}.')
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
    work = _Run(args, config, files, output_folder(args.out))
    if not all(isinstance(source, WorldSource) for source in sources):
        work.warn(caution(args.model))
    report: list[dict[str, Any]] = []
    frames = progress(_frames(sources, args.frames), _total(sources, args.frames), 'frame')
    try:
        for name, frame in frames:
            skipped.frame()
            try:
                report.append(_predict(work, name, frame))
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


def _check_numbers(args: argparse.Namespace) -> None:
    """Refuse depths that contradict each other."""
    if args.far and args.near >= args.far:
        raise ConfigError(
            f'--near is {args.near:g} m, expected less than --far, which is {args.far:g} m.',
        )


class _UnusableFrameError(DataError):
    """What is wrong with one frame, and not with the run."""


def _frames(sources: list[FrameSource], limit: int) -> Iterator[tuple[str, Frame]]:
    """Iterate over frames with names that are unique over all inputs."""
    taken: set[str] = set()
    for source in sources:
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
            yield name, frame


def _total(sources: list[FrameSource], limit: int) -> int | None:
    total = 0
    for source in sources:
        if source.count is None and not limit:
            return None
        total += min(source.count or limit, limit or source.count or 0)
    return total


def _predict(work: _Run, name: str, frame: Frame) -> dict[str, Any]:
    """Predict and write one frame; return its report."""
    args, size, stamp = work.args, frame.size, frame.stamp
    if work.estimator is None:
        work.estimator = estimator_from(args, work.config, size)
    frame = dataclasses.replace(
        frame, stamp=None, camera=chosen_camera(args, frame.camera, size)
    )
    if args.align_disparity is not None:
        return _aligned(work, name, frame) | {'stamp': stamp}
    if has_anchors(args):
        return _on_anchors(work, name, frame) | {'stamp': stamp}
    found = work.estimator.estimate(frame)
    work.warn(work.estimator.focal_note)
    if found.depth is None:
        work.warn(f'{found.note} Here: --scale and --shift, --camera or --hfov.')
        _write_relative(work, name, frame, found)
        return {'name': name, 'stamp': stamp, 'note': found.note}
    return _write(work, name, frame, found.depth) | {'stamp': stamp}


def _write(
    work: _Run, name: str, frame: Frame, depth: NDArray[np.float32]
) -> dict[str, Any]:
    path, args = work.out / name, work.args
    farthest = args.far or max(_COLORS_TO, 2 * args.near)
    if 'npy' in work.files:
        write_npy(path.with_name(f'{name}_depth.npy'), depth)
    if 'png' in work.files:
        write_millimetres(path.with_name(f'{name}_depth.png'), depth)
    if 'color' in work.files:
        colors = colorize(depth, args.near, farthest, bar=True)
        write_picture(path.with_name(f'{name}_color.png'), colors)
    if 'sheet' in work.files:
        _write_sheet(work, name, frame_panels(frame.rgb, depth, frame.depth, args.near, farthest))
    if 'ply' in work.files:
        camera = frame.camera
        if camera is None:
            work.warn(
                'No cloud is written, because there is no calibration. Add --camera or --hfov.',
            )
        else:
            if work.maker is None or work.maker[0] != camera:
                work.maker = camera, CloudMaker(camera.rays())
            write_cloud(path.with_name(f'{name}.ply'), depth, work.maker[1], frame.rgb)
    finite = depth[np.isfinite(depth)]
    near, middle, far = np.percentile(finite, (5, 50, 95)) if finite.size else [np.nan] * 3
    return {
        'name': name, 'valid': finite.size / depth.size,
        'depth_5': float(near), 'depth_median': float(middle), 'depth_95': float(far),
    }


def _write_relative(work: _Run, name: str, frame: Frame, found: Estimate) -> None:
    """Write the output of the network if there is no metric depth."""
    assert work.estimator is not None
    values = found.prediction.values
    if 'npy' in work.files:
        write_npy(work.out / f'{name}_relative.npy', values)
    near, far = relative_colors(values, work.estimator.spec.kind)
    if 'color' in work.files:
        write_picture(work.out / f'{name}_color.png', colorize(values, near, far))
    if 'sheet' in work.files:
        _write_sheet(work, name, relative_panels(frame.rgb, values, near, far))


def _write_sheet(work: _Run, name: str, panels: list[Panel]) -> None:
    write_picture(work.out / f'{name}_sheet.png', sheet(panels, columns=2))


def _on_anchors(work: _Run, name: str, frame: Frame) -> dict[str, Any]:
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
    return _write(work, name, frame, depth) | {
        'scale': found.scale.scale, 'shift': found.scale.shift, 'anchors': found.anchors,
        'agree': found.inliers, 'local_gain': gain,
    }


def _aligned(work: _Run, name: str, frame: Frame) -> dict[str, Any]:
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
        return _write(work, name, frame, depth) | facts
    depth = to_metres(
        prediction, spec, found.scale, 1.0, np.empty(prediction.shape, np.float32)
    )
    pixels = np.reciprocal(depth)  # one over the inverse of pixels
    write_npy(work.out / f'{name}_disparity.npy', pixels)
    high = float(np.max(pixels, initial=0.0, where=np.isfinite(pixels))) or 1.0
    if 'color' in work.files:
        write_picture(work.out / f'{name}_color.png', colorize(pixels, high, 0.0))
    if 'sheet' in work.files:
        _write_sheet(work, name, relative_panels(frame.rgb, pixels, high, 0.0, 'disparity'))
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
