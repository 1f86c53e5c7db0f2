"""
Transitions and signals at random moments, frames flowing: a short run of each.

``DEPTH_NODE_LONG=1`` makes it 10,000 transitions and 200 signals (``make endurance``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import random
import signal
import threading
import time

from processes import Process
import pytest
from rig import CAMERA, Rig, smooth_frame

LONG = bool(os.environ.get('DEPTH_NODE_LONG'))
FRAME = smooth_frame()
NEXT = {
    ('unconfigured', 'configure'): 'inactive',
    ('inactive', 'activate'): 'active',
    ('inactive', 'cleanup'): 'unconfigured',
    ('active', 'deactivate'): 'inactive',
}
"""The lifecycle, of which everything else is refused."""
TRANSITIONS = ('configure', 'activate', 'deactivate', 'cleanup')


@contextmanager
def flowing(rig: Rig, rate: float = 60.0) -> Iterator[None]:
    """Let a camera run in a thread of its own, whatever the test is doing."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(1 / rate):
            rig.publish(FRAME, CAMERA)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def held(process: Process) -> dict[str, int]:
    """Count what a process holds: memory (MiB), file handles, threads."""
    folder = Path(f'/proc/{process.popen.pid}')
    lines = dict(li.split(':', 1) for li in (folder / 'status').read_text().splitlines())
    return {
        'memory': int(lines['VmRSS'].split()[0]) // 1024,
        'handles': sum(1 for _ in (folder / 'fd').iterdir()),
        'threads': int(lines['Threads']),
    }


def children(process: Process) -> str:
    """List the process ids of what a process has started, of any thread."""
    tasks = Path(f'/proc/{process.popen.pid}/task')
    return ''.join((task / 'children').read_text() for task in tasks.iterdir())


def test_random_transitions_with_frames_flowing(rig: Rig, model: Path) -> None:
    """
    The possible ones succeed, the others are refused, and nothing grows.

    Now and then a frame's depth is waited for, and now and then more than one.
    """
    total = 10_000 if LONG else 120
    rng = random.Random(1)
    rig.listen('depth/image')
    depths = rig.got['depth/image']
    process = rig.start(model, engine__name='onnxruntime', engine__threads=1)
    done: Counter[str] = Counter()
    samples: list[dict[str, int]] = []
    state = 'active'
    with flowing(rig):
        assert rig.spin(lambda: depths)
        while done['made'] < total:
            if rng.random() < 0.2:
                wish = rng.choice(TRANSITIONS)
            else:
                wish = rng.choice([way for start, way in NEXT if start == state])
            possible = (state, wish) in NEXT
            assert rig.change_state(wish) == possible, f'{wish} when {state}'
            state = NEXT.get((state, wish), state)
            done['made' if possible else 'refused'] += 1
            if possible and state == 'active' and rng.random() < 0.2:
                depths.clear()
                assert rig.spin(lambda: len(depths) > rng.choice((0, 0, 5))), rig.said()
                done['seen'] += 1
            if possible and done['made'] % (total // 5) == 0:
                assert rig.state() == state
                while state != 'inactive':
                    wish = next(way for start, way in NEXT if start == state)
                    assert rig.change_state(wish)
                    state = NEXT[state, wish]
                samples.append(held(process))
    print(done, samples)
    assert process.stop(signal.SIGINT) == 0
    assert 'Traceback' not in process.output
    warm, last = samples[0], samples[-1]
    for thing, most in (('memory', 50), ('handles', 3), ('threads', 3)):
        assert last[thing] <= warm[thing] + most, samples


@pytest.mark.parametrize('start', [(), ('deactivate',), ('deactivate', 'cleanup')])
def test_shutdown_from_every_state(rig: Rig, model: Path, start: tuple[str, ...]) -> None:
    """The end of the lifecycle: nothing is possible any more but to end the process."""
    rig.listen('depth/image')
    process = rig.start(model)
    rig.until('depth/image', FRAME, CAMERA)
    assert all(rig.change_state(wish) for wish in start)
    assert rig.change_state('shutdown')
    assert rig.state() == 'finalized'
    assert not any(rig.change_state(wish) for wish in TRANSITIONS)
    assert process.stop() == 0
    assert 'Traceback' not in process.output


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_signals_at_any_moment_end_it_in_order(
    rig: Rig, model: Path, number: signal.Signals
) -> None:
    """Exit code 0, no traceback, nothing left in shared memory (the fixture looks)."""
    rng = random.Random(int(number))
    rig.listen('depth/image', 'depth/points')
    ends: list[float] = []
    seen = 0
    with flowing(rig):
        for _ in range(100 if LONG else 3):
            process = rig.start(model)
            process.wait_for('starting')
            rig.got['depth/image'].clear()
            rig.settle(rng.uniform(0, rng.choice((0.2, 1.0))))
            if rng.random() < 0.3:
                rig.spin(lambda: rig.got['depth/image'])
                rig.settle(rng.uniform(0, 0.2))
            seen += bool(rig.got['depth/image'])
            assert not children(process)
            start = time.monotonic()
            assert process.stop(number) == 0, process.output
            ends.append(time.monotonic() - start)
            assert 'Traceback' not in process.output
    ends.sort()
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    print(
        f'{len(ends)} ends, {seen} with depth flowing; median {ends[len(ends) // 2]:.2f} s, '
        f'slowest {ends[-1]:.2f} s; load {load:.1f} on {cores} cores'
    )
    assert ends[-1] < (2.0 if load <= cores else 5.0)
