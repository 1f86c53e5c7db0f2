from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from PIL import Image
import pytest

from depth_node.engine.prepare import Box, Preparation, seen
from depth_node.errors import DataError
from depth_node.image.size import Size
from depth_node.model import Aspect, Interpolation, ModelSpec, OutputKind


def spec(**fields):
    return ModelSpec('tiny', OutputKind.RELATIVE_DEPTH, **fields)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_normalizes_as_the_formula_says():
    frame = noise(24, 32)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    tensor = Preparation(spec(mean=mean, std=std), Size(32, 24)).forward(frame)
    wanted = ((frame / 255.0 - mean) / std).transpose(2, 0, 1)
    np.testing.assert_allclose(tensor[0], wanted, atol=2e-6)


def test_bgr_turns_the_channels_before_the_normalization():
    frame = noise(24, 32)
    tensor = Preparation(
        spec(bgr=True, mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0)), Size(32, 24)
    ).forward(frame)
    np.testing.assert_allclose(tensor[0, 0], frame[:, :, 2] / 255.0 - 0.1, atol=1e-6)
    np.testing.assert_allclose(tensor[0, 2], (frame[:, :, 0] / 255.0 - 0.3) / 3, atol=1e-6)


@pytest.mark.parametrize(
    ('ours', 'pillows'),
    [(Interpolation.LINEAR, Image.Resampling.BILINEAR),
     (Interpolation.CUBIC, Image.Resampling.BICUBIC)],
)
def test_enlarges_as_pillow_does(ours, pillows):
    """Enlarging needs no smoothing, so the two libraries mean the same thing."""
    smooth = np.clip(
        120 + 60 * np.sin(np.arange(40)[:, None, None] / 4)
        + 50 * np.cos(np.arange(60)[None, :, None] / 5 + np.arange(3)), 0, 255
    ).astype(np.uint8)
    tensor = Preparation(spec(interpolation=ours), Size(150, 90)).forward(smooth)
    wanted = np.asarray(Image.fromarray(smooth).resize((150, 90), pillows))
    difference = np.abs(tensor[0].transpose(1, 2, 0) * 255 - wanted)
    assert np.median(difference) <= 1
    assert difference.max() < 10


@pytest.mark.parametrize(('camera', 'network'), [
    ((1242, 375), (640, 192)), ((640, 480), (640, 192)), ((640, 480), (320, 256)),
    ((200, 100), (640, 192)), ((640, 192), (640, 192)), ((64, 480), (64, 96)), ((7, 5), (32, 64)),
])
def test_lanczos_is_pillows(camera, network):
    """Smoothed where it shrinks, each pixel within a level; of noise, which is the worst case."""
    frame = noise(camera[1], camera[0])
    tensor = Preparation(spec(interpolation=Interpolation.LANCZOS), Size(*network)).forward(frame)
    wanted = np.asarray(Image.fromarray(frame).resize(network, Image.Resampling.LANCZOS))
    assert np.abs(tensor[0].transpose(1, 2, 0) * 255 - wanted).max() <= 1.01


def test_lanczos_of_frames_of_changing_size():
    """Buffers follow the camera."""
    preparation = Preparation(spec(interpolation=Interpolation.LANCZOS), Size(64, 32))
    for size in ((100, 60), (64, 60), (100, 32), (100, 60)):
        frame = noise(size[1], size[0])
        wanted = Image.fromarray(frame).resize((64, 32), Image.Resampling.LANCZOS)
        found = preparation.forward(frame)[0].transpose(1, 2, 0) * 255
        assert np.abs(found - np.asarray(wanted)).max() <= 1.01


def test_area_is_the_mean_of_the_pixels_covered():
    frame = noise(48, 96)
    tensor = Preparation(spec(interpolation=Interpolation.AREA), Size(32, 24)).forward(frame)
    wanted = frame.reshape(24, 2, 32, 3, 3).mean((1, 3)).transpose(2, 0, 1)
    np.testing.assert_allclose(tensor[0] * 255, wanted, atol=0.51)


def test_takes_views_of_any_strides():
    frame = noise(50, 70)
    preparation = Preparation(spec(), Size(32, 24))
    for view in (frame[3:40, 5:60], frame[::-1], frame[:, ::-1], frame[::2, ::3],
                 frame[:, :, ::-1], frame.transpose(1, 0, 2)):
        wanted = preparation.forward(view.copy()).copy()
        np.testing.assert_array_equal(preparation.forward(view), wanted)


@pytest.mark.parametrize(
    'frame',
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32),
     np.zeros((0, 4, 3), np.uint8)],
)
def test_refuses_what_is_no_frame(frame):
    with pytest.raises(DataError, match=r'expected uint8 \[H, W, 3\]'):
        Preparation(spec(), Size(32, 24)).forward(frame)


sides = st.integers(1, 4000)


@given(sides, sides, sides, sides)
def test_a_crop_is_centered_inside_and_has_the_network_s_aspect(width, height, w, h):
    box = seen(Size(width, height), Size(w, h), Aspect.CROP)
    assert 0 <= width - box.width - 2 * box.x <= 1
    assert 0 <= height - box.height - 2 * box.y <= 1
    # one side is whole, the other the nearest whole number that keeps the aspect
    by_height = Fraction(height * w, h)
    by_width = Fraction(width * h, w)
    if by_height <= width:
        assert box.height == height
        assert abs(box.width - by_height) <= Fraction(1, 2) or box.width in (1, width)
    else:
        assert box.width == width
        assert abs(box.height - by_width) <= Fraction(1, 2) or box.height in (1, height)


def test_crop_reads_the_middle_and_writes_it_back_there():
    frame = noise(24, 100)
    preparation = Preparation(spec(aspect=Aspect.CROP), Size(32, 24))
    assert seen(Size(100, 24), Size(32, 24), Aspect.CROP) == Box(34, 0, 32, 24)
    tensor = preparation.forward(frame)
    np.testing.assert_allclose(tensor[0, 0], frame[:, 34:66, 0] / 255.0, atol=1e-6)
    out = np.empty((24, 100), np.float32)
    preparation.back(tensor[0, 0], out)
    np.testing.assert_array_equal(out[:, 34:66], tensor[0, 0])
    assert np.isnan(np.delete(out, np.s_[34:66], axis=1)).all()
    preparation.back(tensor[0, 0], out, 0.0)
    assert not np.delete(out, np.s_[34:66], axis=1).any()


def test_the_way_back_keeps_a_plane_a_plane():
    """Linear interpolation with pixel centers reproduces a linear function inside."""
    preparation = Preparation(spec(), Size(32, 24))
    rows, columns = np.mgrid[0:24, 0:32].astype(np.float32)
    out = np.empty((96, 160), np.float32)
    preparation.back(2 * columns + 3 * rows, out)
    rows, columns = np.mgrid[0:96, 0:160]
    wanted = 2 * ((columns + 0.5) / 5 - 0.5) + 3 * ((rows + 0.5) / 4 - 0.5)
    np.testing.assert_allclose(out[4:-4, 5:-5], wanted[4:-4, 5:-5], atol=1e-3)
