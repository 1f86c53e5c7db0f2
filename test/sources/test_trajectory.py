"""Files of poses, and poses between two of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from depth_node.errors import DataError
from depth_node.sources.frame import SECOND
from depth_node.sources.trajectory import read_trajectory, stamp_in

QUATERNION = [0, 0, np.sin(0.3), np.cos(0.3)]
TURN = Rotation.from_quat(QUATERNION).as_matrix()
PLACE = [1.0, 2.0, 3.0]


def write(path: Path, rows: object) -> Path:
    np.savetxt(path, np.atleast_2d(rows), fmt='%.9f')
    return path


@pytest.mark.parametrize('columns', [7, 8, 12])
def test_every_format(tmp_path: Path, columns: int) -> None:
    row = {7: [*PLACE, *QUATERNION], 8: [5.25, *PLACE, *QUATERNION],
           12: np.hstack([TURN, np.reshape(PLACE, (3, 1))]).ravel()}[columns]
    found = read_trajectory(write(tmp_path / 'p.txt', row))
    np.testing.assert_allclose(found.poses[0, :3, :3], TURN, atol=1e-8)
    np.testing.assert_allclose(found.poses[0, :3, 3], PLACE)
    assert (found.stamps is None) == (columns != 8)
    assert (found.at(5 * SECOND + SECOND // 4, 0) is None) == (columns != 8)


def test_tum_with_comments_disorder_and_repeats(tmp_path: Path) -> None:
    (tmp_path / 'p.txt').write_text(
        '# timestamp tx ty tz qx qy qz qw\n2.0 2 0 0 0 0 0 1\n1.0 1 0 0 0 0 0 1 # first\n'
        '2.0 9 9 9 0 0 0 1\n'
    )
    found = read_trajectory(tmp_path / 'p.txt')
    assert found.stamps.tolist() == [SECOND, 2 * SECOND]
    assert found.poses[:, 0, 3].tolist() == [1, 2]


def test_between_poses_and_beyond_them(tmp_path: Path) -> None:
    found = read_trajectory(write(tmp_path / 'p.txt', [
        [1.0, 0, 0, 0, 0, 0, 0, 1], [2.0, 4, 0, 0, *QUATERNION], [9.0, 0, 0, 0, 0, 0, 0, 1],
    ]))
    pose = found.at(SECOND + SECOND // 4, SECOND)
    np.testing.assert_allclose(pose[:3, 3], [1, 0, 0])
    np.testing.assert_allclose(
        pose[:3, :3], Rotation.from_euler('z', 0.6 / 4).as_matrix(), atol=1e-8
    )
    assert found.at(5 * SECOND, SECOND) is None, 'seven seconds without a pose'
    assert found.at(SECOND // 4, SECOND) is None, 'long before the first'
    np.testing.assert_array_equal(found.at(SECOND * 3 // 4, SECOND), found.poses[0])
    np.testing.assert_array_equal(found.at(9 * SECOND + 1, 2), found.poses[2])


@pytest.mark.parametrize(('text', 'reason'), [
    ('1 2 3\n', 'rows of 3 numbers'), ('x y z\n', 'not a table'), ('', 'contains no pose'),
    ('1 2 3 4 5 6 nan\n', 'finite'), ('1 0 0 0 0 0 0 0\n', 'pose 1: .*not a transform'),
    ('2 0 0 0 0 2 0 0 0 0 2 0\n', 'pose 1: .*no rotation'),
    ('1 0 0 0 0 1 0 0 0 0 -1 0\n', 'no rotation'), ('1e19 0 0 0 0 0 0 1\n', 'not seconds'),
    ('1 2 3 4 5 6 7\n1 2 3\n', 'not a table'),
])
def test_broken_files_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / 'p.txt').write_text(text)
    with pytest.raises(DataError, match=reason):
        read_trajectory(tmp_path / 'p.txt')


@pytest.mark.parametrize(('name', 'stamp'), [
    ('1305031102.175304', 1305031102175304000), ('0.5', SECOND // 2), ('000012', None),
    ('frame_1.5', None), ('1.5.2', None), ('-1.5', None), ('12.', None),
])
def test_names_that_are_stamps(name: str, stamp: int | None) -> None:
    assert stamp_in(name) == stamp
