"""A picture for the verbs that take one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest


@pytest.fixture
def picture(tmp_path):
    """Write a smooth picture and return its path and content."""
    coarse = np.random.default_rng(0).integers(0, 255, (4, 5, 3), np.uint8)
    rgb = cv2.resize(coarse, (64, 48), interpolation=cv2.INTER_CUBIC)
    path = tmp_path / 'photo.png'
    cv2.imwrite(str(path), rgb[..., ::-1])
    return path, rgb
