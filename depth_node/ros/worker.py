"""A thread with one slot for the newest item."""

from __future__ import annotations

from collections.abc import Callable
import threading
import time
from typing import Generic, TypeVar

T = TypeVar('T')


class Worker(Generic[T]):
    """
    Calls a function on items, one at a time, in a separate thread.

    An item that is offered while another one waits replaces it: a robot needs the newest frame,
    and a queue would only add latency. An item that is handed over waits for the thread instead,
    because work has already been done on it.

    :param handle: called with one item at a time; must not raise.
    :param name: name of the thread.
    """

    def __init__(self, handle: Callable[[T], None], name: str) -> None:
        self._handle = handle
        self._name = name
        self._wake = threading.Condition()
        self._item: T | None = None
        self._running = False
        self._busy_since: float | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, unless it is running."""
        if self._thread is not None:
            return
        self._running = True
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def offer(self, item: T) -> bool:
        """
        Put an item into the slot.

        :param item: the next item.
        :returns: whether an older waiting item was dropped.
        """
        with self._wake:
            dropped = self._item is not None
            self._item = item
            self._wake.notify_all()
        return dropped

    def hand_over(self, item: T) -> bool:
        """
        Wait until the thread is idle, and pass an item to it.

        :param item: the next item.
        :returns: whether it was accepted; False if the thread is stopped meanwhile.
        """
        with self._wake:
            while self._running and (self._item is not None or self._busy_since is not None):
                self._wake.wait()
            if not self._running:
                return False
            self._item = item
            self._wake.notify_all()
        return True

    def busy_for(self) -> float:
        """
        Return how long the current item has been in process.

        :returns: seconds, 0.0 if idle.
        """
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    def stop(self, timeout: float | None = None) -> bool:
        """
        Drop the waiting item, finish the current one, and end the thread.

        :param timeout: how long to wait for it (s); None: without limit.
        :returns: whether the thread has ended.
        """
        thread = self._thread
        if thread is None:
            return True
        with self._wake:
            self._running = False
            self._item = None
            self._wake.notify_all()
        thread.join(timeout)
        if thread.is_alive():
            return False
        self._thread = None
        return True

    def _run(self) -> None:
        while True:
            with self._wake:
                while self._running and self._item is None:
                    self._wake.wait()
                if not self._running:
                    return
                item, self._item = self._item, None
                self._busy_since = time.monotonic()
            assert item is not None
            try:
                self._handle(item)
            finally:
                del item  # the message's memory is free before the next one comes
                with self._wake:
                    self._busy_since = None
                    self._wake.notify_all()
