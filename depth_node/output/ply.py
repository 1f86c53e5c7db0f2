"""Point clouds as PLY files, for MeshLab, CloudCompare and Open3D."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_node.errors import DataError
from depth_node.files import replacing


def write_ply(
    path: Path, points: NDArray[np.float32], rgb: NDArray[np.uint8] | None = None
) -> None:
    """
    Write points as binary little-endian PLY.

    :param path: the file, written atomically.
    :param points: float32 (N, 3), m; all finite, because viewers do not accept NaN.
    :param rgb: uint8 (N, 3), or None for points without color.
    :raises DataError: points that are not finite, another number of colors, or a write error.
    """
    fields = [(axis, '<f4') for axis in 'xyz']
    if rgb is not None:
        fields += [(color, 'u1') for color in ('red', 'green', 'blue')]
    if not np.isfinite(points).all() or (rgb is not None and len(rgb) != len(points)):
        raise DataError(
            f'{path}: expected finite points with a color each, found {len(points)} points, '
            f'{int((~np.isfinite(points)).any(axis=1).sum())} of them not finite, and '
            f'{"no" if rgb is None else len(rgb)} colors.'
        )
    vertices = np.empty(len(points), fields)
    for index, axis in enumerate('xyz'):
        vertices[axis] = points[:, index]
    if rgb is not None:
        for index, color in enumerate(('red', 'green', 'blue')):
            vertices[color] = rgb[:, index]
    kinds = {'<f4': 'float', 'u1': 'uchar'}
    header = '\n'.join([
        'ply',
        'format binary_little_endian 1.0',
        'comment depth_node: metres',
        f'element vertex {len(points)}',
        *(f'property {kinds[kind]} {name}' for name, kind in fields),
        'end_header',
    ])
    with replacing(path) as temporary, temporary.open('wb') as file:
        file.write(f'{header}\n'.encode('ascii'))
        file.write(vertices.tobytes())
