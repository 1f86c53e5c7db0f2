"""Arrays in files: what is no array is one kind of error, whatever it resembles."""

from __future__ import annotations

import io
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
import numpy as np
import pytest

from depth_node.errors import DataError
from depth_node.sources.arrays import npy_array
from depth_node.sources.depth_files import read_plane


def saved(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@given(arrays(np.float32, array_shapes(max_dims=3, max_side=4)))
def test_what_numpy_saved_comes_back(array: np.ndarray) -> None:
    np.testing.assert_array_equal(npy_array(saved(array)), array)


@given(st.binary(max_size=60), st.integers(0, 140))
@example(b'PK\x03\x04', 0)
@example(b'PK\x05\x06', 0)
def test_anything_else_is_a_value_error(junk: bytes, at: int) -> None:
    whole = saved(np.arange(3.0))
    damaged = whole[:at] + junk
    try:
        assert npy_array(damaged).size >= 0
    except (ValueError, MemoryError):
        return


@pytest.mark.parametrize('content', [b'PK\x03\x04', 'archive', 'pickle'])
def test_a_depth_image_that_is_an_archive_is_refused(tmp_path: Path, content: str) -> None:
    """Renamed from .npz, half of one, or with Python objects in it."""
    path, file = tmp_path / 'depth.npy', io.BytesIO()
    if content == 'archive':
        np.savez(file, depth=np.ones((3, 4)))
    elif content == 'pickle':
        np.save(file, np.array([{}]), allow_pickle=True)
    else:
        file.write(content)
    path.write_bytes(file.getvalue())
    with pytest.raises(DataError, match=r'depth\.npy: cannot be read'):
        read_plane(path)
