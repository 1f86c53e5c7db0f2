"""
What JPEG loses, for batches on any device.

Only the steps that lose something are done: conversion to YCbCr (JFIF 1.02), halving of the color
planes, and rounding of the coefficients of blocks of 8x8 to multiples (ITU-T T.81, annexes A and
K), which grow as the quality falls (as in the Independent JPEG Group's library).
"""

from __future__ import annotations

import functools
import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

BLOCK = 16
"""Pictures must be multiples of this: two blocks of 8, as color has half the resolution."""
# ITU-T T.81, tables K.1 and K.2
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56), (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99), (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99), (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
_TO_YCBCR = (
    (0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312),
)
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


@functools.lru_cache(maxsize=32)
def constant(values: Any, device: torch.device) -> Tensor:
    """
    Put numbers onto a device, once: to do so again a GPU would have to finish what it does.

    :param values: nested tuples of numbers.
    :param device: where they are wanted.
    :returns: float32; not to be changed.
    """
    return torch.tensor(values, dtype=torch.float32, device=device)


def compressed(pictures: Tensor, quality: Tensor) -> Tensor:
    """
    Compress pictures and decompress them again.

    :param pictures: float (B, 3, H, W), rgb, 0 to 255; multiples of :data:`BLOCK`.
    :param quality: float (B,), 1 to 100.
    :returns: float (B, 3, H, W), 0 to 255, whole numbers.
    """
    device = pictures.device
    planes = torch.einsum('ij,bjhw->bihw', constant(_TO_YCBCR, device), pictures)
    # the Independent JPEG Group's rule: 50 leaves the tables as they are
    factor = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)
    bright = _rounded(planes[:, :1] - 128, _LUMINANCE, factor) + 128
    color = _rounded(functional.avg_pool2d(planes[:, 1:], 2), _CHROMINANCE, factor)
    color = functional.interpolate(color, scale_factor=2.0, mode='bilinear')
    planes = torch.cat([bright, color], 1)
    rgb = torch.einsum('ij,bjhw->bihw', constant(_TO_RGB, device), planes)
    return rgb.round().clamp(0, 255)


def _rounded(
    planes: Tensor, table: tuple[tuple[int, ...], ...], factor: Tensor
) -> Tensor:
    """Round the coefficients of planes (B, C, H, W) around 0 to what the tables say."""
    count, channels, height, width = planes.shape
    device = planes.device
    steps = ((constant(table, device) * factor[:, None, None] + 50) / 100).floor().clamp(1, 255)
    steps = steps.view(count, 1, 1, 8, 1, 8)
    numbers = torch.arange(8, device=device)
    waves = torch.cos((2 * numbers[None] + 1) * numbers[:, None] * (math.pi / 16)) / 2
    waves = torch.cat([waves[:1] / math.sqrt(2), waves[1:]])  # (frequency, place), orthonormal
    blocks = planes.reshape(count, channels, height // 8, 8, width // 8, 8)
    found = torch.einsum('fy,bciyjx,gx->bcifjg', waves, blocks, waves)
    kept = (found / steps).round() * steps
    blocks = torch.einsum('fy,bcifjg,gx->bciyjx', waves, kept, waves)
    return blocks.reshape(count, channels, height, width)
