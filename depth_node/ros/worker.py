"""One thread, and one slot: for the newest item, or for the next."""

from __future__ import annotations

from collections.abc import Callable
import threading
import time
from typing import Generic, TypeVar

T = TypeVar('T')


class Worker(Generic[T]):
    """
    Calls a function on items, one at a time, in a thread of its own.

    An item that is offered while another waits replaces it: what a robot needs is the newest
    frame, and a queue would only add its own age to it. An item that is handed over waits for
    the thread instead, because work has gone into it already.

    :param handle: called with one item at a time; must not raise.
    :param name: of the thread.
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
        """Start the thread; nothing happens when it runs already."""
        if self._thread is not None:
            return
        self._running = True
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def offer(self, item: T) -> bool:
        """
        Put an item into the slot.

        :param item: what to handle next.
        :returns: whether an older item that was waiting has been dropped for it.
        """
        with self._wake:
            dropped = self._item is not None
            self._item = item
            self._wake.notify_all()
        return dropped

    def hand_over(self, item: T) -> bool:
        """
        Wait until the thread is idle, and give it an item.

        :param item: what to handle next.
        :returns: whether it was taken; not when the thread is stopped meanwhile.
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
        Tell how long the item in hand has taken so far.

        :returns: seconds, 0.0 when idle.
        """
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    def stop(self, timeout: float | None = None) -> bool:
        """
        Drop what waits, let the item in hand finish and end the thread.

        :param timeout: how long to wait for it (s); None: as long as it takes.
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
