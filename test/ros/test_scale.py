"""The scale over real DDS: silent until known, right, silent again, saved, loaded, refused."""

from __future__ import annotations

from pathlib import Path
import signal
from typing import Any

from dummy_networks import write_red_network
import numpy as np
from numpy.typing import NDArray
import pytest
from rig import Rig
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import Trigger
import yaml

from depth_node.camera import Camera
from depth_node.ros import messages

CAMERA = Camera.from_hfov(64, 48, 70.0)
SCALE, SHIFT = 0.9, 0.1
RELATIVE = 'depth/image_relative'


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A network whose answer is known."""
    return write_red_network(tmp_path / 'red.onnx')


def picture() -> NDArray[np.uint8]:
    """A slope from far to near with a box on it, uint8 (48, 64, 3)."""
    rgb = np.zeros((48, 64, 3), np.uint8)
    rgb[..., 0] = np.linspace(20, 220, 48)[:, None]
    rgb[10:30, 20:40, 0] = 200
    return rgb


def truth() -> NDArray[np.float64]:
    """What the picture means, m."""
    return 1 / (SCALE * picture()[..., 0] / 255 + SHIFT)


class Scene:
    """The camera's rig, with a lidar in the same place."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.clouds = rig.node.create_publisher(PointCloud2, 'scale/points', 5)
        self._random = np.random.default_rng(0)

    def publish(self, *, lidar: bool) -> None:
        """Publish a frame, and before it, where wanted, a cloud of the same time."""
        if lidar:
            z = (truth() * (1 + 0.005 * self._random.standard_normal((48, 64)))).astype(np.float32)
            points = np.concatenate([CAMERA.rays() * z[..., None], z[..., None]], axis=-1)
            stamp = messages.stamp_of(self.rig._stamp + 33_000_000)
            cloud = messages.cloud_to_msg(points, messages.header_of(stamp, 'lidar'))
            self.clouds.publish(cloud)
            self.rig.settle(0.02)
        self.rig.publish(picture(), CAMERA)
        self.rig.settle(0.02)

    def until(self, condition: Any, *, lidar: bool, seconds: int = 40) -> bool:
        """Publish until something holds."""
        for _ in range(25 * seconds):
            self.publish(lidar=lidar)
            if condition():
                return True
        return False

    def call(self, service: str) -> tuple[bool, str]:
        """Call a Trigger of the node."""
        client = self.rig.node.create_client(Trigger, f'depth_node/{service}')
        assert self.rig.spin(client.service_is_ready)
        future = client.call_async(Trigger.Request())
        assert self.rig.spin(future.done)
        return future.result().success, future.result().message


def status(rig: Rig, text: str) -> bool:
    """Whether the depth's diagnostics contain a text now."""
    return any(
        name.endswith('depth') and text in found.message for name, found in rig.statuses.items()
    )


IDENTITY = '[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]'


def test_from_silence_to_metres_and_back_and_on_disk(
    rig: Rig, model: Path, tmp_path: Path
) -> None:
    """The whole life of a scale found with points."""
    file = tmp_path / 'scale.yaml'
    scene = Scene(rig)
    rig.listen('depth/image', RELATIVE)
    depths = rig.got['depth/image']
    parameters = {
        'scale__source': 'points', 'scale__extrinsic': IDENTITY, 'scale__rate': 100.0,
        'scale__calibration_file': file, 'filter__edge_threshold': 0.0,
    }
    process = rig.start(model, **parameters)

    assert scene.until(lambda: status(rig, 'no points message'), lidar=False)
    assert rig.got[RELATIVE]
    assert not depths
    saved, why = scene.call('save_calibration')
    assert not saved
    assert 'no scale to save' in why
    assert not file.exists()

    assert scene.until(lambda: len(depths) > 10, lidar=True)
    found = messages.metres_from_msg(depths[-1])
    np.testing.assert_allclose(found, truth(), rtol=0.03)
    assert rig.spin(lambda: _values(rig).get('scale', 'nan') != 'nan')
    values = _values(rig)
    assert values['scale source'] == 'points'
    assert float(values['scale sigma (%)']) < 5
    assert float(values['scale']) == pytest.approx(SCALE, rel=0.03)

    saved, text = scene.call('save_calibration')
    assert saved, text
    assert yaml.safe_load(file.read_text())['scale'] == pytest.approx(SCALE, rel=0.03)

    assert rig.set('scale.drift', 0.5)[0]
    assert scene.until(lambda: status(rig, 'scale.max_sigma'), lidar=False)
    depths.clear()
    for _ in range(10):
        scene.publish(lidar=False)
    assert not depths
    assert scene.until(lambda: depths, lidar=True)

    assert scene.call('reset_scale')[0]
    rig.settle(0.3)
    depths.clear()
    for _ in range(10):
        scene.publish(lidar=False)
    assert not depths
    assert process.stop(signal.SIGINT) == 0
    assert 'Traceback' not in process.output

    second = rig.start(
        model, scale__source='fixed', scale__calibration_file=file, filter__edge_threshold=0.0
    )
    assert scene.until(lambda: depths, lidar=False)
    np.testing.assert_allclose(messages.metres_from_msg(depths[-1]), truth(), rtol=0.03)
    assert second.stop(signal.SIGINT) == 0

    other = write_red_network(tmp_path / 'other.onnx', kernel=0.5)
    third = rig.start(other, scale__source='fixed', scale__calibration_file=file)
    assert rig.hears('depth', 'made for red')
    depths.clear()
    for _ in range(10):
        scene.publish(lidar=False)
    assert not depths
    third.stop(signal.SIGINT)


def test_ground_from_parameters_and_a_source_changed_while_running(
    rig: Rig, model: Path
) -> None:
    """A camera that looks at a floor: parameters are enough, and may come later."""
    scene = Scene(rig)
    rig.listen('depth/image', RELATIVE)
    depths = rig.got['depth/image']
    rig.start(model)
    assert scene.until(lambda: status(rig, 'scale.source'), lidar=False)
    assert rig.set('ground.camera_height', 1.0)[0]
    assert rig.set('ground.camera_pitch_deg', 30.0)[0]
    assert rig.set('scale.rate', 100.0)[0]
    assert rig.set('scale.max_sigma', 0.9)[0]
    rays = CAMERA.rays()[..., 1]
    slope = np.cos(np.radians(30)) * rays + np.sin(np.radians(30))
    floor = np.zeros((48, 64, 3), np.uint8)
    floor[..., 0] = np.clip(np.rint(255 * (slope - SHIFT) / SCALE), 0, 255)
    assert rig.set('scale.source', 'ground')[0]
    for _ in range(400):
        rig.publish(floor, CAMERA)
        rig.settle(0.03)
        if len(depths) > 3:
            break
    assert depths, rig.said()
    near = messages.metres_from_msg(depths[-1])[30:]
    np.testing.assert_allclose(near, (1 / slope)[30:], rtol=0.03)
    assert scene.call('save_calibration')[0] is False


def _values(rig: Rig) -> dict[str, str]:
    found = next((s for name, s in rig.statuses.items() if name.endswith('depth')), None)
    return {} if found is None else {pair.key: pair.value for pair in found.values}


def test_a_tape_measure_sets_the_scale_and_the_next_start_has_it(
    rig: Rig, tmp_path: Path
) -> None:
    """A metric network that is off, put right live, saved, and loaded."""
    model = write_red_network(tmp_path / 'metric.onnx', kernel=4.0)
    sidecar = model.with_suffix('.json')
    sidecar.write_text(sidecar.read_text().replace('relative_disparity', 'metric_depth'))
    file = tmp_path / 'scale.yaml'
    scene = Scene(rig)
    rig.listen('depth/image')
    depths = rig.got['depth/image']
    flat = np.zeros((48, 64, 3), np.uint8)
    flat[..., 0] = 128  # the network says 2.0 m

    def publish_until(condition: Any) -> bool:
        for _ in range(400):
            rig.publish(flat, CAMERA)
            rig.settle(0.03)
            if condition():
                return True
        return False

    process = rig.start(model, scale__calibration_file=file, filter__edge_threshold=0.0)
    assert publish_until(lambda: depths)
    assert np.median(messages.metres_from_msg(depths[-1])) == pytest.approx(2.0, rel=0.02)
    done, text = scene.call('calibrate_distance')
    assert not done
    assert 'known_distance' in text
    assert rig.set('scale.known_distance', 2.4)[0]
    depths.clear()
    assert publish_until(lambda: len(depths) > 5)
    done, text = scene.call('calibrate_distance')
    assert done, text
    depths.clear()
    assert publish_until(lambda: len(depths) > 2)
    assert np.median(messages.metres_from_msg(depths[-1])) == pytest.approx(2.4, rel=0.02)
    saved, text = scene.call('save_calibration')
    assert saved, text
    process.stop(signal.SIGINT)

    depths.clear()
    second = rig.start(model, scale__calibration_file=file, filter__edge_threshold=0.0)
    assert publish_until(lambda: len(depths) > 2)
    assert np.median(messages.metres_from_msg(depths[-1])) == pytest.approx(2.4, rel=0.02)
    second.stop(signal.SIGINT)
