"""The `data` of a message as an array: the only place where bytes from outside become numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.errors import DataError


def bytes_of(data: Any) -> NDArray[np.uint8]:
    """
    Return the bytes of a message's field, as a view where that is possible.

    rclpy gives an ``array.array``, and from ROS 2 Lyrical on a ``rosidl_buffer.Buffer`` if a
    publisher keeps its data on a device; rosbags gives an ndarray, other tools ``bytes`` or a list
    of numbers.

    :param data: anything with the buffer protocol, an array interface or a method ``to_bytes``, of
        any shape and item type, or a sequence of whole numbers from 0 to 255.
    :returns: uint8 (N,); a view on `data` if that is contiguous, read-only where `data` is.
    :raises DataError: `data` is neither.
    """
    if isinstance(data, np.ndarray):
        return _flat(data)
    try:
        view = memoryview(data)
    except TypeError:
        return _converted(data)
    except (ValueError, BufferError) as error:  # closed, or released
        raise DataError(f'the data cannot be read ({error}).') from error
    return np.frombuffer(view if view.c_contiguous else view.tobytes(), np.uint8)


def floats_of(data: Any) -> NDArray[np.float32]:
    """
    Return the numbers of a message's field of float32.

    :param data: a sequence of numbers, an array or buffer of them, or the bytes of float32 in
        the order of this machine.
    :returns: float32 (N,).
    :raises DataError: `data` is nothing of this kind.
    """
    try:
        values = np.asarray(memoryview(data))
    except (TypeError, ValueError, BufferError):
        values = _asarray(data)
    if values.dtype.kind in 'cSUOV' or values.ndim > 1:
        raise _unusable(data, 'float32')
    if values.dtype.itemsize == 1:
        raw = bytes_of(data)
        if raw.size % 4:
            raise DataError(f'the data has {raw.size} bytes, expected float32 of 4 bytes.')
        return raw.view(np.float32)
    return values.reshape(-1).astype(np.float32, copy=False)


def _flat(values: NDArray[Any]) -> NDArray[np.uint8]:
    if values.dtype.hasobject:
        raise _unusable(values, 'bytes')
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8)


def _converted(data: Any) -> NDArray[np.uint8]:
    """Return the bytes of a sequence of numbers, or of an object that converts itself."""
    copy = getattr(data, 'to_bytes', None)
    if callable(copy) and hasattr(data, '__len__'):  # a number has it, too
        # rosidl_buffer.Buffer has no buffer protocol: this copies from the device
        return _copied(data, copy)
    values = _asarray(data)
    if hasattr(data, '__array__') or hasattr(data, '__array_interface__'):
        return _flat(values)
    if values.size == 0 and values.ndim == 1:
        return np.empty(0, np.uint8)
    if values.ndim != 1 or values.dtype.kind not in 'iu':
        raise _unusable(data, 'bytes')
    if not 0 <= int(values.min()) <= int(values.max()) <= 255:
        raise DataError(
            f'the data has numbers from {values.min()} to {values.max()}, expected bytes from 0 '
            'to 255.'
        )
    return values.astype(np.uint8)


def _copied(data: Any, copy: Callable[[], Any]) -> NDArray[np.uint8]:
    try:
        found = copy()
    except Exception as error:
        raise DataError(f'the data cannot be read ({type(error).__name__}: {error}).') from error
    if not isinstance(found, (bytes, bytearray)):
        raise _unusable(data, 'bytes')
    return np.frombuffer(found, np.uint8)


def _asarray(data: Any) -> NDArray[Any]:
    try:
        return np.asarray(data)
    except Exception as error:
        raise DataError(f'the data cannot be read ({type(error).__name__}: {error}).') from error


def _unusable(data: Any, expected: str) -> DataError:
    return DataError(f'the data is of type {type(data).__name__}, expected {expected}.')
