"""A process: malloc, signals, and ending together with the launch that started it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
import contextlib
from contextlib import contextmanager
import ctypes
from enum import Enum
import functools
import os
from pathlib import Path
import signal
import sys
import threading

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


def python() -> list[str]:
    """
    Return the command of the interpreter for a subprocess with ``-m`` or ``-c``.

    Both put the working folder first in the import path, so a file there with the name of a module
    would be executed. ``-P`` prevents this. Python 3.10 does not support it, so such a process
    must also be started in :func:`own_folder`.

    :returns: the first words of a command.
    """
    return [sys.executable, '-P'] if sys.version_info >= (3, 11) else [sys.executable]


def own_folder() -> Path:
    """
    Return a working folder for subprocesses: the folder of this package.

    :returns: an absolute path, which contains no foreign modules.
    """
    folder = Path(__file__).resolve().parents[1]
    return folder if folder.is_dir() else Path('/')  # a package in a ZIP file


@contextmanager
def at_signal(numbers: Collection[int], act: Callable[[], None]) -> Iterator[threading.Thread]:
    """
    Call a function at the first of some signals, even while the main thread runs C code.

    Python runs a signal handler between two bytecodes of the main thread, which is too late if
    that thread is loading a model. The wakeup descriptor is written immediately, if the signal has
    a handler in Python.

    :param numbers: the signals.
    :param act: called once, in a thread of its own; not if the block has ended before.
    :returns: the thread.
    """
    _forget_in_children()
    ended = threading.Event()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def watch() -> None:
        while not ended.is_set():
            if os.read(reader, 1)[0] in numbers and not ended.is_set():
                act()
                return

    watcher = threading.Thread(target=watch, name='signals', daemon=True)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    watcher.start()
    try:
        yield watcher
    finally:
        ended.set()
        signal.set_wakeup_fd(before)
        os.write(writer, b'\0')
        watcher.join()
        os.close(reader)
        os.close(writer)


@functools.cache
def _forget_in_children() -> None:
    """Keep signals of forked processes, which inherit the descriptor, out of this one."""
    def forget() -> None:
        with contextlib.suppress(ValueError):  # forked by a thread of another interpreter
            signal.set_wakeup_fd(-1)

    os.register_at_fork(after_in_child=forget)


def malloc_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """
    Return the settings of :func:`keep_large_blocks` as variables, for other programs.

    :param environ: the environment; None: that of this process.
    :returns: the variables to set; none if the user has set some.
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
    Configure malloc to keep blocks of up to 32 MiB instead of returning them.

    :returns: whether it was changed; False if the environment sets it, or without glibc.
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


def give_back() -> bool:
    """
    Return freed memory, which malloc would keep, to the system.

    Reading and compiling a network temporarily needs several times its weights: for 100 MB of
    weights this reduces the memory of the process by 180 MB.

    :returns: whether there was any; False without glibc.
    """
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
    return bool(trim is not None and trim(0))


class Launch(Enum):
    """Whether the launch file that started this process is still running."""

    NONE = 'none'
    """This process was not started by a launch file of this package."""
    HERE = 'here'
    GONE = 'gone'


def die_with_parent() -> None:
    """Receive a SIGTERM when the parent process ends; for a `preexec_fn`, or at a start."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def end_with_launch() -> Launch:
    """
    Receive a SIGTERM when the launch process that started this one has ended.

    `ros2 launch` forwards Ctrl-C, but a SIGTERM or SIGKILL ends only itself, and its processes
    would continue. It may have ended already, because this process needs a second for its
    imports: then nothing would ever send the signal.

    :returns: whether a launch file of this package started this process, and is still running.
    """
    launch = os.environ.get(LAUNCH_VARIABLE, '')
    if not (launch.isascii() and launch.isdecimal()) or len(launch) > len(str(2**22)):
        return Launch.NONE
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    # asked after the request: whatever ends from here on sends the signal
    if os.getppid() == int(launch):
        return Launch.HERE
    # the parent is another one: something between the two (a prefix like `xterm -e`), or, where
    # the launch has ended, the process that inherited this one
    prctl(_PR_SET_PDEATHSIG, 0)
    return Launch.NONE if _runs(launch) else Launch.GONE


def _runs(pid: str) -> bool:
    """Return whether a process exists and has not ended (a zombie waits only for its parent)."""
    try:
        state = Path('/proc', pid, 'stat').read_text(encoding='utf-8', errors='replace')
    except (FileNotFoundError, ProcessLookupError):
        return False
    except OSError:  # it may not be looked at
        return True
    return state.rpartition(')')[2].split()[:1] not in (['Z'], ['X'])
