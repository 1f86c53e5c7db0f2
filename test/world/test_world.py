"""The synthetic world against closed forms, and against itself seen from elsewhere."""

import functools
import math

import cv2
import numpy as np
import pytest

from depth_node.camera import Camera, Distortion
from depth_node.errors import DataError
from depth_node.world import (
    Box,
    camera_pose,
    Cylinder,
    Room,
    Scene,
    shifted,
    Solid,
    textures,
    World,
)
from depth_node.world.drawing import TEXELS
from depth_node.world.finishes import FINISHES
from depth_node.world.patterns import LOUD, NAMES, PATTERNS
from depth_node.world.prints import PRINTS
from depth_node.world.scene import Lamp, Material
from depth_node.world.textures import Atlas, atlas
from depth_node.world.woods import WOODS

CAMERA = Camera.from_hfov(160, 120, 75)
LENS = Camera(
    160, 120, 95, 97, 81, 58, Distortion.PLUMB_BOB, (-0.28, 0.09, 1e-3, -5e-4, -0.01)
)
FISHEYE = Camera(160, 120, 50, 50, 79.5, 59.5, Distortion.EQUIDISTANT, (0.0, 0.0, 0.0, 0.0))
PAINT = Material('paint', (0.3, 0.3, 0.3), (0.8, 0.8, 0.8))


def bare(*solids, size=(8.0, 6.0, 3.0), openings=()):
    """Return a room with nothing in it but what is given."""
    scene = Scene(
        Room(size, openings), (PAINT,) * 6, tuple(Solid(s, PAINT) for s in solids),
        (Lamp((0, 0, 2.8), (2, 2, 2)),), (0.4, 0.4, 0.4), (0, 0, 1, 1),
    )
    return World(scene=scene)


def world_points(camera, pose, depth):
    """Return the (3, H, W) points a depth picture shows."""
    rays = camera.rays().astype(np.float64)
    optical = np.stack([rays[..., 0] * depth, rays[..., 1] * depth, depth])
    return np.einsum('ij,jhw->ihw', pose[:3, :3], optical) + pose[:3, 3, None, None]


@pytest.mark.parametrize('camera', [CAMERA, LENS, FISHEYE])
def test_depth_of_walls_is_the_planes(camera):
    """A tilted camera over the floor, before a wall: z of both planes, and the nearer wins."""
    height, tilt = 1.2, math.radians(20)
    _, depth = bare().render(camera, camera_pose((0.5, 0, height), 0.0, tilt))
    x, y = np.moveaxis(camera.rays().astype(np.float64), -1, 0)
    ahead = math.cos(tilt) - y * math.sin(tilt)  # of the ray, per unit of z
    down = y * math.cos(tilt) + math.sin(tilt)
    with np.errstate(divide='ignore'):
        wall = np.where(ahead > 0, 3.5 / ahead, np.inf)
        behind = np.where(ahead < 0, -4.5 / ahead, np.inf)
        floor = np.where(down > 0, height / down, np.inf)
        ceiling = np.where(down < 0, (height - 3.0) / down, np.inf)
        side = 3.0 / abs(x)
    expected = np.min([wall, behind, floor, ceiling, side], axis=0)
    seen = np.isfinite(x)
    assert seen.mean() > 0.5
    np.testing.assert_allclose(depth[seen], expected[seen], rtol=1e-5)
    assert np.isnan(depth[~seen]).all()


def test_box_and_cylinder_have_their_sizes():
    """The middle ray meets the near faces, and the picture shows the right width."""
    box = Box((3.0, 0.0, 1.0), (0.4, 0.5, 0.6))
    _, depth = bare(box).render(CAMERA, camera_pose((0, 0, 1.0), 0.0))
    assert depth[60, 80] == pytest.approx(2.8, rel=1e-5)
    columns = np.count_nonzero(abs(depth[60] - 2.8) < 1e-3)
    assert columns == pytest.approx(CAMERA.fx * 0.5 / 2.8, abs=1)
    pillar = Cylinder((3.0, 0.0, 1.5), 0.3, 3.0)
    _, depth = bare(pillar).render(CAMERA, camera_pose((0, 0, 1.0), 0.0))
    x = CAMERA.rays()[60, :, 0].astype(np.float64)
    # |z (1, x) - (3, 0)| = 0.3, the nearer solution
    root = 9 - (1 + x * x) * (9 - 0.09)
    expected = (3 - np.sqrt(root[root > 0])) / (1 + x * x)[root > 0]
    np.testing.assert_allclose(depth[60][root > 0], expected, rtol=1e-5)


def test_turned_box_is_seen_on_its_edge():
    """Turned by 45 degrees, a cube shows its vertical edge."""
    cube = Box((3.0, 0.0, 1.0), (1.0, 1.0, 1.0), math.pi / 4)
    assert bare(cube).cast((0, 0, 1), (1, 0, 0)) == pytest.approx(3 - math.sqrt(0.5))
    assert bare(cube).cast((0, 0.2, 1), (1, 0, 0)) == pytest.approx(3.2 - math.sqrt(0.5))


@pytest.mark.parametrize('camera', [CAMERA, LENS, FISHEYE])
def test_cast_agrees_with_depth(camera):
    """The length of a pixel's ray is its z-depth times the ray's length."""
    world = World(3, movers=1, windows=2)
    pose = world.pose(2.0)
    _, depth = world.render(camera, pose, time=1.3)
    rays = camera.rays().astype(np.float64)
    optical = np.concatenate([rays, np.ones((*rays.shape[:2], 1))], -1)
    seen = np.isfinite(rays).all(-1)
    lengths = world.cast(pose[:3, 3], optical[seen] @ pose[:3, :3].T, time=1.3)
    expected = lengths / np.linalg.norm(optical[seen], axis=-1)
    same = np.isclose(depth[seen], expected, rtol=1e-4, atol=0)
    assert same.mean() > 0.999  # rays that graze an edge may fall on either side


def test_seen_points_lie_on_surfaces():
    """What is seen is on something: distance 0; between camera and surface there is nothing."""
    world = World(5)
    pose = world.pose(1.0)
    _, depth = world.render(CAMERA, pose)
    on = world_points(CAMERA, pose, depth.astype(np.float64)).transpose(1, 2, 0)
    assert abs(world.distance(on)).max() < 1e-4
    before = world_points(CAMERA, pose, depth * 0.9).transpose(1, 2, 0)
    assert world.distance(before).min() > 0


def test_warp_from_one_pose_to_the_next():
    """Depth and colour of one view, seen from 10 cm to the side, are those of the other view."""
    camera = Camera.from_hfov(320, 240, 75)
    world = World(4)
    here = world.pose(0.0)
    there = shifted(here, 0.1)
    left, depth = world.render(camera, here)
    right, other = world.render(camera, there)
    points = world_points(camera, here, depth.astype(np.float64))
    seen = np.einsum('ji,jhw->ihw', there[:3, :3], points - there[:3, 3, None, None])
    pixels = camera.project(seen.transpose(1, 2, 0)).astype(np.float32)
    sampled = cv2.remap(other, pixels[..., 0], pixels[..., 1], cv2.INTER_LINEAR, borderValue=-1)
    visible = abs(sampled - seen[2]) < 0.02 * seen[2]
    assert visible.mean() > 0.85
    assert np.median(abs(sampled - seen[2])[visible] / seen[2][visible]) < 1e-4
    warped = cv2.remap(right, pixels[..., 0], pixels[..., 1], cv2.INTER_LINEAR)
    after = abs(left.astype(float) - warped)[visible].mean()
    before = abs(left.astype(float) - right)[visible].mean()
    assert after < 0.35 * before


def test_same_seed_same_bytes():
    """A world is its seed, down to the noise; another seed is another world."""
    first, again, other = (World(seed) for seed in (7, 7, 8))
    pose = first.pose(1.0)
    np.testing.assert_array_equal(pose, again.pose(1.0))
    picture, depth = first.render(CAMERA, pose, noise=3.0)
    textures._shared.cache_clear()
    repeated, same_depth = again.render(CAMERA, pose, noise=3.0)
    np.testing.assert_array_equal(picture, repeated)
    np.testing.assert_array_equal(depth, same_depth)
    clean, _ = first.render(CAMERA, pose)
    assert np.std(picture.astype(float) - clean) == pytest.approx(3.0, rel=0.2)
    assert other.room.size != first.room.size


def test_windows_and_open_roof_show_sky():
    """Through a window there is no return."""
    world = World(2, windows=1, roof=False)
    face = world.room.openings[0].face
    assert face == 1
    (left, low), (right, high) = world.room.openings[0].low, world.room.openings[0].high
    y = world.room.size[1] / 2 - (left + right) / 2
    target = np.array([world.room.size[0] / 2, y, (low + high) / 2])
    assert np.isinf(world.cast(target - (0.2, 0, 0), (1, 0, 0)))
    assert np.isinf(world.cast((0, 0, 1.9), (0, 0, 1)))
    picture, depth = world.render(CAMERA, camera_pose((0, 0, 1), 0.0, -1.2))
    assert np.isposinf(depth).mean() > 0.5
    assert picture[np.isposinf(depth)].mean() > 100


def test_path_is_smooth_free_and_stops():
    """No step of the path jumps or comes near anything; with a pause the camera stands."""
    for seed in range(8):
        world = World(seed, pause=5.0)
        poses = np.stack([world.pose(t) for t in np.arange(0, 20, 0.05)])
        places = poses[:, :3, 3]
        assert world.distance(places).min() > 0.3
        speed = np.linalg.norm(np.diff(places, axis=0), axis=1) / 0.05
        assert speed.max() < 2.5
        assert speed.min() < 0.01
        turns = poses[:, :3, :3]
        square = turns @ turns.transpose(0, 2, 1)
        np.testing.assert_allclose(square, np.tile(np.eye(3), (400, 1, 1)), atol=1e-12)
        assert np.linalg.det(poses[0, :3, :3]) == pytest.approx(1)
        np.testing.assert_allclose(places[:, 2], 0.6)


def test_random_poses_are_free():
    """Training views start clear of everything and upright."""
    world, rng = World(1), np.random.default_rng(0)
    for _ in range(20):
        pose = world.random_pose(rng)
        assert world.distance(pose[:3, 3]) > 0.35
        assert 0.3 <= pose[2, 3] <= 1.5
        assert pose[2, 1] < -0.9


def test_movers_move_and_the_rest_stands():
    """A mover is elsewhere at another time; obstacles keep clear of the path."""
    world = World(0, movers=2)
    moving = [solid for solid in world.scene.solids if solid.motion]
    assert moving
    first = moving[0]
    assert first.at(0.0) == first.shape
    quarter = first.at(first.motion.period / 4)
    expected = np.add(first.shape.center[:2], first.motion.reach)
    np.testing.assert_allclose(quarter.center[:2], expected)


def test_patterns_have_their_size_and_repeat():
    """The checker changes every 30 cm, everywhere; far away it fades to its mean."""
    index = np.full((1, 64), NAMES.index('checker'))
    u = np.arange(64, dtype=np.float32)[None] * 0.3 + 0.15
    checker = atlas([NAMES.index('checker')])
    mix = checker.lookup(index, u, np.full_like(u, 0.15), np.full_like(u, 1e-3))[0, :, 0]
    np.testing.assert_array_equal(mix > 128, np.arange(64) % 2 == 1)
    far = checker.lookup(index, u, np.full_like(u, 0.15), np.full_like(u, 5.0))[0, :, 0]
    np.testing.assert_allclose(far, 127, atol=6)


@pytest.mark.parametrize('name', NAMES)
def test_patterns_have_no_seam(name):
    """Across the edge of a pattern neighbors differ no more than elsewhere in it."""
    size = PATTERNS[name].size
    steps = (np.arange(2 * TEXELS, dtype=np.float32) + 0.5) / TEXELS
    index = np.full((2 * TEXELS, 2 * TEXELS), NAMES.index(name))
    u, v = np.meshgrid(steps * size[0], steps * size[1])
    looks = atlas([NAMES.index(name)]).lookup(index, u, v, np.full_like(u, 1e-4))
    for axis in (0, 1):
        step = abs(np.diff(looks, axis=axis)).mean(axis=1 - axis)
        assert (step[TEXELS - 1] <= np.maximum(1.5 * step[:TEXELS - 1].max(0), 2.0)).all()


@pytest.mark.parametrize('name', [*FINISHES, *WOODS, *PRINTS])
def test_patterns_of_homes_are_in_range_and_have_grain(name):
    """Mix and shade stay within 0 and 1 almost everywhere, and no finish is one flat color."""
    pattern = PATTERNS[name]
    steps = (np.arange(TEXELS, dtype=np.float32) + 0.5) / TEXELS
    u, v = np.meshgrid(steps * pattern.size[0], steps[::-1] * pattern.size[1])
    for plane in pattern.draw(u, v, np.random.default_rng(NAMES.index(name))):
        assert plane.shape == (TEXELS, TEXELS)
        assert np.isfinite(plane).all()
        assert ((plane < -0.02) | (plane > 1.02)).mean() < 0.05
    mix, shade = np.moveaxis(atlas([NAMES.index(name)]).lookup(
        np.full(u.shape, NAMES.index(name)), u, v, np.full_like(u, 1e-4)), -1, 0)
    assert (mix * shade).std() > 0.02 * (mix * shade).mean()


def test_patterns_of_plain_rooms_stay_what_they_are():
    """A pattern's place among the names seeds it: new ones come last, and leave no trace."""
    assert NAMES[:LOUD] == (
        'tiles', 'checker', 'planks', 'carpet', 'concrete', 'bricks', 'blocks', 'stripes',
        'plaster', 'boards', 'panels', 'carton', 'crate', 'plaid', 'metal', 'hazard', 'rings',
        'door', 'books', 'poster', 'paint',
    )
    assert set(NAMES[:LOUD]).isdisjoint(NAMES[LOUD:])


def test_a_pattern_looks_alike_whatever_was_drawn_before(monkeypatch):
    """Two worlds at once in one process, or the same world in two: no pattern is another's."""
    index = np.arange(0, len(NAMES), 7)[None]
    looks = []
    for order in (index[0], index[0][::-1]):
        monkeypatch.setattr(textures, '_shared', functools.cache(Atlas))
        for number in order:
            atlas([int(number)])
        for footprint in (1e-4, 0.02, 10.0):
            place = np.full(index.shape, 0.123, np.float32)
            found = atlas(index[0].tolist()).lookup(
                index, place, place, np.full_like(place, footprint))
            looks.append(found)
            assert (found[..., 1] > 0).all()
    for one, other in zip(looks[:3], looks[3:], strict=True):
        np.testing.assert_array_equal(one, other)


def test_only_what_a_scene_shows_is_drawn(monkeypatch):
    """Drawing everything would take seconds at each start."""
    drawn = []
    monkeypatch.setattr(textures, '_shared', functools.cache(Atlas))
    real = textures._drawn
    monkeypatch.setattr(
        textures, '_drawn', lambda name, number: drawn.append(name) or real(name, number))
    world = World(400)
    world.render(CAMERA, world.pose(0.0))
    world.render(CAMERA, world.pose(1.0))
    scene = world.scene
    shown = {m.pattern for m in (*scene.walls, *(solid.material for solid in scene.solids))}
    assert sorted(drawn) == sorted(shown)


def test_camera_must_be_in_the_room():
    """A camera over the ceiling is refused."""
    with pytest.raises(DataError, match='camera height is 5 m'):
        World(0, camera_height=5.0)
