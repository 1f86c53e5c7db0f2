"""What is known of the scale at a frame."""

from __future__ import annotations

from dataclasses import dataclass

from depth_node.depth.metres import Scale
from depth_node.scale.local import Field


@dataclass(frozen=True)
class ScaleState:
    """
    What is known of the scale at a frame.

    :param value: scale, in the unit of the kind; NaN while unknown.
    :param shift: shift; 0 for kinds without one.
    :param sigma: relative standard deviation of the factor by which the metres of the frame are
        off; 0 where the scale is given, NaN while unknown.
    :param source: what says so.
    :param age: since the last measurement used (s); 0 where the scale is given.
    :param inliers: pixels that agreed in it.
    :param usable: whether metres may be published.
    :param reason: why not, and what to do; or what keeps the source from measuring now.
    :param misfit: how far a pixel disagrees after the fit, a robust relative standard deviation;
        0 where the scale is given.
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
        """What makes metres, or None while that is not allowed."""
        return Scale(self.value, self.shift) if self.usable else None
