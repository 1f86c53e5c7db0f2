"""The position embedding of DINOv2 for another grid than in training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_A = -0.75
"""The constant of bicubic interpolation (Keys 1981) in PyTorch and OpenCV."""
OFFSET = 0.1
"""Patches that DINOv2's authors add to the size, so that rounding never loses one."""


def resized(grid: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float32]:
    """
    Interpolate a grid of embeddings like DINOv2's authors.

    Bicubic, pixel centres at halves, borders repeated, sampled every side / (wanted + 0.1)
    patches.

    :param grid: float32 (side, side, channels), as trained.
    :param rows: patches from top to bottom.
    :param columns: patches from left to right.
    :returns: float32 (rows, columns, channels); `grid` itself if that is its size.
    """
    height, width = grid.shape[:2]
    if (rows, columns) == (height, width):
        return grid
    down = _matrix(rows, height)
    across = _matrix(columns, width)
    half = np.tensordot(down, grid.astype(np.float64), (1, 0))
    whole = np.tensordot(across, half, (1, 1)).transpose(1, 0, 2)
    return whole.astype(np.float32)


def _matrix(wanted: int, given: int) -> NDArray[np.float64]:
    """Return (wanted, given) weights of one axis."""
    places = (np.arange(wanted) + 0.5) * (given / (wanted + OFFSET)) - 0.5
    first = np.floor(places).astype(int)
    matrix = np.zeros((wanted, given))
    for step in range(-1, 3):
        index = np.clip(first + step, 0, given - 1)
        np.add.at(matrix, (np.arange(wanted), index), _kernel(places - (first + step)))
    return matrix


def _kernel(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Keys' cubic convolution kernel (1981, eq. 4) at a distance in samples."""
    x = np.abs(distance)
    near = ((_A + 2) * x - (_A + 3)) * x * x + 1
    far = _A * (((x - 5) * x + 8) * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
