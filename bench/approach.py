"""
Show that steadying never makes what comes nearer stay away.

A camera stands, drives straight at what is ahead, stops, and goes on, at every speed and rate,
in several worlds, with every output kind and with the embedded network. In every frame of the
way the published depth is compared with the unsteadied one: the nearest distance of the
frame, and the pixel that is farthest beyond. A person who walks up to a standing camera is the
same the other way round. A second table shows by how much less a standing camera flickers.
The first has the worst over all worlds and rates of how far the nearest published distance is
beyond the unsteadied one (with jitter: beyond that and the exact one); the second the least of
all worlds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
import dataclasses
from dataclasses import dataclass
import json
from pathlib import Path
import sys

from flicker import jittered, metres
import numpy as np
from numpy.typing import NDArray
from simulated import spec_of, values_of

from depth_node.camera import Camera
from depth_node.catalogue.opening import open_model
from depth_node.config import Config
from depth_node.depth.steadying import Steadier
from depth_node.engine import open_engine
from depth_node.engine.base import Engine
from depth_node.model import OutputKind
from depth_node.world import Box, Motion, Pose, Solid, World

CAMERA = Camera.from_hfov(320, 240, 70)
SPEEDS = (0.2, 0.5, 1.0, 2.0)
RATES = (5.0, 10.0, 15.0, 30.0)
FARTHEST_START = 2.5
"""Drives begin this far from what is ahead, or nearer (m)."""
END = 0.4
"""Drives end this far from it (m)."""
STANDS = 1.0
"""Time before the start and in the middle (s)."""
TOLERANCE = 0.02
"""What the published distance may be beyond the unsteadied one."""
NOISE = np.float32(0.005)
"""Of every pixel of the perfect networks."""
JITTER = 0.1
"""Of their scale (and half of it of their shift), where they have some."""


@dataclass(frozen=True)
class Picture:
    """
    One frame of a way.

    :param stamp: its time (s).
    :param image: uint8 (H, W, 3), what is seen.
    :param depth: float32 (H, W), its exact depth (m).
    :param nearing: whether something comes nearer.
    """

    stamp: float
    image: NDArray[np.uint8]
    depth: NDArray[np.float32]
    nearing: bool


def drive(seed: int, speed: float, rate: float) -> Iterator[Picture]:
    """Stand, drive straight at what is ahead, stop half way, go on to the end."""
    world, pose, ahead, free = place(seed)
    begin = max(0.0, free - FARTHEST_START)
    middle, end = begin + (free - END - begin) / 2, free - END
    gone, stands, frame = begin, STANDS, 0
    while gone < end:
        nearing = stands <= 0
        if nearing:
            before, gone = gone, gone + speed / rate
            if before < middle <= gone:
                stands = STANDS
        else:
            stands -= 1 / rate
        there = pose.copy()
        there[:3, 3] += ahead * gone
        image, depth = world.render(CAMERA, there, time=0.0, noise=1.5 + 1e-6 * frame)
        yield Picture(frame / rate, image, depth, nearing)
        frame += 1


def visit(seed: int, speed: float, rate: float) -> Iterator[Picture]:
    """Let a person come up to a standing camera, fastest in the middle of the way."""
    world, pose, ahead, free = place(seed)
    reach = (min(free, 4.0) - 1.0) / 2
    middle = pose[:3, 3] + ahead * (0.7 + reach)
    period = 2 * np.pi * reach / speed
    coat = world.scene.solids[0].material
    person = Solid(
        Box((float(middle[0]), float(middle[1]), 0.9), (0.3, 0.5, 1.8)), coat,
        motion=Motion((float(-reach * ahead[0]), float(-reach * ahead[1])), period),
    )
    scene = dataclasses.replace(world.scene, solids=(*world.scene.solids, person))
    world = World(seed, scene=scene)
    begin = 0.75 * period  # farthest away
    for frame in range(round((STANDS + period / 2) * rate)):
        gone = max(0.0, frame / rate - STANDS)
        image, depth = world.render(CAMERA, pose, time=begin + gone, noise=1.5 + 1e-6 * frame)
        come = 1 - float(np.cos(2 * np.pi * gone / period))
        # it starts from rest: what counts is from where it has come nearer by the tolerance
        nearing = reach * come > TOLERANCE * (0.7 + 2 * reach)
        yield Picture(frame / rate, image, depth, nearing)


def place(seed: int) -> tuple[World, Pose, NDArray[np.float64], float]:
    """Return a world, a camera in it, the way ahead (unit vector) and how far it is free (m)."""
    world, random = World(seed), np.random.default_rng(seed)
    while True:
        pose = world.random_pose(random, height=(0.3, 0.6), tilt=(0, 8), roll=0)
        ahead = pose[:3, 2].copy()
        ahead[2] = 0
        ahead /= np.linalg.norm(ahead)
        free = float(world.cast(pose[:3, 3], ahead))
        if free > 1.5:
            return world, pose, ahead, free


class Trial:
    """
    One way, as one network sees it, without and with steadying.

    :param kind: what the network says; None: the embedded one, else a perfect one.
    :param jitter: that it has, relative.
    :param seed: of the jitter.
    """

    def __init__(self, kind: OutputKind | None, jitter: float = 0.0, seed: int = 0) -> None:
        self._kind, self._jitter, self._random = kind, jitter, np.random.default_rng(seed)
        self._engine: Engine | None = None
        if kind is None:
            model = open_model('embedded')
            assert model.spec.input_size is not None
            self._engine = open_engine(model, Config().engine, model.spec.input_size)
        spec = spec_of(kind) if self._engine is None else self._engine.spec
        self._steadier = Steadier(Config().replaced({'temporal.enabled': True}).temporal, spec)
        self.nearest: list[float] = []
        self.anywhere: list[float] = []

    def take(self, picture: Picture) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Look at one frame; return the metres without and with steadying."""
        if self._kind is None:
            assert self._engine is not None
            prediction = self._engine.buffers(*picture.depth.shape)
            self._engine.infer(picture.image, prediction)
            values, kind = prediction.values, OutputKind.METRIC_DEPTH
        else:
            kind = self._kind
            values = jittered(kind, values_of(kind, picture.depth), self._random, self._jitter)
            values *= 1 + NOISE * self._random.standard_normal(values.shape, np.float32)
        raw = metres(kind, values)
        self._steadier.steady(values, picture.image, picture.stamp)
        steadied = metres(kind, values)
        if picture.nearing:
            # where jitter alone brings it nearer than it is, the exact depth is the measure
            least = np.maximum(raw, picture.depth) if self._jitter else raw
            self.nearest.append(float(np.nanmin(steadied) / np.nanmin(least)))
            self.anywhere.append(float(np.nanmax(steadied / least)))
        return raw, steadied


KINDS: tuple[OutputKind | None, ...] = (*OutputKind, None)
Way = Callable[[int, float, float], Iterator[Picture]]


def measure(
    ways: Iterable[tuple[Way, int, float, float]], jitters: Sequence[float] = (0.0,),
    kinds: Sequence[OutputKind | None] = KINDS,
) -> dict[tuple[str, float], tuple[float, float]]:
    """
    Return how far beyond the unsteadied depth the published one gets.

    :param ways: how, seed, speed (m/s) and rate (Hz) of each.
    :param jitters: of the perfect networks, relative.
    :param kinds: of networks; None is the embedded one, which has a jitter of its own.
    :returns: by network and jitter: the worst of the nearest distance, and of any pixel (ratios).
    """
    found: dict[tuple[str, float], tuple[float, float]] = {}
    for way, seed, speed, rate in ways:
        trials = {
            (name_of(kind), jitter): Trial(kind, jitter, seed)
            for kind in kinds for jitter in jitters if kind is not None or not jitter
        }
        for picture in way(seed, speed, rate):
            for trial in trials.values():
                trial.take(picture)
        for key, trial in trials.items():
            before = found.get(key, (0.0, 0.0))
            found[key] = max(*trial.nearest, before[0]), max(*trial.anywhere, before[1])
    return found


def standing(seed: int, rate: float, kind: OutputKind | None, jitter: float) -> float:
    """Return by how much less a standing camera flickers (ratio)."""
    world, pose, _, _ = place(seed)
    trial, logs = Trial(kind, jitter, seed), []
    for frame in range(30):
        image, depth = world.render(CAMERA, pose, noise=1.5 + 1e-6 * frame)
        logs.append(np.log(np.stack(trial.take(Picture(frame / rate, image, depth, False)))))
    steps = np.nanmedian(np.abs(np.diff(np.array(logs), axis=0)), axis=(0, 2, 3))
    return float(steps[0] / steps[1])


def name_of(kind: OutputKind | None) -> str:
    """Name a network."""
    return 'embedded network' if kind is None else kind.value


WAYS: dict[str, Way] = {'drive': drive, 'visit': visit}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seeds', type=int, default=4)
    parser.add_argument('--ways', nargs='+', choices=sorted(WAYS), default=list(WAYS))
    parser.add_argument('--json', type=Path)
    args = parser.parse_args()
    results: dict[str, object] = {}
    columns = [name_of(kind) for kind in KINDS]
    print(f'| way | m/s | jitter | {" | ".join(columns)} |')
    print('|' + '---|' * (3 + len(columns)))
    for way in (WAYS[name] for name in args.ways):
        for speed in SPEEDS:
            found = measure(
                [(way, seed, speed, rate) for seed in range(args.seeds) for rate in RATES],
                (0.0, JITTER),
            )
            for jitter in (0.0, JITTER):
                cells = [
                    f'{100 * (found[c, jitter][0] - 1):.2f} %' if (c, jitter) in found else ''
                    for c in columns
                ]
                results[f'{way.__name__} {speed:g} {jitter:g}'] = cells
                print(f'| {way.__name__} | {speed:g} | {100 * jitter:.0f} % '
                      f'| {" | ".join(cells)} |', flush=True)
    print(f'\n| standing at | {" | ".join(columns[:-1])} |')
    print('|' + '---|' * len(columns))
    for rate in RATES:
        cells = [
            f'{min(standing(seed, rate, kind, JITTER) for seed in range(args.seeds)):.1f}'
            for kind in OutputKind
        ]
        results[f'standing {rate:g}'] = cells
        print(f'| {rate:g} Hz | {" | ".join(cells)} |', flush=True)
    if args.json:
        args.json.write_text(json.dumps(results, indent=2), encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
