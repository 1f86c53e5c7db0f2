"""Folders that are shared, full, or cannot be written, with nodes in processes of their own."""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys

from processes import Processes
import pytest
from rig import CAMERA, Rig
from rig import smooth_frame as frame


def test_two_nodes_share_a_cache_and_a_read_only_home_is_survived(
    rig: Rig, processes: Processes, model: Path, tmp_path: Path
) -> None:
    """Both nodes work; so does one that may write nowhere."""
    rig.listen('depth/image')
    cache = tmp_path / 'cache'
    first = rig.start(model, engine__cache_dir=str(cache))
    second = processes.python(
        '-m', 'depth_node.ros.node', '--ros-args', '-r', '__ns:=/other', '-p',
        f'model.name:={model}', '-p', f'engine.cache_dir:={cache}',
    )
    rig.until('depth/image', frame(), CAMERA)
    second.wait_for('Engine auto: OpenVINO|at 32x24')
    assert first.stop() == 0
    assert second.stop() == 0
    nowhere = tmp_path / 'nowhere'
    nowhere.write_text('a file where a folder should be')
    third = rig.start(model, engine__cache_dir=str(nowhere / 'cache'))
    rig.until('depth/image', frame(), CAMERA)
    assert third.stop() == 0
    assert 'Traceback' not in third.output


@pytest.mark.parametrize('state', ['full', 'read-only'])
def test_a_home_on_a_disk_that_takes_nothing(
    rig: Rig, processes: Processes, model: Path, tmp_path: Path, state: str
) -> None:
    """A real file system, full or read-only: depth flows, and the log says what is not kept."""
    home = tmp_path / 'home'
    home.mkdir()
    mount = f'mount -t tmpfs -o size=64k none {home}'
    isolated = ['unshare', '--map-root-user', '--mount', 'sh', '-c']
    if subprocess.run([*isolated, mount], check=False, capture_output=True).returncode:
        pytest.skip('this system lets nobody mount a file system of their own')
    spoil = {
        'full': f'head -c 1M /dev/zero 2>/dev/null > {home}/all; ',
        'read-only': f'mount -o remount,ro {home}; ',
    }[state]
    rig.listen('depth/image')
    process = processes.start(
        *isolated, f'{mount}; {spoil} exec "$@"', 'sh', sys.executable, '-m',
        'depth_node.ros.node', '--ros-args', '-p', f'model.name:={model}',
        env={'HOME': str(home), 'XDG_CACHE_HOME': None, 'ROS_LOG_DIR': None, 'ROS_HOME': None},
    )
    rig.until('depth/image', frame(), CAMERA)
    if state == 'read-only':
        assert 'cannot be written (Read-only file system)' in process.output
    assert process.stop() == 0
    assert 'Traceback' not in process.output
