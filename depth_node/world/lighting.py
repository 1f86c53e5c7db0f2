"""
Light that has a way: shadows of lamps with a size, windows, the sun, and light from walls.

Worked out once for a scene, for the middles of the lightmap's texels. Each light is some points
(Keller, "Instant Radiosity", SIGGRAPH 1997): points on the panels first, then places in the lit
room, drawn in proportion to the light they reflect, which shine in turn. What a point of light
reaches is looked up in six depth images seen from there (Williams, "Casting curved shadows on
curved surfaces", SIGGRAPH 1978).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.world.lightmap import (
    assembled,
    Lightmap,
    packed,
    Patch,
    places,
    width,
    worn,
)
from depth_node.world.occlusion import unoccluded
from depth_node.world.patterns import NAMES
from depth_node.world.rays import Bodies, FACES, grid, meet
from depth_node.world.scene import Panel, Scene, Sun
from depth_node.world.shapes import Shape
from depth_node.world.textures import atlas

_SIDE = 40  # of a depth image (pixels)
_VIEW = Camera.from_hfov(_SIDE, _SIDE, 90.0)
_PANEL_POINTS = 24  # of all panels together, at most 4 of each
_BOUNCE_POINTS = 16  # places that reflect light
_NEAREST = 0.5  # a place that reflects counts as no nearer than this (m^2)
_SLACK, _GAP = 1.03, 0.03  # a shadow begins so much behind what throws it
_SMALLEST = (0.03, 0.12, 0.25)
"""What is thinner or shorter throws no shadow, and thinner than the last none of reflected light
(m)."""
_LARGE = 6  # texels along the shorter side of faces that show wear
_AMBIENT = 0.06  # share of the mean light that comes from everywhere


@dataclass(frozen=True)
class _Texels:
    """The places light is worked out for, all of them in a row."""

    points: NDArray[np.float32]  # (3, n)
    normals: NDArray[np.float32]  # (3, n)
    albedo: NDArray[np.float32]  # (n, 3)
    area: NDArray[np.float32]  # (n,), m^2


@dataclass(frozen=True)
class _Point:
    """A light without a size: where, which way it shines (or into all), and how much."""

    place: NDArray[np.float64]
    facing: NDArray[np.float64] | None
    color: NDArray[np.float64]
    nearest: float


def light_up(scene: Scene) -> Lightmap:
    """
    Compute the light on every face of a scene.

    :param scene: with panels; what moves stands where it is at time 0.
    :returns: the lightmap; the mean light in the room is about 1.
    """
    shapes = [scene.room, *(solid.shape for solid in scene.solids)]
    patches, rows = packed(shapes, FACES)
    texels, spots = _texels(scene, patches)
    rng = np.random.default_rng(len(scene.solids))
    solid = [s.shape for s in scene.solids if not s.material.glow]
    sizes = [np.sort(np.ptp(shape.corners(), axis=1)) for shape in solid]
    throwing = Bodies([
        s for s, (_, middle, long) in zip(solid, sizes, strict=True)
        if middle > _SMALLEST[0] and long > _SMALLEST[1]
    ])
    count = max(1, min(4, _PANEL_POINTS // max(len(scene.panels), 1)))
    light = np.zeros((len(texels.area), 3), np.float32)
    for panel in scene.panels:
        for point in _points(panel, count, rng):
            light += _reached(scene, throwing, texels, point)
    if scene.sun is not None:
        light += _sunlight(scene, solid, texels, scene.sun)
    large = Bodies([
        s for s, (_, middle, _) in zip(solid, sizes, strict=True) if middle > _SMALLEST[2]
    ])
    bounced = np.zeros_like(light)
    for point in _reflecting(texels, light, rng):
        bounced += _reached(scene, large, texels, point)
    near = unoccluded(scene.room, solid, texels.points, texels.normals)[:, None]
    # what is near keeps away most of the light from everywhere, some of that from a lamp
    light = light * (1 + near) / 2 + bounced * near
    mean = (light * texels.area[:, None]).sum(0) / texels.area.sum()
    light += np.float32(_AMBIENT) * mean * near
    light /= max(float(mean.mean()), 1e-6)
    image = np.zeros((rows, width(), 3), np.float32)
    for number, (start, stop) in spots.items():
        patch = patches[number]
        index = number // FACES
        part = light[start:stop]
        if index and scene.solids[index - 1].material.glow:
            part = np.full_like(part, scene.solids[index - 1].material.glow)
        part = part.reshape(patch.rows, patch.columns, 3)
        if scene.wear and min(patch.rows, patch.columns) >= _LARGE:
            part = part * worn(rng, patch, scene.wear)[..., None]
        image[patch.top:patch.top + patch.rows, patch.left:patch.left + patch.columns] = part
    return assembled(image, patches, FACES * len(shapes))


def _texels(
    scene: Scene, patches: dict[int, Patch]
) -> tuple[_Texels, dict[int, tuple[int, int]]]:
    shapes = [scene.room, *(solid.shape for solid in scene.solids)]
    materials = [*scene.walls]
    for solid in scene.solids:
        materials += [solid.material] * FACES
    means = _pattern_means({material.pattern for material in materials})
    points, normals, albedos, areas = [], [], [], []
    spots: dict[int, tuple[int, int]] = {}
    count = 0
    for number, patch in patches.items():
        u, v = patch.centers()
        where, normal = places(shapes[number // FACES], number % FACES, u, v)
        points.append(where.reshape(3, -1))
        normals.append(normal.reshape(3, -1))
        material = materials[number]
        mix, shade = means[material.pattern]
        first, second = np.array(material.first), np.array(material.second)
        color = first + mix * (second - first)
        if material.middle is not None:
            middle = np.array(material.middle)
            color = color + (1 - abs(2 * mix - 1)) * (middle - (first + second) / 2)
        albedos.append(np.broadcast_to(color * shade, (u.size, 3)))
        size = (patch.high[0] - patch.low[0]) * (patch.high[1] - patch.low[1])
        areas.append(np.full(u.size, size / u.size))
        spots[number] = count, count + u.size
        count += u.size
    return _Texels(
        np.concatenate(points, 1).astype(np.float32),
        np.concatenate(normals, 1).astype(np.float32),
        np.concatenate(albedos).astype(np.float32),
        np.concatenate(areas).astype(np.float32),
    ), spots


def _pattern_means(names: Iterable[str]) -> dict[str, NDArray[np.float64]]:
    """Return mean mix and shade of each pattern, 0 to 1."""
    used = sorted(names)
    index = [NAMES.index(name) for name in used]
    place = np.full((1, len(index)), 0.3, np.float32)
    looks = atlas(index).lookup(np.array([index]), place, place, np.full_like(place, 1e3))
    return dict(zip(used, np.asarray(looks[0], np.float64) / 255, strict=True))


def _points(panel: Panel, count: int, rng: np.random.Generator) -> list[_Point]:
    """Spread points over a panel."""
    facing = np.array(panel.facing)
    color = np.array(panel.color) / count
    corners = np.array([(-1, -1), (1, 1), (-1, 1), (1, -1)]) if count > 1 else np.zeros((1, 2))
    spans = np.array(panel.spans)
    return [
        _Point(
            panel.center + (0.5 * corner + rng.uniform(-0.4, 0.4, 2)) @ spans,
            facing if facing.any() else None, color, 0.04,
        )
        for corner in corners[:count]
    ]


def _reflecting(
    texels: _Texels, light: NDArray[np.float32], rng: np.random.Generator
) -> list[_Point]:
    """Draw places that reflect light, in proportion to how much they reflect."""
    flux = light * texels.albedo * texels.area[:, None]
    weight = flux.sum(1).astype(np.float64)
    total = weight.sum()
    if total <= 0:
        return []
    # one in each of equal shares of the flux: fewer clumps than drawing freely
    marks = (np.arange(_BOUNCE_POINTS) + rng.random(_BOUNCE_POINTS)) / _BOUNCE_POINTS
    chosen = np.searchsorted(np.cumsum(weight) / total, marks).clip(max=len(weight) - 1)
    found = []
    for index in chosen:
        normal = texels.normals[:, index].astype(np.float64)
        color = flux[index] / weight[index] * total / _BOUNCE_POINTS / np.pi
        found.append(_Point(
            texels.points[:, index] + 0.02 * normal, normal, color.astype(np.float64), _NEAREST
        ))
    return found


def _reached(
    scene: Scene, solid: Bodies, texels: _Texels, point: _Point
) -> NDArray[np.float32]:
    """Return the light a point throws on the texels (n, 3)."""
    way = texels.points - point.place.astype(np.float32)[:, None]
    squared = (way * way).sum(0) + np.float32(1e-6)
    inverse = 1 / np.sqrt(squared)
    cosine = -(way * texels.normals).sum(0) * inverse
    strength = np.maximum(cosine, 0) / np.maximum(squared, point.nearest)
    if point.facing is not None:
        ahead = (way * point.facing.astype(np.float32)[:, None]).sum(0) * inverse
        strength *= np.maximum(ahead, 0)
    some = np.flatnonzero(strength > 1e-4)
    seen = _visible(scene, solid, point, way[:, some])
    strength[some] *= seen
    return strength[:, None] * point.color.astype(np.float32)


def _visible(
    scene: Scene, solid: Bodies, point: _Point, way: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Return which ends of ways (3, n) from a point of light nothing stands before."""
    axis = np.abs(way).argmax(0)
    positive = np.take_along_axis(way, axis[None], 0)[0] > 0
    seen = np.zeros(way.shape[1], bool)
    (rays,) = grid(_VIEW)
    half = np.float32(_SIDE / 2)
    for number in range(6):
        forward, sign = number // 2, (-1.0, 1.0)[number % 2]
        here = np.flatnonzero((axis == forward) & (positive == (sign > 0)))
        if not here.size:
            continue
        pose = np.eye(4)
        pose[:3, 2] = 0
        pose[forward, 2] = sign
        pose[:3, 0] = np.eye(3)[(forward + 1) % 3]
        pose[:3, 1] = np.cross(pose[:3, 2], pose[:3, 0])
        pose[:3, 3] = point.place
        met = meet(scene.room, solid, pose, rays)
        # the room is convex: none of its walls stands before another
        depth = np.where(met.face < FACES, np.inf, met.depth)
        x, y, z = pose[:3, :3].T.astype(np.float32) @ way[:, here]
        column = np.clip((x / z * half + half).astype(int), 0, _SIDE - 1)
        row = np.clip((y / z * half + half).astype(int), 0, _SIDE - 1)
        seen[here] = z < depth[row, column] * np.float32(_SLACK) + np.float32(_GAP)
    return seen


def _sunlight(
    scene: Scene, solid: Sequence[Shape], texels: _Texels, sun: Sun
) -> NDArray[np.float32]:
    """Return the light of the sun on the texels (n, 3)."""
    toward = np.array(sun.toward, np.float32)
    cosine = toward @ texels.normals
    light = np.zeros((len(cosine), 3), np.float32)
    some = np.flatnonzero(cosine > 0)
    start = (texels.points + np.float32(0.01) * texels.normals)[:, some]
    rays = np.broadcast_to(toward[:, None], start.shape)
    free = np.flatnonzero(np.isinf(scene.room.intersect(start, rays)[0]))
    for shape in solid:
        if not free.size:
            break
        free = free[np.isinf(shape.intersect(start[:, free], rays[:, free])[0])]
    light[some[free]] = cosine[some[free], None] * np.array(sun.color, np.float32)
    return light
