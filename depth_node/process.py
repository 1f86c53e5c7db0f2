"""What a process of ours sets up for itself: malloc, and the end of the launch that started it."""

from __future__ import annotations

from collections.abc import Mapping
import ctypes
import os
import signal

_MALLOC_CHOICES = ('MALLOC_MMAP_THRESHOLD_', 'MALLOC_TRIM_THRESHOLD_', 'GLIBC_TUNABLES')
_MMAP_THRESHOLD = 32 * 2**20
_TRIM_THRESHOLD = 2**31 - 1
LAUNCH_VARIABLE = 'DEPTH_NODE_LAUNCH_PID'
_PR_SET_PDEATHSIG = 1  # prctl(2)
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # mallopt(3)


def never() -> bool:
    """
    Never cancel: the default of every `cancelled` argument.

    :returns: False.
    """
    return False


def malloc_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """
    Give :func:`keep_large_blocks` as variables, for programs that are not ours.

    :param environ: the environment; None: that of this process.
    :returns: the variables to set; none where the user has set some.
    """
    environ = os.environ if environ is None else environ
    if any(name in environ for name in _MALLOC_CHOICES):
        return {}
    return {
        'MALLOC_MMAP_THRESHOLD_': str(_MMAP_THRESHOLD),
        'MALLOC_TRIM_THRESHOLD_': str(_TRIM_THRESHOLD),
    }


def keep_large_blocks() -> bool:
    """
    Let malloc keep blocks of up to 32 MiB instead of returning them after every message.

    :returns: whether it was changed; False where the environment sets it, or without glibc.
    """
    if any(name in os.environ for name in _MALLOC_CHOICES):
        return False
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is None:
        return False
    return bool(
        mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD)
        and mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD)
    )


def end_with_launch() -> bool:
    """
    Get a SIGTERM when the launch process that started this one is gone.

    `ros2 launch` passes Ctrl-C on, but a SIGTERM or SIGKILL of its own ends it alone, and what
    it started would go on.

    :returns: whether a launch file of ours started this process.
    """
    if os.environ.get(LAUNCH_VARIABLE) != str(os.getppid()):
        return False
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    return True
