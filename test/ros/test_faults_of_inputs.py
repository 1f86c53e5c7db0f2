"""Cameras whose size, info or type is not what it has to be."""

from __future__ import annotations

from pathlib import Path
import time

import numpy as np
from processes import Processes
from rig import CAMERA, FRAME, Rig
from rig import smooth_frame as frame
from sensor_msgs.msg import CameraInfo, CompressedImage

from depth_node.camera import Camera
from depth_node.ros import messages


def test_a_camera_info_of_another_size_is_refused(rig: Rig, model: Path) -> None:
    """Not rescaled behind the user's back; and the right one helps."""
    rig.listen('depth/image')
    rig.start(model)
    other = Camera.from_hfov(640, 480, 70.0)
    assert rig.until_hears('camera', '640x480', frame(), other)
    assert not rig.got['depth/image']
    rig.until('depth/image', frame(), CAMERA)


def test_no_frame_is_lost_when_the_size_changes_and_the_info_comes_second(
    rig: Rig, model: Path
) -> None:
    """Each frame is answered through its own info, which is published after it."""
    rig.listen('depth/image', 'depth/camera_info')
    process = rig.start(model)
    rig.until('depth/image', frame(), CAMERA)
    rig.settle(0.3)
    for number in range(1, 7):
        width, height = (64, 48) if number % 2 == 0 else (32, 24)
        header = messages.header_of(messages.stamp_of(10**9 * number), FRAME)
        camera = Camera.from_hfov(width, height, 50.0 + number)
        rig.got['depth/camera_info'].clear()
        rig.images.publish(messages.image_to_msg(frame(width, height), 'rgb8', header))
        time.sleep(0.01)
        rig.infos.publish(messages.camera_info_to_msg(camera, header))
        assert rig.spin(lambda: rig.got['depth/camera_info'], 10), (number, rig.said())
        answer = rig.got['depth/camera_info'][-1]
        assert answer.width == width
        np.testing.assert_allclose(answer.k[0], camera.fx)
    assert 'but its calibration' not in process.output


def test_infos_of_cameras_that_do_not_exist(rig: Rig, model: Path) -> None:
    """Absurd CameraInfo neither ends the node nor makes metres."""
    rig.listen('depth/image')
    process = rig.start(model)
    rig.until('depth/image', frame(), CAMERA)
    header = messages.header_of(messages.stamp_of(1), FRAME)
    for change in (
        {'width': 4_000_000_000, 'height': 4_000_000_000}, {'distortion_model': 'magic'},
        {'d': [float('inf')] * 5}, {'binning_x': 4_000_000_000}, {'d': [1.0] * 3},
    ):
        info: CameraInfo = messages.camera_info_to_msg(CAMERA, header)
        for name, value in change.items():
            setattr(info, name, value)
        rig.got['depth/image'].clear()
        for _ in range(5):
            rig.infos.publish(info)
            rig.publish(frame(), None)
            rig.settle(0.05)
        depths = [messages.metres_from_msg(m) for m in rig.got['depth/image']]
        rig.until('depth/image', frame(), CAMERA)
        known = messages.metres_from_msg(rig.got['depth/image'][-1])
        for depth in depths:  # answered with the info before: never with wrong metres
            np.testing.assert_allclose(depth, known, rtol=1e-4)
    assert process.popen.poll() is None


def test_images_in_another_transport_or_type_are_named(
    processes: Processes, rig: Rig, model: Path
) -> None:
    """Two mistakes that look like silence: each says what to set."""
    start = ('-m', 'depth_node.ros.node', '--ros-args', '-p', f'model.name:={model}', '-r')
    other = rig.node.create_publisher(CompressedImage, 'lonely/compressed', 1)
    first = processes.python(*start, 'image:=lonely')
    second = processes.python(*start, 'image:=lonely/compressed', '-r', '__node:=second')
    first.wait_for('but /lonely/compressed has one: set input.transport to compressed')
    second.wait_for(
        'lonely/compressed is published as sensor_msgs/msg/CompressedImage, expected '
        'sensor_msgs/msg/Image'
    )
    first.stop()
    second.stop()
    rig.node.destroy_publisher(other)
