"""
Depth and clouds as files for other programs.

`*_depth.png` is 16-bit millimetres with 0 for invalid (REP-118's other encoding), `*_depth.npy`
float32 metres, `*.ply` a binary point cloud for MeshLab, CloudCompare and Open3D.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.cloud.maker import CloudMaker
from depth_node.errors import DataError
from depth_node.files import replacing
from depth_node.image.encodings import to_millimetres
from depth_node.output.ply import write_ply


def write_npy(path: Path, values: NDArray[Any]) -> None:
    """
    Write an array.

    :param path: NAME.npy.
    :param values: any array.
    :raises DataError: it cannot be written.
    """
    with replacing(path) as temporary, temporary.open('wb') as file:
        np.save(file, values)


def write_picture(path: Path, picture: NDArray[Any]) -> None:
    """
    Write a PNG.

    :param path: NAME.png.
    :param picture: uint8 (H, W, 3) blue, green, red, or uint16 (H, W).
    :raises DataError: it cannot be written.
    """
    with replacing(path) as temporary:
        good, data = cv2.imencode('.png', picture)
        if not good:
            raise DataError(f'{path}: OpenCV cannot write this image. Check the file name.')
        temporary.write_bytes(data.tobytes())


def write_millimetres(path: Path, depth: NDArray[np.float32]) -> None:
    """
    Write depth as a 16-bit PNG.

    :param path: NAME.png.
    :param depth: float32 (H, W) (m); values that are not finite or exceed 65.535 m become 0.
    :raises DataError: it cannot be written.
    """
    write_picture(path, to_millimetres(depth))


def write_cloud(
    path: Path, depth: NDArray[np.float32], maker: CloudMaker, rgb: NDArray[np.uint8], *,
    upright: bool = False,
) -> None:
    """
    Write the visible points with their colors as PLY.

    :param path: NAME.ply.
    :param depth: float32 (H, W), z-depth (m); pixels that are not finite have no point.
    :param maker: computes the points of the camera.
    :param rgb: uint8 (H, W, 3).
    :param upright: whether it stands in programs that open it, instead of in the optical frame.
    :raises DataError: it cannot be written.
    """
    points = maker.organized(depth)
    valid = np.isfinite(points[..., 2])
    write_ply(path, points[valid], rgb[valid], upright=upright)
