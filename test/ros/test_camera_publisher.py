"""The camera: what it publishes crosses DDS; when it is due is arithmetic."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import cv2
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from depth_node.camera import Camera, Distortion
from depth_node.config.camera_publisher import CameraPublisherConfig
from depth_node.errors import ConfigError
from depth_node.ros import messages
from depth_node.ros.camera_frames import open_frames, prepared
from depth_node.ros.camera_publisher import Pace
from depth_node.sources.frames import open_source

MODULE = ('-m', 'depth_node.ros.camera_publisher')


def arguments(**parameters):
    words = ['--ros-args']
    for name, value in parameters.items():
        shown = str(value).lower() if isinstance(value, bool) else value
        words += ['-p', f'{name}:={shown}']
    return words


def listen(node, kind, topic, *, reliable=True):
    received = []
    reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
    qos = QoSProfile(depth=10, reliability=reliability)
    node.create_subscription(kind, topic, received.append, qos)
    return received


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three pictures of one grey each: 10, 20, 30."""
    path = tmp_path / 'pictures'
    path.mkdir()
    for number in (1, 2, 3):
        cv2.imwrite(str(path / f'{number}.png'), np.full((48, 64, 3), 10 * number, np.uint8))
    return path


def test_the_world_comes_with_its_truth(processes, ros_node, spin_until):
    images = listen(ros_node, Image, 'camera/image_raw')
    infos = listen(ros_node, CameraInfo, 'camera/camera_info')
    truths = listen(ros_node, Image, 'camera/depth_truth')
    process = processes.python(
        *MODULE, *arguments(source='world:3', width=80, height=60, hfov_deg=60.0, rate=20.0)
    )
    assert spin_until(lambda: len(images) > 2 and len(truths) > 2), process.output
    by_stamp = {messages.nanoseconds_of(info.header.stamp): info for info in infos}
    image = images[-1]
    info = by_stamp[messages.nanoseconds_of(image.header.stamp)]
    assert image.header.frame_id == info.header.frame_id == 'camera_optical_frame'
    assert (image.encoding, image.width, image.height) == ('rgb8', 80, 60)
    assert messages.camera_from_msg(info).hfov == pytest.approx(60)
    assert np.ptp(messages.rgb_from_msg(image)) > 20
    truth = messages.metres_from_msg(truths[-1])
    assert truth.shape == (60, 80)
    assert 0 < np.nanmin(truth) < 10
    assert process.stop() == 0
    assert 'Traceback' not in process.output


def test_a_folder_is_published_once_and_ends(processes, ros_node, spin_until, folder):
    images = listen(ros_node, Image, 'camera/image_raw')
    infos = listen(ros_node, CameraInfo, 'camera/camera_info')
    process = processes.python(
        *MODULE, *arguments(source=folder, loop=False, wait=True, rate=5, encoding='mono8')
    )
    assert spin_until(lambda: process.popen.poll() is not None), process.output
    assert process.wait() == 0
    spin_until(lambda: len(images) == 3, 2.0)
    assert [messages.rgb_from_msg(image)[0, 0, 0] for image in images] == [10, 20, 30]
    assert {image.encoding for image in images} == {'mono8'}
    assert 'not calibrated' in process.output
    assert 'end of' in process.output
    assert 'after 3 frames' in process.output
    assert not any(infos[0].k)


def test_compressed_and_best_effort(processes, ros_node, spin_until, folder):
    compressed = listen(ros_node, CompressedImage, 'camera/image_raw/compressed', reliable=False)
    process = processes.python(*MODULE, *arguments(
        source=folder, rate=20.0, reliability='best_effort', width=32, height=24, hfov_deg=90.0,
    ))
    assert spin_until(lambda: len(compressed) > 3), process.output
    assert {messages.rgb_from_compressed(message).shape for message in compressed} == {(24, 32, 3)}
    (offer,) = ros_node.get_publishers_info_by_topic('/camera/image_raw')
    assert offer.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT


def test_a_bag_keeps_its_stamps_and_its_calibration(processes, ros_node, spin_until, tmp_path):
    pytest.importorskip('rosbags')
    from bags import IMAGE, image, INFO, info, RGB, write

    stamps = [5 * 10**9 + number * 10**8 for number in range(4)]
    write(tmp_path / 'bag', {
        '/camera/image_raw': (IMAGE, [(s + 1, image(RGB + i)) for i, s in enumerate(stamps)]),
        '/camera/camera_info': (INFO, [(stamp, info()) for stamp in stamps]),
    })
    images = listen(ros_node, Image, 'camera/image_raw')
    infos = listen(ros_node, CameraInfo, 'camera/camera_info')
    process = processes.python(*MODULE, *arguments(
        source=tmp_path / 'bag', stamps='source', loop=False, wait=True, rate=4.0,
    ))
    assert spin_until(lambda: process.popen.poll() is not None), process.output
    assert process.wait() == 0
    spin_until(lambda: len(images) == 4, 2.0)
    assert [messages.nanoseconds_of(m.header.stamp) for m in images] == [s + 1 for s in stamps]
    for number, message in enumerate(images):
        np.testing.assert_array_equal(messages.rgb_from_msg(message), RGB + number)
    assert (infos[-1].k[0], infos[-1].k[4], infos[-1].k[2]) == (10.0, 11.0, 3.5)


@pytest.mark.parametrize(('parameters', 'words'), [
    ({'source': '/nowhere'}, '/nowhere: no such file or folder'),
    ({'rate': -1.0}, 'rate: -1 Hz is below'),
    ({'width': 640}, 'Set both, or neither'),
    ({'hvof_deg': 70.0}, 'hvof_deg: no such parameter. Did you mean hfov_deg?'),
    ({'calibration': 'x.yaml'}, 'Did you mean calibration_file?'),
    ({'source': '/etc/hostname'}, 'neither an image, a rosbag nor a readable video'),
])
def test_what_cannot_be_is_one_line_and_exit_code_2(processes, parameters, words):
    process = processes.python(*MODULE, *arguments(**parameters))
    assert process.wait() == 2
    assert words in process.output
    assert 'Traceback' not in process.output


def test_parameters_of_others_are_left_alone_and_unknown_ones_named(processes, folder, tmp_path):
    """One file may serve several nodes."""
    shared = tmp_path / 'all.yaml'
    shared.write_text(
        '/**:\n  ros__parameters:\n    use_sim_time: false\n    autostart: true\n'
        '    depth: {max_range: 5.0}\n    fps: 30\n    robot: {name: rosie}\n'
    )
    process = processes.python(
        *MODULE, *arguments(source=folder, loop=False), '--params-file', str(shared)
    )
    assert process.wait() == 0
    assert 'no such parameter: fps, robot.name' in process.output


def test_contradictions():
    with pytest.raises(ConfigError, match='Set only one'):
        CameraPublisherConfig.of({'calibration_file': 'x.yaml', 'hfov_deg': 70.0})
    with pytest.raises(ConfigError, match='source is empty'):
        CameraPublisherConfig.of({'source': ''})


def test_a_loop_goes_on_in_time(folder):
    config = CameraPublisherConfig(source=str(folder), rate=10.0)
    frames = prepared(open_frames(config), config)
    stamps = [next(frames).stamp for _ in range(7)]
    assert stamps == [i * 100_000_000 for i in range(7)]


def test_resizing_takes_the_calibration_along(folder, tmp_path):
    path = tmp_path / 'camera.yaml'
    camera = Camera(64, 48, 50, 51, 32, 24, Distortion.PLUMB_BOB, (-0.1, 0.01, 0, 0, 0))
    camera.to_yaml(path)
    config = CameraPublisherConfig(
        source=str(folder), width=128, height=96, calibration_file=str(path)
    )
    frame = next(prepared(open_frames(config), config))
    assert frame.rgb.shape == (96, 128, 3)
    assert frame.camera == camera.scaled((128, 96))


def test_field_of_view_is_that_of_the_picture_before_resizing(folder):
    config = CameraPublisherConfig(source=str(folder), width=128, height=96, hfov_deg=80.0)
    frame = next(prepared(open_frames(config), config))
    assert frame.camera.hfov == pytest.approx(80, abs=0.1)


def test_the_world_is_rendered_at_the_size_asked_for():
    config = CameraPublisherConfig(source='world', width=64, height=48)
    frame = next(prepared(open_frames(config), config))
    assert frame.rgb.shape == (48, 64, 3)
    assert frame.depth.shape == (48, 64)
    assert frame.camera.hfov == pytest.approx(75)
    assert open_source('world').camera.hfov == pytest.approx(75)


class Clock:
    def __init__(self):
        self.now = 100.0

    def sleep(self, seconds):
        self.now += seconds


@given(st.lists(st.floats(0, 0.3), min_size=2, max_size=30), st.sampled_from([0.0, 10.0]))
def test_pace(work, rate):
    clock = Clock()
    pace = Pace(rate, clock.sleep, lambda: clock.now)
    due = []
    for number, busy in enumerate(work):
        pace.wait(number * 100_000_000)
        due.append(clock.now)
        clock.now += busy
    for (a, b), busy in zip(itertools.pairwise(due), work, strict=False):
        # as fast as the work allows, never faster than asked
        assert b - a == pytest.approx(max(0.1, busy))


def test_parameters_say_what_they_do():
    for field in dataclasses.fields(CameraPublisherConfig):
        spec = field.metadata['param']
        assert spec.doc.endswith('.')
        assert not spec.live


def test_a_thread_that_dies_ends_the_process_with_a_code(processes):
    """Otherwise its process would go on and publish nothing."""
    code = (
        'import sys\n'
        'from depth_node.ros import camera_publisher\n'
        'def broken(source, config):\n'
        "    raise MemoryError('no room for a frame')\n"
        'camera_publisher.prepared = broken\n'
        'sys.exit(camera_publisher.main())\n'
    )
    process = processes.python('-c', code, '--ros-args', '-p', 'source:=world')
    assert process.wait() == 70
    assert 'no room for a frame' in process.output
    assert 'Traceback' not in process.output


def test_its_log_has_its_own_name(processes):
    process = processes.python(
        '-m', 'depth_node.ros.camera_publisher', '--ros-args', '-p', 'source:=/nowhere'
    )
    assert process.wait() == 2
    assert '[camera_publisher]' in process.output
    assert '[depth_node]' not in process.output


def test_its_qos_can_be_overridden(processes, ros_node, spin_until, folder):
    """For a camera that is far away: doc/offboard.md."""
    image = 'qos_overrides./camera/image_raw.publisher'
    process = processes.python(*MODULE, *arguments(
        source=folder, rate=1.0, hfov_deg=60.0, **{f'{image}.durability': 'transient_local'},
    ))
    assert spin_until(lambda: [
        info for info in ros_node.get_publishers_info_by_topic('/camera/image_raw')
        if info.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
    ])
    assert process.stop() == 0
    process = processes.python(*MODULE, *arguments(
        source=folder, rate=1.0, hfov_deg=60.0, **{f'{image}.depth': 'many'},
    ))
    process.wait_for('qos_overrides: .*depth is a number')
    assert process.wait() == 2
    assert 'Traceback' not in process.output
