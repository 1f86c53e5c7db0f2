"""Lived-in rooms: exact depth whatever stands in them, light that has a way, and a camera."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from depth_node.camera import Camera, Distortion
from depth_node.world import (
    Box,
    camera_pose,
    Cylinder,
    Ellipsoid,
    Room,
    Scene,
    Solid,
    Style,
    World,
)
from depth_node.world.floorplan import Area, divided
from depth_node.world.homes import furnish_home
from depth_node.world.lightmap import extents, places
from depth_node.world.scene import Material, Panel, Sun

CAMERA = Camera.from_hfov(160, 120, 75)
LENS = Camera(
    160, 120, 95, 97, 81, 58, Distortion.PLUMB_BOB, (-0.28, 0.09, 1e-3, -5e-4, -0.01)
)
PAINT = Material('plain', (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
LAMP = Panel((0, 0, 2.9), ((0.2, 0, 0), (0, 0.2, 0)), (0, 0, -1), (3, 3, 3))


def lit(*shapes: Box | Cylinder | Ellipsoid, panels: tuple[Panel, ...] = (LAMP,),
        sun: Sun | None = None, room: Room | None = None) -> World:
    """Return a room of 8 x 6 x 3 m with what is given in it, and a lamp in its middle."""
    scene = Scene(
        room or Room((8.0, 6.0, 3.0)), (PAINT,) * 6, tuple(Solid(s, PAINT) for s in shapes),
        (), (0, 0, 0), (0, 0, 1, 1), panels, sun,
    )
    return World(scene=scene)


def floor_light(world: World, x: float, y: float) -> float:
    """Return the light that comes from a place on the floor, seen from above it."""
    radiance, _ = world.radiance(
        Camera.from_hfov(9, 9, 5), camera_pose((x - 0.02, y, 0.6), 0.0, math.pi / 2 - 0.04)
    )
    return float(radiance.mean())


def test_an_ellipsoid_is_where_its_equation_has_it() -> None:
    ball = Ellipsoid((3.0, 0.0, 1.0), (0.5, 0.4, 0.3))
    _, depth = lit(ball).render(CAMERA, camera_pose((0, 0, 1.0), 0.0))
    x, y = np.moveaxis(CAMERA.rays().astype(np.float64), -1, 0)
    # |(z - 3) / 0.5, z x / 0.4, z y / 0.3| = 1, the nearer solution
    a = 4 + (x / 0.4) ** 2 + (y / 0.3) ** 2
    root = 144 - a * 35
    seen = root > 1e-3
    assert seen.sum() > 300
    np.testing.assert_allclose(depth[seen], (12 - np.sqrt(root[seen])) / a[seen], rtol=1e-5)


@pytest.mark.parametrize('lean', [0.5, -0.9])
def test_a_leaning_box_is_a_box_turned_twice(lean: float) -> None:
    """Its corners are those of SciPy's rotation, and their distance from the box is 0."""
    from scipy.spatial.transform import Rotation

    box = Box((1.0, -0.5, 1.2), (0.8, 0.3, 0.2), 0.7, lean)
    turn = Rotation.from_euler('ZY', [0.7, lean])
    upright = Box((0.0, 0.0, 0.0), box.size).corners()
    expected = turn.apply(upright.T).T + np.array([box.center]).T
    np.testing.assert_allclose(box.corners(), expected, atol=1e-12)
    np.testing.assert_allclose(box.distance(expected), 0, atol=1e-12)
    ray = turn.apply([-1.0, 0.0, 0.0])
    start = np.array(box.center) - 2 * ray
    t, face = box.intersect(start, ray[:, None])
    assert t == pytest.approx(1.6)
    assert face == 1


@pytest.mark.parametrize('shape', [
    Box((0.3, -0.2, 1.0), (0.5, 0.7, 0.9), 0.4, 0.3), Cylinder((0.3, -0.2, 1.0), 0.3, 0.8),
    Ellipsoid((0.3, -0.2, 1.0), (0.5, 0.3, 0.4), 0.6), Room((4.0, 3.0, 2.5)),
])
def test_the_lightmap_has_every_place_where_a_ray_meets_it(
    shape: Box | Cylinder | Ellipsoid | Room
) -> None:
    """From a place on a face, a little out along its normal and back: face, u and v agree."""
    for face, (low, high) in enumerate(extents(shape)):
        u, v = (np.array([a + 0.3 * (b - a)]) for a, b in zip(low, high, strict=True))
        point, normal = places(shape, face, u, v)
        t, met = shape.intersect(point + 0.05 * normal, -normal)
        assert t == pytest.approx(0.05, rel=1e-6)
        assert met == face
        if not isinstance(shape, Room) and shape.rounded and face == 0:
            assert not isinstance(shape, Box)
            found_u, found_v, found_normal = shape.around(point)
            np.testing.assert_allclose(found_normal, normal, atol=1e-6)
        else:
            found_u, found_v = (a[:3] @ point + a[3] for a in shape.chart()[face])
        assert found_u == pytest.approx(u, abs=1e-6)
        assert found_v == pytest.approx(v, abs=1e-6)


@pytest.mark.parametrize('camera', [CAMERA, LENS])
def test_depth_of_a_home_is_that_of_cast_rays(camera: Camera) -> None:
    for seed in (1, 2):
        world = World(scene=dataclasses.replace(furnish_home(seed), panels=()))
        pose = world.random_pose(np.random.default_rng(seed))
        _, depth = world.render(camera, pose)
        rays = camera.rays().astype(np.float64)
        optical = np.concatenate([rays, np.ones((*rays.shape[:2], 1))], -1)
        seen = np.isfinite(rays).all(-1)
        lengths = world.cast(pose[:3, 3], optical[seen] @ pose[:3, :3].T)
        expected = lengths / np.linalg.norm(optical[seen], axis=-1)
        assert np.isclose(depth[seen], expected, rtol=1e-4, atol=0).mean() > 0.995


def test_the_same_seed_is_the_same_home() -> None:
    first, again, other = (World(seed, style=Style.HOME) for seed in (3, 3, 4))
    pose = first.pose(1.0)
    for one, two in zip(first.radiance(CAMERA, pose), again.radiance(CAMERA, pose), strict=True):
        np.testing.assert_array_equal(one, two)
    assert first.scene.room != other.scene.room


def test_the_tour_of_a_home_is_free() -> None:
    for seed in (0, 3):
        scene = furnish_home(seed, tour=True)
        world = World(seed, scene=dataclasses.replace(scene, panels=()))
        places = np.stack([world.pose(t)[:3, 3] for t in np.arange(0, 30, 0.1)])
        assert world.distance(places).min() > 0.2


def test_a_table_throws_a_soft_shadow() -> None:
    """Under a slab it is dark, beside it it is not, and in between there are steps."""
    world = lit(Box((1.0, 0.0, 0.8), (1.0, 1.0, 0.04)))
    line = [floor_light(world, 1.2, y) for y in np.arange(0.0, 1.6, 0.1)]
    assert line[0] < 0.5 * line[-1]
    assert np.count_nonzero((np.array(line) > 0.6 * line[-1]) & (np.array(line) < 0.95 * line[-1]))


def test_light_falls_with_the_square_of_the_distance() -> None:
    """Straight below a lamp of no size, in rooms of different heights, direct light alone."""
    from depth_node.world import lighting

    light = []
    for height in (2.0, 4.0):
        lamp = Panel((0, 0, height), ((0, 0, 0), (0, 0, 0)), (0, 0, 0), (1, 1, 1))
        (point,) = lighting._points(lamp, 1, np.random.default_rng(0))
        scene = lit(room=Room((20.0, 20.0, 5.0)), panels=(lamp,)).scene
        texels = lighting._Texels(
            np.array([[0], [0], [0]], np.float32), np.array([[0], [0], [1]], np.float32),
            np.ones((1, 3), np.float32), np.ones(1, np.float32),
        )
        light.append(lighting._reached(scene, lighting.Bodies([]), texels, point)[0, 0])
    assert light == pytest.approx([1 / 4, 1 / 16], rel=1e-3)


def test_the_sun_draws_the_window_on_the_floor() -> None:
    from depth_node.world.floorplan import opening

    size = (8.0, 6.0, 3.0)
    hole = opening(size, 1, 0.0, 1.0, (1.0, 2.0))
    toward = (math.cos(0.7), 0.0, math.sin(0.7))
    world = lit(room=Room(size, (hole,)), sun=Sun(toward, (5, 5, 5)))
    # the middle of the window, down along the sun's way
    spot = 4.0 - 1.5 / math.tan(0.7)
    assert floor_light(world, spot, 0.0) > 2 * floor_light(world, spot, 1.0)


def test_rooms_of_a_flat_are_joined_by_doorways() -> None:
    rng = np.random.default_rng(0)
    rooms, walls = divided(rng, (-5, 5, -4, 4), 1.2, 3)
    assert len(rooms) == len(walls) + 1
    area = sum((b - a) * (d - c) for a, b, c, d in rooms)
    taken = sum((b - a) * (d - c) for (a, b, c, d), _, _ in walls)
    assert area + taken == pytest.approx(80)
    for (a, b, c, d), across, door in walls:
        low, high = (c, d) if across == 0 else (a, b)
        assert low + 0.45 < door < high - 0.45


def test_what_stands_at_a_wall_stands_clear_of_the_rest() -> None:
    area, rng = Area((-2, 2, -1.5, 1.5)), np.random.default_rng(1)
    found = [area.at_wall(rng, 0.8, 0.5) for _ in range(30)]
    assert 3 <= sum(place is not None for place in found) <= 14
    for n, one in enumerate(area.taken):
        for other in area.taken[:n]:
            assert one[0] >= other[1] or other[0] >= one[1] or one[2] >= other[3] or (
                other[2] >= one[3])


def test_a_mirror_shows_what_stands_before_it_and_is_as_far_as_its_glass() -> None:
    """A red ball behind the camera is where its mirror image is; depth is that of the glass."""
    red = Material('plain', (0.8, 0.0, 0.0), (0.8, 0.0, 0.0))
    glass = dataclasses.replace(PAINT, gloss=0.9)
    ball, pane = Ellipsoid((-2.0, 1.0, 1.5), (0.4, 0.4, 0.4)), Box((3.9, 0, 1.5), (0.02, 4, 2.8))
    pose = camera_pose((0.0, 0.0, 1.5), 0.0)
    views = []
    for surface in (PAINT, glass):
        scene = dataclasses.replace(lit().scene, solids=(Solid(ball, red), Solid(pane, surface)))
        views.append(World(scene=scene).radiance(CAMERA, pose))
    (matt, expected), (shiny, depth) = views
    np.testing.assert_array_equal(depth, expected)
    redness = shiny[..., 0] - shiny[..., 1]
    seen = redness > 0.1 * redness.max()
    distance = 2 * 3.89 + 2.0
    rows, columns = np.nonzero(seen)
    assert columns.mean() == pytest.approx(CAMERA.cx - CAMERA.fx / distance, abs=1)
    assert rows.mean() == pytest.approx(CAMERA.cy, abs=1)
    assert np.ptp(columns) == pytest.approx(CAMERA.fx * 0.8 / distance, abs=2)
    assert not (matt[..., 0] - matt[..., 1] > 0.1 * redness.max()).any()


def test_a_glossy_floor_reflects_most_at_a_slant() -> None:
    """On a black floor there is nothing but gloss; also where all of a large picture is glossy."""
    black = Material('plain', (0.0,) * 3, (0.0,) * 3, gloss=0.05)
    world = World(scene=dataclasses.replace(lit().scene, walls=(PAINT,) * 4 + (black, PAINT)))
    camera = Camera.from_hfov(256, 192, 6)
    shares = []
    for tilt in (14.0, 80.0):
        down = math.radians(tilt)
        seen = world.radiance(camera, camera_pose((-3.5, 0.0, 1.0), 0.0, down))[0]
        # what is reflected, from where it is reflected
        foot = (-3.5 + 1 / math.tan(down), 0.0, 0.001)
        direct = world.radiance(camera, camera_pose(foot, 0.0, -down))[0]
        shares.append(float(seen.mean() / direct.mean()))
    # Schlick: 0.05 + 0.95 (1 - sin 14 deg)^5 = 0.29 at a slant, 0.05 straight on
    assert shares[0] == pytest.approx(0.29, rel=0.2)
    assert shares[1] == pytest.approx(0.05, rel=0.2)


def test_some_homes_have_mirrors_and_gloss_and_drives_have_none() -> None:
    scenes = [furnish_home(seed) for seed in range(20)]
    glossy = [[s.material.gloss for s in scene.solids if s.material.gloss] for scene in scenes]
    mirrors = sum(any(gloss > 0.5 for gloss in found) for found in glossy)
    assert 1 <= mirrors <= 14
    assert 1 <= sum(scene.walls[4].gloss > 0 for scene in scenes) <= 10
    tour = furnish_home(0, tour=True)
    assert not any(solid.material.gloss for solid in tour.solids)
