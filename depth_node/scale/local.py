"""
Local correction: what a sensor shows of a network's shape error, taken out of every pixel.

After the global fit the residuals of log depth at the anchors, pixels of known distance, are
spread over image and depth (``scale.grid``). Away from the anchors everything fades to the global
fit.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.scale.grid import AnchorGrid, cells_of, Floats, LARGEST, LEAST_SPREAD, Places, STEP

FEWEST = 20
"""Fewer anchors show nothing but themselves."""
FOLDS = 5
"""One in so many anchors is held out to see what the correction gains."""
WORSE = 0.02
"""Anchors of the past that lessen the gain by more than this are not used."""
EVERY = 4
"""The field is looked up in one row and column of so many."""


@dataclass(frozen=True)
class Anchors:
    """
    Pixels of known distance in a frame.

    :param rows: int64 (N,).
    :param columns: int64 (N,).
    :param z: float64 (N,), z-depth (m).
    :param shape: rows and columns of the frame (pixels).
    :param resolution: float64 (N,), as of ``scale.pixels.Pixels``, or None.
    """

    rows: Places
    columns: Places
    z: NDArray[np.float64]
    shape: tuple[int, int]
    resolution: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Past:
    """
    Anchors of earlier frames, where they are in this one.

    :param anchors: N pixels of known distance.
    :param metres: float64 (N,), what the global fit says there now (m).
    :param weights: float64 (N,), what each counts against one of this frame, 0 to 1.
    """

    anchors: Anchors
    metres: NDArray[np.float64]
    weights: NDArray[np.float64]


@dataclass(frozen=True)
class Field:
    """
    A correction of log depth over rows, columns and log depth.

    :param values: float32 (steps, rows, columns), what to add to log depth in each cell.
    :param support: float32 (rows, columns), 0 (no anchor near) to 1.
    :param lowest: log depth (m) in the middle of the first step.
    :param anchors: how many agree.
    :param gain: share of the mean disagreement of held-out anchors that the correction takes
        away; NaN where it was not looked at.
    :param rest: robust standard deviation of what is left at the anchors, relative.
    :param past: how many of the anchors are from earlier frames.
    """

    values: Floats
    support: Floats
    lowest: float
    anchors: int
    gain: float
    rest: float
    past: int = 0

    def judged(self, gain: float) -> Field:
        """
        Return the same field with a gain that was found a moment ago.

        :param gain: see the class.
        :returns: the field.
        """
        return dataclasses.replace(self, gain=gain)

    def sigma(self, misfit: float, shape: tuple[int, int]) -> Floats:
        """
        Return how far off corrected pixels are.

        :param misfit: how far a pixel is off without the correction, relative.
        :param shape: rows and columns of the image.
        :returns: float32 (H, W), relative standard deviation: what is left at the anchors near
            them, the misfit away from them.
        """
        away = 1 - self.support
        variance = self.support * np.float32(self.rest**2) + away * np.float32(misfit**2)
        return np.asarray(np.sqrt(cv2.resize(variance, shape[::-1])), np.float32)

    def at(self, log_depth: Floats, across: Floats, down: Floats) -> Floats:
        """
        Look the correction up, linear between cells.

        :param log_depth: float32 (H, W).
        :param across: float32 (H, W), column, in cells.
        :param down: float32 (H, W), row, in cells.
        :returns: float32 (H, W), to add to log depth; 0 where log depth is not finite.
        """
        steps, rows, columns = self.values.shape
        level = (log_depth - np.float32(self.lowest)) / np.float32(STEP)
        known = np.isfinite(level)
        level = np.clip(np.where(known, level, 0), 0, steps - 1)
        below = np.minimum(np.floor(level), max(steps - 2, 0))
        share = level - below
        across = np.clip(across, 0, columns - 1)
        first = below * rows + np.clip(down, 0, rows - 1)
        flat = self.values.reshape(steps * rows, columns)
        low = cv2.remap(flat, across, first, cv2.INTER_LINEAR)
        high = cv2.remap(flat, across, first + np.float32(rows if steps > 1 else 0),
                         cv2.INTER_LINEAR)
        return np.where(known, low + share * (high - low), 0).astype(np.float32)

    def apply(self, depth: Floats) -> Floats:
        """
        Correct a depth image in place.

        :param depth: float32 (H, W), z-depth (m) of the global fit.
        :returns: `depth`.
        """
        height, width = depth.shape
        sparse = np.ascontiguousarray(depth[EVERY // 2:: EVERY, EVERY // 2:: EVERY])
        if sparse.size == 0:
            return depth
        with np.errstate(divide='ignore', invalid='ignore'):
            log_depth = np.log(sparse)
        across, down = cells_of(
            np.arange(sparse.shape[1]) * EVERY + EVERY // 2,
            np.arange(sparse.shape[0]) * EVERY + EVERY // 2, (height, width),
            self.values.shape[1:],
        )
        grid_x, grid_y = np.meshgrid(across.astype(np.float32), down.astype(np.float32))
        factor = np.exp(self.at(log_depth, grid_x, grid_y))
        # the samples lie half a pixel right of and below where a resize expects them
        full = cv2.resize(factor, (width, height), interpolation=cv2.INTER_LINEAR)
        np.multiply(depth, full, out=depth)
        return depth


def fit_field(
    anchors: Anchors, metres: NDArray[np.float64], *, hold_out: bool, past: Past | None = None
) -> Field | None:
    """
    Find the correction that a frame's anchors ask for.

    :param anchors: pixels of known distance.
    :param metres: float64 (N,), what the global fit says there (m).
    :param hold_out: also find what it gains at anchors that are held out; where it gains nothing
        there is no correction.
    :param past: anchors of earlier frames, or None. Where others are held out, they are used only
        if they do not make the result worse.
    :returns: the field, or None where too few anchors agree or nothing is gained.
    """
    parts = [(anchors, metres, np.ones(metres.size))]
    if past is not None:
        parts.append((past.anchors, past.metres, past.weights))
    log_depth, wanted, rows, columns, base = (
        np.concatenate(list(values)) for values in zip(*map(_asked, parts), strict=True)
    )
    good = np.isfinite(log_depth) & np.isfinite(wanted)
    own = int(np.count_nonzero(good[:metres.size]))
    if np.count_nonzero(good) < FEWEST:
        return None
    log_depth, wanted, base = log_depth[good], wanted[good], base[good]
    grid = AnchorGrid(log_depth, rows[good], columns[good], anchors.shape)
    gain = float('nan')
    if hold_out:
        gain = _gain(grid, wanted, base, own)
        if own < wanted.size and own >= FEWEST:
            alone = np.where(np.arange(wanted.size) < own, base, 0)
            without = _gain(grid, wanted, alone, own)
            if gain < without - WORSE:
                return fit_field(anchors, metres, hold_out=True)
        if gain <= 0:
            return None
    found, support, weights = grid.solve(wanted, base)
    agree = weights > 0
    if np.count_nonzero(agree) < FEWEST:
        return None
    rest = 1.4826 * float(np.median(np.abs(wanted - grid.at_anchors(found))[agree]))
    return Field(
        np.ascontiguousarray(found.transpose(2, 0, 1)), support, grid.lowest,
        int(np.count_nonzero(agree)), gain, rest, int(np.count_nonzero(agree[own:])),
    )


def _asked(
    part: tuple[Anchors, NDArray[np.float64], NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64], Places, Places, NDArray[np.float64]]:
    """Return log depth, residuals of it, rows, columns and weights of anchors."""
    anchors, metres, weights = part
    with np.errstate(divide='ignore', invalid='ignore'):
        log_depth = np.log(metres)
        wanted = np.clip(np.log(anchors.z) - log_depth, -LARGEST, LARGEST)
    return log_depth, wanted, anchors.rows, anchors.columns, weights


def _gain(
    grid: AnchorGrid, wanted: NDArray[np.float64], base: NDArray[np.float64], own: int
) -> float:
    """
    Return how much of the disagreement of anchors that are held out is taken away.

    Those of this frame, the first `own`, are held out; where they are few, of all.
    """
    index = np.arange(wanted.size)
    held = (index % FOLDS == 0) & (base > 0)
    if own >= FEWEST:
        held &= index < own
    found, _, _ = grid.solve(wanted, np.where(held, 0, base))
    before = np.abs(wanted[held])
    after = np.abs(wanted - grid.at_anchors(found))[held]
    # a wrong anchor is wrong before and after: the middle half says more than the mean
    limit = float(np.percentile(before, 75)) + LEAST_SPREAD
    mean = float(np.mean(np.minimum(before, limit)))
    return 1 - float(np.mean(np.minimum(after, limit))) / max(mean, 1e-9)
