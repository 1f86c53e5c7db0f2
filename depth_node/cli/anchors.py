"""Options of known distances: points of a sensor, or a registered depth image."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_node.camera.rigid import matrix_of
from depth_node.cli.numbers import real
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
from depth_node.sources.depth_files import file_of, read_depth
from depth_node.sources.frame import Frame
from depth_node.sources.point_files import read_points


def add_anchor_options(parser: argparse.ArgumentParser) -> None:
    """
    Add `--points`, `--depth` and what belongs to them.

    :param parser: of a verb.
    """
    group = parser.add_argument_group('known distances')
    group.add_argument(
        '--points', metavar='FILE', type=Path,
        help='points measured by a sensor (m), which determine scale, shift and local correction: '
             '.npy (N, 3), .bin (float32 x y z reflectance), .ply, .pcd, .txt or .xyz; or a '
             'folder with one such file per frame, named like the frame',
    )
    group.add_argument(
        '--extrinsic', metavar='X,Y,Z,QX,QY,QZ,QW', default='0,0,0,0,0,0,1',
        help="pose of that sensor in the camera's optical frame (m, quaternion); by default the "
             'points are in the optical frame',
    )
    group.add_argument(
        '--depth', metavar='FILE', type=Path,
        help='registered depth (.npy m, 16-bit PNG), or a folder with one file per frame, named '
             'like the frame; instead of points',
    )
    group.add_argument('--depth-scale', type=real(1e-6, 1e9), default=1000.0,
                       help='units per metre in 16-bit depth images')


def check_distances(args: argparse.Namespace) -> None:
    """
    Refuse known distances that cannot be used with any frame.

    :param args: with the options of :func:`add_anchor_options`, and maybe `--align-disparity`.
    :raises ConfigError: options that exclude each other, or a pose that is none.
    :raises DataError: there is no such file or folder.
    """
    options = {'--points': args.points, '--depth': args.depth,
               '--align-disparity': getattr(args, 'align_disparity', None)}
    given = {option: path for option, path in options.items() if path is not None}
    if len(given) > 1:
        raise ConfigError(f'{" and ".join(given)} cannot be combined. Use one of them.')
    for option, path in given.items():
        if not path.exists():
            raise DataError(f'{option}: {path}: no such file or folder.')
    extrinsic_of(args)


def has_anchors(args: argparse.Namespace) -> bool:
    """
    Return whether points or depth are given.

    :param args: with the options of :func:`add_anchor_options`.
    """
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
    return known_distances(args, seen(prediction.values, estimator.spec, frame))[1]


def known_distances(
    args: argparse.Namespace, frame: ScaleFrame
) -> tuple[Anchors, Aligned]:
    """
    Read the known distances of a frame and align it to them.

    :param args: with the options of :func:`add_anchor_options`.
    :param frame: the frame, with a camera where points are given.
    :returns: its pixels of known distance, and what makes metres of it.
    :raises DataError: a file that cannot be read, or distances that do not determine the scale
        or do not belong to the frame.
    """
    if args.depth is not None:
        depth = read_depth(file_of(args.depth, frame.frame.name), args.depth_scale)
        anchors = depth_anchors(frame, depth)
    elif frame.frame.camera is None:
        raise ConfigError('--points needs the calibration of the camera. Add --camera or --hfov.')
    else:
        points = read_points(file_of(args.points, frame.frame.name))
        anchors = point_anchors(frame, points, extrinsic_of(args))
    found = align(frame, anchors)  # names wrong units
    check_anchors(frame, anchors)
    return anchors, found


def extrinsic_of(args: argparse.Namespace) -> NDArray[np.float64]:
    """Return the pose of the sensor, as a matrix."""
    try:
        return matrix_of([float(word) for word in args.extrinsic.split(',')])
    except (ValueError, DataError) as error:
        raise ConfigError(
            f'--extrinsic is {args.extrinsic!r}, expected X,Y,Z,QX,QY,QZ,QW.'
        ) from error
