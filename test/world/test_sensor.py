"""The camera between light and picture."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from depth_node.world.sensor import draw_sensor, Sensor

GRAY = np.full((48, 64, 3), 0.2, np.float32)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_exposure_is_automatic_and_stops_are_stops() -> None:
    one, bright = Sensor(), Sensor(exposure=1.0)
    level = one.picture(GRAY, rng()).mean()
    assert one.picture(5 * GRAY, rng()).mean() == pytest.approx(level, abs=1)
    twice = (bright.picture(GRAY, rng()).mean() / level) ** 2.2
    assert twice == pytest.approx(2, rel=0.03)


@pytest.mark.parametrize('options', [
    {'vignetting': 0.6}, {'defocus': 0.01}, {'motion': 0.08}, {'shot': 0.02}, {'read': 0.05},
    {'gamma': 1.7}, {'contrast': 0.8}, {'saturation': 0.2}, {'sharpening': 1.0}, {'quality': 20},
    {'red': 1.3}, {'blue': 0.7}, {'exposure': -1.0},
])
def test_every_fault_shows(options: dict[str, float]) -> None:
    light = np.random.default_rng(1).random((48, 64, 3)).astype(np.float32)
    plain = Sensor().picture(light, rng()).astype(int)
    changed = dataclasses.replace(Sensor(), **options).picture(light, rng()).astype(int)
    assert abs(plain - changed).mean() > 1


def test_noise_grows_with_the_light() -> None:
    light = np.concatenate([np.full((64, 64, 3), 0.02), np.full((64, 64, 3), 0.3)], 1)
    sensor = Sensor(shot=0.002)
    clean, noisy = (
        (s.picture(light.astype(np.float32), rng()) / 255.0) ** 2.2
        for s in (Sensor(), sensor)
    )
    dark, bright = ((noisy - clean)[:, part].var() for part in (slice(4, 60), slice(68, 124)))
    assert bright / dark == pytest.approx(0.3 / 0.02, rel=0.3)


def test_motion_smears_along_its_direction_only() -> None:
    light = np.zeros((33, 33, 3), np.float32)
    light[16, 16] = 5.0
    picture = Sensor(motion=9 / 33, exposure=5.0).picture(light, rng())[..., 0]
    assert (picture[16] > 0).sum() >= 8
    assert (picture[:, 16] > 0).sum() <= 3


def test_no_strength_is_the_default_camera() -> None:
    sensor = draw_sensor(np.random.default_rng(3), 0.0)
    assert dataclasses.replace(sensor, heading=0.0) == Sensor()
    assert draw_sensor(np.random.default_rng(3)) != Sensor()
