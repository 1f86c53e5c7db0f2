"""
Point clouds and meshes as PLY files, for MeshLab, CloudCompare and Open3D.

Those programs open a file with x to the right and y up, looking along -z. Data of robots have
other axes, so there is one rule for every file: it is in the frame its data are in, which its
header names, or turned upright for those programs.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.errors import DataError
from depth_node.files import replacing

_KINDS = {'<f4': 'float', 'u1': 'uchar'}
_COLORS = ('red', 'green', 'blue')


class Axes(str, enum.Enum):
    """The directions of x, y and z."""

    OPTICAL = 'x right, y down, z forward'
    """The optical frame of a camera (REP-103)."""
    MAP = 'x ahead, y left, z up'
    """A map, and a robot (REP-103)."""
    VIEWER = 'x right, y up, z towards the viewer'
    """As programs for clouds and meshes open a file."""


_UPRIGHT = {
    Axes.OPTICAL: np.array([[1, 0, 0], [0, -1, 0], [0, 0, -1]], np.float32),
    Axes.MAP: np.array([[0, -1, 0], [0, 0, 1], [-1, 0, 0]], np.float32),
    Axes.VIEWER: np.eye(3, dtype=np.float32),
}


def write_ply(
    path: Path, points: NDArray[np.float32], rgb: NDArray[np.uint8] | None = None, *,
    normals: NDArray[np.float32] | None = None, faces: NDArray[np.int32] | None = None,
    axes: Axes = Axes.OPTICAL, upright: bool = False,
) -> None:
    """
    Write points or a mesh as binary little-endian PLY.

    :param path: the file, written atomically.
    :param points: float32 (N, 3), m; all finite, because viewers do not accept NaN.
    :param rgb: uint8 (N, 3), or None for points without color.
    :param normals: float32 (N, 3), or None.
    :param faces: int32 (M, 3), indices of points, counterclockwise seen from outside, or None.
    :param axes: of the points.
    :param upright: whether they are turned to `Axes.VIEWER`.
    :raises DataError: points that are not finite, another number of colors or normals, faces of
        points that do not exist, or a write error.
    """
    _check(path, points, rgb, normals, faces)
    if upright:
        points = points @ _UPRIGHT[axes].T
        normals = None if normals is None else normals @ _UPRIGHT[axes].T
        axes = Axes.VIEWER
    columns: list[tuple[str, str, NDArray[Any]]] = [
        (axis, '<f4', points[:, index]) for index, axis in enumerate('xyz')
    ]
    if normals is not None:
        columns += [(f'n{axis}', '<f4', normals[:, i]) for i, axis in enumerate('xyz')]
    if rgb is not None:
        columns += [(color, 'u1', rgb[:, index]) for index, color in enumerate(_COLORS)]
    vertices = np.empty(len(points), [(name, kind) for name, kind, _ in columns])
    for name, _, values in columns:
        vertices[name] = values
    header = [
        'ply',
        'format binary_little_endian 1.0',
        f'comment depth_node: metres, {axes.value}',
        f'element vertex {len(points)}',
        *(f'property {_KINDS[kind]} {name}' for name, kind, _ in columns),
    ]
    if faces is not None:
        header += [f'element face {len(faces)}', 'property list uchar int vertex_indices']
    with replacing(path) as temporary, temporary.open('wb') as file:
        file.write('\n'.join([*header, 'end_header\n']).encode('ascii'))
        file.write(vertices.tobytes())
        if faces is not None:
            rows = np.empty(len(faces), [('count', 'u1'), ('indices', '<i4', 3)])
            rows['count'], rows['indices'] = 3, faces
            file.write(rows.tobytes())


def _check(
    path: Path, points: NDArray[np.float32], rgb: NDArray[np.uint8] | None,
    normals: NDArray[np.float32] | None, faces: NDArray[np.int32] | None,
) -> None:
    """Refuse what is no cloud and no mesh."""
    if not np.isfinite(points).all() or (rgb is not None and len(rgb) != len(points)):
        raise DataError(
            f'{path}: expected finite points with a color each, found {len(points)} points, '
            f'{int((~np.isfinite(points)).any(axis=1).sum())} of them not finite, and '
            f'{"no" if rgb is None else len(rgb)} colors.'
        )
    if normals is not None and len(normals) != len(points):
        raise DataError(f'{path}: has {len(normals)} normals for {len(points)} points.')
    if faces is not None and faces.size and not 0 <= faces.min() <= faces.max() < len(points):
        raise DataError(
            f'{path}: has faces of points {faces.min()} to {faces.max()}, but {len(points)} '
            'points.'
        )
