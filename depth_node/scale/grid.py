"""
The grid behind the local correction: residuals of log depth at anchors, spread over cells.

Cells lie in rows, columns and log depth, so that what is near does not correct what is far behind
it (a bilateral grid: Chen, Paris and Durand, ACM TOG 26, 2007). The base is a Gaussian process on
groups of anchors; each finer level adds what is left, by normalized convolution (Knutsson and
Westin, CVPR 1993), and shrinks towards the coarser one where it has few anchors.

Wrong anchors are those that the others contradict: their weight is Tukey's biweight of the
residual after the coarsest level, which a single anchor cannot pull to itself.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Places = NDArray[np.int64]

CELL = 6.0
"""Size of the finest cells, in pixels of an image 640 wide."""
SIDES = (4, 2, 1)
"""Finest cells along the side of a cell of each level."""
COARSEST = SIDES[0]
STEP = 0.15
"""Height of a cell in log depth."""
MOST_STEPS = 32
SHRINK = (0.03, 0.003, 0.001)
"""Anchors, of each level, that the coarser one counts as."""
LENGTHS = (0.1, 0.3, 0.5)
"""Over which errors are alike: of the rows, of the columns, in log depth."""
NUGGET = 0.1
"""Variance of one anchor against that of the field."""
GROUP_NUGGET = 0.02
"""The same of a group of any size."""
GROUPS = (6, 8)
"""Rows and columns of groups, where anchors are many."""
GROUP_HEIGHT = 0.5
"""Height of a group in log depth."""
SINGLY = 128
"""So many anchors are interpolated one by one."""
PASSES = 2
"""Times that anchors are judged."""
TUKEY = 4.685
LEAST_SPREAD = 0.02
"""Residuals smaller than this (relative) are never wrong."""
FADE = 0.003
"""Anchors, in and around a coarsest cell, at which the correction has half its size."""
LARGEST = 0.7
"""Correction of log depth that is not exceeded: a factor of two."""
KERNEL = np.array([0.25, 0.5, 0.25], np.float32)
"""(1, 2, 1) / 4."""


class AnchorGrid:
    """The cells of a frame, and which of them each anchor lies in."""

    def __init__(
        self, log_depth: NDArray[np.float64], rows: Places, columns: Places,
        shape: tuple[int, int],
    ) -> None:
        cell = CELL * shape[1] / 640 * COARSEST
        self.rows, self.columns = (max(2, round(side / cell)) * COARSEST for side in shape)
        low, high = (float(v) for v in np.percentile(log_depth, (1, 99)))
        steps = int(np.clip(np.ceil((high - low) / STEP) + 1, 2, MOST_STEPS))
        self.steps, self.lowest = steps, low
        level = (log_depth - low) / STEP
        self.around = [
            _around(rows, columns, level, shape, (self.rows // side, self.columns // side, steps))
            for side in SIDES
        ]
        self._group(log_depth, rows, columns, shape)

    def _group(
        self, log_depth: NDArray[np.float64], rows: Places, columns: Places,
        shape: tuple[int, int],
    ) -> None:
        """Set the groups of anchors, and places of anchors and coarsest cells in lengths."""
        self.axes = (
            rows / (shape[0] * LENGTHS[0]), columns / (shape[1] * LENGTHS[1]),
            log_depth / LENGTHS[2],
        )
        self.cells = (
            *((np.arange(count // COARSEST) + 0.5) * COARSEST / count / length
              for count, length in zip((self.rows, self.columns), LENGTHS[:2], strict=True)),
            (self.lowest + STEP * np.arange(self.steps)) / LENGTHS[2],
        )
        self.group = np.arange(log_depth.size)
        if log_depth.size > SINGLY:
            level = np.floor((log_depth - self.lowest) / GROUP_HEIGHT).astype(np.int64)
            key = rows * GROUPS[0] // shape[0] * GROUPS[1] + columns * GROUPS[1] // shape[1]
            key = key * 64 + np.clip(level, -1, 62) + 1
            self.group = np.unique(key, return_inverse=True)[1].ravel()

    def at_anchors(self, field: Floats) -> NDArray[np.float64]:
        """
        Look a field up at the anchors.

        :param field: float32 (rows, columns, steps), on the cells of any level.
        :returns: float64 (N,).
        """
        places, shares = self.around[SIDES.index(self.rows // field.shape[0])]
        return np.asarray((field.reshape(-1)[places] * shares).sum(axis=0))

    def solve(
        self, wanted: NDArray[np.float64], base: NDArray[np.float64]
    ) -> tuple[Floats, Floats, NDArray[np.float64]]:
        """
        Spread residuals over the grid.

        :param wanted: float64 (N,), residuals of log depth.
        :param base: float64 (N,), weights of the anchors, 0 (not used) to 1.
        :returns: the field (rows, columns, steps), its support (rows, columns), and the weights
            of the anchors (N,).
        """
        weights = base
        for _ in range(PASSES):
            field = self._coarsest(wanted, weights)[0]
            rest = np.abs(wanted - self.at_anchors(field))
            spread = 1.4826 * float(np.median(rest[base > 0]))
            u = np.minimum(rest / (TUKEY * max(spread, LEAST_SPREAD)), 1) ** 2
            weights = base * (1 - u) ** 2
        field, there = self._coarsest(wanted, weights)
        near = _blurred(there.sum(axis=2, keepdims=True))[..., 0]
        support = cv2.resize(near / (near + np.float32(FADE)), (self.columns, self.rows))
        for which in range(1, len(SIDES)):
            field = _raised(field)
            count, total = self._binned(wanted, weights, which)
            _refine(field, count, total, SHRINK[which])
        field *= support[..., None]
        return field, support, weights

    def _binned(
        self, wanted: NDArray[np.float64], weights: NDArray[np.float64], which: int
    ) -> tuple[Floats, Floats]:
        """Return weights and weighted residuals in each cell of a level."""
        side = SIDES[which]
        shape = (self.rows // side, self.columns // side, self.steps)
        places, shares = self.around[which]
        parts, size = weights * shares, shape[0] * shape[1] * shape[2]
        count = np.bincount(places.ravel(), parts.ravel(), size)
        total = np.bincount(places.ravel(), (parts * wanted).ravel(), size)
        return (
            count.astype(np.float32).reshape(shape), total.astype(np.float32).reshape(shape)
        )

    def _coarsest(
        self, wanted: NDArray[np.float64], weights: NDArray[np.float64]
    ) -> tuple[Floats, Floats]:
        """Return the field and the weights on the coarsest level."""
        field = self._base(wanted, weights)
        count, total = self._binned(wanted, weights, 0)
        _refine(field, count, total, SHRINK[0])
        return field, count

    def _base(self, wanted: NDArray[np.float64], weights: NDArray[np.float64]) -> Floats:
        """
        Interpolate between groups of anchors: a Gaussian process with an exponential covariance.

        Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), equation 2.25. The
        covariance is a product over the three axes, which makes the grid cheap to fill.
        """
        known = np.maximum(np.bincount(self.group, weights), 1e-6)
        middle = np.bincount(self.group, weights * wanted) / known
        axes = [np.bincount(self.group, weights * axis) / known for axis in self.axes]
        apart = sum(np.abs(axis[:, None] - axis) for axis in axes)
        noise = np.diag(NUGGET / known + GROUP_NUGGET)
        # by OpenCV: threads of BLAS would wait for those of the engine
        _, answer = cv2.solve(np.exp(-apart) + noise, middle[:, None], flags=cv2.DECOMP_CHOLESKY)
        down, across, level = (
            np.exp(-np.abs(cells[:, None] - axis))
            for cells, axis in zip(self.cells, axes, strict=True)
        )
        both = (down[:, None] * across).reshape(-1, answer.size)
        field = cv2.gemm(both, level * answer.ravel(), 1.0, None, 0.0, flags=cv2.GEMM_2_T)
        return field.astype(np.float32).reshape(down.shape[0], across.shape[0], self.steps)


def cells_of(
    columns: NDArray[np.int64], rows: NDArray[np.int64], shape: tuple[int, int],
    grid: tuple[int, ...],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return columns and rows in units of cells; 0 is the middle of the first cell."""
    return (
        (columns + 0.5) * grid[1] / shape[1] - 0.5, (rows + 0.5) * grid[0] / shape[0] - 0.5
    )


def _around(
    rows: Places, columns: Places, level: NDArray[np.float64], shape: tuple[int, int],
    grid: tuple[int, int, int],
) -> tuple[Places, NDArray[np.float64]]:
    """Return the eight cells around each anchor (8, N), and its share of each (8, N)."""
    across, down = cells_of(columns, rows, shape, grid[:2])
    places, shares = np.zeros((1, rows.size), np.int64), np.ones((1, rows.size))
    for place, count in zip((down, across, level), grid, strict=True):
        inside = np.clip(place, 0, count - 1)
        below = np.minimum(np.floor(inside), count - 2).astype(np.int64)
        share = inside - below
        places = np.concatenate([places * count + below, places * count + below + 1])
        shares = np.concatenate([shares * (1 - share), shares * share])
    return places, shares


def _refine(field: Floats, count: Floats, total: Floats, shrink: float) -> None:
    """Add to a field, in place, what anchors show beyond it; `total` is overwritten."""
    total -= count * field
    more, known = _blurred(total), _blurred(count)
    known += np.float32(shrink)
    more /= known
    field += more


def _blurred(grid: Floats) -> Floats:
    """Blur with (1, 2, 1) / 4 along each axis; nothing comes in from outside."""
    rows, columns, steps = grid.shape
    if steps > 1:
        grid = cv2.sepFilter2D(
            grid.reshape(rows * columns, steps), -1, KERNEL, KERNEL[1:2] * 2,
            borderType=cv2.BORDER_CONSTANT,
        ).reshape(rows, columns, steps)
    out = cv2.sepFilter2D(grid, -1, KERNEL, KERNEL, borderType=cv2.BORDER_CONSTANT)
    return out.reshape(rows, columns, steps)


def _raised(grid: Floats) -> Floats:
    """Interpolate a level on the next finer one."""
    rows, columns, steps = grid.shape
    out = cv2.resize(grid, (2 * columns, 2 * rows), interpolation=cv2.INTER_LINEAR)
    return out.reshape(2 * rows, 2 * columns, steps)
