"""RGB-D layout: color, depth registered to it, and poses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.camera.rigid import matrix_of
from depth_node.errors import DataError
from depth_node.files import read_text
from depth_node.sources.dataset import Dataset, find_file, stems_in
from depth_node.sources.depth_files import read_depth
from depth_node.sources.frame import fitted, Frame
from depth_node.sources.pictures import IMAGES, read_rgb

_DEPTHS = ('.png', '.pgm', '.tif', '.tiff', '.npy', '.pfm')


def rgbd(folder: Path, camera: Camera | None = None, *, depth_scale: float = 1000.0) -> Dataset:
    """
    Open an RGB-D layout: color and registered depth with equal file names, and pose.txt.

    :param folder: the folder with them; pose.txt (x y z qx qy qz qw in each line) is optional.
    :param camera: camera of the color images, or None.
    :param depth_scale: units per metre, for integer files; 0 is unknown.
    :returns: the frames.
    :raises DataError: a folder is missing, or the files do not match.
    """
    names = stems_in(folder / 'color', IMAGES)
    poses: dict[str, NDArray[np.float64]] = {}
    if (folder / 'pose.txt').is_file():
        lines = [line for line in read_text(folder / 'pose.txt').splitlines() if line.strip()]
        if len(lines) != len(names):
            raise DataError(f'{folder}: has {len(names)} images but {len(lines)} poses.')
        poses = {name: _pose(line, folder) for name, line in zip(names, lines, strict=True)}

    def read(name: str) -> Frame:
        rgb = read_rgb(find_file(folder / 'color', name, IMAGES))
        depth = read_depth(find_file(folder / 'depth', name, _DEPTHS), depth_scale)
        if depth.shape != rgb.shape[:2]:
            raise DataError(
                f'{folder}, {name}: the depth image is {depth.shape[1]}x{depth.shape[0]}, the '
                f'picture {rgb.shape[1]}x{rgb.shape[0]}.'
            )
        return Frame(rgb, None, fitted(camera, rgb), name, depth, poses.get(name))

    return Dataset(names, read)


def _pose(line: str, folder: Path) -> NDArray[np.float64]:
    """Parse x y z qx qy qz qw."""
    try:
        return matrix_of([float(word) for word in line.split()])
    except (ValueError, DataError):
        raise DataError(
            f'{folder / "pose.txt"}: {line!r} is not x y z qx qy qz qw, with a quaternion that '
            'is not zero.'
        ) from None
