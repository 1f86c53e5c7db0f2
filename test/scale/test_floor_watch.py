"""Metres that contradict the height of the camera."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pytest

from depth_node.camera import Camera
from depth_node.config import Config
from depth_node.config.outputs import GroundConfig
from depth_node.processing.tf_buffer import TransformBuffer
from depth_node.scale.floor_watch import FloorWatch, known_floor, KnownFloor
from depth_node.scale.ground import FloorPose
from depth_node.sources.frame import Frame
from depth_node.world import Style, World

CAMERA = Camera.from_hfov(160, 120, 75)


@pytest.fixture
def watch() -> Any:
    """A watch, and a function that lets it look for some seconds."""
    clock, one, frame = [0.0], FloorWatch(), Frame(np.zeros((120, 160, 3), np.uint8))

    def look(config: GroundConfig, depth: NDArray[np.float32], seconds: int = 4) -> str:
        for _ in range(10 * seconds):
            clock[0] += 0.1
            note = one.look(clock[0], lambda: known_floor(config, frame, None), depth, CAMERA)
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


@pytest.mark.parametrize(('style', 'seed'), [
    *((Style.PLAIN, seed) for seed in range(4)), (Style.HOME, 1),
])
def test_distances_in_another_unit_contradict_the_pose_in_tf(style: Style, seed: int) -> None:
    """Feet, disparities of half the resolution, a marker of half its size; and metres do not."""
    world, notes = World(seed, style=style), {}
    drive = [(world.pose(float(t)), world.render(CAMERA, world.pose(float(t)))[1])
             for t in range(4)]
    for factor in (1.0, 1.2, 0.8, 3.28, 2.0, 0.5):
        watch, notes[factor] = FloorWatch(), ''
        for second, (pose, depth) in enumerate(drive):
            floor = KnownFloor(FloorPose.from_transform(pose), 'the height of the camera in base')
            notes[factor] = watch.look(
                float(second), lambda floor=floor: floor, (factor * depth).astype(np.float32),
                CAMERA,
            ) or notes[factor]
    assert [factor for factor, note in notes.items() if note] == [3.28, 2.0, 0.5]
    assert 'the height of the camera in base is 0.6 m' in notes[2.0]
    assert 'the units of its sensor' in notes[2.0]


def test_the_height_in_the_parameters_comes_before_tf() -> None:
    """And a camera under the ground is reported where its pose is needed, not here."""
    class Pose(TransformBuffer):
        """A fake: a camera at a height."""

        height = 0.4

        def lookup(self, *_: Any, **__: Any) -> Any:
            """Look forward."""
            pose = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, self.height], [0, 0, 0, 1]])
            return pose.astype(float)

    frame, tf = Frame(np.zeros((120, 160, 3), np.uint8)), Pose()
    found = known_floor(ground(0.6), frame, tf)
    assert found is not None
    assert (found.pose.height, found.name) == (0.6, 'ground.camera_height')
    found = known_floor(ground(0.0), frame, tf)
    assert found is not None
    assert found.pose.height == pytest.approx(0.4)
    assert found.name.endswith(Config().ground.base_frame)
    tf.height = -0.4
    assert known_floor(ground(0.0), frame, tf) is None
    assert known_floor(ground(0.0), frame, TransformBuffer()) is None
