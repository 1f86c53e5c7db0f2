"""Ctrl-C: it ends a verb wherever it is, in a library that never returns, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import os
import signal
import sys
import threading
from types import FrameType

from depth_node.errors import CancelledError
from depth_node.process import at_signal

CODE = 130
"""Exit code after Ctrl-C."""
_PATIENCE_S = 5.0
"""How long Python may take to notice Ctrl-C (s): a network may run for ever."""


class _Handler:
    """
    A handler of SIGINT that knows whether it was called.

    :param react: what it does.
    """

    def __init__(self, react: Callable[[int, FrameType | None], object]) -> None:
        self._react = react
        self.noticed = threading.Event()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """React to the signal, between two bytecodes of the main thread."""
        self.noticed.set()
        self._react(number, frame)


@contextmanager
def ending(said: str) -> Iterator[None]:
    """
    End the process after Ctrl-C if the main thread does not leave a library.

    Does nothing in other threads, or where SIGINT is not handled as Python does by default.

    :param said: what is written to standard error then.
    """
    first = threading.current_thread() is threading.main_thread()
    if not first or signal.getsignal(signal.SIGINT) != signal.default_int_handler:
        yield
        return

    def end() -> None:
        handler = signal.getsignal(signal.SIGINT)
        if not isinstance(handler, _Handler) or handler.noticed.wait(_PATIENCE_S):
            return
        if signal.getsignal(signal.SIGINT) is handler:
            print(said, file=sys.stderr, flush=True)
            os._exit(CODE)

    signal.signal(signal.SIGINT, _Handler(signal.default_int_handler))
    try:
        with at_signal({signal.SIGINT}, end):
            yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def cancelling() -> Iterator[Callable[[], bool]]:
    """
    Let Ctrl-C cancel a build cleanly instead of in the middle of a library.

    :returns: a function that returns whether Ctrl-C was pressed.
    :raises KeyboardInterrupt: the work was cancelled by Ctrl-C.
    """
    handler = _Handler(lambda *_: None)
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield handler.noticed.is_set
    except CancelledError:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, before)
