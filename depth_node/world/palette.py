"""Materials of lived-in rooms. Colors are drawn as a screen shows them and kept as reflectance."""

from __future__ import annotations

import colorsys
from dataclasses import replace

import numpy as np

from depth_node.world.scene import Color, Material

_ODD = 0.12  # share of the surfaces that may look like anything
_ANYTHING = (
    'plain', 'wood', 'wool', 'fabric', 'marble', 'terrazzo', 'linen', 'photo', 'carpet', 'plaid',
    'stripes', 'checker', 'floor_tiles', 'paint', 'boards',
)
_SHINY, _SHINY_FLOORS = 0.06, 0.2  # shares of the smooth materials that are glossy
_GLOSS = (0.03, 0.15)  # share of the light reflected straight on
_ROUGH = frozenset((
    'wool', 'fabric', 'folds', 'linen', 'carpet', 'plaid', 'leaf', 'text', 'plaster', 'bricks',
    'blocks', 'carton', 'slats', 'ribs',
))


def tone(hue: float, saturation: float, value: float) -> Color:
    """
    Return a color as reflectance.

    :param hue: 0 to 1.
    :param saturation: 0 to 1.
    :param value: as a screen shows it, 0 to 1.
    :returns: linear rgb, 0 to 1.
    """
    saturation, value = float(np.clip(saturation, 0, 1)), float(np.clip(value, 0.02, 0.97))
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return red**2.2, green**2.2, blue**2.2


def pair(
    rng: np.random.Generator, pattern: str, color: tuple[float, float, float],
    spread: float = 0.08, scale: tuple[float, float] = (0.6, 1.6),
) -> Material:
    """
    Draw a material of two neighboring colors.

    :param rng: random generator.
    :param pattern: its name.
    :param color: hue, saturation and value, 0 to 1.
    :param spread: how far the colors differ in value.
    :param scale: least and greatest size of the pattern, times its own.
    :returns: the material; now and then any other one.
    """
    hue, saturation, value = color
    if rng.random() < _ODD:
        pattern = str(rng.choice(_ANYTHING))
        hue, saturation, value = rng.random(), rng.random() ** 1.5, rng.uniform(0.1, 0.95)
        spread = rng.uniform(0.02, 0.5)
    hue += rng.normal(0, 0.015)
    darker = tone(hue, saturation * 1.1, value - spread / 2)
    lighter = tone(hue + rng.normal(0, 0.01), saturation * 0.9, value + spread / 2)
    low, high = np.log(scale[0]), np.log(scale[1])
    return Material(pattern, darker, lighter, float(np.exp(rng.uniform(low, high))))


class Polish:
    """
    Makes some materials glossy: of one scene, the same material always alike.

    :param rng: random generator.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._known: dict[Material, Material] = {}

    def __call__(self, material: Material, *, floor: bool = False) -> Material:
        """
        Polish a material or leave it as it is.

        :param material: of something.
        :param floor: floors are glossy more often than other things.
        :returns: the same, perhaps with a gloss.
        """
        if material not in self._known:
            shiny = self._rng.random() < (_SHINY_FLOORS if floor else _SHINY)
            gloss = float(self._rng.uniform(*_GLOSS))
            smooth = material.pattern not in _ROUGH and not material.gloss and not material.glow
            known = replace(material, gloss=gloss) if shiny and smooth else material
            self._known[material] = known
        return self._known[material]


def wall(rng: np.random.Generator) -> Material:
    """Draw a wall: mostly white or pale paint, now and then something stronger."""
    kind = rng.random()
    pattern = str(rng.choice(['plain', 'plain', 'plain', 'plain', 'plaster', 'paint']))
    if kind < 0.55:
        return pair(rng, pattern, (rng.uniform(0.05, 0.2), rng.uniform(0, 0.1),
                    rng.uniform(0.78, 0.96)), 0.03)
    if kind < 0.85:
        return pair(rng, pattern, (rng.random(), rng.uniform(0.02, 0.4),
                    rng.uniform(0.3, 0.9)), 0.04)
    kind_of = str(rng.choice(['bricks', 'blocks', 'boards', 'linen', 'stripes', 'concrete',
                              'floor_tiles', 'wood', 'panels']))
    return pair(rng, kind_of, (rng.uniform(0, 0.15), rng.uniform(0, 0.5),
                rng.uniform(0.35, 0.9)), rng.uniform(0.05, 0.3))


def floor(rng: np.random.Generator) -> Material:
    """Draw a floor: wood, carpet, tiles, lino, concrete."""
    kind = rng.random()
    if kind < 0.4:
        pattern = str(rng.choice(['parquet', 'planks', 'wood']))
        return pair(rng, pattern, (rng.uniform(0.05, 0.11), rng.uniform(0.2, 0.65),
                    rng.uniform(0.25, 0.8)), rng.uniform(0.05, 0.2))
    if kind < 0.7:
        pattern = str(rng.choice(['wool', 'wool', 'plain', 'fabric']))
        return pair(rng, pattern, (rng.random(), rng.random() ** 2 * 0.8,
                    rng.uniform(0.1, 0.7)), rng.uniform(0.02, 0.15))
    pattern = str(rng.choice(['floor_tiles', 'marble', 'terrazzo', 'concrete', 'plain', 'tiles',
                              'checker']))
    return pair(rng, pattern, (rng.uniform(0, 0.2), rng.uniform(0, 0.25),
                rng.uniform(0.2, 0.9)), rng.uniform(0.03, 0.2))


def ceiling(rng: np.random.Generator) -> Material:
    """Draw a ceiling: white paint or panels."""
    pattern = str(rng.choice(['plain', 'plain', 'panels', 'plaster']))
    return pair(rng, pattern, (rng.random(), rng.uniform(0, 0.05), rng.uniform(0.75, 0.95)), 0.04,
                (0.8, 1.2))


def wood(rng: np.random.Generator) -> Material:
    """Draw what furniture is made of: wood mostly, white or gray board else."""
    kind = rng.random()
    if kind < 0.55:
        return pair(rng, 'wood', (rng.uniform(0.04, 0.1), rng.uniform(0.25, 0.7),
                    rng.uniform(0.2, 0.85)), rng.uniform(0.04, 0.15), (0.7, 2.0))
    low, high = ((0.05, 0.3), (0.5, 0.8), (0.8, 0.97))[int(rng.integers(3))]
    return pair(rng, 'plain', (rng.random(), rng.uniform(0, 0.1), rng.uniform(low, high)), 0.03)


def cloth(rng: np.random.Generator) -> Material:
    """Draw what is soft: sofas, cushions, clothes, curtains."""
    pattern = str(rng.choice(['fabric', 'fabric', 'wool', 'plain', 'linen', 'plaid', 'stripes']))
    return pair(rng, pattern, (rng.random(), rng.random() ** 1.3 * 0.8, rng.uniform(0.08, 0.9)),
                rng.uniform(0.02, 0.2), (0.4, 1.5))


def metal(rng: np.random.Generator) -> Material:
    """Draw thin legs, poles and frames: black, gray, white or chrome."""
    return pair(rng, 'plain', (0.6, rng.uniform(0, 0.1),
                float(rng.choice([0.08, 0.12, 0.35, 0.6, 0.75, 0.92]))), 0.05)


def plastic(rng: np.random.Generator) -> Material:
    """Draw small things: any color, often a strong one."""
    return pair(rng, 'plain', (rng.random(), rng.random(), rng.uniform(0.08, 0.97)), 0.03)


def black(rng: np.random.Generator) -> Material:
    """Draw the dark plastic of monitors and keyboards; white at times."""
    value = rng.uniform(0.05, 0.18) if rng.random() < 0.75 else rng.uniform(0.6, 0.92)
    return pair(rng, 'plain', (0.6, 0.05, value), 0.02)


def plant(rng: np.random.Generator) -> Material:
    """Draw leaves."""
    return pair(rng, 'leaf', (rng.uniform(0.22, 0.38), rng.uniform(0.35, 0.85),
                rng.uniform(0.2, 0.6)), 0.15, (0.7, 2.5))


def skin(rng: np.random.Generator) -> Material:
    """Draw skin of any shade."""
    value = rng.uniform(0.3, 0.95)
    return Material('plain', tone(0.06, 0.5, value - 0.04), tone(0.06, 0.4, value))


def print_(rng: np.random.Generator, *patterns: str) -> Material:
    """
    Draw something printed: two colors of any kind.

    :param rng: random generator.
    :param patterns: to choose from.
    :returns: the material.
    """
    first = tone(rng.random(), rng.random(), rng.uniform(0.05, 0.6))
    second = tone(rng.random(), rng.random() ** 2, rng.uniform(0.5, 0.97))
    return Material(str(rng.choice(patterns)), first, second, float(rng.uniform(0.6, 1.8)))


def paper(rng: np.random.Generator) -> Material:
    """Draw a page."""
    return Material('text', tone(0.6, 0.1, rng.uniform(0.05, 0.4)),
                    tone(rng.random(), rng.choice([0.0, 0.05, 0.4]), rng.uniform(0.85, 0.97)),
                    float(rng.uniform(0.7, 1.6)))


def cardboard(rng: np.random.Generator) -> Material:
    """Draw a carton."""
    return pair(rng, str(rng.choice(['carton', 'plain', 'plain'])), (0.085,
                rng.uniform(0.25, 0.5), rng.uniform(0.45, 0.75)), 0.1)
