"""Images of validation results."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.training.validation import Picture


def side_by_side(picture: Picture) -> NDArray[np.uint8]:
    """
    Return frame, predicted and true depth side by side.

    Both depths share one color range, after scaling the prediction to the median of the truth.

    :param picture: a validated frame.
    :returns: uint8 (H, 2 W or 3 W, 3) rgb.
    """
    depth, truth = picture.depth, picture.truth
    if truth is None:
        low, high = np.percentile(1.0 / depth, (2, 98))
        return np.hstack([picture.frame, colored(depth, low, high)])
    known = np.isfinite(truth)
    if known.any():
        depth = depth * np.float32(np.median(truth[known]) / np.median(depth[known]))
    low, high = np.percentile(1.0 / truth[known], (2, 98)) if known.any() else (0.0, 1.0)
    return np.hstack([picture.frame, colored(depth, low, high), colored(truth, low, high)])


def colored(depth: NDArray[np.float32], low: float, high: float) -> NDArray[np.uint8]:
    """
    Color a depth image by inverse depth: near is bright, unknown is black.

    :param depth: float32 (H, W), NaN where unknown.
    :param low: inverse depth of the darkest color.
    :param high: inverse depth of the brightest color.
    :returns: uint8 (H, W, 3) rgb.
    """
    with np.errstate(divide='ignore', invalid='ignore'):
        level = (1.0 / depth - low) / max(high - low, 1e-9)
    known = np.isfinite(level)
    grey = np.where(known, np.clip(np.nan_to_num(level), 0, 1) * 255, 0).astype(np.uint8)
    rgb: NDArray[np.uint8] = cv2.cvtColor(
        cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB
    )
    rgb[~known] = 0
    return rgb
