"""Tensors of a checkpoint that are read when they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.errors import ModelError

BFLOAT16 = 'bfloat16'
"""The only type that NumPy lacks: the upper half of a float32."""
ITEM_SIZES = {
    'float64': 8, 'float32': 4, 'float16': 2, BFLOAT16: 2, 'int64': 8, 'int32': 4, 'int16': 2,
    'int8': 1, 'uint8': 1, 'bool': 1,
}
_LARGEST = 1 << 40
"""Maximum number of elements of a tensor."""


@dataclass(frozen=True)
class Region:
    """
    The bytes that contain a tensor.

    :param data: uint8 (n,), often a view on a mapped file.
    :param path: the file, if it contains the bytes unchanged, or None.
    :param offset: offset of the first byte in that file.
    """

    data: NDArray[np.uint8]
    path: Path | None = None
    offset: int = 0


@dataclass(frozen=True)
class StoredTensor:
    """
    A tensor in a region of bytes.

    :param region: the bytes of its storage.
    :param dtype: a key of :data:`ITEM_SIZES`; little-endian.
    :param shape: its shape.
    :param strides: elements from one index to the next, per axis.
    :param start: number of elements of the storage before its first.
    """

    region: Region
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    start: int = 0

    def __post_init__(self) -> None:
        """Check that the tensor lies inside its storage."""
        sizes = (*self.shape, *self.strides, self.start)
        if len(self.shape) != len(self.strides) or not all(0 <= n < _LARGEST for n in sizes):
            raise ModelError(f'a tensor has impossible sizes ({self.shape}, {self.strides}).')
        last = self.start + sum(
            (n - 1) * step for n, step in zip(self.shape, self.strides, strict=True)
        )
        if 0 not in self.shape and (last + 1) * ITEM_SIZES[self.dtype] > self.region.data.size:
            raise ModelError('a tensor extends beyond the end of its storage.')

    @classmethod
    def whole(cls, region: Region, dtype: str, shape: tuple[int, ...]) -> StoredTensor:
        """
        Return a contiguous tensor.

        :param region: the bytes.
        :param dtype: a key of :data:`ITEM_SIZES`.
        :param shape: its shape.
        :returns: the tensor.
        """
        return cls(region, dtype, shape, contiguous(shape))

    @classmethod
    def of(cls, array: NDArray[Any]) -> StoredTensor:
        """
        Return the tensor of an array in memory.

        :param array: array with a type in :data:`ITEM_SIZES`.
        :returns: the tensor.
        """
        flat = np.ascontiguousarray(array)
        return cls.whole(Region(flat.reshape(-1).view(np.uint8)), str(array.dtype), array.shape)

    @property
    def is_contiguous(self) -> bool:
        """Whether its elements are contiguous in the storage."""
        return self.strides == contiguous(self.shape)

    @property
    def first_byte(self) -> int:
        """Offset of its first element in the region (bytes)."""
        return self.start * ITEM_SIZES[self.dtype]

    @property
    def size(self) -> int:
        """Number of bytes of its elements."""
        return math.prod(self.shape) * ITEM_SIZES[self.dtype]

    def array(self) -> NDArray[Any]:
        """
        Return the values.

        :returns: a read-only view if the bytes can be used unchanged, otherwise a copy; bfloat16
            is converted to float32.
        """
        item = ITEM_SIZES[self.dtype]
        kind = np.dtype('<u2' if self.dtype == BFLOAT16 else self.dtype).newbyteorder('<')
        if 0 in self.shape:
            return np.zeros(self.shape, np.float32 if self.dtype == BFLOAT16 else kind)
        data = self.region.data[self.first_byte:]
        values = np.lib.stride_tricks.as_strided(
            data[:data.size // item * item].view(kind), self.shape,
            [item * step for step in self.strides], writeable=False,
        )
        if self.dtype == BFLOAT16:
            wide: NDArray[Any] = values.astype(np.uint32) << 16
            return wide.view(np.float32)
        return values

    def rows(self, first: int, count: int) -> StoredTensor:
        """
        Return a part of the first axis, without copying.

        :param first: index of the first.
        :param count: number of indices.
        :returns: that part.
        """
        return replace(
            self, shape=(count, *self.shape[1:]), start=self.start + first * self.strides[0]
        )


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """
    Return the strides of a contiguous tensor.

    :param shape: the shape.
    :returns: elements per step of each axis.
    """
    strides = []
    step = 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


class Weights(Mapping[str, StoredTensor]):
    """
    The tensors of a network by name, each of which must be taken exactly once.

    :param tensors: by name.
    :param source: the file, for error messages.
    """

    def __init__(self, tensors: Mapping[str, StoredTensor], source: str) -> None:
        self._tensors = dict(tensors)
        self._taken: set[str] = set()
        self.source = source

    def __getitem__(self, name: str) -> StoredTensor:
        """Return a tensor without taking it."""
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._tensors)

    def __len__(self) -> int:
        """Return the number of tensors."""
        return len(self._tensors)

    def take(self, name: str, *shape: int) -> StoredTensor:
        """
        Take a tensor of floating-point numbers.

        :param name: its name.
        :param shape: its expected shape.
        :returns: the tensor.
        :raises ModelError: missing, of another shape, or not of floating-point numbers.
        """
        if name not in self._tensors:
            raise self._other(f'{name} is missing')
        tensor = self._tensors[name]
        if tensor.shape != shape:
            raise self._other(f'{name} is {list(tensor.shape)}, expected {list(shape)}')
        if 'float' not in tensor.dtype:
            raise self._other(f'{name} is {tensor.dtype}, expected floating-point numbers')
        self._taken.add(name)
        return tensor

    def ignore(self, *names: str) -> None:
        """
        Mark tensors as taken that the network does not need.

        :param names: their names, which may be missing.
        """
        self._taken.update(names)

    def finish(self) -> None:
        """
        Check that all tensors have been taken.

        :raises ModelError: some tensors belong to no part of the network.
        """
        left = [name for name in self._tensors if name not in self._taken]
        if left:
            more = f' and {len(left) - 3} more' if len(left) > 3 else ''
            raise self._other(f'{", ".join(left[:3])}{more} not known')

    def _other(self, what: str) -> ModelError:
        return ModelError(
            f'{self.source}: contains the weights of another network: {what:.300}.',
            'Use the name of the model that the weights belong to (`depth-node models`).',
        )
