"""Small things of daily use in the sizes they have in life: crockery, paper, books, shoes."""

from __future__ import annotations

import math

import numpy as np

from depth_node.world import palette
from depth_node.world.devices import casing, gray, Thing
from depth_node.world.parts import ball, box, moved, Parts, rod
from depth_node.world.scene import Material

A4 = (0.21, 0.297)
"""Width and height of a page, ISO 216 (m)."""


def mug(rng: np.random.Generator) -> Thing:
    """Make a mug with its handle and what is in it."""
    radius, height = float(rng.uniform(0.037, 0.046)), float(rng.uniform(0.08, 0.11))
    surface = palette.plastic(rng) if rng.random() < 0.6 else gray(float(rng.uniform(0.75, 0.96)))
    inside = (gray(0.12, 0.07, 0.6), gray(0.8), gray(0.45, 0.07, 0.5))[int(rng.integers(3))]
    return [
        rod((0, 0, 0), radius, height, surface),
        rod((0, 0, height), radius - 0.004, 0.0008, inside),
        box((radius + 0.012, 0, 0.75 * height), (0.034, 0.012, 0.011), surface),
        box((radius + 0.025, 0, 0.2 * height), (0.01, 0.012, 0.6 * height), surface),
        box((radius + 0.012, 0, 0.17 * height), (0.034, 0.012, 0.011), surface),
    ], 0.065, height


def glass(rng: np.random.Generator) -> Thing:
    """Make a tumbler or a paper cup with a lid."""
    radius, height = float(rng.uniform(0.033, 0.042)), float(rng.uniform(0.09, 0.14))
    return [
        rod((0, 0, 0), radius, height, gray(float(rng.uniform(0.6, 0.95)), rng.random(), 0.06)),
        rod((0, 0, height), radius * float(rng.choice([0.9, 1.06])), 0.008, casing(rng)),
    ], 0.05, height + 0.01


def bottle(rng: np.random.Generator) -> Thing:
    """Make a bottle of half a litre to one and a half: body, label, shoulder, neck and cap."""
    radius, body = ((0.032, 0.14), (0.037, 0.19), (0.044, 0.22))[int(rng.integers(3))]
    scale = float(rng.uniform(0.95, 1.05))
    radius, body = radius * scale, body * scale
    surface = (
        palette.plastic(rng) if rng.random() < 0.5
        else gray(float(rng.uniform(0.15, 0.85)), float(rng.uniform(0.2, 0.6)), 0.25)
    )
    neck, label = float(rng.uniform(0.03, 0.08)), float(rng.uniform(0.05, 0.1))
    return [
        rod((0, 0, 0), radius, body, surface),
        ball((0, 0, body), (radius, radius, 0.04), surface),
        rod((0, 0, body), 0.0135, 0.03 + neck, surface),
        rod((0, 0, body + 0.03 + neck - 0.018), 0.0155, 0.019, palette.plastic(rng)),
        rod((0, 0, 0.35 * body), radius + 0.0006, label, palette.print_(rng, 'photo', 'text')),
    ], 0.05, body + neck + 0.032


def can(rng: np.random.Generator) -> Thing:
    """Make a can of 0.33 l."""
    return [
        rod((0, 0, 0), 0.033, 0.115, palette.print_(rng, 'photo', 'plain')),
        rod((0, 0, 0.115), 0.028, 0.001, gray(0.7)),
    ], 0.04, 0.12


def pages(rng: np.random.Generator) -> Thing:
    """Make loose pages of A4, a stack of them, or a notebook."""
    if rng.random() < 0.35:
        thick = float(rng.uniform(0.01, 0.07))
        parts: Parts = [box((0, 0, 0), (*A4, thick), gray(0.9))]
    else:
        thick, parts = 0.001, []
    for n in range(int(rng.integers(1, 4))):
        sheet = palette.paper(rng)
        sheet = Material(str(rng.choice(['text', 'page'])), sheet.first, sheet.second)
        parts.append(box((float(rng.normal(0, 0.03)), float(rng.normal(0, 0.03)),
                          thick + 0.001 * n), (*A4, 0.001), sheet, float(rng.normal(0, 0.2))))
    return parts, 0.19, thick + 0.004


def note(rng: np.random.Generator) -> Thing:
    """Make a block of sticky notes."""
    return [box((0, 0, 0), (0.076, 0.076, 0.012), palette.plastic(rng))], 0.055, 0.013


def book(rng: np.random.Generator, z: float = 0.0) -> Thing:
    """
    Make a book that lies: its pages between two covers and a back.

    :param rng: random generator.
    :param z: how high it lies (m).
    :returns: the book.
    """
    wide, tall = ((0.125, 0.19), (0.15, 0.22), (0.17, 0.24), (0.21, 0.28))[int(rng.integers(4))]
    thick = float(rng.uniform(0.012, 0.045))
    cover = palette.print_(rng, 'photo', 'plain', 'plain')
    yaw = float(rng.normal(0, 0.25))
    parts: Parts = [
        box((0, 0, 0), (wide, tall, 0.003), cover),
        box((-0.002, 0, 0.003), (wide - 0.008, tall - 0.008, thick - 0.006),
            gray(0.88, 0.12, 0.1)),
        box((0, 0, thick - 0.003), (wide, tall, 0.003), cover),
        box((wide / 2 - 0.0015, 0, 0), (0.003, tall, thick), cover),
    ]
    return moved(parts, 0, 0, z, yaw), 0.17, thick


def books(rng: np.random.Generator) -> Thing:
    """Make a pile of books."""
    parts: Parts = []
    z = 0.0
    for _ in range(int(rng.integers(1, 5))):
        more, _, thick = book(rng, z)
        parts += more
        z += thick
    return parts, 0.17, z


def upright(rng: np.random.Generator) -> Thing:
    """Make a row of books that stand."""
    parts: Parts = []
    x = -0.15
    while x < 0.13:
        thick, height = float(rng.uniform(0.012, 0.045)), float(rng.uniform(0.18, 0.3))
        deep = float(rng.uniform(0.12, 0.2))
        parts.append(box((x + thick / 2, -deep / 2, 0), (thick, deep, height),
                         palette.print_(rng, 'plain', 'plain', 'photo')))
        x += thick + 0.001
    return parts, 0.19, 0.31


def binders(rng: np.random.Generator) -> Thing:
    """Make lever arch files: 80 mm or 50 mm wide, 320 mm tall, with a label and a hole."""
    parts: Parts = []
    count, thick = int(rng.integers(1, 6)), float(rng.choice([0.05, 0.08, 0.08]))
    one = gray(float(rng.uniform(0.06, 0.9)), float(rng.random()), float(rng.random()))
    for n in range(count):
        x = (n - (count - 1) / 2) * (thick + 0.002)
        cover = one if rng.random() < 0.6 else palette.plastic(rng)
        parts += [
            box((x, 0, 0), (thick, 0.285, 0.32), cover),
            box((x, 0.143, 0.1), (0.7 * thick, 0.001, 0.19), gray(0.93)),
            ball((x, 0.143, 0.06), (0.013, 0.002, 0.013), gray(0.06)),
        ]
    return parts, max(0.15, count * thick / 2), 0.32


def pen(rng: np.random.Generator) -> Thing:
    """Make one to three pens that lie."""
    return [
        part for n in range(int(rng.integers(1, 4)))
        for part in moved(
            [box((0, 0, 0), (0.11, 0.009, 0.009), palette.plastic(rng)),
             box((0.065, 0, 0.001), (0.03, 0.007, 0.007), palette.plastic(rng))],
            0.0, 0.03 * n, 0.0, float(rng.normal(0, 0.4)),
        )
    ], 0.09, 0.01


def pens(rng: np.random.Generator) -> Thing:
    """Make a beaker with pens."""
    parts: Parts = [rod((0, 0, 0), 0.04, 0.1, casing(rng)), rod((0, 0, 0.1), 0.036, 0.0006,
                                                               gray(0.05))]
    for _ in range(int(rng.integers(2, 6))):
        x, y = (float(a) for a in rng.uniform(-0.024, 0.024, 2))
        parts.append(rod((x, y, 0.02), 0.0045, float(rng.uniform(0.12, 0.16)),
                         palette.plastic(rng)))
    return parts, 0.045, 0.18


def stapler(rng: np.random.Generator) -> Thing:
    """Make a stapler."""
    body = palette.plastic(rng)
    return [
        box((0, 0, 0), (0.14, 0.035, 0.012), gray(0.1)),
        box((0.01, 0, 0.022), (0.13, 0.032, 0.028), body, 0.0, 0.12),
        box((-0.05, 0, 0.01), (0.03, 0.028, 0.025), body),
    ], 0.08, 0.06


def bowl(rng: np.random.Generator) -> Thing:
    """Make a bowl with fruit."""
    radius = float(rng.uniform(0.08, 0.14))
    surface = palette.plastic(rng)
    parts: Parts = [
        rod((0, 0, 0.2 * n * radius), share * radius, 0.21 * radius, surface)
        for n, share in enumerate((0.6, 0.8, 0.93, 1.0))
    ]
    parts.append(rod((0, 0, 0.81 * radius), 0.93 * radius, 0.0008, gray(0.4)))
    for n in range(int(rng.integers(0, 5))):
        hue = float(rng.choice([0.02, 0.08, 0.13, 0.25]))
        fruit = gray(float(rng.uniform(0.6, 0.95)), hue, 0.8)
        parts.append(ball((0.45 * radius * math.cos(1.6 * n), 0.45 * radius * math.sin(1.6 * n),
                           0.82 * radius), (0.037, 0.037, 0.036), fruit))
    return parts, radius, radius + 0.03


def plate(rng: np.random.Generator) -> Thing:
    """Make a plate with a knife and a fork next to it."""
    radius = float(rng.choice([0.1, 0.135]))
    surface, metal = gray(float(rng.uniform(0.8, 0.96))), gray(0.65)
    return [
        rod((0, 0, 0), 0.6 * radius, 0.01, surface),
        rod((0, 0, 0.01), radius, 0.008, surface),
        rod((0, 0, 0.018), 0.68 * radius, 0.0008, gray(0.7)),
        box((radius + 0.02, 0, 0), (0.018, 0.2, 0.003), metal),
        box((-radius - 0.02, 0, 0), (0.02, 0.19, 0.003), metal),
    ], radius + 0.03, 0.02


def pan(rng: np.random.Generator) -> Thing:
    """Make a pan, or a pot with its lid."""
    surface, dark = casing(rng), gray(0.07)
    if rng.random() < 0.5:
        radius = float(rng.uniform(0.11, 0.14))
        return [
            rod((0, 0, 0), radius, 0.05, surface), rod((0, 0, 0.05), radius - 0.005, 0.0008, dark),
            box((radius + 0.09, 0, 0.03), (0.19, 0.024, 0.016), dark),
        ], 0.22, 0.06
    radius, tall = float(rng.uniform(0.08, 0.13)), float(rng.uniform(0.09, 0.17))
    return [
        rod((0, 0, 0), radius, tall, surface),
        ball((0, 0, tall), (radius, radius, 0.025), surface),
        rod((0, 0, tall + 0.02), 0.018, 0.025, dark),
        box((radius + 0.02, 0, 0.7 * tall), (0.05, 0.07, 0.012), dark),
        box((-radius - 0.02, 0, 0.7 * tall), (0.05, 0.07, 0.012), dark),
    ], radius + 0.045, tall + 0.05


def kettle(rng: np.random.Generator) -> Thing:
    """Make an electric kettle on its base."""
    body, dark = casing(rng), gray(0.07)
    return [
        rod((0, 0, 0), 0.08, 0.02, dark), rod((0, 0, 0.02), 0.073, 0.16, body),
        ball((0, 0, 0.18), (0.073, 0.073, 0.03), body), rod((0, 0, 0.2), 0.014, 0.025, dark),
        box((0.1, 0, 0.17), (0.06, 0.025, 0.02), dark), box((0.12, 0, 0.06), (0.022, 0.025, 0.12),
                                                            dark),
        box((-0.08, 0, 0.15), (0.04, 0.03, 0.025), body),
    ], 0.13, 0.23


def appliance(rng: np.random.Generator) -> Thing:
    """Make a toaster, a microwave oven or a coffee machine."""
    body, dark = casing(rng), gray(0.06)
    kind = int(rng.integers(3))
    if kind == 0:
        return [
            box((0, 0, 0.01), (0.28, 0.17, 0.18), body), box((0, 0.035, 0.19), (0.2, 0.03, 0.001),
                                                            dark),
            box((0, -0.035, 0.19), (0.2, 0.03, 0.001), dark),
            box((0.145, 0, 0.12), (0.02, 0.03, 0.012), dark),
        ], 0.17, 0.2
    if kind == 1:
        return [
            box((0, 0, 0), (0.48, 0.34, 0.28), body),
            box((0.06, 0.172, 0.03), (0.32, 0.006, 0.22), dark),
            box((-0.12, 0.185, 0.04), (0.015, 0.03, 0.2), gray(0.6)),
            box((-0.19, 0.172, 0.2), (0.07, 0.004, 0.03), gray(0.25, 0.4, 0.6)),
            box((-0.19, 0.172, 0.06), (0.06, 0.004, 0.1), palette.black(rng)),
        ], 0.3, 0.28
    return [
        box((0, -0.06, 0), (0.22, 0.14, 0.34), body), box((0, 0.05, 0), (0.22, 0.2, 0.05), body),
        box((0, 0.04, 0.24), (0.22, 0.2, 0.1), body), rod((0, 0.06, 0.2), 0.02, 0.04, dark),
        box((0, 0.05, 0.05), (0.16, 0.15, 0.002), dark),
    ], 0.18, 0.34


def groceries(rng: np.random.Generator) -> Thing:
    """Make a packet: cereals, milk, tea, handkerchiefs."""
    wide, deep, tall = (
        (0.19, 0.06, 0.3), (0.095, 0.063, 0.2), (0.14, 0.075, 0.08), (0.235, 0.12, 0.075),
    )[int(rng.integers(4))]
    return [box((0, 0, 0), (wide, deep, tall), palette.print_(rng, 'photo', 'plain'))], (
        0.55 * wide), tall


def sphere(rng: np.random.Generator) -> Thing:
    """Make a tennis ball or a football."""
    if rng.random() < 0.4:
        return [ball((0, 0, 0.033), (0.033,) * 3, gray(0.9, 0.2, 0.6))], 0.035, 0.066
    surface = palette.print_(rng, 'plain', 'photo', 'plaid', 'checker')
    return [ball((0, 0, 0.11), (0.11,) * 3, surface)], 0.11, 0.22


def backpack(rng: np.random.Generator) -> Thing:
    """Make a backpack that stands: body, pocket, flap, straps and a handle."""
    cloth, other = palette.cloth(rng), palette.cloth(rng)
    if rng.random() < 0.6:
        other = cloth
    tall = float(rng.uniform(0.4, 0.5))
    return [
        box((0, 0, 0), (0.29, 0.15, 0.75 * tall), cloth),
        ball((0, 0, 0.72 * tall), (0.15, 0.085, 0.27 * tall), cloth),
        ball((0, 0.09, 0.25 * tall), (0.12, 0.06, 0.2 * tall), other),
        box((0, 0.08, 0.5 * tall), (0.24, 0.012, 0.012), gray(0.1)),
        box((-0.08, -0.09, 0.15 * tall), (0.06, 0.02, 0.7 * tall), other),
        box((0.08, -0.09, 0.15 * tall), (0.06, 0.02, 0.7 * tall), other),
        box((0, -0.04, 0.98 * tall), (0.08, 0.015, 0.04), gray(0.08)),
    ], 0.19, tall + 0.06


def shoes(rng: np.random.Generator) -> Thing:
    """Make a pair of shoes: soles, uppers, shafts and the holes in them."""
    long, surface, sole = float(rng.uniform(0.25, 0.31)), palette.cloth(rng), casing(rng)
    parts: Parts = []
    shaft = float(rng.choice([0.07, 0.09, 0.16], p=[0.6, 0.3, 0.1]))
    for side in (-1, 1):
        one: Parts = [
            ball((0, 0.02, 0.02), (0.048, long / 2, 0.02), sole),
            ball((0, 0.04, 0.04), (0.044, long / 2 - 0.03, 0.038), surface),
            ball((0, -0.3 * long, 0.05), (0.04, 0.06, 0.045), surface),
            rod((0, -0.27 * long, 0.03), 0.038, shaft - 0.02, surface),
            rod((0, -0.27 * long, shaft + 0.01), 0.031, 0.0008, gray(0.06)),
        ]
        parts += moved(one, side * 0.065, float(rng.normal(0, 0.03)), 0.0,
                       float(rng.normal(0, 0.2)))
    return parts, 0.18, shaft + 0.02


def dinosaur(rng: np.random.Generator) -> Thing:
    """Make a toy animal: body, four legs, neck, head and tail."""
    s = float(rng.uniform(0.5, 1.2))
    surface = palette.plastic(rng)
    parts: Parts = [
        ball((0, 0, 0.1 * s), (0.09 * s, 0.05 * s, 0.05 * s), surface),
        ball((0.1 * s, 0, 0.15 * s), (0.03 * s, 0.025 * s, 0.07 * s), surface),
        ball((0.13 * s, 0, 0.21 * s), (0.045 * s, 0.026 * s, 0.026 * s), surface),
        ball((-0.13 * s, 0, 0.09 * s), (0.08 * s, 0.02 * s, 0.02 * s), surface),
    ]
    parts += [
        rod((x * s, y * s, 0), 0.018 * s, 0.09 * s, surface)
        for x in (-0.05, 0.05) for y in (-0.03, 0.03)
    ]
    return parts, 0.2 * s, 0.24 * s
