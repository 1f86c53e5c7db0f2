"""Stillness has to be proven: by contrast all over the picture, and nothing that moved."""

from __future__ import annotations

import functools
import math

import cv2
import numpy as np
import pytest

from depth_node.camera import Camera
from depth_node.depth.stillness import small, Stillness
from depth_node.world import World

CAMERA = Camera.from_hfov(320, 240, 70)


@functools.cache
def place(seed):
    world = World(seed)
    return world, world.random_pose(np.random.default_rng(seed), height=(0.4, 0.6), roll=0)


def view(seed=3, forward=0.0, turn_deg=0.0, frame=0, noise=1.5):
    """Render a room from a place, moved on along the view (m), turned about the vertical."""
    world, pose = place(seed)
    pose = pose.copy()
    pose[:3, 3] += forward * pose[:3, 2]
    c, s = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    pose[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ pose[:3, :3]
    return world.render(CAMERA, pose, noise=noise + 1e-6 * frame)[0]


def seen(*pictures):
    stillness = Stillness()
    return [stillness.look(picture) for picture in pictures]


@pytest.mark.parametrize('seed', range(3))
def test_a_standing_camera_stands_still_in_spite_of_noise(seed):
    assert seen(*(view(seed, frame=frame) for frame in range(12))) == [False] + [True] * 11


@pytest.mark.parametrize('seed', range(3))
def test_a_step_of_half_a_percent_of_the_way_is_seen(seed):
    world, pose = place(seed)
    free = float(world.cast(pose[:3, 3], pose[:3, 2]))
    assert seen(view(seed), view(seed, forward=0.005 * free, frame=1)) == [False, False]


def test_a_motion_too_slow_for_two_frames_adds_up():
    """A fifth of a millimetre a frame: no two frames differ, and yet it is seen."""
    steps = [view(forward=2e-4 * frame, frame=frame) for frame in range(40)]
    assert seen(steps[0], steps[1]) == [False, True]
    assert not all(seen(*steps)[1:])


def test_a_turn_is_seen():
    assert seen(view(), view(turn_deg=0.1, frame=1)) == [False, False]


@pytest.mark.parametrize('grey', [0, 200, 255])
def test_a_plain_wall_proves_nothing(grey):
    random = np.random.default_rng(0)
    walls = [
        np.clip(grey + random.normal(0, 2, (240, 320, 3)), 0, 255).astype(np.uint8)
        for _ in range(5)
    ]
    assert not any(seen(*walls))
    assert not any(seen(*[np.full((240, 320, 3), grey, np.uint8)] * 5))


def test_contrast_in_a_corner_proves_nothing_about_the_rest():
    """A gripper in view, and a plain wall: the wall may come nearer unseen."""
    picture = np.full((240, 320, 3), 180, np.uint8)
    picture[160:, 200:] = np.random.default_rng(1).integers(0, 255, (80, 120, 3))
    assert not any(seen(*[picture] * 5))


@pytest.mark.parametrize('gain', [0.5, 0.8, 1.2])
def test_another_light_is_no_motion_but_does_not_hide_one(gain):
    first = view().astype(np.float32) * 0.6 + 30
    lit = np.clip(view(frame=1) * 0.6 * gain + 20, 0, 255).astype(np.uint8)
    assert seen(first.astype(np.uint8), lit) == [False, True]
    moved = np.clip(view(forward=0.03, frame=1) * 0.6 * gain + 20, 0, 255).astype(np.uint8)
    assert seen(first.astype(np.uint8), moved) == [False, False]


def test_something_that_comes_into_view_is_seen():
    picture = view(frame=1)
    cv2.rectangle(picture, (100, 60), (130, 120), (90, 90, 90), -1)
    assert seen(view(), picture) == [False, False]


def test_after_a_motion_the_next_pause_begins():
    here, there = view(), view(forward=0.3)
    assert seen(here, here, there, there, there) == [False, True, False, True, True]


def test_a_reset_and_another_size_begin_again():
    stillness, picture = Stillness(), view()
    stillness.look(picture)
    stillness.reset()
    assert not stillness.look(picture)
    assert not stillness.look(picture[:200])
    assert stillness.look(picture[:200])


@pytest.mark.parametrize('shape', [(1, 1), (10, 400), (15, 15), (16, 16), (1080, 1920)])
def test_any_size_is_taken(shape):
    picture = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    assert seen(picture, picture) == [False, min(shape) >= 16]
    assert seen(np.dstack([picture] * 3))[0] is False


@pytest.mark.parametrize(('width', 'expected'), [(100, 96), (320, 160), (640, 160), (1920, 160)])
def test_pictures_are_compared_at_about_160_columns(width, expected):
    assert small(np.zeros((width * 3 // 4, width, 3), np.uint8)).shape[1] == expected
