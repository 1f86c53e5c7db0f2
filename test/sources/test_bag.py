"""Rosbags written by the rosbags library, read as frames."""

from bags import COMPRESSED, IMAGE, image, INFO, info, RGB, write
import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from depth_node.camera import Camera
from depth_node.camera.info import CameraNumbers
from depth_node.errors import DataError
from depth_node.sources.frames import open_source

pytest.importorskip('rosbags')


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_raw_images_with_their_camera(tmp_path, storage):
    """The color topic is found, the CameraInfo may come after the first image."""
    path = tmp_path / 'bag'
    write(path, {
        '/camera/depth/image_rect': (IMAGE, [(5, image(np.ones((6, 8), np.uint16), '16UC1'))]),
        '/camera/image_raw': (
            IMAGE, [(10, image(RGB)), (1_000_000_020, image(RGB[..., ::-1], 'bgr8'))]
        ),
        '/camera/camera_info': (INFO, [(15, info())]),
    }, storage)
    source = open_source(path)
    frames = list(source)
    assert source.count == len(frames) == 2
    assert [frame.stamp for frame in frames] == [10, 1_000_000_020]
    for frame in frames:
        np.testing.assert_array_equal(frame.rgb, RGB)
        assert frame.camera == Camera(8, 6, 10, 11, 3.5, 2.5)
    data = next(path.glob('*.mcap' if storage == 'mcap' else '*.db3'))
    assert len(list(open_source(data))) == 2


def test_compressed_images(tmp_path):
    """PNG in a CompressedImage; a camera that is not calibrated is none."""
    data = cv2.imencode('.png', RGB[..., ::-1])[1].reshape(-1)
    write(tmp_path / 'bag', {
        '/cam/image_raw/compressed': (COMPRESSED, [(7, {
            'format': 'rgb8; png compressed bgr8', 'data': data,
        })]),
        '/cam/camera_info': (INFO, [(1, info((0.0,) * 9))]),
    })
    [frame] = open_source(tmp_path / 'bag')
    np.testing.assert_array_equal(frame.rgb, RGB)
    assert frame.camera is None
    given = Camera(8, 6, 9, 9, 4, 3)
    [frame] = open_source(tmp_path / 'bag', given)
    assert frame.camera == given


def test_ros1(tmp_path):
    """Bags of ROS 1, whose CameraInfo has capital letters."""
    from rosbags.rosbag1 import Writer
    from rosbags.typesys import get_typestore, Stores

    store = get_typestore(Stores.ROS1_NOETIC)
    types = store.types
    stamp = types['builtin_interfaces/msg/Time'](3, 4)
    header = types['std_msgs/msg/Header'](0, stamp, 'camera')
    fields = info()
    for name in ('d', 'k', 'r', 'p'):
        fields[name.upper()] = fields.pop(name)
    roi = types['sensor_msgs/msg/RegionOfInterest']
    fields['roi'] = roi(0, 0, 0, 0, False)
    path = tmp_path / 'old.bag'
    with Writer(path) as writer:
        for topic, kind, content in (('/cam/image_raw', IMAGE, image(RGB)),
                                     ('/cam/camera_info', INFO, fields)):
            connection = writer.add_connection(topic, kind, typestore=store)
            message = types[kind](header, **content)
            writer.write(connection, 5, store.serialize_ros1(message, kind))
    [frame] = open_source(path)
    np.testing.assert_array_equal(frame.rgb, RGB)
    assert frame.stamp == 3_000_000_004
    assert frame.camera == Camera(8, 6, 10, 11, 3.5, 2.5)


def test_topics(tmp_path):
    """A topic may be named; one that is not there is refused with those that are."""
    write(tmp_path / 'bag', {
        '/left/image_raw': (IMAGE, [(1, image(RGB))]),
        '/right/image_raw': (IMAGE, [(1, image(RGB // 2))]),
    })
    [frame] = open_source(tmp_path / 'bag', topic='/right/image_raw')
    np.testing.assert_array_equal(frame.rgb, RGB // 2)
    with pytest.raises(DataError, match='/left/image_raw, /right/image_raw'):
        list(open_source(tmp_path / 'bag', topic='/middle'))


def test_refusals(tmp_path):
    """No images, and images whose bytes are missing."""
    write(tmp_path / 'none', {'/camera_info': (INFO, [(1, info())])})
    with pytest.raises(DataError, match='no Image'):
        list(open_source(tmp_path / 'none'))
    short = image(RGB)
    short['data'] = short['data'][:50]
    write(tmp_path / 'short', {'/image': (IMAGE, [(1, short)])})
    with pytest.raises(DataError, match=r'image 0 of /image.*50 bytes'):
        list(open_source(tmp_path / 'short'))


def lens(p=(6.0, 0, 3, 0, 0, 6.0, 2, 0, 0, 0, 1, 0)):
    """Return the fields of a CameraInfo with distortion and a P of another focal length."""
    fields = info()
    return fields | {'d': np.array([-0.1, 0, 0, 0, 0]), 'p': np.array(p, float)}


@pytest.mark.parametrize(('name', 'rectified', 'focal'), [
    ('image_raw', 'auto', 10), ('image_unrect', 'auto', 10), ('image_rect', 'auto', 6),
    ('director/image', 'auto', 10), ('image_raw', 'true', 6), ('image_rect', 'false', 10),
])
def test_the_same_rule_as_the_node_for_rectified_images(tmp_path, name, rectified, focal):
    """"rect" somewhere in the name is not enough; the option wins; a given file obeys, too."""
    path = tmp_path / 'bag'
    topic = f'/camera/{name}'
    write(path, {
        topic: (IMAGE, [(5, image(RGB))]),
        topic.rpartition('/')[0] + '/camera_info': (INFO, [(4, lens())]),
    })
    [frame] = open_source(path, rectified=rectified)
    assert frame.camera.fx == focal
    fields = lens()
    numbers = CameraNumbers(
        8, 6, 'plumb_bob', tuple(fields['d']), tuple(fields['k']), tuple(fields['r']),
        tuple(fields['p']),
    )
    [frame] = open_source(path, numbers, rectified=rectified)
    assert frame.camera.fx == focal


def drive(count=6):
    """Return topics of a short drive."""
    seconds = 1_000_000_000
    return {
        '/cam/image_raw': (IMAGE, [(n * seconds, image(RGB)) for n in range(count)]),
        '/cam/camera_info': (INFO, [(n * seconds, info()) for n in range(count)]),
    }


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_a_folder_whose_recorder_was_killed(tmp_path, storage):
    """It has no metadata.yaml; the files are opened themselves."""
    write(tmp_path / 'bag', drive(), storage)
    (tmp_path / 'bag' / 'metadata.yaml').unlink()
    source = open_source(tmp_path / 'bag')
    assert source.count == 6
    assert [frame.camera.fx for frame in source] == [10] * 6


@pytest.mark.parametrize('share', [0.9, 0.6])
def test_an_mcap_without_an_end_is_read_as_far_as_it_goes(tmp_path, share):
    """And this is said; every whole message comes."""
    write(tmp_path / 'bag', drive(), 'mcap')
    [path] = (tmp_path / 'bag').glob('*.mcap')
    data = path.read_bytes()
    body = data.rindex(RGB.tobytes()) + RGB.nbytes  # behind it, there are only indexes
    cut = tmp_path / 'cut.mcap'
    cut.write_bytes(data[:int(body * share)])
    reasons = []
    found = list(open_source(cut, on_skip=reasons.append))
    assert 2 <= len(found) < 6
    np.testing.assert_array_equal(found[-1].rgb, RGB)
    assert found[-1].camera.fx == 10
    assert 'has no end' in str(reasons[0])
    assert 'mcap recover' in str(reasons[0])


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
@pytest.mark.parametrize('metadata', [True, False])
def test_a_folder_whose_file_is_cut(tmp_path, storage, metadata):
    """With metadata.yaml or without: the disk was full, or a copy was interrupted."""
    topics = drive(40)
    big = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    k = (80.0, 0.0, 31.5, 0.0, 80.0, 23.5, 0.0, 0.0, 1.0)
    calibrated = info(k) | {'height': 48, 'width': 64}
    topics['/cam/image_raw'] = (IMAGE, [(n * 10**9, image(big)) for n in range(40)])
    topics['/cam/camera_info'] = (INFO, [(n * 10**9, calibrated) for n in range(40)])
    write(tmp_path / 'bag', topics, storage)
    if not metadata:
        (tmp_path / 'bag' / 'metadata.yaml').unlink()
    [path] = [p for p in (tmp_path / 'bag').iterdir() if p.suffix in {'.mcap', '.db3'}]
    path.write_bytes(path.read_bytes()[:path.stat().st_size * 6 // 10])
    reasons = []
    source = open_source(tmp_path / 'bag', on_skip=reasons.append)
    found = list(source)
    assert 15 <= len(found) < 30
    assert len(found) == source.count
    np.testing.assert_array_equal(found[-1].rgb, big)
    assert found[-1].camera.fx == 80
    assert any('has no end' in str(reason) for reason in reasons)


def test_one_bad_image_does_not_end_a_bag(tmp_path):
    """It is told by number and topic, and keeps its number."""
    topics = drive(4)
    broken = image(RGB)
    broken['data'] = broken['data'][:50]
    topics['/cam/image_raw'][1][1] = (10**9, broken)
    write(tmp_path / 'bag', topics)
    reasons = []
    found = list(open_source(tmp_path / 'bag', on_skip=reasons.append))
    assert [frame.name for frame in found] == ['000000', '000002', '000003']
    assert len(reasons) == 1
    assert 'image 1 of /cam/image_raw' in str(reasons[0])


def test_an_impossible_camera_info_is_no_camera(tmp_path):
    """Its images are left out, as they would get the rays of another camera."""
    topics = drive(3)
    topics['/cam/camera_info'][1][1] = (10**9, info((1e9, 0, 3.5, 0, -1, 2.5, 0, 0, 1)))
    write(tmp_path / 'bag', topics)
    reasons = []
    found = list(open_source(tmp_path / 'bag', on_skip=reasons.append))
    assert [frame.camera.fx for frame in found] == [10] * len(found)
    assert len(found) + len(reasons) == 3
    assert reasons


@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 0.999), st.integers(0, 255), st.sampled_from(['mcap', 'sqlite3']))
def test_damaged_and_truncated_bags_give_frames_or_an_error(
    tmp_path_factory, share, value, storage
):
    """Whatever is left of them."""
    folder = tmp_path_factory.mktemp('bag')
    write(folder / 'bag', drive(3), storage)
    [path] = [p for p in (folder / 'bag').iterdir() if p.suffix in {'.mcap', '.db3'}]
    data = bytearray(path.read_bytes())
    at = int(len(data) * share)
    for name, content in (('cut', data[:at]), ('bad', data[:at] + bytes([value]) + data[at + 1:])):
        other = folder / f'{name}{path.suffix}'
        other.write_bytes(content)
        reasons = []
        try:
            frames = list(open_source(other, on_skip=reasons.append))
        except DataError:
            continue
        assert len(frames) <= 3
