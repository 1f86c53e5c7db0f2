"""
What the commands run: signals and shared memory first, then the imports, which take a second.

Until `runtime` has set the process up, a signal ends it at once and in silence: nothing is there
yet that would have to be closed.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from types import FrameType

from depth_node.process import own_folder, python
from depth_node.ros import tuning

FAULT = 70
"""EX_SOFTWARE of sysexits.h: the launch files start such a process again."""
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
    """Call a module's `main`; the modules themselves start here when they are run with -m."""
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
    Find out whether rclpy can be imported at all, where /dev/shm has no room.

    Not only Fast DDS keeps memory there: LTTng, which rcl is linked with, does so when it is
    loaded, and without room for a single page the system ends the process with SIGBUS. A process
    of its own tries it, and only where there is hardly any room.

    :returns: what is wrong and what to do; empty where rclpy works.
    """
    transport = tuning.transport()
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
        f'{tuning.SHARED_MEMORY} is full: ROS cannot even be loaded, and would end with SIGBUS. '
        'Free some room there (`fastdds shm clean` removes what killed processes have left), or '
        'enlarge it (in a container: --ipc=host or --shm-size=1g).'
    )
