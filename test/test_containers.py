"""
The container files agree with the package: what they copy exists, what they run is there.

No container is built here; the workflow does that.
"""

from __future__ import annotations

from pathlib import Path
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import yaml

from depth_node.catalogue import find
from depth_node.config import Config
from depth_node.config.camera_publisher import CameraPublisherConfig
from depth_node.ros.cameras import launched_camera, MONO

ROOT = Path(__file__).resolve().parents[1]
DOCKER = ROOT / 'docker'
FILES = sorted(DOCKER.glob('Dockerfile*'))
INSTALL = (ROOT / 'doc' / 'install.md').read_text(encoding='utf-8')
WORKFLOW = yaml.safe_load((ROOT / '.github' / 'workflows' / 'ci.yml').read_text(encoding='utf-8'))
COMPOSE = yaml.safe_load((DOCKER / 'compose.yaml').read_text(encoding='utf-8'))
NVIDIA = yaml.safe_load((DOCKER / 'compose.nvidia.yaml').read_text(encoding='utf-8'))


def instructions(path):
    """Return the instructions of a Dockerfile: lines joined, comments removed."""
    lines = [line for line in path.read_text(encoding='utf-8').splitlines()
             if not line.lstrip().startswith('#')]
    text = re.sub(r'\\\n\s*', ' ', '\n'.join(lines))
    return [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]


def stages(path):
    words = [rest.split() for name, rest in instructions(path) if name == 'FROM']
    return [line[2] for line in words if len(line) == 3]


def commands(path):
    """Return the commands of RUN, split at &&."""
    return [
        command.strip() for name, rest in instructions(path) if name == 'RUN'
        for command in rest.split('&&')
    ]


def entry_points():
    """Return the console scripts of setup.py."""
    text = (ROOT / 'setup.py').read_text(encoding='utf-8')
    return set(re.findall(r"'([\w-]+) = depth_node\.[\w.]+:\w+'", text))


def ignored(path):
    """Return whether the context leaves a path of the repository out (patterns without order)."""
    patterns = [line for line in (ROOT / '.dockerignore').read_text().split('\n')
                if line and not line.startswith('#')]
    parents = [path, *path.parents]
    return any(
        parent.match(pattern.removeprefix('**/')) and ('/' in pattern or len(parent.parts) == 1)
        for pattern in patterns for parent in parents if parent.parts
    )


def test_there_are_the_variants():
    assert [path.name for path in FILES] == [
        'Dockerfile', 'Dockerfile.jetpack6', 'Dockerfile.jetpack7'
    ]
    assert stages(DOCKER / 'Dockerfile') == ['cpu', 'nvidia']


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_what_is_copied_exists_and_is_not_ignored(path):
    copies = [shlex.split(rest) for name, rest in instructions(path) if name == 'COPY']
    assert len(copies) >= 3
    for words in copies:
        *sources, _ = [word for word in words if not word.startswith('--')]
        for source in sources:
            assert (ROOT / source).exists(), source
            assert source == '.' or not ignored(Path(source)), source


def test_the_context_has_all_that_is_built_and_nothing_that_is_made():
    needed = ['setup.py', 'setup.cfg', 'package.xml', 'README.md', 'resource/depth_node',
              'launch/mono.launch.py', 'config/mono.yaml', 'depth_node/data/embedded.onnx',
              'depth_node/data/embedded.json', 'docker/entrypoint.sh', 'requirements/robot.txt']
    for name in needed:
        assert (ROOT / name).exists(), name
        assert not ignored(Path(name)), name
    made = ['.git/config', '.venv/bin/python', '.venv-compat/x', 'gpu-pack/ros.part01',
            'gpu-run/x', 'demo/depth.png', 'depth_node/__pycache__/x.pyc', 'build/x', 'log/x',
            'depth_node.egg-info/x', 'net.plan']
    for name in made:
        assert ignored(Path(name)), name
    # and nothing of git's own list of what is made is forgotten
    for line in (ROOT / '.gitignore').read_text(encoding='utf-8').split():
        name = line.strip('/').replace('*', 'x')
        assert ignored(Path(name)), line


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_python_packages_are_those_of_the_guide(path):
    pinned = re.findall(r"'(cuda-python[^']*)'", path.read_text(encoding='utf-8'))
    for requirement in pinned:
        assert f"'{requirement}'" in INSTALL, requirement
    expected = {'Dockerfile.jetpack6': ['cuda-python==12.6.2.post1'],
                'Dockerfile.jetpack7': ['cuda-python>=13,<14'], 'Dockerfile': []}
    assert pinned == expected[path.name]
    files = re.findall(r'-r (requirements/\S+)', path.read_text(encoding='utf-8'))
    assert files
    assert all((ROOT / file).is_file() for file in files)
    # every file that pip reads has been copied before
    copied = [rest for name, rest in instructions(path) if name == 'COPY']
    assert all(any(file in rest for rest in copied) for file in files)


def test_the_requirements_of_the_gpu_are_the_extra_and_onnxruntime():
    lines = [line for line in (ROOT / 'requirements' / 'nvidia.txt').read_text().splitlines()
             if line and not line.startswith('#')]
    names = [re.split(r'[\[<>=]', line)[0] for line in lines]
    assert names == ['tensorrt', 'cuda-python', 'onnxruntime-gpu']
    run = ' '.join(commands(DOCKER / 'Dockerfile'))
    assert 'pip uninstall --yes onnxruntime ' in run


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_the_guide_and_the_workflow_name_the_same_images(path):
    text = path.read_text(encoding='utf-8')
    tags = set(re.findall(r'-t (depth_node:[\w-]+)', text))
    assert len(tags) == max(1, len(stages(path)))
    for tag in tags:
        assert tag in INSTALL, tag
    base = next(rest.split()[0] for name, rest in instructions(path) if name == 'FROM')
    shown = base.replace('${ROS_DISTRO}', 'jazzy')
    assert shown in INSTALL, shown
    rows = WORKFLOW['jobs']['containers']['strategy']['matrix']['include']
    mine = [row for row in rows if row['file'] == f'docker/{path.name}']
    assert {f'depth_node:{row["tag"]}' for row in mine} == tags
    assert [row.get('target', '') for row in mine] == (stages(path) or [''])


def test_the_distribution_is_one():
    text = (DOCKER / 'Dockerfile').read_text(encoding='utf-8')
    default = re.search(r'^ARG ROS_DISTRO=(\w+)$', text, re.MULTILINE)[1]
    images = [service.get('image') for service in COMPOSE['services'].values()]
    assert images == [f'depth_node:{default}-cpu'] * 3
    assert NVIDIA['services']['node']['image'] == f'depth_node:{default}-nvidia'
    tested = WORKFLOW['jobs']['ros']['strategy']['matrix']['distribution']
    assert {default, 'humble'} <= set(tested)


def test_compose_builds_stages_that_exist():
    for service in COMPOSE['services'].values():
        build = service['build']
        context = (DOCKER / build['context']).resolve()
        assert context == ROOT
        assert build['target'] in stages(context / build['dockerfile'])
    assert NVIDIA['services']['node']['build']['target'] in stages(DOCKER / 'Dockerfile')
    assert set(NVIDIA['services']) <= set(COMPOSE['services'])


@pytest.mark.parametrize(('file', 'name'), [
    *(('compose.yaml', name) for name in COMPOSE['services']),
    *(('compose.nvidia.yaml', name) for name in NVIDIA['services']),
])
def test_the_commands_of_compose_exist(file, name):
    services = (COMPOSE if file == 'compose.yaml' else NVIDIA)['services']
    words = shlex.split(services[name]['command'])
    match words:
        case ['ros2', 'run', 'depth_node', script, '--ros-args', *rest]:
            assert script in entry_points()
            assert script == 'camera_publisher'
            assert rest[0::2] == ['-p'] * (len(rest) // 2)
            pairs = [parameter.split(':=') for parameter in rest[1::2]]
            # as the node checks them: names, types and bounds
            CameraPublisherConfig.of({key: yaml.safe_load(value) for key, value in pairs})
        case ['ros2', 'launch', 'depth_node', launch, *rest]:
            assert launch == 'mono.launch.py'
            assert (ROOT / 'launch' / launch).is_file()
            given = dict(argument.split(':=') for argument in rest)
            assert set(given) <= set(MONO)
            defaults = {key: argument.default for key, argument in MONO.items()}
            camera = launched_camera({**defaults, **given}, '')
            assert camera.parameters['model.name'] == given['model']
            assert find(given['model'])
            if 'engine' in given:
                Config().replaced({'engine.name': given['engine']})
        case ['python3', '-m', module, *rest]:
            done = subprocess.run(
                [sys.executable, '-m', module, '--help'], check=True, capture_output=True,
                text=True,
            )
            for option in rest[:rest.index('--ros-args')]:
                assert not option.startswith('--') or option in done.stdout
        case _:
            pytest.fail(f'an unknown kind of command: {words}')


def test_containers_share_memory_and_the_domain():
    services = COMPOSE['services'].values()
    assert {service['ipc'] for service in services} == {'host'}
    assert {service['network_mode'] for service in services} == {'host'}
    assert len({str(service['environment']) for service in services}) == 1


@pytest.mark.parametrize('path', [*FILES, DOCKER / 'entrypoint.sh'], ids=lambda path: path.name)
def test_shell_commands_are_whole(path):
    """Bash reads every command; a missing && or quote is an error."""
    texts = [path.read_text(encoding='utf-8')]
    if path in FILES:
        texts = [rest for name, rest in instructions(path) if name == 'RUN']
    for text in texts:
        subprocess.run(['bash', '-n'], input=text, check=True, text=True)
        assert '&& &&' not in text


def test_the_entrypoint_runs_the_command_in_the_environment(tmp_path):
    """With stand-ins for the two set-up scripts, and the arguments as they were given."""
    text = (DOCKER / 'entrypoint.sh').read_text(encoding='utf-8')
    for name in ('opt/ros/any', 'opt/depth_node/install'):
        (tmp_path / name).mkdir(parents=True)
        # as ROS's own scripts, it looks at a variable that is not set
        (tmp_path / name / 'setup.bash').write_text(
            f'test -z "$NOT_SET" && export SEEN="$SEEN {name}"\n'
        )
    script = tmp_path / 'entrypoint.sh'
    script.write_text(text.replace('/opt/', f'{tmp_path}/opt/'))
    done = subprocess.run(
        ['bash', str(script), 'bash', '-c', 'echo "$SEEN"; printf "%s\\n" "$@"; exit 3', 'x',
         'a b', '*'], check=False, capture_output=True, text=True,
        env={'ROS_DISTRO': 'any', 'PATH': '/usr/bin:/bin'},
    )
    assert done.returncode == 3
    assert done.stdout.split('\n')[:3] == [' opt/ros/any opt/depth_node/install', 'a b', '*']


def test_hadolint_finds_nothing():
    program = shutil.which('hadolint', path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip('hadolint is not installed: make lint installs and runs it')
    done = subprocess.run(
        [program, *map(str, FILES)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
