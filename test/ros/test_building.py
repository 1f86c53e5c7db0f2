"""The node builds a TensorRT engine without waiting for it: progress, cancelling, the cache."""

from __future__ import annotations

import threading
import time

from fake_machine import few_frames, Machine
from fake_tensorrt import Builder
import pytest

from depth_node.config import Config
from depth_node.image.size import Size
from depth_node.ros.opening import Opening

CAMERA = Size(160, 120)


class Logger:
    def __init__(self):
        self.lines = []

    def info(self, line):
        self.lines.append(line)

    warning = error = info


@pytest.fixture
def machine(monkeypatch, tmp_path, network):
    monkeypatch.setattr('depth_node.engine.tensorrt.job.sample_frames', few_frames)
    machine = Machine(monkeypatch, tmp_path / 'cache', network())
    machine.model.path.with_suffix('.json').write_text(machine.model.spec.to_json())
    return machine


@pytest.fixture
def slow(monkeypatch):
    """Hold every build at its first step until told to go on."""
    go_on = threading.Event()
    original = Builder.build_serialized_network

    def held(self, network, config):
        config.progress_monitor.phase_start('Building engine', None, 10)
        while config.progress_monitor.step_complete('Building engine', 3):
            if go_on.wait(0.01):
                return original(self, network, config)
        return None

    monkeypatch.setattr(Builder, 'build_serialized_network', held)
    return go_on


def opening(machine):
    config = Config().replaced({
        'model.name': str(machine.model.path), 'engine.name': 'tensorrt',
        'engine.cache_dir': machine.config.cache_dir,
    })
    return Opening(config, Logger())


def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_builds_in_its_own_time_and_says_how_far_it_is(machine, slow):
    job = opening(machine)
    job.start(CAMERA)
    until(lambda: 'building fp16, 32 %' in job.state)
    assert job.engine is None
    slow.set()
    until(lambda: job.engine is not None)
    assert job.state == 'ready'
    job.close(5)
    assert machine.cuda.leaks() == 0
    assert len(machine.plans()) == 1


def test_deactivating_cancels_and_activating_builds_again(machine, slow):
    job = opening(machine)
    job.start(CAMERA)
    until(lambda: 'building' in job.state)
    job.cancel(10)
    until(lambda: job.state == 'cancelled')
    assert job.engine is None
    assert job.error is None
    assert machine.plans() == []
    assert machine.cuda.leaks() == 0
    slow.set()
    job.resume()
    job.start(CAMERA)
    until(lambda: job.engine is not None)
    job.close(5)


def test_a_wrong_engine_is_told_as_a_warning(machine):
    def halve(model, results):
        results['depth'] *= 0.5 if any(t.data_type == 10 for t in model.graph.initializer) else 1

    machine.trt.spoil = halve
    job = opening(machine)
    warned = []
    job._logger.warning = warned.append
    job.start(CAMERA)
    until(lambda: job.engine is not None)
    assert any('THE FP16 ENGINE IS WRONG' in line for line in warned)
    job.close(5)
