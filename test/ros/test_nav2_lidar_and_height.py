"""The pack for Nav2: with a lidar, under an arch, and with pixels that are not trusted."""

from __future__ import annotations

from collections.abc import Mapping
import copy
import math
from pathlib import Path
import re
from typing import Any

from nav2_layer import combined, FREE, LETHAL, ObstacleLayer
from nav2_voxel_layer import VoxelLayer
import numpy as np
import pytest
from sensor_msgs.msg import LaserScan
from std_msgs.msg import Header
import yaml

from depth_node.camera import Camera
from depth_node.camera.ground import camera_over_ground
from depth_node.cloud.pipeline import PointsPipeline
from depth_node.config import Config
from depth_node.depth.filters import Filters
from depth_node.ros.messages import cloud_to_msg, scan_to_msg
from depth_node.world import Box, Room, Scene, Solid, World
from depth_node.world.scene import Lamp, Material

CONFIG = Path(__file__).parents[2] / 'config'
COSTMAP = yaml.safe_load((CONFIG / 'nav2_costmap.yaml').read_text())[
    'local_costmap']['local_costmap']['ros__parameters']
NODE = yaml.safe_load((CONFIG / 'nav2_node.yaml').read_text())['/**']['ros__parameters']
PARAMETERS = {f'{group}.{name}': value for group, names in NODE.items()
              for name, value in names.items()}
CAMERA = Camera.from_hfov(640, 480, 70)
ABOVE_GROUND = camera_over_ground(
    PARAMETERS['ground.camera_height'], PARAMETERS['ground.camera_pitch_deg'], 0
)
PAINT = Material('paint', (0.3, 0.3, 0.3), (0.8, 0.8, 0.8))
LISTS = {
    'camera alone': ['obstacle_layer', 'voxel_layer'],
    'with a lidar': ['lidar_layer', 'camera_layer'],
}
UNDERSIDE, WALL, HALF_WIDTH = 1.2, 0.2, 0.6
"""Of the arch: the height of its underside, its thickness, half of its width (m)."""


def bare(*solids: Box) -> World:
    """A room of 10 x 6 x 3 m with nothing in it but what is given."""
    scene = Scene(
        Room((10.0, 6.0, 3.0)), (PAINT,) * 6, tuple(Solid(s, PAINT) for s in solids),
        (Lamp((0, 0, 2.8), (2, 2, 2)),), (0.4, 0.4, 0.4), (0, 0, 1, 1),
    )
    return World(scene=scene)


def arch() -> World:
    """Two posts and a lintel, across the way along x."""
    high = 3.0 - UNDERSIDE
    return bare(
        Box((0, 0, UNDERSIDE + high / 2), (WALL, 6.0, high)),
        *(Box((0, side * (HALF_WIDTH + 3.0) / 2, UNDERSIDE / 2),
              (WALL, 3.0 - HALF_WIDTH, UNDERSIDE)) for side in (-1, 1)),
    )


def base_at(x: float, y: float = 0.0) -> np.ndarray:
    base = np.eye(4)
    base[:2, 3] = x, y
    return base


def camera_topics(
    world: World, base: np.ndarray, config: Config, confidence: np.ndarray | None = None
) -> dict[str, tuple[Any, np.ndarray]]:
    """One frame as the node publishes it, with where its frames are."""
    pose = base @ ABOVE_GROUND
    rgb, depth = world.render(CAMERA, pose)
    depth = Filters(config.filter).apply(depth, confidence)
    made = PointsPipeline(CAMERA, config).process(depth, rgb, scan=True)
    assert made.points is not None
    assert made.scan is not None
    scan = scan_to_msg(made.scan.ranges, made.scan.geometry, Header(frame_id='base'))
    return {
        '/depth/points': (cloud_to_msg(made.points, Header(frame_id='optical')), pose),
        '/depth/scan': (scan, base),
    }


def lidar_topic(ranges: np.ndarray, base: np.ndarray) -> dict[str, tuple[Any, np.ndarray]]:
    """A lidar's scan with a beam every degree, -30 to 30."""
    angle = math.radians(1)
    return {'/scan': (LaserScan(
        header=Header(frame_id='base'), angle_min=-30 * angle, angle_max=30 * angle,
        angle_increment=angle, range_min=0.1, range_max=8.0,
        ranges=[float(r) for r in ranges],
    ), base)}


def for_robot(height: float) -> tuple[dict[str, Any], Config]:
    """Costmap and node of a robot of this height, set where the files say "robot"."""
    text = (CONFIG / 'nav2_costmap.yaml').read_text()
    places = sum('# robot' in line for line in text.splitlines())
    costmap, gate = copy.deepcopy(COSTMAP), height + 0.1
    for layer in ('voxel_layer', 'camera_layer'):
        costmap[layer]['points_mark']['max_obstacle_height'] = gate
    assert places == 2
    return costmap, Config().replaced({**PARAMETERS, 'scan.max_height': gate})


def layers_of(names: list[str], costmap: Mapping[str, Any]) -> list[Any]:
    kinds = {'ObstacleLayer': ObstacleLayer, 'VoxelLayer': VoxelLayer}
    return [kinds[costmap[name]['plugin'].partition('::')[2]](costmap[name], (0.0, 0.0))
            for name in names]


def cell(layer: Any, x: float, y: float) -> tuple[int, int]:
    i, j = np.floor((np.array([x, y]) - layer.origin[:2]) / layer.resolution).astype(int)
    return int(i), int(j)


def test_both_lists_of_plugins_are_in_the_file() -> None:
    text = (CONFIG / 'nav2_costmap.yaml').read_text()
    assert COSTMAP['plugins'] == [*LISTS['camera alone'], 'inflation_layer']
    assert f'{[*LISTS["with a lidar"], "inflation_layer"]}' in text
    assert set(COSTMAP) >= {name for names in LISTS.values() for name in names}


def test_the_heights_and_ranges_of_the_files_agree() -> None:
    gate = PARAMETERS['scan.max_height']
    low = PARAMETERS['scan.min_height']
    for name in ('voxel_layer', 'camera_layer'):
        layer = COSTMAP[name]
        assert layer['points_mark']['max_obstacle_height'] == gate
        assert layer['points_mark']['min_obstacle_height'] == low
        assert layer['max_obstacle_height'] >= gate
        assert layer['origin_z'] + layer['z_voxels'] * layer['z_resolution'] >= gate
        reach = layer['points_clear']['raytrace_max_range']
        assert layer['points_mark']['obstacle_max_range'] < reach
        assert reach < PARAMETERS['points.no_return_range']


def test_the_parameters_for_slam_exist() -> None:
    text = (CONFIG.parent / 'doc' / 'nav2.md').read_text()
    (block,) = re.findall(r'```yaml\n(/\*\*:.*?)```', text, re.DOTALL)
    groups = yaml.safe_load(block)['/**']['ros__parameters']
    config = Config().replaced({
        f'{group}.{name}': value for group, names in groups.items()
        for name, value in names.items()
    })
    assert config.scale.freeze
    assert config.output.encoding == '16UC1'


@pytest.mark.parametrize('together', [False, True], ids=['a layer each', 'one layer'])
def test_what_the_lidar_marked_stays_when_the_camera_sees_through_it(together: bool) -> None:
    """
    A pane of glass, which the lidar meets once, and the camera never.

    With both sensors in one layer, the camera's rays would clear it: what the layers are for.
    """
    costmap, config = for_robot(1.4)
    if together:
        both = copy.deepcopy(costmap['camera_layer'])
        both['observation_sources'] += ' lidar'
        both['lidar'] = costmap['lidar_layer']['lidar']
        layers = [VoxelLayer(both, (0.0, 0.0))]
    else:
        layers = layers_of(LISTS['with a lidar'], costmap)
    base = base_at(-2.5)
    seen = camera_topics(bare(), base, config)
    angles = np.radians(np.arange(-30, 31))
    pane = 2.52 / np.cos(angles)  # at x = 0.02
    glancing = np.full(61, np.nan)
    for ranges in (pane, glancing, glancing):
        for layer in layers:
            layer.update({**seen, **lidar_topic(ranges, base)})
    master = combined(*(layer.cells for layer in layers))
    there = [master[cell(layers[0], 0.02, y)] for y in np.arange(-1.0, 1.01, 0.25)]
    if together:
        assert set(there) == {FREE}
    else:
        # the same grid cells are free to the camera, and it does not matter
        camera = layers[1]
        assert camera.cells[cell(camera, 0.02, 0.0)] == FREE
        hit = {cell(layers[0], 0.02, 2.52 * math.tan(a)) for a in angles[10:51]}
        assert {master[at] for at in hit} == {LETHAL}


def test_what_the_camera_adds_the_lidar_does_not_clear() -> None:
    """A low box, over which the lidar looks."""
    costmap, config = for_robot(1.4)
    lidar, camera = layers_of(LISTS['with a lidar'], costmap)
    world, base = bare(Box((0, 0, 0.1), (0.4, 0.4, 0.2))), base_at(-2.0)
    topics = {**camera_topics(world, base, config), **lidar_topic(np.full(61, 6.0), base)}
    for _ in range(2):
        lidar.update(topics)
        camera.update(topics)
    front = cell(lidar, -0.19, 0.0)
    assert lidar.cells[front] == FREE
    assert combined(lidar.cells, camera.cells)[front] == LETHAL


@pytest.mark.parametrize('plugins', list(LISTS))
@pytest.mark.parametrize(('height', 'passes'), [(1.0, True), (1.4, False)])
def test_an_arch_is_passable_for_a_robot_that_fits_under_it(
    height: float, passes: bool, plugins: str
) -> None:
    """Seen from 3 m before it to 0.3 m before it, where its lintel has left the picture."""
    costmap, config = for_robot(height)
    layers = layers_of(LISTS[plugins], costmap)
    world = arch()
    nothing = np.full(61, np.nan)
    for x in (-3.0, -2.0, -1.0, -0.4):
        base = base_at(x)
        topics = {**camera_topics(world, base, config), **lidar_topic(nothing, base)}
        for layer in layers:
            layer.update(topics)
        master = combined(*(layer.cells for layer in layers))
        front = cell(layers[0], -WALL / 2 + 0.02, 0.0)[0]
        lethal = (master[front - 1:front + 2] == LETHAL).any(0)  # along y, at its front
        opening = lethal[cell(layers[0], 0, -HALF_WIDTH + 0.08)[1]:
                         cell(layers[0], 0, HALF_WIDTH - 0.08)[1] + 1]
        if x > -2.5:  # within the marking range
            assert opening.any() == (not passes), x
            if not passes:
                closed = np.flatnonzero(np.concatenate([[True], opening, [True]]))
                assert np.diff(closed).max() * layers[0].resolution < 0.2, x
    # beside the arch it is closed for everyone, and behind it the way is free
    for side in (-1, 1):
        beside = cell(layers[0], 0, side * (HALF_WIDTH + 0.15))[1]
        assert lethal[beside - 2:beside + 3].any()
    if passes:
        middle = master[cell(layers[0], 0.3, 0)[0]:cell(layers[0], 1.5, 0)[0],
                        cell(layers[0], 0, -0.3)[1]:cell(layers[0], 0, 0.3)[1]]
        assert not (middle == LETHAL).any()


def test_without_confidence_nothing_is_marked_and_nothing_cleared() -> None:
    """The left half of the picture is not trusted: a box there is neither seen nor seen past."""
    costmap, config = for_robot(1.4)
    boxes = [Box((0, side, 0.4), (0.4, 0.5, 0.8)) for side in (-0.7, 0.7)]
    confidence = np.ones((480, 640), np.float32)
    least = PARAMETERS['filter.min_confidence']
    confidence[:, :320] = least - 0.01  # the left of the picture is +y
    _, camera = layers_of(LISTS['with a lidar'], costmap)
    camera.update(camera_topics(bare(*boxes), base_at(-2.0), config, confidence))
    left, right = ((camera.cells == LETHAL)[:, rows].any() for rows in (
        slice(cell(camera, 0, 0.45)[1], None), slice(None, cell(camera, 0, -0.45)[1])
    ))
    assert right
    assert not left
    camera.update(camera_topics(bare(*boxes), base_at(-2.0), config))
    marked = camera.cells == LETHAL
    camera.update(camera_topics(bare(), base_at(-2.0), config, confidence))
    stays = slice(cell(camera, 0, 0.45)[1], cell(camera, 0, 0.95)[1])
    goes = slice(cell(camera, 0, -0.95)[1], cell(camera, 0, -0.45)[1])
    assert marked[:, goes].any()
    assert (camera.cells == LETHAL)[:, stays].sum() == marked[:, stays].sum() > 0
    assert not (camera.cells == LETHAL)[:, goes].any()


def test_the_grid_of_the_reimplementation_is_cleared_by_hand() -> None:
    """One ray, by hand: its voxels are free, two cells before its end it stops."""
    layer = VoxelLayer(COSTMAP['camera_layer'], (0.0, 0.0))
    layer.marked[:], layer.unknown[:] = True, False
    layer._clear(np.array([[1.0, 0.0, 0.6]]), np.array([0.0, 0.0, 0.6]), 3.5)
    row, level = cell(layer, 0, 0)[1], int(0.6 / 0.125)
    gone = np.argwhere(~layer.marked)
    assert set(gone[:, 1]) == {row}
    assert set(gone[:, 2]) == {level}
    xs = layer.origin[0] + (gone[:, 0] + 0.5) * 0.05
    assert xs.min() == pytest.approx(0.025)
    assert xs.max() == pytest.approx(0.875)
    # the other voxels of these columns are marked still
    assert not (layer.cells == FREE).any()
