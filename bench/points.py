"""
CPU time of everything between metres and messages, on the synthetic world at 640x480.

Run it as ``python bench/points.py``. CPU time of this thread, so that other work on the machine
disturbs little; the least and the median of the repetitions.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import time

import cv2
import numpy as np

from depth_node.camera import Camera
from depth_node.cloud.maker import CloudMaker
from depth_node.cloud.pipeline import PointsPipeline
from depth_node.cloud.voxel import VoxelGrid
from depth_node.config import Config
from depth_node.depth.filters import drop_edges, drop_unsteady
from depth_node.depth.metres import clip_range, Scale, to_metres
from depth_node.image.color import colorize
from depth_node.model import ModelSpec, OutputKind
from depth_node.model.prediction import Prediction
from depth_node.world import World


def measured(work: Callable[[], object], repetitions: int) -> tuple[float, float]:
    """Least and median CPU time of a piece of work (ms)."""
    work()
    times = []
    for _ in range(repetitions):
        start = time.process_time_ns()
        work()
        times.append((time.process_time_ns() - start) / 1e6)
    return min(times), float(np.median(times))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--repetitions', type=int, default=50)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    camera = Camera.from_hfov(640, 480, 70)
    world = World(0)
    rgb, depth = world.render(camera, world.pose(2.0))
    spec = ModelSpec('bench', OutputKind.SIGMOID_DISPARITY, scale=1.0)
    prediction = Prediction(np.random.default_rng(0).random((480, 640), np.float32))
    out = np.empty_like(depth)
    pose = {'ground.camera_height': 0.6, 'ground.camera_pitch_deg': 5.0}
    full = Config().replaced({**pose, 'points.content': 'obstacles'})
    raw = Config().replaced({'points.voxel_size': 0.0})
    listed = Config().replaced({'points.voxel_size': 0.0, 'points.organized': False})
    # a road from 1.6 m above, up to 40 m: nearly every pixel has a voxel of its own
    with np.errstate(divide='ignore'):
        road = np.clip(np.float32(1.6) / camera.rays()[..., 1].clip(0), 0.1, 40.0)
    voxels = PointsPipeline(camera, Config())
    every_other = PointsPipeline(camera, Config().replaced({'points.stride': 2}))
    maker, grid = CloudMaker(camera.rays()), VoxelGrid(0.05)

    def everything(pipeline: PointsPipeline) -> None:
        to_metres(prediction, spec, Scale(), 1.0, out)
        np.copyto(out, depth)
        drop_edges(out, full.filter.edge_threshold)
        clip_range(out, 0.1, 20.0)
        pipeline.process(out, rgb, scan=True)
        colorize(out, 0.3, 10.0)

    full_pipeline, raw_pipeline, listed_pipeline = (
        PointsPipeline(camera, config) for config in (full, raw, listed)
    )
    stages: dict[str, Callable[[], object]] = {
        'metres from a sigmoid disparity': lambda: to_metres(
            prediction, spec, Scale(), 1.0, out
        ),
        'range': lambda: clip_range(out, 0.1, 20.0),
        'edge filter (with a copy)': lambda: drop_edges(depth.copy(), 0.08),
        'temporal filter (with a copy)': lambda: drop_unsteady(depth.copy(), depth, 0.2),
        'cloud, organized, color': lambda: raw_pipeline.process(depth, rgb),
        'cloud, organized': lambda: raw_pipeline.process(depth),
        'cloud, list, color': lambda: listed_pipeline.process(depth, rgb),
        'voxels of 5 cm': lambda: grid.thinned(maker, maker.there(depth), depth),
        'cloud, voxels of 5 cm, color': lambda: voxels.process(depth, rgb),
        'the same of a road': lambda: voxels.process(road, rgb),
        'of a road, points.stride 2': lambda: every_other.process(road, rgb),
        'obstacles, voxels, color': lambda: full_pipeline.process(depth, rgb),
        'scan': lambda: full_pipeline.process(depth, points=False, scan=True),
        'color picture': lambda: colorize(depth, 0.3, 10.0),
        'everything on': lambda: everything(full_pipeline),
    }
    print(f'{"640x480, CPU time":34} {"least":>7} {"median":>7} ms')
    for name, work in stages.items():
        least, median = measured(work, args.repetitions)
        print(f'{name:34} {least:7.2f} {median:7.2f}')


if __name__ == '__main__':
    main()
