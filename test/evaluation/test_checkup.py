"""The page about a machine: engines and boards, as the table and the files say."""

from __future__ import annotations

from fake_cuda import FakeCuda
from fake_machine import Machine
import pytest

from depth_node.engine.table import ENGINES
from depth_node.evaluation import checkup


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


def test_a_jetson_is_asked_for_its_clocks(monkeypatch):
    state = {'board': 'Jetson Orin NX', 'power mode': '3 (25W)',
             'GPU clock': '306 to 918 MHz, as the load asks'}
    monkeypatch.setattr(checkup, 'power_state', lambda: state)
    page = found(checkup.software())
    assert page['power mode'].value == '3 (25W)'
    assert not page['board'].problem
    assert 'vary with the load' in page['GPU clock'].problem
    assert 'jetson_clocks' in page['GPU clock'].remedy
