"""Detection of static cameras and of cuts."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_CORNERS = 200
_FEWEST = 12
_TRACKED_WITHOUT_CUT = 0.2


class MotionGate:
    """
    Compares frames with the last frame kept, using tracked corners (Lucas and Kanade, 1981).

    :param least: minimum median motion of the corners for keeping a frame (pixels).
    """

    def __init__(self, least: float) -> None:
        self._least = least
        self._last: NDArray[np.uint8] | None = None
        self._corners: NDArray[np.float32] | None = None

    def judge(self, frame: NDArray[np.uint8]) -> tuple[bool, bool]:
        """
        Classify the next frame; a frame that is not static becomes the new reference.

        :param frame: uint8 (H, W, 3) rgb, all of one size.
        :returns: whether the camera is static, and whether there is a cut before the frame.
        """
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        static, cut = self._compare(grey)
        if not static:
            self._last = grey
            self._corners = cv2.goodFeaturesToTrack(grey, _CORNERS, 0.01, 5)
        return static, cut

    def _compare(self, grey: NDArray[np.uint8]) -> tuple[bool, bool]:
        if self._last is None:
            return False, True
        if self._corners is None or len(self._corners) < _FEWEST:
            return False, False  # nothing to judge by
        moved, found, _ = cv2.calcOpticalFlowPyrLK(self._last, grey, self._corners, None)
        back, refound, _ = cv2.calcOpticalFlowPyrLK(grey, self._last, moved, None)
        error = np.linalg.norm((back - self._corners).reshape(-1, 2), axis=1)
        good = (found.ravel() > 0) & (refound.ravel() > 0) & (error < 1.0)
        if good.mean() < _TRACKED_WITHOUT_CUT:
            return False, True
        motion = np.linalg.norm((moved - self._corners).reshape(-1, 2)[good], axis=1)
        return bool(np.median(motion) < self._least), False
