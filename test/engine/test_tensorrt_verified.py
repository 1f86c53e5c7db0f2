"""The TensorRT engine on a pretended GPU: what is verified, believed, and tried next."""

from __future__ import annotations

import json

from fake_cuda import FakeCuda
from fake_machine import frame
import numpy as np
import onnx
from onnx import TensorProto
import pytest

from depth_node.engine import verify
from depth_node.errors import EngineError


def has_halves(model):
    return any(t.data_type == TensorProto.FLOAT16 for t in model.graph.initializer)


def spoil_halves(model, results):
    if has_halves(model):
        results['depth'] *= 1.3


def test_a_wrong_fp16_engine_falls_back_loudly(machine):
    machine.install(FakeCuda(), spoil=spoil_halves)
    engine = machine.open()
    assert 'fp32' in engine.description
    assert any('THE FP16 ENGINE IS WRONG' in line for line in machine.warnings)
    facts = machine.metadata()
    assert [a['good'] for a in facts['verification']] == [False, True]
    assert facts['verification'][0]['median'] == pytest.approx(0.3, abs=0.05)
    engine.close()
    assert machine.cuda.leaks() == 0
    builds = len(machine.trt.builds)
    assert 'fp32' in machine.open().description
    assert len(machine.trt.builds) == builds


def test_a_precision_that_cannot_be_built_is_left_for_the_next(machine):
    """TensorRT refuses some networks in one precision and takes them in another."""
    real = machine.trt.Builder.build_serialized_network

    def refuses_half(self, network, config):
        if has_halves(onnx.load_from_string(network.model)):
            self.logger.log(machine.trt.ILogger.ERROR, 'could not find any implementation')
            return None
        return real(self, network, config)

    machine.trt.Builder.build_serialized_network = refuses_half
    engine = machine.open()
    assert engine.description.endswith('fp32')
    assert any('could not find any implementation' in line for line in machine.warnings)
    first, *_, last = machine.metadata()['verification']
    assert 'could not find any implementation' in first['reason']
    assert not first['good']
    assert last['good']
    engine.close()
    assert machine.cuda.leaks() == 0


def test_nan_is_a_failure_even_in_fp32(machine):
    def nan(model, results):
        results['depth'][3, 4] = np.nan

    machine.install(FakeCuda(), spoil=nan)
    with pytest.raises(EngineError, match=r'No engine .* agrees.*not a number'):
        machine.open()
    assert machine.plans() == []
    assert machine.cuda.leaks() == 0


def test_the_user_s_frames_are_verified_too(machine):
    seen = []

    def dark_is_wrong(model, results):
        seen.append(results['depth'].shape)
        if has_halves(model) and results['depth'].shape == (130, 170):
            results['depth'] *= 2

    machine.install(FakeCuda(), spoil=dark_is_wrong)
    engine = machine.open(frames=[frame(130, 170)])
    assert 'fp32' in engine.description


def test_a_kept_engine_is_verified_on_the_user_s_frames_too(machine):
    """They may show what the synthetic world did not; then it is built again, with them."""
    machine.open().close()
    mine = frame(120, 160, seed=5)
    machine.open(frames=[mine]).close()
    assert len(machine.trt.builds) == 1

    def wrong_on_mine(model, results):
        if has_halves(model) and results['depth'].shape == (130, 170):
            results['depth'] *= 1.3

    machine.trt.spoil = wrong_on_mine
    engine = machine.open(frames=[frame(130, 170)])
    assert any('THE CACHED ENGINE IS WRONG' in line for line in machine.warnings)
    assert engine.description.endswith('fp32')
    engine.close()
    assert machine.cuda.leaks() == 0


@pytest.mark.parametrize('spoiled', [
    {'verification': None}, {'verification': [3]}, {'precision': 7},
    {'verification': [{'precision': 'fp16', 'reason': '', 'good': True, 'median': 'x'}]},
])
def test_a_description_somebody_changed_is_not_believed(machine, spoiled):
    machine.open().close()
    path, = machine.plans()
    path.with_suffix('.json').write_text(json.dumps({**machine.metadata(), **spoiled}))
    engine = machine.open()
    assert len(machine.trt.builds) == 2
    assert 'relative error' in verify.in_words(engine.facts)
    engine.close()

