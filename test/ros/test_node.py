"""The node as a process of its own, over real DDS, with tiny and with real networks."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
import signal

import cv2
import numpy as np
from numpy.typing import NDArray
from processes import Processes
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rig import FRAME, Rig
from sensor_msgs.msg import Image

from depth_node.camera import Camera
from depth_node.catalogue.opening import open_model
from depth_node.config import Config
from depth_node.estimator import DepthEstimator
from depth_node.ros import messages

CAMERA = Camera.from_hfov(64, 48, 70.0)
SIDECAR = {
    'format': 1, 'kind': 'sigmoid_disparity', 'mean': [0, 0, 0], 'std': [1, 1, 1],
    'min_depth': 0.5, 'max_depth': 10.0, 'scale': 1.5,
}


def frame(seed: int = 0, width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    """A smooth random picture, uint8 (H, W, 3)."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return np.ascontiguousarray(cv2.resize(noise, (width, height)))


@pytest.fixture
def model(network: Callable[..., Path]) -> Path:
    """A tiny network with a sidecar that brings a scale."""
    path = network()
    path.with_suffix('.json').write_text(json.dumps(SIDECAR))
    return path


@pytest.fixture
def relative(network: Callable[..., Path]) -> Path:
    """A tiny network without a scale."""
    path = network('relative')
    sidecar = {**SIDECAR, 'kind': 'relative_disparity'}
    del sidecar['scale']
    path.with_suffix('.json').write_text(json.dumps(sidecar))
    return path


def metres_of(model: Path, rgb: NDArray[np.uint8], **changes: object) -> NDArray[np.float32]:
    """What the estimator says without ROS."""
    estimator = DepthEstimator(open_model(model), Config().replaced(changes))
    depth = estimator.estimate(rgb, CAMERA).depth
    assert depth is not None
    return depth.copy()


def test_depth_and_cloud_carry_the_inputs_stamp_and_frame(rig: Rig, model: Path) -> None:
    """What comes out is what the estimator says, beside its camera, with the input's header."""
    rig.listen('depth/image', 'depth/points', 'depth/camera_info')
    process = rig.start(model, points__voxel_size=0.0, points__max_points=0)
    rgb = frame()
    topics = ('depth/image', 'depth/camera_info', 'depth/points')
    image, info, cloud = rig.together(topics, rgb, CAMERA)
    assert {m.header.frame_id for m in (image, info, cloud)} == {FRAME}
    depth = messages.metres_from_msg(image)
    np.testing.assert_allclose(depth, metres_of(model, rgb), rtol=1e-5)
    assert (info.width, info.height) == (64, 48)
    np.testing.assert_allclose(info.k[0], CAMERA.fx)
    assert (cloud.height, cloud.width, cloud.point_step) == (48, 64, 16)
    points = np.frombuffer(cloud.data, np.float32).reshape(48, 64, 4)
    np.testing.assert_allclose(points[..., 2], depth, rtol=1e-6)
    np.testing.assert_allclose(
        points[..., 0], depth * (np.arange(64) - CAMERA.cx) / CAMERA.fx, rtol=1e-4, atol=1e-5
    )
    assert process.stop(signal.SIGINT) == 0
    assert 'Traceback' not in process.output


def test_no_subscriber_no_work(rig: Rig, model: Path) -> None:
    """Frames nobody wants are dropped before the network."""
    rig.start(model)
    assert rig.hears('depth', 'active')
    for _ in range(10):
        rig.publish(frame(), CAMERA)
        rig.settle(0.05)
    assert rig.spin(lambda: 'dropped: no subscriber' in _values(rig, 'camera'))
    assert _values(rig, 'depth')['frames published'] == '0'


def test_without_a_scale_metric_topics_are_silent(rig: Rig, relative: Path) -> None:
    """Only the relative image comes, diagnostics say what to do, and doing it helps."""
    rig.listen('depth/image', 'depth/points', 'depth/image_relative')
    rig.start(relative)
    rgb = frame()
    rig.until('depth/image_relative', rgb, CAMERA)
    assert rig.hears('depth', 'scale.source')
    assert not rig.got['depth/image']
    assert not rig.got['depth/points']
    assert rig.set('scale.value', 0.5)[0]
    assert rig.set('scale.shift', 0.1)[0]
    assert rig.set('scale.source', 'fixed')[0]
    depth = messages.metres_from_msg(rig.until('depth/image', rgb, CAMERA))
    expected = metres_of(
        relative, rgb, **{'scale.source': 'fixed', 'scale.value': 0.5, 'scale.shift': 0.1}
    )
    np.testing.assert_allclose(depth, expected, rtol=1e-5)


def test_an_uncalibrated_camera_gives_no_metres_until_told_its_view(
    rig: Rig, model: Path
) -> None:
    """K of zeros is refused with the remedy; a field of view is that remedy."""
    rig.listen('depth/image')
    process = rig.start(model)
    header = messages.header_of(messages.stamp_of(1), FRAME)
    info = messages.camera_info_to_msg(CAMERA, header)
    info.k[:] = 0.0
    for _ in range(40):
        rig.infos.publish(info)
        rig.publish(frame(), None)
        if rig.hears('camera', 'input.hfov_deg', 0.2):
            break
    assert rig.hears('camera', 'input.hfov_deg')
    assert not rig.got['depth/image']
    assert process.stop(signal.SIGTERM) == 0
    rig.start(model, input__hfov_deg=70.0)
    rig.until('depth/image', frame(), None)
    assert rig.hears('camera', 'assumed field of view')


def test_wrong_frames_are_named_once_and_survived(rig: Rig, model: Path) -> None:
    """Nonsense of every kind is followed by a good frame, which is answered."""
    rig.listen('depth/image')
    process = rig.start(model)
    rig.until('depth/image', frame(), CAMERA)
    header = messages.header_of(messages.stamp_of(5), FRAME)
    for change in (
        {'data': b'123'}, {'step': 7}, {'height': 0}, {'encoding': 'nonsense'},
        {'width': 100_000, 'height': 100_000}, {'height': 24},
    ):
        message = messages.image_to_msg(frame(), 'rgb8', header)
        for name, value in change.items():
            setattr(message, name, value)
        rig.got['depth/image'].clear()
        for _ in range(5):
            rig.images.publish(message)
            rig.settle(0.05)
        assert not rig.got['depth/image'], change
        rig.until('depth/image', frame(), CAMERA)
    assert process.output.count('nonsense') == 1
    assert process.stop() == 0


def test_an_empty_frame_id_is_named_and_can_be_set(rig: Rig, model: Path) -> None:
    """A warning says how, and the parameter does it while running."""
    rig.listen('depth/image')
    rig.start(model)
    rig.until('depth/image', frame(), CAMERA, frame_id='')
    assert rig.hears('camera', 'output.frame_id')
    assert rig.set('output.frame_id', 'nose')[0]
    rig.settle(0.3)
    assert rig.until('depth/image', frame(), CAMERA, frame_id='').header.frame_id == 'nose'


@pytest.mark.parametrize('encoding', ['bgr8', 'rgba8', 'mono8', 'bayer_rggb8', 'nv12', 'yuv422'])
def test_size_and_encoding_change_while_running(rig: Rig, model: Path, encoding: str) -> None:
    """A camera that changes its mind costs a buffer, not the node."""
    rig.listen('depth/image', 'depth/points')
    rig.start(model)
    rig.until('depth/image', frame(), CAMERA)
    other = Camera.from_hfov(32, 24, 70.0)
    rgb = frame(1, 32, 24)
    picture = {
        'bgr8': rgb[..., ::-1],
        'rgba8': cv2.cvtColor(rgb, cv2.COLOR_RGB2RGBA),
        'mono8': rgb[..., 0],
        'bayer_rggb8': rgb[..., 0],
        'nv12': np.full((36, 32), 128, np.uint8),
        'yuv422': np.full((24, 32, 2), 128, np.uint8),
    }[encoding]
    header = messages.header_of(messages.stamp_of(77), FRAME)
    image = messages.image_to_msg(picture, encoding, header)
    image.height = 24
    rig.got['depth/image'].clear()

    def sent() -> bool:
        rig.infos.publish(messages.camera_info_to_msg(other, header))
        rig.images.publish(image)
        return any(m.width == 32 for m in rig.got['depth/image'])

    assert rig.spin(sent), rig.said()


def test_compressed_input(rig: Rig, model: Path) -> None:
    """JPEG is decoded without any plug-in."""
    rig.listen('depth/image')
    rig.start(model, input__transport='compressed')
    header = messages.header_of(messages.stamp_of(9), FRAME)
    rgb = frame()

    def sent() -> bool:
        rig.infos.publish(messages.camera_info_to_msg(CAMERA, header))
        rig.compressed.publish(messages.jpeg_to_msg(rgb, header, 100))
        return bool(rig.got['depth/image'])

    assert rig.spin(sent), rig.said()
    depth = messages.metres_from_msg(rig.got['depth/image'][-1])
    assert np.nanmedian(np.abs(depth / metres_of(model, rgb) - 1)) < 0.01


def test_a_model_that_cannot_be_used_fails_configure_and_not_the_node(
    rig: Rig, model: Path, tmp_path: Path
) -> None:
    """The reason is logged once with its remedy; the remedy works, as it is written."""
    wrong = tmp_path / 'wrong.onnx'
    wrong.write_text('not a network')
    rig.listen('depth/image')
    process = rig.start(wrong)
    process.wait_for('ros2 lifecycle set /depth_node configure')
    assert rig.hears('depth', 'wrong.onnx')
    assert not rig.change_state('activate')
    assert not rig.change_state('configure')
    assert process.popen.poll() is None
    assert process.output.count('[ERROR]') == 2  # one for each attempt
    assert rig.set('model.name', str(model))[0]
    assert rig.change_state('configure')
    assert rig.change_state('activate')
    rig.until('depth/image', frame(), CAMERA)
    assert rig.spin(lambda: not any('wrong.onnx' in text for text in rig.said().values()))
    assert process.stop() == 0


def test_a_lifecycle_manager_may_start_it_instead(rig: Rig, model: Path) -> None:
    """Without autostart nothing is done until it is told to, and diagnostics say where it is."""
    rig.listen('depth/image')
    process = rig.start(model, autostart=False)
    assert rig.hears('depth', 'unconfigured')
    assert not rig.change_state('activate')
    assert rig.change_state('configure')
    assert rig.hears('depth', 'inactive')
    assert rig.change_state('activate')
    rig.until('depth/image', frame(), CAMERA)
    assert process.stop() == 0


@pytest.mark.parametrize('override', [
    'reliability:=nonsense', 'depth:=-3', 'depth:=x', 'durability:=for_ever',
])
def test_a_wrong_qos_override_is_one_line(
    processes: Processes, model: Path, override: str
) -> None:
    """ROS's own parameters are read late, and refused as clearly as ours."""
    process = processes.python(
        '-m', 'depth_node.ros.node', '--ros-args', '-p', f'model.name:={model}',
        '-p', f'qos_overrides./depth/image.publisher.{override}',
    )
    process.wait_for('qos_overrides: .*best_effort.*restart the node')
    assert 'Traceback' not in process.output


def test_qos_can_be_overridden(rig: Rig, model: Path) -> None:
    """Who asks for it hears the last image also when he comes after it."""
    image = 'qos_overrides./depth/image.publisher.'
    rig.listen('depth/image')
    rig.start(model, **{f'{image}durability': 'transient_local', f'{image}depth': 2})
    last = rig.until('depth/image', frame(), CAMERA)
    rig.settle(0.5)
    late: list[Image] = []
    rig.node.create_subscription(Image, 'depth/image', late.append, QoSProfile(
        depth=1, reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    ))
    assert rig.spin(lambda: late)
    assert late[-1].header.stamp == rig.got['depth/image'][-1].header.stamp
    assert last.header.frame_id == late[-1].header.frame_id


def test_impossible_transitions_are_refused(rig: Rig, model: Path) -> None:
    """Transitions in a wrong order answer no, and possible ones still work."""
    rig.listen('depth/image')
    process = rig.start(model)
    rig.until('depth/image', frame(), CAMERA)
    assert not rig.change_state('configure')
    assert not rig.change_state('cleanup')
    assert rig.change_state('deactivate')
    rig.settle(0.5)
    rig.got['depth/image'].clear()
    for _ in range(5):
        rig.publish(frame(), CAMERA)
        rig.settle(0.05)
    assert not rig.got['depth/image']
    assert rig.change_state('cleanup')
    assert rig.set('model.input_size', '32x24')[0]
    assert rig.change_state('configure')
    ok, reason = rig.set('model.input_size', 'auto')
    assert not ok
    assert 'cleanup' in reason
    assert rig.change_state('activate')
    rig.until('depth/image', frame(), CAMERA)
    assert process.stop() == 0


def _values(rig: Rig, task: str) -> dict[str, str]:
    for name, status in rig.statuses.items():
        if name.endswith(task):
            return {item.key: item.value for item in status.values}
    return {}
