"""`depth-node evaluate`: compare a model, or predictions on disk, with ground truth."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import dataclasses
from pathlib import Path
from typing import Any
import zlib

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.cli.evaluate_rooms import run_rooms
from depth_node.cli.numbers import frames, metres, real
from depth_node.cli.options import (
    add_camera_options,
    add_json_option,
    add_model_options,
    calibration_from,
    chosen_camera,
    config_from,
    estimator_from,
)
from depth_node.cli.progress import progress
from depth_node.cli.results import output_file, output_folder, write_json
from depth_node.cli.skipped import Skipped
from depth_node.config import Config
from depth_node.depth.metres import to_metres
from depth_node.errors import ConfigError, DataError
from depth_node.estimator import DepthEstimator
from depth_node.evaluation.metrics import Crop, NAMES, score
from depth_node.evaluation.report import error_picture, Predicted, Result, summary, write_table
from depth_node.files import local_path
from depth_node.image.color_range import color_range
from depth_node.image.size import Size
from depth_node.output.sheet import frame_panels, SCALED, sheet
from depth_node.output.writers import write_picture
from depth_node.scale.align import least_squares
from depth_node.scale.offline import align, depth_anchors, seen
from depth_node.sources.dataset import Dataset
from depth_node.sources.datasets import LayoutOptions, LAYOUTS, prediction_pairs
from depth_node.sources.depth_files import read_depth, read_plane
from depth_node.sources.frame import Frame
from depth_node.sources.skipping import OnSkip, refuse

Plane = NDArray[np.float32]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    layouts = '; '.join(f'{name}: {row.contents}' for name, row in LAYOUTS.items())
    parser.add_argument('layout', choices=LAYOUTS, metavar='LAYOUT', help=layouts)
    parser.add_argument('folder', metavar='DIR', help='the data')
    add_model_options(parser, required=False)
    add_camera_options(parser)
    group = parser.add_argument_group('comparison')
    group.add_argument('--median-scaling', action='store_true',
                       help='scale each frame to the median of its truth')
    group.add_argument('--affine-alignment', action='store_true',
                       help='fit scale and shift of each frame to its truth (relative models)')
    group.add_argument(
        '--anchors', type=real(0.0, 0.9), default=0.0, metavar='SHARE',
        help='share of the ground-truth pixels, chosen at random, that determine scale and local '
             'correction, as a sensor would; they are not evaluated. 0: none',
    )
    group.add_argument('--garg-crop', action='store_true', help='the same as --crop garg')
    group.add_argument('--crop', choices=[crop.value for crop in Crop], default='none',
                       help='part of the image to evaluate')
    group.add_argument(
        '--cap', type=metres, default=80.0, help='largest true depth to evaluate (m)',
    )
    group.add_argument(
        '--floor', type=metres, default=1e-3, help='smallest true depth to evaluate (m)',
    )
    group.add_argument('--depth-scale', type=real(1e-6, 1e9), default=1000.0,
                       help='units per metre in 16-bit depth images')
    group.add_argument('--frames', type=frames, default=0, help='maximum number of frames; 0: all')
    add_json_option(parser)
    parser.add_argument(
        '--table', metavar='CSV', type=output_file, help='also write one row per frame'
    )
    parser.add_argument('--pictures', metavar='DIR', type=Path,
                        help='also write, for each frame, its error (red is too far, blue too '
                             'near) and a sheet of image, depth, truth and error')


def run(args: argparse.Namespace) -> int:
    """
    Evaluate, print a table, and write the requested files.

    :param args: the parsed options.
    :returns: 0, or 1 if frames were left out.
    :raises DepthNodeError: the data, the model or the options cannot be used.
    """
    layout = LAYOUTS[args.layout]
    if layout.sets is not None:
        if args.model is None:
            raise ConfigError(f'The layout {args.layout} needs --model.')
        options = LayoutOptions(depth_scale=args.depth_scale)
        run_rooms(args, layout.sets(args.folder, options), _run_model)
        return 0
    if args.median_scaling and args.affine_alignment:
        raise ConfigError(
            '--median-scaling and --affine-alignment cannot be combined. Use one of them.',
        )
    if args.anchors and (args.median_scaling or args.affine_alignment):
        raise ConfigError('--anchors gives the scale; leave the other alignments out.')
    if not 0 <= args.floor < args.cap:
        raise ConfigError(
            f'--floor is {args.floor:g} m, expected less than --cap, which is {args.cap:g} m.',
        )
    results: list[Result] = []
    pictures = output_folder(args.pictures) if args.pictures else None
    skipped = Skipped('evaluate')
    for frame, result in _compared(args, skipped):
        skipped.frame()
        if pictures:
            _draw(pictures, frame, scaled=args.median_scaling or args.affine_alignment)
        results.append(result)
    code = skipped.finish(len(results))
    report = summary(results)
    _print(report, args)
    write_json(args.json, report | ({'left_out': skipped.reasons} if code else {}))
    if args.table:
        write_table(args.table, results)
    return code


def _draw(folder: Path, frame: Predicted, *, scaled: bool) -> None:
    """Write the error of a frame, and a sheet with image, depth, truth and error."""
    error = error_picture(frame.depth, frame.truth)
    write_picture(folder / f'{frame.name}_error.png', error)
    ends = color_range(frame.depth, frame.truth)
    label = SCALED if scaled else 'depth'
    panels = frame_panels(frame.rgb, frame.depth, frame.truth, *ends, label=label)
    write_picture(folder / f'{frame.name}_sheet.png', sheet(panels, columns=2))


def _compared(
    args: argparse.Namespace, skipped: Skipped
) -> Iterator[tuple[Predicted, Result]]:
    crop = Crop.GARG if args.garg_crop else Crop(args.crop)
    frames, count = _predicted(args, skipped)
    for frame in progress(frames, count, 'frame'):
        found = score(
            frame.depth, frame.truth, nearest=args.floor, farthest=args.cap, crop=crop,
            median_scaling=args.median_scaling,
        )
        scaled = dataclasses.replace(frame, depth=frame.depth * np.float32(found.scale))
        yield scaled, Result(frame.name, found, frame.scale * found.scale)


def _predicted(
    args: argparse.Namespace, skipped: Skipped
) -> tuple[Iterator[Predicted], int]:
    """Return the frames with their predictions, and the number of frames."""
    opener = LAYOUTS[args.layout].open
    if opener is None:
        pairs = prediction_pairs(local_path(args.folder))[:args.frames or None]
        return _pairs(pairs, skipped), len(pairs)
    if args.model is None:
        raise ConfigError(f'The layout {args.layout} needs --model.')
    options = LayoutOptions(calibration_from(args), args.depth_scale)
    dataset = opener(args.folder, options).first(args.frames)
    return _run_model(args, dataset, skipped), len(dataset)


def _pairs(
    pairs: list[tuple[str, Path, Path]], skipped: Skipped
) -> Iterator[Predicted]:
    for name, one, two in pairs:
        try:
            predicted, truth = read_plane(one).astype(np.float32), read_depth(two)
        except DataError as error:
            skipped(error)
            continue
        yield Predicted(name, predicted, truth, 1.0)


def _run_model(
    args: argparse.Namespace, dataset: Dataset, on_skip: OnSkip = refuse
) -> Iterator[Predicted]:
    # ranges are the comparison's business here; a filter would hide what the network got wrong
    config = config_from(args, {
        'depth.min_range': 0.0, 'depth.max_range': 10000.0, 'points.voxel_size': 0.0,
        'filter.edge_threshold': 0.0, 'filter.min_confidence': 0.0,
    })
    estimator: DepthEstimator | None = None
    try:
        for sample in dataset.frames(on_skip):
            size = Size(sample.rgb.shape[1], sample.rgb.shape[0])
            if estimator is None:
                estimator = estimator_from(args, config, size)
            camera = chosen_camera(args, sample.camera, size)
            assert sample.depth is not None
            if args.anchors:
                yield _anchored(args, estimator, sample)
                continue
            depth, scale = _metres(args, estimator, config, sample, camera)
            yield Predicted(sample.name, depth, sample.depth, scale, sample.rgb)
    finally:
        if estimator is not None:
            estimator.close()


def _anchored(
    args: argparse.Namespace, estimator: DepthEstimator, sample: Frame
) -> Predicted:
    """Align a frame to a part of its truth, and return the rest of the truth."""
    assert sample.depth is not None
    prediction = estimator.predict(sample)
    looked = seen(prediction.values, estimator.spec, sample)
    # a draw of its own for each frame, the same in every run
    anchors = depth_anchors(
        looked, sample.depth, args.anchors, zlib.crc32(sample.name.encode())
    )
    found = align(looked, anchors)
    depth = estimator.measure(prediction, sample, found.scale, found.field).depth
    assert depth is not None
    rest = sample.depth.copy()
    rest[anchors.rows, anchors.columns] = np.nan
    return Predicted(sample.name, depth.copy(), rest, found.scale.scale, sample.rgb)


def _metres(
    args: argparse.Namespace, estimator: DepthEstimator, config: Config, sample: Frame,
    camera: Camera | None,
) -> tuple[Plane, float]:
    """Return the metric depth of a frame and its scale."""
    kind = estimator.spec.kind
    prediction = estimator.predict(sample)
    if args.affine_alignment:
        assert sample.depth is not None
        fitted = least_squares(prediction.values, sample.depth, kind)
        depth = np.empty(prediction.shape, np.float32)
        return to_metres(prediction, estimator.spec, fitted, 1.0, depth), fitted.scale
    if args.median_scaling and args.scale is None and not kind.has_shift:
        # any unit will do
        estimator.configure(config.replaced({'scale.source': 'fixed', 'scale.value': 1.0}))
    frame = estimator.measure(prediction, dataclasses.replace(sample, camera=camera))
    if frame.depth is None:
        hint = '--affine-alignment' if kind.has_shift else '--scale S or --median-scaling'
        raise DataError(
            f'{sample.name}: {frame.note}', f'Here: {hint}, and --camera, --hfov or '
            '--no-focal-correction if the camera is not known.'
        )
    assert frame.scale is not None
    return frame.depth.copy(), frame.scale.scale


def _print(report: dict[str, Any], args: argparse.Namespace) -> None:
    how = 'median scaling' if args.median_scaling else (
        'affine alignment' if args.affine_alignment else
        f'aligned to {100 * args.anchors:g} % of the truth' if args.anchors else 'no alignment')
    crop = 'garg' if args.garg_crop else args.crop
    print(
        f'{report["frames"]} frames, {report["pixels"]} pixels, {how}, scale '
        f'{report["scale"]:.4g}, crop {crop}, {args.floor:g} to {args.cap:g} m, '
        f'{100 * report["coverage"]:.1f} % predicted'
    )
    print('  '.join(f'{name:>8}' for name in NAMES))
    print('  '.join(f'{report[name]:8.4f}' for name in NAMES))
    if 'interval95' in report:
        low, high = report['interval95']['abs_rel']
        print(f'95 % interval of abs_rel: {low:.4f} to {high:.4f} (bootstrap over frames)')
