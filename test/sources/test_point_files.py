"""Point clouds of other programs: every format, as its makers write it, and any bytes at all."""

from __future__ import annotations

import struct

from hypothesis import example, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from depth_node.errors import DataError
from depth_node.output.ply import write_ply
from depth_node.sources.point_files import _lzf, read_points, READERS

POINTS = np.random.default_rng(0).uniform(-5, 5, (37, 3)).astype(np.float32)
POINTS[3] = np.nan


def ply(form, *, faces=False, camera=False):
    """Write PLY with a colour before the coordinates, and maybe elements around the points."""
    order = {'ascii': '', 'binary_little_endian': '<', 'binary_big_endian': '>'}[form]
    head = ['ply', f'format {form} 1.0', 'comment x y z']
    if camera:
        head += ['element camera 2', 'property double view', 'property uchar kind']
    head += [f'element vertex {len(POINTS)}', 'property uchar red', 'property float x',
             'property double y', 'property float32 z']
    if faces:
        head += ['element face 1', 'property list uchar int vertex_indices']
    body = b''
    if camera:
        body += b'1.5 3\n2.5 4\n' if not order else struct.pack(f'{order}dBdB', 1.5, 3, 2.5, 4)
    for x, y, z in POINTS.tolist():
        body += (f'7 {x!r} {y!r} {z!r}\n'.encode() if not order
                 else struct.pack(f'{order}Bfdf', 7, x, y, z))
    if faces:
        body += b'3 0 1 2\n' if not order else struct.pack(f'{order}Biii', 3, 0, 1, 2)
    return '\n'.join([*head, 'end_header', '']).encode() + body


def packed(data):
    """Pack as LZF does: matches where the last bytes come again, literals elsewhere."""
    out, at = bytearray(), 0
    while at < len(data):
        whole = at + 3 <= len(data)
        found = data.rfind(data[at:at + 3], max(0, at - 8000), at + 2) if whole else -1
        if 0 <= found < at:
            length = 3
            while length < 264 and at + length < len(data) and (
                data[found + length] == data[at + length]
            ):
                length += 1
            away, short = at - found - 1, length - 2
            out += bytes([(min(short, 7) << 5) | (away >> 8)])
            out += bytes([short - 7]) if short >= 7 else b''
            out += bytes([away & 255])
            at += length
        else:
            out += bytes([0, data[at]])
            at += 1
    return bytes(out)


def pcd(data):
    """Write PCD with an intensity, padding and a descriptor of three numbers."""
    fields = ['x', 'y', '_', 'z', 'rgb', 'label']
    sizes, types, counts = [4, 4, 1, 8, 4, 2], 'FFUFUI', [1, 1, 3, 1, 1, 1]
    head = ['# .PCD v0.7', 'VERSION 0.7', 'FIELDS ' + ' '.join(fields),
            'SIZE ' + ' '.join(map(str, sizes)), 'TYPE ' + ' '.join(types),
            'COUNT ' + ' '.join(map(str, counts)), f'WIDTH {len(POINTS)}', 'HEIGHT 1',
            'VIEWPOINT 0 0 0 1 0 0 0', f'POINTS {len(POINTS)}', f'DATA {data}', '']
    rows = [(x, y, 1, 2, 3, z, 9, -1) for x, y, z in POINTS.tolist()]
    if data == 'ascii':
        body = ''.join(' '.join(map(repr, row)) + '\n' for row in rows).encode()
    elif data == 'binary':
        body = b''.join(struct.pack('<ff3BdIh', *row) for row in rows)
    else:
        columns = list(zip(*rows, strict=True))
        plain = b''.join((
            struct.pack(f'<{len(rows)}f', *columns[0]), struct.pack(f'<{len(rows)}f', *columns[1]),
            bytes([1, 2, 3] * len(rows)), struct.pack(f'<{len(rows)}d', *columns[5]),
            struct.pack(f'<{len(rows)}I', *columns[6]), struct.pack(f'<{len(rows)}h', *columns[7]),
        ))
        small = packed(plain)
        body = struct.pack('<II', len(small), len(plain)) + small
    return '\n'.join(head).encode() + body


FILES = {
    'ascii.ply': ply('ascii'), 'little.ply': ply('binary_little_endian'),
    'big.ply': ply('binary_big_endian', faces=True),
    'between.ply': ply('binary_little_endian', camera=True, faces=True),
    'rows.ply': ply('ascii', camera=True, faces=True),
    'ascii.pcd': pcd('ascii'), 'binary.pcd': pcd('binary'), 'lzf.pcd': pcd('binary_compressed'),
    'lines.xyz': '\n'.join(' '.join(map(repr, p)) for p in POINTS.tolist()).encode(),
    'kitti.bin': np.column_stack([POINTS, POINTS[:, 0]]).astype('<f4').tobytes(),
    'UPPER.PLY': ply('binary_little_endian'),
}


@pytest.mark.parametrize('name', FILES)
def test_every_format_gives_the_points(tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name])
    np.testing.assert_allclose(read_points(tmp_path / name), POINTS, rtol=1e-6)


def test_our_own_clouds_are_read(tmp_path):
    write_ply(tmp_path / 'a.ply', POINTS[10:], np.zeros((27, 3), np.uint8))
    np.testing.assert_array_equal(read_points(tmp_path / 'a.ply'), POINTS[10:])


def test_lines_end_as_on_windows(tmp_path):
    text = ply('ascii').replace(b'\n', b'\r\n')
    (tmp_path / 'a.ply').write_bytes(text)
    np.testing.assert_allclose(read_points(tmp_path / 'a.ply'), POINTS, rtol=1e-6)


@pytest.mark.parametrize(('name', 'content', 'says'), [
    ('a.obj', b'v 1 2 3', 'expected points as'),
    ('a.ply', b'', 'header'),
    ('a.ply', b'nothing\nend_header\n', 'begin with ply'),
    ('a.ply', ply('binary_little_endian')[:-1], 'are not in'),
    ('a.ply', ply('ascii')[:-60], 'of 37 points'),
    ('a.ply', ply('ascii').replace(b'float x', b'float u'), 'cannot be read'),
    ('a.ply', ply('ascii').replace(b'vertex 37', b'vertex 0'), 'expected (N, 3)'),
    ('a.ply', ply('binary_big_endian').replace(b'vertex 37', b'vertex 99999999'), 'are not in'),
    ('a.ply', ply('ascii').replace(b'vertex 37', b'vertex -1'), '-1 of something'),
    ('a.ply', ply('binary_little_endian').replace(b'uchar red', b'list uchar int a'), 'lists'),
    ('a.ply', ply('ascii').replace(b'float x', b'list uchar int a\nproperty float x'), 'lists'),
    ('a.pcd', pcd('binary')[:-1], 'are not in'),
    ('a.pcd', pcd('binary_compressed')[:-1], 'declared'),
    ('a.pcd', pcd('ascii').replace(b'DATA ascii', b'DATA cbor'), 'DATA is cbor'),
    ('a.pcd', pcd('binary').replace(b'SIZE 4 4 1', b'SIZE 4 4'), 'different lengths'),
    ('a.pcd', pcd('binary').replace(b'COUNT 1 1 3', b'COUNT 1 1 1'), None),
    ('a.bin', b'12345', 'cannot be read'),
    ('a.xyz', b'1 2\n3 4\n', 'expected (N, 3)'),
    ('a.npy', b'\x93NUMPY', 'cannot be read'),
])
def test_what_is_not_points_is_one_clear_line(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    if says is None:  # rows of another size: other points, but no crash
        assert read_points(tmp_path / name).shape == (37, 3)
        return
    with pytest.raises(DataError) as caught:
        read_points(tmp_path / name)
    assert says in str(caught.value)
    assert str(caught.value).count('\n') == 0


def ok(path):
    """Whether a file is read as points, or refused with its name."""
    try:
        return read_points(path).shape[1] == 3
    except DataError as error:
        return str(path) in str(error)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(FILES)), st.integers(0, 2000), st.binary(min_size=1, max_size=6),
    st.booleans(),
)
def test_damaged_files_are_points_or_an_error(tmp_path_factory, name, at, junk, cut):
    content = FILES[name]
    at %= len(content)
    damaged = content[:at] + junk + (b'' if cut else content[at + len(junk):])
    path = tmp_path_factory.getbasetemp() / f'damaged{name[name.rindex("."):]}'
    path.write_bytes(damaged)
    assert ok(path)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(READERS)), st.binary(max_size=200))
@example('.npy', b'PK\x03\x04')
@example('.npy', b'PK\x05\x06')
def test_any_bytes(tmp_path_factory, suffix, content):
    path = tmp_path_factory.getbasetemp() / f'any{suffix}'
    path.write_bytes(content)
    assert ok(path)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=600) | st.builds(lambda a, n: a * n, st.binary(max_size=9),
                                           st.integers(0, 400)))
def test_lzf_goes_there_and_back(data):
    assert _lzf(packed(data), len(data)) == data


def test_lzf_cannot_be_a_bomb():
    """A match of a match: never more than is declared, however much is in it."""
    bomb = b'\x00a' + b'\xe0\xff\x00' * 100_000  # 26 MB in 300 kB
    with pytest.raises(ValueError, match='more bytes'):
        _lzf(bomb, 1000)
