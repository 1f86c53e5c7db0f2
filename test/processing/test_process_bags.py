"""Bags of every kind and in every state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from results import contents
from world_bags import CAMERA, FRAME, record, Recorder, START

from depth_node.processing.lookahead import looking_ahead
from depth_node.sources.frames import open_source
from depth_node.sources.rosbag_opening import opened, raw_messages

pytest.importorskip('rosbags')
DEPTH = '/depth/image'


@pytest.fixture
def expected(tmp_path: Path, model: Path, process: Any) -> list[bytes]:
    """The depth of eight frames of an ordinary bag."""
    record(tmp_path / 'plain', 8)
    process(tmp_path / 'plain', '--out', tmp_path / 'expected', '--model', model)
    return [m.image.tobytes() for m in contents(tmp_path / 'expected' / 'plain')[DEPTH]]


@pytest.mark.parametrize(('storage', 'compression'), [
    ('sqlite3', ''), ('sqlite3', 'file'), ('sqlite3', 'message'), ('mcap', 'file'),
    ('mcap', 'message'), ('mcap', 'storage'),
])
@pytest.mark.parametrize('metadata', [True, False])
def test_every_storage_and_compression(
    tmp_path: Path, model: Path, process: Any, expected: list[bytes], storage: str,
    compression: str, metadata: bool,
) -> None:
    """With metadata.yaml or without: the same depth, and the same messages beside it."""
    bag = record(tmp_path / 'drive', 8, storage=storage, compression=compression)
    if not metadata:
        (bag / 'metadata.yaml').unlink()
    code, [line] = process(bag, '--out', tmp_path / 'out', '--model', model)
    assert (code, line['left_out']) == (0, 0)
    found, plain = contents(tmp_path / 'out' / 'drive'), contents(tmp_path / 'plain')
    assert [m.image.tobytes() for m in found[DEPTH]] == expected
    for topic, messages in plain.items():
        assert [(m.when, m.raw) for m in found[topic]] == [(m.when, m.raw) for m in messages]


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_several_files_without_metadata(
    tmp_path: Path, model: Path, process: Any, expected: list[bytes], storage: str
) -> None:
    """Of a recorder that splits and was killed: one bag, in the order of time."""
    bag = record(tmp_path / 'drive', 8, storage=storage)
    (bag / 'metadata.yaml').unlink()
    other = record(tmp_path / 'other', 1, storage=storage)
    [second] = [path for path in other.iterdir() if path.name != 'metadata.yaml']
    second.rename(bag / f'a_first{second.suffix}')
    code, [line] = process(bag, '--out', tmp_path / 'out', '--model', model)
    assert (code, line['frames']) == (0, 9)
    found = contents(tmp_path / 'out' / 'drive')[DEPTH]
    assert [m.image.tobytes() for m in found] == [expected[0], *expected]
    assert [m.stamp for m in found] == sorted(m.stamp for m in found)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_cut_recording_of_many_files_is_read_in_the_order_of_time(
    tmp_path: Path, storage: str
) -> None:
    """By name, drive_10 comes before drive_2."""
    bag = tmp_path / 'drive'
    bag.mkdir()
    for number in range(12):
        with Recorder(tmp_path / f'part_{number}', storage) as part:
            for i in range(40):  # a database is more than a page
                text = part.made('std_msgs/msg/String', data=f'{number} {i} {"x" * 200}')
                part.write('/note', 'std_msgs/msg/String', START + 100 * number + i, text)
        [file] = [p for p in (tmp_path / f'part_{number}').iterdir() if p.suffix != '.yaml']
        file.rename(bag / f'drive_{number}{file.suffix}')
    [last] = bag.glob('drive_11.*')
    last.write_bytes(last.read_bytes()[:last.stat().st_size * 8 // 10])
    with opened(bag) as reader:
        assert reader.truncated
        times = [when - START for _, when, _ in raw_messages(reader, reader.connections)]
    assert times == sorted(times)
    assert len(times) > 11 * 40
    assert times[:11 * 40] == [100 * number + i for number in range(11) for i in range(40)]


@pytest.mark.parametrize(('storage', 'compression', 'metadata'), [
    ('mcap', '', True), ('mcap', '', False), ('sqlite3', '', True), ('sqlite3', '', False),
    ('mcap', 'file', True), ('sqlite3', 'file', False),
])
def test_a_cut_bag_goes_as_far_as_it_goes(
    tmp_path: Path, model: Path, process: Any, expected: list[bytes], storage: str,
    compression: str, metadata: bool,
) -> None:
    """Exit code 1, the reason, and the depth of every whole image."""
    count = 50 if compression else 8  # zstd gives whole blocks of 128 KiB
    bag = record(tmp_path / 'drive', count, storage=storage, compression=compression)
    [path] = [p for p in bag.iterdir() if p.name != 'metadata.yaml']
    path.write_bytes(path.read_bytes()[:path.stat().st_size * 7 // 10])
    if not metadata:
        (bag / 'metadata.yaml').unlink()
    code, [line] = process(bag, '--out', tmp_path / 'out', '--model', model)
    assert (code, line['status']) == (1, 'done')
    assert 'as far as it goes' in ' '.join(line['reasons'])
    found = [m.image.tobytes() for m in contents(tmp_path / 'out' / 'drive')[DEPTH]]
    assert 2 <= len(found) < count
    assert found[:8] == expected[:len(found)]
    code, [line] = process(bag, '--out', tmp_path / 'out', '--model', model)
    assert (code, line['status']) == (1, 'skipped')


def test_ros1(tmp_path: Path, model: Path, process: Any, expected: list[bytes]) -> None:
    """Stays a bag of ROS 1, with everything beside."""
    from rosbags.rosbag1 import Reader

    bag = record(tmp_path / 'drive.bag', 8)
    code, [line] = process(
        bag, '--out', tmp_path / 'out', '--model', model, '--topics',
        'depth,camera_info,points,scan',
    )
    assert (code, line['frames']) == (0, 8)
    folder = tmp_path / 'out' / 'drive'
    found, before = contents(folder), contents(bag)
    assert [m.image.tobytes() for m in found[DEPTH]] == expected
    for topic, messages in before.items():
        assert [(m.when, m.raw) for m in found[topic]] == [(m.when, m.raw) for m in messages]
    assert found['/depth/camera_info'][0].message.K[0] == pytest.approx(CAMERA.fx)
    assert len(found['/depth/points']) == len(found['/depth/scan']) == 8
    with Reader(folder / 'drive.bag') as reader:
        digests = {c.msgtype: c.digest for c in reader.connections}
    # md5sums of the ROS 1 wiki
    assert digests['sensor_msgs/msg/Image'] == '060021388200f6f0f447d0fcd9c64743'
    assert digests['sensor_msgs/msg/PointCloud2'] == '1158d486dd51d683ce2f1be655c3c181'
    assert [frame.stamp for frame in open_source(folder)] == [
        START + n * 10**8 for n in range(8)
    ]


def test_a_bad_image_is_left_out(tmp_path: Path, model: Path, process: Any) -> None:
    """The others are processed; what was recorded is all there."""
    with Recorder(tmp_path / 'drive') as bag:
        for number in range(3):
            stamp = START + number * 10**8
            bag.info('/cam/camera_info', stamp, CAMERA, stamp)
            rgb = np.full((48, 64, 3), 50 * number + 20, np.uint8)
            broken = rgb[:5] if number == 1 else rgb
            bag.write('/cam/image', 'sensor_msgs/msg/Image', stamp, bag.made(
                'sensor_msgs/msg/Image', header=bag.header(stamp, FRAME), height=48, width=64,
                encoding='rgb8', is_bigendian=0, step=192, data=broken.reshape(-1),
            ))
    code, [line] = process(tmp_path / 'drive', '--out', tmp_path / 'out', '--model', model)
    assert (code, line['frames'], line['left_out']) == (1, 2, 1)
    assert 'image 1 of /cam/image' in line['reasons'][0]
    found = contents(tmp_path / 'out' / 'drive')
    assert len(found['/cam/image']) == 3
    assert [m.stamp for m in found[DEPTH]] == [START, START + 2 * 10**8]


def test_a_bag_without_a_camera(tmp_path: Path, model: Path, process: Any) -> None:
    """Says what is missing; an assumed field of view is used if CameraInfo is not there."""
    with Recorder(tmp_path / 'drive') as bag:
        bag.image('/cam/image', START, np.full((48, 64, 3), 99, np.uint8), START)
    words = tmp_path / 'drive', '--out', tmp_path / 'out', '--model', model
    code, [line] = process(*words)
    assert code == 2
    assert 'no CameraInfo has been received on /cam/camera_info' in line['error']
    assert not list((tmp_path / 'out').iterdir())
    code, [line] = process(*words, '--hfov', 75)
    assert (code, line['frames']) == (0, 1)


def test_an_info_that_comes_once_and_late(tmp_path: Path, model: Path, process: Any) -> None:
    """Belongs to the images before it, too."""
    with Recorder(tmp_path / 'drive') as bag:
        for number in range(4):
            stamp = START + number * 10**9
            bag.image('/cam/image', stamp, np.full((48, 64, 3), 99, np.uint8), stamp)
        bag.info('/cam/camera_info', START + 3 * 10**9, CAMERA, START + 3 * 10**9)
    code, [line] = process(tmp_path / 'drive', '--out', tmp_path / 'out', '--model', model)
    assert (code, line['frames']) == (0, 4)


def test_a_type_without_a_definition(tmp_path: Path, model: Path, process: Any) -> None:
    """What ROS 2 Humble recorded of types of one's own cannot be copied, and that is said."""
    import sqlite3

    bag = record(tmp_path / 'drive', 2, storage='sqlite3')
    [data] = bag.glob('*.db3')
    (bag / 'metadata.yaml').unlink()
    with sqlite3.connect(data) as database:  # as Humble's: without definitions
        database.execute('DROP TABLE message_definitions')
        database.execute('UPDATE schema SET schema_version = 3')
        database.execute("UPDATE topics SET type = 'mine/msg/Note' WHERE name = '/note'")
    database.close()
    code, [line] = process(bag, '--out', tmp_path / 'out', '--model', model)
    assert code == 1
    assert line['reasons'] == [
        '/note was not copied: the bag has no definition of its type mine/msg/Note'
    ]
    found = contents(tmp_path / 'out' / 'drive')
    assert '/note' not in found
    assert len(found['/camera/image_raw']) == len(found[DEPTH]) == 2


def test_reading_ahead_is_bounded() -> None:
    """In time and in bytes; the order stays, and everything was looked at before it came."""
    stored = [(None, 10**8 * n, bytes(100)) for n in range(50)]
    seen: list[int] = []
    ahead = []
    for _, when, _ in looking_ahead(stored, lambda m: seen.append(m[1]), span=0.5):
        ahead.append(len(seen) - 1 - when // 10**8)
    assert max(ahead) == ahead[0] == 6
    assert [when for _, when, _ in looking_ahead(stored, lambda _: None)] == [
        when for _, when, _ in stored
    ]
    seen.clear()
    first = next(looking_ahead(stored, lambda m: seen.append(m[1]), span=100, most=350))
    assert (first[1], len(seen)) == (0, 4)
