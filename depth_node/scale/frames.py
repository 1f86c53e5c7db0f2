"""
The scale error that all pixels of a frame share, estimated from several frames.

A network has another scale error in every frame and scene. If a scale is used on other frames than
those it was measured on, this error is part of its uncertainty, however well the pixels of a frame
agree with each other. Several frames show how much it varies (a random effect; DerSimonian and
Laird, Controlled Clinical Trials 7, 1986); for a single frame a prior is used.
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses

import numpy as np

from depth_node.model import OutputKind
from depth_node.scale.fit import Floats
from depth_node.scale.measurement import measure, Measurement, NotObservable
from depth_node.scale.pixels import Pixels, together

FRAME_PRIOR = 0.1
"""Prior of the relative standard deviation of the factor."""
ENOUGH = 4.0
"""Number of differences between frames from which the prior is not used."""
STUDENT = 1.3
"""Taken from their number: so few may be alike by chance, and two sigma shall hold nine in ten."""
FEWEST = 10
"""Minimum number of agreeing pixels for the factor of a frame."""


def scaled_alike(kind: OutputKind, value: Floats, factor: float) -> Floats:
    """
    Return the change of log scale and shift that multiplies all metres by a factor.

    :param kind: kind of the network.
    :param value: float64 (k,), log scale, and shift where k is 2.
    :param factor: logarithm of the factor, which is small.
    :returns: float64 (k,).
    """
    towards = -factor if kind is OutputKind.RELATIVE_DISPARITY else factor
    return towards * np.array([1.0, float(value[-1])])[: value.size]


def measure_together(
    kind: OutputKind, parts: Sequence[Pixels], found: Measurement | NotObservable | None = None
) -> Measurement | NotObservable:
    """
    Return the measurement of several frames, for use on other frames.

    :param kind: kind of the network.
    :param parts: the pixels of each frame.
    :param found: the measurement on all of them, if it is more than a fit.
    :returns: the measurement, with the factor of a frame in its bias; or why there is none.
    """
    if found is None:
        outcome = measure(kind, together(parts))
        found = outcome if isinstance(outcome, NotObservable) else outcome[0]
    if isinstance(found, NotObservable):
        return found
    each = [_factor(kind, found, part) for part in parts]
    factors = np.array([factor for factor in each if factor is not None])
    if factors.size == 0:
        return NotObservable('no frame has enough agreeing pixels')
    prior = max(ENOUGH - (factors.size - 1), 0.0)
    squares = float(np.sum((factors - factors.mean()) ** 2))
    freedom = prior + factors.size - 1
    variance = (prior * FRAME_PRIOR**2 + squares) / (freedom - STUDENT)
    value = found.value.copy()
    turn = scaled_alike(kind, value, float(factors.mean()))
    value[0] += turn[0]
    if value.size > 1:
        value[1] *= np.exp(turn[0])
    common = scaled_alike(kind, value, 1.0)
    spread = variance * (1 + 1 / factors.size)
    return dataclasses.replace(
        found, value=value, bias=found.bias + spread * np.outer(common, common)
    )


def _factor(kind: OutputKind, found: Measurement, part: Pixels) -> float | None:
    """Return the logarithm of true over fitted metres in one frame, of the pixels that agree."""
    metres = np.exp(found.value[0]) * part.x
    if found.value.size > 1:
        metres = metres + found.value[1]
    known = metres > 0
    if kind is OutputKind.RELATIVE_DISPARITY:
        metres = 1 / np.where(known, metres, np.nan)
    if np.count_nonzero(known) < FEWEST:
        return None
    ratio = np.log(part.z[known] / metres[known])
    middle = float(np.median(ratio))
    agree = np.abs(ratio - middle) < 3 * 1.4826 * float(np.median(np.abs(ratio - middle))) + 1e-6
    return float(np.median(ratio[agree]))
