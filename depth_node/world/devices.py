"""Devices in the sizes they have in life: laptops, keyboards, monitors, printers, telephones."""

from __future__ import annotations

from dataclasses import replace
import math

import numpy as np

from depth_node.world import palette
from depth_node.world.parts import ball, box, moved, Parts, rod
from depth_node.world.patterns import PATTERNS
from depth_node.world.scene import Color, Material
from depth_node.world.solids import Box

Thing = tuple[Parts, float, float]
"""Parts about the origin, their front towards y, and the radius and height they need (m)."""
PITCH = 0.019
"""From one key of a keyboard to the next, ISO 9241-410 (m)."""


def gray(value: float, hue: float = 0.6, saturation: float = 0.04) -> Material:
    """
    Return plain plastic or metal of one brightness.

    :param value: as a screen shows it, 0 to 1.
    :param hue: 0 to 1.
    :param saturation: 0 to 1.
    :returns: the material.
    """
    return Material('matte', palette.tone(hue, saturation, value - 0.02),
                    palette.tone(hue, saturation, value + 0.02))


def casing(rng: np.random.Generator) -> Material:
    """Draw the casing of a device: black, a gray, silver or white, a color now and then."""
    if rng.random() < 0.06:
        return palette.plastic(rng)
    low, high = ((0.05, 0.16), (0.2, 0.45), (0.55, 0.8), (0.8, 0.96))[
        int(rng.choice(4, p=[0.4, 0.2, 0.22, 0.18]))
    ]
    return gray(float(rng.uniform(low, high)), float(rng.uniform(0.05, 0.65)))


def keys(rng: np.random.Generator) -> Material:
    """Draw keys, dark with light marks or the other way round, always of the same size."""
    dark = float(rng.uniform(0.04, 0.2))
    light = float(rng.uniform(0.6, 0.95))
    mark = float(rng.uniform(0.25, 0.75))  # thinner than the pattern has it
    first = dark if rng.random() < 0.75 else light
    second = (1 - mark) * first + mark * (dark + light - first)
    under, above = (palette.tone(0.6, 0.03, value) for value in (first, second))
    return Material(palette.kin(rng, 'keys'), under, above)


def shown(rng: np.random.Generator, width: float) -> Material:
    """
    Draw what a screen shows: windows and text in light of its own, or nothing.

    :param rng: random generator.
    :param width: of the screen (m).
    :returns: the material.
    """
    if rng.random() < 0.3:
        return replace(gray(float(rng.uniform(0.03, 0.12))), gloss=float(rng.uniform(0.0, 0.08)))
    hue = float(rng.random())
    dark: Color = palette.tone(hue, rng.uniform(0, 0.6), rng.uniform(0.05, 0.35))
    light: Color = palette.tone(rng.random(), rng.uniform(0, 0.3), rng.uniform(0.7, 0.97))
    if rng.random() < 0.25:
        dark, light = light, dark
    pattern = str(rng.choice(['screen', 'desktop', 'desktop', 'terminal', 'photo_screen']))
    other = palette.tone(rng.random(), rng.random(), rng.uniform(0.2, 0.9))
    return Material(pattern, dark, light, width / PATTERNS[pattern].size[0],
                    float(rng.uniform(0.4, 1.6)), middle=other if rng.random() < 0.8 else None)


def laptop(rng: np.random.Generator) -> Thing:
    """Make an open laptop of 13 to 17 inches; its lid is 90 to 130 degrees open."""
    wide = float(rng.uniform(0.295, 0.385))
    deep, thick = wide * float(rng.uniform(0.66, 0.72)), float(rng.uniform(0.012, 0.024))
    shell = casing(rng)
    lean = math.radians(float(rng.uniform(0, 40)))
    tall = 0.97 * deep
    sine, cosine = math.sin(lean), math.cos(lean)
    # made with x to the back: lids lean about y
    middle = (deep / 2 + tall / 2 * sine, 0.0, thick + tall / 2 * cosine)
    rim = float(rng.uniform(0.006, 0.018))
    seen = (0.001, wide - 2 * rim, tall - rim - float(rng.uniform(0.012, 0.03)))
    board = min(15 * PITCH, wide - 0.02)
    pad = float(rng.uniform(0.095, 0.135)), float(rng.uniform(0.06, 0.08))
    bezel = shell if rng.random() < 0.3 else gray(0.07)
    parts: Parts = [
        box((0, 0, 0), (deep, wide, thick), shell),
        (Box(middle, (0.006, wide, tall), 0.0, lean), shell),
        (Box(_before(middle, lean, 0.0035), (0.001, wide - 0.004, tall - 0.004), 0.0, lean),
         bezel),
        (Box(_before(middle, lean, 0.0045), seen, 0.0, lean), shown(rng, seen[1])),
        box((deep / 2 - 0.025 - 3 * PITCH, 0, thick), (6 * PITCH, board, 0.0015), keys(rng)),
        box((-deep / 2 + 0.012 + pad[1] / 2, 0, thick), (pad[1], pad[0], 0.0008), casing(rng)),
    ]
    return moved(parts, 0, 0, 0, -math.pi / 2), 0.6 * wide, 0.25


def _before(middle: tuple[float, float, float], lean: float, by: float) -> tuple[
    float, float, float
]:
    """Return a place before a leaning board that looks to -x."""
    return middle[0] - by * math.cos(lean), middle[1], middle[2] + by * math.sin(lean)


def closed_laptop(rng: np.random.Generator) -> Thing:
    """Make a closed laptop or a tablet."""
    wide = float(rng.uniform(0.24, 0.37))
    return [box((0, 0, 0), (wide, 0.69 * wide, float(rng.uniform(0.008, 0.024))), casing(rng))], (
        0.55 * wide), 0.025


def keyboard(rng: np.random.Generator) -> Thing:
    """Make a keyboard: blocks of keys 19 mm apart, with or without digits at its right."""
    full = rng.random() < 0.75
    body, caps, rim = casing(rng), keys(rng), float(rng.uniform(0.006, 0.016))
    blocks = (15, 3, 4) if full else (15,)
    wide = sum(blocks) * PITCH + 0.008 * (len(blocks) - 1) + 2 * rim
    deep = 6 * PITCH + 0.006 + 2 * rim
    parts: Parts = [box((0, 0, 0), (wide, deep, 0.016), body)]
    x = wide / 2 - rim  # the user is at +y and has the digits at his right, -x
    for count in blocks:
        across = count * PITCH
        parts.append(box((x - across / 2, rim / 2 + 0.01, 0.016), (across, 5 * PITCH, 0.006),
                         caps))
        if count > 4:
            parts.append(box((x - across / 2, -deep / 2 + rim + PITCH / 2, 0.016),
                             (across, PITCH, 0.006), caps))
        x -= across + 0.008
    return parts, 0.53 * wide, 0.025


def mouse(rng: np.random.Generator) -> Thing:
    """Make a mouse with its wheel."""
    half = float(rng.uniform(0.028, 0.033)), float(rng.uniform(0.05, 0.06))
    body = casing(rng)
    return [
        ball((0, 0, 0.012), (*half, float(rng.uniform(0.018, 0.026))), body),
        box((0, -0.025, 0.026), (0.008, 0.018, 0.008), gray(float(rng.uniform(0.05, 0.5)))),
    ], 0.06, 0.04


def pad(rng: np.random.Generator) -> Thing:
    """Make a mouse pad."""
    surface = palette.cloth(rng) if rng.random() < 0.4 else gray(float(rng.uniform(0.05, 0.3)))
    return [box((0, 0, 0), (0.23, 0.19, 0.003), surface)], 0.15, 0.005


def monitor(rng: np.random.Generator) -> Thing:
    """Make a monitor of 19 to 34 inches that faces y."""
    wide = float(rng.choice([rng.uniform(0.4, 0.48), rng.uniform(0.48, 0.56),
                             rng.uniform(0.56, 0.63), rng.uniform(0.75, 0.82)],
                            p=[0.2, 0.4, 0.32, 0.08]))
    ratio = float(rng.choice([9 / 16, 10 / 16, 3 / 4], p=[0.6, 0.3, 0.1]))
    if wide > 0.7:
        ratio = 9 / 21
    rim, lift = float(rng.uniform(0.006, 0.022)), float(rng.uniform(0.07, 0.16))
    tall = (wide - 2 * rim) * ratio + 2 * rim
    shell, foot = casing(rng), casing(rng)
    if rng.random() < 0.6:
        foot = shell
    thick = float(rng.uniform(0.02, 0.045))
    parts: Parts = [
        box((0, -thick / 2, lift), (wide, thick, tall), shell),
        box((0, 0.0005, lift + rim), (wide - 2 * rim, 0.001, tall - 2 * rim),
            shown(rng, wide - 2 * rim)),
        box((0, -thick - 0.015, lift + 0.2 * tall), (0.5 * wide, 0.03, 0.5 * tall), shell),
        box((0, -thick - 0.045, 0.01), (0.06, 0.03, lift + 0.5 * tall), foot),
    ]
    if rng.random() < 0.35:
        parts.append(rod((0, -thick - 0.03, 0), 0.11, 0.012, foot))
    else:
        size = float(rng.uniform(0.2, 0.28)), float(rng.uniform(0.16, 0.21)), 0.012
        parts.append(box((0, -thick - 0.02, 0), size, foot))
    if rng.random() < 0.5:
        parts.append(box((0.18 * wide, -thick - 0.034, lift + 0.45 * tall), (0.1, 0.002, 0.04),
                         palette.paper(rng)))
    return parts, 0.52 * wide, lift + tall


def printer(rng: np.random.Generator) -> Thing:
    """Make a printer: its body, a lid or scanner, a slot with paper, a panel."""
    wide, deep = float(rng.uniform(0.38, 0.5)), float(rng.uniform(0.34, 0.44))
    tall = float(rng.uniform(0.16, 0.34))
    body = gray(float(rng.choice([rng.uniform(0.07, 0.2), rng.uniform(0.7, 0.93)])))
    dark = gray(0.08)
    parts: Parts = [
        box((0, 0, 0), (wide, deep, tall), body),
        box((0, 0, tall), (wide - 0.02, deep - 0.03, 0.035), casing(rng)),
        box((0, deep / 2 - 0.001, 0.42 * tall), (0.7 * wide, 0.004, 0.25 * tall), dark),
        box((0, deep / 2 + 0.08, 0.42 * tall), (0.215, 0.2, 0.004), palette.paper(rng)),
        box((0, deep / 2 + 0.06, 0.37 * tall), (0.26, 0.16, 0.006), dark),
        box((0, deep / 2 - 0.002, 0.05), (0.8 * wide, 0.006, 0.012), dark),
        box((0.36 * wide, deep / 2, 0.75 * tall), (0.09, 0.006, 0.05), shown(rng, 0.09)),
    ]
    return parts, 0.33, tall + 0.04


def telephone(rng: np.random.Generator) -> Thing:
    """Make a desk telephone: a slope with keys and a display, and a handset."""
    body, handset = casing(rng), casing(rng)
    if rng.random() < 0.7:
        handset = body
    lean = -0.25  # its back is higher
    slope = [
        (Box((0, 0, 0.035), (0.2, 0.18, 0.03), 0.0, lean), body),
        (Box((-0.035, -0.025, 0.0425), (0.076, 0.076, 0.003), 0.0, lean), keys(rng)),
        (Box((0.05, -0.025, 0.064), (0.055, 0.09, 0.003), 0.0, lean), shown(rng, 0.09)),
        (Box((0, 0.06, 0.06), (0.12, 0.03, 0.025), 0.0, lean), handset),
        (Box((-0.075, 0.06, 0.037), (0.05, 0.045, 0.035), 0.0, lean), handset),
        (Box((0.075, 0.06, 0.075), (0.05, 0.045, 0.035), 0.0, lean), handset),
        box((0.02, 0, 0), (0.12, 0.14, 0.03), body),
    ]
    return moved(slope, 0, 0, 0, -math.pi / 2), 0.15, 0.11


def tower(rng: np.random.Generator) -> Thing:
    """Make the case of a computer, upright; its front has drives, a button and sockets."""
    wide, deep, tall = (float(rng.uniform(*span)) for span in (
        (0.16, 0.21), (0.36, 0.47), (0.34, 0.46)))
    body, dark = casing(rng), casing(rng)
    front = deep / 2
    parts: Parts = [
        box((0, 0, 0.01), (wide, deep, tall), body),
        box((0, front, 0.015), (wide - 0.01, 0.008, tall - 0.01), dark),
        box((0, front + 0.004, tall - 0.07), (0.148, 0.003, 0.042), body),
        box((0, front + 0.004, tall - 0.12), (0.148, 0.003, 0.042), casing(rng)),
        box((0, front + 0.004, 0.5 * tall), (0.02, 0.003, 0.02), palette.plastic(rng)),
        box((0, front + 0.004, 0.3 * tall), (0.06, 0.003, 0.012), gray(0.04)),
    ]
    return parts, 0.27, tall + 0.01


def telephone_in_hand(rng: np.random.Generator) -> Thing:
    """Make a mobile telephone that lies."""
    return [
        box((0, 0, 0), (0.073, 0.15, 0.008), casing(rng)),
        box((0, 0, 0.008), (0.068, 0.143, 0.0006), shown(rng, 0.068)),
    ], 0.08, 0.01


def remote(rng: np.random.Generator) -> Thing:
    """Make a remote control or a calculator."""
    wide, long = ((0.045, 0.18), (0.08, 0.15))[int(rng.integers(2))]
    return [
        box((0, 0, 0), (wide, long, 0.018), casing(rng)),
        box((0, 0.01, 0.018), (wide - 0.008, 0.6 * long, 0.002), keys(rng)),
    ], 0.09, 0.02


def cable(rng: np.random.Generator) -> Thing:
    """Make a cable that winds along a surface."""
    parts: Parts = []
    x, y, angle = 0.0, 0.0, float(rng.uniform(0, 6.3))
    surface, thick = casing(rng), float(rng.uniform(0.004, 0.009))
    for _ in range(5):
        parts.append(box((x + 0.05 * math.cos(angle), y + 0.05 * math.sin(angle), 0),
                         (0.107, thick, thick), surface, angle))
        x, y = x + 0.1 * math.cos(angle), y + 0.1 * math.sin(angle)
        angle += float(rng.normal(0, 0.5))
    return parts, 0.2, 0.01


def power_strip(rng: np.random.Generator) -> Thing:
    """Make a strip of three to six sockets, with some plugs in it."""
    count = int(rng.integers(3, 7))
    long, surface = count * 0.055 + 0.06, gray(float(rng.choice([0.08, 0.9])))
    parts: Parts = [box((0, 0, 0), (long, 0.055, 0.04), surface)]
    for n in range(count):
        x = (n - (count - 1) / 2) * 0.055
        plug = rng.random() < 0.4
        parts.append(rod((x, 0, 0.04), 0.018, 0.035 if plug else 0.0008,
                         gray(0.07 if plug else 0.3)))
    return parts, 0.2, 0.08
