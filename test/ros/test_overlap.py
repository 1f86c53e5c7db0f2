"""Whether one frame is sent while the engine runs on the next."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from depth_node.ros.pipeline import overlaps


@pytest.mark.parametrize(('cores', 'threads', 'expected'), [
    (1, 0, False), (1, 1, False), (2, 0, False), (2, 1, True), (2, 2, False), (4, 3, True),
    (4, 8, False),
])
def test_engine_on_every_core_is_left_alone(monkeypatch, cores, threads, expected) -> None:
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _: set(range(cores)))
    engine = SimpleNamespace(on_cpu=True)
    assert overlaps(engine, threads) is expected


def test_gpu_leaves_every_core_free() -> None:
    assert overlaps(SimpleNamespace(on_cpu=False), 0)
