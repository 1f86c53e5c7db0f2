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

from depth_node.ros import cameras

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / 'launch').glob('*.launch.py'))
PUBLIC = {
    'mono.launch.py': (cameras.MONO, {
        'model', 'engine', 'image_topic', 'camera_info_topic', 'image_transport', 'params_file',
        'namespace', 'use_sim_time', 'rviz', 'source',
    }),
    'demo.launch.py': (cameras.DEMO, {'rviz', 'use_sim_time'}),
    'multi.launch.py': (cameras.MULTI, {'cameras_file', 'use_sim_time'}),
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


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_the_public_arguments_are_there(path):
    functions = {
        node.name for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    assert 'generate_launch_description' in functions
    arguments, public = PUBLIC[path.name]
    assert public <= set(arguments)


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
    for name, function in {'depth_node': 'node', 'camera_publisher': 'camera_publisher'}.items():
        script = scripts / name
        script.write_text(
            f'#!{sys.executable}\nimport sys\n'
            f'from depth_node.ros.start import {function}\nsys.exit({function}())\n'
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

    def children(self) -> list[int]:
        """Every process that this launch has started and that is still there."""
        found = []
        for folder in Path('/proc').iterdir():
            if not folder.name.isdecimal() or int(folder.name) == self.popen.pid:
                continue
            try:
                variables = (folder / 'environ').read_bytes()
                words = (folder / 'cmdline').read_bytes()
            except OSError:
                continue
            if words and str(self.log.parent).encode() in variables:
                found.append(int(folder.name))
        return found

    def all_end(self, seconds: float = 10) -> bool:
        end = time.monotonic() + seconds
        while self.children() and time.monotonic() < end:
            time.sleep(0.05)
        return not self.children()

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
    launch.wait_for('subscribed to /front/image_raw and /front/camera_info')
    os.kill(launch.pid_of('depth_node'), signal.SIGKILL)
    launch.wait_for('subscribed to /front/image_raw and /front/camera_info', 2)
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
    launch.wait_for('subscribed to')
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
        launch.wait_for(f'subscribed to /{name}/image_raw and /{name}/camera_info')
    launch.wait_for('publishing world:0 as /front/image_raw')
    launch.wait_for('publishing world:1 as /rear/image_raw')
    assert launch.stop().count('process has finished cleanly') == 4


@pytest.mark.parametrize('after', [0.0, 0.1, 0.3, 0.6, 1.0])
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGKILL])
def test_a_launch_that_ends_early_leaves_no_orphans(launched, model, number, after):
    """Its processes spend their first second in imports and hear nothing of its end."""
    launch = launched(str(ROOT / 'launch/demo.launch.py'), f'model:={model}')
    launch.wait_for('started with pid', 1)
    time.sleep(after)
    launch.popen.send_signal(number)
    launch.popen.wait(20)
    assert launch.all_end(), launch.log.read_text()


def catches_sigterm(pid: int) -> bool:
    """Whether a process has got as far as our own first lines: Python alone leaves SIGTERM."""
    status = Path(f'/proc/{pid}/status').read_text()
    (mask,) = [line.split()[1] for line in status.splitlines() if line.startswith('SigCgt')]
    return bool(int(mask, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize('after', [0.0, 0.2, 0.5, 0.8])
def test_ctrl_c_during_the_imports_shows_no_traceback(launched, model, after):
    """Python itself needs the first tenth of a second, before any line of ours runs."""
    launch = launched(str(ROOT / 'launch/demo.launch.py'), f'model:={model}')
    launch.wait_for('started with pid', 2)
    end = time.monotonic() + 30
    pids = [launch.pid_of(name) for name in ('depth_node', 'camera_publisher')]
    while not all(map(catches_sigterm, pids)):
        assert time.monotonic() < end
        time.sleep(0.01)
    time.sleep(after)
    output = launch.stop()
    assert launch.all_end()
    assert output.count('process has finished cleanly') == 2, output
    assert 'Traceback' not in output


def test_without_rviz_nothing_is_started(launched, model):
    """Launch ends where a package is missing, and would leave what it has started by then."""
    launch = launched(str(ROOT / 'launch/demo.launch.py'), f'model:={model}', 'rviz:=true')
    assert launch.popen.wait(30) == 1
    assert 'rviz2' in launch.log.read_text()
    assert 'started with pid' not in launch.log.read_text()
    assert launch.all_end()


@pytest.mark.parametrize(('argument', 'words'), [
    ('rviz:=yes', 'yes'), ('engine:=foo', 'foo'), ('image_transport:=theora', 'theora'),
    ('use_sim_time:=maybe', 'maybe'),
])
def test_a_wrong_argument_fails_the_launch(launched, argument, words):
    launch = launched(str(ROOT / 'launch/mono.launch.py'), argument)
    assert launch.popen.wait(30) == 1
    assert words in launch.log.read_text()
    assert 'started with pid' not in launch.log.read_text()


INCLUDES = """
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

def generate_launch_description():
    return LaunchDescription([
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource({path!r}), launch_arguments=list(arguments.items())
        ) for arguments in {includes!r}
    ])
"""


def test_a_second_include_reads_its_own_parameter_file(launched, model, network, tmp_path):
    """Declared defaults stay in force after an include."""
    other = network('other')
    other.with_suffix('.json').write_text(json.dumps(SIDECAR))
    params = tmp_path / 'rear.yaml'
    params.write_text(f'/**:\n  ros__parameters:\n    model: {{name: {other}}}\n')
    both = tmp_path / 'both.launch.py'
    both.write_text(INCLUDES.format(path=str(ROOT / 'launch/mono.launch.py'), includes=[
        {'namespace': 'front', 'model': str(model)},
        {'namespace': 'rear', 'model': '', 'params_file': str(params)},
    ]))
    launch = launched(str(both))
    launch.wait_for('subscribed to', 2)
    output = launch.log.read_text()
    assert 'front.depth_node' in output
    names = {name: subprocess.run(
        [sys.executable, '-c', ASK, f'/{name}/depth_node'], capture_output=True, text=True,
        check=True, timeout=60, env={**os.environ, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'},
    ).stdout.strip() for name in ('front', 'rear')}
    assert names == {'front': str(model), 'rear': str(other)}


ASK = """
import sys
import rclpy
from rcl_interfaces.srv import GetParameters
rclpy.init()
node = rclpy.create_node('asking')
client = node.create_client(GetParameters, sys.argv[1] + '/get_parameters')
assert client.wait_for_service(20)
future = client.call_async(GetParameters.Request(names=['model.name']))
rclpy.spin_until_future_complete(node, future, timeout_sec=20)
print(future.result().values[0].string_value)
"""

PUSHED = """
from launch import LaunchDescription
from launch.actions import GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import PushRosNamespace

def generate_launch_description():
    return LaunchDescription([GroupAction([
        PushRosNamespace('robot1'),
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource({path!r}),
            launch_arguments=[('model', {model!r}), ('source', 'world')],
        ),
    ])])
"""


def test_a_pushed_namespace_moves_inputs_as_well(launched, model, tmp_path):
    path = tmp_path / 'pushed.launch.py'
    path.write_text(PUSHED.format(path=str(ROOT / 'launch/mono.launch.py'), model=str(model)))
    launch = launched(str(path))
    launch.wait_for('publishing world:0 as /robot1/camera/image_raw')
    launch.wait_for('subscribed to /robot1/camera/image_raw and /robot1/camera/camera_info')
