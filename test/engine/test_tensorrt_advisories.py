"""Public reports of silently wrong engines, as data."""

from __future__ import annotations

import re

from fake_cuda import FakeCuda
import pytest

from depth_node.engine.precision import Precision
from depth_node.engine.tensorrt.advisories import advisories, known, safe_first
from depth_node.engine.tensorrt.library import numbers

VIT = {'Softmax', 'MatMul', 'Add'}


@pytest.mark.parametrize('advisory', advisories(), ids=lambda a: a.issue)
def test_every_report_is_complete(advisory):
    assert re.fullmatch(r'https://github\.com/[\w.-]+/[\w.-]+/issues/\d+', advisory.issue)
    assert advisory.wrong
    assert numbers(advisory.first) >= (10, 3)
    assert not advisory.before or numbers(advisory.before) > numbers(advisory.first)
    assert all(re.fullmatch(r'\d+\.\d', capability) for capability in advisory.capabilities)
    assert advisory.what in str(advisory)
    assert advisory.issue in str(advisory)


@pytest.mark.parametrize(('version', 'capability', 'operators', 'issues'), [
    ('10.3.0.30', '8.7', VIT, {16, 49, 4419, 4723}),
    ('10.3.0.30', '8.7', {'Conv'}, set()),
    ('10.3.0.26', '8.9', VIT, {4419, 4723}),
    ('10.13.3', '8.7', VIT, {16}),
    ('10.14.0', '8.7', VIT, set()),
    ('10.16.1', '8.7', VIT, set()),
    ('10.16.1', '12.0', VIT, {4837, 4748}),
    ('11.1.0', '12.0', VIT, {4837}),
    ('11.1.0', '12.0', {'GridSample', 'Conv'}, {4813}),
    ('10.13.3', '12.0', {'GridSample'}, set()),
    ('10.4.0', '8.6', VIT, {4419, 4742}),
])
def test_which_apply(version, capability, operators, issues):
    found = known(numbers(version), capability, operators)
    assert {int(a.issue.rpartition('/')[2]) for a in found} == issues


def test_precisions_that_were_wrong_come_last():
    ladder = tuple(Precision)
    assert safe_first(ladder, ()) == ladder
    assert safe_first(ladder, known((10, 3), '8.7', VIT)) == (
        Precision.FP16_ATTENTION_FP32, Precision.FP32, Precision.FP16
    )
    # where every precision was wrong, the order stays; each is verified
    assert safe_first(ladder, known((10, 4), '8.6', VIT)) == ladder


def test_a_report_is_named_before_the_build_and_kept_with_the_engine(machine):
    machine.install(FakeCuda(capability=(12, 0)), version='10.16.1')
    engine = machine.open()
    assert engine.precision == 'fp32'  # no attention to keep in fp32, so that is what is safe
    said = [line for line in machine.warnings if 'issues/4748' in line]
    assert len(said) == 1
    assert any('issues/4748' in line for line in machine.metadata()['advisories'])
    assert len(machine.trt.builds) == 1
    engine.close()


def test_an_engine_from_before_a_report_is_built_again(machine, monkeypatch):
    machine.install(FakeCuda(capability=(12, 0)), version='10.16.1')
    with monkeypatch.context() as patch:
        patch.setattr('depth_node.engine.tensorrt.job.known', lambda *_: ())
        engine = machine.open()
        assert engine.precision == 'fp16'
        engine.close()
    assert machine.open().precision == 'fp32'
    assert len(machine.trt.builds) == 2
