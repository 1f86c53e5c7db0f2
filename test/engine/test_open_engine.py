from __future__ import annotations

import ctypes
from dataclasses import replace
from importlib.util import find_spec
import logging
import os
import subprocess
import sys
from types import ModuleType

import numpy as np
from onnx import helper, numpy_helper, save, TensorProto
import pytest

from depth_node.config import EngineConfig
from depth_node.engine import open_engine
from depth_node.errors import CancelledError, EngineError, ModelError
from depth_node.image.size import Size
from depth_node.model import Model, ModelSpec, OutputKind

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


def test_a_library_that_is_broken_is_one_more_reason(model, config, no_gpu, monkeypatch):
    """Whatever it raises; a name asked for is refused in the usual words."""
    monkeypatch.setitem(sys.modules, 'tensorrt', ModuleType('tensorrt'))  # it has no version
    lines = []
    engine = open_engine(model, config, SIZE, log=lines.append)
    assert engine.description.startswith('OpenVINO')
    assert 'not tensorrt: AttributeError: ' in lines[0]
    with pytest.raises(EngineError, match='AttributeError'):
        open_engine(model, replace(config, name='tensorrt'), SIZE)


def test_an_output_whose_size_depends_on_the_frame(tmp_path, config, no_gpu):
    """ONNX allows it; no engine runs it, and each says so."""
    nodes = [
        helper.make_node('NonZero', ['image'], ['places']),
        helper.make_node('Cast', ['places'], ['numbers'], to=TensorProto.FLOAT),
        helper.make_node('Unsqueeze', ['numbers', 'axis'], ['depth']),
    ]
    graph = helper.make_graph(
        nodes, 'odd',
        [helper.make_tensor_value_info('image', TensorProto.FLOAT, [1, 3, 24, 32])],
        [helper.make_tensor_value_info('depth', TensorProto.FLOAT, [1, 'a', 'b'])],
        [numpy_helper.from_array(np.array([0]), 'axis')],
    )
    path = tmp_path / 'odd.onnx'
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8), path)
    odd = Model(path, ModelSpec('odd', OutputKind.RELATIVE_DEPTH))
    with pytest.raises(EngineError, match='dynamic shape'):
        open_engine(odd, replace(config, name='openvino'), SIZE)
    with pytest.raises(ModelError, match='its output depth'):
        open_engine(odd, config, SIZE)


def test_openvino_reports_to_nobody(model, tmp_path):
    """Its package would fork this process and send an event, merely imported."""
    script = """if True:
        import sys
        bad = []
        watched = ('os.fork', 'socket.getaddrinfo', 'socket.connect')
        sys.addaudithook(lambda event, _: bad.append(event) if event in watched else None)
        from pathlib import Path
        from depth_node.config import EngineConfig
        from depth_node.engine import open_engine
        from depth_node.model import Model, ModelSpec, OutputKind
        from depth_node.image.size import Size
        model = Model(Path(sys.argv[1]), ModelSpec('tiny', OutputKind.RELATIVE_DEPTH))
        for precision in sys.argv[3:]:
            config = EngineConfig(name='openvino', precision=precision, cache_dir=sys.argv[2])
            engine = open_engine(model, config, Size(32, 24))
            print(engine.description)
            engine.close()
        sys.exit(f'not allowed: {bad}' if bad else 0)
    """
    home = tmp_path / 'home'
    home.mkdir()
    precisions = ['fp32', *(['int8'] if find_spec('nncf') else [])]
    done = subprocess.run(
        [sys.executable, '-c', script, str(model.path), str(tmp_path / 'cache'), *precisions],
        capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, 'HOME': str(home), 'CI': ''},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('OpenVINO') == len(precisions)
    assert not list(home.rglob('*'))


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), 'malloc_trim'), reason='without glibc')
def test_memory_that_malloc_keeps_is_given_back():
    """In a process of its own, whose malloc keeps everything, as the node's does."""
    code = '''
import re, sys
from pathlib import Path
from depth_node.process import give_back, keep_large_blocks
assert keep_large_blocks()
def resident():
    return int(re.search(r'VmRSS:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) // 1024
blocks = [bytearray(2**20) for _ in range(100)]
last = bytearray(2**20)
full = resident()
del blocks
kept = resident()
give_back()
print(full - kept, full - resident())
'''
    environment = {k: v for k, v in os.environ.items() if not k.startswith('MALLOC_')}
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True, env=environment
    )
    kept, given = (int(word) for word in done.stdout.split())
    assert kept < 20
    assert given > 80
