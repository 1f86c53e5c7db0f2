"""
What a costmap has to do per update for a cloud of ours, with several settings of the node.

    python bench/costmap.py [--frames 10]

Counted and not timed: a VoxelLayer that clears visits every voxel on the way to every point, up
to raytrace_max_range. Frames of the synthetic rooms, 640x480; the settings are those of
doc/nav2.md.
"""

from __future__ import annotations

import argparse

import numpy as np

from depth_node.camera import Camera
from depth_node.camera.ground import camera_over_ground
from depth_node.cloud.pipeline import PointsPipeline
from depth_node.config import Config
from depth_node.depth.filters import Filters
from depth_node.world import World

GIVEN = {
    'ground.camera_height': 0.6, 'ground.camera_pitch_deg': 5.0, 'scan.min_height': 0.12,
    'scan.max_height': 2.0, 'points.color': False, 'points.no_return_range': 30.0,
}
SETTINGS = {  # parameters of the node, raytrace_max_range and resolution of the costmap (m)
    'every pixel': ({'points.voxel_size': 0.0}, 5.0, 0.05),
    'voxel_size 0.05': ({'points.voxel_size': 0.05}, 5.0, 0.05),
    'voxel_size 0.05, raytrace 3.5 m': ({'points.voxel_size': 0.05}, 3.5, 0.05),
    'voxel_size 0.1, raytrace 3.5 m': ({'points.voxel_size': 0.1}, 3.5, 0.05),
    'voxel_size 0.1, stride 2, raytrace 3.5 m, cells of 0.1 m': (
        {'points.voxel_size': 0.1, 'points.stride': 2}, 3.5, 0.1),
    'the same, max_points 1500': (
        {'points.voxel_size': 0.1, 'points.stride': 2, 'points.max_points': 1500}, 3.5, 0.1),
    'scan alone, raytrace 5 m': (None, 5.0, 0.05),
}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--frames', type=int, default=10)
    frames = parser.parse_args().frames
    camera = Camera.from_hfov(640, 480, 70)
    pose = camera_over_ground(0.6, 5.0, 0)
    seen = [World(seed).render(camera, World(seed).pose(3.0 + seed)) for seed in range(frames)]
    print('| settings | points | kB per message | cells visited per update |')
    print('|---|---|---|---|')
    for name, (given, reach, cell) in SETTINGS.items():
        config = Config().replaced({**GIVEN, **(given or {})})
        points, size, visits = [], [], []
        for rgb, exact in seen:
            depth = Filters(config.filter).apply(exact.copy())
            made = PointsPipeline(camera, config).process(depth, rgb, scan=True)
            assert made.points is not None
            assert made.scan is not None
            if given is None:
                count = len(made.scan.ranges)
                ranges = np.where(np.isposinf(made.scan.ranges), reach, made.scan.ranges)
                far, width = ranges[np.isfinite(ranges)], 4
                steps = np.minimum(far, reach) / cell
            else:
                cloud = made.points.reshape(-1, made.points.shape[-1])[:, :3]
                cloud = cloud[np.isfinite(cloud).all(1)]
                count, width = len(cloud), 12
                way = cloud @ pose[:3, :3].T
                share = np.minimum(1, reach / np.linalg.norm(way, axis=1))
                steps = np.abs(way).max(1) * share / cell
            points.append(count)
            size.append(count * width / 1000)
            visits.append(float(steps.sum()))
        print(f'| {name} | {np.mean(points):.0f} | {np.mean(size):.1f} | '
              f'{np.mean(visits) / 1000:.0f} 000 |')


if __name__ == '__main__':
    main()
