"""
The life of an executable: set up the process, spin a node, and shut down in order.

SIGINT and SIGTERM never raise an exception here. rclpy's own handling shuts the context down while
callbacks still run, which sometimes causes a traceback. Instead, spinning stops, the node is
closed, and only then is the context shut down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
import contextlib
from contextlib import contextmanager
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any, NoReturn, Protocol, TypeVar

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.logging import get_logger
from rclpy.signals import SignalHandlerOptions

from depth_node import process
from depth_node.errors import DepthNodeError, unexpected
from depth_node.ros import dds, folders
from depth_node.ros.executor import FaultError, GuardedExecutor
from depth_node.ros.log import Log

OK = 0
USAGE = 2
"""Exit code for wrong parameters or input: a restart does not help."""
FAULT = 70
"""Exit code if the process cannot continue and should be restarted (EX_SOFTWARE)."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_POLL_S = 0.1
_FAILURES = 100
"""Consecutive failures of waiting for work after which rclpy is considered broken."""
_FAILURE_PAUSE_S = 0.02
_PATIENCE_S = 1.4
"""
How long the process may take to end by itself after a signal (s). It has two seconds in total; the
rest is a reserve for a busy machine.
"""


class Runnable(Protocol):
    """An rclpy Node that can be closed."""

    def caught(self, where: str, error: Exception) -> None:
        """
        Report an exception of a callback; spinning continues.

        :param where: topic, service or kind of callback.
        :param error: the exception.
        """

    def close(self) -> None:
        """Stop working as soon as possible."""

    def destroy_node(self) -> None:
        """Release the DDS entities."""


NodeT = TypeVar('NodeT', bound=Runnable)


def die(logger: Any, text: str) -> NoReturn:
    """
    End the process from a callback of the executor, with an exit code that causes a restart.

    :param logger: the logger of the node.
    :param text: what happened.
    """
    logger.fatal(text)
    raise FaultError(text)


def run(
    make: Callable[[Sequence[str] | None], NodeT],
    arguments: Sequence[str] | None = None,
    until: Callable[[NodeT], int | None] = lambda _: None,
    name: str = 'depth_node',
) -> int:
    """
    Create a node and spin it until a signal, its own end, or a fault.

    :param make: creates the node from the arguments; may raise DepthNodeError.
    :param arguments: command-line arguments; None: those of the process.
    :param until: called ten times per second; if it returns an exit code, spinning ends.
    :param name: name of the logger until there is a node.
    :returns: the exit code: 0 after a signal, 2 for wrong parameters, 70 for a fault.
    """
    transport = dds.transport()
    os.environ.update(transport.environment)
    process.keep_large_blocks()
    logs = folders.writable_log_folder()
    if logs is not None:
        os.environ['ROS_LOG_DIR'] = logs
    with _signals() as stop:
        before = set(threading.enumerate())  # those of a verb around this, too
        if process.end_with_launch() is process.Launch.GONE:
            return OK
        try:
            rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
        except Exception as error:  # noqa: BLE001 - rclpy has a class for each wrong argument
            print(f'ROS arguments: {error}', file=sys.stderr)  # noqa: T201 - no logger yet
            return USAGE
        # from here on a signal ends it in order
        log = Log(get_logger(name))
        log.info(f'starting as process {os.getpid()}')
        if transport.warn:
            log.warning(transport.reason)
        code = USAGE
        try:
            code = _spin(make, arguments, until, stop)
        except (DepthNodeError, ParameterException) as error:
            log.fatal(str(error))
        except Exception as error:  # noqa: BLE001  one line here, whatever it is
            log.fatal(unexpected(error))
            code = FAULT
        finally:
            rclpy.try_shutdown()
        if set(threading.enumerate()) - before - _watchers:
            # a thread deep in an engine does not hear of the interpreter's end and may crash it
            _leave(code)
    return code


def _spin(
    make: Callable[[Sequence[str] | None], NodeT],
    arguments: Sequence[str] | None,
    until: Callable[[NodeT], int | None],
    stop: threading.Event,
) -> int:
    """Create the node, spin it, and close it."""
    node = make(arguments)
    executor = GuardedExecutor(node.caught)
    code = None
    failures = 0
    try:
        executor.add_node(node)
        while code is None and not stop.is_set():
            try:
                executor.spin_once(timeout_sec=_POLL_S)
                failures = 0
            except FaultError:
                raise
            except Exception as error:  # of the waiting; callbacks are guarded
                failures += 1
                node.caught('waiting for messages', error)
                if failures == _FAILURES:
                    raise FaultError(str(error)) from error
                stop.wait(_FAILURE_PAUSE_S)
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
    """Convert SIGINT and SIGTERM to an event, and end the process if it does not end by itself."""
    stop, done = threading.Event(), threading.Event()

    def end() -> None:
        stop.set()
        if not done.wait(_PATIENCE_S):
            _leave(OK)

    def ignore(number: int, frame: FrameType | None) -> None:
        """Replace Python's default handler; the thread above handles the signal."""

    for number in _SIGNALS:
        signal.signal(number, ignore)
    try:
        with process.at_signal(_SIGNALS, end) as watcher:
            _watchers.add(watcher)
            try:
                yield stop
            finally:
                done.set()
        _watchers.discard(watcher)
    finally:
        for number in _SIGNALS:  # a second one, while the interpreter ends, changes nothing
            signal.signal(number, signal.SIG_IGN)


def _leave(code: int) -> NoReturn:
    """Exit immediately, without waiting for any thread."""
    dds.drop_segments()
    with contextlib.suppress(OSError, ValueError):  # a pipe whose reader has ended, or closed
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
