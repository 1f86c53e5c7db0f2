"""
A recording of a robot to a mesh and a map for navigation.

    python examples/08_bag_to_map.py [BAG] [POSES] [MODEL] [FRAMES]

POSES is a topic of odometry in the bag, tf:FRAME, or a file of TUM or KITTI. Without arguments: a
drive through the synthetic world. `depth-node reconstruct` does the same with more options.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
import sys

from depth_node import DepthEstimator, open_model
from depth_node.mapping.floor_plan import floor_plan, FREE, PlanOptions
from depth_node.mapping.fusion import MapOptions, Mapper
from depth_node.mapping.poses import Matching, open_poses
from depth_node.output.occupancy import write_map
from depth_node.output.ply import Axes, write_ply
from depth_node.sources.frames import open_source


def main(
    bag: str = 'world:7', where: str = '', model: str = 'embedded', frames: str = '20'
) -> None:
    """Fuse the frames, and look at them from above."""
    source = open_source(bag, rate=2.0)
    poses = open_poses(source, where, Matching())
    estimator = DepthEstimator(open_model(model))
    mapper = Mapper(MapOptions(far=4.0, voxel=0.05, min_weight=2.0))
    for number, frame in enumerate(islice(source, int(frames))):
        # confidence says how much a pixel counts
        prediction = estimator.predict(frame)
        found = estimator.measure(prediction, frame, confidence=True)
        if found.depth is None or frame.camera is None:
            raise SystemExit(found.note or 'the camera is not calibrated')
        pose = poses.of(frame, number)
        mapper.add(frame.rgb, found.depth, found.confidence, frame.camera, pose)
    estimator.close()
    mesh, cloud = mapper.surface(poses.up), mapper.points(poses.up)
    write_ply(Path('map.ply'), mesh.points, mesh.rgb, faces=mesh.faces, axes=Axes.MAP)
    plan = floor_plan(cloud, PlanOptions(), mapper.way(poses.up))
    write_map(Path('map.pgm'), plan)
    print(f'{mapper.frames} frames: {len(mesh.faces)} triangles in map.ply')
    print(f'{plan.area(FREE):.1f} m2 are free: map.pgm and map.yaml, for Nav2')


if __name__ == '__main__':
    main(*sys.argv[1:])
