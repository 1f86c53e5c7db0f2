"""The local correction over time: from the anchors of frames to the field of the next."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depth_node.depth.metres import Scale
from depth_node.scale.carrying import Carrier, metres_of, numbers_at
from depth_node.scale.fit import Floats
from depth_node.scale.local import Anchors, Field, fit_field
from depth_node.scale.pixels import ScaleFrame

LIFE = 0.3
"""How long after its anchors were measured a field is used (s)."""
JUDGED = 1.0
"""What the field gains is looked at this often (s)."""
STANDS = 2.0
"""Mean difference of two thumbnails of a camera that stands (levels of 255)."""
THUMBNAIL = 24
"""Every so many rows and columns of the picture are compared."""


class Corrector:
    """Keeps the field of a camera."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._carrier = Carrier()
        self._thumbnail: NDArray[np.int16] | None = None
        self._field: Field | None = None
        self._stamp = -np.inf
        self._judged = -np.inf
        self._gain = float('nan')
        self._carries = True

    def field(self, stamp: float) -> Field | None:
        """
        Return the field for a frame.

        :param stamp: of the frame (s).
        :returns: the field, or None where there is none that is recent enough.
        """
        return self._field if abs(stamp - self._stamp) < LIFE else None

    def update(
        self, frame: ScaleFrame, anchors: Anchors, scale: Scale, pose: Floats | None
    ) -> None:
        """
        Take the anchors of a frame.

        :param frame: the frame.
        :param anchors: its pixels of known distance.
        :param scale: what makes metres of it.
        :param pose: float64 (4, 4), camera optical frame to a fixed frame (m), or None if there
            is no odometry at that time.
        """
        judge = abs(frame.stamp - self._judged) >= JUDGED
        metres = metres_of(
            numbers_at(frame, anchors.rows, anchors.columns), scale, frame.spec.kind
        )
        past = self._carrier.past(
            frame, pose, scale, still=self._stands(frame), own=anchors.z.size,
            misfit=_spread(anchors.z / metres),
        )
        self._carrier.add(frame, anchors)
        found = fit_field(
            anchors, metres, hold_out=judge, past=past if judge or self._carries else None
        )
        self._stamp = frame.stamp
        if judge:
            self._judged = frame.stamp
            self._gain = found.gain if found is not None else 0.0
            self._carries = found is None or past is None or found.past > 0
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


def _spread(ratio: Floats) -> float:
    """Return the robust standard deviation of the logarithm, of what is finite."""
    logs = np.abs(np.log(ratio[np.isfinite(ratio) & (ratio > 0)]))
    return 1.4826 * float(np.median(logs)) if logs.size else np.inf
