"""Reading what a path names: a FIFO, a device, an endless or an enormous file."""

from __future__ import annotations

import os
from pathlib import Path
import socket
import time

import pytest

from depth_node.catalogue.checkpoints.reading import read_checkpoint
from depth_node.cli.main import main
from depth_node.errors import ConfigError, DataError, ModelError
from depth_node.files import (
    check_regular,
    open_regular,
    read_regular,
    read_text,
    read_yaml,
    replacing,
)
from depth_node.model import network, read_sidecar
from depth_node.model.hashes import hash_of
from depth_node.ros import cameras
from depth_node.scale.calibration import read_scale


@pytest.fixture
def fifo(tmp_path) -> Path:
    path = tmp_path / 'fifo'
    os.mkfifo(path)
    return path


@pytest.mark.parametrize('read', [
    lambda path: read_regular(path, 100), read_text, check_regular,
    lambda path: open_regular(path).__enter__(),
])
def test_a_fifo_is_refused_and_not_waited_for(fifo, read):
    begun = time.monotonic()
    with pytest.raises(DataError, match='is a FIFO, expected a regular file'):
        read(fifo)
    assert time.monotonic() - begun < 1


@pytest.mark.parametrize('read', [lambda path: read_regular(path, 100), check_regular])
@pytest.mark.parametrize(('path', 'words'), [
    ('/dev/zero', 'is a device'), ('/dev/null', 'is a device'), ('/tmp', 'is a folder'),
    ('/nowhere/at/all', 'No such file'), ('a\0b', 'null byte'), ('x' * 5000, 'too long'),
])
def test_what_is_no_file_is_named(path, words, read):
    with pytest.raises(DataError, match=words):
        read(path)


def test_a_link_to_a_device_and_a_socket(tmp_path):
    link = tmp_path / 'z.yaml'
    link.symlink_to('/dev/zero')
    with pytest.raises(DataError, match='is a device'):
        read_text(link)
    with socket.socket(socket.AF_UNIX) as listener:
        name = os.path.relpath(tmp_path / 's')
        listener.bind(name)
        with pytest.raises(DataError):
            read_text(name)


def test_no_more_is_read_than_allowed(tmp_path):
    path = tmp_path / 'long.yaml'
    path.write_bytes(b'x' * 101)
    with pytest.raises(DataError, match='larger than 100 bytes'):
        read_regular(path, 100)
    with pytest.raises(DataError, match='larger than 100 bytes'):
        check_regular(path, 100)
    with pytest.raises(DataError, match='larger than 10 bytes'):
        read_regular('/proc/self/maps', 10)  # a size of 0 until it is read
    assert read_regular(path, 101) == b'x' * 101


def test_text_is_utf8_with_or_without_its_mark(tmp_path):
    path = tmp_path / 'a.yaml'
    path.write_bytes(b'\xef\xbb\xbfgr\xc3\xbcn')
    assert read_text(path) == 'grün'
    path.write_bytes(b'a\xff')
    with pytest.raises(DataError, match=r'byte 1 is no UTF-8'):
        read_text(path)


@pytest.mark.parametrize(('content', 'words'), [
    (b'root:$6$secret:19000:0:99999:7:::\nkey: [1\n', 'line 3, column 1'),
    (b'a: !!python/object:os.system secret', 'is not YAML'),
    (b'a: !!binary "====secret"', 'is not YAML'),
    (b'a: 2001-13-45T99:99:99Z', 'is not YAML'),
    (b'? [secret, 2]\n: 3', 'is not YAML'),
    (b'[' * 100_000, 'is not YAML'),
    (b'secret: ' + b'9' * 5000, 'is not YAML'),
    (b'a: &x [*x, secret', 'is not YAML'),
])
def test_an_error_in_yaml_gives_the_place_and_quotes_nothing(tmp_path, content, words):
    """The path may be any file's, and errors are published on /diagnostics."""
    path = tmp_path / 'any.yaml'
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        read_yaml(path)
    assert 'secret' not in str(caught.value)
    assert '999' not in str(caught.value)


def test_yaml_is_read(tmp_path):
    path = tmp_path / 'a.yaml'
    path.write_text('a: [1, 2]')
    assert read_yaml(path) == {'a': [1, 2]}


def test_only_files_are_replaced(tmp_path, capsys):
    """Root could replace /dev/null by a file, for every program of the container."""
    fifo, folder, link = tmp_path / 'fifo', tmp_path / 'folder', tmp_path / 'null'
    os.mkfifo(fifo)
    folder.mkdir()
    link.symlink_to('/dev/null')
    for path, kind in ((fifo, 'a FIFO'), (folder, 'a folder'), (link, 'a device')):
        words = f'is {kind}, expected a regular file'
        with pytest.raises(DataError, match=words), replacing(path):
            pytest.fail('there is a place to write to')
    assert main(['models', '--json', str(fifo)]) == 2
    assert 'is a device, a FIFO or a socket' in capsys.readouterr().err
    assert fifo.is_fifo()
    assert link.is_symlink()
    assert sorted(tmp_path.iterdir()) == [fifo, folder, link]


@pytest.mark.parametrize('read', [network.load, read_sidecar, hash_of])
def test_models_are_regular_files(fifo, read):
    with pytest.raises(ModelError, match='is a FIFO'):
        read(fifo)


@pytest.mark.parametrize('read', [read_scale, lambda path: cameras.cameras_of(str(path))])
def test_calibrations_and_lists_are_regular_files(fifo, read):
    with pytest.raises(ConfigError, match='is a FIFO'):
        read(fifo)


def test_weights_are_regular_files(fifo, tmp_path):
    """Found by random argument lists: `depth-node export` waited for a FIFO for ever."""
    with pytest.raises(ModelError, match='is a FIFO'):
        read_checkpoint(fifo)
    pytest.importorskip('torch')
    assert main(['export', str(fifo), '--out', str(tmp_path / 'o.onnx')]) == 2
    assert main(['fetch', 'depth_anything_v2_small', '--weights', str(fifo), '--offline']) == 2
