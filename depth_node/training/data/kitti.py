"""
Sources in KITTI's layouts.

Raw drives (``image_02/data``, ``oxts``, ``calib_cam_to_cam.txt`` one folder up), odometry
sequences (``image_2``, ``calib.txt``, ``poses/NN.txt`` next to ``sequences``) and plain ones
(``image_l``, ``calib.txt``, ``poses.txt``). Geiger et al., "Vision meets Robotics", 2013.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.errors import DataError
from depth_node.files import read_text
from depth_node.sources.depth_files import read_depth
from depth_node.sources.frame import Frame
from depth_node.sources.pictures import images_in, read_rgb
from depth_node.sources.trajectory import read_trajectory

_LEFT_RIGHT = (
    ('image_02/data', 'image_03/data', 2),
    ('image_2', 'image_3', 2),
    ('image_00/data', 'image_01/data', 0),
    ('image_0', 'image_1', 0),
    ('image_l', 'image_r', 0),
)
_EARTH_RADIUS = 6378137.0  # m
_UNITS = 256.0  # of projected lidar depth, in a metre


def kitti_frames(folder: Path) -> Iterator[Frame]:
    """
    Read a drive in KITTI's layout.

    :param folder: the drive or sequence.
    :returns: its frames, with stereo, poses and projected lidar depth where they are there.
    :raises DataError: no known image folder, or an unreadable calibration.
    """
    left, right, number = _image_folders(folder)
    projection, partner = _projections(folder, number)
    images = images_in(left)
    poses = _poses(folder, len(images))
    depths = folder / 'proj_depth' / 'groundtruth' / left.relative_to(folder).parts[0]
    # P = K [I | t] with t_x = -fx * distance
    distance = 0.0
    if partner is not None:
        distance = (projection[0, 3] - partner[0, 3]) / projection[0, 0]
    for index, path in enumerate(images):
        image = read_rgb(path)
        height, width = image.shape[:2]
        twin = right / path.name
        depth = depths / f'{path.stem}.png'
        has_twin = partner is not None and twin.is_file()
        yield Frame(
            image,
            None,
            Camera(width, height, *_pinhole(projection)),
            depth=read_depth(depth, _UNITS) if depth.is_file() else None,
            pose=None if poses is None else poses[index],
            stereo=read_rgb(twin) if has_twin else None,
            baseline=distance if has_twin else 0.0,
        )


def _pinhole(projection: NDArray[np.float64]) -> tuple[float, float, float, float]:
    fx, fy = projection[0, 0], projection[1, 1]
    return float(fx), float(fy), float(projection[0, 2]), float(projection[1, 2])


def _image_folders(folder: Path) -> tuple[Path, Path, int]:
    for left, right, number in _LEFT_RIGHT:
        if (folder / left).is_dir():
            return folder / left, folder / right, number
    names = ', '.join(left for left, _, _ in _LEFT_RIGHT)
    raise DataError(f"{folder}: not in KITTI's layout.", f'Expected one of {names} in it.')


def _projections(
    folder: Path, number: int
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return the 3x4 projections of the left camera and of its partner."""
    places = (folder / 'calib.txt', folder.parent / 'calib_cam_to_cam.txt')
    path = next((p for p in places if p.is_file()), None)
    if path is None:
        raise DataError(f'{folder}: has no calibration.', f'Expected {places[0]} or {places[1]}.')
    named: dict[str, NDArray[np.float64]] = {}
    for row, line in enumerate(read_text(path).splitlines()):
        label, colon, rest = line.rpartition(':')
        try:
            values = [float(v) for v in rest.split()]
        except ValueError:
            continue  # a date, among the numbers of calib_cam_to_cam.txt
        if len(values) == 12:
            key = label.strip().removeprefix('P_rect_').removeprefix('P') if colon else str(row)
            named[str(int(key)) if key.isdigit() else key] = np.reshape(values, (3, 4))
    if str(number) not in named:
        raise DataError(f'{path}: has no projection of camera {number} (12 numbers).')
    return named[str(number)], named.get(str(number + 1))


def _poses(folder: Path, count: int) -> NDArray[np.float64] | None:
    """Read camera poses (3x4 rows), or those of GPS and IMU (for travelled distances only)."""
    for path in (folder / 'poses.txt', folder.parent.parent / 'poses' / f'{folder.name}.txt'):
        if path.is_file():
            poses = read_trajectory(path).poses
            if len(poses) != count:
                raise DataError(f'{path}: has {len(poses)} poses for {count} frames.')
            return poses
    records = sorted((folder / 'oxts' / 'data').glob('*.txt'))
    if len(records) != count or not records:
        return None
    rows = np.stack([np.loadtxt(r, dtype=np.float64)[:6] for r in records])
    return _from_oxts(rows)


def _from_oxts(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert latitude, longitude (degrees), altitude (m), roll, pitch, yaw (rad) to poses."""
    latitude, longitude = np.radians(rows[:, 0]), np.radians(rows[:, 1])
    scale = np.cos(latitude[0]) * _EARTH_RADIUS  # Mercator, true to length where it starts
    poses = np.tile(np.eye(4), (len(rows), 1, 1))
    poses[:, 0, 3] = scale * longitude
    poses[:, 1, 3] = scale * np.log(np.tan(np.pi / 4 + latitude / 2))
    poses[:, 2, 3] = rows[:, 2]
    for pose, (roll, pitch, yaw) in zip(poses, rows[:, 3:6], strict=True):
        turns = ((yaw, 2), (pitch, 1), (roll, 0))
        pose[:3, :3] = np.linalg.multi_dot([_about(axis, angle) for angle, axis in turns])
    poses[:, :3, 3] -= poses[0, :3, 3].copy()
    return poses


def _about(axis: int, angle: float) -> NDArray[np.float64]:
    """Return the rotation about one axis of the frame (rad)."""
    vector = np.zeros(3)
    vector[axis] = angle
    rotation: NDArray[np.float64] = cv2.Rodrigues(vector)[0]
    return rotation
