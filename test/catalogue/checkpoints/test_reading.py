"""Checkpoints without torch: every format and type, and nothing in a file is run."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
import io
import json
import os
from pathlib import Path
import pickle
import struct
from typing import Any
import zipfile

import numpy as np
from numpy.testing import assert_array_equal
import pytest

from depth_node.catalogue.checkpoints import read_checkpoint, StoredTensor
from depth_node.errors import ModelError

torch = pytest.importorskip('torch')
FORMATS = ['zip', 'stream', 'safetensors']


def state() -> dict[str, Any]:
    """Return tensors of every type and layout that checkpoints have."""
    torch.manual_seed(0)
    large = torch.randn(10, 10)
    return OrderedDict(
        plain=torch.randn(3, 4), half=torch.randn(7).half(), brain=torch.randn(2, 3).bfloat16(),
        double=torch.randn(2).double(), number=torch.tensor(3), none=torch.zeros(0, 3),
        bytes=torch.arange(5, dtype=torch.uint8), truth=torch.tensor([True, False]),
        turned=large.t(), part=large[2:5, 1:4], same=large, parameter=torch.nn.Parameter(large[0]),
    )


def save(values: dict[str, Any], path: Path, how: str) -> Path:
    """Save a state dict in one of the formats."""
    if how == 'safetensors':
        from safetensors.torch import save_file

        save_file({name: t.detach().contiguous().clone() for name, t in values.items()}, path)
    else:
        torch.save(values, path, _use_new_zipfile_serialization=how == 'zip')
    return path


@pytest.mark.parametrize('how', FORMATS)
def test_every_type_and_layout(tmp_path: Path, how: str) -> None:
    values = state()
    found = read_checkpoint(save(values, tmp_path / 'weights', how))
    assert set(found) == set(values)
    for name, tensor in values.items():
        expected = tensor.detach()
        expected = expected.float() if tensor.dtype is torch.bfloat16 else expected
        assert_array_equal(found[name].array(), expected.numpy())
        assert found[name].shape == tuple(tensor.shape)


@pytest.mark.parametrize('how', ['zip', 'stream'])
@pytest.mark.parametrize('wrapper', ['model', 'state_dict'])
def test_weights_beside_an_optimizer(tmp_path: Path, how: str, wrapper: str) -> None:
    module = torch.nn.Linear(3, 4)
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.zeros(1, 3)).sum().backward()
    optimizer.step()
    whole = {wrapper: module.state_dict(), 'optimizer': optimizer.state_dict(), 'epoch': 3}
    found = read_checkpoint(save(whole, tmp_path / 'weights', how))
    assert list(found) == ['weight', 'bias']


@pytest.mark.parametrize('how', ['zip', 'stream'])
def test_plain_values_stand_beside_tensors(tmp_path: Path, how: str) -> None:
    values = {**state(), 'height': 192, 'use_stereo': True, 'name': 'x', 'list': [1, (2.5, None)]}
    found = read_checkpoint(save(values, tmp_path / 'weights', how))
    assert (found['height'], found['use_stereo'], found['name']) == (192, True, 'x')
    assert found['list'] == [1, (2.5, None)]


@pytest.mark.parametrize('how', FORMATS)
def test_tensors_stay_in_the_file(tmp_path: Path, how: str) -> None:
    path = save(state(), tmp_path / 'weights', how)
    tensor = read_checkpoint(path)['plain']
    assert tensor.region.path == path
    start = tensor.region.offset + tensor.first_byte
    raw = path.read_bytes()[start:start + tensor.size]
    assert_array_equal(np.frombuffer(raw, '<f4').reshape(3, 4), tensor.array())
    assert not tensor.array().flags.writeable


def test_a_zip_that_was_packed_again(tmp_path: Path) -> None:
    first, second = tmp_path / 'first', tmp_path / 'second'
    save(state(), first, 'zip')
    with zipfile.ZipFile(first) as old, zipfile.ZipFile(second, 'w', zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
    tensor = read_checkpoint(second)['plain']
    assert_array_equal(tensor.array(), state()['plain'].numpy())
    assert tensor.region.path is None


class Trap:
    """Runs when unpickled by whoever trusts a file."""

    def __init__(self, place: Path) -> None:
        self.place = str(place)

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (self.place,))


class Sneaky:
    """Asks for something harmless-looking that is not a tensor."""

    def __init__(self, call: Callable[..., object], *arguments: object) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[object, ...]:
        return (self.call, self.arguments)


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize('how', ['zip', 'stream', 'bare'])
def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, how: str, protocol: int) -> None:
    path, sign = tmp_path / 'weights.pth', tmp_path / 'was_run'
    value = {'weight': torch.zeros(3), 'trap': Trap(sign)}
    if how == 'bare':
        path.write_bytes(pickle.dumps(Trap(sign), protocol))
    else:
        torch.save(
            value, path, pickle_protocol=max(2, protocol),
            _use_new_zipfile_serialization=how == 'zip',
        )
    with pytest.raises(ModelError, match=r'refused|not a checkpoint') as caught:
        read_checkpoint(path)
    assert not sign.exists()
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    'sneaky',
    [
        Sneaky(getattr, '', 'join'), Sneaky(eval, '1'), Sneaky(bytearray, 10),
        Sneaky(torch.storage._load_from_bytes, b''), Sneaky(np.dtype, 'f4'),
        Sneaky(OrderedDict, [('a', 1)]), Sneaky(torch.device, 'cpu'),
    ],
)
def test_only_tensors_are_rebuilt(tmp_path: Path, sneaky: Sneaky) -> None:
    torch.save({'weight': torch.zeros(3), 'x': sneaky}, tmp_path / 'weights.pth')
    with pytest.raises(ModelError, match='files that run code are refused'):
        read_checkpoint(tmp_path / 'weights.pth')


def rebuilt(path: Path, pickled: bytes) -> Path:
    """Put another pickle into a zip of torch."""
    with zipfile.ZipFile(path, 'w') as zipped:
        zipped.writestr('archive/data.pkl', pickled)
        zipped.writestr('archive/data/0', bytes(48))
        zipped.writestr('archive/version', b'3')
    return path


def hand_written(shape: tuple[int, ...], strides: tuple[int, ...], start: int = 0) -> bytes:
    """Pickle {'w': tensor} of 12 floats with the numbers given."""
    class Pickler(pickle.Pickler):
        def persistent_id(self, value: object) -> object:
            if isinstance(value, bytes):
                return ('storage', torch.FloatStorage, '0', 'cpu', 12)
            return None

    file = io.BytesIO()
    arguments = (b'', start, shape, strides, False, OrderedDict())
    pickler = Pickler(file, 2)
    pickler.dump({'w': Sneaky(torch._utils._rebuild_tensor_v2, *arguments)})
    return file.getvalue()


def test_a_hand_written_tensor_is_read(tmp_path: Path) -> None:
    path = rebuilt(tmp_path / 'good.pth', hand_written((3, 4), (4, 1)))
    assert read_checkpoint(path)['w'].array().shape == (3, 4)


@pytest.mark.parametrize(
    ('shape', 'strides', 'start'),
    [
        ((13,), (1,), 0), ((3, 4), (4, 1), 1), ((2,), (1 << 62,), 0), ((-3,), (1,), 0),
        ((3,), (-1,), 2), ((3,), (1,), -1), ((3, 4), (4,), 0), ((1 << 50, 0), (1, 1), 0),
        ((2,), (12,), 0),
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(
    tmp_path: Path, shape: tuple[int, ...], strides: tuple[int, ...], start: int
) -> None:
    path = rebuilt(tmp_path / 'bad.pth', hand_written(shape, strides, start))
    with pytest.raises(ModelError, match=r'extends beyond|impossible sizes'):
        read_checkpoint(path)


def test_a_tensor_that_repeats_one_number_takes_no_memory(tmp_path: Path) -> None:
    path = rebuilt(tmp_path / 'huge.pth', hand_written((1 << 30, 1 << 9), (0, 0)))
    assert read_checkpoint(path)['w'].shape == (1 << 30, 1 << 9)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'is empty'), (b'not a checkpoint', 'not a readable'), (b'\x80\x02.', 'damaged'),
        (b'PK\x03\x04' + bytes(50), 'zip that cannot be read'),
        (struct.pack('<Q', 4) + b'{"a}', 'header is not JSON'),
        (struct.pack('<Q', 2) + b'{}', 'contains no named weights'),
        (struct.pack('<Q', 10**15) + b'{}', 'not a readable checkpoint'),
        (pickle.dumps([1] * 10, 2), 'neither safetensors nor'),
    ],
)
def test_what_is_no_checkpoint_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / 'weights'
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        read_checkpoint(path)
    assert str(path) in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    'fields',
    [
        {'dtype': 'F32', 'shape': [3], 'data_offsets': [0, 16]},
        {'dtype': 'F32', 'shape': [4], 'data_offsets': [0, 17]},
        {'dtype': 'F32', 'shape': [5], 'data_offsets': [0, 20]},
        {'dtype': 'F32', 'shape': [-4], 'data_offsets': [0, 16]},
        {'dtype': 'F8_E4M3', 'shape': [4], 'data_offsets': [0, 4]},
        {'dtype': ['F32'], 'shape': [4], 'data_offsets': [0, 16]},
        {'dtype': 'F32', 'shape': 4, 'data_offsets': [0, 16]},
        {'dtype': 'F32', 'shape': [1 << 40, 1 << 40], 'data_offsets': [0, 16]},
        {'dtype': 'F32', 'shape': [4], 'data_offsets': [-16, 0]}, {}, 'F32', None,
    ],
)
def test_safetensors_that_lie_are_refused(tmp_path: Path, fields: object) -> None:
    header = json.dumps({'w': fields}).encode()
    path = tmp_path / 'weights.safetensors'
    path.write_bytes(struct.pack('<Q', len(header)) + header + bytes(16))
    with pytest.raises(ModelError, match='is not a readable checkpoint'):
        read_checkpoint(path)


@pytest.mark.parametrize('how', ['zip', 'stream', 'safetensors'])
def test_half_a_file_is_refused(tmp_path: Path, how: str) -> None:
    path = save(state(), tmp_path / 'weights', how)
    content = path.read_bytes()
    for share in (0.1, 0.5, 0.9, 0.99):
        path.write_bytes(content[:int(share * len(content))])
        with pytest.raises(ModelError, match='is not a readable checkpoint'):
            read_checkpoint(path)


def test_a_damaged_number_in_a_zip_is_noticed(tmp_path: Path) -> None:
    path = save({'w': torch.arange(1000.0)}, tmp_path / 'weights', 'zip')
    content = bytearray(path.read_bytes())
    place = content.index(np.float32(500).tobytes() + np.float32(501).tobytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match='checksum differs'):
        read_checkpoint(path)


def test_a_pickle_cannot_ask_for_memory(tmp_path: Path) -> None:
    """A memo index of four billion costs CPython's own reader 64 GB."""
    pickled = b'\x80\x02}r\xff\xff\xff\xff.'
    with pytest.raises(ModelError, match='contains no named weights'):
        read_checkpoint(rebuilt(tmp_path / 'memo.pth', pickled))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match='cannot be read'):
        read_checkpoint(tmp_path / 'nowhere.pth')
    with pytest.raises(ModelError, match='is a folder, expected a regular file'):
        read_checkpoint(tmp_path)


def test_rows_are_a_view(tmp_path: Path) -> None:
    tensor = StoredTensor.of(np.arange(24, dtype=np.float32).reshape(6, 4))
    assert_array_equal(tensor.rows(2, 3).array(), np.arange(24.0).reshape(6, 4)[2:5])
