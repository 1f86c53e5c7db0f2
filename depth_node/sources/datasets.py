"""
Data sets with ground truth, in the folder layouts of their authors.

Depth is z-depth in metres, NaN where nothing was measured. Poses are camera to world.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
import re

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.camera.calibration_file import read_calibration
from depth_node.errors import DataError
from depth_node.sources.depth_files import read_depth
from depth_node.sources.frame import fitted, Frame
from depth_node.sources.frames import IMAGES, read_rgb
from depth_node.world import World

Depth = NDArray[np.float32]
_DEPTHS = ('.png', '.pgm', '.tif', '.tiff', '.npy', '.pfm')


@dataclass(frozen=True)
class Dataset(Sequence[Frame]):
    """
    Frames that are read when they are asked for.

    :param names: of the frames, in order.
    :param read: from a name to its frame.
    """

    names: tuple[str, ...]
    read: Callable[[str], Frame]

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.names)

    def __getitem__(self, index: int) -> Frame:  # type: ignore[override]
        """Read one frame."""
        return self.read(self.names[index])

    def __iter__(self) -> Iterator[Frame]:
        """Iterate over the frames, reading one at a time."""
        return map(self.read, self.names)


def kitti_object(folder: Path) -> Dataset:
    """
    Open KITTI's object detection layout: image_2, velodyne and calib with equal file names.

    The ground truth are the returns of the lidar, projected into camera 2 (Geiger et al., Are we
    ready for autonomous driving, 2012); the nearest if several fall on a pixel.

    :param folder: the folder with the three.
    :returns: the frames.
    :raises DataError: a folder or file is missing; when reading a sample: damaged files.
    """
    names = _stems(folder / 'image_2', IMAGES)

    def read(name: str) -> Frame:
        rgb = read_rgb(_find(folder / 'image_2', name, IMAGES))
        height, width = rgb.shape[:2]
        projection, to_camera = read_kitti_calibration(folder / 'calib' / f'{name}.txt')
        scan = _array(folder / 'velodyne' / f'{name}.bin', np.float32, 4)
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
    for line in _text(path).splitlines():
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


def kitti_sequence(folder: Path) -> Dataset:
    """
    Open a drive in KITTI's odometry layout: image_l (or image_0, image_2), calib.txt, poses.txt.

    :param folder: that holds them.
    :returns: the frames with their cameras and poses; there is no depth.
    :raises DataError: a file is missing or does not fit the others.
    """
    images = next((folder / name for name in ('image_l', 'image_2', 'image_0')
                   if (folder / name).is_dir()), folder / 'image_l')
    names = _stems(images, IMAGES)
    projection = re.sub(r'^P\d:', '', _text(folder / 'calib.txt').strip()).split()[:12]
    rows = [line.split() for line in _text(folder / 'poses.txt').splitlines() if line.strip()]
    try:
        p = np.array(projection, np.float64).reshape(3, 4)
        table = np.array(rows, np.float64).reshape(-1, 3, 4)
    except ValueError as error:
        raise DataError(f'{folder}: calib.txt or poses.txt is not as KITTI has it.') from error
    if len(table) != len(names):
        raise DataError(f'{folder}: has {len(names)} images but {len(table)} poses.')
    poses = {name: np.vstack([row, [0, 0, 0, 1]]) for name, row in zip(names, table, strict=True)}

    def read(name: str) -> Frame:
        rgb = read_rgb(_find(images, name, IMAGES))
        camera = Camera(rgb.shape[1], rgb.shape[0], p[0, 0], p[1, 1], p[0, 2], p[1, 2])
        return Frame(rgb, None, camera, name, pose=poses[name])

    return Dataset(names, read)


def rgbd(folder: Path, camera: Camera | None = None, *, depth_scale: float = 1000.0) -> Dataset:
    """
    Open an RGB-D layout: color and registered depth with equal file names, and pose.txt.

    :param folder: the folder with them; pose.txt (x y z qx qy qz qw in each line) is optional.
    :param camera: camera of the color images, or None.
    :param depth_scale: units per metre, for integer files; 0 is unknown.
    :returns: the frames.
    :raises DataError: a folder is missing, or the files do not match.
    """
    names = _stems(folder / 'color', IMAGES)
    poses: dict[str, NDArray[np.float64]] = {}
    if (folder / 'pose.txt').is_file():
        lines = [line for line in _text(folder / 'pose.txt').splitlines() if line.strip()]
        if len(lines) != len(names):
            raise DataError(f'{folder}: has {len(names)} images but {len(lines)} poses.')
        poses = {name: _pose(line, folder) for name, line in zip(names, lines, strict=True)}

    def read(name: str) -> Frame:
        rgb = read_rgb(_find(folder / 'color', name, IMAGES))
        depth = read_depth(_find(folder / 'depth', name, _DEPTHS), depth_scale)
        if depth.shape != rgb.shape[:2]:
            raise DataError(
                f'{folder}, {name}: the depth image is {depth.shape[1]}x{depth.shape[0]}, the '
                f'picture {rgb.shape[1]}x{rgb.shape[0]}.'
            )
        return Frame(rgb, None, fitted(camera, rgb), name, depth, poses.get(name))

    return Dataset(names, read)


def room_sets(folder: Path, *, depth_scale: float = 1000.0) -> dict[str, Dataset]:
    """
    Open several sets of RGB-D frames.

    :param folder: folder with one folder for each set: color, depth and camera.yaml.
    :param depth_scale: stored units per metre, for integer files; 0 is unknown.
    :returns: the sets by name.
    :raises DataError: no set, or one that cannot be read.
    """
    if not folder.is_dir():
        raise DataError(f'{folder}: no such folder.')
    found = sorted(path.parent for path in folder.glob('*/camera.yaml'))
    if not found:
        raise DataError(f'{folder}: no folder in it holds a camera.yaml.')
    return {
        part.name: rgbd(
            part, Camera.from_numbers(read_calibration(part / 'camera.yaml'), rectified=False),
            depth_scale=depth_scale,
        )
        for part in found
    }


def synthetic(
    seeds: Sequence[int], views: int = 10, *, size: tuple[int, int] = (320, 240),
    hfov: tuple[float, float] = (50.0, 90.0), height: tuple[float, float] = (0.3, 1.5),
) -> Dataset:
    """
    Open views of synthetic worlds from random poses, with exact depth.

    :param seeds: seeds of the worlds.
    :param views: number of views of each world.
    :param size: width and height (pixels).
    :param hfov: smallest and largest field of view, random for each view (deg).
    :param height: smallest and largest height of the camera (m).
    :returns: the frames, which depend only on the seeds.
    """
    def read(name: str) -> Frame:
        seed, number = (int(part) for part in name.split('_'))
        world, rng = World(seed), np.random.default_rng((seed, number))
        camera = Camera.from_hfov(*size, float(rng.uniform(*hfov)))
        pose = world.random_pose(rng, height=height)
        rgb, depth = world.render(camera, pose)
        return Frame(rgb, None, camera, name, depth, pose)

    return Dataset(tuple(f'{s}_{n}' for s in seeds for n in range(views)), read)


def prediction_pairs(folder: Path) -> list[tuple[str, Path, Path]]:
    """
    Match predicted with true depth: .npy files in ``predictions`` and ``truth``.

    :param folder: the folder with the two.
    :returns: name, predicted and true file of each pair; NAME_depth.npy, as written by
        `predict`, is matched with NAME.npy.
    :raises DataError: a folder is missing, or a prediction has no truth.
    """
    def files(side: str) -> dict[str, Path]:
        return {
            stem.removesuffix('_depth'): folder / side / f'{stem}.npy'
            for stem in _stems(folder / side, ('.npy',))
        }

    predicted, truth = files('predictions'), files('truth')
    missing = sorted(predicted.keys() - truth.keys())
    if missing:
        raise DataError(f'{folder / "truth"}: has no {missing[0]}.npy ({len(missing)} missing).')
    return [(name, predicted[name], truth[name]) for name in predicted]


def _stems(folder: Path, suffixes: Sequence[str]) -> tuple[str, ...]:
    if not folder.is_dir():
        raise DataError(f'{folder}: no such folder.')
    names = {path.stem for path in folder.iterdir() if path.suffix.lower() in suffixes}
    if not names:
        raise DataError(f'{folder}: contains no {", ".join(suffixes)} file.')
    return tuple(sorted(names, key=lambda name: (len(name), name) if name.isdecimal()
                        else (1000, name)))


def _find(folder: Path, name: str, suffixes: Sequence[str]) -> Path:
    for suffix in suffixes:
        if (folder / f'{name}{suffix}').is_file():
            return folder / f'{name}{suffix}'
    raise DataError(f'{folder}: has no {name} ({", ".join(suffixes)}).')


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8')
    except OSError as error:
        raise DataError(f'{path}: cannot be read ({error.strerror}).') from error
    except ValueError as error:
        raise DataError(f'{path}: is not text.') from error


def _array(path: Path, kind: type[np.float32], columns: int) -> NDArray[np.float32]:
    try:
        values = np.fromfile(path, kind)
    except OSError as error:
        raise DataError(f'{path}: cannot be read ({error.strerror}).') from error
    if not values.size or values.size % columns:
        raise DataError(f'{path}: contains {values.size} numbers, expected rows of {columns}.')
    return values.reshape(-1, columns)


def _pose(line: str, folder: Path) -> NDArray[np.float64]:
    """Parse x y z qx qy qz qw."""
    try:
        x, y, z, qx, qy, qz, qw = (float(word) for word in line.split())
    except ValueError:
        raise DataError(f'{folder / "pose.txt"}: {line!r} is not x y z qx qy qz qw.') from None
    size = float(np.linalg.norm([qx, qy, qz, qw]))
    if not (np.isfinite([x, y, z]).all() and np.isfinite(size) and size > 0):
        raise DataError(f'{folder / "pose.txt"}: the quaternion of {line!r} is zero.')
    axis, angle = np.array([qx, qy, qz]) / size, qw / size
    length = float(np.linalg.norm(axis))
    turn = axis / length * 2 * np.arctan2(length, angle) if length else axis
    pose = np.eye(4)
    pose[:3, :3] = cv2.Rodrigues(turn)[0]
    pose[:3, 3] = x, y, z
    return pose
