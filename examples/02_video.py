"""
A video to a video of depth, steadied while the camera stands.

    python examples/02_video.py [VIDEO] [HFOV_DEG] [MODEL] [FRAMES]

Without arguments: a drive through the synthetic world.
"""

from __future__ import annotations

import dataclasses
from itertools import islice
import sys

import cv2
import numpy as np

from depth_node import Camera, Config, DepthEstimator, open_model
from depth_node.image.color import colorize
from depth_node.sources.frames import open_source


def main(
    source: str = 'world:7', hfov_deg: str = '70', model: str = 'embedded', frames: str = '30'
) -> None:
    """Write camera and depth side by side, at the stamps of the source."""
    # off by default: doc/scale.md says why, and when to turn it on
    steady = Config().replaced({'temporal.enabled': True})
    estimator = DepthEstimator(open_model(model), steady)
    writer = None
    count = 0
    for frame in islice(open_source(source), int(frames)):
        width, height = frame.size
        camera = frame.camera or Camera.from_hfov(width, height, float(hfov_deg))
        # with its stamp, a frame has a past
        found = estimator.estimate(dataclasses.replace(frame, camera=camera))
        if found.depth is None:
            raise SystemExit(found.note)
        colors = colorize(found.depth, 0.3, 10.0)
        both = np.hstack([cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR), colors])
        if writer is None:
            codec = cv2.VideoWriter.fourcc(*'MJPG')
            writer = cv2.VideoWriter('depth.avi', codec, 30.0, (both.shape[1], both.shape[0]))
        writer.write(both)
        count += 1
    if writer is not None:
        writer.release()
    estimator.close()
    print(f'{count} frames in depth.avi')


if __name__ == '__main__':
    main(*sys.argv[1:])
