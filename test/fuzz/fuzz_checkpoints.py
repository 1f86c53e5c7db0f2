"""Small checkpoints of every format to start fuzzing from, written without torch."""

from __future__ import annotations

import io
import json
import pickle
import struct
import types
from typing import ClassVar
import zipfile

import numpy as np

_VALUES = np.arange(12, dtype='<f4')


def checkpoints() -> list[bytes]:
    """
    Write two tensors and a number in every format.

    :returns: safetensors, a zip and a stream as torch.save writes them.
    """
    return [_safetensors(), _zip(), _stream()]


def _safetensors() -> bytes:
    header = json.dumps({
        '__metadata__': {'format': 'pt'},
        'weight': {'dtype': 'F32', 'shape': [3, 4], 'data_offsets': [0, 48]},
        'half': {'dtype': 'BF16', 'shape': [2], 'data_offsets': [44, 48]},
    }).encode()
    return struct.pack('<Q', len(header)) + header + _VALUES.tobytes()


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w') as zipped:
        zipped.writestr('archive/data.pkl', _pickled(view=False))
        zipped.writestr('archive/byteorder', b'little')
        zipped.writestr('archive/data/0', _VALUES.tobytes())
        zipped.writestr('archive/version', b'3\n')
    return file.getvalue()


def _stream() -> bytes:
    system = {'protocol_version': 1001, 'little_endian': True, 'type_sizes': {'int': 4}}
    head = b''.join(
        pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, system)
    )
    return (
        head + _pickled(view=True) + pickle.dumps(['0'], 2) + struct.pack('<q', 12)
        + _VALUES.tobytes()
    )


def _pickled(*, view: bool) -> bytes:
    """Pickle as torch does, with stand-ins for its names."""
    rebuild = _named('torch._utils', '_rebuild_tensor_v2')
    storage = _named('torch', 'FloatStorage')

    class Tensor:
        def __init__(self, start: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
            self.arguments = (Storage(), start, shape, strides, False, {})

        def __reduce__(self) -> tuple[object, ...]:
            return rebuild, self.arguments

    class Storage:
        pass

    class Pickler(pickle._Pickler):  # the C one looks names up where it finds them
        def persistent_id(self, value: object) -> object:
            mark = ('storage', storage, '0', 'cpu', 12)
            return (*mark, None) if view and isinstance(value, Storage) else (
                mark if isinstance(value, Storage) else None
            )

        def save_global(self, value: object, name: str | None = None) -> None:
            module, found = value.__module__, value.__qualname__  # type: ignore[attr-defined]
            self.write(pickle.GLOBAL + f'{module}\n{found}\n'.encode())
            self.memoize(value)

        dispatch: ClassVar = {
            **pickle._Pickler.dispatch, types.FunctionType: save_global, type: save_global,
        }

    file = io.BytesIO()
    Pickler(file, 2).dump(
        {'weight': Tensor(0, (3, 4), (4, 1)), 'part': Tensor(4, (4,), (1,)), 'height': 192}
    )
    return file.getvalue()


def _named(module: str, name: str) -> type:
    return type(name, (), {'__module__': module, '__qualname__': name})


