"""Safetensors: a length, a JSON header and raw bytes (format of huggingface/safetensors)."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.catalogue.checkpoints.tensor import ITEM_SIZES, Region, StoredTensor
from depth_node.errors import ModelError

_LARGEST_HEADER = 100_000_000
"""Maximum size of the header in this format (bytes)."""
_LENGTH = 8
_TYPES = {
    'F64': 'float64', 'F32': 'float32', 'F16': 'float16', 'BF16': 'bfloat16', 'I64': 'int64',
    'I32': 'int32', 'I16': 'int16', 'I8': 'int8', 'U8': 'uint8', 'BOOL': 'bool',
}


def looks_like_safetensors(data: NDArray[np.uint8]) -> bool:
    """
    Return whether a file looks like this format.

    :param data: uint8 (n,), its bytes.
    :returns: whether it starts with a plausible length and a JSON object.
    """
    return data.size > _LENGTH and data[_LENGTH] == ord('{') and _length(data) <= data.size


def read_safetensors(path: Path, data: NDArray[np.uint8]) -> dict[str, StoredTensor]:
    """
    Read the header.

    :param path: the file.
    :param data: uint8 (n,), its bytes, mapped.
    :returns: its tensors by name.
    :raises ModelError: damaged, or with an unknown data type.
    """
    length = _length(data)
    if length > min(_LARGEST_HEADER, data.size - _LENGTH):
        raise ModelError(f'its header has {length} bytes')
    start = _LENGTH + length
    try:
        header = json.loads(data[_LENGTH:start].tobytes())
    except (ValueError, RecursionError) as error:
        raise ModelError(f'its header is not JSON ({error!s:.80})') from error
    if not isinstance(header, dict):
        raise ModelError('its header is not a JSON object')
    header.pop('__metadata__', None)
    return {name: _tensor(path, data, start, fields) for name, fields in header.items()}


def _length(data: NDArray[np.uint8]) -> int:
    return int.from_bytes(data[:_LENGTH].tobytes(), 'little')


def _tensor(path: Path, data: NDArray[np.uint8], start: int, fields: Any) -> StoredTensor:
    try:
        kind, shape, (begin, end) = fields['dtype'], fields['shape'], fields['data_offsets']
        good = all(type(n) is int and n >= 0 for n in (*shape, begin, end))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError('its header describes a tensor in an unknown way') from error
    if not isinstance(kind, str) or kind not in _TYPES:
        raise ModelError(f'it has a tensor of the type {kind!s:.20}, which is not known')
    dtype = _TYPES[kind]
    if not good or end > data.size - start:
        raise ModelError('a tensor extends beyond the end of the file')
    if end - begin != math.prod(shape) * ITEM_SIZES[dtype]:
        raise ModelError('the size of a tensor does not match its shape')
    region = Region(data[start + begin:start + end], path, start + begin)
    return StoredTensor.whole(region, dtype, tuple(shape))
