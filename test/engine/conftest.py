from __future__ import annotations

from fake_machine import few_frames, Machine
import pytest


@pytest.fixture
def machine(monkeypatch, tmp_path, network):
    """A pretended machine; at the end nothing may have been done that CUDA leaves undefined."""
    # frames of the world are tested elsewhere; noise is quicker
    monkeypatch.setattr('depth_node.engine.tensorrt.job.sample_frames', few_frames)
    machine = Machine(monkeypatch, tmp_path / 'cache', network(extras=('confidence', 'sky')))
    yield machine
    assert machine.faults() == []
