"""What the synthetic world consists of: things with surfaces, and lights."""

from __future__ import annotations

from dataclasses import dataclass
import math

from depth_node.world.room import Room
from depth_node.world.shapes import Shape
from depth_node.world.solids import Vector

Color = tuple[float, float, float]


@dataclass(frozen=True)
class Material:
    """
    A pattern and its two or three colours.

    :param pattern: a name of :data:`depth_node.world.patterns.PATTERNS`.
    :param first: rgb where the pattern's mix is 0, 0 to 1.
    :param second: rgb where it is 1.
    :param scale: how much larger than its own size the pattern is.
    :param glow: light it gives by itself, as if so much light fell on it.
    :param gloss: share of the light that it reflects as a mirror does, seen from straight ahead;
        seen at a slant it is more. 0: none.
    :param middle: rgb where the mix is a half; None: halfway between the two.
    """

    pattern: str
    first: Color
    second: Color
    scale: float = 1.0
    glow: float = 0.0
    gloss: float = 0.0
    middle: Color | None = None


@dataclass(frozen=True)
class Motion:
    """
    A way to and fro in a straight line.

    :param reach: farthest offset from the middle, along x and y (m).
    :param period: of one way to and fro (s).
    """

    reach: tuple[float, float]
    period: float

    def at(self, time: float) -> tuple[float, float]:
        """Return the offset (m) at a time (s)."""
        wave = math.sin(2 * math.pi * time / self.period)
        return self.reach[0] * wave, self.reach[1] * wave


@dataclass(frozen=True)
class Solid:
    """
    Something that stands in the room.

    :param shape: its geometry at time 0.
    :param material: its surface.
    :param obstacle: False for what belongs to the walls: doors, pictures, skirting.
    :param motion: how it moves, or None.
    """

    shape: Shape
    material: Material
    obstacle: bool = True
    motion: Motion | None = None

    def at(self, time: float) -> Shape:
        """Return the geometry at a time (s)."""
        return self.shape if self.motion is None else self.shape.moved(*self.motion.at(time))


@dataclass(frozen=True)
class Lamp:
    """
    A light without a size.

    :param position: (m).
    :param color: rgb at one metre.
    """

    position: Vector
    color: Color


@dataclass(frozen=True)
class Panel:
    """
    A light with a size: a lamp's shade, or a window.

    :param center: (m).
    :param spans: its two half sides, as vectors (m).
    :param facing: direction it shines into, of length one; zero: into all directions.
    :param color: rgb light one metre before it.
    """

    center: Vector
    spans: tuple[Vector, Vector]
    facing: Vector
    color: Color


@dataclass(frozen=True)
class Sun:
    """
    Light from very far away.

    :param toward: direction from the room to the sun, of length one.
    :param color: rgb light on a surface that faces it.
    """

    toward: Vector
    color: Color


@dataclass(frozen=True)
class Scene:
    """
    Everything a ray can meet, and the light it is seen in.

    A scene with panels is lit by them: shadows, and light from one surface to the next. Without
    them, lamps light everything that faces them.

    :param room: walls, floor and ceiling.
    :param walls: materials of the room's six faces.
    :param solids: what stands in it.
    :param lamps: lights.
    :param ambient: rgb light from everywhere.
    :param track: middle and half axes (x, y, a, b) of the ellipse kept free for the camera (m).
    :param panels: lights with a size.
    :param sun: shines through the openings, or None.
    :param sky: rgb light of the sky; used with panels.
    :param wear: deviation of the brightness of large surfaces over tens of centimetres, from
        dirt and use; used with panels.
    """

    room: Room
    walls: tuple[Material, ...]
    solids: tuple[Solid, ...]
    lamps: tuple[Lamp, ...]
    ambient: Color
    track: tuple[float, float, float, float]
    panels: tuple[Panel, ...] = ()
    sun: Sun | None = None
    sky: Color = (3.0, 3.2, 3.6)
    wear: float = 0.0
