"""Reading of a checkpoint in any format, as a dictionary of tensors."""

from __future__ import annotations

from collections.abc import Mapping
import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.catalogue.checkpoints.safetensors import (
    looks_like_safetensors,
    read_safetensors,
)
from depth_node.catalogue.checkpoints.tensor import StoredTensor
from depth_node.catalogue.checkpoints.torch_files import looks_like_zip, read_stream, read_zip
from depth_node.errors import ModelError
from depth_node.files import check_regular

_WRAPPERS = ('model', 'state_dict', 'model_state_dict')
"""Keys under which training scripts store the weights."""
_PARALLEL = 'module.'
"""Prefix of names from DistributedDataParallel."""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """
    Read a checkpoint without running code in it.

    :param path: safetensors, or a file written by torch.save in its current or older format.
    :returns: name to :class:`StoredTensor`, or to plain values for other contents.
    :raises ModelError: missing, damaged, or not plain weights.
    """
    return named_values(mapped(path), path, path)


def named_values(data: NDArray[np.uint8], name: Path, path: Path | None) -> dict[str, Any]:
    """
    Read a checkpoint in memory.

    :param data: uint8 (n,), its bytes.
    :param name: its name in error messages.
    :param path: the file that contains the bytes unchanged, or None.
    :returns: see :func:`read_checkpoint`.
    :raises ModelError: damaged, or not plain weights.
    """
    try:
        if looks_like_zip(data):
            found = read_zip(path, data)
        elif looks_like_safetensors(data):
            found = read_safetensors(name if path is None else path, data)
        else:
            found = read_stream(path, data)
        return _state(found)
    except ModelError as error:
        raise ModelError(
            f'{name}: is not a readable checkpoint: {error.problem.rstrip(".")}.',
            'Expected safetensors, or a complete .pth of plain weights. Fetch or copy it again.',
        ) from error


def mapped(path: Path) -> NDArray[np.uint8]:
    """
    Map a file into memory, read-only.

    :param path: the file.
    :returns: uint8 (n,), its bytes.
    :raises ModelError: the file cannot be read, or is empty.
    """
    check_regular(path, raised=ModelError)
    try:
        with path.open('rb') as file:
            return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
    except OSError as error:
        raise ModelError(f'{path}: cannot be read ({error.strerror}).') from error
    except ValueError as error:
        raise ModelError(f'{path}: is empty.', 'Fetch or copy it again.') from error


def _state(value: Any) -> dict[str, Any]:
    """Return the weights in the saved object."""
    if isinstance(value, Mapping) and not _has_tensors(value):
        value = next((value[name] for name in _WRAPPERS if name in value), value)
    if not isinstance(value, Mapping) or not _has_tensors(value):
        raise ModelError(f'it contains no named weights (a {type(value).__name__})')
    if not all(isinstance(name, str) for name in value):
        raise ModelError('it has a dictionary whose keys are not names')
    if all(name.startswith(_PARALLEL) for name in value):
        return {name.removeprefix(_PARALLEL): inner for name, inner in value.items()}
    return dict(value)


def _has_tensors(value: Mapping[Any, Any]) -> bool:
    return any(isinstance(inner, StoredTensor) for inner in value.values())
