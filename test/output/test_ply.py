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
from depth_node.output.ply import Axes, write_ply

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


def test_a_mesh(tmp_path: Path) -> None:
    """Faces are a byte that is 3 and three int32, after the vertices."""
    path = tmp_path / 'd.ply'
    points = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.float32)
    write_ply(path, points, normals=-points, faces=np.array([[2, 0, 1]], np.int32), axes=Axes.MAP)
    header, _, body = path.read_bytes().partition(b'end_header\n')
    assert header.decode('ascii').splitlines()[2:] == [
        'comment depth_node: metres, x ahead, y left, z up', 'element vertex 3',
        *(f'property float {name}' for name in ('x', 'y', 'z', 'nx', 'ny', 'nz')),
        'element face 1', 'property list uchar int vertex_indices',
    ]
    assert struct.unpack('<ffffff', body[:24]) == (1, 2, 3, -1, -2, -3)
    assert struct.unpack('<Biii', body[72:]) == (3, 2, 0, 1)


@pytest.mark.parametrize(('axes', 'right', 'up'), [
    (Axes.OPTICAL, (1, 0, 0), (0, -1, 0)), (Axes.MAP, (0, -1, 0), (0, 0, 1)),
    (Axes.VIEWER, (1, 0, 0), (0, 1, 0)),
])
def test_upright_for_programs_that_look_along_minus_z(
    tmp_path: Path, axes: Axes, right: tuple[float, ...], up: tuple[float, ...]
) -> None:
    points = np.array([right, up, np.cross(right, up)], np.float32)
    write_ply(tmp_path / 'e.ply', points, axes=axes, upright=True)
    header, _, body = (tmp_path / 'e.ply').read_bytes().partition(b'end_header\n')
    assert b'x right, y up' in header
    np.testing.assert_array_equal(np.frombuffer(body, '<f4').reshape(3, 3), np.eye(3))


@pytest.mark.parametrize('wrong', [
    {'normals': np.zeros((2, 3), np.float32)}, {'faces': np.array([[0, 1, 3]], np.int32)},
    {'faces': np.array([[0, 1, -1]], np.int32)},
])
def test_meshes_that_contradict_themselves(
    tmp_path: Path, wrong: dict[str, NDArray[np.float32]]
) -> None:
    with pytest.raises(DataError, match=r'normals|faces'):
        write_ply(tmp_path / 'f.ply', np.zeros((3, 3), np.float32), **wrong)
    assert not list(tmp_path.iterdir())
