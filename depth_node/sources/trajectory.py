"""Trajectories: files with the poses of a camera, and poses between two of them."""

from __future__ import annotations

from dataclasses import dataclass
import io
from pathlib import Path
import warnings

import numpy as np
from numpy.typing import NDArray

from depth_node.camera.rigid import interpolated, is_rigid, Matrix, matrix_of
from depth_node.errors import DataError
from depth_node.files import read_text
from depth_node.sources.frame import SECOND

_LARGEST_FILE = 2**28
"""Bytes: 900 hours at 1 Hz, 9 hours at 100 Hz."""
_KITTI, _PLAIN, _TUM = 12, 7, 8


@dataclass(frozen=True)
class Trajectory:
    """
    Poses over time, or one for each frame.

    :param poses: float64 (N, 4, 4), camera (or what it is mounted on) to a fixed frame (m).
    :param stamps: int64 (N,), ascending (ns); None: pose and frame of the same number belong
        together.
    """

    poses: NDArray[np.float64]
    stamps: NDArray[np.int64] | None = None

    def at(self, stamp: int, gap: int) -> Matrix | None:
        """
        Return the pose of a time, between two poses.

        :param stamp: (ns).
        :param gap: longest time between the two poses, or to a single one (ns).
        :returns: float64 (4, 4), or None if there is none.
        """
        if self.stamps is None:
            return None
        return pose_at(self.stamps, self.poses, stamp, gap)

    def span(self) -> str:
        """Return what it covers, in words."""
        if self.stamps is None:
            return f'{len(self.poses)} frames'
        return f'{self.stamps[0] / SECOND:.3f} to {self.stamps[-1] / SECOND:.3f} s'


def pose_at(
    stamps: NDArray[np.int64], poses: NDArray[np.float64], stamp: int, gap: int
) -> Matrix | None:
    """
    Interpolate poses at a time.

    :param stamps: int64 (N,), ascending (ns).
    :param poses: float64 (N, 4, 4).
    :param stamp: the time (ns).
    :param gap: longest time between the two poses around it, and from the first or last pose to
        a time beyond it, which then has the pose of that end (ns).
    :returns: float64 (4, 4), or None: no pose is near enough.
    """
    after = int(np.searchsorted(stamps, stamp))
    if after < len(stamps) and stamps[after] == stamp:
        return np.array(poses[after])
    if after in (0, len(stamps)):
        end = min(after, len(stamps) - 1)
        # a camera's first frame is often a few milliseconds before the first pose
        return np.array(poses[end]) if 2 * abs(int(stamps[end]) - stamp) <= gap else None
    begin, end = int(stamps[after - 1]), int(stamps[after])
    if end - begin > gap:
        return None
    share = (stamp - begin) / (end - begin)
    return interpolated(poses[after - 1], poses[after], share)


def read_trajectory(path: Path) -> Trajectory:
    """
    Read a file of poses.

    :param path: rows of 12 numbers (3x4, as in KITTI), 8 (a stamp in seconds and ``x y z qx qy
        qz qw``, as in TUM) or 7 (the same without a stamp); comments begin with ``#``.
    :returns: the trajectory, in the order of time; of poses with the same stamp the first.
    :raises DataError: not readable, rows of another length, or no rotation.
    """
    rows = _rows(path)
    poses = np.tile(np.eye(4), (len(rows), 1, 1))
    if rows.shape[1] == _KITTI:
        poses[:, :3] = rows.reshape(-1, 3, 4)
    for number, row in enumerate(rows):
        if rows.shape[1] != _KITTI:
            try:
                poses[number] = matrix_of(row[-_PLAIN:].tolist())
            except DataError as error:
                raise DataError(f'{path}, pose {number + 1}: {error}') from error
        elif not is_rigid(poses[number]):
            raise DataError(f'{path}, pose {number + 1}: its first three columns are no rotation.')
    if rows.shape[1] != _TUM:
        return Trajectory(poses)
    stamps, order = np.unique(np.rint(rows[:, 0] * SECOND).astype(np.int64), return_index=True)
    return Trajectory(poses[order], stamps)


def _rows(path: Path) -> NDArray[np.float64]:
    """Read a table of finite numbers."""
    text = read_text(path, _LARGEST_FILE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', UserWarning)  # of an empty file
            rows = np.loadtxt(io.StringIO(text), dtype=np.float64, ndmin=2)
    except ValueError as error:
        raise DataError(
            f'{path}: is not a table of poses ({str(error).splitlines()[0]}).'
        ) from error
    if not rows.size:
        raise DataError(f'{path}: contains no pose.')
    if rows.shape[1] not in (_KITTI, _PLAIN, _TUM) or not np.isfinite(rows).all():
        raise DataError(
            f'{path}: rows of {rows.shape[1]} numbers, expected finite ones: 8 (TUM: stamp x y z '
            'qx qy qz qw), 12 (KITTI: 3x4) or 7 (x y z qx qy qz qw).'
        )
    if rows.shape[1] == _TUM and np.abs(rows[:, 0]).max() >= 2**63 / SECOND:
        raise DataError(f'{path}: the stamps are not seconds.', 'Divide nanoseconds by 1e9.')
    return rows


def stamp_in(name: str) -> int | None:
    """
    Return the stamp that the name of an image file is, as in TUM's data sets.

    :param name: without suffix.
    :returns: (ns), or None unless it is a number of seconds with a decimal point.
    """
    whole, point, part = name.partition('.')
    digits = whole + part
    if not point or not part or not (digits.isascii() and digits.isdecimal()) or len(whole) > 10:
        return None
    return int(whole or '0') * SECOND + int(part[:9].ljust(9, '0'))
