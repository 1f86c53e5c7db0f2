"""
Images and exact depth of a scene.

A scene with panels is seen in the light that was worked out for it beforehand (see
:mod:`depth_node.world.lighting`); any other in the light of its lamps, which throw no shadows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.world.lightmap import Lightmap
from depth_node.world.path import Pose
from depth_node.world.patterns import NAMES
from depth_node.world.rays import Bodies, FACES, Grid, grid, meet, Plane, trace
from depth_node.world.scene import Scene
from depth_node.world.solids import Box
from depth_node.world.textures import atlas

_HORIZON = np.array([235, 240, 245], np.float32)
_ZENITH = np.array([105, 160, 235], np.float32)
_GROUND = np.array([0.35, 0.4, 0.28], np.float32)  # what is seen through a window, looking down
_MIRROR, _SMALL = 0.5, 0.35  # gloss of a mirror; what else reflects shows larger things alone (m)
_ROW = 16384  # glossy pixels at a time
_OFF = 1e-3  # where a reflected ray begins above its surface (m)


@dataclass(frozen=True)
class Tables:
    """
    What the faces of a scene look like; face 0 to 5 are the room's, then six for each solid.

    :param pattern: (faces,) index into NAMES.
    :param first: float32 (3, faces), rgb where the pattern's mix is 0.
    :param change: float32 (3, faces), what is added where it is 1.
    :param chart: float32 (2, 4, faces), see :meth:`Box.chart`.
    :param normal: float32 (3, faces), outward.
    :param bodies: what stands in the room, at time 0.
    :param scale: float32 (faces,), how many times its own size a pattern is; None: 1.
    :param gloss: float32 (faces,), see :class:`Material`; None: there is none.
    :param lightmap: the light on every face; None: there are only lamps.
    :param bend: float32 (3, faces), what is added where the mix is a half, falling to 0 where it
        is 0 or 1; None: nothing.
    :param used: the patterns that occur.
    """

    pattern: NDArray[np.intp]
    first: Plane
    change: Plane
    chart: Plane
    normal: Plane
    bodies: Bodies
    scale: Plane | None = None
    gloss: Plane | None = None
    lightmap: Lightmap | None = None
    bend: Plane | None = None
    used: frozenset[int] = frozenset()

    def at(self, scene: Scene, time: float) -> Tables:
        """Return the tables with the moving things where they are at a time (s)."""
        moving = [(i, s.motion.at(time)) for i, s in enumerate(scene.solids) if s.motion]
        if not moving:
            return self
        chart = self.chart.copy()
        for index, (x, y) in moving:
            faces = slice(FACES * (index + 1), FACES * (index + 2))
            chart[:, 3, faces] -= x * chart[:, 0, faces] + y * chart[:, 1, faces]
        return replace(self, chart=chart)


def tabulate(scene: Scene) -> Tables:
    """
    Compute the tables of a scene, once.

    :param scene: the scene.
    :returns: its tables.
    """
    shapes = [scene.room, *(solid.shape for solid in scene.solids)]
    materials = [*scene.walls]
    for solid in scene.solids:
        materials += [solid.material] * FACES
    first = np.array([material.first for material in materials], np.float32).T
    second = np.array([material.second for material in materials], np.float32).T
    half = (first + second) / 2
    middle = np.array([m.middle or h for m, h in zip(materials, half.T, strict=True)], np.float32)
    bend = middle.T - half
    scale = np.array([material.scale for material in materials], np.float32)
    gloss = np.array([material.gloss for material in materials], np.float32)
    pattern = np.array([NAMES.index(material.pattern) for material in materials])
    return Tables(
        pattern,
        np.ascontiguousarray(first),
        np.ascontiguousarray(second - first),
        np.concatenate([s.chart() for s in shapes]).transpose(1, 2, 0).astype(np.float32),
        np.concatenate([s.normals() for s in shapes], 1).astype(np.float32),
        Bodies([solid.shape for solid in scene.solids]),
        None if (scale == 1).all() else scale,
        gloss if gloss.any() else None,
        bend=np.ascontiguousarray(bend) if bend.any() else None,
        used=frozenset(pattern.tolist()),
    )


def render(
    scene: Scene, tables: Tables, camera: Camera, pose: Pose, *, time: float
) -> tuple[Plane, Plane]:
    """
    Render one view.

    :param scene: what there is to see.
    :param tables: of the scene.
    :param camera: any intrinsics and distortion.
    :param pose: (4, 4), from the optical frame to the world; inside the room.
    :param time: time, for moving objects (s).
    :returns: float32 (H, W, 3) light, about 0 to 255 in the light of lamps, linear and about 0
        to 1 in that of panels, and float32 (H, W) z-depth (m), +Inf for sky and NaN where the
        camera has no ray.
    """
    bodies = tables.bodies
    if any(solid.motion for solid in scene.solids):
        bodies = Bodies([solid.at(time) for solid in scene.solids])
    now = tables.at(scene, time)
    views = [_look(scene, now, bodies, pose, band) for band in grid(camera)]
    return np.concatenate([v[0] for v in views]), np.concatenate([v[1] for v in views])


def _look(
    scene: Scene, tables: Tables, bodies: Bodies, pose: Pose, rays: Grid
) -> tuple[Plane, Plane]:
    """Render some rows; see :func:`render`."""
    met = meet(scene.room, bodies, pose, rays)
    depth, face = met.depth, met.face
    spot = np.where(np.isinf(depth), np.float32(0), depth) * met.directions
    spot += pose[:3, 3].astype(np.float32)[:, None, None]
    u, v = (
        c[0][face] * spot[0] + c[1][face] * spot[1] + c[2][face] * spot[2] + c[3][face]
        for c in tables.chart
    )
    normal = tables.normal.take(face, axis=1)  # ten times as fast as indexing
    for body, side, window in met.rounded:
        here = face[window] == side
        if here.any() and not isinstance(body, Box):
            points = spot[:, window[0], window[1]][:, here]
            u[window][here], v[window][here], normal[:, window[0], window[1]][:, here] = (
                body.around(points)
            )
    view = _View(depth, face, u, v, normal, spot, met.directions, depth * rays.pitch)
    picture = _shade(scene, tables, view)
    if tables.gloss is not None:
        _reflect(scene, tables, bodies, view, picture)
    depth[~rays.valid] = np.nan
    picture[~rays.valid] = 0
    return picture, depth


@dataclass(frozen=True)
class _View:
    """What every pixel sees."""

    depth: Plane
    face: NDArray[np.intp]
    u: Plane
    v: Plane
    normal: Plane
    spot: Plane
    directions: Plane
    pixel: Plane  # its width on a surface that faces it (m)


def _reflect(
    scene: Scene, tables: Tables, bodies: Bodies, view: _View, picture: Plane
) -> None:
    """
    Blend in what glossy faces reflect, once; what they reflect has no gloss.

    The share is Schlick's ("An inexpensive BRDF model for physically-based rendering", 1994).
    """
    assert tables.gloss is not None
    gloss = tables.gloss[view.face]
    where = np.nonzero((gloss > 0) & np.isfinite(view.depth))
    for first in range(0, len(where[0]), _ROW):
        shiny = where[0][first:first + _ROW], where[1][first:first + _ROW]
        share, color = _reflected(scene, tables, bodies, view, shiny)
        picture[shiny] = (1 - share) * picture[shiny] + share * color


def _reflected(
    scene: Scene, tables: Tables, bodies: Bodies, view: _View,
    shiny: tuple[NDArray[np.intp], NDArray[np.intp]],
) -> tuple[Plane, Plane]:
    """Return which share of the light is reflected (n, 1), and its color (n, 3)."""
    assert tables.gloss is not None
    gloss = tables.gloss[view.face[shiny]]
    normal, ahead = (p[:, shiny[0], shiny[1]] for p in (view.normal, view.directions))
    facing = (normal * ahead).sum(0)
    away = ahead - 2 * facing * normal
    start = view.spot[:, shiny[0], shiny[1]] + np.float32(_OFF) * normal
    # small things cannot be made out in what is only polished
    chosen = bodies.larger(0 if gloss.max() > _MIRROR else _SMALL)
    depth, face = trace(scene.room, bodies, chosen, start, away)
    spot = np.where(np.isinf(depth), np.float32(0), depth) * away + start
    u, v = (
        c[0][face] * spot[0] + c[1][face] * spot[1] + c[2][face] * spot[2] + c[3][face]
        for c in tables.chart
    )
    seen = tables.normal.take(face, axis=1)
    for index in chosen:
        body = bodies.shapes[index]
        if isinstance(body, Box):
            continue
        here = face == FACES * (index + 1)
        if here.any():
            u[here], v[here], seen[:, here] = body.around(spot[:, here])
    pixel = view.pixel[shiny] / view.depth[shiny] * (view.depth[shiny] + depth)
    mirrored = _View(  # one row
        depth[None], face[None], u[None], v[None], seen[:, None], spot[:, None], away[:, None],
        pixel[None],
    )
    color = _shade(scene, tables, mirrored)[0]
    length = np.sqrt((ahead * ahead).sum(0))
    slant = 1 - np.clip(-facing / length, 0, 1)
    return (gloss + (1 - gloss) * slant**5)[:, None], color


def _shade(scene: Scene, tables: Tables, view: _View) -> Plane:
    sky, directions = np.isinf(view.depth), view.directions
    squared = directions[0] ** 2
    squared += directions[1] ** 2
    squared += directions[2] ** 2
    facing = view.normal[0] * directions[0]
    facing += view.normal[1] * directions[1]
    facing += view.normal[2] * directions[2]
    # between the pixel's shorter and its longer side on a surface seen at a slant
    slant = np.sqrt(np.sqrt(squared / (facing * facing + np.float32(1e-12))))
    footprint = np.where(sky, 0, view.pixel) * slant * np.sqrt(slant)
    u: NDArray[Any] = view.u
    v: NDArray[Any] = view.v
    if tables.scale is not None:
        shrunk = 1 / tables.scale[view.face]
        u, v, footprint = u * shrunk, v * shrunk, np.asarray(footprint * shrunk, np.float32)
    looks = atlas(tables.used).lookup(tables.pattern[view.face], u, v, footprint)
    mix, shade = cv2.split(looks)
    mix *= np.float32(1 / 255)
    lights: Sequence[NDArray[Any]]
    if tables.lightmap is None:
        lights = _light(scene, view.normal, view.spot)
    else:
        shade *= np.float32(1 / 255)
        lights = tables.lightmap.lookup(view.face, view.u, view.v)
    channels = []
    bends = (None,) * 3 if tables.bend is None else tables.bend
    among = 1 - np.abs(2 * mix - 1)
    for light, first, change, bend in zip(
        lights, tables.first, tables.change, bends, strict=True
    ):
        channel = change[view.face]
        channel *= mix
        if bend is not None:
            channel += among * bend[view.face]
        channel += first[view.face]
        channel *= shade
        channel *= light
        channels.append(channel)
    color: Plane = cv2.merge(channels)
    if sky.any():
        height = (directions[2][sky] / np.sqrt(squared[sky]))[:, None]
        color[sky] = _sky(height) if tables.lightmap is None else _outside(scene, height)
    return color


def _sky(height: Plane) -> Plane:
    return _HORIZON - np.clip(height, 0, 1) * (_HORIZON - _ZENITH)


def _outside(scene: Scene, height: Plane) -> Plane:
    """Return what is seen through a window: the sky, and below it the ground, both bright."""
    sky = np.array(scene.sky, np.float32)
    up = sky * (1 - np.float32(0.4) * np.clip(height, 0, 1))
    share = np.clip(0.5 + height / np.float32(0.1), 0, 1)
    blended: Plane = share * up + (1 - share) * sky * _GROUND
    return blended


def _light(scene: Scene, normal: Plane, spot: Plane) -> list[Plane]:
    """Return the red, green and blue light that falls on each point (Lambert's cosine)."""
    # surfaces differ a little even where no lamp reaches
    fill = 1 + np.float32(0.12) * normal[0] + np.float32(0.06) * normal[1]
    fill += np.float32(0.1) * normal[2]
    light = [fill * np.float32(channel) for channel in scene.ambient]
    for lamp in scene.lamps:
        x, y, z = (np.float32(p) - s for p, s in zip(lamp.position, spot, strict=True))
        squared = x * x
        squared += y * y
        squared += z * z
        cosine = normal[0] * x
        cosine += normal[1] * y
        cosine += normal[2] * z
        cosine /= np.sqrt(squared + np.float32(1e-6))
        strength = np.maximum(np.float32(0.35) + np.float32(0.65) * cosine, 0)
        strength /= 1 + np.float32(0.35) * squared
        for plane, channel in zip(light, lamp.color, strict=True):
            np.add(plane, strength * np.float32(channel), out=plane)
    return light
