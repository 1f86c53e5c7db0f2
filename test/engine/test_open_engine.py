from __future__ import annotations

from dataclasses import replace
import logging
import sys

import pytest

from depth_node.config import EngineConfig
from depth_node.engine import open_engine
from depth_node.errors import CancelledError, EngineError, ModelError
from depth_node.model import Model, ModelSpec, OutputKind, Size

SIZE = Size(32, 24)


@pytest.fixture
def config(tmp_path):
    return EngineConfig(cache_dir=str(tmp_path / 'cache'))


@pytest.fixture
def model(network):
    return Model(network(), ModelSpec('tiny', OutputKind.RELATIVE_DEPTH))


@pytest.fixture
def no_gpu(monkeypatch):
    """Hide what a machine with a GPU would have."""
    monkeypatch.setitem(sys.modules, 'tensorrt', None)
    import onnxruntime
    monkeypatch.setattr(
        onnxruntime, 'get_available_providers', lambda: ['CPUExecutionProvider']
    )


def test_auto_takes_the_first_that_works_and_says_why_not_the_others(model, config, no_gpu):
    lines = []
    engine = open_engine(model, config, SIZE, log=lines.append)
    assert engine.description.startswith('OpenVINO')
    assert [line.split(':')[1].strip() for line in lines[:2]] == [
        'not tensorrt', 'not onnxruntime with CUDA'
    ]
    assert 'OpenVINO' in lines[2]
    assert len(lines) == 3


def test_auto_ends_at_onnxruntime(model, config, no_gpu, monkeypatch):
    monkeypatch.setitem(sys.modules, 'openvino', None)
    lines = []
    engine = open_engine(model, config, SIZE, log=lines.append)
    assert engine.description.startswith('ONNX Runtime')
    assert any('not openvino: OpenVINO cannot be imported' in line for line in lines)


def test_nothing_at_all_names_every_reason(model, config, no_gpu, monkeypatch):
    monkeypatch.setitem(sys.modules, 'openvino', None)
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    with pytest.raises(EngineError) as caught:
        open_engine(model, config, SIZE)
    for word in ('No engine works', 'tensorrt', 'openvino', 'pip install onnxruntime'):
        assert word in str(caught.value)


def test_a_named_engine_is_refused_not_replaced(model, config, no_gpu):
    with pytest.raises(EngineError, match='TensorRT'):
        open_engine(model, replace(config, name='tensorrt'), SIZE)


@pytest.mark.parametrize('name', ['openvino', 'onnxruntime'])
def test_a_named_engine_is_opened(model, config, no_gpu, name):
    engine = open_engine(model, replace(config, name=name), SIZE)
    assert name in engine.description.lower().replace(' ', '')


def test_a_bad_file_is_not_an_engine_s_fault(config, tmp_path):
    path = tmp_path / 'bad.onnx'
    path.write_bytes(b'nothing')
    bad = Model(path, ModelSpec('bad', OutputKind.RELATIVE_DEPTH))
    for name in ('auto', 'openvino', 'onnxruntime'):
        with pytest.raises(ModelError, match='is not an ONNX file'):
            open_engine(bad, replace(config, name=name), SIZE)


def test_a_cache_that_cannot_be_written_is_survived(model, tmp_path, no_gpu):
    blocked = tmp_path / 'file'
    blocked.write_text('not a folder')
    lines = []
    engine = open_engine(
        model, EngineConfig(name='openvino', cache_dir=str(blocked)), SIZE, log=lines.append
    )
    assert 'cannot be written' in lines[0]
    engine.close()


def test_cancelling_ends_the_opening(model, config, no_gpu):
    with pytest.raises(CancelledError):
        open_engine(model, config, SIZE, cancelled=lambda: True)


def test_logs_through_logging_when_nobody_takes_the_lines(model, config, no_gpu, caplog):
    with caplog.at_level(logging.INFO, 'depth_node'):
        open_engine(model, config, SIZE)
    assert any('OpenVINO' in record.message for record in caplog.records)


def test_threads_are_used(model, config, no_gpu):
    import openvino

    seen = []
    compile_model = openvino.Core.compile_model

    def spy(self, network, device, options):
        seen.append(options)
        return compile_model(self, network, device, options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openvino.Core, 'compile_model', spy)
        open_engine(model, replace(config, name='openvino', threads=1), SIZE)
    assert seen[0]['INFERENCE_NUM_THREADS'] == 1
