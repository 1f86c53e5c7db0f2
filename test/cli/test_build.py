from __future__ import annotations

import json
import os
import signal

import cv2
from fake_cuda import FakeCuda
from fake_machine import few_frames, frame, Machine
from fake_tensorrt import Builder
import pytest

from depth_node.cli.main import main


@pytest.fixture
def machine(monkeypatch, tmp_path, network):
    monkeypatch.setattr('depth_node.engine.tensorrt.job.sample_frames', few_frames)
    machine = Machine(monkeypatch, tmp_path / 'cache', network())
    machine.model.path.with_suffix('.json').write_text(machine.model.spec.to_json())
    return machine


def build(machine, *options):
    return main([
        'build', '--cache-dir', machine.config.cache_dir, *map(str, options)
    ])


def model_of(machine):
    return '--model', machine.model.path


def test_builds_verifies_keeps_lists_and_prunes(machine, capsys, tmp_path):
    report = tmp_path / 'report.json'
    options = (*model_of(machine), '--engine', 'tensorrt', '--json', report)
    assert build(machine, *options) == 0
    said = capsys.readouterr()
    assert 'Fake GPU, fp16 at 32x24: relative error' in said.out
    assert 'Cached as' in said.err
    facts = json.loads(report.read_text())
    assert facts['precision'] == 'fp16'
    assert facts['verification'][0]['good'] is True

    assert build(machine, *options) == 0
    assert len(machine.trt.builds) == 1
    assert json.loads(report.read_text())['verification'] == facts['verification']

    assert build(machine, '--list', '--json', report) == 0
    assert 'fp16, TensorRT 10.3.0, Fake GPU' in capsys.readouterr().out
    assert len(json.loads(report.read_text())['engines']) == 1

    assert build(machine, '--prune') == 0
    assert len(machine.plans()) == 1
    machine.install(FakeCuda(name='Other GPU'))
    assert build(machine, '--prune') == 0
    assert machine.plans() == []
    assert build(machine, '--list') == 0
    assert 'No engines' in capsys.readouterr().out


def test_pruning_without_a_gpu_leaves_what_others_can_use(machine, capsys):
    build(machine, *model_of(machine), '--engine', 'tensorrt')
    machine.install(FakeCuda(gpus=0))
    assert build(machine, '--prune') == 0
    assert len(machine.plans()) == 1
    assert '0 files deleted' in capsys.readouterr().out


def test_settings_reach_the_builder(machine):
    assert build(
        machine, *model_of(machine), '--engine', 'tensorrt', '--workspace-mb', 128,
        '--optimization-level', 5, '--max-camera-size', '640x480',
    ) == 0
    made, = machine.trt.builds
    assert made.workspace == 128
    assert made.config.builder_optimization_level == 5
    assert made.config.profiles[0].shapes['frame'][2] == (480, 640, 3)


def test_the_user_s_frames_are_looked_at(machine, tmp_path, capsys):
    folder = tmp_path / 'frames'
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f'{number}.png'), frame(130, 170, number))
    assert build(
        machine, *model_of(machine), '--engine', 'tensorrt', '--frames', folder
    ) == 0
    assert 'over 5 frames' in capsys.readouterr().out


@pytest.mark.parametrize('engine', ['openvino', 'onnxruntime'])
def test_other_engines_are_compared_too(machine, engine, capsys):
    assert build(machine, *model_of(machine), '--engine', engine, '--precision', 'fp32') == 0
    assert 'relative error 0.00% (median)' in capsys.readouterr().out


def test_an_engine_that_cannot_be_had_is_one_line(machine, capsys):
    machine.install(FakeCuda(gpus=0))
    assert build(machine, *model_of(machine), '--engine', 'tensorrt') == 2
    assert capsys.readouterr().err.strip().count('\n') == 0
    assert build(machine) == 2
    assert '--model is missing' in capsys.readouterr().err
    assert build(machine, '--model', 'nothing.onnx') == 2


def test_ctrl_c_cancels_in_good_order(machine, monkeypatch):
    """The signal comes in the middle of the build, as a user's does."""
    original = Builder.build_serialized_network

    def interrupted(self, network, config):
        os.kill(os.getpid(), signal.SIGINT)
        return original(self, network, config)

    monkeypatch.setattr(Builder, 'build_serialized_network', interrupted)
    before = signal.getsignal(signal.SIGINT)
    assert build(machine, *model_of(machine), '--engine', 'tensorrt') == 130
    assert signal.getsignal(signal.SIGINT) is before
    assert machine.plans() == []
    assert machine.cuda.leaks() == 0


def test_layers_are_timed_and_written_beside_the_engine(machine, capsys):
    assert build(machine, *model_of(machine), '--engine', 'tensorrt', '--profile') == 0
    said = capsys.readouterr()
    plan, = machine.plans()
    times = json.loads(plan.with_suffix('.profile.json').read_text())
    layers = json.loads(plan.with_suffix('.layers.json').read_text())
    assert times['total_ms'] == pytest.approx(0.01 * len(layers['Layers']))
    assert {layer['name'] for layer in times['layers']} == {
        layer['Name'] for layer in layers['Layers']
    }
    assert f'in {len(times["layers"])} layers' in said.out
    assert machine.cuda.leaks() == 0
    # a kept engine can be profiled too, and pruning takes the files along
    assert build(machine, *model_of(machine), '--engine', 'tensorrt', '--profile') == 0
    machine.install(FakeCuda(name='Other GPU'))
    assert build(machine, '--prune') == 0
    assert not list(plan.parent.glob(f'{plan.stem}*.json'))


def test_only_tensorrt_is_profiled(machine, capsys):
    assert build(machine, *model_of(machine), '--engine', 'onnxruntime', '--profile') == 2
    assert 'times the layers of TensorRT' in capsys.readouterr().err


def test_the_gpu_is_chosen(machine, capsys):
    machine.install(FakeCuda(gpus=2))
    assert build(machine, *model_of(machine), '--engine', 'tensorrt', '--device', 1) == 0
    assert build(machine, *model_of(machine), '--engine', 'tensorrt', '--device', 3) == 2
    assert 'engine.device is 3' in capsys.readouterr().err


def test_pruning_keeps_the_engines_of_every_gpu(machine):
    machine.install(FakeCuda(gpus=2))
    assert build(machine, *model_of(machine), '--engine', 'tensorrt', '--device', 1) == 0
    properties = FakeCuda.cudaGetDeviceProperties

    def mixed(self, device):
        error, found = properties(self, device)
        found.name = b'Other GPU' if device == 0 else b'Fake GPU'
        return error, found

    machine.cuda.cudaGetDeviceProperties = mixed.__get__(machine.cuda)
    assert build(machine, '--prune') == 0
    assert len(machine.plans()) == 1
