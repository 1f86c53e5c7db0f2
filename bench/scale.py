"""
Measure how accurately the scale is recovered, and whether its uncertainty holds.

``python bench/scale.py`` prints the table of doc/measurements/scale.md: every source with
every kind of output it serves, in the synthetic world. ``--data DIR`` measures on KITTI instead.
"""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass
import json
import math
from pathlib import Path
import sys

import kitti_frames
import numpy as np
from simulated import Drive, RATE, SOURCES, spec_of, TRUTH, with_foreign_motion

from depth_node.config import Config
from depth_node.model import OutputKind
from depth_node.scale import FloorPose, ScaleKeeper
from depth_node.scale.measurement import relative_sigma

TILT_SIGMA = math.radians(0.5)


@dataclass(frozen=True)
class Run:
    """
    How far off one run ended.

    :param scale: error of the scale, relative.
    :param metres: error of metres at the typical distance, relative.
    :param scale_sigma: what the keeper says of the scale, relative.
    :param sigma: what the keeper says of metres, relative.
    """

    scale: float
    metres: float
    scale_sigma: float
    sigma: float


def keep(
    drive: Drive, kind: OutputKind, source: str, seed: int,
    *, noise: float = 0.01, outliers: float = 0.2,
) -> Run | str:
    """Run the keeper over a drive; return how far off it ends, or why it knows nothing."""
    random = np.random.default_rng((seed, SOURCES.index(source)))
    keeper = ScaleKeeper(Config().replaced({'scale.source': source}), spec_of(kind))
    if source == 'ground':
        keeper.set_floor(_ground(drive, random))
    poses = list(drive.poses(random, noise))
    for index, (view, pose) in enumerate(zip(drive.views, poses, strict=True)):
        image = None
        if source == 'odometry':
            keeper.add(view.stamp, pose)
            foreign = np.random.default_rng(seed)
            image = with_foreign_motion(view.image, index, foreign, outliers)
        elif source != 'ground':
            keeper.add(view.stamp, drive.sample(source, view, random, noise, outliers))
        state = keeper.update(drive.frame(view, kind, image))
    belief = keeper.found()
    if belief is None:
        return state.reason
    scale, shift = TRUTH[kind]
    truth, found = scale * belief.typical + shift, state.value * belief.typical + state.shift
    sigma = relative_sigma(belief.value, belief.covariance, belief.typical)
    return Run(
        state.value / scale - 1, found / truth - 1, math.sqrt(belief.covariance[0, 0]), sigma
    )


def _ground(drive: Drive, random: np.random.Generator) -> FloorPose:
    """Return the ground with a tilt known to half a degree, and a height to a percent."""
    exact = FloorPose.from_transform(drive.views[0].pose, tilt_sigma=TILT_SIGMA)
    height = exact.height * (1 + exact.height_sigma * random.standard_normal())
    exact = dataclasses.replace(exact, height=height)
    return exact.tilted(0, TILT_SIGMA * random.standard_normal()).tilted(
        2, TILT_SIGMA * random.standard_normal()
    )


def summary(runs: list[Run | str]) -> dict[str, float]:
    """Gather runs of one source and kind."""
    known = [run for run in runs if isinstance(run, Run)]
    if not known:
        return {'runs': len(runs), 'known': 0}
    scale = np.array([abs(run.scale) for run in known])
    metres = np.array([abs(run.metres) for run in known])
    scale_sigma = np.array([run.scale_sigma for run in known])
    sigma = np.array([run.sigma for run in known])
    return {
        'runs': len(runs),
        'known': len(known),
        'scale_error_median': float(np.median(scale)),
        'scale_error_95': float(np.percentile(scale, 95)),
        'metres_error_median': float(np.median(metres)),
        'metres_error_95': float(np.percentile(metres, 95)),
        'sigma': float(np.median(sigma)),
        'within_3_sigma': float(np.mean((scale < 3 * scale_sigma) & (metres < 3 * sigma))),
        'bound_over_rms': float(np.median(3 * sigma) / np.sqrt(np.mean(metres**2))),
        'bound_over_error_95': float(np.median(3 * sigma) / np.percentile(metres, 95)),
    }


def synthetic(
    sources: list[str], kinds: list[OutputKind], runs: int, worlds: int, frames: int
) -> dict[str, dict[str, float]]:
    """Measure every source with every kind of output it can serve."""
    drives = [Drive(seed, frames) for seed in range(worlds)]
    results = {}
    for source in sources:
        for kind in kinds:
            if source == 'range' and kind.has_shift:
                continue
            outcomes = [
                keep(drives[run % worlds], kind, source, run) for run in range(runs)
            ]
            result = summary(outcomes)
            results[f'{source} {kind.value}'] = result
            print(_line(source, kind, result), flush=True)
            for why in {outcome for outcome in outcomes if isinstance(outcome, str)}:
                print(f'    not known: {why}')
    return results


def _line(source: str, kind: OutputKind, result: dict[str, float]) -> str:
    head = f'| {source} | {kind.value} | {result["known"]:.0f} of {result["runs"]:.0f} |'
    if not result['known']:
        return head
    return head + (
        f' {100 * result["scale_error_median"]:.2f} % | {100 * result["scale_error_95"]:.2f} % |'
        f' {100 * result["metres_error_95"]:.2f} % | {100 * result["sigma"]:.2f} % |'
        f' {100 * result["within_3_sigma"]:.0f} % | {result["bound_over_error_95"]:.2f} |'
        f' {result["bound_over_rms"]:.2f} |'
    )


def real(data: Path) -> dict[str, dict[str, float]]:
    """Measure on KITTI: ground and points on one frame, odometry on a sequence."""
    weights, results = data / 'weights', {}
    for name in ('m', 'ms'):
        frame, lidar = kitti_frames.object_frame(data / 'kitti/object', weights, name)
        results[f'ground {name}'] = kitti_frames.ground_test(frame, lidar)
        results[f'points {name}'] = kitti_frames.points_test(frame, lidar, seed=0)
    frames, poses = kitti_frames.sequence(data / 'kitti/sequence', weights, 'ms')
    results['odometry ms'] = kitti_frames.odometry_test(frames, poses)
    for name, result in results.items():
        print(f'{name}: ' + ', '.join(f'{key} {value:.3f}' for key, value in result.items()))
    return results


def _write(path: Path | None, results: dict[str, dict[str, float]]) -> None:
    if path is not None:
        path.write_text(json.dumps(results, indent=2), encoding='utf-8')


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--source', choices=SOURCES, action='append')
    parser.add_argument('--kind', choices=[kind.value for kind in OutputKind], action='append')
    parser.add_argument('--runs', type=int, default=40, help='for each source and kind')
    parser.add_argument('--worlds', type=int, default=8)
    parser.add_argument('--frames', type=int, default=30)
    parser.add_argument(
        '--data', type=Path, metavar='DIR',
        help='folder with kitti/ and weights/: measure on real frames instead',
    )
    parser.add_argument('--json', type=Path)
    args = parser.parse_args()
    if args.data and not (args.data / 'kitti').is_dir():
        print(f'no real data: {args.data}/kitti is absent')
        return 0
    if args.data:
        _write(args.json, real(args.data))
        return 0
    kinds = [OutputKind(kind) for kind in args.kind] if args.kind else list(OutputKind)
    print(f'{args.frames} frames at {RATE:g} Hz, noise 1 %, outliers 20 %')
    print('| source | kind | known | scale error, median | 95 % of runs | metres, 95 % of runs |'
          ' sigma told | within 3 sigma | 3 sigma / error (95 %) | 3 sigma / error (rms) |')
    print('|---|---|---|---|---|---|---|---|---|---|')
    results = synthetic(
        args.source or list(SOURCES), kinds, args.runs, args.worlds, args.frames
    )
    _write(args.json, results)
    return 0


if __name__ == '__main__':
    sys.exit(main())
