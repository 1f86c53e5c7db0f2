"""Check matrices against SciPy's rotations."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from depth_node.camera.rigid import matrix_of
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
