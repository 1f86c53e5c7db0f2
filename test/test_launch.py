"""The launch files: always read, and run for real where ROS's launch is installed."""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / 'launch').glob('*.launch.py'))
PUBLIC = {
    'mono.launch.py': {
        'model', 'engine', 'image_topic', 'camera_info_topic', 'image_transport', 'params_file',
        'namespace', 'rviz', 'source',
    },
    'demo.launch.py': {'rviz'},
    'multi.launch.py': {'cameras_file'},
}
LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
path, *words = sys.argv[1:]
service = LaunchService()
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(
    PythonLaunchDescriptionSource(path),
    launch_arguments=[word.split(':=') for word in words],
)]))
sys.exit(service.run())
"""
SIDECAR = {
    'format': 1, 'kind': 'sigmoid_disparity', 'mean': [0, 0, 0], 'std': [1, 1, 1],
    'min_depth': 0.5, 'max_depth': 10.0, 'scale': 1.5,
}


def texts(path: Path) -> set[str]:
    """Every string of a Python file."""
    tree = ast.parse(path.read_text(), path.name)
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_the_public_arguments_are_there(path):
    functions = {
        node.name for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    assert 'generate_launch_description' in functions
    assert PUBLIC[path.name] <= texts(path)


def test_every_launch_file_is_known():
    assert {path.name for path in FILES} == set(PUBLIC)


@pytest.fixture
def prefix(tmp_path) -> Path:
    """An installation as colcon makes it, of this source tree."""
    pytest.importorskip('launch.actions', reason='ROS launch is absent: nothing is launched')
    pytest.importorskip('launch_ros.actions', reason='launch_ros is absent: nothing is launched')
    folder = tmp_path / 'prefix'
    index = folder / 'share' / 'ament_index' / 'resource_index' / 'packages'
    index.mkdir(parents=True)
    (index / 'depth_node').touch()
    (folder / 'share' / 'depth_node').symlink_to(ROOT)
    scripts = folder / 'lib' / 'depth_node'
    scripts.mkdir(parents=True)
    modules = {'depth_node': 'node', 'camera_publisher': 'camera_publisher'}
    for name, module in modules.items():
        script = scripts / name
        script.write_text(
            f'#!{sys.executable}\nimport sys\n'
            f'from depth_node.ros.{module} import main\nsys.exit(main())\n'
        )
        script.chmod(0o755)
    return folder


@pytest.fixture
def model(network) -> Path:
    path = network()
    path.with_suffix('.json').write_text(json.dumps(SIDECAR))
    return path


class Launched:
    """A launch in a process group of its own, with its output."""

    def __init__(self, prefix: Path, *words: str) -> None:
        self.log = prefix / 'launch.log'
        env = {
            **os.environ,
            'AMENT_PREFIX_PATH': str(prefix),
            'PYTHONPATH': os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')]),
            'PYTHONUNBUFFERED': '1',
            'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
            'ROS_LOG_DIR': str(prefix),
            'RCUTILS_LOGGING_USE_STDOUT': '1',
        }
        with self.log.open('wb') as output:
            self.popen = subprocess.Popen(
                [sys.executable, '-c', LAUNCH, *words],
                stdout=output, stderr=subprocess.STDOUT, env=env, start_new_session=True,
            )

    def wait_for(self, text: str, count: int = 1, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while self.log.read_text(errors='replace').count(text) < count:
            if time.monotonic() > end or self.popen.poll() is not None:
                raise AssertionError(f'no {text!r} in:\n{self.log.read_text(errors="replace")}')
            time.sleep(0.05)

    def pid_of(self, name: str) -> int:
        lines = [
            line for line in self.log.read_text().splitlines()
            if f'[{name}-' in line and 'started with pid' in line
        ]
        return int(lines[-1].rpartition('[')[2].rstrip(']'))

    def stop(self) -> str:
        os.killpg(self.popen.pid, signal.SIGINT)  # as a terminal does at Ctrl-C
        self.popen.wait(20)
        return self.log.read_text()


@pytest.fixture
def launched(prefix):
    running: list[Launched] = []

    def start(*words: str) -> Launched:
        running.append(Launched(prefix, *words))
        return running[-1]

    yield start
    for one in running:
        if one.popen.poll() is None:
            os.killpg(one.popen.pid, signal.SIGTERM)
            one.popen.wait(20)


def test_mono_starts_camera_and_node_and_restarts_what_died(launched, model):
    launch = launched(
        str(ROOT / 'launch/mono.launch.py'), 'source:=world', f'model:={model}',
        'namespace:=front', 'image_topic:=/front/image_raw',
    )
    launch.wait_for('publishing world:0 as /front/image_raw')
    launch.wait_for('listening to /front/image_raw and /front/camera_info')
    os.kill(launch.pid_of('depth_node'), signal.SIGKILL)
    launch.wait_for('listening to /front/image_raw and /front/camera_info', 2)
    output = launch.stop()
    assert output.count('process has finished cleanly') == 2
    assert 'Traceback' not in output


def test_wrong_parameters_are_not_tried_again_and_again(launched, tmp_path):
    params = tmp_path / 'wrong.yaml'
    params.write_text('/**:\n  ros__parameters:\n    points: {stride: 0}\n')
    launch = launched(str(ROOT / 'launch/mono.launch.py'), f'params_file:={params}')
    launch.wait_for('process has died')
    launch.popen.wait(20)  # nothing is left to wait for
    output = launch.log.read_text()
    assert 'exit code 2' in output
    assert 'points.stride' in output
    assert 'Traceback' not in output
    assert output.count('started with pid') == 1


def test_what_a_killed_launch_started_ends_too(launched, model):
    launch = launched(
        str(ROOT / 'launch/demo.launch.py'), f'model:={model}', 'source:=world:2',
    )
    launch.wait_for('publishing world:2')
    launch.wait_for('listening to')
    pids = [launch.pid_of(name) for name in ('depth_node', 'camera_publisher')]
    launch.popen.kill()
    launch.popen.wait(20)
    end = time.monotonic() + 10
    while any(Path(f'/proc/{pid}').exists() for pid in pids):
        assert time.monotonic() < end, 'still running'
        time.sleep(0.05)


def test_two_cameras(launched, model, tmp_path):
    cameras = tmp_path / 'cameras.yaml'
    cameras.write_text(json.dumps({'cameras': [
        {'namespace': name, 'source': f'world:{number}', 'parameters': {'model.name': str(model)}}
        for number, name in enumerate(('front', 'rear'))
    ]}))
    launch = launched(str(ROOT / 'launch/multi.launch.py'), f'cameras_file:={cameras}')
    for name in ('front', 'rear'):
        launch.wait_for(f'listening to /{name}/image_raw and /{name}/camera_info')
    launch.wait_for('publishing world:0 as /front/image_raw')
    launch.wait_for('publishing world:1 as /rear/image_raw')
    assert launch.stop().count('process has finished cleanly') == 4
