"""The scale from a tape measure: one distance, to the surface in the middle of the image."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

from depth_node.errors import DataError
from depth_node.model import ModelSpec, OutputKind
from depth_node.scale.calibration import ScaleCalibration
from depth_node.scale.frames import FRAME_PRIOR, scaled_alike
from depth_node.scale.measurement import Measurement
from depth_node.scale.plausibility import plausible
from depth_node.scale.shape import COUNT, moved, patches_of, shape_sigma, shares
from depth_node.scale.state import ScaleState
from depth_node.scale.unscaled import unscaled

SPAN = 1.0
"""Frames of this time before the call count (s)."""
FEWEST = 3
"""Frames that are needed."""
WINDOW = 0.025
"""Half the side of the window in the middle of the image, in widths."""
AGREE = 0.05
"""Frames differ by less than this (relative, greatest from the median)."""
FLAT = 0.15
"""Within the window a single surface differs by less (relative, 10th to 90th percentile)."""
TAPE_SIGMA = 0.01
"""Standard deviation of a tape measure (relative)."""


@dataclass(frozen=True)
class _Look:
    """The middle of a frame: when (s), the network's number, how far it spreads, its patch."""

    when: float
    x: float
    spread: float
    patch: int


class TapeMeasure:
    """
    Remembers the middle of the last frames.

    :param spec: the network.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._looks: deque[_Look] = deque(maxlen=200)

    def look(self, now: float, values: NDArray[np.float32], focal: float | None) -> None:
        """
        Remember the middle of a frame.

        :param now: monotonic time (s).
        :param values: float32 (H, W), the network's numbers.
        :param focal: the factor of ``depth.metres.focal_correction``; None: it is not known, and
            nothing is remembered.
        """
        if focal is None:
            return
        height, width = values.shape
        reach = max(1, round(WINDOW * width))
        middle = values[
            max(height // 2 - reach, 0): height // 2 + reach + 1,
            max(width // 2 - reach, 0): width // 2 + reach + 1,
        ]
        x = unscaled(np.ascontiguousarray(middle), self._spec, focal)
        x = x[np.isfinite(x)]
        if not x.size:
            return
        low, usual, high = np.percentile(x, (10, 50, 90)).tolist()
        patch = patches_of(np.array([height // 2]), np.array([width // 2]), height, width)
        spread = (high - low) / max(abs(usual), 1e-12)
        self._looks.append(_Look(now, usual, spread, int(patch[0])))

    def calibration(
        self, now: float, distance: float, state: ScaleState | None, sha256: str
    ) -> ScaleCalibration:
        """
        Set the scale so that the middle is as far as the tape says.

        :param now: monotonic time (s).
        :param distance: measured along the optical axis (m).
        :param state: what is known of the scale; for kinds with a shift a scale has to be known,
            and the distance corrects the factor of its metres.
        :param sha256: of the model's ONNX file.
        :returns: the calibration.
        :raises DataError: too few frames, frames or pixels that disagree, or a distance that
            cannot be.
        """
        looks = [one for one in self._looks if now - one.when <= SPAN]
        if len(looks) < FEWEST:
            raise DataError(
                f'{len(looks)} frames were processed in the last {SPAN:g} s, expected at least '
                f'{FEWEST}.',
                'Subscribe to depth/image or depth/image_relative, and call again.',
            )
        spread = float(np.median([one.spread for one in looks]))
        if spread > FLAT and not self._spec.kind.has_shift:
            raise DataError(
                f'The middle of the image spreads over {100 * spread:.0f} % of its distance, '
                'which is not one surface.', 'Point the camera at a wall, and call again.',
            )
        kind, usual = self._spec.kind, float(np.median([one.x for one in looks]))
        scale, shift, sigma = 1.0, 0.0, 0.0
        if kind.has_shift:
            if state is None or not math.isfinite(state.value):
                raise DataError(
                    f'{self._spec.name} predicts {kind.value}, and one distance cannot tell scale '
                    'from shift.', 'Calibrate with a source of scale first (doc/scale.md).',
                )
            scale, shift, sigma = state.value, state.shift, state.sigma
        metres = [self._metres(one.x, scale, shift) for one in looks]
        middle = float(np.median(metres))
        differ = float(np.max(np.abs(np.array(metres) / middle - 1))) if middle > 0 else math.inf
        if not differ < AGREE:
            raise DataError(
                f'The frames of the last second differ by {100 * differ:.0f} %, expected less '
                f'than {100 * AGREE:g} %.', 'Keep camera and scene still, and call again.',
            )
        factor = math.log(distance / middle)
        value = np.array([math.log(scale), shift])[: 2 if kind.has_shift else 1]
        turn = scaled_alike(kind, value, factor)
        value[0] += turn[0]
        if value.size > 1:
            value[1] *= math.exp(turn[0])
        found = self._with_errors(value, usual, looks, math.hypot(sigma, differ))
        why = plausible(self._spec, found)
        if why is not None:
            raise DataError(f'{distance:g} m cannot be: {why.reason}.')
        return ScaleCalibration(
            self._spec.name, sha256, kind, math.exp(value[0]),
            float(value[1]) if value.size > 1 else 0.0,
            tuple(map(tuple, found.bias.tolist())), usual, 'distance',
        )

    def _with_errors(
        self, value: NDArray[np.float64], usual: float, looks: list[_Look], sigma: float
    ) -> Measurement:
        """Return the measurement: one window is a small part of one frame."""
        patch = np.array([looks[0].patch])
        part = moved((shares(patch) - 1 / COUNT)[None], shape_sigma(np.zeros(1), patch))
        relative = math.sqrt(
            sigma**2 + TAPE_SIGMA**2 + FRAME_PRIOR**2 + float(part[0, 0])
        )
        common = scaled_alike(self._spec.kind, value, relative)
        count = len(looks)
        empty = np.zeros((value.size, value.size))
        return Measurement(value, empty, np.outer(common, common), usual, count, count)

    def _metres(self, x: float, scale: float, shift: float) -> float:
        line = scale * x + shift
        if self._spec.kind is OutputKind.RELATIVE_DISPARITY:
            return 1 / line if line > 0 else math.nan
        return line

