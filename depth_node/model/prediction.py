"""The output of a network for one frame, before conversion to metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EXTRAS = ('confidence', 'sky', 'slope')
"""Names of the optional planes, in the order of the fields of :class:`Prediction`."""


@dataclass
class Prediction:
    """
    Buffers that an inference fills; the caller owns them and may reuse them.

    :param values: float32 (H, W), in the unit of the network (see ``OutputKind``), at the size
        of the camera's frame.
    :param confidence: float32 (H, W), larger is more confident, or None.
    :param sky: float32 (H, W), 0 to 1, probability of sky, or None.
    :param slope: float32 (H, W), what one pixel of vertical focal length at network size adds to
        the values, or None.
    """

    values: NDArray[np.float32]
    confidence: NDArray[np.float32] | None = None
    sky: NDArray[np.float32] | None = None
    slope: NDArray[np.float32] | None = None

    @classmethod
    def empty(
        cls, height: int, width: int, *, confidence: bool = False, sky: bool = False,
        slope: bool = False,
    ) -> Prediction:
        """
        Return buffers for frames of one size; their content is undefined until filled.

        :param height: rows of the camera's frame (pixels).
        :param width: columns of the camera's frame (pixels).
        :param confidence: whether the network has a ``confidence`` output.
        :param sky: whether the network has a ``sky`` output.
        :param slope: whether the network has a ``slope`` output.
        :returns: a prediction with these buffers.
        """
        wanted = (True, confidence, sky, slope)
        return cls(*(
            np.empty((height, width), np.float32) if plane else None for plane in wanted
        ))  # type: ignore[arg-type]  # the first is always wanted

    @property
    def planes(self) -> dict[str, NDArray[np.float32] | None]:
        """Every buffer, by the name an engine gives its output; ``depth`` first."""
        return {'depth': self.values, **{name: getattr(self, name) for name in EXTRAS}}

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of every buffer (pixels)."""
        height, width = self.values.shape
        return height, width
