"""Materials of lived-in rooms. Colors are drawn as a screen shows them and kept as reflectance."""

from __future__ import annotations

import colorsys
from dataclasses import replace

import numpy as np

from depth_node.world.patterns import NAMES
from depth_node.world.scene import Color, Material

_ODD = 0.08  # share of the surfaces that may look like anything
_WILD = 0.12  # share of the worlds in which everything may look like anything
_SHINY, _SHINY_DARK, _SHINY_FLOORS = 0.08, 0.3, 0.2  # shares of the smooth that are glossy
_DARK = 0.06  # mean reflectance of what counts as dark
_GLOSS = (0.03, 0.15)  # share of the light reflected straight on
_ROUGH = frozenset((
    'wool', 'fabric', 'folds', 'linen', 'carpet', 'plaid', 'leaf', 'text', 'plaster', 'bricks',
    'blocks', 'carton', 'slats', 'ribs', 'loops', 'pile', 'speckled', 'carpet_tiles', 'yarn',
    'oriental', 'woodchip', 'trowelled', 'peeling', 'masonry', 'perforated', 'knit', 'twill',
    'tweed', 'creased', 'flowers', 'page', 'parcel', 'papers', 'smudged', 'screed', 'slate',
))
_KIN: dict[str, tuple[str, ...]] = {
    'plain': ('plain', 'matte', 'matte', 'matte', 'worn', 'rolled', 'smudged', 'laminate'),
    'paint': ('paint', 'worn', 'rolled', 'woodchip', 'smudged'),
    'plaster': ('plaster', 'trowelled', 'woodchip', 'rolled', 'peeling'),
    'panels': ('panels', 'perforated', 'perforated'),
    'bricks': ('bricks', 'masonry'),
    'wood': ('wood', 'veneer', 'upright', 'upright', 'knotty'),
    'photo': ('photo', 'landscape', 'landscape', 'portrait', 'collage', 'still', 'still'),
    'poster': ('poster', 'notice', 'notice', 'landscape', 'papers', 'collage'),
    'text': ('text', 'page', 'page', 'notice', 'label'),
    'screen': ('screen', 'desktop', 'desktop', 'terminal', 'photo_screen', 'still'),
    'keys': ('keys', 'keyboard', 'keyboard', 'keyboard'),
    'books': ('books', 'spines', 'spines', 'spines'),
    'carton': ('carton', 'parcel', 'parcel', 'label'),
    'wool': ('wool', 'pile', 'tweed', 'speckled'),
    'fabric': ('fabric', 'tweed', 'twill', 'knit', 'creased', 'leather'),
    'linen': ('linen', 'flowers', 'flowers', 'damask'),
}
"""What may stand for a pattern: of the same kind, and as likely as it is written here often."""
_TRUE = frozenset(('keys', 'keyboard', 'text', 'page', 'books', 'spines'))  # never far from size
_COLORFUL = frozenset((
    'photo', 'landscape', 'portrait', 'collage', 'still', 'poster', 'notice', 'papers', 'books',
    'spines', 'screen', 'desktop', 'terminal', 'photo_screen', 'oriental', 'yarn', 'flowers',
    'mosaic', 'label', 'stickers', 'taped', 'speckled', 'parcel',
))
"""Patterns that show a third color."""


def kin(rng: np.random.Generator, pattern: str) -> str:
    """
    Choose a pattern of the same kind.

    :param rng: random generator.
    :param pattern: its name.
    :returns: the name of one that may stand for it; perhaps the same.
    """
    return str(rng.choice(_KIN[pattern])) if pattern in _KIN else pattern


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
    pattern = kin(rng, pattern)
    if rng.random() < _ODD:
        pattern = str(rng.choice(NAMES))
        hue, saturation, value = rng.random(), rng.random() ** 1.5, rng.uniform(0.1, 0.95)
        spread = rng.uniform(0.02, 0.5)
    hue += rng.normal(0, 0.015)
    darker = tone(hue, saturation * 1.1, value - spread / 2)
    lighter = tone(hue + rng.normal(0, 0.01), saturation * 0.9, value + spread / 2)
    low, high = np.log(scale[0]), np.log(scale[1])
    size = float(np.exp(rng.uniform(low, high)))
    middle = None
    if pattern in _COLORFUL and rng.random() < 0.6:
        middle = tone(rng.random(), rng.random() * 0.8, value + rng.normal(0, 0.2))
    return Material(pattern, darker, lighter, size, middle=middle)


def common_hue(rng: np.random.Generator) -> float:
    """Draw a hue as rooms have them: mostly warm ones, blue and green, now and then any."""
    kind = rng.random()
    if kind < 0.8:
        middle, spread = ((0.09, 0.03), (0.59, 0.05), (0.34, 0.07), (0.0, 0.02))[
            int(rng.choice(4, p=[0.5, 0.27, 0.13, 0.1]))
        ]
        return float(rng.normal(middle, spread)) % 1
    return float(rng.random())


class Wild:
    """
    In a few scenes, gives everything any pattern and color, so that only shapes are left to see.

    :param rng: random generator.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._here = rng.random() < _WILD
        self._known: dict[Material, Material] = {}

    def __call__(self, material: Material) -> Material:
        """
        Replace a material, or leave it as it is.

        :param material: of something; lamps and mirrors stay what they are.
        :returns: any other, the same one for the same material.
        """
        if not self._here or material.glow or material.gloss:
            return material
        if material not in self._known:
            rng = self._rng
            first, second, middle = (
                tone(rng.random(), rng.random(), rng.uniform(0.03, 0.97)) for _ in range(3)
            )
            self._known[material] = material if rng.random() < 0.15 else Material(
                str(rng.choice(NAMES)), first, second, float(np.exp(rng.uniform(-1, 1))),
                middle=middle,
            )
        return self._known[material]


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
            dark = max(np.mean(material.first), np.mean(material.second)) < _DARK
            share = _SHINY_DARK if dark else _SHINY
            shiny = self._rng.random() < (_SHINY_FLOORS if floor else share)
            gloss = float(self._rng.uniform(*_GLOSS))
            smooth = material.pattern not in _ROUGH and not material.gloss and not material.glow
            known = replace(material, gloss=gloss) if shiny and smooth else material
            self._known[material] = known
        return self._known[material]


def wall(rng: np.random.Generator) -> Material:
    """Draw a wall: mostly white or pale paint, now and then something stronger."""
    kind = rng.random()
    pattern = str(rng.choice(['plain', 'rolled', 'worn', 'worn', 'plaster', 'paint']))
    if kind < 0.6:
        return pair(rng, pattern, (rng.uniform(0.05, 0.2), rng.uniform(0, 0.15),
                    rng.uniform(0.7, 0.96)), rng.uniform(0.02, 0.06))
    if kind < 0.8:
        return pair(rng, pattern, (common_hue(rng), 0.02 + 0.4 * rng.random() ** 2,
                    rng.uniform(0.25, 0.9)), rng.uniform(0.02, 0.08))
    if kind < 0.88:
        return pair(rng, str(rng.choice(['damask', 'pinstripes', 'linen', 'stripes', 'woodchip'])),
                    (common_hue(rng), rng.uniform(0, 0.4), rng.uniform(0.3, 0.9)),
                    rng.uniform(0.05, 0.25), (0.7, 1.3))
    kind_of = str(rng.choice([
        'bricks', 'bricks', 'blocks', 'boards', 'concrete', 'screed', 'floor_tiles', 'metro',
        'small_tiles', 'wood', 'panels', 'peeling', 'papers', 'stickers', 'smudged',
    ]))
    return pair(rng, kind_of, (rng.uniform(0, 0.15), rng.uniform(0, 0.5),
                rng.uniform(0.3, 0.9)), rng.uniform(0.05, 0.3), (0.8, 1.25))


def floor(rng: np.random.Generator) -> Material:
    """Draw a floor: wood, carpet (often a dark one), tiles, lino, stone, concrete."""
    kind = rng.random()
    if kind < 0.35:
        pattern = str(rng.choice([
            'oak', 'oak', 'pine', 'strips', 'chevron', 'basket', 'parquet', 'planks', 'wood',
        ]))
        return pair(rng, pattern, (rng.uniform(0.05, 0.11), rng.uniform(0.1, 0.65),
                    rng.uniform(0.18, 0.8)), rng.uniform(0.06, 0.25), (0.8, 1.25))
    if kind < 0.7:
        pattern = str(rng.choice([
            'loops', 'loops', 'pile', 'speckled', 'carpet_tiles', 'carpet_tiles', 'yarn', 'wool',
            'tweed', 'oriental',
        ]))
        hue = rng.normal(0.6, 0.04) if rng.random() < 0.3 else common_hue(rng)
        value = rng.uniform(0.1, 0.4) if rng.random() < 0.6 else rng.uniform(0.3, 0.75)
        return pair(rng, pattern, (hue, rng.random() ** 1.7 * 0.8, value),
                    rng.uniform(0.03, 0.2), (0.8, 1.4))
    pattern = str(rng.choice([
        'floor_tiles', 'large_tiles', 'large_tiles', 'small_tiles', 'marble', 'terrazzo', 'lino',
        'lino', 'screed', 'concrete', 'plain', 'tiles', 'checker', 'slate', 'inlaid', 'inlaid',
        'taped', 'taped', 'smudged', 'stickers',
    ]))
    return pair(rng, pattern, (rng.uniform(0, 0.2), rng.uniform(0, 0.25),
                rng.uniform(0.15, 0.9)), rng.uniform(0.05, 0.3), (0.8, 1.25))


def ceiling(rng: np.random.Generator) -> Material:
    """Draw a ceiling: white paint or panels."""
    pattern = str(rng.choice(['plain', 'plain', 'panels', 'plaster']))
    return pair(rng, pattern, (rng.random(), rng.uniform(0, 0.05), rng.uniform(0.75, 0.95)), 0.04,
                (0.8, 1.2))


def wood(rng: np.random.Generator) -> Material:
    """Draw what furniture is made of: wood mostly, white, gray or black board else."""
    kind = rng.random()
    if kind < 0.55:
        pattern = str(rng.choice(['wood', 'wood', 'wood', 'wood', 'chipboard']))
        return pair(rng, pattern, (rng.uniform(0.04, 0.1), rng.uniform(0.2, 0.7),
                    rng.uniform(0.15, 0.85)), rng.uniform(0.06, 0.25), (0.7, 1.6))
    if kind < 0.62:
        return pair(rng, str(rng.choice(['granite', 'marble', 'slate', 'laminate', 'lino'])),
                    (rng.uniform(0, 0.15), rng.uniform(0, 0.25), rng.uniform(0.15, 0.85)),
                    rng.uniform(0.08, 0.35), (0.7, 1.3))
    low, high = ((0.05, 0.3), (0.5, 0.8), (0.8, 0.97))[int(rng.integers(3))]
    return pair(rng, 'plain', (rng.random(), rng.uniform(0, 0.1), rng.uniform(low, high)), 0.03)


def cloth(rng: np.random.Generator) -> Material:
    """Draw what is soft: sofas, cushions, clothes, curtains, rugs."""
    pattern = str(rng.choice([
        'fabric', 'fabric', 'fabric', 'wool', 'plain', 'linen', 'plaid', 'stripes', 'oriental',
    ]))
    return pair(rng, pattern, (common_hue(rng), rng.random() ** 2 * 0.8, rng.uniform(0.06, 0.9)),
                rng.uniform(0.03, 0.25), (0.5, 1.5))


def metal(rng: np.random.Generator) -> Material:
    """Draw thin legs, poles and frames: black, gray, white or chrome."""
    pattern = str(rng.choice(['plain', 'brushed']))
    return pair(rng, pattern, (0.6, rng.uniform(0, 0.1),
                float(rng.choice([0.08, 0.12, 0.35, 0.6, 0.75, 0.92]))), 0.05)


def plastic(rng: np.random.Generator) -> Material:
    """Draw small things: any color, often a strong one."""
    return pair(rng, 'plain', (rng.random(), rng.random() ** 1.5, rng.uniform(0.06, 0.97)), 0.03)


def black(rng: np.random.Generator) -> Material:
    """Draw the dark plastic of monitors and keyboards; white at times."""
    value = rng.uniform(0.05, 0.2) if rng.random() < 0.8 else rng.uniform(0.5, 0.92)
    pattern = str(rng.choice(['plain', 'plain', 'plain', 'vents']))
    return pair(rng, pattern, (0.6, 0.05, value), 0.03)


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
    Draw something printed: two or three colors of any kind.

    :param rng: random generator.
    :param patterns: to choose from.
    :returns: the material.
    """
    pattern = kin(rng, str(rng.choice(patterns)))
    first = tone(rng.random(), rng.random() ** 1.5, rng.uniform(0.03, 0.5))
    second = tone(rng.random(), rng.random() ** 2, rng.uniform(0.5, 0.97))
    middle = None
    if pattern in _COLORFUL and rng.random() < 0.85:
        middle = tone(rng.random(), rng.random() ** 1.5, rng.uniform(0.15, 0.9))
    low, high = (0.9, 1.1) if pattern in _TRUE else (0.5, 1.8)
    return Material(pattern, first, second, float(rng.uniform(low, high)), middle=middle)


def paper(rng: np.random.Generator) -> Material:
    """Draw a page."""
    return Material(kin(rng, 'text'), tone(0.6, 0.1, rng.uniform(0.05, 0.4)),
                    tone(rng.random(), rng.choice([0.0, 0.05, 0.4]), rng.uniform(0.85, 0.97)),
                    float(rng.uniform(0.7, 1.6)))


def cardboard(rng: np.random.Generator) -> Material:
    """Draw a carton."""
    return pair(rng, str(rng.choice(['carton', 'carton', 'plain'])), (0.085,
                rng.uniform(0.25, 0.5), rng.uniform(0.4, 0.75)), 0.3)
