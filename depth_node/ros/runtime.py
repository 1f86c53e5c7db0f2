"""
The life of an executable: set the process up, spin a node, end in order.

SIGINT and SIGTERM never raise anything here. rclpy's own handling shuts the context down under
the feet of whatever is running, which shows as a traceback now and then; instead the spinning
stops, the node closes, and only then does the context end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any, NoReturn, Protocol, TypeVar

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.signals import SignalHandlerOptions

from depth_node import process
from depth_node.errors import DepthNodeError
from depth_node.ros import tuning

OK = 0
USAGE = 2
"""Wrong parameters or input: starting again will not help."""
FAULT = 70
"""The process cannot go on and should be started again (EX_SOFTWARE of sysexits.h)."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_POLL_S = 0.1
_PATIENCE_S = 1.4
"""
How long after a signal the process may take to end by itself; of the two seconds it has, the rest
is for a busy machine.
"""


class Runnable(Protocol):
    """A node that can be closed; an rclpy Node otherwise."""

    def close(self) -> None:
        """Stop working, soon."""

    def destroy_node(self) -> None:
        """Give back what DDS holds."""


NodeT = TypeVar('NodeT', bound=Runnable)


class FaultError(Exception):
    """Raised through the executor to end the process; see :func:`die`."""


def die(logger: Any, text: str) -> NoReturn:
    """
    End the process from a callback of the executor, with a code that asks for a restart.

    :param logger: the node's.
    :param text: what happened.
    """
    logger.fatal(text)
    raise FaultError(text)


def run(
    make: Callable[[Sequence[str] | None], NodeT],
    arguments: Sequence[str] | None = None,
    until: Callable[[NodeT], int | None] = lambda _: None,
) -> int:
    """
    Make a node and spin it until a signal, its own end, or a fault.

    :param make: gives the node for the arguments; may raise DepthNodeError.
    :param arguments: command-line arguments; None: those of the process.
    :param until: asked ten times a second: an exit code ends the spinning.
    :returns: the exit code: 0 after a signal, 2 for wrong parameters, 70 for a fault.
    """
    os.environ.update(tuning.transport().environment)
    process.keep_large_blocks()
    logs = tuning.writable_log_folder()
    if logs is not None:
        os.environ['ROS_LOG_DIR'] = logs
    with _signals() as stop:
        process.end_with_launch()
        try:
            rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
        except Exception as error:  # noqa: BLE001 - rclpy has a class for each wrong argument
            print(f'ROS arguments: {error}', file=sys.stderr)  # noqa: T201 - no logger yet
            return USAGE
        # from here on a signal ends it in order
        get_logger('depth_node').info(f'starting as process {os.getpid()}')
        code = USAGE
        try:
            code = _spin(make, arguments, until, stop)
        except (DepthNodeError, ParameterException) as error:
            get_logger('depth_node').fatal(str(error))
        finally:
            rclpy.try_shutdown()
        if threading.active_count() > 1 + len(_watchers):
            # a thread deep in an engine does not hear of the interpreter's end and may crash it
            _leave(code)
    return code


def _spin(
    make: Callable[[Sequence[str] | None], NodeT],
    arguments: Sequence[str] | None,
    until: Callable[[NodeT], int | None],
    stop: threading.Event,
) -> int:
    """Spin from the node's making to its closing."""
    node = make(arguments)
    executor = SingleThreadedExecutor()
    code = None
    try:
        executor.add_node(node)
        while code is None and not stop.is_set():
            executor.spin_once(timeout_sec=_POLL_S)
            code = until(node)
    except FaultError:
        code = FAULT
    finally:
        node.close()
        executor.shutdown(timeout_sec=0)
        node.destroy_node()
    return OK if code is None else code


_watchers: set[threading.Thread] = set()


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """
    Turn SIGINT and SIGTERM into an event, also while the main thread is deep in C.

    Python runs a signal's handler between two of the main thread's bytecodes, which is too late
    when that thread loads a model. The wakeup descriptor is written to at once, and a thread
    that reads it ends the process when it does not end by itself.
    """
    stop, done = threading.Event(), threading.Event()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def watch() -> None:
        os.read(reader, 1)
        if done.is_set():
            return
        stop.set()
        if not done.wait(_PATIENCE_S):
            _leave(OK)

    def ignore(number: int, frame: FrameType | None) -> None:
        """Keep Python's default from raising; the thread above has heard the signal."""

    watcher = threading.Thread(target=watch, name='signals', daemon=True)
    for number in _SIGNALS:
        signal.signal(number, ignore)
    descriptor = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    watcher.start()
    _watchers.add(watcher)
    try:
        yield stop
    finally:
        done.set()
        signal.set_wakeup_fd(descriptor)
        os.write(writer, b'\0')
        watcher.join()
        _watchers.discard(watcher)
        for number in _SIGNALS:  # a second one, while the interpreter ends, changes nothing
            signal.signal(number, signal.SIG_IGN)
        os.close(reader)
        os.close(writer)


def _leave(code: int) -> NoReturn:
    """End at once, without waiting for any thread."""
    tuning.drop_segments()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
