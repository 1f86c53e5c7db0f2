"""
What the commands run: signals first, then the imports, which take a second.

Until `runtime` has set the process up, a signal ends it at once and in silence: nothing is there
yet that would have to be closed.
"""

from __future__ import annotations

import os
import signal
from types import FrameType


def node() -> int:
    """
    Run the depth node.

    :returns: the exit code.
    """
    _end_on_signals()
    from depth_node.ros.node import main

    return main()


def camera_publisher() -> int:
    """
    Run the camera publisher.

    :returns: the exit code.
    """
    _end_on_signals()
    from depth_node.ros.camera_publisher import main

    return main()


def _end_on_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)


def _end(_number: int, _frame: FrameType | None) -> None:
    os._exit(0)
