"""JPEG files that a camera truncated or a network damaged: never completed by invention."""

from __future__ import annotations

import cv2
from hypothesis import assume, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from depth_node.errors import DataError
from depth_node.image.compressed import decode_rgb
from depth_node.image.jpeg import checked_jpeg, jpeg_size

RESTART = cv2.IMWRITE_JPEG_RST_INTERVAL
KINDS = {
    'plain': (), 'coarse': (cv2.IMWRITE_JPEG_QUALITY, 40),
    'optimized': (cv2.IMWRITE_JPEG_OPTIMIZE, 1), 'restarts': (RESTART, 40),
    'one plane': (), 'full chroma': (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111),
}


def scene(height: int = 240, width: int = 320, seed: int = 0) -> np.ndarray:
    """Smooth colors with some noise, as of a camera."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (9, 12, 3), np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.add(smooth, rng.integers(0, 12, smooth.shape, np.uint8))


def written(image: np.ndarray, *flags: int) -> bytes:
    return cv2.imencode('.jpg', image, flags)[1].tobytes()


def file_of(kind: str) -> bytes:
    image = scene()
    return written(image[..., 0] if kind == 'one plane' else image, *KINDS[kind])


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('share', [0.1, 0.5, 0.9, 0.98])
def test_truncated_files_are_refused(kind: str, share: float) -> None:
    """With OpenCV 4, too, which fills in the rest; and when something adds an end marker."""
    data = file_of(kind)
    cut = data[:int(len(data) * share)]
    for broken in (cut, cut + b'\xff\xd9', cut + bytes(2000)):
        with pytest.raises(DataError, match='JPEG image'):
            decode_rgb(broken)


def test_a_truncated_progressive_file_is_refused() -> None:
    data = written(scene(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    assert decode_rgb(data).shape == (240, 320, 3)
    with pytest.raises(DataError, match='truncated'):
        decode_rgb(data[:len(data) // 2])


@pytest.mark.parametrize('kind', [kind for kind in KINDS if kind != 'optimized'])
def test_a_gap_of_zeros_is_refused(kind: str) -> None:
    """A USB packet that was lost, in a buffer that was cleared."""
    data = bytearray(file_of(kind))
    for at in range(len(data) // 4, len(data) - 600, len(data) // 10):
        broken = data.copy()
        broken[at:at + 400] = bytes(400)
        with pytest.raises(DataError, match='is damaged'):
            decode_rgb(bytes(broken))


@pytest.mark.parametrize('kind', KINDS)
def test_most_lost_bytes_are_noticed(kind: str) -> None:
    """What follows is misread; only when the number of blocks comes out right, it is not seen."""
    data = file_of(kind)
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(20):
        at = int(rng.integers(len(data) // 4, len(data) * 3 // 4))
        try:
            decode_rgb(data[:at] + data[at + 300:])
        except DataError:
            refused += 1
    assert refused >= (8 if kind == 'restarts' else 12)  # damage is confined to an interval


def test_restart_markers_have_to_be_in_order() -> None:
    """A camera that sends them lost a packet; the decoder would leave a band of gray."""
    data = file_of('restarts')
    first = data.index(b'\xff\xd1')
    second = data.index(b'\xff\xd2')
    with pytest.raises(DataError, match='restart markers'):
        decode_rgb(data[:first] + data[second:])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 90), st.integers(1, 90), st.integers(1, 100), st.integers(0, 9),
    st.booleans(), st.booleans(), st.integers(0, 5),
)
def test_intact_files_are_never_refused(
    height, width, quality, interval, optimized, gray, seed
) -> None:
    """
    Whatever the encoder; also without the end marker, which some cameras leave out.

    Only without it, an image that is all over the gray of lost blocks is refused: it may be one.
    """
    assume(height * width > 1)
    image = scene(height, width, seed)
    data = written(
        image[..., 0] if gray else image, cv2.IMWRITE_JPEG_QUALITY, quality, RESTART, interval,
        cv2.IMWRITE_JPEG_OPTIMIZE, int(optimized),
    )
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    gray_all_over = (expected == 128).all()
    for whole in (data, data + bytes(500), *(() if gray_all_over else (data[:-2],))):
        np.testing.assert_array_equal(decode_rgb(whole), expected[..., ::-1])
    assert jpeg_size(data) == (width, height)


@pytest.mark.parametrize('level', [0, 128, 255])
@pytest.mark.parametrize('kind', ['plain', 'restarts', 'optimized'])
def test_flat_images_are_images(level: int, kind: str) -> None:
    """128 is the gray that libjpeg gives to blocks without data."""
    data = written(np.full((48, 64, 3), level, np.uint8), *KINDS[kind])
    assert abs(decode_rgb(data).astype(int) - level).max() <= 1


def test_the_check_is_silent(capfd) -> None:
    """Libjpeg writes to the terminal by itself; not once a frame."""
    for seed in range(20):
        data = written(scene(seed=seed))
        assert checked_jpeg(data).data == data
        decode_rgb(data)
    assert capfd.readouterr().err == ''


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 5000), st.binary(min_size=1, max_size=6))
def test_any_damage_gives_an_image_or_an_error(at: int, patch: bytes) -> None:
    data = bytearray(written(scene(32, 48), RESTART, 3))
    at %= len(data)
    data[at:at + len(patch)] = patch
    try:
        rgb = decode_rgb(bytes(data))
    except DataError:
        return
    assert rgb.shape[2] == 3


@pytest.mark.parametrize('share', [0.3, 0.5, 0.7])
@pytest.mark.parametrize('shape', [(120, 160, 3), (120, 160)], ids=['color', 'gray'])
def test_a_progressive_file_without_its_last_scans_is_refused(
    share: float, shape: tuple[int, ...]
) -> None:
    """Cut, and closed by an end marker: the details would be invented."""
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    assert decode_rgb(data).shape[:2] == shape[:2]
    with pytest.raises(DataError, match='scans are missing'):
        decode_rgb(data[:int(share * len(data))] + b'\xff\xd9')


@pytest.mark.parametrize('bytes_left', [0, 1, 48, 120])
def test_the_first_bytes_of_a_file_are_not_a_gray_picture(bytes_left: int) -> None:
    """Nearly all of it would be the gray of blocks without data."""
    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    data = cv2.imencode('.jpg', image)[1].tobytes()
    start = data.index(b'\xff\xda') + 14
    with pytest.raises(DataError, match='is damaged'):
        decode_rgb(data[:start + bytes_left] + b'\xff\xd9')
