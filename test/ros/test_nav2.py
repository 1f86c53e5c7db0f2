"""Our messages through Nav2's rules: the obstacles of the world are found, and no others."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
from nav2_layer import FREE, LETHAL, ObstacleLayer
import numpy as np
import pytest
from std_msgs.msg import Header
import yaml

from depth_node.camera import Camera
from depth_node.camera.ground import camera_over_ground
from depth_node.cloud.pipeline import PointsPipeline
from depth_node.config import Config
from depth_node.depth.filters import Filters
from depth_node.ros.messages import cloud_to_msg, scan_to_msg
from depth_node.world import World

CAMERA = Camera.from_hfov(640, 480, 70)
COSTMAP = yaml.safe_load(
    (Path(__file__).parents[2] / 'config' / 'nav2_costmap.yaml').read_text()
)['local_costmap']['local_costmap']['ros__parameters']
HEIGHT, PITCH = 0.6, 5.0
CONFIG = Config().replaced({
    'ground.camera_height': HEIGHT, 'ground.camera_pitch_deg': PITCH,
    'points.no_return_range': 30.0, 'scan.min_height': 0.12, 'scan.max_height': 2.0,
})
SEEN = 4.0
CLOSE = 0.10
HALF_CELL = COSTMAP['resolution'] * math.sqrt(0.5)


def level(pose: np.ndarray) -> np.ndarray:
    """The frame on the floor below the camera, in the world; (4, 4)."""
    yaw = math.atan2(pose[1, 2], pose[0, 2])
    base = np.eye(4)
    base[:2, :2] = [[math.cos(yaw), -math.sin(yaw)], [math.sin(yaw), math.cos(yaw)]]
    base[:2, 3] = pose[:2, 3]
    return base


def smeared(depth: np.ndarray) -> np.ndarray:
    """As a network of a quarter of the size gives it."""
    small = cv2.resize(depth, (160, 120), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (640, 480), interpolation=cv2.INTER_LINEAR)


def topics(world: World, pose: np.ndarray, *, smear: bool) -> dict[str, tuple[Any, np.ndarray]]:
    """One frame as the node publishes it, with where its frames are."""
    rgb, depth = world.render(CAMERA, pose)
    if smear:
        depth = Filters(CONFIG.filter).apply(smeared(depth))
    made = PointsPipeline(CAMERA, CONFIG).process(depth, rgb, scan=True)
    assert made.points is not None
    assert made.scan is not None
    base = level(pose)
    np.testing.assert_allclose(base @ camera_over_ground(HEIGHT, PITCH, 0), pose, atol=1e-9)
    return {
        '/depth/points': (cloud_to_msg(made.points, Header(frame_id='optical')), pose),
        '/depth/scan': (
            scan_to_msg(made.scan.ranges, made.scan.geometry, Header(frame_id='base')), base
        ),
    }


def visible(world: World, pose: np.ndarray) -> np.ndarray:
    """Points of things between 0.2 and 1.8 m high, within 4 m, that are in view; (N, 2)."""
    pixels = np.mgrid[4:480:8, 4:640:8].reshape(2, -1)
    rays = CAMERA.rays()[pixels[0], pixels[1]].astype(float)
    ahead = np.concatenate([rays, np.ones((len(rays), 1))], 1) @ pose[:3, :3].T
    distance = world.cast(pose[:3, 3], ahead)
    points = pose[:3, 3] + ahead / np.linalg.norm(ahead, axis=1)[:, None] * distance[:, None]
    things = (points[:, 2] > 0.2) & (points[:, 2] < 1.8) & (distance < SEEN - 0.05)
    return points[things, :2]


def nearest(things: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Those of them that are the nearest in their direction: a scan has one range per beam."""
    east, north = (things - pose[:2, 3]).T
    distance = np.hypot(east, north)
    beam = np.rint(np.degrees(np.arctan2(north, east)) * 2).astype(int)
    first = {b: distance[np.abs(beam - b) <= 1].min() for b in np.unique(beam)}
    return things[distance <= np.array([first[b] for b in beam]) + 0.05]


def off_surface(world: World, cells: np.ndarray) -> np.ndarray:
    """How far cells are from anything at the heights that count; (N,)."""
    heights = np.linspace(0.1, 2.0, 39)
    columns = np.concatenate([
        np.repeat(cells, len(heights), 0), np.tile(heights, len(cells))[:, None]
    ], 1)
    return np.abs(world.distance(columns)).reshape(len(cells), -1).min(1)


@pytest.mark.parametrize('smear', [False, True], ids=['exact', 'smeared'])
@pytest.mark.parametrize('layer', ['obstacle_layer', 'voxel_layer'])
def test_obstacles_are_found_and_no_phantoms(layer: str, smear: bool) -> None:
    """Issue 5: within 10 cm up to 4 m."""
    for seed in (0, 1, 2):
        world = World(seed)
        pose = world.pose(3.0 + seed)
        costmap = ObstacleLayer(COSTMAP[layer], (pose[0, 3], pose[1, 3]))
        costmap.update(topics(world, pose, smear=smear))
        lethal = costmap.lethal()
        assert len(lethal) > 20
        assert off_surface(world, lethal).max() < CLOSE + HALF_CELL
        things = visible(world, pose)
        if layer == 'obstacle_layer':
            things = nearest(things, pose)
        assert len(things) > 50
        gap = np.linalg.norm(things[:, None] - lethal[None], axis=2).min(1)
        missed = gap > CLOSE + HALF_CELL
        # what was a few pixels wide before smearing is flying pixels after it
        assert missed.mean() <= (0.03 if smear else 0.0), (seed, missed.sum(), len(missed))


@pytest.mark.parametrize('layer', ['obstacle_layer', 'voxel_layer'])
def test_what_has_gone_is_cleared(layer: str) -> None:
    """A map full of obstacles becomes free where the camera sees past them."""
    world = World(1)
    pose = world.pose(4.0)
    costmap = ObstacleLayer(COSTMAP[layer], (pose[0, 3], pose[1, 3]), fill=LETHAL)
    costmap.update(topics(world, pose, smear=False))
    base = level(pose)
    # along lines over the floor, at the height of low things, up to what stands there
    angles = np.radians(np.linspace(-30, 30, 41))
    ahead = np.stack([np.cos(angles), np.sin(angles), np.zeros_like(angles)], 1) @ base[:3, :3].T
    start = base[:3, 3] + (0, 0, 0.2)
    reach = np.minimum(world.cast(start, ahead), 4.0) - 0.2
    free = total = 0
    for direction, far in zip(ahead, reach, strict=True):
        way = start + np.arange(1.4, far, 0.05)[:, None] * direction
        cells = np.floor((way[:, :2] - costmap.origin) / costmap.resolution).astype(int)
        found = costmap.cells[tuple(cells.T)]
        free, total = free + (found == FREE).sum(), total + len(found)
    assert total > 500
    assert free / total > 0.97
