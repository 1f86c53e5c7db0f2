"""Printed markers as the ruler, rendered into the synthetic world."""

from __future__ import annotations

import dataclasses
import math
import re
import time

import cv2
import marker as bench
import numpy as np
import pytest
import simple_scene as scene

from depth_node.cli.marker import picture
from depth_node.config import Config
from depth_node.config.scale import DICTIONARIES
from depth_node.errors import ConfigError
from depth_node.model import ModelSpec, OutputKind
from depth_node.scale import Measurement, NotObservable, ScaleFrame, ScaleKeeper
from depth_node.scale.marker import from_markers
from depth_node.scale.marker_finding import dictionary_of, Marker, MarkerFinder
from depth_node.scale.measurement import relative_sigma
from depth_node.sources.frame import Frame
from depth_node.world import World

FINDER = MarkerFinder('apriltag_36h11')
RAYS = bench.CAMERA.rays()


def seen(one, kind=OutputKind.METRIC_DEPTH, scale=bench.SCALE, shift=0.0):
    """Return what a perfect network of a kind says about a picture."""
    z = one.depth.astype(np.float64)
    y = 1 / z if kind is OutputKind.RELATIVE_DISPARITY else z
    values = ((y - shift) / scale).astype(np.float32)
    return ScaleFrame(Frame(one.image, 0, bench.CAMERA), values, ModelSpec(kind.value, kind), RAYS)


@pytest.mark.parametrize(('distance', 'tilt'), [
    (1.0, 0), (1.0, 50), (1.7, 30), (2.5, 0), (2.5, 50), (3.2, 20),
])
def test_the_scale_is_within_two_percent_through_a_distorted_lens(distance, tilt):
    errors = [bench.error(FINDER, bench.shown(seed, distance, tilt)) for seed in range(2)]
    known = [error for error in errors if error is not None]
    assert len(known) == 2
    assert max(map(abs, known)) < 0.02


def test_at_four_metres_nearly_all_of_them_are_found_and_right():
    errors = [bench.error(FINDER, bench.shown(seed, 4.0, 10)) for seed in range(4)]
    known = [error for error in errors if error is not None]
    assert len(known) >= 3
    assert max(map(abs, known)) < 0.03


def test_small_squares_of_a_room_are_no_markers():
    """They are looked at twice, enlarged, and the smallest family says yes to much."""
    finder = MarkerFinder('aruco_4x4_250')
    for seed in range(3):
        world = World(seed)
        image, _ = world.render(bench.CAMERA, world.pose(1.0), noise=2.0)
        assert not finder.find(image, bench.CAMERA, bench.SIZE, RAYS)


def test_a_marker_that_is_enlarged_is_where_it_is():
    """Half a pixel of an enlarged crop would be 3 % at 17 pixels."""
    one = bench.shown(2, 4.0, 0, place=(200, 300))
    large = bench.shown(2, 4.0, 0, place=(200, 300), size=4 * bench.SIZE)
    (small,) = FINDER.find(one.image, bench.CAMERA, bench.SIZE, RAYS)
    (wide,) = FINDER.find(large.image, bench.CAMERA, 4 * bench.SIZE, RAYS)
    np.testing.assert_allclose(small.corners.mean(axis=0), wide.corners.mean(axis=0), atol=1.0)


@pytest.mark.parametrize('factor', [0.5, 2.0])
@pytest.mark.parametrize('kind', [OutputKind.METRIC_DEPTH, OutputKind.SIGMOID_DISPARITY])
def test_two_markers_that_disagree_give_silence(kind, factor):
    """A second print of another size is not outvoted by chance, in either order."""
    right = scene_marker(100.0, 1.0)
    wrong = scene_marker(180.0, factor)
    frame = scene.frame(kind, np.full((240, 320), 2.0))
    assert isinstance(from_markers(frame, [right, scene_marker(180.0, 1.0)]), Measurement)
    for pair in ([right, wrong], [wrong, right]):
        found = from_markers(frame, pair)
        assert isinstance(found, NotObservable)
        assert 'disagree' in found.reason


def scene_marker(left, factor):
    """Return a marker on a wall 2 m ahead, taken for `factor` times its size."""
    corners = np.array([[left, 100], [left + 40, 100], [left + 40, 140], [left, 140.0]])
    return Marker(int(left), corners, np.array([0, 0, 1 / (2.0 * factor)]), 40.0)


def tilted(bend, wall):
    """Return a marker 0.3 m ahead, tilted by 65 degrees, before a wall, as a network sees it."""
    angle = math.radians(65)
    normal = np.array([0, math.sin(angle), math.cos(angle)]) / (0.3 * math.cos(angle))
    z = np.full((240, 320), wall)
    plane = 1 / (scene.RAYS.astype(float) @ normal[:2] + normal[2])
    z[80:170, 110:210] = plane[80:170, 110:210]
    rows = np.arange(240)[:, None]
    looked = scene.frame(OutputKind.RELATIVE_DISPARITY, z * np.exp(bend * (rows - 125) / 90))
    corners = np.array([[115, 85], [205, 85], [205, 165], [115, 165.0]])
    return from_markers(looked, [Marker(1, corners, normal, 90.0)]), z


@pytest.mark.parametrize('bend', [-0.08, 0.0, 0.08])
def test_one_tilted_marker_tells_the_shift_as_far_as_its_uncertainty_says(bend):
    """What bends the image across the marker turns the line; the sigma knows that it may."""
    found, z = tilted(bend, 0.4)
    assert isinstance(found, Measurement)
    value, shift = scene.TRUTH[OutputKind.RELATIVE_DISPARITY]
    metres = 1 / (math.exp(found.value[0]) * (1 / z[10, 10] - shift) / value + found.value[1])
    sigma = relative_sigma(found.value, found.covariance + found.bias, found.typical)
    assert abs(math.log(metres / z[10, 10])) < 2 * sigma
    assert 0.02 < sigma < 0.3


def test_one_tilted_marker_says_nothing_of_what_is_far_beyond_it():
    found, _ = tilted(0.0, 4.0)
    assert isinstance(found, NotObservable)
    assert 'near and far markers' in found.reason


@pytest.mark.parametrize('kind', [OutputKind.RELATIVE_DISPARITY, OutputKind.RELATIVE_DEPTH])
def test_one_marker_cannot_tell_scale_from_shift_and_says_so(kind):
    one = bench.shown(0, 1.5, 10)
    frame = seen(one, kind, 0.5, 0.1)
    found = from_markers(frame, FINDER.find(one.image, bench.CAMERA, bench.SIZE))
    assert isinstance(found, NotObservable)
    assert 'near and far' in found.reason


def test_two_markers_at_two_distances_tell_both():
    near = bench.shown(1, 1.0, 0, place=(240, 160))
    far = bench.shown(1, 2.5, 10, number=9, place=(240, 480))
    image, depth = near.image.copy(), near.depth.copy()
    image[:, 320:], depth[:, 320:] = far.image[:, 320:], far.depth[:, 320:]
    both = bench.Shown(image, depth)
    kind = OutputKind.RELATIVE_DISPARITY
    markers = FINDER.find(image, bench.CAMERA, bench.SIZE)
    assert {marker.number for marker in markers} == {7, 9}
    found = from_markers(seen(both, kind, 0.5, 0.1), markers)
    assert isinstance(found, Measurement)
    assert math.exp(found.value[0]) == pytest.approx(0.5, rel=0.02)
    assert found.value[1] == pytest.approx(0.1, abs=0.01)


def test_the_uncertainty_knows_that_one_marker_is_a_small_part_of_the_frame():
    one = bench.shown(0, 1.0, 0)
    found = from_markers(seen(one), FINDER.find(one.image, bench.CAMERA, bench.SIZE))
    assert 0.05 < math.sqrt(found.covariance[0, 0] + found.bias[0, 0]) < 0.15


@pytest.mark.parametrize('name', DICTIONARIES)
def test_every_family_is_drawn_and_found(name):
    drawn = picture(name, 3, 12)
    canvas = np.full((480, 640), 200, np.uint8)
    canvas[40:40 + drawn.shape[0], 60:60 + drawn.shape[1]] = drawn
    found = MarkerFinder(name).find(canvas, scene.CAMERA.scaled(bench.CAMERA.size), 0.1)
    assert [marker.number for marker in found] == [3]


def test_a_family_that_opencv_does_not_have_says_what_to_do(monkeypatch):
    with pytest.raises(ConfigError, match=r'OpenCV 4\.7'):
        dictionary_of('apriltag_99h99')
    monkeypatch.delattr(cv2, 'aruco')
    with pytest.raises(ConfigError, match=r'OpenCV 4\.7'):
        MarkerFinder('apriltag_36h11')


def test_a_photograph_of_a_print_warped_blurred_and_noisy():
    """Printed to an image, seen askew: the corners are where the warp has put them."""
    printed = picture('apriltag_36h11', 11, 20)
    corner = 20  # of the black square in the print: a quiet zone of one module
    count = printed.shape[0] - 2 * corner
    square = np.array([[0, 0], [count, 0], [count, count], [0, count]]) + corner - 0.5
    goal = np.array([[200.3, 120.7], [330.1, 140.2], [318.4, 270.9], [190.8, 255.5]])
    warp = cv2.getPerspectiveTransform(square.astype(np.float32), goal.astype(np.float32))
    random = np.random.default_rng(0)
    big = cv2.warpPerspective(
        printed, np.diag([3.0, 3.0, 1.0]) @ np.array([[1, 0, 1 / 3], [0, 1, 1 / 3], [0, 0, 1]])
        @ warp, (640 * 3, 480 * 3), borderValue=170, flags=cv2.INTER_AREA,
    )
    image = cv2.resize(big, (640, 480), interpolation=cv2.INTER_AREA).astype(np.float64)
    image = cv2.GaussianBlur(image, (0, 0), 1.0) * 0.6 + 20 + random.normal(0, 6, image.shape)
    camera = scene.CAMERA.scaled(bench.CAMERA.size)
    (found,) = FINDER.find(np.clip(image, 0, 255).astype(np.uint8), camera, 0.16)
    assert found.number == 11
    # the plane that the exact corners give
    plain = np.column_stack([(goal[:, 0] - camera.cx) / camera.fx,
                             (goal[:, 1] - camera.cy) / camera.fy])
    half = 0.08
    model = np.array([[-half, half, 0], [half, half, 0], [half, -half, 0], [-half, -half, 0]])
    _, turns, moves, errors = cv2.solvePnPGeneric(
        model, plain[:, None], np.eye(3), None, flags=cv2.SOLVEPNP_IPPE_SQUARE
    )
    best = int(np.argmin(np.ravel(errors)))
    distance = float(np.ravel(moves[best])[2])
    middle = np.array([*plain.mean(axis=0), 1.0])
    assert turns is not None
    assert 1 / (found.normal @ middle) == pytest.approx(distance, rel=0.01)


def keeper(**changes):
    return ScaleKeeper(
        Config().replaced({'scale.source': 'marker', 'marker.size': bench.SIZE, **changes}),
        ModelSpec('n', OutputKind.METRIC_DEPTH),
    )


def driven(it, frames=14, seconds=0.0):
    """Run over frames of one picture, and on until it is usable if the finder's thread is slow."""
    one = bench.shown(0, 1.5, 20)
    frame = seen(one)
    end = time.monotonic() + seconds
    state, index = it.update(frame), 1
    while index < frames or (not state.usable and time.monotonic() < end):
        time.sleep(0.06)
        state = it.update(scene.at(index / 10, frame))
        index += 1
    return state


def test_the_keeper_finds_the_scale_beside_the_frames():
    state = driven(keeper(), 24, seconds=20.0)
    assert state.usable, state.reason
    assert state.value == pytest.approx(bench.SCALE, rel=0.02)


@pytest.mark.parametrize(('changes', 'says'), [
    ({'marker.size': 0.0}, 'marker.size'),
    ({'marker.ids': [1.0, 2.0]}, r'\[1, 2\]'),
    ({'marker.dictionary': 'aruco_4x4_50'}, 'aruco_4x4_50'),
    ({'marker.size': 160.0 / 1000 * 10}, 'expected 0.2 to 5'),  # ten times the true side
])
def test_without_the_marker_there_is_silence_and_a_reason(changes, says):
    it = keeper(**changes)
    state = driven(it, 8)
    assert not state.usable
    assert dataclasses.asdict(state)['value'] != state.value  # NaN
    assert re.search(says, state.reason), state.reason


def test_the_parameters_of_the_marker_are_live():
    """From a wrong family, number and size to the right ones, one after the other."""
    it = keeper(**{'marker.dictionary': 'aruco_4x4_50', 'marker.ids': [3.0], 'marker.size': 0.0})
    given = {'scale.source': 'marker'}
    for name, value in (('marker.size', bench.SIZE), ('marker.dictionary', 'apriltag_36h11'),
                        ('marker.ids', [7.0])):
        assert not driven(it, 4).usable
        given[name] = value
        before = {'marker.dictionary': 'aruco_4x4_50', 'marker.ids': [3.0]}
        it.configure(Config().replaced({**before, **given}))
    assert driven(it, 24, seconds=20.0).usable
