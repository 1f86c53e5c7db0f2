"""Every source of frames, and what it says when it cannot give any."""

import os
import struct

import cv2
import numpy as np
from PIL import Image
import pytest

from depth_node.camera import Camera
from depth_node.errors import DataError
from depth_node.sources.frames import open_source
from depth_node.sources.video import _Clock
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


def test_home():
    """A lived-in room, by its seed; its name opens it again."""
    source = open_source('home:4', CAMERA, rate=10)
    frame = next(iter(source))
    assert source.name == 'home:4'
    assert frame.rgb.shape == (CAMERA.height, CAMERA.width, 3)
    assert np.isfinite(frame.depth).mean() > 0.5
    np.testing.assert_array_equal(
        frame.rgb, next(iter(open_source(source.name, CAMERA, rate=10))).rgb
    )
    with pytest.raises(DataError, match='whole number'):
        open_source('home:x')



@pytest.mark.parametrize(
    ('content', 'name', 'message'),
    [
        (None, 'gone', 'no such file'),
        (b'', 'empty.png', 'not a decodable image'),
        (b'\x89PNG\r\n\x1a\n' + bytes(40), 'broken.png', 'size is 0x0'),
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


def turned_video(path, quarters=1):
    """Write a video of a phone: stored as the sensor saw it, with a matrix that turns it."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 10, (64, 48))
    if not writer.isOpened():
        pytest.skip('this OpenCV writes no video')
    for rgb in pictures():
        writer.write(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    writer.release()
    data = bytearray(path.read_bytes())
    box = data.find(b'tkhd')
    at = box + 4 + (24 if data[box + 4] == 0 else 36) + 16
    data[at:at + 36] = struct.pack(
        '>9i', 0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30
    )
    path.write_bytes(data)


def test_a_turned_video_has_a_turned_camera(tmp_path):
    """OpenCV turns it; its calibration may be that of the sensor or of the upright video."""
    turned_video(tmp_path / 'a.mp4')
    frame = next(iter(open_source(tmp_path / 'a.mp4', CAMERA)))
    assert frame.rgb.shape == (64, 48, 3)
    assert (frame.camera.fx, frame.camera.cx) == (CAMERA.fy, CAMERA.height - 1 - CAMERA.cy)
    upright = Camera.from_hfov(48, 64, 60)
    assert next(iter(open_source(tmp_path / 'a.mp4', upright))).camera == upright


def test_a_turned_photo_is_upright(tmp_path):
    """As a turned video is; with the same calibrations."""
    [rgb] = pictures(1)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(rgb).save(tmp_path / 'a.png', exif=exif)
    frame = next(iter(open_source(tmp_path / 'a.png', CAMERA)))
    np.testing.assert_array_equal(frame.rgb, np.rot90(rgb, -1))
    assert frame.camera.size == (48, 64)
    assert frame.camera.cx == CAMERA.height - 1 - CAMERA.cy


def test_times_of_a_variable_frame_rate(tmp_path):
    """The container knows when a frame was taken; its mean rate does not."""
    path = tmp_path / 'a.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 10, (64, 48))
    if not writer.isOpened():
        pytest.skip('this OpenCV writes no video')
    for _ in range(10):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    data = bytearray(path.read_bytes())
    table = data.find(b'stts')
    size, delta = (int.from_bytes(data[at:at + 4], 'big') for at in (table - 4, table + 16))
    new = struct.pack('>I4sIIIIII', 32, b'stts', 0, 2, 5, delta, 5, delta * 10)
    data[table - 4:table - 4 + size] = new
    for box in (b'moov', b'trak', b'mdia', b'minf', b'stbl'):
        at = data.find(box) - 4
        grown = int.from_bytes(data[at:at + 4], 'big') + len(new) - size
        data[at:at + 4] = grown.to_bytes(4, 'big')
    path.write_bytes(data)
    stamps = [round(frame.stamp / 1e6) for frame in open_source(path)]
    assert stamps[:6] == [0, 100, 200, 300, 400, 500]  # its edit list ends after a second


def test_a_clock_that_stands_still_goes_on():
    """Containers without times, with equal ones or with absurd ones."""
    clock = _Clock(10.0)
    times = [5.0, 5.0, 5.0, 4.0, float('nan'), 1e300, 2000.0]
    stamps = [clock.stamp(milliseconds) for milliseconds in times]
    assert stamps == [0, 10**8, 2 * 10**8, 3 * 10**8, 4 * 10**8, 5 * 10**8, 1_995_000_000]


def test_one_broken_file_does_not_end_a_folder(tmp_path):
    """It is told, the others come with their own times; hidden files are none."""
    for index, rgb in enumerate(pictures(4)):
        save(tmp_path / f'{index}.png', rgb)
    (tmp_path / '1.png').write_bytes((tmp_path / '1.png').read_bytes()[:60])
    (tmp_path / '._0.png').write_bytes(b'\0\5\26\7')
    (tmp_path / '5.heic').write_bytes(b'\0\0\0\x18ftypheic')
    (tmp_path / '6.png').mkdir()
    reasons = []
    found = list(open_source(tmp_path, rate=10, on_skip=reasons.append))
    assert [(frame.name, frame.stamp) for frame in found] == [
        ('0', 0), ('2', 200_000_000), ('3', 300_000_000)
    ]
    assert len(reasons) == 2
    assert '1.png' in str(reasons[0])
    assert 'not read here' in str(reasons[1])
    with pytest.raises(DataError, match=r'1\.png'):
        list(open_source(tmp_path))


def test_a_fifo_is_no_picture(tmp_path):
    """To open one for reading waits for ever."""
    os.mkfifo(tmp_path / 'a.png')
    os.mkfifo(tmp_path / 'a.mp4')
    for name in ('a.png', 'a.mp4'):
        with pytest.raises(DataError, match='a FIFO, expected a regular file'):
            list(open_source(tmp_path / name))


@pytest.mark.parametrize(('text', 'expected'), [
    ('/dev/video_front', 'no such device'), ('/dev/v4l/by-id/usb-x', 'no such device'),
    ('/dev/video97', 'no such device'), ('9' * 30, 'no such device'),
    ('world:' + '9' * 30, 'expected a whole number'), ('world:²', 'expected a whole number'),
    ('http://host/a.mp4', 'is a URL'), ('', 'not a path'), ('~nobody_here/a.png', 'nobody_here'),
])
def test_names_that_lead_nowhere(text, expected):
    """Devices have whatever names udev gives them."""
    with pytest.raises(DataError, match=expected):
        list(open_source(text))


def test_file_urls_and_home(tmp_path, monkeypatch):
    """As people and ROS write paths."""
    save(tmp_path / 'a.png', pictures(1)[0])
    monkeypatch.setenv('HOME', str(tmp_path))
    for text in ((tmp_path / 'a.png').as_uri(), '~/a.png'):
        assert [frame.name for frame in open_source(text)] == ['a']


def test_a_12_bit_picture_in_16_bits(tmp_path):
    """8.8 m became 7.0, because it was all but black."""
    ramp = np.tile(np.linspace(0, 4095, 64), (48, 1)).astype(np.uint16)
    for name in ('a.png', 'a.tiff'):
        cv2.imwrite(str(tmp_path / name), ramp)
        rgb = next(iter(open_source(tmp_path / name))).rgb
        assert rgb[0, -1, 0] == 255
        assert abs(rgb[..., 0] / 255 - ramp / 4095).max() < 0.01
