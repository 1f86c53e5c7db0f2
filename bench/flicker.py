"""
Show what steadying does: flicker of a standing camera, accuracy of a moving one, and its cost.

Flicker is the median of |log z(t) - log z(t-1)| over the pixels of a standing camera whose
network changes scale (and shift) by 10 % from frame to frame; accuracy is abs_rel while driving.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import sys
import time

import numpy as np
from numpy.typing import NDArray
from simulated import spec_of, TRUTH, values_of

from depth_node.camera import Camera
from depth_node.config import Config
from depth_node.depth.metres import Scale, to_metres
from depth_node.depth.steadying import Steadier
from depth_node.model import OutputKind
from depth_node.model.prediction import Prediction
from depth_node.world import World

CAMERA = Camera.from_hfov(320, 240, 75)
RATE = 30.0
"""Frames per second."""


def jittered(
    kind: OutputKind, values: NDArray[np.float32], random: np.random.Generator, jitter: float
) -> NDArray[np.float32]:
    """Change scale, and shift where the kind has one, as an unsteady network does."""
    spec = spec_of(kind)
    gain = float(np.exp(jitter * random.standard_normal()))
    offset = 0.0
    if kind is OutputKind.SIGMOID_DISPARITY:
        low, high = 1 / spec.max_depth, 1 / spec.min_depth
        offset = low / (high - low) * (gain - 1)
    elif kind.has_shift:
        offset = 0.5 * jitter * random.standard_normal() * float(np.median(values))
    return (gain * values + offset).astype(np.float32)


def metres(kind: OutputKind, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the true scale makes of values."""
    out = np.empty_like(values)
    return to_metres(Prediction(values.copy()), spec_of(kind), Scale(*TRUTH[kind]), 1.0, out)


def run(
    kind: OutputKind, *, moving: bool, jitter: float, smoothing: float = 0.0, frames: int = 60,
    seed: int = 1,
) -> dict[str, float]:
    """Measure one sequence without and with steadying."""
    world = World(seed, speed=0.6 if moving else 0.0)
    config = Config().replaced({'temporal.enabled': True, 'temporal.smoothing': smoothing})
    steadier, random = Steadier(config.temporal, spec_of(kind)), np.random.default_rng(seed)
    logs: dict[str, list[NDArray[np.float32]]] = {'raw': [], 'steadied': []}
    errors: dict[str, list[float]] = {'raw': [], 'steadied': []}
    for index in range(frames):
        stamp = index / RATE
        image, depth = world.render(CAMERA, world.pose(stamp), noise=1.0)
        values = jittered(kind, values_of(kind, depth), random, jitter)
        values *= (1 + 0.005 * random.standard_normal(values.shape)).astype(np.float32)
        for name in ('raw', 'steadied'):
            if name == 'steadied':
                steadier.steady(values, image, stamp)
            z = metres(kind, values)
            logs[name].append(np.log(z))
            errors[name].append(float(np.nanmean(np.abs(z - depth) / depth)))
    flicker = {
        name: float(np.nanmedian(np.abs(np.diff(np.array(all_), axis=0))))
        for name, all_ in logs.items()
    }
    return {
        'flicker_raw': flicker['raw'],
        'flicker_steadied': flicker['steadied'],
        'times_less': flicker['raw'] / flicker['steadied'],
        'abs_rel_raw': float(np.mean(errors['raw'])),
        'abs_rel_steadied': float(np.mean(errors['steadied'])),
    }


def cost(smoothing: float, rounds: int = 300) -> float:
    """Return the processor time of one frame of 640x480 (ms, median)."""
    config = Config().replaced({'temporal.enabled': True, 'temporal.smoothing': smoothing})
    steadier = Steadier(config.temporal, spec_of(OutputKind.RELATIVE_DISPARITY))
    random = np.random.default_rng(0)
    image = random.integers(0, 255, (480, 640, 3), np.uint8)
    scene = random.uniform(1, 2, (480, 640)).astype(np.float32)
    times = []
    for index in range(rounds):
        values = scene * np.float32(1 + 0.1 * random.standard_normal())
        start = time.thread_time()
        steadier.steady(values, image, index / RATE)
        times.append(time.thread_time() - start)
    return 1000 * float(np.median(times))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--json', type=Path)
    args = parser.parse_args()
    results: dict[str, object] = {}
    print('| kind | camera | jitter | flicker | stabilized | ratio | abs_rel | stabilized |')
    print('|---|---|---|---|---|---|---|---|')
    for kind in OutputKind:
        for moving, jitter in ((False, 0.1), (True, 0.1), (True, 0.0)):
            found = run(kind, moving=moving, jitter=jitter)
            name = 'moving' if moving else 'standing'
            results[f'{kind.value} {name} {jitter:g}'] = found
            print(
                f'| {kind.value} | {name} | {100 * jitter:.0f} % '
                f'| {100 * found["flicker_raw"]:.2f} % | {100 * found["flicker_steadied"]:.2f} % '
                f'| {found["times_less"]:.1f} | {found["abs_rel_raw"]:.4f} '
                f'| {found["abs_rel_steadied"]:.4f} |',
                flush=True,
            )
    for smoothing in (0.0, 0.7):
        results[f'cost_ms smoothing {smoothing:g}'] = spent = cost(smoothing)
        print(f'640x480, smoothing {smoothing:g}: {spent:.2f} ms of one core')
    if args.json:
        args.json.write_text(json.dumps(results, indent=2), encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
