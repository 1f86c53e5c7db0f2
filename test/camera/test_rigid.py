"""Check matrices against SciPy's rotations."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st
import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

from depth_node.camera.rigid import interpolated, is_rigid, matrix_of
from depth_node.errors import DataError

NUMBER = st.floats(-10, 10)


@given(st.lists(NUMBER, min_size=7, max_size=7))
def test_matrix_is_scipys(numbers) -> None:
    assume(np.linalg.norm(numbers[3:]) > 1e-3)
    matrix = matrix_of(numbers)
    np.testing.assert_allclose(
        matrix[:3, :3], Rotation.from_quat(numbers[3:]).as_matrix(), atol=1e-9
    )
    np.testing.assert_array_equal(matrix[:3, 3], numbers[:3])
    np.testing.assert_array_equal(matrix[3], [0, 0, 0, 1])


@pytest.mark.parametrize('numbers', [[], [1.0] * 6, [0.0] * 7, [np.nan] * 7])
def test_nonsense_is_refused(numbers) -> None:
    with pytest.raises(DataError, match='not a transform'):
        matrix_of(numbers)


@given(st.lists(NUMBER, min_size=14, max_size=14), st.floats(0, 1))
def test_between_two_poses_is_scipys_slerp(numbers, share) -> None:
    assume(min(np.linalg.norm(numbers[3:7]), np.linalg.norm(numbers[10:])) > 1e-3)
    ends = Rotation.from_quat([numbers[3:7], numbers[10:]])
    # at half a turn both ways are as short
    assume((ends[0].inv() * ends[1]).magnitude() < 3.1)
    pose = interpolated(matrix_of(numbers[:7]), matrix_of(numbers[7:]), share)
    np.testing.assert_allclose(
        pose[:3, :3], Slerp([0, 1], ends)(share).as_matrix(), atol=1e-5
    )
    np.testing.assert_allclose(
        pose[:3, 3], np.add((1 - share) * np.array(numbers[:3]), share * np.array(numbers[7:10]))
    )
    assert is_rigid(pose)


@pytest.mark.parametrize('change', [(0, 0, 1.1), (0, 0, -1.0), (0, 1, 0.1), (0, 3, np.inf)])
def test_a_stretched_mirrored_or_endless_pose_is_not_rigid(change) -> None:
    pose = np.eye(4)
    assert is_rigid(pose)
    pose[change[:2]] = change[2]
    assert not is_rigid(pose)
