"""KITTI's object detection layout: images, lidar scans and calibrations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.errors import DataError
from depth_node.files import read_regular, read_text
from depth_node.sources.dataset import Dataset, find_file, stems_in
from depth_node.sources.frame import Frame
from depth_node.sources.pictures import IMAGES, read_rgb

Depth = NDArray[np.float32]
_LARGEST_SCAN = 2**28
"""Bytes: 16 million returns."""


def kitti_object(folder: Path) -> Dataset:
    """
    Open KITTI's object detection layout: image_2, velodyne and calib with equal file names.

    The ground truth are the returns of the lidar, projected into camera 2 (Geiger et al., Are we
    ready for autonomous driving, 2012); the nearest if several fall on a pixel.

    :param folder: the folder with the three.
    :returns: the frames.
    :raises DataError: a folder or file is missing; when reading a sample: damaged files.
    """
    names = stems_in(folder / 'image_2', IMAGES)

    def read(name: str) -> Frame:
        rgb = read_rgb(find_file(folder / 'image_2', name, IMAGES))
        height, width = rgb.shape[:2]
        projection, to_camera = read_kitti_calibration(folder / 'calib' / f'{name}.txt')
        scan = _scan(folder / 'velodyne' / f'{name}.bin')
        points = to_camera @ np.vstack([scan[:, :3].T, np.ones(len(scan))])
        camera = Camera(
            width, height, projection[0, 0], projection[1, 1], projection[0, 2],
            projection[1, 2],
        )
        depth = splat(projection @ points, height, width)
        return Frame(rgb, None, camera, name, depth)

    return Dataset(names, read)


def read_kitti_calibration(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Read a calibration file of KITTI's object detection.

    :param path: calib/NAME.txt.
    :returns: P2, (3, 4), from the rectified frame of camera 0 to pixels of camera 2, and
        R0_rect Tr_velo_to_cam, (4, 4), from the lidar to the rectified frame.
    :raises DataError: the file cannot be read, or a matrix is missing.
    """
    rows = {}
    for line in read_text(path).splitlines():
        key, colon, values = line.partition(':')
        if colon:
            rows[key.strip()] = values.split()

    def matrix(key: str, shape: tuple[int, int]) -> NDArray[np.float64]:
        try:
            return np.array(rows[key], np.float64).reshape(shape)
        except (KeyError, ValueError):
            raise DataError(f'{path}: {key} is missing or not {shape[0]}x{shape[1]}.') from None

    projection, rectify, lidar = matrix('P2', (3, 4)), np.eye(4), np.eye(4)
    rectify[:3, :3], lidar[:3] = matrix('R0_rect', (3, 3)), matrix('Tr_velo_to_cam', (3, 4))
    return projection, rectify @ lidar


def splat(pixels: NDArray[np.float64], height: int, width: int) -> Depth:
    """
    Return a sparse depth image of projected points.

    :param pixels: (3, n), homogeneous: column times z, row times z, z (m).
    :param height: rows (pixels).
    :param width: columns (pixels).
    :returns: float32 (H, W), the smallest z of each pixel (m), NaN where there is none.
    """
    pixels = pixels[:, pixels[2] > 0]
    z = pixels[2]
    u, v = (np.rint(pixels[axis] / z) for axis in (0, 1))
    inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
    depth = np.full((height, width), np.inf, np.float32)
    spot = v[inside].astype(np.intp), u[inside].astype(np.intp)
    np.minimum.at(depth, spot, z[inside].astype(np.float32))
    depth[np.isinf(depth)] = np.nan
    return depth


def _scan(path: Path) -> NDArray[np.float32]:
    """Read x, y, z and reflectance of every return."""
    raw = read_regular(path, _LARGEST_SCAN)
    if not raw or len(raw) % 16:
        raise DataError(f'{path}: contains {len(raw)} bytes, expected rows of 4 float32.')
    return np.frombuffer(raw, np.float32).reshape(-1, 4)
