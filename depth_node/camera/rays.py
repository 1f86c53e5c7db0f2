"""
Where every pixel of an image looks, in bounded memory and time.

A lens is smooth, so that in a large image the inverse of its model is computed on every eighth
pixel and interpolated in between; applying the model forward, which is cheap, shows where that
is not exact enough.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_STRIP = 1 << 15
"""Pixels computed at once, so that the scratch memory stays in the processor's cache."""
_LARGE = 1 << 19
"""Pixels from which an image is interpolated."""
_STEP = 8
"""Pixels between two nodes of the interpolation."""
_EXACT = 1e-7
"""Largest error of a distorted coordinate: 0.001 px at a focal length of 10000 px."""


class Lens(Protocol):
    """A lens model on normalized coordinates; NaN where it has no answer."""

    def distort(self, x: Array, y: Array) -> tuple[Array, Array]: ...

    def undistort(self, xd: Array, yd: Array) -> tuple[Array, Array]: ...


def rays_of(lens: Lens | None, x: Array, y: Array) -> NDArray[np.float32]:
    """
    Invert a lens model for every pixel.

    :param lens: the model, or None for a pinhole.
    :param x: (W,), distorted normalized coordinate of each column, equally spaced.
    :param y: (H,), of each row, equally spaced.
    :returns: float32 (H, W, 2), X/Z and Y/Z, NaN where the model has no inverse.
    """
    width, height = len(x), len(y)
    out = np.empty((height, width, 2), np.float32)
    nodes = None
    if lens is not None and width * height >= _LARGE:
        nodes = _Nodes(lens, x, y)
    rows = max(1, _STRIP // width)
    with np.errstate(all='ignore'):  # of numbers no camera has; they give no ray
        for start in range(0, height, rows):
            strip, y_strip = out[start:start + rows], y[start:start + rows]
            if lens is None:
                strip[..., 0], strip[..., 1] = x, y_strip[:, None]
            elif nodes is None:
                strip[..., 0], strip[..., 1] = lens.undistort(*np.meshgrid(x, y_strip))
            else:
                strip[..., 0], strip[..., 1] = nodes.rows(start, start + len(strip))
            strip[np.isinf(strip)] = np.nan
    return out


class _Nodes:
    """
    The inverse of a lens on a coarse grid, with cubic interpolation (Lagrange) in between.

    :param lens: the model.
    :param x: coordinates of the columns.
    :param y: coordinates of the rows.
    """

    def __init__(self, lens: Lens, x: Array, y: Array) -> None:
        self._lens, self._x, self._y = lens, x, y
        # one node before the first pixel, and two behind the last
        self._cells = len(x) // _STEP + 1
        columns, rows = (
            values[0] + (np.arange(len(values) // _STEP + 4) - 1) * _STEP
            * (values[-1] - values[0]) / max(len(values) - 1, 1)
            for values in (x, y)
        )
        with np.errstate(all='ignore'):
            self._planes = lens.undistort(*np.meshgrid(columns, rows))
        # a cell none of whose 16 nodes has an inverse is taken to have none
        known = np.isfinite(self._planes[0])
        windows = np.lib.stride_tricks.sliding_window_view(known, (4, 4))
        self._empty = np.asarray(~windows.any(axis=(2, 3)), np.bool_)
        self._weights = _lagrange(np.arange(_STEP) / _STEP)

    def rows(self, first: int, last: int) -> tuple[Array, Array]:
        """Return X/Z and Y/Z of some rows, (last - first, W) each."""
        numbers = np.arange(first, last)
        x, y = (self._interpolated(plane, numbers) for plane in self._planes)
        xd, yd = np.meshgrid(self._x, self._y[first:last])
        fx, fy = self._lens.distort(x, y)
        bad = ~(np.maximum(abs(fx - xd), abs(fy - yd)) < _EXACT)
        empty = np.repeat(self._empty[numbers // _STEP], _STEP, axis=1)[:, :len(self._x)]
        x[bad], y[bad] = np.nan, np.nan
        bad &= ~empty
        if bad.any():
            x[bad], y[bad] = self._lens.undistort(xd[bad], yd[bad])
        return x, y

    def _interpolated(self, plane: Array, numbers: NDArray[np.int64]) -> Array:
        cell, phase = numbers // _STEP, numbers % _STEP
        taps = plane[cell[:, None] + np.arange(4)]  # (n, 4, nodes)
        lines = np.einsum('nk,nkc->nc', self._weights[phase], taps)
        windows = np.lib.stride_tricks.sliding_window_view(lines, 4, axis=1)[:, :self._cells]
        fine = windows.reshape(-1, 4) @ self._weights.T
        return np.ascontiguousarray(fine.reshape(len(numbers), -1)[:, :len(self._x)])


def _lagrange(t: Array) -> Array:
    """Return the weights of nodes at -1, 0, 1 and 2 for points between 0 and 1, (n, 4)."""
    return np.stack([
        -t * (t - 1) * (t - 2) / 6, (t + 1) * (t - 1) * (t - 2) / 2,
        -(t + 1) * t * (t - 2) / 2, (t + 1) * t * (t - 1) / 6,
    ], axis=1)
