"""Batches of cameras: the same pictures as one camera takes, and what another camera changes."""

from __future__ import annotations

from dataclasses import replace

import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

torch = pytest.importorskip('torch')

from depth_node.camera import Camera  # noqa: E402
from depth_node.training.embedded.augment import light, taken  # noqa: E402
from depth_node.training.embedded.cameras import blurred, Cameras  # noqa: E402
from depth_node.training.embedded.jpeg import compressed  # noqa: E402
from depth_node.world import World  # noqa: E402
from depth_node.world.sensor import draw_sensor, Sensor  # noqa: E402

CPU = torch.device('cpu')
PERFECT = Cameras.of([Sensor()], CPU)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def radiance(height: int = 48, width: int = 64) -> np.ndarray:
    """Something with edges and slopes, light and dark."""
    rng = np.random.default_rng(0)
    coarse = rng.random((6, 8, 3), np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    smooth[10:30, 20:44] *= 3
    return np.clip(smooth, 0.01, 4)


def pictures(sensors: list[Sensor], light_: np.ndarray) -> np.ndarray:
    batch = torch.from_numpy(np.stack([light_] * len(sensors))).permute(0, 3, 1, 2)
    found = Cameras.of(sensors, CPU).at_once(batch, generator())
    return found.permute(0, 2, 3, 1).numpy() * 255


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_camera_in_a_batch_takes_the_picture_it_takes_alone(seed: int) -> None:
    """Noise, motion and compression apart, which the tests below are about."""
    drawn = draw_sensor(np.random.default_rng(seed))
    sensor = replace(drawn, shot=0.0, read=0.0, motion=0.0, quality=0)
    alone = sensor.picture(radiance(), np.random.default_rng(0)).astype(float)
    among = pictures([Sensor(), sensor], radiance())
    difference = np.abs(among[1] - alone)
    assert difference.max() <= 2
    assert difference.mean() < 0.1


def test_on_a_cpu_every_camera_takes_its_picture_as_it_does_alone() -> None:
    """The noise is another one in each picture, and the same for the same generator."""
    rng = np.random.default_rng(3)
    sensors = [replace(draw_sensor(rng), shot=0.0, read=0.0) for _ in range(12)]
    lights = radiance() * np.linspace(0.2, 1.5, 12, dtype=np.float32)[:, None, None, None]
    batch = torch.from_numpy(lights).permute(0, 3, 1, 2)
    found = Cameras.of(sensors, CPU).pictures(batch, generator())
    assert found.is_contiguous(memory_format=torch.channels_last)
    for picture, sensor, light_ in zip(found, sensors, lights, strict=True):
        alone = sensor.picture(light_, np.random.default_rng(0))
        # a few of the numbers do not fit a float32
        difference = np.abs(picture.permute(1, 2, 0).numpy() * 255 - alone)
        assert difference.mean() < 0.02
    noisy = Cameras.of([Sensor(read=0.05)] * 2, CPU)
    one, other = noisy.pictures(batch[:1].expand(2, -1, -1, -1), generator())
    again, _ = noisy.pictures(batch[:1].expand(2, -1, -1, -1), generator())
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize('heading', [0.0, 0.7, np.pi / 2, 2.5])
def test_motion_blurs_along_its_direction_alone(heading: float) -> None:
    dot = np.full((48, 64, 3), 0.02, np.float32)
    dot[24, 32] = 1.0
    sensor = Sensor(motion=6 / 64, heading=heading, gamma=1.0)
    (found,) = pictures([sensor], dot)
    alone = sensor.picture(dot, np.random.default_rng(0)).astype(float)
    for picture in (found, alone):
        weights = picture[..., 0] - np.median(picture)
        weights[weights < 3] = 0
        y, x = np.nonzero(weights)
        spread = np.cov(np.stack([x, y]), aweights=weights[y, x])
        size, axes = np.linalg.eigh(spread)
        assert size[1] > 4 * size[0]
        assert abs(axes[:, 1] @ (np.cos(heading), np.sin(heading))) > 0.97
        assert 0.7 < size[1] / (6**2 / 12) < 1.8  # a line of OpenCV has round ends


def test_noise_has_the_variance_it_says() -> None:
    gray = np.full((48, 64, 3), 0.18, np.float32)
    sensor = Sensor(shot=0.002, read=0.01, gamma=1.0, exposure=1.0)
    (found,) = pictures([sensor], gray)
    alone = sensor.picture(gray, np.random.default_rng(0))
    assert found.std() == pytest.approx(alone.std(), rel=0.05)
    assert found.std() > 2


@pytest.mark.parametrize('quality', [30, 50, 75, 95])
def test_compression_loses_what_that_of_opencv_loses(quality: int) -> None:
    world = World(3)
    image, _ = world.render(Camera.from_hfov(320, 240, 60.0), world.pose(0.0))
    _, packed = cv2.imencode('.jpg', image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    other = cv2.imdecode(packed, cv2.IMREAD_COLOR)[..., ::-1].astype(float)
    batch = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]
    ours = compressed(batch, torch.tensor([float(quality)]))[0].permute(1, 2, 0).numpy()
    lost = np.abs(other - image).mean()
    assert np.abs(ours - image).mean() == pytest.approx(lost, rel=0.15)
    assert np.abs(ours - other).mean() < 0.5 * lost + 0.3


def test_a_blur_of_nothing_changes_nothing_and_others_spread() -> None:
    dot = torch.zeros(2, 1, 17, 17)
    dot[:, :, 8, 8] = 1
    found = blurred(dot, torch.tensor([0.0, 1.2])[:, None, None, None])
    assert torch.equal(found[0], dot[0])
    expected = cv2.GaussianBlur(dot[0, 0].numpy(), (9, 9), 1.2)
    np.testing.assert_allclose(found[1, 0], expected, atol=1e-4)


def test_zooming_in_makes_canonical_depth_smaller() -> None:
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8))
    depths = torch.full((60, 64, 96), 2.0, dtype=torch.float16)
    found, truth = taken(image.expand(60, 64, 96, 3), depths, generator(), PERFECT, 1.5)
    assert found.shape == (60, 3, 64, 96)
    assert ((found * 255).round() - found * 255).abs().max() < 1e-3
    shares = truth[:, 0, 0, 0] / 2
    assert torch.equal(truth / 2, shares[:, None, None, None].expand_as(truth))
    assert shares.max() == 1
    assert 3 / 4 / 1.52 < shares.min() < 0.7


def scene(height: int = 64, width: int = 96) -> tuple[torch.Tensor, torch.Tensor]:
    return (
        torch.zeros((40, height, width, 3), dtype=torch.uint8),
        torch.full((40, height, width), 5.0, dtype=torch.float16),
    )


def test_a_mirrored_frame_keeps_its_depth() -> None:
    """Where the light was there its depth is, on whichever side."""
    images, depths = scene()
    images[:, :, :48] = 120
    depths[:, :, :48] = 1.0
    found, truth = taken(images, depths, generator(), PERFECT, 1.01)
    mirrored = 0
    for picture, depth in zip(found.mean(1), truth[:, 0], strict=True):
        near = depth < 3 * depth.min()
        assert picture[near].mean() > picture[~near].mean() + 0.2
        mirrored += bool(near[:, -5:].all())
    assert 10 < mirrored < 30


def test_a_wide_picture_is_squeezed_and_its_depth_is_of_the_vertical_focal_length() -> None:
    """A square of the frame comes out narrower than tall; canonical depth goes with its height."""
    images, depths = scene(96, 128)
    images[:, 38:58, 54:74] = 200
    depths[:, 38:58, 54:74] = 1.0
    _, found = taken(images, depths, generator(), PERFECT, 1.01)
    squeezed = 0
    for truth in found[:, 0]:
        near = truth < 1.5 * truth.min()
        tall, wide = near.any(1).sum().item(), near.any(0).sum().item()
        if tall > 1.15 * wide:
            squeezed += 1
            assert truth.min().item() == pytest.approx(20 / tall, rel=0.06)
    assert 3 < squeezed < 20


def test_unknown_depth_stays_unknown_and_spreads_nowhere() -> None:
    images, depths = scene()
    depths[:, :20] = torch.inf
    depths[:, 20:22] = torch.nan
    _, truth = taken(images, depths, generator(), PERFECT, 1.5)
    known = truth[truth.isfinite()]
    assert known.min() > 5 / 1.5 / (4 / 3) - 0.01
    assert known.max() <= 5
    assert truth.isinf().any()


def test_without_zoom_a_frame_is_seen_as_it_is() -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(20, 90, (3, 64, 96, 3), np.uint8))
    depths = torch.rand(3, 64, 96)
    found, truth = taken(images, depths, generator(), PERFECT, 1.0)
    assert torch.equal(truth[:, 0], depths)
    straight = PERFECT.chosen(torch.zeros(3, dtype=torch.long)).pictures(
        light(images.permute(0, 3, 1, 2)), generator()
    )
    assert torch.equal(found, straight)
