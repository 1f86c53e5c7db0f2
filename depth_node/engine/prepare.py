"""
Preprocessing and postprocessing on the CPU, with OpenCV.

CPU engines use it; GPU engines have the same arithmetic inside their graph
(:mod:`depth_node.engine.graph`). A test compares the two.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from depth_node.engine.lanczos import Lanczos
from depth_node.errors import DataError
from depth_node.image.size import Size
from depth_node.model import Aspect, Interpolation, ModelSpec

# NEAREST takes floor(i * scale), LINEAR and CUBIC (a = -0.75) use pixel centers; none but AREA
# smooths before it makes smaller.
_FLAGS = {
    Interpolation.NEAREST: cv2.INTER_NEAREST,
    Interpolation.LINEAR: cv2.INTER_LINEAR,
    Interpolation.CUBIC: cv2.INTER_CUBIC,
    Interpolation.AREA: cv2.INTER_AREA,
}


class Box(NamedTuple):
    """The part of a frame that is used by a network (pixels)."""

    x: int
    y: int
    width: int
    height: int


def seen(frame: Size, network: Size, aspect: Aspect) -> Box:
    """
    Return the part of the frame that becomes the input of the network.

    :param frame: size of the camera's frame (pixels).
    :param network: size of the network's input (pixels).
    :param aspect: squash uses the whole frame; crop uses the largest central part with the
        aspect ratio of the network, rounded to whole pixels.
    :returns: the box.
    """
    match aspect:
        case Aspect.SQUASH:
            return Box(0, 0, frame.width, frame.height)
        case Aspect.CROP:
            # whole numbers only: the merged graph computes the same with int64
            width = _divided(frame.height * network.width, network.height)
            height = _divided(frame.width * network.height, network.width)
            width, height = min(frame.width, width), min(frame.height, height)
            return Box((frame.width - width) // 2, (frame.height - height) // 2, width, height)
        case _ as unreachable:
            assert_never(unreachable)


def _divided(numerator: int, denominator: int) -> int:
    """Divide, rounded to the nearest integer, but at least 1."""
    return max(1, (2 * numerator + denominator) // (2 * denominator))


def affine(spec: ModelSpec) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """
    Return the normalization as one multiplication and one addition.

    (x / 255 - mean) / std = x * gain + offset.

    :param spec: mean and std, in the network's channel order.
    :returns: gain and offset, float32 (3,).
    """
    mean, std = np.asarray(spec.mean), np.asarray(spec.std)
    return (1 / (255 * std)).astype(np.float32), (-mean / std).astype(np.float32)


def check_frame(frame: NDArray[np.uint8]) -> None:
    """
    Check that an array is a frame.

    :param frame: the array.
    :raises DataError: not uint8 (H, W, 3), or empty.
    """
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
        raise DataError(
            f'The frame is {frame.dtype} {list(frame.shape)}, expected uint8 [H, W, 3].'
        )


class Preparation:
    """
    The preprocessing of one network, for frames of any size.

    :param spec: interpolation, aspect, normalization and channel order.
    :param size: the network's size (pixels).
    """

    def __init__(self, spec: ModelSpec, size: Size) -> None:
        self.tensor: NDArray[np.float32] = np.zeros((1, 3, size.height, size.width), np.float32)
        self._spec = spec
        self._size = size
        # OpenCV's Lanczos does not smooth
        self._lanczos = Lanczos(size) if spec.interpolation is Interpolation.LANCZOS else None
        self._small = np.empty((size.height, size.width, 3), np.uint8)
        self._planes = [np.empty((size.height, size.width), np.uint8) for _ in range(3)]
        gain, offset = affine(spec)
        self._affine = [(float(g), float(o)) for g, o in zip(gain, offset, strict=True)]

    def forward(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """
        Resize, reorder and normalize a frame.

        :param frame: uint8 (H, W, 3) rgb; may be a view with any strides.
        :returns: :attr:`tensor`, float32 (1, 3, h, w), overwritten by the next call.
        :raises DataError: the frame is invalid.
        """
        check_frame(frame)
        height, width = frame.shape[:2]
        box = seen(Size(width, height), self._size, self._spec.aspect)
        part = frame[box.y:box.y + box.height, box.x:box.x + box.width]
        if (box.width, box.height) != self._size:
            part = self._resize(part)
        # uint8 planes first: splitting bytes is cheaper than splitting floats
        cv2.split(part, self._planes)
        planes = reversed(self._planes) if self._spec.bgr else self._planes
        targets = zip(planes, self.tensor[0], self._affine, strict=True)
        for plane, target, (gain, offset) in targets:
            # plane * gain + plane * 0 + offset, converted to float32 in the same pass
            cv2.addWeighted(plane, gain, plane, 0.0, offset, dst=target, dtype=cv2.CV_32F)
        return self.tensor

    def _resize(self, part: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Bring a part of a frame to the network's size."""
        if self._lanczos is not None:
            return self._lanczos.resize(part, self._small)
        flag = _FLAGS[self._spec.interpolation]
        return cv2.resize(part, self._size, dst=self._small, interpolation=flag)

    def back(
        self, plane: NDArray[np.float32], out: NDArray[np.float32], unseen: float = np.nan
    ) -> None:
        """
        Resize an output to the size of the camera.

        :param plane: float32 (h, w), output of the network.
        :param out: float32 (H, W), filled.
        :param unseen: value of cropped pixels.
        """
        height, width = out.shape
        box = seen(Size(width, height), self._size, self._spec.aspect)
        if (box.width, box.height) != (width, height):
            out.fill(unseen)
        part = out[box.y:box.y + box.height, box.x:box.x + box.width]
        cv2.resize(plane, (box.width, box.height), dst=part, interpolation=cv2.INTER_LINEAR)
