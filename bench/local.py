"""
Show what the local correction gains, and what it costs.

``python bench/local.py`` measures in the synthetic world, with a network whose shape is wrong;
``--data DIR`` on KITTI's frame and on Kinect frames. Anchors are drawn at random from what is
known and are not evaluated. ``--time`` measures one frame of 640x480 with 2,000 anchors.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
import json
from pathlib import Path
import sys
import time

import cv2
import kitti_frames
import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.catalogue.opening import open_model
from depth_node.estimator import DepthEstimator
from depth_node.scale.fit import fit_scale
from depth_node.scale.local import Anchors, fit_field
from depth_node.scale.shape import CORRELATION, COUNT, PATCHES
from depth_node.scale.unscaled import unscaled
from depth_node.sources.datasets import kitti_object, rgbd
from depth_node.world import World

SHARES = {'a tenth': 0.1, 'a fiftieth': 0.02, 'a two-hundredth': 0.005}
DRAWS = 5
RGBD_CAMERA = Camera(640, 480, 518, 519, 325.5, 253.5)

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Known:
    """
    A frame whose truth is known.

    :param metres: float32 (H, W), of the network, at any scale.
    :param truth: float32 (H, W), z-depth (m), NaN where unknown.
    :param cap: farther is not judged (m).
    :param garg: whether only the crop of Garg et al. is judged.
    """

    metres: Floats
    truth: Floats
    cap: float
    garg: bool = False


def judged(
    known: Known, share: float, seed: int, *, spoilt: float = 0.0, left: bool = False,
    cells: int = 0,
) -> tuple[float, float]:
    """
    Correct with random anchors and judge the rest.

    :param known: the frame.
    :param share: of the pixels with a truth that are anchors.
    :param seed: of the draw.
    :param spoilt: share of the anchors that are replaced by random distances.
    :param left: anchors in the left half only, and the right half judged.
    :param cells: before, thin the truth to one pixel in so many; 0: not at all.
    :returns: abs_rel with the global fit alone, and with the local correction.
    """
    random = np.random.default_rng(seed)
    rows, columns = np.nonzero(np.isfinite(known.truth) & np.isfinite(known.metres))
    if cells:
        some = np.sort(random.choice(rows.size, rows.size // cells, replace=False))
        rows, columns = rows[some], columns[some]
    z = known.truth[rows, columns].astype(np.float64)
    height, width = known.truth.shape
    mine = random.random(z.size) < share
    if left:
        mine &= columns < width / 2
    measured = z[mine].copy()
    wrong = random.random(measured.size) < spoilt
    low, high = np.log(z.min()), np.log(min(z.max(), known.cap))
    measured[wrong] = np.exp(random.uniform(low, high, int(wrong.sum())))
    fit = fit_scale(known.metres[rows, columns][mine].astype(np.float64), measured)
    assert fit is not None
    plain = (known.metres * np.float32(fit.scale)).astype(np.float32)
    anchors = Anchors(rows[mine], columns[mine], measured, (height, width))
    field = fit_field(
        anchors, plain[rows[mine], columns[mine]].astype(np.float64), hold_out=True
    )
    local = plain.copy() if field is None else field.apply(plain.copy())
    rest = ~mine & (z < known.cap)
    if known.garg:
        rest &= (rows >= 0.40810811 * height) & (rows < 0.99189189 * height)
        rest &= (columns >= 0.03594771 * width) & (columns < 0.96405229 * width)
    if left:
        rest &= columns >= width / 2

    def abs_rel(depth: Floats) -> float:
        found = np.clip(depth[rows, columns][rest], 1e-3, known.cap)
        return float(np.mean(np.abs(found - z[rest]) / z[rest]))

    return abs_rel(plain), abs_rel(local)


def table(name: str, frames: list[Known], cells: int = 0) -> dict[str, dict[str, float]]:
    """Measure and print the rows of a set of frames."""
    rows = {}
    cases = {**{what: {'share': share} for what, share in SHARES.items()},
             'a tenth, a fifth of them wrong': {'share': 0.1, 'spoilt': 0.2},
             'a tenth of the left half, evaluated on the right half': {'share': 0.1, 'left': True}}
    for what, options in cases.items():
        pairs = np.array([
            judged(frame, seed=seed, cells=cells, **options)
            for frame in frames for seed in range(DRAWS)
        ])
        plain, local = pairs.mean(axis=0)
        worst = float((pairs[:, 1] / pairs[:, 0]).max())
        rows[what] = {'global': plain, 'local': local, 'worst': worst}
        print(f'| {name} | {what} | {plain:.3f} | {local:.3f} | {worst:.2f} |', flush=True)
    return rows


def kitti(data: Path) -> dict[str, list[Known]]:
    """Read KITTI's frame, as both networks see it."""
    sample = kitti_object(data / 'kitti/object')[0]
    return {
        f'KITTI, RT-MonoDepth-S {name}': [Known(
            unscaled(kitti_frames.predicted(data / 'weights', name, sample.rgb),
                     kitti_frames.SPEC, 1.0).astype(np.float32),
            sample.depth, 80.0, garg=True,
        )] for name in ('ms', 'm')
    }


def kinect(data: Path) -> list[Known]:
    """Read the Kinect frames, as the embedded network sees them."""
    estimator = DepthEstimator(open_model('embedded'))
    return [
        Known(unscaled(estimator.predict(sample).values, estimator.spec, 1.0).astype(np.float32),
              sample.depth, 10.0) for sample in rgbd(data / 'rgbd', RGBD_CAMERA)
    ]


def world(count: int) -> list[Known]:
    """Render frames, and let a network with a shape error of 15 % look at them."""
    camera, frames = Camera.from_hfov(640, 480, 75), []
    root = np.linalg.cholesky(CORRELATION + 1e-9 * np.eye(COUNT))
    for seed in range(count):
        scene = World(seed)
        _, depth = scene.render(camera, scene.pose(0.0))
        random = np.random.default_rng(seed)
        coarse = (0.15 * root @ random.standard_normal(COUNT)).reshape(PATCHES)
        error = cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_CUBIC)
        error += 0.1 * (np.log(depth) - np.log(np.median(depth)))
        frames.append(Known(depth * np.exp(error).astype(np.float32), depth, 20.0))
    return frames


def timed() -> dict[str, float]:
    """Measure processor time at 640x480 with 2,000 anchors, on one thread (ms)."""
    cv2.setNumThreads(1)
    frame = world(1)[0]
    random = np.random.default_rng(0)
    rows, columns = random.integers(0, 480, 2000), random.integers(0, 640, 2000)
    anchors = Anchors(rows, columns, frame.truth[rows, columns].astype(np.float64), (480, 640))
    metres = frame.metres[rows, columns].astype(np.float64)
    fits, applies = [], []
    for _ in range(200):
        begin = time.thread_time()
        field = fit_field(anchors, metres, hold_out=False)
        middle = time.thread_time()
        assert field is not None
        field.apply(frame.metres)
        fits.append(1e3 * (middle - begin))
        applies.append(1e3 * (time.thread_time() - middle))
    result = {'fit_ms': float(np.median(fits)), 'apply_ms': float(np.median(applies))}
    print(f'fit {result["fit_ms"]:.2f} ms, apply {result["apply_ms"]:.2f} ms')
    return result


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path, metavar='DIR',
                        help='folder with kitti/, rgbd/ and weights/')
    parser.add_argument('--time', action='store_true', help='measure what it costs instead')
    parser.add_argument('--json', type=Path)
    args = parser.parse_args()
    if args.time:
        results: dict[str, object] = dict(timed())
    else:
        print('| frames | anchors | global fit | with local correction | worst draw |')
        print('|---|---|---|---|---|')
        # of a whole image, as many anchors as a lidar gives
        results = {'world': table('synthetic world', world(8), cells=15)}
        if args.data:
            results['kinect'] = table('Kinect', kinect(args.data), cells=15)
            for name, frames in kitti(args.data).items():
                results[name] = table(name, frames)
    if args.json:
        args.json.write_text(json.dumps(results, indent=2), encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
