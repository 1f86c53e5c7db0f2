"""A /dev/shm without room: SIGBUS ends whoever writes there, and the node must not be one."""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys

import pytest

FILL = 'dd if=/dev/zero of=/dev/shm/full bs=64k 2>/dev/null'
NODE = (
    f'timeout -s INT 8 {sys.executable} -m depth_node.ros.node --ros-args '
    '-p model.name:={model} -p engine.name:=onnxruntime'
)
ROOM = 'the node with its own /dev/shm needs the right to mount one'


def inside(script: str, size: str) -> subprocess.CompletedProcess[str]:
    """Run a script where /dev/shm is a small one of its own."""
    mount = f'mount -t tmpfs -o size={size} tmpfs /dev/shm && '
    words = ['unshare', '-m', 'bash', '-c']
    if subprocess.run([*words, mount + 'true'], capture_output=True, check=False).returncode:
        pytest.skip(ROOM)
    return subprocess.run(
        [*words, mount + script], capture_output=True, text=True, check=False, timeout=100
    )


def test_a_full_one_is_left_for_udp(model: Path) -> None:
    """Another ROS process has been there before it was full, as on a robot."""
    before = f'{sys.executable} -c "import rclpy; rclpy.init(); rclpy.shutdown()"; '
    done = inside(f'{before}{FILL}; {NODE.format(model=model)}; echo ended with $?', '64m')
    output = done.stdout + done.stderr
    assert 'messages go over UDP' in output, output
    assert 'subscribed to /image' in output
    assert 'ended with 124' in output  # by the time that was given to it
    assert 'Bus error' not in output


def test_one_that_was_always_full_is_named(model: Path) -> None:
    """Libraries of ROS need a page of it to be loaded."""
    done = inside(f'{FILL}; {NODE.format(model=model)}; echo ended with $?', '16m')
    output = done.stdout + done.stderr
    assert 'Bus error' not in output
    assert 'ended with 70' in output or 'ended with 124' in output, output
    assert '/dev/shm is full' in output or 'messages go over UDP' in output
