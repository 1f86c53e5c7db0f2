"""The worker takes the newest item, one at a time, and ends when told to."""

from __future__ import annotations

import threading
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from depth_node.ros.worker import Worker


def held_up() -> tuple[Worker[int], threading.Event, threading.Event, list[int]]:
    """Start a worker that says when it has an item, and keeps it until it is released."""
    release, started = threading.Event(), threading.Event()
    handled: list[int] = []

    def handle(item: int) -> None:
        started.set()
        release.wait(5)
        handled.append(item)

    worker = Worker(handle, 'test')
    worker.start()
    return worker, started, release, handled


def test_newest_item_wins_while_the_worker_is_busy() -> None:
    """Items offered while one is in hand replace each other; only the last is handled."""
    worker, started, release, handled = held_up()
    assert worker.offer(0) is False
    assert started.wait(5)
    assert [worker.offer(n) for n in (1, 2, 3)] == [False, True, True]
    release.set()
    deadline = time.monotonic() + 5
    while len(handled) < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert worker.stop(5)
    assert handled == [0, 3]


def test_stop_drops_what_waits_and_finishes_what_is_in_hand() -> None:
    """After stop the thread is gone, and nothing offered before it is handled later."""
    worker, started, release, handled = held_up()
    worker.offer(1)
    assert started.wait(5)
    worker.offer(2)
    assert worker.busy_for() > 0
    assert worker.stop(0.01) is False
    release.set()
    assert worker.stop(5)
    assert handled == [1]
    assert worker.busy_for() == 0.0
    assert not [t for t in threading.enumerate() if t.name == 'test']


def test_it_starts_again_after_stop() -> None:
    """One worker serves through activate, deactivate, activate."""
    done = threading.Event()
    worker: Worker[int] = Worker(lambda _: done.set(), 'test')
    assert worker.stop(1)
    for _ in range(3):
        done.clear()
        worker.start()
        worker.start()
        worker.offer(1)
        assert done.wait(5)
        assert worker.stop(5)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=50))
def test_order_is_kept_and_the_last_is_always_handled(items: list[int]) -> None:
    """Whatever is dropped, what is handled is a subsequence that ends with the last item."""
    handled: list[tuple[int, int]] = []
    worker: Worker[tuple[int, int]] = Worker(handled.append, 'test')
    worker.start()
    for pair in enumerate(items):
        worker.offer(pair)
    deadline = time.monotonic() + 5
    while (not handled or handled[-1][0] != len(items) - 1) and time.monotonic() < deadline:
        time.sleep(0.0005)
    assert worker.stop(5)
    assert handled[-1] == (len(items) - 1, items[-1])
    assert handled == sorted(handled)


def test_what_is_handed_over_is_never_dropped() -> None:
    """The giver waits for an idle thread, and is released when the thread is stopped."""
    handled: list[int] = []

    def handle(item: int) -> None:
        time.sleep(0.01)
        handled.append(item)

    worker = Worker(handle, 'test')
    worker.start()
    assert all(worker.hand_over(n) for n in range(10))
    deadline = time.monotonic() + 5
    while len(handled) < 10 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert handled == list(range(10))

    block, inside = threading.Event(), threading.Event()

    def hang(_: int) -> None:
        inside.set()
        block.wait(5)

    worker = Worker(hang, 'hang')
    worker.start()
    assert worker.hand_over(1)
    assert inside.wait(5)
    taken: list[bool] = []
    giver = threading.Thread(target=lambda: taken.append(worker.hand_over(2)))
    giver.start()
    assert worker.stop(0.05) is False
    giver.join(5)
    assert taken == [False]
    block.set()
    assert worker.stop(5)
