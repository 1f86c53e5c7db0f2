"""
Sparsification: by how much the error falls when the least certain pixels are left out.

abs_rel after the median ratio of each frame, of all pixels and without the fifth of lowest
confidence, beside what the perfect order (by the error itself) would give. On the frame of KITTI
against its lidar (Garg crop, cap 80 m), also corrected locally with some of the returns, which are
not judged; on the sequence against corners tracked over five frames
and triangulated with the poses; with the embedded network in rooms of the synthetic world.

    python bench/confidence.py [--data ../shared/data]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
import sys
import time

import cv2
import kitti_frames
import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.catalogue.opening import open_model
from depth_node.config import Config
from depth_node.depth.confidence import Confidence
from depth_node.engine import open_engine
from depth_node.estimator import ANCHORS
from depth_node.scale import ScaleFrame
from depth_node.scale.fit import fit_scale
from depth_node.scale.local import Anchors, fit_field
from depth_node.scale.points import in_view
from depth_node.scale.unscaled import unscaled
from depth_node.world import World

Floats = NDArray[np.float64]
Plane, Places = NDArray[np.float32], NDArray[np.intp]
Judged = tuple[Plane, Plane, Places, Places, Floats]
"""Depth, confidence, and rows, columns and exact depth of the pixels that count."""
DROP = 0.2
TRACKED = 4
"""Frames over which corners are tracked."""
SURE = (0.5, 10.0)
"""Largest error and least parallax of a corner that counts (pixels)."""
CROP = (0.40810811, 0.99189189, 0.03594771, 0.96405229)
"""Rows and columns of Garg's crop, as shares (Eigen et al., 2014; Garg et al., 2016)."""


def sparsified(
    depth: Plane, confidence: Plane, rows: Places, columns: Places, exact: Floats
) -> tuple[float, float, float]:
    """Return abs_rel, its relative change without the least certain fifth, and the perfect one."""
    found = depth[rows, columns]
    error = np.abs(found * np.median(exact / found) - exact) / exact
    sure = confidence[rows, columns]
    kept = error[sure >= np.quantile(sure, DROP)]
    best = error[error <= np.quantile(error, 1 - DROP)]
    mean = float(error.mean())
    return mean, float(kept.mean()) / mean - 1, float(best.mean()) / mean - 1


def kitti_frame(data: Path, network: str) -> Judged:
    """Judge the frame of the object data set."""
    frame, points = kitti_frames.object_frame(data / 'kitti/object', data / 'weights', network)
    rows, columns, z = in_view(frame.camera, points)
    height, width = frame.values.shape
    inside = (rows >= CROP[0] * height) & (rows < CROP[1] * height) & (z < 80)
    inside &= (columns >= CROP[2] * width) & (columns < CROP[3] * width)
    depth = unscaled(frame.values, frame.spec, frame.focal).astype(np.float32)
    return depth, Confidence().judge(depth), rows[inside], columns[inside], z[inside]


def kitti_sequence(data: Path, network: str) -> Iterator[Judged]:
    """Judge every second frame of the sequence, with the two before."""
    frames, poses = kitti_frames.sequence(data / 'kitti/sequence', data / 'weights', network)
    depths = [unscaled(one.values, one.spec, one.focal).astype(np.float32) for one in frames]
    for index in range(2, len(frames) - TRACKED, 2):
        end = index + TRACKED + 1
        rows, columns, z = tracked(frames[index:end], poses[index:end])
        if len(z) < 100:
            continue
        judge = Confidence()
        for before in (index - 2, index - 1, index):
            confidence = judge.judge(depths[before], stamp=before / 10)
        yield depths[index], confidence, rows, columns, z


def tracked(
    frames: list[ScaleFrame], poses: list[Floats]
) -> tuple[Places, Places, Floats]:
    """Return rows, columns and depth (m) of corners that all frames agree about."""
    camera = frames[0].camera
    focal, middle = np.array([camera.fx, camera.fy]), np.array([camera.cx, camera.cy])
    images = [one.frame.rgb for one in frames]
    corners = cv2.goodFeaturesToTrack(images[0], 6000, 0.001, 4)
    first, now, good = corners[:, 0].copy(), corners, np.ones(len(corners), bool)
    rays = np.c_[(first - middle) / focal, np.ones(len(first))]
    above, below, seen = np.zeros(len(first)), np.zeros(len(first)), []
    for before, after, pose in zip(images, images[1:], poses[1:], strict=False):
        there, found, _ = cv2.calcOpticalFlowPyrLK(before, after, now, None, winSize=(13, 13))
        back, _, _ = cv2.calcOpticalFlowPyrLK(after, before, there, None, winSize=(13, 13))
        good &= (found[:, 0] > 0) & (np.linalg.norm((back - now)[:, 0], axis=1) < 0.2)
        now, motion = there, np.linalg.inv(pose) @ poses[0]
        seen.append((motion, there[:, 0]))
        turned, place = rays @ motion[:3, :3].T, (there[:, 0] - middle) / focal
        for axis in range(2):  # (turned z + shift) projects to the place: linear in z
            slope = turned[:, axis] - place[:, axis] * turned[:, 2]
            rest = motion[axis, 3] - place[:, axis] * motion[2, 3]
            above -= slope * rest
            below += slope * slope
    z = above / below
    error, parallax = np.zeros(len(z)), np.zeros(len(z))
    for motion, place in seen:
        turned = rays @ motion[:3, :3].T
        points = turned * z[:, None] + motion[:3, 3]
        shown = points[:, :2] / points[:, 2:] * focal + middle
        error = np.maximum(error, np.linalg.norm(shown - place, axis=1))
        parallax = np.linalg.norm(
            shown - (turned[:, :2] / turned[:, 2:] * focal + middle), axis=1
        )
    good &= (error < SURE[0]) & (parallax > SURE[1]) & (z > 2) & (z < 80)
    columns, rows = np.round(first[good]).astype(np.intp).T
    inside = (rows < camera.height) & (columns < camera.width)
    return rows[inside], columns[inside], z[good][inside]


def rooms(seeds: Iterable[int]) -> Iterator[Judged]:
    """Judge the embedded network in rooms of the synthetic world."""
    model, camera = open_model('embedded'), Camera.from_hfov(320, 240, 70)
    assert model.spec.input_size is not None
    engine = open_engine(model, Config().engine, model.spec.input_size)
    for seed in seeds:
        world = World(seed)
        image, exact = world.render(camera, world.pose(seed % 7), noise=1.0)
        prediction = engine.buffers(*exact.shape)
        engine.infer(image, prediction)
        rows, columns = np.nonzero(np.isfinite(exact))
        depth = prediction.values
        yield depth, Confidence().judge(depth), rows, columns, exact[rows, columns].astype(float)


def corrected(judged: Judged, share: float, seed: int = 0, *, left: bool = False) -> Judged:
    """
    Correct a frame locally with some of its known pixels, and judge the others.

    :param share: of the pixels that are anchors, drawn at random.
    :param left: anchors in the left half only.
    """
    depth, _, rows, columns, exact = judged
    mine = np.random.default_rng(seed).random(exact.size) < share
    if left:
        mine &= columns < depth.shape[1] / 2
    found = depth[rows[mine], columns[mine]].astype(float)
    fit = fit_scale(found, exact[mine])
    assert fit is not None
    plain = (depth * np.float32(fit.scale)).astype(np.float32)
    anchors = Anchors(rows[mine], columns[mine], exact[mine], (depth.shape[0], depth.shape[1]))
    field = fit_field(anchors, found * fit.scale, hold_out=True)
    assert field is not None
    misfit = 1.4826 * float(np.median(np.abs(np.log(exact[mine] / (found * fit.scale)))))
    field.apply(plain)
    confidence = Confidence().judge(plain, anchors=field.sigma(misfit, ANCHORS))
    return plain, confidence, rows[~mine], columns[~mine], exact[~mine]


def cost(rounds: int = 300) -> float:
    """Return the processor time of one frame of 640x480 (ms, median)."""
    world = World(0)
    depth = world.render(Camera.from_hfov(640, 480, 75), world.pose(2.0))[1]
    judge, times = Confidence(), []
    for frame in range(rounds):
        start = time.thread_time()
        judge.judge(depth, sigma=0.05, stamp=frame / 30)
        times.append(time.thread_time() - start)
    return 1000 * float(np.median(times))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path)
    args = parser.parse_args()
    judged = list(rooms(range(300, 340)))
    sets = {'embedded network, 40 rooms': [sparsified(*one) for one in judged]}
    for share, text in ((1 / 750, 'a two-hundredth'), (1 / 75, 'a fiftieth')):
        name = f'{text} of what a lidar sees'
        sets[f'40 rooms, corrected with {name}'] = [
            sparsified(*corrected(one, share)) for one in judged
        ]
    sets['40 rooms, corrected in the left half'] = [
        sparsified(*corrected(one, 1 / 75, left=True)) for one in judged
    ]
    if args.data:
        for name, weights in (('monocular', 'm'), ('stereo-trained', 'ms')):
            one = kitti_frame(args.data, weights)
            sets[f'KITTI frame, {name}'] = [sparsified(*one)]
            for share, text in ((0.005, 'a two-hundredth'), (0.02, 'a fiftieth')):
                sets[f'KITTI frame, {name}, corrected with {text}'] = [
                    sparsified(*corrected(one, share, seed)) for seed in range(5)
                ]
            sets[f'KITTI frame, {name}, corrected in the left half'] = [
                sparsified(*corrected(one, 0.02, seed, left=True)) for seed in range(5)
            ]
            many = [sparsified(*frame) for frame in kitti_sequence(args.data, weights)]
            sets[f'KITTI sequence, {name}, {len(many)} frames'] = many
    print('| what | abs_rel | without the least certain 20 % | perfect order |')
    print('|---|---|---|---|')
    for name, found in sets.items():
        mean, gain, perfect = np.mean(found, axis=0)
        print(f'| {name} | {mean:.3f} | {100 * gain:+.1f} % | {100 * perfect:+.1f} % |')
    print(f'\n640x480: {cost():.2f} ms of one core')
    return 0


if __name__ == '__main__':
    sys.exit(main())
