"""What `depth-node reconstruct` leaves: mesh, cloud, map, and figures about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
import sys
import time
from typing import Any

import numpy as np

from depth_node.cli.results import write_json
from depth_node.errors import DataError
from depth_node.mapping.floor import Floor
from depth_node.mapping.floor_plan import (
    floor_plan,
    FloorPlan,
    FREE,
    OCCUPIED,
    PlanOptions,
    UNKNOWN,
)
from depth_node.mapping.fusion import MapOptions, Mapper
from depth_node.mapping.poses import Poses
from depth_node.mapping.truth import free_space_iou, surface_error
from depth_node.mapping.volume import BLOCK_BYTES, Mesh
from depth_node.output.occupancy import write_map
from depth_node.output.ply import Axes, write_ply
from depth_node.sources.frames import FrameSource, WorldSource
from depth_node.world import World


@dataclass(frozen=True)
class Options:
    """
    What is made of the frames.

    :param out: the mesh, NAME.ply.
    :param fusion: how frames become a map.
    :param plan: what counts as an obstacle.
    :param topdown: the map from above, NAME.pgm, or None.
    :param figures: the JSON file, or None.
    :param upright: whether PLY files stand as programs open them.
    """

    out: Path
    fusion: MapOptions
    plan: PlanOptions
    topdown: Path | None
    figures: Path | None
    upright: bool


def cloud_of(path: Path) -> Path:
    """
    Return where the cloud of a map is written.

    :param path: of the mesh, NAME.ply.
    :returns: NAME_cloud.ply.
    """
    return path.with_name(f'{path.stem}_cloud.ply')


def write(
    options: Options, source: FrameSource, poses: Poses, mapper: Mapper, *,
    left_out: Sequence[str], seconds: dict[str, float],
) -> bool:
    """
    Write the files of a map, and print what they contain.

    :param options: which.
    :param source: of the frames.
    :param poses: of the frames.
    :param mapper: with all frames.
    :param left_out: why frames were left out.
    :param seconds: where the time went (s).
    :returns: whether all of them were written: without a floor there is no map for navigation.
    :raises DataError: there is no surface, or a file cannot be written.
    """
    begin = time.perf_counter()
    mesh, cloud = mapper.surface(poses.up), mapper.points(poses.up)
    took = time.perf_counter() - begin
    if not len(mesh.faces):
        raise DataError(
            f'{mapper.frames} frames gave no surface: nothing nearer than '
            f'{options.fusion.far:g} m was seen often enough.',
            'Use more frames, a larger --far, or a smaller --min-weight.',
        )
    cloud_path = cloud_of(options.out)
    for path, shape in ((options.out, mesh), (cloud_path, cloud)):
        write_ply(
            path, shape.points, shape.rgb, normals=shape.normals, axes=Axes.MAP,
            faces=shape.faces if shape is mesh else None, upright=options.upright,
        )
    rate = mapper.frames / max(1e-9, seconds['depth'] + seconds['fusion'])
    figures: dict[str, Any] = {
        'frames': mapper.frames, 'left_out': list(left_out), 'poses': poses.name,
        'up': poses.up.value, 'frames_per_second': rate, 'seconds': {**seconds, 'surface': took},
        'far': options.fusion.far, 'voxel': options.fusion.side,
        'truncation': options.fusion.cut, 'min_weight': options.fusion.min_weight,
        'pixels_used': mapper.share, 'memory': _memory(options, mapper),
        'axes': (Axes.VIEWER if options.upright else Axes.MAP).value,
        'mesh': {'file': str(options.out), 'vertices': len(mesh.points),
                 'triangles': len(mesh.faces), **_extent(mesh)},
        'cloud': {'file': str(cloud_path), 'points': len(cloud.points)},
    }
    print(f'{mapper.frames} frames at {rate:.1f} per second: {len(mesh.points)} vertices and '
          f'{len(mesh.faces)} triangles in {options.out}, {len(cloud.points)} points in '
          f'{cloud_path}')
    world = source.world if isinstance(source, WorldSource) else None
    if world is not None:
        error = surface_error(mesh, world)
        figures['truth'] = {'median': error.median, 'share_95': error.share_95}
        print(f'distance to the true surfaces: median {100 * error.median:.1f} cm, 95 % within '
              f'{100 * error.share_95:.1f} cm')
    if options.topdown is not None:
        try:
            plan = floor_plan(cloud, options.plan, mapper.way(poses.up))
        except DataError as missing:  # mesh and cloud may be the work of hours
            print(f'depth-node reconstruct: {options.topdown} was not written. {missing}',
                  file=sys.stderr)
            figures['topdown'] = {'error': str(missing)}
        else:
            write_map(options.topdown, plan)
            figures['topdown'] = _planned(options, plan, world)
    write_json(options.figures, figures)
    return 'error' not in figures.get('topdown', {})


def _planned(options: Options, plan: FloorPlan, world: World | None) -> dict[str, Any]:
    """Print and return what is known of the map for navigation."""
    figures = {
        'file': str(options.topdown), 'resolution': plan.resolution,
        'origin': list(plan.origin), 'floor': plan.floor.height,
        'floor_follows_camera': plan.floor.way is not None, 'free_m2': plan.area(FREE),
        'occupied_m2': plan.area(OCCUPIED), 'unknown_m2': plan.area(UNKNOWN),
    }
    print(f'{plan.area(FREE):.1f} m2 free, {plan.area(OCCUPIED):.1f} m2 occupied, floor '
          f'{_place(plan.floor)}: {options.topdown}')
    if world is not None:
        iou = free_space_iou(world, plan, options.plan)
        figures |= {'free_iou': iou.room, 'free_iou_known': iou.known}
        print(f'free space agrees with the floor plan: IoU {iou.room:.2f} of the whole room, '
              f'{iou.known:.2f} of what is known')
    return figures


def _place(floor: Floor) -> str:
    where = 'at' if floor.way is None else 'along the way of the camera,'
    return f'{where} {floor.height:.2f} m'


def _memory(options: Options, mapper: Mapper) -> dict[str, Any]:
    return {
        'limit_mib': options.fusion.memory, 'used_mib': mapper.volume.blocks * BLOCK_BYTES / 2**20,
        'blocks': mapper.volume.blocks, 'refused_blocks': mapper.volume.refused,
    }


def _extent(mesh: Mesh) -> dict[str, list[float]]:
    return {
        'low': np.min(mesh.points, axis=0).astype(float).tolist(),
        'high': np.max(mesh.points, axis=0).astype(float).tolist(),
    }
