"""A scale that stays what it is, for SLAM, while it is still measured."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from depth_node.model import OutputKind
from depth_node.scale.state import ScaleState
from depth_node.scale.tracker import Belief

NOTABLE = 3.0
"""Differences from this many standard deviations on are reported."""


class Freezer:
    """
    Keeps the first usable scale.

    :param kind: of the network.
    """

    def __init__(self, kind: OutputKind) -> None:
        self._kind = kind
        self._kept: ScaleState | None = None

    def thaw(self) -> None:
        """Forget the scale that was kept."""
        self._kept = None

    def state(self, now: ScaleState, belief: Belief, limit: float) -> ScaleState:
        """
        Return what is known of the scale while it is frozen.

        :param now: what is measured.
        :param belief: the same, as the filter has it.
        :param limit: ``scale.max_sigma``.
        :returns: the scale kept; its uncertainty has the difference to what is measured in it,
            and beyond the limit it is not usable. Without a local correction, which changes.
        """
        if self._kept is None:
            if not now.usable:
                return now
            self._kept = now
        kept = self._kept
        off = math.log(self._metres(now, belief.typical) / self._metres(kept, belief.typical))
        sigma = math.hypot(now.sigma, off)
        reason = now.reason
        if abs(off) > NOTABLE * now.sigma:
            reason = (
                f'the frozen scale gives {100 * (math.exp(-off) - 1):+.1f} % of what is measured '
                'now; call ~/reset_scale, or set scale.freeze to false'
            )
        elif sigma >= limit and not reason:
            reason = (
                f'the frozen scale is uncertain by {100 * sigma:.1f} %, more than '
                f'scale.max_sigma {100 * limit:g} %'
            )
        return dataclasses.replace(
            now, value=kept.value, shift=kept.shift, sigma=sigma, usable=sigma < limit,
            reason=reason, field=None,
        )

    def _metres(self, state: ScaleState, typical: float) -> float:
        """Return the metres of the typical number."""
        line = state.value * typical + (state.shift if self._kind.has_shift else 0.0)
        line = float(np.clip(line, 1e-9, 1e9))
        return 1 / line if self._kind is OutputKind.RELATIVE_DISPARITY else line
