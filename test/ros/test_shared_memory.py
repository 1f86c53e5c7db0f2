"""A /dev/shm without room: SIGBUS ends whoever writes there, and the node must not be one."""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys

import pytest

FILL = 'dd if=/dev/zero of=/dev/shm/full bs=64k 2>/dev/null'
NODE = (
    f'{sys.executable} -m depth_node.ros.node --ros-args '
    '-p model.name:={model} -p engine.name:=onnxruntime >log 2>&1 & node=$!; '
    # two seconds of work after its start, or its end
    'for _ in $(seq 300); do grep -q "subscribed to" log && break; '
    'kill -0 $node 2>/dev/null || break; sleep 0.1; done; sleep 2; '
    'kill -INT $node 2>/dev/null && echo alive; wait $node; echo ended with $?; cat log'
)
ROOM = 'the node with its own /dev/shm needs the right to mount one'


def inside(folder: Path, script: str, size: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a folder, where /dev/shm is a small one of its own."""
    mount = f'mount -t tmpfs -o size={size} tmpfs /dev/shm && '
    words = ['unshare', '-m', 'bash', '-c']
    if subprocess.run([*words, mount + 'true'], capture_output=True, check=False).returncode:
        pytest.skip(ROOM)
    return subprocess.run(
        [*words, mount + script], capture_output=True, text=True, check=False, timeout=100,
        cwd=folder,
    )


def test_a_full_one_is_left_for_udp(tmp_path: Path, model: Path) -> None:
    """Another ROS process has been there before it was full, as on a robot."""
    before = f'{sys.executable} -c "import rclpy; rclpy.init(); rclpy.shutdown()"; '
    done = inside(tmp_path, f'{before}{FILL}; {NODE.format(model=model)}', '64m')
    output = done.stdout + done.stderr
    assert 'messages go over UDP' in output, output
    assert 'subscribed to /image' in output
    assert 'alive' in output
    assert 'ended with 0' in output
    assert 'Bus error' not in output


def test_one_that_was_always_full_is_named(tmp_path: Path, model: Path) -> None:
    """Libraries of ROS need a page of it to be loaded."""
    done = inside(tmp_path, f'{FILL}; {NODE.format(model=model)}', '16m')
    output = done.stdout + done.stderr
    assert 'Bus error' not in output
    assert 'ended with 70' in output or 'ended with 0' in output, output
    assert '/dev/shm is full' in output or 'messages go over UDP' in output
