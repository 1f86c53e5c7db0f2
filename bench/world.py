"""
How fast the synthetic world renders, on one core: CPU time per frame (ms).

    python bench/world.py [FRAMES]
"""

from __future__ import annotations

import sys
import time

import cv2
import numpy as np

from depth_node.camera import Camera
from depth_node.world import Style, World


def main() -> None:
    """Print the time of a frame at two sizes over ten worlds of each style."""
    cv2.setNumThreads(1)
    frames = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    for style in Style:
        start = time.thread_time()
        worlds = [World(seed, style=style) for seed in range(10)]
        built = (time.thread_time() - start) / len(worlds)
        print(f'{style.value}: {built:.2f} s to build a world')
        for width, height in ((320, 240), (640, 480)):
            camera = Camera.from_hfov(width, height, 75)
            worlds[0].render(camera, worlds[0].pose(0))
            times = []
            for number in range(frames):
                world = worlds[number % len(worlds)]
                start = time.thread_time()
                world.render(camera, world.pose(number / 10))
                times.append((time.thread_time() - start) * 1e3)
            low, high = np.percentile(times, (50, 95))
            print(f'  {width}x{height}: median {low:.1f} ms, 95 % {high:.1f} ms of one core')


if __name__ == '__main__':
    main()
