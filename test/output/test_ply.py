"""PLY files, read back by the definition of the format and not by our own code."""

from __future__ import annotations

from pathlib import Path
import struct

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
from numpy.typing import NDArray
import pytest

from depth_node.errors import DataError
from depth_node.output.ply import write_ply

FINITE = st.floats(-1e4, 1e4, width=32)


def test_header_and_first_vertex(tmp_path: Path) -> None:
    """Byte by byte what Turk's description of PLY says."""
    path = tmp_path / 'a.ply'
    points = np.array([[1, 2, 3], [-4, 5, 6.5]], np.float32)
    write_ply(path, points, np.array([[255, 0, 1], [2, 3, 4]], np.uint8))
    header, _, body = path.read_bytes().partition(b'end_header\n')
    lines = header.decode('ascii').splitlines()
    assert lines[:2] == ['ply', 'format binary_little_endian 1.0']
    assert 'element vertex 2' in lines
    assert [line for line in lines if line.startswith('property')] == [
        'property float x', 'property float y', 'property float z',
        'property uchar red', 'property uchar green', 'property uchar blue',
    ]
    assert struct.unpack('<fffBBB', body[:15]) == (1, 2, 3, 255, 0, 1)
    assert len(body) == 30
    assert list(tmp_path.iterdir()) == [path]


@given(hnp.arrays(np.float32, st.tuples(st.integers(0, 40), st.just(3)), elements=FINITE))
def test_points_survive(
    tmp_path_factory: pytest.TempPathFactory, points: NDArray[np.float32]
) -> None:
    """Any finite points come back bit by bit."""
    path = tmp_path_factory.mktemp('ply') / 'b.ply'
    write_ply(path, points)
    body = path.read_bytes().partition(b'end_header\n')[2]
    np.testing.assert_array_equal(np.frombuffer(body, '<f4').reshape(-1, 3), points)


def test_holes_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    """A NaN would make viewers show nothing at all."""
    with pytest.raises(DataError, match='1 of them not finite'):
        write_ply(tmp_path / 'c.ply', np.array([[np.nan, 0, 0], [1, 1, 1]], np.float32))
    assert not list(tmp_path.iterdir())
