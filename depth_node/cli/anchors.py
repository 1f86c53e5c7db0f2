"""Options of known distances: points of a sensor, or a registered depth image."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_node.camera.rigid import matrix_of
from depth_node.errors import ConfigError, DataError
from depth_node.estimator import DepthEstimator
from depth_node.model.prediction import Prediction
from depth_node.scale.local import Anchors
from depth_node.scale.offline import (
    align,
    Aligned,
    check_anchors,
    depth_anchors,
    point_anchors,
    seen,
)
from depth_node.scale.pixels import ScaleFrame
from depth_node.sources.depth_files import read_depth
from depth_node.sources.frame import Frame

_READERS = ('.npy', '.bin', '.txt', '.xyz')


def add_anchor_options(parser: argparse.ArgumentParser) -> None:
    """
    Add `--points`, `--depth` and what belongs to them.

    :param parser: of a verb.
    """
    group = parser.add_argument_group('known distances')
    group.add_argument(
        '--points', metavar='FILE', type=Path,
        help='points of a sensor (m), from which scale, shift and the local correction are found: '
             '.npy (N, 3), .bin (float32 x y z reflectance), .txt or .xyz; or a folder with a '
             'file of the name of each frame',
    )
    group.add_argument(
        '--extrinsic', metavar='X,Y,Z,QX,QY,QZ,QW', default='0,0,0,0,0,0,1',
        help="pose of that sensor in the camera's optical frame (m, quaternion); by default the "
             'points are in the optical frame',
    )
    group.add_argument(
        '--depth', metavar='FILE', type=Path,
        help='registered depth (.npy m, 16-bit PNG), or a folder with a file of the name of each '
             'frame, instead of points',
    )
    group.add_argument('--depth-scale', type=float, default=1000.0,
                       help='units per metre in 16-bit depth images')


def has_anchors(args: argparse.Namespace) -> bool:
    """
    Return whether distances are given.

    :param args: with the options of :func:`add_anchor_options`.
    :raises ConfigError: options that exclude each other.
    """
    if args.points is not None and args.depth is not None:
        raise ConfigError('--points and --depth cannot be combined. Use one of them.')
    if args.depth_scale <= 0:
        raise ConfigError(f'--depth-scale is {args.depth_scale:g}, expected a positive number.')
    return args.points is not None or args.depth is not None


def aligned(
    args: argparse.Namespace, estimator: DepthEstimator, prediction: Prediction, frame: Frame
) -> Aligned:
    """
    Align a prediction to the known distances of its frame.

    :param args: with the options of :func:`add_anchor_options`.
    :param estimator: that made the prediction.
    :param prediction: of the frame.
    :param frame: the frame, with a camera where points are given.
    :returns: what makes metres of it.
    :raises DataError: a file that cannot be read, or distances that do not determine the scale.
    """
    looked = seen(prediction.values, estimator.spec, frame)
    if args.depth is not None:
        depth = read_depth(_of(args.depth, frame), args.depth_scale)
        return _checked(looked, depth_anchors(looked, depth))
    if frame.camera is None:
        raise ConfigError('--points needs the calibration of the camera. Add --camera or --hfov.')
    try:
        pose = matrix_of([float(word) for word in args.extrinsic.split(',')])
    except (ValueError, DataError) as error:
        raise ConfigError(
            f'--extrinsic is {args.extrinsic!r}, expected X,Y,Z,QX,QY,QZ,QW.'
        ) from error
    return _checked(looked, point_anchors(looked, read_points(_of(args.points, frame)), pose))


def _checked(looked: ScaleFrame, anchors: Anchors) -> Aligned:
    """Align, and refuse distances that do not belong to the frame."""
    found = align(looked, anchors)  # names wrong units
    check_anchors(looked, anchors)
    return found


def read_points(path: Path) -> NDArray[np.float64]:
    """
    Read points.

    :param path: .npy (N, 3 or more), .bin (float32 in fours), or text with x y z in each line.
    :returns: float64 (N, 3) (m).
    :raises DataError: unreadable, or no points.
    """
    if path.suffix.lower() not in _READERS:
        raise DataError(f'{path}: expected points as {", ".join(_READERS)}.')
    try:
        if path.suffix.lower() == '.npy':
            points = np.load(path, allow_pickle=False)
        elif path.suffix.lower() == '.bin':
            points = np.fromfile(path, np.float32).reshape(-1, 4)
        else:
            points = np.loadtxt(path, ndmin=2)
        points = np.asarray(points, np.float64)
    except (OSError, ValueError, EOFError) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f'{path}: cannot be read as points ({line}).') from error
    if points.ndim != 2 or points.shape[1] < 3 or not len(points):
        raise DataError(f'{path}: has shape {points.shape}, expected (N, 3) with x, y, z (m).')
    return points[:, :3]


def _of(path: Path, frame: Frame) -> Path:
    """Return the file of a frame: the one given, or the one of its name in a folder."""
    if not path.is_dir():
        return path
    files = (p for p in sorted(path.iterdir()) if p.stem == frame.name and p.name[0] != '.')
    found = next(files, None)
    if found is None:
        raise DataError(f'{path}: has no file named {frame.name}.')
    return found
