"""Conditions are news once; rates and quantiles are of what really happened."""

from __future__ import annotations

import math

import pytest

from depth_node.ros import health as module
from depth_node.ros.health import Health, Meter


def test_a_condition_is_news_once() -> None:
    """The same text again is no news; another text is, and so is the same after it ended."""
    health = Health()
    assert health.report('scale', 'unknown')
    assert not health.report('scale', 'unknown')
    assert health.report('scale', 'lost')
    assert health.problems()['scale'].text == 'lost'
    health.clear('scale', 'never set')
    assert health.problems() == {}
    assert health.report('scale', 'lost', fatal=True)
    assert health.problems()['scale'].fatal


def test_rate_and_quantiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten events a second for a second, and silence afterwards."""
    now = [100.0]
    monkeypatch.setattr(module.time, 'monotonic', lambda: now[0])
    meter = Meter()
    assert meter.rate() == 0
    assert math.isinf(meter.age())
    assert math.isnan(meter.quantile(0.5))
    for n in range(11):
        now[0] = 100.0 + n / 10
        meter.add(float(n))
    assert meter.rate() == pytest.approx(10.0)
    assert meter.quantile(0.5) == 5.0
    assert meter.quantile(1.0) == 10.0
    now[0] = 103.0
    assert meter.age() == pytest.approx(2.0)
    now[0] = 200.0
    assert meter.rate() == 0
    assert math.isnan(meter.quantile(0.5))


def test_drops_are_counted_by_reason() -> None:
    """Dropped frames are counted separately for each reason."""
    health = Health()
    for reason in ('no engine yet', 'replaced by a newer frame', 'replaced by a newer frame'):
        health.drop(reason)
    assert dict(health.dropped) == {'no engine yet': 1, 'replaced by a newer frame': 2}
