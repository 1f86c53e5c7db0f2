"""A camera height that the floor contradicts; no ROS needed."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pytest

from depth_node.camera import Camera
from depth_node.config import Config
from depth_node.config.outputs import GroundConfig
from depth_node.ros import floor_watch
from depth_node.ros.floor_watch import FloorWatch
from depth_node.world import World

CAMERA = Camera.from_hfov(160, 120, 75)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A watch, and a function that lets it look for some seconds."""
    clock = [0.0]
    monkeypatch.setattr(floor_watch.time, 'monotonic', lambda: clock[0])
    one = FloorWatch()

    def look(config: GroundConfig, depth: NDArray[np.float32], seconds: int = 4) -> str:
        for _ in range(10 * seconds):
            clock[0] += 0.1
            note = one.look(config, depth, CAMERA)
        return note

    return look


def room(seed: int) -> NDArray[np.float32]:
    """What a camera 0.6 m over the floor sees, looking down by 10 degrees."""
    world = World(seed, camera_height=0.6, tilt=10)
    return world.render(CAMERA, world.pose(0.0))[1]


def ground(height: float, pitch: float = 10.0) -> GroundConfig:
    return dataclasses.replace(
        Config().ground, camera_height=height, camera_pitch_deg=pitch
    )


@pytest.mark.parametrize('seed', range(5))
def test_a_right_height_is_never_contradicted(watch: Any, seed: int) -> None:
    """Also not by a metric network that is 20 % off."""
    assert watch(ground(0.6), room(seed)) == ''
    assert watch(ground(0.6), 1.2 * room(seed)) == ''


def test_a_wrong_height_is(watch: Any) -> None:
    """Most rooms show enough floor; the number seen is the true one."""
    notes = [watch(ground(1.0), room(seed)) for seed in range(5)]
    said = [note for note in notes if note]
    assert len(said) >= 3
    assert all('0.6' in note.split(' m below')[0] for note in said)
    assert all('ground.camera_height is 1 m' in note for note in said)
    assert watch(ground(0.6), room(0)) == ''  # corrected while running


def test_a_wall_is_no_floor(watch: Any) -> None:
    assert watch(ground(1.0), np.full((120, 160), 2.0, np.float32)) == ''


def test_nothing_is_said_where_the_height_is_not_given(watch: Any) -> None:
    assert watch(ground(0.0), room(0)) == ''
