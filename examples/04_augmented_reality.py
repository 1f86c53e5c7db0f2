"""
A virtual ball that real things hide.

    python examples/04_augmented_reality.py [SOURCE] [MODEL] [DISTANCE]

A pixel of the ball is drawn only where the ball is nearer than what the network sees there.
"""

from __future__ import annotations

import sys

import cv2
import numpy as np

from depth_node import DepthEstimator, open_model
from depth_node.sources.frames import open_source

RADIUS = 0.5  # m
COLOR = np.array([255, 120, 0], np.float32)  # red, green, blue


def main(source: str = 'world:7', model: str = 'embedded', distance: str = '3.0') -> None:
    """Draw the ball in front of the camera, behind whatever is nearer."""
    frame = next(iter(open_source(source)))
    estimator = DepthEstimator(open_model(model))
    depth = estimator.estimate(frame).depth
    assert depth is not None
    assert frame.camera is not None
    # the ray (x, y, 1) t meets |t ray - center| = radius where a t^2 - 2 b t + c = 0
    rays = frame.camera.rays()
    a = (rays**2).sum(-1) + 1
    b = np.float32(distance)
    root = b**2 - a * (b**2 - RADIUS**2)
    ball = np.where(root > 0, (b - np.sqrt(np.maximum(root, 0))) / a, np.inf)
    seen = ball < depth
    # bright where it faces the camera
    facing = np.sqrt(np.maximum(root, 0)) / RADIUS
    picture = frame.rgb.astype(np.float32)
    picture[seen] = (COLOR * (0.35 + 0.65 * facing[..., None]))[seen]
    cv2.imwrite('ball.png', cv2.cvtColor(picture.astype(np.uint8), cv2.COLOR_RGB2BGR))
    hidden = 1 - seen.sum() / max(1, np.isfinite(ball).sum())
    print(f'a ball {distance} m away: {100 * hidden:.0f} % of it is hidden; see ball.png')
    estimator.close()


if __name__ == '__main__':
    main(*sys.argv[1:])
