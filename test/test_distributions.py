"""Files that name ROS distributions agree, and what they ask for can be installed there."""

from __future__ import annotations

from pathlib import Path
import re
import shutil
import subprocess

from packaging.requirements import Requirement
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = {'humble': '3.10', 'jazzy': '3.12', 'kilted': '3.12', 'lyrical': '3.14'}
WORKFLOW = yaml.safe_load((ROOT / '.github' / 'workflows' / 'ci.yml').read_text())
GUIDE = (ROOT / 'doc' / 'install.md').read_text()


def requirements(python: str) -> dict[str, Requirement]:
    """What requirements/robot.txt asks for on a version of Python."""
    lines = (ROOT / 'requirements' / 'robot.txt').read_text().splitlines()
    wanted = [Requirement(text) for line in lines if (text := line.partition('#')[0].strip())]
    return {
        one.name: one for one in wanted
        if one.marker is None or one.marker.evaluate({'python_version': python})
    }


@pytest.mark.parametrize(('name', 'python'), PYTHONS.items())
def test_numpy_is_that_of_the_distribution(name: str, python: str) -> None:
    """Lyrical's cv_bridge is built for NumPy 2, and NumPy 1 cannot be installed there."""
    wanted = requirements(python)
    assert {'onnx', 'openvino', 'onnxruntime', 'rosbags'} <= set(wanted)
    row = re.search(
        rf'^\| {name} \| [\d.]+ \| ([\d.]+) \| (\d) \|', GUIDE, re.IGNORECASE | re.MULTILINE
    )
    assert row is not None
    assert row.group(1) == python
    if row.group(2) == '1':
        assert wanted['numpy'].specifier.contains('1.26.4')
        assert not wanted['numpy'].specifier.contains('2.0.0')
    else:
        assert 'numpy' not in wanted


def test_the_workflow_builds_each_distribution_and_its_python() -> None:
    jobs = WORKFLOW['jobs']
    assert jobs['ros']['strategy']['matrix']['distribution'] == list(PYTHONS)
    core = jobs['core']['strategy']['matrix']
    (library,) = (s['with']['python-version'] for s in jobs['library']['steps'] if 'with' in s)
    assert {*core['python'], library} >= set(PYTHONS.values())
    assert {*core['wheels'], *(one['wheels'] for one in core['include'])} == {'jazzy', 'kilted'}


@pytest.mark.skipif(shutil.which('make') is None, reason='no make')
@pytest.mark.parametrize(('words', 'environment', 'extra'), [
    ((), '.venv/', ',ros,'), (('ROS=jazzy',), '.venv/', ',ros,'),
    (('ROS=kilted',), '.venv-kilted/', ',ros-kilted,'),
])
def test_make_installs_the_wheels_that_are_asked_for(
    words: tuple[str, ...], environment: str, extra: str
) -> None:
    said = subprocess.run(
        ['make', '--dry-run', '--always-make', 'test', *words], cwd=ROOT, capture_output=True,
        text=True, check=True,
    ).stdout
    installed = [line for line in said.splitlines() if "'.[cpu," in line]
    assert installed
    assert all(line.startswith(environment) and extra in line for line in installed)
    # the extra with its brackets, which setup.py must have
    assert f"'{extra.strip(',')}': " in (ROOT / 'setup.py').read_text()


@pytest.mark.skipif(shutil.which('make') is None, reason='no make')
def test_make_refuses_a_distribution_without_wheels() -> None:
    done = subprocess.run(
        ['make', '--dry-run', 'test', 'ROS=humble'], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )
    assert done.returncode == 2
    assert 'expected jazzy or kilted' in done.stderr
