"""Every source of frames, and what it says when it cannot give any."""

import cv2
import numpy as np
import pytest

from depth_node.camera import Camera
from depth_node.errors import DataError
from depth_node.sources.frames import open_source
from depth_node.world import World

CAMERA = Camera.from_hfov(64, 48, 80)


def pictures(count=3):
    """Return smooth rgb pictures, each of its own color, that survive lossy coding."""
    ramp = np.linspace(0, 60, 64, dtype=np.float32)[None, :, None]
    base = np.array([[40, 90, 140], [150, 60, 30], [20, 160, 90]], np.float32)
    return [np.broadcast_to(base[i % 3] + ramp, (48, 64, 3)).astype(np.uint8)
            for i in range(count)]


def save(path, rgb):
    """Write a picture."""
    cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))


def test_folder_in_natural_order(tmp_path):
    """Files 2 and 10 come as a person counts, other files are passed over."""
    frames = pictures()
    for name, rgb in zip(('10', '2', '1'), frames, strict=True):
        save(tmp_path / f'{name}.png', rgb)
    (tmp_path / 'notes.txt').write_text('x')
    source = open_source(tmp_path, CAMERA, rate=10)
    found = list(source)
    assert source.count == 3
    assert [frame.name for frame in found] == ['1', '2', '10']
    assert [frame.stamp for frame in found] == [0, 100_000_000, 200_000_000]
    np.testing.assert_array_equal(found[0].rgb, frames[2])
    assert found[0].camera == CAMERA
    assert len(list(source)) == 3  # again and again


def test_one_image_and_a_resized_calibration(tmp_path):
    """A calibration made at twice the size fits; one of another aspect is refused."""
    save(tmp_path / 'a.png', pictures(1)[0])
    frame = next(iter(open_source(tmp_path / 'a.png', CAMERA.scaled((128, 96)))))
    assert frame.camera.fx == pytest.approx(CAMERA.fx)
    with pytest.raises(DataError, match='64x48'):
        next(iter(open_source(tmp_path / 'a.png', Camera.from_hfov(128, 128, 80))))
    assert next(iter(open_source(tmp_path / 'a.png'))).camera is None


def test_grey_and_sixteen_bit_become_rgb(tmp_path):
    """A 16-bit grey picture comes as 8-bit rgb."""
    grey = np.full((4, 6), 0x8000, np.uint16)
    cv2.imwrite(str(tmp_path / 'a.png'), grey)
    rgb = next(iter(open_source(tmp_path))).rgb
    assert rgb.shape == (4, 6, 3)
    assert set(np.unique(rgb)) == {128}


def test_video(tmp_path):
    """Frames, their number and their times come from the file."""
    path = tmp_path / 'drive.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 20, (64, 48))
    if not writer.isOpened():
        pytest.skip('this OpenCV writes no video')
    for rgb in pictures():
        writer.write(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    writer.release()
    source = open_source(path, CAMERA)
    found = list(source)
    assert source.count == len(found) == 3
    assert [frame.stamp for frame in found] == [0, 50_000_000, 100_000_000]
    for frame, rgb in zip(found, pictures(), strict=True):
        assert abs(frame.rgb.astype(int) - rgb).mean() < 4


def test_world():
    """The world gives pictures with their camera and exact depth."""
    source = open_source('world:3', CAMERA, rate=10)
    assert source.count is None
    frames = iter(source)
    next(frames)
    second = next(frames)
    assert second.stamp == 100_000_000
    rgb, depth = World(3).render(CAMERA, World(3).pose(0.1), time=0.1)
    np.testing.assert_array_equal(second.rgb, rgb)
    np.testing.assert_array_equal(second.depth, depth)


@pytest.mark.parametrize(
    ('content', 'name', 'message'),
    [
        (None, 'gone', 'no such file'),
        (b'', 'empty.png', 'not a decodable image'),
        (b'\x89PNG\r\n\x1a\n' + bytes(40), 'broken.png', 'decodable'),
        (b'hello', 'video.mp4', 'neither an image'),
        (b'hello', 'record.mcap', 'not a readable rosbag'),
        (b'hello', 'record.bag', 'not a readable rosbag'),
    ],
)
def test_refusals(tmp_path, content, name, message):
    """One clear text says what is wrong with it."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        list(open_source(tmp_path / name))


def test_refused_texts(tmp_path):
    """A folder without pictures, a seed that is none, a camera that is not there."""
    with pytest.raises(DataError, match='contains no image'):
        open_source(tmp_path)
    with pytest.raises(DataError, match='seed'):
        open_source('world:x')
    with pytest.raises(DataError, match='/dev/video97'):
        next(iter(open_source('97')))
