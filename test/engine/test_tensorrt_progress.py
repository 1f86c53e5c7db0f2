"""The progress monitor is called by several threads of TensorRT's at once."""

from __future__ import annotations

import sys
import threading

from fake_cuda import FakeCuda
from fake_tensorrt import FakeTensorRt
import pytest

from depth_node.engine.tensorrt.progress import monitor_of


def build(monitor, threads=4, phases=600):
    """Report phases from several threads; return what the monitor raised or answered."""
    outcomes = []

    def work(number):
        try:
            for phase in range(phases):
                name = f'phase {number}.{phase}'
                monitor.phase_start(name, 'Building engine', 3)
                outcomes.extend(monitor.step_complete(name, step) for step in range(3))
                monitor.phase_finish(name)
        except BaseException as error:
            outcomes.append(error)

    monitor.phase_start('Building engine', None, threads)
    workers = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        sys.setswitchinterval(before)
    return outcomes


@pytest.fixture
def trt():
    return FakeTensorRt(FakeCuda())


def test_threads_at_once_never_cancel_a_good_build(trt):
    shares = []
    monitor = monitor_of(trt, lambda share, _: shares.append(share), lambda: False)
    assert set(build(monitor)) == {True}
    assert monitor.failure is None
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] <= 1


def test_progress_is_reported_by_one_thread_at_a_time(trt):
    inside, most = [], []

    def on_progress(share, stage):
        inside.append(stage)
        most.append(len(inside))
        inside.remove(stage)

    build(monitor_of(trt, on_progress, lambda: False))
    assert max(most) == 1


@pytest.mark.parametrize('calls', [
    [('step_complete', 'never started', 3)],
    [('phase_finish', 'never started')],
    [('phase_start', 'a', 'a', 2), ('step_complete', 'a', 0)],
    [('phase_start', 'a', 'b', 1), ('phase_start', 'b', 'a', 1), ('step_complete', 'a', 0)],
    [('phase_start', 'a', None, 0), ('phase_start', 'a', None, None), ('step_complete', 'a', 9)],
])
def test_books_that_do_not_add_up_never_cancel(trt, calls):
    """Phases within themselves, that never started, or without steps."""
    monitor = monitor_of(trt, lambda *_: None, lambda: False)
    for name, *arguments in calls:
        assert getattr(monitor, name)(*arguments) in (None, True)
    monitor.phase_start('Building engine', None, 1)
    assert monitor.step_complete('Building engine', 0) is True
    assert monitor.failure is None


def test_an_error_of_the_caller_cancels_and_is_kept(trt):
    calls = []

    def bad(share, stage):
        calls.append(share)
        raise KeyboardInterrupt

    monitor = monitor_of(trt, bad, lambda: False)
    assert set(build(monitor)) == {False}
    assert isinstance(monitor.failure, KeyboardInterrupt)
    assert len(calls) == 1
