"""The state of the scale at a frame."""

from __future__ import annotations

from dataclasses import dataclass

from depth_node.depth.metres import Scale
from depth_node.scale.local import Field


@dataclass(frozen=True)
class ScaleState:
    """
    The state of the scale at a frame.

    :param value: scale, in the unit of the kind; NaN if unknown.
    :param shift: shift; 0 for kinds without one.
    :param sigma: relative standard deviation of the scale error of the frame; 0 if the scale is
        given, NaN if unknown.
    :param source: source of the scale.
    :param age: time since the last measurement used (s); 0 if the scale is given.
    :param inliers: number of its inliers.
    :param usable: whether metres may be published.
    :param reason: why not, and what to do; or why the source is not measuring.
    :param misfit: robust relative standard deviation of the residuals of a pixel; 0 if the scale
        is given.
    :param field: corrects metres locally, or None.
    """

    value: float
    shift: float
    sigma: float
    source: str
    age: float = 0.0
    inliers: int = 0
    usable: bool = False
    reason: str = ''
    misfit: float = 0.0
    field: Field | None = None

    @property
    def scale(self) -> Scale | None:
        """Scale and shift to metres, or None if not usable."""
        return Scale(self.value, self.shift) if self.usable else None
