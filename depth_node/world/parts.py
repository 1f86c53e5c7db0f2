"""How things are put together: parts in a frame of their own, moved to their place."""

from __future__ import annotations

from dataclasses import dataclass, replace
import math

import numpy as np

from depth_node.world.scene import Material, Solid
from depth_node.world.shapes import Ellipsoid, Shape
from depth_node.world.solids import Box, Cylinder, Vector

Parts = list[tuple[Shape, Material]]
"""Shapes and their surfaces; x to the right, y to the front, z up, the floor at 0."""


@dataclass(frozen=True)
class Piece:
    """
    A piece of furniture with its back at y = 0.

    :param parts: it is made of.
    :param width: along x, its middle at 0 (m).
    :param depth: along y, from 0 (m).
    """

    parts: Parts
    width: float
    depth: float


def box(
    at: Vector, size: Vector, material: Material, yaw: float = 0.0, lean: float = 0.0
) -> tuple[Shape, Material]:
    """
    Make a box.

    :param at: middle of its lower face, if it stands upright (m).
    :param size: along x, y, z (m).
    :param material: of its surface.
    :param yaw: see :class:`Box` (rad).
    :param lean: see :class:`Box` (rad).
    :returns: the part.
    """
    return Box((at[0], at[1], at[2] + size[2] / 2), size, yaw, lean), material


def rod(
    at: Vector, radius: float, height: float, material: Material
) -> tuple[Shape, Material]:
    """
    Make an upright cylinder.

    :param at: middle of its lower end (m).
    :param radius: (m).
    :param height: (m).
    :param material: of its surface.
    :returns: the part.
    """
    return Cylinder((at[0], at[1], at[2] + height / 2), radius, height), material


def ball(
    at: Vector, radii: Vector, material: Material, yaw: float = 0.0
) -> tuple[Shape, Material]:
    """
    Make an ellipsoid.

    :param at: its middle (m).
    :param radii: along x, y, z (m).
    :param material: of its surface.
    :param yaw: see :class:`Ellipsoid` (rad).
    :returns: the part.
    """
    return Ellipsoid(at, radii, yaw), material


def moved(parts: Parts, x: float, y: float, z: float = 0.0, yaw: float = 0.0) -> Parts:
    """
    Turn parts about the origin, then move them.

    :param parts: to move.
    :param x: (m).
    :param y: (m).
    :param z: (m).
    :param yaw: (rad).
    :returns: the moved parts.
    """
    c, s = math.cos(yaw), math.sin(yaw)
    placed: Parts = []
    for shape, material in parts:
        px, py, pz = shape.center
        center = (x + c * px - s * py, y + s * px + c * py, z + pz)
        if isinstance(shape, Cylinder):
            placed.append((replace(shape, center=center), material))
        else:
            placed.append((replace(shape, center=center, yaw=shape.yaw + yaw), material))
    return placed


def solids(parts: Parts, *, obstacle: bool = True) -> list[Solid]:
    """
    Make solids of parts.

    :param parts: where they stand.
    :param obstacle: False for what belongs to the walls.
    :returns: one solid a part.
    """
    return [Solid(shape, material, obstacle) for shape, material in parts]


def legs(
    rng: np.random.Generator, size: Vector, thick: float, material: Material
) -> Parts:
    """
    Make four legs, square or round.

    :param rng: random generator.
    :param size: along x, from outside to outside, along y, from 0, and their height (m).
    :param thick: (m).
    :param material: of all.
    :returns: the legs.
    """
    width, depth, height = size
    square = rng.random() < 0.6
    found: Parts = []
    for x in (-width / 2 + thick / 2, width / 2 - thick / 2):
        for y in (thick / 2, depth - thick / 2):
            if square:
                found.append(box((x, y, 0), (thick, thick, height), material))
            else:
                found.append(rod((x, y, 0), thick / 2, height, material))
    return found
