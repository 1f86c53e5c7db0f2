"""
Show what it gains to carry anchors along with odometry while a robot drives.

``python bench/carrying.py`` drives through rooms of the synthetic world with a lidar of few beams
next to the camera, a network whose shape is wrong by 15 % and whose scale flickers by 2 % from
frame to frame, and odometry that is right or wrong. All pixels of all frames are judged.
``--network`` looks with the embedded network instead.
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
from depth_node.catalogue.opening import open_model
from depth_node.config import Config
from depth_node.depth.metres import Scale
from depth_node.estimator import DepthEstimator
from depth_node.model import ModelSpec, OutputKind
from depth_node.scale import PointsReading, PoseReading, ScaleFrame, ScaleKeeper
from depth_node.scale.correction import Corrector
from depth_node.scale.local import Anchors
from depth_node.scale.shape import CORRELATION, COUNT, PATCHES
from depth_node.sources.frame import Frame, nanoseconds
from depth_node.world import World

CAMERA = Camera.from_hfov(320, 240, 75)
RAYS = CAMERA.rays()
RATE = 10.0
BEAMS = {'1 beam': (4.0,), '4 beams': (-6.0, 0.0, 6.0, 12.0),
         '16 beams': tuple(np.linspace(-15, 15, 16))}
CAP = 20.0
WARM = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Shot:
    """
    A frame of a drive.

    :param stamp: (s).
    :param rgb: uint8 (H, W, 3).
    :param truth: float32 (H, W), z-depth (m).
    :param predicted: float32 (H, W), what the network says (m).
    :param pose: float64 (4, 4), camera optical frame to the world.
    """

    stamp: float
    rgb: NDArray[np.uint8]
    truth: NDArray[np.float32]
    predicted: NDArray[np.float32]
    pose: Floats


def drive(seed: int, frames: int, *, movers: int = 0, network: DepthEstimator | None = None,
          error: float = 0.15) -> list[Shot]:
    """Drive through a room."""
    world = World(seed, movers=movers)
    random = np.random.default_rng(seed)
    root = np.linalg.cholesky(CORRELATION + 1e-9 * np.eye(COUNT))
    coarse = (error * root @ random.standard_normal(COUNT)).reshape(PATCHES)
    bend = cv2.resize(coarse, (CAMERA.width, CAMERA.height), interpolation=cv2.INTER_CUBIC)
    shots = []
    for index in range(frames):
        stamp = index / RATE
        pose = world.pose(stamp)
        rgb, depth = world.render(CAMERA, pose, time=stamp)
        if network is None:
            log = bend + 2 / 3 * error * np.log(depth / 2) + 0.02 * random.standard_normal()
            predicted = (depth * np.exp(log)).astype(np.float32)
        else:
            predicted = network.predict(Frame(rgb, None, CAMERA)).values.copy()
        shots.append(Shot(stamp, rgb, depth, predicted, pose))
    return shots


def beams_of(shot: Shot, elevations: tuple[float, ...], seed: int) -> Floats:
    """Return the points where a lidar at the camera meets what it sees: float64 (N, 3)."""
    random = np.random.default_rng((seed, round(shot.stamp * 1000)))
    parts = []
    for degrees in elevations:
        columns = np.arange(0, CAMERA.width, 2)
        x = (columns - CAMERA.cx) / CAMERA.fx
        y = math.tan(math.radians(degrees)) * np.hypot(x, 1)
        rows = np.rint(y * CAMERA.fy + CAMERA.cy).astype(int)
        seen = (rows >= 0) & (rows < CAMERA.height)
        z = shot.truth[rows[seen], columns[seen]].astype(float)
        z *= 1 + 0.01 * random.standard_normal(z.size)
        rays = RAYS[rows[seen], columns[seen]].astype(float)
        parts.append(np.column_stack([rays * z[:, None], z]))
    return np.concatenate(parts)


def odometry_of(shots: list[Shot], fault: str) -> list[tuple[float, Floats]]:
    """Return poses as odometry with a fault says them."""
    out = []
    for index, shot in enumerate(shots):
        pose, stamp = shot.pose.copy(), shot.stamp
        if fault == 'way 10 % too long':
            pose[:3, 3] *= 1.1
        elif fault == 'jumps 0.5 m each second':
            pose[:2, 3] += 0.5 * (index // int(RATE))
        elif fault == 'stops':
            pose = shots[min(index, 10)].pose
        elif fault == '0.3 s late':
            pose = shots[max(index - 3, 0)].pose
        elif fault == 'axes of the robot instead of the optical frame':
            pose = pose @ np.array(
                [[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]], float
            )
        elif fault == 'turns the wrong way':
            first = shots[0].pose
            step = np.linalg.inv(first) @ pose
            step[:3, :3] = step[:3, :3].T
            pose = first @ step
        out.append((stamp, pose))
    return out


FAULTS = ('way 10 % too long', 'jumps 0.5 m each second', 'stops', '0.3 s late',
          'axes of the robot instead of the optical frame', 'turns the wrong way')


def judged(
    shots: list[Shot], elevations: tuple[float, ...], *, odometry: str | None, spec: ModelSpec,
    local: str = 'true',
) -> tuple[float, float]:
    """
    Run a keeper over a drive.

    :param odometry: its fault, '' for none; None: there is no odometry.
    :returns: mean abs_rel of all pixels, and anchors of the past per frame.
    """
    config = Config().replaced({
        'scale.source': 'points', 'scale.local': local, 'scale.max_misfit': 1.0,
        'scale.max_sigma': 0.9,
    })
    keeper = ScaleKeeper(config, spec)
    if odometry is not None:
        for stamp, pose in odometry_of(shots, odometry):
            keeper.add(stamp, PoseReading(pose))
    errors, past = [], []
    for index, shot in enumerate(shots):
        keeper.add(shot.stamp, PointsReading(beams_of(shot, elevations, 0), np.eye(4)))
        frame = Frame(shot.rgb, nanoseconds(shot.stamp), CAMERA)
        state = keeper.update(ScaleFrame(frame, shot.predicted, spec, RAYS))
        if not state.usable or index < WARM:
            continue
        depth = (state.value * shot.predicted).astype(np.float32)
        if state.field is not None:
            depth = state.field.apply(depth)
            past.append(state.field.past)
        known = np.isfinite(shot.truth) & (shot.truth < CAP)
        errors.append(float(np.mean(np.abs(depth - shot.truth)[known] / shot.truth[known])))
    return float(np.mean(errors)), float(np.mean(past)) if past else 0.0


def timed() -> dict[str, float]:
    """Measure processor time at 640x480 with 2,000 anchors of the frame, on one thread (ms)."""
    cv2.setNumThreads(1)
    camera, spec = Camera.from_hfov(640, 480, 75), ModelSpec('n', OutputKind.METRIC_DEPTH)
    world, rays = World(0), Camera.from_hfov(640, 480, 75).rays()
    truth = world.render(camera, world.pose(0.0))[1]
    picture = np.zeros((480, 640, 3), np.uint8)
    result = {}
    for name, pose in (('frame', None), ('carried', np.eye(4))):
        corrector, took = Corrector(), []
        for index in range(100):
            random = np.random.default_rng(index)
            rows, columns = random.integers(0, 480, 2000), random.integers(0, 640, 2000)
            anchors = Anchors(rows, columns, truth[rows, columns].astype(float), (480, 640))
            frame = Frame(picture + np.uint8(index % 2 * 50 if pose is None else 0),
                          nanoseconds(index / RATE), camera)
            seen = ScaleFrame(frame, 1.1 * truth, spec, rays)
            begin = time.thread_time()
            corrector.update(seen, anchors, Scale(), pose)
            took.append(1e3 * (time.thread_time() - begin))
        result[name] = float(np.median(took))
    print(f'with the anchors of the frame {result["frame"]:.2f} ms, with carried ones '
          f'{result["carried"]:.2f} ms')
    return result


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rooms', type=int, default=6)
    parser.add_argument('--frames', type=int, default=40)
    parser.add_argument('--network', action='store_true', help='look with the embedded network')
    parser.add_argument('--time', action='store_true', help='measure what it costs instead')
    parser.add_argument('--json', type=Path)
    args = parser.parse_args()
    if args.time:
        timed()
        return 0
    network = DepthEstimator(open_model('embedded')) if args.network else None
    spec = ModelSpec('n', OutputKind.METRIC_DEPTH)
    sets = {
        name: [drive(seed, args.frames, movers=movers, network=network)
               for seed in range(args.rooms)]
        for name, movers in (('rooms', 0), ('rooms with 4 moving objects', 4))
    }
    results: dict[str, dict[str, float]] = {}
    print('| rooms | lidar | odometry | global fit | anchors of the frame | carried, too | '
          'worst room | against global |')
    print('|---|---|---|---|---|---|---|---|')
    for name, shots in sets.items():
        for lidar, elevations in BEAMS.items():
            plain, alone = (np.array([
                judged(one, elevations, odometry=None, spec=spec, local=local)[0]
                for one in shots
            ]) for local in ('false', 'true'))
            for fault in ('', *(FAULTS if name == 'rooms' else ())):
                pairs = [judged(one, elevations, odometry=fault, spec=spec) for one in shots]
                carried = np.array([error for error, _ in pairs])
                past = float(np.mean([count for _, count in pairs]))
                worst = float((carried / alone).max())
                results[f'{name}, {lidar}, {fault or "right"}'] = {
                    'global': float(plain.mean()), 'alone': float(alone.mean()),
                    'carried': float(carried.mean()), 'worst': worst, 'past': past,
                    'worst_of_global': float((carried / plain).max()),
                }
                print(f'| {name} | {lidar} | {fault or "right"} | {plain.mean():.3f} | '
                      f'{alone.mean():.3f} | {carried.mean():.3f} | {worst:.2f} | '
                      f'{(carried / plain).max():.2f} |', flush=True)
    if args.json:
        args.json.write_text(json.dumps(results, indent=2), encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
