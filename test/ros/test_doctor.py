"""The doctor: planted faults, each named with its remedy, and a healthy machine without one."""

from __future__ import annotations

import json
from pathlib import Path
import time
from typing import Any

from dummy_networks import write_red_network
import pytest
import yaml

from depth_node.camera import Camera
from depth_node.cli.main import main
from depth_node.engine import table
from depth_node.evaluation.checkup import Finding

rclpy = pytest.importorskip('rclpy')

from rclpy.qos import QoSProfile, ReliabilityPolicy  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402

from depth_node.ros import checkup, dds, folders, messages  # noqa: E402

CAMERA = Camera.from_hfov(64, 48, 70.0)


def page(tmp_path: Path, *words: str) -> tuple[int, list[dict[str, str]]]:
    """Run the doctor; return its exit code and its findings."""
    file = tmp_path / 'page.json'
    code = main(['doctor', '--json', str(file), *words])
    content = json.loads(file.read_text())
    assert content['problems'] == sum('problem' in finding for finding in content['findings'])
    return code, content['findings']


def found(
    findings: list[dict[str, str]], name: str, section: str = ''
) -> dict[str, str]:
    """Return the one finding of a name."""
    (finding,) = (f for f in findings if f['name'] == name and section in f['section'])
    return finding


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A shell with the profile, and a parameter file whose model is here."""
    share = folders.share_folder()
    assert share is not None
    for name in dds.PROFILE_VARIABLES:
        monkeypatch.setenv(name, str(share / 'config' / dds.PROFILE))
    return parameters(tmp_path, {'model': {'name': 'embedded'}})


def parameters(folder: Path, groups: dict[str, Any]) -> Path:
    """Write a parameter file."""
    path = folder / 'parameters.yaml'
    path.write_text(yaml.safe_dump({'/**': {'ros__parameters': groups}}))
    return path


def test_a_healthy_machine(
    healthy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, findings = page(tmp_path, '--seconds', '0', '--params-file', str(healthy))
    assert [f for f in findings if 'problem' in f] == []
    assert code == 0
    assert 'works' in found(findings, 'onnxruntime', 'engines')['value']
    works = [f for f in findings if f['section'] == 'engines' and 'works' in f['value']]
    assert works
    assert sum('taken by engine.name auto' in f['value'] for f in works) == 1
    assert 'no problems found' in capsys.readouterr().out


def test_no_profile(
    healthy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in dds.PROFILE_VARIABLES:
        monkeypatch.delenv(name)
    code, findings = page(tmp_path, '--seconds', '0', '--params-file', str(healthy))
    assert code == 1
    profile = found(findings, 'DDS profile')
    assert 'loses most large images' in profile['problem']
    assert 'fastdds_shm.xml' in profile['remedy']
    assert profile['problem'] in capsys.readouterr().out


def test_a_tiny_shared_memory(
    healthy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = checkup.shutil.disk_usage('/')._replace(total=64 << 20, free=60 << 20)
    monkeypatch.setattr(checkup.shutil, 'disk_usage', lambda _: usage)
    _, findings = page(tmp_path, '--seconds', '0', '--params-file', str(healthy))
    memory = found(findings, str(dds.SHARED_MEMORY))
    assert memory['value'] == '60 of 64 MiB free'
    assert '192 MiB' in memory['problem']
    assert '--shm-size' in memory['remedy']


def test_no_engine(healthy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: object) -> Any:
        raise ImportError('no module named nothing')

    rows = [row.__class__(row.name, row.parameter, row.needs, row.precisions, missing)
            for row in table.ENGINES]
    monkeypatch.setattr('depth_node.evaluation.checkup.ENGINES', rows)
    _, findings = page(tmp_path, '--seconds', '0', '--params-file', str(healthy))
    assert 'No engine works' in found(findings, 'any')['problem']
    assert 'ImportError: no module' in found(findings, 'openvino', 'engines')['value']


def test_a_stale_calibration(healthy: Path, tmp_path: Path) -> None:
    """Of another network than the one that runs; and a camera's that is no calibration."""
    model = write_red_network(tmp_path / 'red.onnx')
    scale, camera = tmp_path / 'scale.yaml', tmp_path / 'camera.yaml'
    scale.write_text(yaml.safe_dump({
        'format': 1, 'model': 'red', 'sha256': '0' * 64, 'kind': 'metric_depth', 'scale': 1.5,
        'shift': 0.0, 'covariance': [[1e-4]], 'typical': 1.0, 'source': 'points',
    }))
    camera.write_text('image_width: 640\n')
    file = parameters(tmp_path, {
        'model': {'name': str(model), 'kind': 'metric_depth', 'mean': [0.0, 0.0, 0.0],
                  'std': [1.0, 1.0, 1.0]},
        'scale': {'calibration_file': str(scale)}, 'input': {'calibration_file': str(camera)},
    })
    code, findings = page(tmp_path, '--seconds', '0', '--params-file', str(file))
    assert code == 1
    assert found(findings, str(scale))['problem']
    assert 'stale' in found(findings, str(scale))['value']
    assert found(findings, str(camera))['problem']


def test_a_parameter_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / 'p.yaml'
    path.write_text('a: 1\n')
    _, findings = page(tmp_path, '--seconds', '0', '--params-file', str(path))
    assert 'holds no ros__parameters' in found(findings, str(path))['problem']


class Driver:
    """Publishes images and infos of two sizes, over real DDS."""

    def __init__(self, reliability: ReliabilityPolicy, info: Camera) -> None:
        self._context = rclpy.context.Context()
        rclpy.init(context=self._context)
        self.node = rclpy.create_node('driver', context=self._context)
        qos = QoSProfile(depth=1, reliability=reliability)
        self.image = self.node.create_publisher(Image, '/front/image_raw', qos)
        self.info = self.node.create_publisher(CameraInfo, '/front/camera_info', qos)
        self._camera = info

    def publish(self) -> None:
        """Send one frame."""
        header = messages.header_of(messages.stamp_of(time.time_ns()), 'optical')
        image = Image(header=header, width=64, height=48, encoding='mono8', step=64)
        image.data.frombytes(bytes(64 * 48))
        self.image.publish(image)
        self.info.publish(messages.camera_info_to_msg(self._camera, header))

    def close(self) -> None:
        """Withdraw everything."""
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)


@pytest.mark.parametrize(('reliability', 'info', 'problem'), [
    (ReliabilityPolicy.RELIABLE, CAMERA, ''),
    (ReliabilityPolicy.BEST_EFFORT, CAMERA, 'best effort'),
    (ReliabilityPolicy.RELIABLE, Camera.from_hfov(128, 96, 70.0), 'CameraInfo is for 128x96'),
])
def test_cameras(
    reliability: ReliabilityPolicy, info: Camera, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = Driver(reliability, info)
    spin = checkup._spin

    def spun(executor: Any, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            driver.publish()
            spin(executor, 0.02)

    monkeypatch.setattr(checkup, '_spin', spun)
    try:
        (finding,) = checkup.cameras(2.0)
    finally:
        driver.close()
    assert isinstance(finding, Finding)
    assert finding.name == '/front/image_raw'
    assert '64x48' in finding.value
    assert problem in finding.problem
    assert bool(finding.problem) == bool(problem) == bool(finding.remedy)


def test_a_domain_without_cameras() -> None:
    (finding,) = checkup.cameras(0.5)
    assert 'No image topic' in finding.problem
