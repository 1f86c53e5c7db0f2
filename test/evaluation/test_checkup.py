"""The page about a machine: engines and boards, as the table and the files say."""

from __future__ import annotations

import re

from fake_cuda import FakeCuda
from fake_machine import Machine
import pytest

from depth_node.config import EngineConfig
from depth_node.engine.table import ENGINES
from depth_node.evaluation import checkup, checkup_gpu


@pytest.fixture
def machine(monkeypatch, tmp_path, network):
    return Machine(monkeypatch, tmp_path / 'cache', network())


def found(rows):
    return {finding.name: finding for finding in rows}


def test_every_engine_is_on_the_page_with_what_it_needs(machine):
    machine.install(FakeCuda(gpus=0))
    page = found(checkup.engines())
    assert {row.name for row in ENGINES} <= set(page)
    for row in ENGINES:
        value = page[row.name].value
        assert value.startswith('works') or f'It needs {row.needs}.' in value
    assert 'no usable NVIDIA GPU' in page['tensorrt'].value


def test_tensorrt_names_every_gpu(machine):
    machine.install(FakeCuda(gpus=2))
    assert found(checkup.engines())['tensorrt'].value == (
        'works: TensorRT 10.3.0 on Fake GPU and Fake GPU, taken by engine.name auto'
    )


def test_why_an_engine_is_not_taken(machine):
    machine.install(FakeCuda())
    page = found(checkup.engines())
    assert page['tensorrt'].value.endswith('taken by engine.name auto')
    assert page['onnxruntime'].value.endswith('not taken: tensorrt comes first')
    page = found(checkup.engines(EngineConfig(name='onnxruntime')))
    assert page['tensorrt'].value.endswith('not taken by engine.name onnxruntime')
    assert page['onnxruntime'].value.endswith(', taken by engine.name onnxruntime')


def test_an_engine_that_is_asked_for_and_missing_is_a_problem(machine):
    """The others work, and none of them is used instead."""
    machine.install(FakeCuda(gpus=0))
    page = found(checkup.engines(EngineConfig(name='tensorrt')))
    assert 'engine.name is tensorrt, which does not work' in page['engine.name'].problem
    assert 'TensorRT 10.3 or later' in page['engine.name'].remedy
    assert 'works' in page['onnxruntime'].value
    assert not any(row.problem for row in page.values() if row.name != 'engine.name')


@pytest.mark.parametrize(('version', 'capability', 'issues'), [
    ('10.3.0', (8, 7), {'16', '49', '4419', '4723'}),
    ('10.16.1', (12, 0), {'4837', '4748'}),
    ('10.14.0', (8, 7), set()),
])
def test_the_gpu_with_what_is_known_about_its_tensorrt(
    machine, monkeypatch, tmp_path, version, capability, issues
):
    machine.install(FakeCuda(capability=capability), version=version)
    monkeypatch.setattr(checkup_gpu, '_operators', lambda _: {'Softmax', 'MatMul'})
    driver = tmp_path / 'version'
    driver.write_text('NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.142\nGCC\n')
    page = list(checkup_gpu.gpu('embedded', driver))
    assert '580.142' in found(page)['driver'].value
    assert f'compute capability {capability[0]}.{capability[1]}' in found(page)['GPU 0'].value
    assert 'driver for CUDA 1' in found(page)['GPU 0'].value
    assert found(page)['TensorRT'].value.startswith(version)
    known = [row.value for row in page if row.name == 'known issue']
    assert {re.search(r'issues/(\d+)', line)[1] for line in known} == issues
    assert all('compared with the network before it is used' in line for line in known)


def test_reports_are_those_of_the_models_operators(machine):
    """The convolutions of the network in the package are in no report about attention."""
    machine.install(FakeCuda(capability=(8, 7)), version='10.3.0')
    none = [row for row in checkup_gpu.gpu('embedded') if row.name == 'known issue']
    assert none == []
    # not on this machine: any operator may be in it
    assert [row for row in checkup_gpu.gpu('nothing') if row.name == 'known issue']


def test_without_a_gpu_the_reason_is_named(machine, tmp_path):
    machine.install(FakeCuda(gpus=0))
    page = found(checkup_gpu.gpu('embedded', tmp_path / 'none'))
    assert 'no usable NVIDIA GPU' in page['GPU'].value
    assert 'driver' not in page
    assert not any(row.problem for row in page.values())


def test_a_jetson_is_asked_for_its_clocks(monkeypatch):
    state = {'board': 'Jetson Orin NX', 'power mode': '3 (25W)',
             'GPU clock': '306 to 918 MHz, as the load asks'}
    monkeypatch.setattr(checkup, 'power_state', lambda: state)
    page = found(checkup.software())
    assert page['power mode'].value == '3 (25W)'
    assert not page['board'].problem
    assert 'vary with the load' in page['GPU clock'].problem
    assert 'jetson_clocks' in page['GPU clock'].remedy
