"""Augmentation of samples, against overfitting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.training.config import TrainConfig


@dataclass(frozen=True)
class ColorChange:
    """
    One change of color, the same for all frames of a sample.

    :param brightness: factor on all channels.
    :param contrast: factor on the distance from mid-gray.
    :param saturation: factor on the saturation (HSV).
    :param hue: shift, in turns of the color circle.
    """

    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0

    @classmethod
    def drawn(cls, config: TrainConfig, rng: np.random.Generator) -> ColorChange:
        """
        Return a random change within the bounds of the configuration.

        :param config: the bounds.
        :param rng: the random generator.
        :returns: the change.
        """
        b, c, s, h = rng.uniform(-1.0, 1.0, 4)
        return cls(
            1.0 + b * config.brightness,
            1.0 + c * config.contrast,
            1.0 + s * config.saturation,
            h * config.hue,
        )

    def apply(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """
        Change the colors of frames.

        :param frames: uint8 (N, H, W, 3) rgb.
        :returns: uint8 of the same shape, new.
        """
        levels = (np.arange(256) - 127.5) * self.contrast + 127.5
        curve = np.clip(levels * self.brightness, 0, 255).round().astype(np.uint8)
        count, height, width, _ = frames.shape
        changed = cv2.LUT(frames.reshape(count * height, width, 3), curve)
        if self.saturation != 1.0 or self.hue != 0.0:
            hsv = cv2.cvtColor(changed, cv2.COLOR_RGB2HSV_FULL)
            table = np.arange(256)
            turned = ((table + round(self.hue * 256)) % 256).astype(np.uint8)
            vivid = np.clip(table * self.saturation, 0, 255).round().astype(np.uint8)
            curves = np.stack([turned, vivid, table.astype(np.uint8)], axis=-1)
            hsv = cv2.LUT(hsv, curves.reshape(1, 256, 3))
            changed = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)
        result: NDArray[np.uint8] = changed.reshape(frames.shape)
        return result


def mirrored(plane: NDArray[Any], axis: int) -> NDArray[Any]:
    """
    Return an image mirrored left to right.

    :param plane: any image or stack of images.
    :param axis: the axis along the width.
    :returns: a contiguous copy.
    """
    return np.ascontiguousarray(np.flip(plane, axis))


def mirrored_camera(camera: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """
    Return the intrinsics of a mirrored image: only the principal point changes.

    :param camera: fx, fy, cx, cy (pixels); integer coordinates are centres of pixels.
    :param width: of the image (pixels).
    :returns: fx, fy, width - 1 - cx, cy.
    """
    fx, fy, cx, cy = camera
    return np.array([fx, fy, width - 1 - cx, cy])
