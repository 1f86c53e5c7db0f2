from __future__ import annotations

from pathlib import Path

from changing_models import Bench, Site
from fake_machine import few_frames, Machine
import pytest

from depth_node.config import EngineConfig


@pytest.fixture
def machine(monkeypatch, tmp_path, network):
    """A pretended machine; at the end nothing may have been done that CUDA leaves undefined."""
    # frames of the world are tested elsewhere; noise is quicker
    monkeypatch.setattr('depth_node.engine.tensorrt.job.sample_frames', few_frames)
    machine = Machine(monkeypatch, tmp_path / 'cache', network(extras=('confidence', 'sky')))
    yield machine
    assert machine.faults() == []


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / 'model').mkdir()
    return Site(tmp_path / 'model')


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    return EngineConfig(cache_dir=str(tmp_path / 'cache'))


@pytest.fixture(params=['openvino', 'onnxruntime', 'tensorrt'])
def bench(request, monkeypatch, tmp_path):
    made = Bench(monkeypatch, tmp_path, request.param)
    yield made
    if made.machine is not None:
        assert made.machine.faults() == []
