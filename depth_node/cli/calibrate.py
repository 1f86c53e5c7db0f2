"""`depth-node calibrate`: the scale from frames with known distances, as YAML for the node."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import contextlib
import dataclasses
import itertools
import math

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.cli.anchors import (
    add_anchor_options,
    check_distances,
    has_anchors,
    known_distances,
)
from depth_node.cli.numbers import frames, metres, real
from depth_node.cli.options import (
    add_camera_options,
    add_json_option,
    add_network_options,
    add_parameters,
    calibration_from,
    chosen_camera,
    config_from,
    estimator_from,
    model_from,
    numbers_from,
)
from depth_node.cli.progress import progress
from depth_node.cli.results import output_file, write_json
from depth_node.cli.skipped import Skipped
from depth_node.errors import ConfigError, DataError
from depth_node.estimator import DepthEstimator, NO_CAMERA
from depth_node.model import OutputKind
from depth_node.model.fingerprint import fingerprint
from depth_node.scale import (
    FloorPose,
    Measurement,
    NotObservable,
    Region,
    ScaleCalibration,
    ScaleFrame,
    write_scale,
)
from depth_node.scale.frames import ENOUGH, measure_together
from depth_node.scale.ground import ground_pixels, measured_on
from depth_node.scale.marker import anchors_on, with_print_errors
from depth_node.scale.marker_finding import Marker, MarkerFinder
from depth_node.scale.measurement import MAX_SIGMA, relative_sigma
from depth_node.scale.pixels import Pixels, pixels_at, together
from depth_node.scale.plausibility import plausible
from depth_node.scale.points import MAX_POINTS, on_edge, pixels_on
from depth_node.sources.datasets import LayoutOptions, LAYOUTS
from depth_node.sources.frame import Frame
from depth_node.sources.frames import open_source

_FRAMES, _MARKER = 'frames', 'marker'
_LAYOUTS = {
    _FRAMES: 'image, folder, video or bag, with --at, --height, --points or --depth',
    _MARKER: 'image, folder, video or bag that shows printed markers, with --size',
    **{name: layout.contents for name, layout in LAYOUTS.items() if layout.measured},
}
_REACH = 3
"""Pixels around a point of known distance that are assumed to have the same distance."""
Known = list[tuple[float, float, float]]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    layouts = '; '.join(f'{name}: {what}' for name, what in _LAYOUTS.items())
    parser.add_argument('layout', choices=_LAYOUTS, metavar='LAYOUT', help=layouts)
    parser.add_argument('folder', metavar='DIR', help='the data')
    parser.add_argument(
        '--out', metavar='YAML', type=output_file, required=True,
        help='output file, for scale.calibration_file of the node',
    )
    group = parser.add_argument_group('printed markers (layout marker)')
    group.add_argument('--marker-size', metavar='M', type=float, default=0.0,
                       help='side of the black squares (m); --size M is the same in this layout')
    add_parameters(group, {'--dictionary': 'marker.dictionary', '--ids': 'marker.ids'})
    group = parser.add_argument_group('distances by tape or floor (layout frames)')
    group.add_argument(
        '--at', metavar='COLUMN,ROW,METRES', action='append', default=[],
        help='depth along the optical axis at a pixel; can be repeated',
    )
    group.add_argument('--height', metavar='M', type=metres, default=0.0,
                       help='height of the camera above flat ground in the frames (m)')
    group.add_argument('--pitch', metavar='DEG', type=real(-90.0, 90.0), default=0.0,
                       help='angle by which the camera looks down (deg)')
    group.add_argument('--roll', metavar='DEG', type=real(-180.0, 180.0), default=0.0,
                       help='angle by which it leans to its right (deg)')
    group.add_argument('--tilt-sigma', metavar='DEG', type=real(0.0, 45.0), default=0.5,
                       help='standard deviation of pitch and roll (deg)')
    add_anchor_options(parser)
    parser.add_argument(
        '--frames', type=frames, default=50, help='maximum number of frames; 0: all'
    )
    add_network_options(parser)
    parser.add_argument(
        '--no-focal-correction', action='store_true',
        help='like the node with depth.focal_correction: false',
    )
    add_camera_options(parser)
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """
    Measure the scale, print it, and write the file.

    :param args: the parsed options.
    :returns: 0, or 1 if frames were left out.
    :raises DepthNodeError: the data, the model or the options cannot be used, or they do not
        determine the scale.
    """
    _marker_size(args)
    known = [_known(text) for text in args.at]
    if args.height < 0:
        raise ConfigError(f'--height is {args.height:g} m, expected a positive number.')
    check_distances(args)
    given = {'--at': bool(known), '--height': args.height > 0, '--points': args.points,
             '--depth': args.depth}
    ways = [option for option, value in given.items() if value]
    if (args.layout == _FRAMES) != bool(ways):
        raise ConfigError(
            f'The layout is {args.layout}. Use one of {", ".join(given)} with the layout frames, '
            'which needs it.'
        )
    if len(ways) > 1:
        raise ConfigError(f'{" and ".join(ways)} cannot be combined. Use one of them.')
    ground = None
    if args.height > 0:
        pitch, roll, sigma = map(math.radians, (args.pitch, args.roll, args.tilt_sigma))
        ground = FloorPose.from_angles(args.height, pitch, roll, tilt_sigma=sigma)
    skipped = Skipped('calibrate')
    gains: list[float] = []
    found, kind, frames = _measured(args, known, ground, skipped, gains)
    if isinstance(found, NotObservable):
        raise DataError(f'The frames do not determine the scale: {found.reason}.')
    model = model_from(args, config_from(args))
    covariance = found.covariance + found.bias
    sigma = relative_sigma(found.value, covariance, found.typical)
    if not sigma < MAX_SIGMA:
        raise DataError(
            f'The frames do not determine the scale: they differ so much that its uncertainty is '
            f'{100 * sigma:.0f} %, expected {100 * MAX_SIGMA:g} % or less.',
            'Use another model, or recover the scale while driving (scale.source, doc/scale.md).',
        )
    shift = float(found.value[1]) if found.value.size > 1 else 0.0
    source = 'ground' if ground else 'distances' if args.layout == _FRAMES else args.layout
    calibration = ScaleCalibration(
        model.spec.name, fingerprint(model.path), kind, math.exp(found.value[0]), shift,
        tuple(map(tuple, covariance.tolist())), found.typical, source,
    )
    write_scale(args.out, calibration)
    print(f'scale {calibration.scale:.5g}' + (f', shift {shift:.5g}' if kind.has_shift else ''))
    print(f'metres of a frame known to {100 * sigma:.1f} % (1 sigma; {_basis(frames)}), '
          f'a pixel within it to {100 * found.misfit:.0f} %')
    print(f'{found.inliers} of {found.points} pixels agree, {frames} frames')
    if gains:
        print(f'with such distances in every frame, the local correction (scale.local) would take '
              f'away {100 * np.median(gains):.0f} % of what is left at distances held out')
    print(f'written to {args.out}')
    write_json(args.json, {
        'scale': calibration.scale, 'shift': shift, 'sigma': sigma, 'inliers': found.inliers,
        'points': found.points, 'frames': frames, 'misfit': found.misfit,
        'local_gain': float(np.median(gains)) if gains else None,
    })
    return skipped.finish(frames)


def _marker_size(args: argparse.Namespace) -> None:
    """Let --size be the side of the markers, in metres, in the layout that has them."""
    if args.layout != _MARKER:
        if args.marker_size:
            raise ConfigError('--marker-size goes with the layout marker.')
        return
    with contextlib.suppress(ValueError):
        args.marker_size, args.size = args.marker_size or float(args.size), 'auto'
    if not 0 < args.marker_size <= 10:
        raise ConfigError(
            'The layout marker needs the side of the black squares in metres: --size 0.16.'
        )


def _basis(frames: int) -> str:
    if frames > ENOUGH:
        return 'from the differences between the frames'
    return f'with {frames} of at least {ENOUGH + 1:.0f} frames mostly assumed'


def _known(text: str) -> tuple[float, float, float]:
    try:
        column, row, metres = map(float, text.split(','))
    except ValueError:
        raise ConfigError(f'--at is {text!r}, expected COLUMN,ROW,METRES like 320,400,1.5.') \
            from None
    if not (metres > 0 and math.isfinite(column + row + metres)):
        raise ConfigError(f'--at {text}: expected a positive distance.')
    return column, row, metres


def _measured(
    args: argparse.Namespace, known: Known, ground: FloorPose | None, skipped: Skipped,
    gains: list[float],
) -> tuple[Measurement | NotObservable, OutputKind, int]:
    """
    Return the result over all frames, the kind of the network, and the number of frames.

    What the local correction gains in each frame is added to `gains`.
    """
    parts: list[Pixels] = []
    rays: list[NDArray[np.float64]] = []
    seen: list[Marker] = []
    finder = MarkerFinder(args.dictionary) if args.layout == _MARKER else None
    estimator: DepthEstimator | None = None
    try:
        for sample in _samples(args, skipped):
            skipped.frame()
            size = sample.size
            if estimator is None:
                estimator = estimator_from(args, config_from(args), size)
            frame = _seen(args, estimator, sample, chosen_camera(args, sample.camera, size))
            if finder is not None:
                seen += _add_markers(parts, args, finder, frame)
            elif ground is not None:
                looked = ground_pixels(frame, ground, Region(far=8.0))
                if isinstance(looked, NotObservable):
                    raise DataError(f'{sample.name}: {looked.reason}.')
                parts.append(looked[0])
                rays.append(looked[1])
            elif has_anchors(args):
                anchors, aligned = known_distances(args, frame)
                gains.append(0.0 if aligned.field is None else aligned.field.gain)
                parts.append(pixels_on(frame, anchors))
            else:
                parts.append(_pixels(frame, sample, known))
    finally:
        if estimator is not None:
            estimator.close()
    if estimator is None:
        skipped.finish(0)
        raise DataError(f'{args.folder}: contains no frame.')
    if not parts:
        raise DataError(
            f'{args.folder}: no frame shows a marker of {args.dictionary}.',
            'Check --dictionary and --ids; the white border has to be visible, too.',
        )
    kind = estimator.spec.kind
    found: Measurement | NotObservable | None = None
    if ground is not None:
        found = measured_on(kind, together(parts), np.concatenate(rays), ground)
    found = measure_together(kind, parts, found)
    if isinstance(found, Measurement):
        found = plausible(estimator.spec, found) or with_print_errors(found, seen)
    return found, kind, len(parts)


def _add_markers(
    parts: list[Pixels], args: argparse.Namespace, finder: MarkerFinder, frame: ScaleFrame
) -> list[Marker]:
    """Add the pixels on the markers of a frame, where it shows some; return these."""
    found = finder.find(frame.frame.rgb, frame.camera, args.marker_size, frame.rays)
    wanted = {int(number) for number in args.ids}
    markers = [marker for marker in found if not wanted or marker.number in wanted]
    if markers:
        anchors = anchors_on(markers, frame.rays, frame.values.shape)
        parts.append(pixels_on(frame, anchors))
    return markers


def _samples(args: argparse.Namespace, skipped: Skipped) -> Iterator[Frame]:
    limit = args.frames or None
    if args.layout in {_FRAMES, _MARKER}:
        source = open_source(
            args.folder, numbers_from(args), rectified=args.rectified, on_skip=skipped
        )
        if source.count is None and limit is None:
            raise ConfigError(
                f'{source.name} never ends. Limit the number of frames with --frames N.',
            )
        count = source.count if limit is None else limit
        yield from progress(itertools.islice(source, limit), count, 'frame')
        return
    opener = LAYOUTS[args.layout].open
    assert opener is not None
    options = LayoutOptions(calibration_from(args), args.depth_scale)
    dataset = opener(args.folder, options).first(args.frames)
    yield from progress(dataset.frames(skipped), len(dataset), 'frame')


def _seen(
    args: argparse.Namespace, estimator: DepthEstimator, sample: Frame, camera: Camera | None
) -> ScaleFrame:
    prediction = estimator.predict(sample)
    focal = estimator.focal(camera)
    looks = args.height > 0 or args.layout == _MARKER or args.points is not None
    if focal is None or (camera is None and looks):
        raise DataError(f'{sample.name}: {NO_CAMERA} Here: --camera or --hfov.')
    if camera is None:
        # only ground, markers and points look at rays
        height, width = sample.rgb.shape[:2]
        camera = Camera.from_hfov(width, height, 60.0)
    frame = dataclasses.replace(sample, camera=camera)
    return ScaleFrame(frame, prediction.values, estimator.spec, camera.rays(), focal)


def _pixels(frame: ScaleFrame, sample: Frame, known: Known) -> Pixels:
    """Return the pixels of a frame with known distance."""
    height, width = frame.values.shape
    if known:
        around = np.arange(-_REACH, _REACH + 1)
        places = [
            (row + dy, column + dx, metres)
            for column, row, metres in known for dy in around for dx in around
        ]
        rows, columns, z = np.array(places, np.float64).T
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        if not inside.any():
            raise ConfigError(f'--at: no such pixel in an image of {width}x{height}.')
        rows, columns, z = rows[inside], columns[inside], z[inside]
        return pixels_at(frame, np.rint(rows).astype(np.int64).clip(0, height - 1),
                         np.rint(columns).astype(np.int64).clip(0, width - 1), z)
    assert sample.depth is not None
    rows, columns = np.nonzero(np.isfinite(sample.depth))
    some = np.linspace(0, rows.size - 1, min(MAX_POINTS, rows.size)).astype(np.int64)
    rows, columns = rows[some], columns[some]
    flat = ~on_edge(frame, rows, columns)
    rows, columns = rows[flat], columns[flat]
    return pixels_at(frame, rows, columns, sample.depth[rows, columns].astype(np.float64))
