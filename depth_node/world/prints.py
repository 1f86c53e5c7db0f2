"""Prints of lived-in rooms: pictures, pages, spines, screens, keys, cartons, papers, tape."""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from depth_node.world.drawing import (
    cells,
    dead_leaves,
    edge,
    filled,
    grain,
    noise,
    Pattern,
    Plane,
    shape,
    TEXELS,
)

_Planes = tuple[Plane, Plane]
_LETTERS = 'abcdefghiklmnoprstuvwxyzABCDEFGHIKLMNOPRSTUVW0123456789'


def _words(rng: np.random.Generator, count: int) -> str:
    letters = rng.choice(list(_LETTERS), count)
    return ''.join(' ' if rng.random() < 0.15 else str(letter) for letter in letters)


def _written(
    plane: Plane, rng: np.random.Generator, at: tuple[int, int],
    size: tuple[int, int], value: float,
) -> None:
    """Write a line; (column, row) of its left lower end, its width and height (texels)."""
    width, height = size
    face = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX,
                           cv2.FONT_HERSHEY_COMPLEX]))
    scale = height / 22
    letters = max(1, int(width / (19 * scale)))
    first, last = max(at[1] - 2 * height, 0), min(at[1] + height, len(plane))
    mask = np.zeros((last - first, plane.shape[1]), np.uint8)
    cv2.putText(mask, _words(rng, letters), (at[0], at[1] - first), face, scale, 255,
                max(1, round(1.6 * scale)), cv2.LINE_AA)
    part = plane[first:last]
    part += mask / np.float32(255) * (value - part)


def _lines(
    plane: Plane, rng: np.random.Generator, area: tuple[int, int, int, int], height: int,
    value: float,
) -> None:
    """Fill an area (left, top, right, bottom) with lines of letters of a height (texels)."""
    left, top, right, bottom = area
    for row in range(top + height, bottom, round(1.9 * height)):
        wide = int((right - left) * (rng.uniform(0.3, 1) if rng.random() < 0.25 else 1))
        _written(plane, rng, (left, row), (max(wide - height, height), height), value)


def _sheet(value: float) -> Plane:
    return np.full((TEXELS, TEXELS), value, np.float32)


def _landscape(u: Plane, v: Plane, rng: np.random.Generator) -> _Planes:
    mix, shade = 0.85 + 0.12 * grain(rng, 1.8, 3.0), 0.9 + 0.06 * grain(rng, 1.6, 3.0)
    places = np.arange(TEXELS)
    for base, tone in ((0.62, 0.6), (0.5, 0.45), (0.34, 0.3), (0.2, 0.12)):
        ridge = base + 0.07 * noise(rng, 1.6)[0] + 0.02 * np.sin(places / 40)
        below = v / 0.6 < ridge[None]
        mix = np.where(below, tone + 0.1 * noise(rng, 1.2), mix)
        shade = np.where(below, 0.75 + 0.13 * noise(rng, 1.0), shade)
    rim = np.maximum(np.abs(u / 0.8 - 0.5), np.abs(v / 0.6 - 0.5)) > 0.48
    return np.where(rim, 1, np.clip(mix, 0, 1)), np.where(rim, 0.95, shade)


def _portrait(u: Plane, v: Plane, rng: np.random.Generator) -> _Planes:
    mix, shade = 0.3 + 0.12 * noise(rng, 1.7), 0.7 + 0.1 * noise(rng, 1.5)
    for _ in range(6):
        x, r = rng.uniform(0.05, 0.35), rng.uniform(0.02, 0.045)
        y = rng.uniform(0.15, 0.4)
        body = (np.hypot((u - x) / 1.3, v - y + 3.0 * r) < 2.1 * r)
        head = np.hypot(u - x, v - y) < r
        hair = np.hypot(u - x, v - y - 0.3 * r) < 1.05 * r
        mix = np.where(body, rng.random(), mix)
        shade = np.where(body, rng.uniform(0.3, 1) + 0.06 * noise(rng, 1.2), shade)
        mix, shade = np.where(hair, 0.1, mix), np.where(hair, 0.3, shade)
        mix = np.where(head, 0.6, mix)
        shade = np.where(head, 0.85 + (x - u) / r * 0.12, shade)
    rim = np.maximum(np.abs(u / 0.4 - 0.5), np.abs(v / 0.5 - 0.5)) > 0.47
    return np.where(rim, 0.2, np.clip(mix, 0, 1)), np.where(rim, 0.6, shade)


def _collage(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    mix, shade = dead_leaves(rng, (5, 160), (0, 0, 4, 5, 12), count=700)
    return np.clip(mix + 0.06 * noise(rng, 1.2), 0, 1), 0.35 + 0.6 * shade + 0.05 * noise(rng, 1.0)


def _still(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    mix, shade = dead_leaves(rng, (12, 180), (0, 0, 16), count=160)
    light = 0.2 * noise(rng, 2.0)
    soft = cv2.GaussianBlur(np.pad(shade, 16, 'wrap'), (0, 0), 3)[16:-16, 16:-16]
    return np.clip(mix + 0.1 * noise(rng, 1.4), 0, 1), 0.3 + 0.6 * soft + light


def _page(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    mix, shade = _sheet(1.0), _sheet(0.97)
    _written(mix, rng, (40, 60), (400, 22), 0.0)
    _lines(mix, rng, (40, 80, 245, 300), 6, 0.1)
    _lines(mix, rng, (265, 260, 475, 470), 6, 0.1)
    _lines(mix, rng, (40, 420, 245, 470), 6, 0.1)
    picture = np.s_[85:240, 270:470], np.s_[310:405, 40:240]
    for area in picture:
        mix[area] = np.clip(0.5 + 0.3 * noise(rng, 1.6), 0, 1)[area]
        shade[area] = np.clip(0.7 + 0.15 * noise(rng, 1.3), 0, 1)[area]
    return mix, shade


def _notice(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    mix, shade = _sheet(0.95), _sheet(0.96)
    mix[:130] = 0.2
    _written(mix, rng, (30, 90), (440, 50), 0.95)
    for row, height in ((200, 30), (260, 18), (300, 18)):
        _written(mix, rng, (40, row), (420, height), 0.05)
    _lines(mix, rng, (40, 330, 300, 470), 10, 0.1)
    cv2.circle(mix, (400, 400), 60, 0.5, -1)
    return mix, shade


def _spines(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    # a shelf of 1 m, 0.3 m high: true widths, each with a title along it
    mix, shade = _sheet(0.0), _sheet(0.1)
    left = 0
    while left < TEXELS:
        wide = int(rng.choice([rng.uniform(5, 12), rng.uniform(12, 28)]))
        wide = TEXELS - left if TEXELS - left - wide < 6 else wide
        tone, bright = rng.random(), rng.uniform(0.45, 1)
        mix[:, left:left + wide], shade[:, left:left + wide] = tone, bright
        curve = np.linspace(-1, 1, wide) ** 2
        shade[:, left:left + wide] *= (1 - 0.35 * curve)[None]
        ink = 1 - tone if abs(tone - 0.5) > 0.25 else float(rng.choice([0.0, 1.0]))
        for row in rng.integers(20, TEXELS - 20, int(rng.integers(0, 4))):
            mix[row:row + int(rng.integers(3, 16)), left:left + wide] = ink
        if wide > 8:
            title = np.full((wide, TEXELS), 0.0, np.float32)
            _written(title, rng, (60 + int(rng.integers(60)), int(wide * 0.7)),
                     (int(rng.uniform(120, 300)), int(wide * 0.5)), 1.0)
            part = mix[:, left:left + wide]
            part += title.T[:, ::-1] * (ink - part)
        shade[:, left:left + 1] = 0.15
        left += wide
    return mix, np.clip(shade + 0.03 * noise(rng, 1.0), 0, 1)


def _desktop(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    mix = np.clip(0.45 + 0.15 * noise(rng, 1.9), 0, 1)
    shade = np.clip(0.6 + 0.15 * noise(rng, 1.7), 0, 1)
    mix[-18:], shade[-18:] = 0.1, 0.4
    for _ in range(4):
        left, top = int(rng.integers(0, 280)), int(rng.integers(5, 260))
        wide, tall = int(rng.integers(160, 230)), int(rng.integers(140, 220))
        dark = rng.random() < 0.35
        area = np.s_[top:top + tall, left:left + wide]
        mix[area], shade[area] = (0.1, 0.35) if dark else (1.0, 1.0)
        mix[top:top + 12, left:left + wide] = 0.6
        side = left + int(rng.choice([8, 50]))
        _lines(mix, rng, (side, top + 18, left + wide - 6, top + tall - 6), 5,
               0.9 if dark else 0.0)
        if dark:
            shade[area] = np.maximum(shade[area], mix[area])
    return mix, shade


def _terminal(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    mix = _sheet(0.0)
    for row in range(14, TEXELS - 4, 12):
        left = 8 + 16 * int(rng.integers(0, 5))
        while left < rng.uniform(60, 420):
            wide = int(rng.integers(20, 90))
            _written(mix, rng, (left, row), (wide, 6), float(rng.choice([0.4, 0.7, 1.0])))
            left += wide + 8
    return mix, np.where(mix > 0.05, 0.95, 0.6).astype(np.float32)


def _photo_screen(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    mix, shade = dead_leaves(rng, (8, 200), (0, 12, 12), count=200)
    mix = np.clip(mix + 0.15 * noise(rng, 1.5), 0, 1)
    mix[:24], shade[:24] = 0.9, 0.95
    _written(mix, rng, (10, 17), (300, 8), 0.0)
    return mix, np.clip(0.3 + 0.7 * shade + 0.1 * noise(rng, 1.5), 0, 1)


def _keyboard(u: Plane, v: Plane, rng: np.random.Generator) -> _Planes:
    row = np.floor(v / 0.019 + 1e-4)
    shifted = (u + 0.0048 * (row % 4)) % 0.456
    across, up = shifted % 0.019, v % 0.019
    cap = (across > 0.0015) & (across < 0.0175) & (up > 0.0015) & (up < 0.0175)
    top = (across > 0.003) & (across < 0.016) & (up > 0.004) & (up < 0.0165)
    cap |= (row == 0) & (u > 0.1) & (u < 0.21) & (up > 0.0015) & (up < 0.0175)
    key = cells(np.floor(shifted / 0.019 + 1e-4) % 24, row, rng)
    mark = (np.abs(across - 0.0065 - 0.002 * key) < 0.002) & (np.abs(up - 0.0125) < 0.002)
    mark &= noise(rng, 0.2) > -0.5
    return 0.85 * mark + 0.25 * (key > 0.85) * cap, (
        0.3 + 0.45 * cap + 0.15 * (top & cap) + 0.03 * noise(rng, 0.8))


def _parcel(u: Plane, v: Plane, rng: np.random.Generator) -> _Planes:
    mix = np.clip(0.35 + 0.08 * grain(rng, 0.8, 1 / 6) + 0.06 * noise(rng, 1.4), 0, 1)
    mix = mix.astype(np.float32)
    shade = (0.85 + 0.04 * noise(rng, 1.2) + 0.025 * np.sin(2 * np.pi * u / 0.008))
    tape = np.abs(v - 0.3) < 0.028
    mix, shade = np.where(tape, 0.55, mix), np.where(tape, 0.9 + 0.04 * noise(rng, 1.5), shade)
    shade -= 0.5 * (np.abs(v - 0.3) < 0.0015)
    mix, shade = mix.astype(np.float32), shade.astype(np.float32)
    _written(mix, rng, (40, 130), (300, 45), 0.0)
    _lines(mix, rng, (40, 150, 200, 200), 10, 0.0)
    mix[300:440, 280:450], shade[300:440, 280:450] = 1.0, 0.98
    _lines(mix, rng, (290, 305, 440, 380), 8, 0.0)
    for column in range(295, 435, 7):
        mix[390:432, column:column + int(rng.integers(1, 5))] = 0.0
    cv2.arrowedLine(mix, (90, 440), (90, 340), 0.0, 7, tipLength=0.4)
    cv2.arrowedLine(mix, (150, 440), (150, 340), 0.0, 7, tipLength=0.4)
    return mix, np.where(mix < 0.05, 0.4, shade)


def _papers(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    mix = np.clip(0.3 + 0.06 * noise(rng, 1.2), 0, 1)
    shade = 0.85 + 0.04 * noise(rng, 0.5)
    for _ in range(22):
        left, top = (int(n) for n in rng.integers(0, TEXELS - 130, 2))
        wide, tall = (int(n) for n in rng.integers(35, 125, 2))
        area = np.s_[top:top + tall, left:left + wide]
        tone = float(rng.choice([0.95, 0.95, 0.7, 0.5, 0.05]))
        shade[top + 2:top + tall + 3, left + 2:left + wide + 3] *= 0.6
        mix[area], shade[area] = tone, rng.uniform(0.85, 1)
        ink = 0.0 if tone > 0.4 else 1.0
        if rng.random() < 0.7:
            _lines(mix, rng, (left + 5, top + 5, left + wide - 4, top + tall - 4),
                   int(rng.choice([5, 8, 14])), ink)
        else:
            mix[area] = np.clip(0.5 + 0.35 * noise(rng, 1.5)[area], 0, 1)
    return mix, shade


def _stickers(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    mix, shade = 0.3 + 0.08 * noise(rng, 1.6), 0.88 + 0.03 * noise(rng, 0.5)
    for _ in range(9):
        spots = shape(rng, rng.uniform(6, 30), int(rng.choice([0, 0, 12])))
        filled(mix, spots, float(rng.random()))
        filled(shade, spots, float(rng.uniform(0.5, 1)))
    return np.clip(mix, 0, 1), shade


def _taped(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    mix, shade = 0.25 + 0.08 * noise(rng, 1.5), 0.85 + 0.05 * noise(rng, 0.6)
    for _ in range(5):
        spots = shape(rng, 1.0)
        middle, turn = spots.mean(0), rng.choice([0, 0, np.pi / 2, rng.uniform(0, np.pi)])
        along = np.array([np.cos(turn), np.sin(turn)])
        across = np.array([-along[1], along[0]])
        length, width = rng.uniform(60, 400) / 2, rng.uniform(4, 12) / 2
        strip = middle + np.array([-length * along - width * across,
                                   length * along - width * across,
                                   length * along + width * across,
                                   -length * along + width * across])
        filled(mix, strip, float(rng.uniform(0.7, 1)))
    for _ in range(3):
        start = rng.uniform(0, TEXELS, 2)
        turn = np.cumsum(rng.normal(0, 0.15, 120)) + rng.uniform(0, 6)
        path = start + 4 * np.cumsum(np.stack([np.cos(turn), np.sin(turn)], 1), 0)
        for a, b in itertools.pairwise(path):
            side = np.array([b[1] - a[1], a[0] - b[0]]) / 4
            filled(shade, np.array([a - side, b - side, b + side, a + side]), 0.2)
    stains = np.clip(noise(rng, 1.8) - 1.4, 0, 0.7)
    return np.clip(mix, 0, 1), shade * (1 - 0.7 * stains)


def _smudged(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    dark = np.clip(noise(rng, 2.0) - 0.6, 0, 1)
    return np.clip(0.5 + 0.15 * noise(rng, 1.5), 0, 1), (
        0.93 - 0.55 * np.minimum(dark, 0.6) + 0.02 * noise(rng, 0.5))


def _label(_u: Plane, _v: Plane, rng: np.random.Generator) -> _Planes:
    mix, shade = _sheet(0.15), _sheet(0.9)
    mix[60:330] = 0.9
    mix[330:350] = 0.5
    _written(mix, rng, (20, 200), (470, 80), 0.1)
    _lines(mix, rng, (30, 230, 480, 320), 14, 0.2)
    cv2.circle(mix, (110, 425), 60, 0.7, -1)
    mix[370:480, 220:480] = np.clip(0.5 + 0.3 * noise(rng, 1.5), 0, 1)[370:480, 220:480]
    return mix, np.clip(shade + 0.03 * noise(rng, 1.2), 0, 1)


def _vents(u: Plane, v: Plane, rng: np.random.Generator) -> _Planes:
    slot = edge(v, 0.012, 0.003) * (np.abs(u % 0.1 - 0.05) < 0.042)
    return np.clip(0.5 + 0.15 * noise(rng, 1.4), 0, 1), 0.9 - 0.65 * slot + 0.015 * noise(rng, 0.6)


PRINTS: dict[str, Pattern] = {
    'landscape': Pattern((0.8, 0.6), _landscape),
    'portrait': Pattern((0.4, 0.5), _portrait),
    'collage': Pattern((0.8, 0.8), _collage),
    'still': Pattern((0.8, 0.8), _still),
    'page': Pattern((0.21, 0.297), _page),
    'notice': Pattern((0.42, 0.42), _notice),
    'spines': Pattern((0.8, 0.3), _spines),
    'desktop': Pattern((0.5, 0.3), _desktop),
    'terminal': Pattern((0.4, 0.3), _terminal),
    'photo_screen': Pattern((0.5, 0.3), _photo_screen),
    'keyboard': Pattern((0.456, 0.152), _keyboard),
    'parcel': Pattern((0.6, 0.6), _parcel),
    'papers': Pattern((1.4, 1.4), _papers),
    'stickers': Pattern((0.9, 0.9), _stickers),
    'taped': Pattern((2.4, 2.4), _taped),
    'smudged': Pattern((1.6, 1.6), _smudged),
    'label': Pattern((0.12, 0.12), _label),
    'vents': Pattern((0.3, 0.3), _vents),
}
