"""
The distance to the nearest obstacle in the corridor that a robot needs.

    python examples/03_nearest_obstacle.py [SOURCE] [MODEL] [FRAMES]

The corridor is as wide and as high as the robot; the floor in it is no obstacle.
"""

from __future__ import annotations

from itertools import islice
import sys

import numpy as np

from depth_node import DepthEstimator, open_model
from depth_node.camera.ground import camera_over_ground
from depth_node.sources.frames import open_source

WIDTH, HEIGHT, FLOOR = 0.5, 0.8, 0.08  # m
CAMERA_HEIGHT, PITCH_DEG = 0.6, 5.0


def main(source: str = 'world:1', model: str = 'embedded', frames: str = '5') -> None:
    """Print the distance of each frame."""
    estimator = DepthEstimator(open_model(model))
    base_from_optical = camera_over_ground(CAMERA_HEIGHT, PITCH_DEG, 0.0)
    for frame in islice(open_source(source), int(frames)):
        depth = estimator.estimate(frame).depth
        assert depth is not None
        assert frame.camera is not None
        # every pixel: its ray times its depth, then from the camera to the ground below it
        optical = np.dstack([frame.camera.rays() * depth[..., None], depth]).reshape(-1, 3)
        optical = optical[np.isfinite(optical).all(1)]
        x, y, z = (optical @ base_from_optical[:3, :3].T + base_from_optical[:3, 3]).T
        inside = (np.abs(y) < WIDTH / 2) & (z > FLOOR) & (z < HEIGHT) & (x > 0)
        # a few hundred pixels and not one: a single wrong pixel stops no robot
        ahead = np.sort(x[inside])
        nearest = ahead[min(200, len(ahead) - 1)] if len(ahead) else np.inf
        print(f'{frame.name}: {nearest:.2f} m free ahead')
    estimator.close()


if __name__ == '__main__':
    main(*sys.argv[1:])
