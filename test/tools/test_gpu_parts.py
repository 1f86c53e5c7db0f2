"""The pack for a GPU without a network: parts arrive late, twice, damaged or not at all."""

import hashlib
import os
import shutil
import subprocess
import sys

from environment import fits
import pack as packing
from parts import MANIFEST, read_manifest, receive, write_pack
import pytest

from depth_node.errors import DataError

LIMIT = 1000


@pytest.fixture
def packed(tmp_path):
    """Two groups: three files over four parts, and one of a few bytes."""
    sources = tmp_path / 'sources'
    sources.mkdir()
    contents = {'a.whl': 1500, 'empty.whl': 0, 'b.whl': 1501, 'small.whl': 7}
    files = {}
    for name, size in contents.items():
        files[name] = sources / name
        files[name].write_bytes(os.urandom(size))
    groups = {
        'first': [files['a.whl'], files['empty.whl'], files['b.whl']],
        'second': [files['small.whl']],
    }
    folder = tmp_path / 'pack'
    write_pack(groups, folder, part_bytes=LIMIT)
    return folder, groups


def same(kept, groups, name):
    return all(
        (kept / name / file.name).read_bytes() == file.read_bytes() for file in groups[name]
    )


def test_parts_are_small_and_the_manifest_is_true(packed):
    folder, groups = packed
    first, second = read_manifest(folder)
    assert [part.size for part in first.parts] == [1000, 1000, 1000, 1]
    assert [part.name for part in second.parts] == ['second.part01']
    for group in (first, second):
        for part in group.parts:
            content = (folder / part.name).read_bytes()
            assert len(content) == part.size <= LIMIT
            assert hashlib.sha256(content).hexdigest() == part.sha256
    stream = b''.join((folder / part.name).read_bytes() for part in first.parts)
    assert stream == b''.join(file.read_bytes() for file in groups['first'])


def test_all_at_once_and_twice(packed, tmp_path):
    folder, groups = packed
    kept = tmp_path / 'kept'
    for _ in range(2):
        arrival = receive(folder, kept)
        assert arrival.complete == ('first', 'second')
        assert not arrival.missing
        assert same(kept, groups, 'first')
        assert same(kept, groups, 'second')
    # the parts are not kept a second time next to the files
    assert sorted(p.name for p in kept.iterdir()) == ['first', MANIFEST, 'second']


def test_one_at_a_time_in_any_order(packed, tmp_path):
    folder, groups = packed
    kept, visit = tmp_path / 'kept', tmp_path / 'visit'
    names = ['first.part04', 'second.part01', 'first.part02', 'first.part01', 'first.part03']
    for number, name in enumerate(names):
        shutil.rmtree(visit, ignore_errors=True)
        visit.mkdir()
        shutil.copy(folder / MANIFEST, visit)
        shutil.copy(folder / name, visit)
        arrival = receive(visit, kept)
        left = [n for n in sorted(names[number + 1:]) if n.startswith('first')]
        assert arrival.missing.get('first', ()) == tuple(left)
        assert ('second' in arrival.complete) == (number >= 1)
    assert arrival.complete == ('first', 'second')
    assert same(kept, groups, 'first')
    # the last visit brings no part at all
    (visit / names[-1]).unlink()
    assert receive(visit, kept).complete == ('first', 'second')


@pytest.mark.parametrize('damage', ['flipped', 'short', 'long', 'folder'])
def test_a_damaged_part_is_named_and_not_kept(packed, tmp_path, damage):
    folder, groups = packed
    kept, part = tmp_path / 'kept', folder / 'first.part02'
    whole = part.read_bytes()
    match damage:
        case 'flipped':
            part.write_bytes(whole[:500] + bytes([whole[500] ^ 1]) + whole[501:])
        case 'short':
            part.write_bytes(whole[:-1])
        case 'long':
            part.write_bytes(whole + b'x')
        case 'folder':
            part.unlink()
            part.mkdir()
    with pytest.raises(DataError, match=r'first\.part02.*Carry these parts again'):
        receive(folder, kept)
    assert not (kept / 'first.part02').exists()
    assert not (kept / 'first').exists()
    # what was good is kept, also of the other group
    assert same(kept, groups, 'second')
    if damage == 'folder':
        part.rmdir()
    for name in ('first.part01', 'first.part03', 'first.part04'):
        (folder / name).unlink()
    part.write_bytes(whole)
    assert receive(folder, kept).complete == ('first', 'second')
    assert same(kept, groups, 'first')


def test_a_part_that_rots_after_it_was_kept_is_found_when_joining(packed, tmp_path):
    folder, _ = packed
    kept = tmp_path / 'kept'
    last = (folder / 'first.part04').read_bytes()
    (folder / 'first.part04').unlink()
    assert receive(folder, kept).missing == {'first': ('first.part04',)}
    (kept / 'first.part01').write_bytes(bytes(1000))
    (folder / 'first.part04').write_bytes(last)
    with pytest.raises(DataError, match=r'a\.whl.*after joining'):
        receive(folder, kept)
    assert not (kept / 'first').exists()
    assert not list(kept.glob('.*joining'))


def test_two_packs_are_not_mixed(packed, tmp_path):
    folder, groups = packed
    kept = tmp_path / 'kept'
    receive(folder, kept)
    write_pack({'first': groups['first']}, folder, part_bytes=LIMIT + 1)
    assert sorted(p.name for p in folder.glob('*.part??')) == [
        'first.part01', 'first.part02', 'first.part03'
    ]
    with pytest.raises(DataError, match='another pack'):
        receive(folder, kept)
    assert same(kept, groups, 'first')


@pytest.mark.parametrize(('old', 'new'), [
    ('"a.whl"', '"../a.whl"'), ('"a.whl"', '"/etc/passwd"'), ('"a.whl"', '"manifest.json"'),
    ('"format": 1', '"format": 2'), ('"size": 1500', '"size": 1499'), ('"parts"', '"part"'),
    ('}', ''), ('"size": 1500', '"size": "many"'),
])
def test_a_false_manifest_is_refused(packed, tmp_path, old, new):
    folder, _ = packed
    path = folder / MANIFEST
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=r'manifest'):
        receive(folder, tmp_path / 'kept')
    assert sorted(p.name for p in tmp_path.iterdir()) == ['pack', 'sources']


def test_every_group_of_the_real_pack_is_exact_and_in_parts_below_the_limit(
    tmp_path, monkeypatch, capsys
):
    assert packing.PART_BYTES < 60 * 2**20

    def download(group, python, folder):
        folder.mkdir(parents=True)
        (folder / f'{group}.whl').write_bytes(group.encode() * 100)
        return [folder / f'{group}.whl']

    monkeypatch.setattr(packing, 'download', download)
    packing.pack(['tensorrt', 'ros'], '3.12', tmp_path / 'out', part_bytes=500)
    printed = capsys.readouterr().out
    assert '3 parts of at most' in printed
    assert {p.name for p in (tmp_path / 'out').iterdir()} == {
        MANIFEST, 'tensorrt.part01', 'tensorrt.part02', 'ros.part01', '.lock'
    }


def test_a_failed_download_is_one_line_and_leaves_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, packing.__file__, '--python', '2.2', '--out', str(tmp_path / 'out'),
         '--groups', 'ros'], capture_output=True, text=True, check=False,
        env={**os.environ, 'PIP_NO_INDEX': '1'},
    )
    assert done.returncode == 2
    assert done.stderr.startswith('gpu-pack: The wheels of ros for Python 2.2 cannot be')
    assert len(done.stderr.splitlines()) == 1
    assert [p.name for p in (tmp_path / 'out').iterdir()] == ['.lock']


def test_the_packages_of_ros_are_those_that_are_installed():
    pytest.importorskip('rclpy')
    found = packing.needs(*packing.GROUPS['ros'])
    assert 'ros-rclpy==7.1.6' in found
    assert any(line.startswith('ros-fastrtps==') for line in found)
    assert all(line.startswith('ros-') for line in found)
    with pytest.raises(DataError, match='ros-nothing is not installed'):
        packing.needs('ros-nothing')


@pytest.mark.parametrize(('wheel', 'minor', 'expected'), [
    ('numpy-2.5.5-cp312-cp312-manylinux_2_28_x86_64.whl', 12, True),
    ('numpy-2.5.5-cp312-cp312-manylinux_2_28_x86_64.whl', 13, False),
    ('opencv-5.0-cp37-abi3-manylinux_2_28_x86_64.whl', 12, True),
    ('onnx-1.23-cp312-abi3-manylinux_2_28_x86_64.whl', 11, False),
    ('flatbuffers-25.12-py2.py3-none-any.whl', 11, True),
    ('libs-1.7-py3-none-manylinux_2_28_x86_64.whl', 14, True),
    ('bindings-1.7-cp312-none-manylinux_2_28_x86_64.whl', 11, False),
    ('old-1-py2-none-any.whl', 12, False),
])
def test_wheels_of_other_pythons_are_left_out(wheel, minor, expected):
    assert fits(wheel, minor) is expected


def test_joining_needs_only_the_standard_library(packed, tmp_path):
    """The machine has nothing yet when the first part arrives, not even this package."""
    folder, _ = packed
    scripts = packing.ROOT / 'tools' / 'gpu'
    code = (
        f'import sys; sys.path.insert(0, {str(scripts)!r}); import gpu_run, parts'
        '\nfrom pathlib import Path'
        f'\nprint(parts.receive(Path({str(folder)!r}), Path({str(tmp_path / "kept")!r})).complete)'
    )
    done = subprocess.run(
        [sys.executable, '-I', '-S', '-c', code], capture_output=True, text=True, check=True,
        cwd=tmp_path,
    )
    assert done.stdout.strip() == "('first', 'second')"
    done = subprocess.run(
        [sys.executable, '-E', '-S', str(scripts / 'gpu_run.py'), '--help'], check=True,
        capture_output=True, text=True, cwd=tmp_path,
    )
    assert '--kept' in done.stdout
