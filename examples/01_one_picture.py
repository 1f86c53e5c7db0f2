"""
One picture to metres.

    python examples/01_one_picture.py [PICTURE] [HFOV_DEG] [MODEL]

Without arguments: a frame of the synthetic world, with the network inside the package.
"""

from __future__ import annotations

import sys

import cv2
import numpy as np

from depth_node import Camera, DepthEstimator, Frame, open_model
from depth_node.image.color import colorize
from depth_node.sources.frames import open_source


def main(source: str = 'world:7', hfov_deg: str = '70', model: str = 'embedded') -> None:
    """Print the distance in the middle of the picture, and write the depth in colors."""
    frame = next(iter(open_source(source)))
    width, height = frame.size
    camera = frame.camera or Camera.from_hfov(width, height, float(hfov_deg))
    estimator = DepthEstimator(open_model(model))
    found = estimator.estimate(Frame(frame.rgb, camera=camera))
    if found.depth is None:
        raise SystemExit(found.note)
    middle = found.depth[height // 2, width // 2]
    print(f'{frame.size}: the surface in the middle is {middle:.2f} m away')
    print(f'nearest {np.nanmin(found.depth):.2f} m, farthest {np.nanmax(found.depth):.2f} m')
    cv2.imwrite('depth.png', colorize(found.depth, 0.3, 10.0, bar=True))
    estimator.close()


if __name__ == '__main__':
    main(*sys.argv[1:])
