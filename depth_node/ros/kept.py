"""A message whose bytes are filled again with every frame."""

from __future__ import annotations

import array
import math
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray
from sensor_msgs.msg import Image, PointCloud2

MessageT = TypeVar('MessageT', Image, PointCloud2)


class Kept(Generic[MessageT]):
    """
    A message that is filled in place for every frame.

    ``publish`` copies the message, so the next frame can use the same bytes, and values can be
    computed directly in them (:meth:`room`). The 4.9 MB of a cloud are then neither allocated nor
    copied.

    :param kind: Image or PointCloud2.
    """

    def __init__(self, kind: type[MessageT]) -> None:
        self.message: MessageT = kind()
        self._bytes = np.empty(0, np.uint8)

    def room(self, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """
        Return an array view on the bytes of the message.

        :param shape: shape of the array.
        :param dtype: type of its values.
        :returns: a view of that shape, with the previous content.
        """
        count = math.prod(shape) * np.dtype(dtype).itemsize
        if self._bytes.nbytes != count:
            self._renew(bytes(count))
        return self._bytes.view(dtype).reshape(shape)

    def fill(self, values: NDArray[Any]) -> None:
        """
        Write values into the message.

        :param values: any array; a view from :meth:`room` is not copied.
        """
        # through uint8 and not a memoryview's cast, which refuses an empty cloud
        flat = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        if self._bytes.nbytes != flat.nbytes:
            self._renew(flat.data)
        elif self._bytes.ctypes.data != flat.ctypes.data:
            np.copyto(self._bytes, flat)

    def _renew(self, content: Any) -> None:
        """Replace the bytes by others of another size: an array with views cannot be resized."""
        # into the array that the message has: one that is assigned is copied by Iron and later
        self.message.data = array.array('B')
        self.message.data.frombytes(content)
        self._bytes = np.asarray(memoryview(self.message.data))
