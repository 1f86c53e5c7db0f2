"""
Entry points of the commands: signals and shared memory first, then the imports, which are slow.

Until `runtime` has set up the process, a signal ends it immediately and silently, because there is
nothing to close yet.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from types import FrameType

from depth_node.process import own_folder, python
from depth_node.ros import dds

FAULT = 70
"""EX_SOFTWARE of sysexits.h: the launch files restart such a process."""
_PROBE = 'import rclpy; rclpy.init(); rclpy.shutdown()'
_PROBE_S = 30.0


def node() -> int:
    """
    Run the depth node.

    :returns: the exit code.
    """
    return _run('depth_node.ros.node')


def camera_publisher() -> int:
    """
    Run the camera publisher.

    :returns: the exit code.
    """
    return _run('depth_node.ros.camera_publisher')


def _run(module: str) -> int:
    """Call the `main` of a module; modules that are run with -m start here, too."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    problem = shared_memory_problem()
    if problem:
        print(problem, file=sys.stderr)  # noqa: T201 - no logger without rclpy
        return FAULT
    return int(importlib.import_module(module).main())


def _end(_number: int, _frame: FrameType | None) -> None:
    os._exit(0)


def shared_memory_problem() -> str:
    """
    Check whether rclpy can be imported although /dev/shm is full.

    Not only Fast DDS uses shared memory: so does LTTng, which is linked with rcl, when it is
    loaded. Without space for a single page the system ends the process with SIGBUS. Therefore a
    separate process tries it, only if there is hardly any space.

    :returns: the problem and its remedy; empty if rclpy works.
    """
    transport = dds.transport()
    if not transport.warn:
        return ''
    try:
        tried = subprocess.run(  # noqa: S603  our own words, no shell
            [*python(), '-c', _PROBE], env={**os.environ, **transport.environment},
            timeout=_PROBE_S, check=False, capture_output=True, cwd=own_folder(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return ''
    if tried.returncode != -signal.SIGBUS:
        return ''
    return (
        f'{dds.SHARED_MEMORY} is full: ROS cannot be loaded and would end with SIGBUS. Free '
        'some space (`fastdds shm clean` removes the segments of killed processes), or enlarge '
        'it (in a container: --ipc=host or --shm-size=1g).'
    )
