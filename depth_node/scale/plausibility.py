"""Whether a measured scale can be right: units, and distances that contradict each other."""

from __future__ import annotations

import math

from depth_node.depth.metres import scale_of
from depth_node.model import ModelSpec, OutputKind
from depth_node.scale.measurement import Measurement, NotObservable

FACTOR = (0.2, 5.0)
"""Plausible scale factors of a network that is metric or has a scale."""
USUAL = 2.0
"""Such a network is mostly wrong by less than this factor either way; beyond it is reported."""
NEAREST = 0.05
"""Minimum distance at which a camera is in focus (m)."""
UNITS_HINT = (
    'check that the sensor publishes metres (REP-103), not millimetres or another unit'
)
MOSTLY = 0.65
"""Share of agreeing pixels below which a measurement is reported."""
MANY = 200
"""So many pixels have to be compared for that."""
CLOSE = 0.3
"""Smaller typical distances of a network without metres of its own are reported (m)."""


def doubt_of(spec: ModelSpec, found: Measurement) -> str:
    """
    Return why a plausible scale may be wrong: another unit, such as feet, or wrong distances.

    :param spec: the network.
    :param found: the measurement.
    :returns: a sentence for diagnostics; empty if there is no doubt.
    """
    if found.points >= MANY and found.inliers < MOSTLY * found.points:
        return (
            f'only {found.inliers} of {found.points} pixels agree: the sensor may be wrong in a '
            'part of the image (glass, mirrors, another unit), or scale.extrinsic is'
        )
    own = scale_of(spec)
    if own is None:
        metres = _typical_metres(spec, found)
        return '' if metres > CLOSE else (
            f'the measured distances are about {metres:.2g} m, which is very near; {UNITS_HINT}'
        )
    factor = math.exp(found.value[0]) / own.scale
    if 1 / USUAL <= factor <= USUAL:
        return ''
    return (
        f'the measured distances are {factor:.3g} times those of {spec.name}, which is much: '
        f'{UNITS_HINT}'
    )


def plausible(spec: ModelSpec, found: Measurement) -> NotObservable | None:
    """
    Check that a scale is plausible for a sensor in metres.

    A network that is metric or has a scale is wrong by a small factor at most; for the others,
    the distances must be within the range of the network.

    :param spec: the network.
    :param found: the measurement.
    :returns: why it is not plausible, or None.
    """
    scale = math.exp(found.value[0])
    own = scale_of(spec)
    if own is not None:
        factor = scale / own.scale
        if FACTOR[0] <= factor <= FACTOR[1]:
            return None
        return NotObservable(
            f'the measured distances are {factor:.3g} times those of {spec.name}, expected '
            f'{FACTOR[0]:g} to {FACTOR[1]:g} times; {UNITS_HINT}'
        )
    metres = _typical_metres(spec, found)
    if NEAREST <= metres <= spec.reach:
        return None
    return NotObservable(
        f'the measured distances are about {metres:.3g} m, expected {NEAREST:g} to '
        f'{spec.reach:g} m; {UNITS_HINT}'
    )


def _typical_metres(spec: ModelSpec, found: Measurement) -> float:
    metres = math.exp(found.value[0]) * found.typical
    if spec.kind.has_shift:
        metres += float(found.value[1])
    if spec.kind is OutputKind.RELATIVE_DISPARITY:
        metres = 1 / max(metres, 1e-12)
    return metres
