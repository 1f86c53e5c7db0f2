"""The local correction over time: from the anchors of frames to the field of the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depth_node.depth.metres import Scale
from depth_node.model import OutputKind
from depth_node.scale.local import Anchors, Field, fit_field
from depth_node.scale.pixels import ScaleFrame
from depth_node.scale.unscaled import unscaled

LIFE = 0.3
"""How long after its anchors were measured a field is used (s)."""
PAST = 0.5
"""How long anchors are used again while the camera stands (s)."""
JUDGED = 1.0
"""What the field gains is looked at this often (s)."""
STANDS = 2.0
"""Mean difference of two thumbnails of a camera that stands (levels of 255)."""
SAME = 0.03
"""A pixel whose prediction has changed by more than this sees something else now (relative)."""
MOST = 4000
"""Anchors that are used at most, those of this frame first."""
THUMBNAIL = 24
"""Every so many rows and columns of the picture are compared."""


@dataclass(frozen=True)
class _Seen:
    """The anchors of a frame, and what the network said there (N,)."""

    stamp: float
    anchors: Anchors
    x: NDArray[np.float64]


class Corrector:
    """Keeps the field of a camera."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._past: list[_Seen] = []
        self._thumbnail: NDArray[np.int16] | None = None
        self._field: Field | None = None
        self._stamp = -np.inf
        self._judged = -np.inf
        self._gain = float('nan')

    def field(self, stamp: float) -> Field | None:
        """
        Return the field for a frame.

        :param stamp: of the frame (s).
        :returns: the field, or None where there is none that is recent enough.
        """
        return self._field if abs(stamp - self._stamp) < LIFE else None

    def update(self, frame: ScaleFrame, anchors: Anchors, scale: Scale, *, moving: bool) -> None:
        """
        Take the anchors of a frame.

        :param frame: the frame.
        :param anchors: its pixels of known distance.
        :param scale: what makes metres of it.
        :param moving: whether odometry says that the camera moves.
        """
        seen = _Seen(frame.stamp, anchors, _numbers(frame, anchors))
        kept = [] if moving or not self._stands(frame) else [
            one for one in self._past
            if 0 < frame.stamp - one.stamp < PAST and one.anchors.shape == anchors.shape
        ]
        self._past = [*kept, seen]
        both = _together([seen, *(_still(one, frame) for one in reversed(kept))])
        judge = abs(frame.stamp - self._judged) >= JUDGED
        found = fit_field(both.anchors, _metres(both.x, scale, frame.spec.kind), hold_out=judge)
        self._stamp = frame.stamp
        if judge:
            self._judged = frame.stamp
            self._gain = found.gain if found is not None else 0.0
        # between two looks the last one holds
        self._field = found if self._gain > 0 else None
        if self._field is not None:
            self._field = self._field.judged(self._gain)

    def _stands(self, frame: ScaleFrame) -> bool:
        """Compare with the last picture; without one nothing is known to stand."""
        picture = frame.frame.rgb[::THUMBNAIL, ::THUMBNAIL]
        now = picture.astype(np.int16)
        before, self._thumbnail = self._thumbnail, now
        if before is None or before.shape != now.shape or now.size == 0:
            return False
        return float(np.mean(np.abs(now - before))) < STANDS


def _numbers(frame: ScaleFrame, anchors: Anchors) -> NDArray[np.float64]:
    return unscaled(frame.values[anchors.rows, anchors.columns], frame.spec, frame.focal)


def _metres(x: NDArray[np.float64], scale: Scale, kind: OutputKind) -> NDArray[np.float64]:
    metres = scale.scale * x + (scale.shift if kind.has_shift else 0.0)
    with np.errstate(divide='ignore', invalid='ignore'):
        if kind is OutputKind.RELATIVE_DISPARITY:
            metres = 1 / metres
        return np.where(metres > 0, metres, np.nan)


def _still(seen: _Seen, frame: ScaleFrame) -> _Seen:
    """Return the anchors of an earlier frame at which nothing has changed."""
    now = _numbers(frame, seen.anchors)
    with np.errstate(invalid='ignore'):
        same = np.abs(now - seen.x) < SAME * np.abs(seen.x)
    one = seen.anchors
    anchors = Anchors(one.rows[same], one.columns[same], one.z[same], one.shape)
    return _Seen(seen.stamp, anchors, now[same])


def _together(parts: list[_Seen]) -> _Seen:
    first = parts[0]
    if len(parts) == 1:
        return first
    rows, columns, z, x = (
        np.concatenate(list(values))[:MOST] for values in zip(
            *((p.anchors.rows, p.anchors.columns, p.anchors.z, p.x) for p in parts), strict=True
        )
    )
    return _Seen(first.stamp, Anchors(rows, columns, z, first.anchors.shape), x)
