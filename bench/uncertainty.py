"""
Show that the uncertainty of the scale is true.

``python bench/uncertainty.py`` drives through rendered rooms with a network that errs: by a factor
of its own in each room, by a shape, and from frame to frame. At the end of each drive the error of
the frame's metres (the median over its pixels) is compared with the sigma that the node reports.
``--data DIR`` leaves one frame out of real data sets instead, as ``depth-node calibrate`` would.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
import json
import math
from pathlib import Path
import sys

import cv2
import kitti_frames
import numpy as np
from numpy.typing import NDArray
from simulated import Drive, RATE, SOURCES, spec_of, values_of

from depth_node.camera import Camera
from depth_node.catalogue.opening import open_model
from depth_node.config import Config
from depth_node.estimator import DepthEstimator
from depth_node.model import OutputKind
from depth_node.scale import FloorPose, Measurement, NotObservable, ScaleFrame, ScaleKeeper
from depth_node.scale.frames import measure_together
from depth_node.scale.measurement import relative_sigma
from depth_node.scale.pixels import Pixels, pixels_at
from depth_node.scale.points import from_points, in_view
from depth_node.scale.shape import CORRELATION, COUNT, PATCHES
from depth_node.scale.unscaled import unscaled
from depth_node.sources.datasets import rgbd
from depth_node.sources.frame import Frame, nanoseconds

ROOM_SIGMA = 0.1
"""Standard deviation of the factor by which the network is off in a room."""
SHAPE_SIGMA = 0.08
"""Standard deviation of its shape error."""
FRAME_SIGMA = 0.01
"""Standard deviation of its factor from frame to frame."""
MEMORY = 1.0
"""Time over which the shape error changes (s)."""
TILT_SIGMA = math.radians(0.5)
RGBD_CAMERA = Camera(640, 480, 518, 519, 325.5, 253.5)
ROOT = np.linalg.cholesky(CORRELATION + 1e-9 * np.eye(COUNT))

Floats = NDArray[np.float64]


class Network:
    """
    A network that errs, as the module says.

    :param seed: of its errors.
    :param kind: of its output.
    """

    def __init__(self, seed: int, kind: OutputKind) -> None:
        self._random = np.random.default_rng((seed, 77))
        self.kind = kind
        self.factor = ROOM_SIGMA * self._random.standard_normal()
        self._field = self._random.standard_normal(COUNT)

    def look(self, drive: Drive, view) -> ScaleFrame:
        """Predict the next view."""
        keep = math.exp(-1 / (RATE * MEMORY))
        fresh = self._random.standard_normal(COUNT)
        self._field = keep * self._field + math.sqrt(1 - keep**2) * fresh
        coarse = (SHAPE_SIGMA * ROOT @ self._field).reshape(PATCHES)
        height, width = view.depth.shape
        error = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        error += self.factor + FRAME_SIGMA * self._random.standard_normal()
        values = values_of(self.kind, view.depth * np.exp(error).astype(np.float32))
        seen = Frame(view.image, nanoseconds(view.stamp), drive.camera)
        return ScaleFrame(seen, values, spec_of(self.kind), drive.rays)


@dataclass(frozen=True)
class Outcome:
    """
    One error and what was said of it.

    :param error: of the metres of a frame, relative (logarithm).
    :param sigma: reported.
    """

    error: float
    sigma: float


def frame_error(frame: ScaleFrame, scale: float, shift: float, truth: Floats) -> float:
    """Return the median error of a frame's metres."""
    x = unscaled(frame.values, frame.spec, frame.focal)
    metres = scale * x + (shift if frame.spec.kind.has_shift else 0.0)
    with np.errstate(divide='ignore', invalid='ignore'):
        if frame.spec.kind is OutputKind.RELATIVE_DISPARITY:
            metres = 1 / metres
        return float(np.nanmedian(np.log(np.where(metres > 0, metres, np.nan) / truth)))


def driven(drive: Drive, seed: int, kind: OutputKind, source: str) -> Outcome | None:
    """Drive with a source; return the last frame's error, or None where nothing is published."""
    random = np.random.default_rng((seed, SOURCES.index(source)))
    keeper = ScaleKeeper(Config().replaced({'scale.source': source}), spec_of(kind))
    if source == 'ground':
        keeper.set_floor(_floor(drive, random))
    network = Network(seed, kind)
    for view, pose in zip(drive.views, drive.poses(random, 0.01), strict=True):
        if source == 'odometry':
            keeper.add(view.stamp, pose)
        elif source != 'ground':
            keeper.add(view.stamp, drive.sample(source, view, random, 0.01, 0.2))
        frame = network.look(drive, view)
        state = keeper.update(frame)
    if not state.usable:
        return None
    return Outcome(frame_error(frame, state.value, state.shift, drive.views[-1].depth),
                   state.sigma)


def _floor(drive: Drive, random: np.random.Generator) -> FloorPose:
    exact = FloorPose.from_transform(drive.views[0].pose, tilt_sigma=TILT_SIGMA)
    return exact.tilted(0, TILT_SIGMA * random.standard_normal()).tilted(
        2, TILT_SIGMA * random.standard_normal()
    )


def left_out(kind: OutputKind, parts: list[Pixels]) -> list[Outcome]:
    """Calibrate on all frames but one, and judge that one; for each."""
    outcomes = []
    for out, part in enumerate(parts):
        found = measure_together(kind, [one for i, one in enumerate(parts) if i != out])
        if isinstance(found, NotObservable):
            continue
        metres = math.exp(found.value[0]) * part.x
        if kind.has_shift:
            metres = metres + found.value[1]
        if kind is OutputKind.RELATIVE_DISPARITY:
            metres = 1 / metres
        good = metres > 0
        error = float(np.median(np.log(metres[good] / part.z[good])))
        sigma = relative_sigma(found.value, found.covariance + found.bias, found.typical)
        outcomes.append(Outcome(error, sigma))
    return outcomes


def line(name: str, what: str, outcomes: list[Outcome], of: int) -> dict[str, float]:
    """Print a row of the table; return it."""
    errors = np.array([one.error for one in outcomes])
    sigmas = np.array([one.sigma for one in outcomes])
    if not errors.size:
        print(f'| {name} | {what} | 0 of {of} | | | | |', flush=True)
        return {'known': 0, 'of': of}
    deviation = float(np.sqrt(np.mean(errors**2)))
    row = {
        'known': len(errors), 'of': of, 'error': deviation, 'sigma': float(sigmas.mean()),
        'within_2_sigma': float(np.mean(np.abs(errors) < 2 * sigmas)),
        'sigma_over_error': float(sigmas.mean() / deviation),
    }
    print(f'| {name} | {what} | {len(errors)} of {of} | {100 * deviation:.1f} % | '
          f'{100 * row["sigma"]:.1f} % | {100 * row["within_2_sigma"]:.0f} % | '
          f'{row["sigma_over_error"]:.1f} |', flush=True)
    return row


def rooms(runs: int, frames: int, sources: list[str]) -> dict[str, dict[str, float]]:
    """Measure in rendered rooms: every source, and calibration with one room left out."""
    kinds = [OutputKind.METRIC_DEPTH, OutputKind.RELATIVE_DEPTH, OutputKind.RELATIVE_DISPARITY]
    outcomes: dict[tuple[str, OutputKind], list[Outcome]] = {}
    parts: dict[OutputKind, list[Pixels]] = {kind: [] for kind in kinds}
    for seed in range(runs):
        drive = Drive(seed, frames)
        for kind in kinds:
            for source in sources:
                if source == 'range' and kind.has_shift:
                    continue
                known = outcomes.setdefault((source, kind), [])
                one = driven(drive, seed, kind, source)
                if one is not None:
                    known.append(one)
            frame = Network(seed, kind).look(drive, drive.views[0])
            random = np.random.default_rng(seed)
            rows, columns = random.integers(0, 240, 1500), random.integers(0, 320, 1500)
            z = drive.views[0].depth[rows, columns].astype(np.float64)
            parts[kind].append(pixels_at(frame, rows, columns, z))
        print(f'{seed + 1}/{runs}', end='\r', file=sys.stderr, flush=True)
    results = {
        f'{source} {kind.value}': line(source, kind.value, known, runs)
        for (source, kind), known in outcomes.items()
    }
    for kind in kinds:
        # as a user does: a few rooms at a time
        groups = [parts[kind][first:first + 5] for first in range(0, runs - 4, 5)]
        known = [one for group in groups for one in left_out(kind, group)]
        results[f'calibrate {kind.value}'] = line(
            'calibrate, 4 of 5 rooms', kind.value, known, 5 * len(groups)
        )
    return results


def real(data: Path) -> dict[str, dict[str, float]]:
    """Leave one out of real sets, and a part of the lidar of KITTI's frame."""
    results = {}
    estimator = DepthEstimator(open_model('embedded'))
    sets = [(path.name, path, Camera.from_yaml(path / 'camera.yaml'))
            for path in sorted((data / 'rooms').iterdir()) if path.is_dir()]
    sets.append(('rgbd', data / 'rgbd', RGBD_CAMERA))
    every: list[Pixels] = []
    for name, path, camera in sets:
        parts = [_pixels(estimator, sample) for sample in rgbd(path, camera)]
        every += parts
        if len(parts) >= 5:
            results[name] = line(name, 'embedded', left_out(estimator.spec.kind, parts),
                                 len(parts))
    results['all'] = line('all of these', 'embedded', left_out(estimator.spec.kind, every),
                          len(every))
    for source in ('all round', 'left third', 'one ring'):
        outcomes = [_lidar(data, name, source) for name in ('m', 'ms')]
        results[f'kitti {source}'] = line(
            f'KITTI, lidar {source}', 'RT-MonoDepth-S', [o for o in outcomes if o], 2
        )
    return results


def _pixels(estimator: DepthEstimator, sample) -> Pixels:
    prediction = estimator.predict(sample)
    frame = ScaleFrame(sample, prediction.values, estimator.spec, sample.camera.rays(),
                       estimator.focal(sample.camera))
    rows, columns = np.nonzero(np.isfinite(sample.depth))
    some = np.linspace(0, rows.size - 1, 4000).astype(np.int64)
    z = sample.depth[rows[some], columns[some]].astype(np.float64)
    return pixels_at(frame, rows[some], columns[some], z)


def _lidar(data: Path, name: str, source: str) -> Outcome | None:
    frame, lidar = kitti_frames.object_frame(data / 'kitti/object', data / 'weights', name)
    column = frame.camera.project(lidar)[:, 0]
    elevation = np.degrees(np.arctan2(-lidar[:, 1], np.hypot(lidar[:, 0], lidar[:, 2])))
    mine = {
        'all round': np.arange(len(lidar)) % 10 == 0,
        'left third': column < frame.camera.width / 3,
        'one ring': np.abs(elevation + 2) < 0.2,
    }[source]
    found = from_points(frame, lidar[mine], np.eye(4))
    if not isinstance(found, Measurement):
        return None
    rows, columns, z = in_view(frame.camera, lidar)
    u = unscaled(frame.values[rows, columns], frame.spec, frame.focal)
    error = float(np.median(np.log(math.exp(found.value[0]) * u / z)))
    return Outcome(error, relative_sigma(found.value, found.covariance + found.bias, 1.0))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--runs', type=int, default=40, help='rooms')
    parser.add_argument('--frames', type=int, default=15, help='of each drive')
    parser.add_argument('--source', choices=SOURCES, action='append')
    parser.add_argument('--data', type=Path, metavar='DIR',
                        help='folder with kitti/, rooms/, rgbd/ and weights/')
    parser.add_argument('--json', type=Path)
    args = parser.parse_args()
    if args.data and not (args.data / 'kitti').is_dir():
        print(f'no real data: {args.data}/kitti is absent')
        return 0
    print('| source | output | published | error (rms) | sigma (mean) | within 2 sigma |'
          ' sigma over error |')
    print('|---|---|---|---|---|---|---|')
    if args.data:
        results = real(args.data)
    else:
        results = rooms(args.runs, args.frames, args.source or list(SOURCES))
    if args.json:
        args.json.write_text(json.dumps(results, indent=2), encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
