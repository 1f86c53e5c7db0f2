"""
Show how well a printed marker gives the scale.

``python bench/marker.py`` renders markers into the synthetic world, through a distorted lens, and
prints how far off the scale is that one frame gives; ``--time`` measures one detection.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
import json
import math
from pathlib import Path
import sys
import time

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.camera.distortion import Distortion
from depth_node.cli.marker import picture
from depth_node.model import ModelSpec, OutputKind
from depth_node.scale import Measurement, ScaleFrame
from depth_node.scale.marker import from_markers
from depth_node.scale.marker_finding import MarkerFinder
from depth_node.sources.frame import Frame
from depth_node.world import World

SIZE = 0.16
SCALE = 1.13
"""What a metric network is off by."""
CAMERA = Camera(
    640, 480, 420.0, 420.0, 322.0, 237.0, Distortion.PLUMB_BOB, (-0.28, 0.07, 0.001, -0.0005, 0.0)
)
FINE = 2
"""Rays along each side of a pixel."""


@dataclass(frozen=True)
class Shown:
    """
    A picture with a marker in it.

    :param image: uint8 (H, W, 3) rgb, with noise and blur.
    :param depth: float32 (H, W), z-depth (m).
    """

    image: NDArray[np.uint8]
    depth: NDArray[np.float32]


def shown(
    seed: int, distance: float, tilt: float, *, camera: Camera = CAMERA, size: float = SIZE,
    number: int = 7, dictionary: str = 'apriltag_36h11', place: tuple[int, int] | None = None,
) -> Shown:
    """
    Render a marker on a board before a room.

    :param seed: of the room, the place in the picture and the direction of the tilt.
    :param distance: of the middle of the marker (m).
    :param tilt: angle between its plane and the image (deg).
    :param camera: that looks.
    :param size: side of the black square (m).
    :param number: of the marker.
    :param dictionary: its family.
    :param place: row and column of its middle (pixels), or None: at random.
    """
    random = np.random.default_rng((seed, 5))
    world = World(seed)
    image, depth = world.render(camera, world.pose(0.0))
    rays = camera.rays().astype(np.float64)
    height, width = depth.shape
    row, column = random.integers(height // 3, 2 * height // 3), random.integers(
        width // 3, 2 * width // 3)
    row, column = place or (row, column)
    middle = distance * np.array([*rays[row, column], 1.0])
    around = random.uniform(0, 2 * math.pi)
    lean = math.radians(tilt) * np.array([math.cos(around), math.sin(around), 0])
    turn = cv2.Rodrigues(lean)[0] @ cv2.Rodrigues(
        np.array([0, 0, random.uniform(-0.5, 0.5)]))[0]
    print_ = picture(dictionary, number, 40)
    modules = print_.shape[0] / 40
    black = modules - 2  # a quiet zone of one module all around
    scale = size / black
    # sub-pixel rays by interpolation: the lens is smooth
    fine = cv2.resize(rays, (width * FINE, height * FINE), interpolation=cv2.INTER_LINEAR)
    toward = np.concatenate([fine, np.ones((*fine.shape[:2], 1))], axis=-1)
    normal = turn[:, 2]
    with np.errstate(divide='ignore', invalid='ignore'):
        z = (normal @ middle) / (toward @ normal)
    on = (toward * z[..., None] - middle) @ turn  # marker frame: x right, y down
    u, v = on[..., 0] / scale + modules / 2, on[..., 1] / scale + modules / 2
    inside = (u > 0) & (v > 0) & (u < modules) & (v < modules) & (z > 0)
    value = np.zeros(z.shape)
    value[inside] = print_[
        (v[inside] * 40).astype(int).clip(0, print_.shape[0] - 1),
        (u[inside] * 40).astype(int).clip(0, print_.shape[1] - 1),
    ]
    # printed black is no 0, white no 255
    value = 30 + 0.75 * value
    share = cv2.resize(inside.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    paint = cv2.resize(np.where(inside, value, 0), (width, height), interpolation=cv2.INTER_AREA)
    image = image * (1 - share[..., None]) + paint[..., None]
    image = cv2.GaussianBlur(image, (0, 0), 0.6) + random.normal(0, 4, image.shape)
    covered = share > 0.5
    depth = depth.copy()
    plane = (normal @ middle) / (rays @ normal[:2] + normal[2])
    depth[covered] = plane[covered]
    return Shown(np.clip(image, 0, 255).astype(np.uint8), depth.astype(np.float32))


def error(finder: MarkerFinder, one: Shown, camera: Camera = CAMERA) -> float | None:
    """Return the relative error of the scale that a marker gives; None where it is not found."""
    rays = camera.rays()
    markers = finder.find(one.image, camera, SIZE, rays)
    if not markers:
        return None
    frame = ScaleFrame(
        Frame(one.image, 0, camera), one.depth / np.float32(SCALE),
        ModelSpec('simulated', OutputKind.METRIC_DEPTH), rays,
    )
    found = from_markers(frame, markers)
    if not isinstance(found, Measurement):
        return None
    return math.exp(found.value[0]) / SCALE - 1


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--runs', type=int, default=20, help='of each distance and tilt')
    parser.add_argument('--time', action='store_true', help='measure one detection instead')
    parser.add_argument('--json', type=Path)
    args = parser.parse_args()
    finder = MarkerFinder('apriltag_36h11')
    if args.time:
        cv2.setNumThreads(1)
        one, rays, times = shown(0, 1.5, 20), CAMERA.rays(), []
        for _ in range(50):
            begin = time.thread_time()
            finder.find(one.image, CAMERA, SIZE, rays)
            times.append(1e3 * (time.thread_time() - begin))
        print(f'one detection at 640x480: {np.median(times):.1f} ms')
        return 0
    print('| distance | tilt | found | median error | 95 % of those found |')
    print('|---|---|---|---|---|')
    rows = {}
    every = []
    for distance in (1.0, 2.0, 3.0, 4.0):
        for tilt in (0, 25, 50):
            errors = [error(finder, shown(seed, distance, tilt)) for seed in range(args.runs)]
            known = np.abs([e for e in errors if e is not None])
            every += known.tolist()
            row = {'found': len(known) / args.runs,
                   'median': float(np.median(known)) if known.size else math.nan,
                   'p95': float(np.percentile(known, 95)) if known.size else math.nan}
            rows[f'{distance:g} m, {tilt} deg'] = row
            print(f'| {distance:g} m | {tilt} deg | {row["found"]:.0%} | '
                  f'{100 * row["median"]:.2f} % | {100 * row["p95"]:.2f} % |', flush=True)
    share = 100 * np.mean(np.array(every) < 0.02)
    print(f'all: {share:.1f} % of {len(every)} detections within 2 %')
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2), encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
