"""The TensorRT engine on a pretended GPU: cache, verification, fallback, threads, errors."""

from __future__ import annotations

import json
from pathlib import Path
import threading

from fake_cuda import cudaError_t, FakeCuda
from fake_machine import frame, SIZE
import numpy as np
from onnx import TensorProto
import pytest

from depth_node.engine import open_engine, verify
from depth_node.engine.onnxruntime import open_onnxruntime
from depth_node.errors import CancelledError, DataError, EngineError
from depth_node.model import Model


def infer(engine, image):
    out = engine.buffers(*image.shape[:2])
    engine.infer(image, out)
    return out


def has_halves(model):
    return any(t.data_type == TensorProto.FLOAT16 for t in model.graph.initializer)


def spoil_halves(model, results):
    if has_halves(model):
        results['depth'] *= 1.3


def test_gives_what_the_network_gives_extras_too(machine):
    engine = machine.open()
    assert 'TensorRT 10.3.0' in engine.description
    assert 'fp16' in engine.description
    image = frame(200, 300)
    ours = infer(engine, image)
    wanted = infer(open_onnxruntime(machine.model, SIZE), image)
    for name in ('values', 'confidence', 'sky'):
        error = verify.relative_error(getattr(ours, name), getattr(wanted, name))
        assert np.median(error) < 5e-3


def test_one_engine_for_every_camera_captured_once_each(machine):
    engine = machine.open()
    machine.cuda.launches = 0
    images = [frame(120, 160), frame(480, 640), frame(200, 180)]
    first = [infer(engine, image).values for image in images]
    again = [infer(engine, image).values for image in images]
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert machine.cuda.launches == 6
    assert len(machine.trt.builds) == 1
    images = [frame(120, 160), frame(480, 640), frame(200, 180)]
    # frame, depth, confidence, sky; and of the host the frame, since answers go where they belong
    assert len(machine.cuda.device) == 4
    del first, again, one, other
    kept = engine.buffers(2, 2)
    assert len(machine.cuda.host) == 1 + 3
    assert kept.shape == (2, 2)
    infer(engine, images[-1])
    captured = set(machine.cuda.graphs)
    infer(engine, images[-1])
    assert set(machine.cuda.graphs) == captured


def test_frames_may_be_views(machine):
    engine = machine.open()
    image = frame(200, 300)
    for view in (image[10:170, 20:260], image[:, :, ::-1]):
        np.testing.assert_array_equal(
            infer(engine, view).values, infer(engine, view.copy()).values
        )


def test_everything_is_freed_on_close(machine):
    engine = machine.open()
    infer(engine, frame(480, 640))
    assert machine.cuda.leaks() > 0
    engine.close()
    engine.close()
    assert machine.cuda.leaks() == 0
    for use in (lambda: infer(engine, frame(120, 160)), engine.bare):
        with pytest.raises(EngineError, match='closed'):
            use()


def test_any_thread_may_use_it(machine):
    engine = machine.open()
    image = frame(120, 160)
    wanted = infer(engine, image).values
    found, failures = [], []

    def work():
        try:
            found.append(infer(engine, image).values)
        except Exception as error:
            failures.append(error)

    for _ in range(2):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert not failures
    for values in found:
        np.testing.assert_array_equal(values, wanted)
    closing = threading.Thread(target=engine.close)
    closing.start()
    closing.join()
    # answers outlive the engine that gave them
    assert machine.leaks() == len([wanted, *found])
    del wanted, values, found[:]
    assert machine.leaks() == 0


def test_without_capture_it_runs_plainly(machine, caplog):
    caplog.set_level('INFO')  # NNCF, imported by other tests, raises the root's
    machine.cuda.fail['cudaStreamEndCapture'] = cudaError_t.cudaErrorStreamCaptureUnsupported
    engine = machine.open()
    wanted = infer(open_onnxruntime(machine.model, SIZE), frame(120, 160)).values
    found = infer(engine, frame(120, 160)).values
    assert machine.cuda.launches == 0
    assert np.median(verify.relative_error(found, wanted)) < 5e-3
    assert 'CUDA graph not captured' in caplog.text


def test_a_camera_outside_the_profile_is_refused_and_the_engine_lives_on(machine):
    engine = machine.open(max_camera_size='640x480')
    for height, width in ((100, 160), (480, 641)):
        with pytest.raises(DataError, match=r'supports 160x120 to 640x480.*max_camera_size'):
            infer(engine, frame(height, width))
    infer(engine, frame(480, 640))


def test_cuda_errors_are_clear(machine):
    engine = machine.open()
    infer(engine, frame(120, 160))
    machine.cuda.fail['cudaEventSynchronize'] = cudaError_t.cudaErrorInvalidValue
    with pytest.raises(EngineError, match='cudaEventSynchronize failed: cudaErrorInvalidValue'):
        infer(engine, frame(120, 160))
    engine.close()


def test_no_memory_for_buffers_is_clear_and_leaks_nothing(machine):
    engine = machine.open()
    machine.cuda.memory = 0
    with pytest.raises(EngineError, match='cudaMalloc failed: cudaErrorMemoryAllocation'):
        infer(engine, frame(480, 640))
    engine.close()
    assert machine.cuda.leaks() == 0


def test_the_second_start_takes_the_cache(machine):
    machine.open().close()
    assert len(machine.trt.builds) == 1
    facts = machine.metadata()
    assert facts['precision'] == 'fp16'
    assert facts['key']['gpu'] == 'Fake GPU'
    assert facts['key']['capability'] == '8.7'
    assert facts['verification'][0]['good'] is True
    assert 0 < facts['verification'][0]['p99'] < 0.05
    engine = machine.open()
    assert len(machine.trt.builds) == 1
    assert 'fp16' in engine.description


@pytest.mark.parametrize(
    'change',
    [{'optimization_level': 5}, {'workspace_mb': 512}, {'max_camera_size': '2560x1440'},
     {'precision': 'fp32'}],
)
def test_other_settings_are_another_engine_and_reach_the_builder(machine, change):
    machine.open().close()
    engine = machine.open(**change)
    assert len(machine.trt.builds) == 2
    assert len(machine.plans()) == 2
    build = machine.trt.builds[-1]
    assert build.flags == 1 << 1
    assert not build.config.flags
    if 'optimization_level' in change:
        assert build.config.builder_optimization_level == 5
    if 'workspace_mb' in change:
        assert build.workspace == 512
    if 'max_camera_size' in change:
        infer(engine, frame(1440, 2560))
    if 'precision' in change:
        assert 'fp32' in engine.description


def test_another_version_gpu_or_network_builds_anew(machine, network):
    machine.open().close()
    machine.install(FakeCuda(), version='10.13.3')
    machine.open().close()
    machine.install(FakeCuda(name='Other GPU'))
    machine.open().close()
    assert len(machine.plans()) == 3
    other = Model(network('other', opset=18), machine.model.spec)
    open_engine(other, machine.config, SIZE).close()
    assert len(machine.plans()) == 4


@pytest.mark.parametrize('how', ['truncate', 'empty', 'garbage', 'foreign'])
def test_bad_plans_are_set_aside_and_built_again(machine, how):
    machine.open().close()
    path, = machine.plans()
    plan = path.read_bytes()
    bad = {'truncate': plan[:50], 'empty': b'', 'garbage': b'\xff' * 999}.get(how)
    if how == 'foreign':  # whole and well described, but of another TensorRT
        bad = plan[:12] + b'9.9'.ljust(16) + plan[28:]
        import hashlib
        facts = machine.metadata()
        facts['plan_sha256'] = hashlib.sha256(bad).hexdigest()
        path.with_suffix('.json').write_text(json.dumps(facts))
    path.write_bytes(bad)
    machine.open().close()
    assert len(machine.trt.builds) == 2
    assert path.read_bytes() == plan
    assert path.with_name(path.name + '.bad').read_bytes() == bad
    machine.open().close()
    assert len(machine.trt.builds) == 2


def test_out_of_memory_tries_with_less_workspace(machine):
    machine.install(FakeCuda(), memory_mb=300)
    machine.open()
    assert [build.workspace for build in machine.trt.builds] == [1024, 512, 256]
    machine.install(FakeCuda(), memory_mb=10, version='10.16.0')
    with pytest.raises(EngineError, match=r'not enough memory.*requested .* MB.*input_size'):
        machine.open()


def test_progress_rises_and_names_its_stages(machine):
    machine.open()
    shares = [share for share, _ in machine.progress]
    assert shares == sorted(shares)
    assert 0 <= shares[0] < 0.2
    assert shares[-1] == 1
    stages = {stage for _, stage in machine.progress}
    assert stages == {'running the reference', 'building fp16', 'verifying fp16', 'ready'}


@pytest.mark.parametrize('stage', ['building fp16', 'verifying fp16'])
def test_cancelling_stops_at_any_stage_and_leaves_nothing(machine, stage):
    def cancelled():
        return any(name == stage for _, name in machine.progress)

    with pytest.raises(CancelledError):
        machine.open(cancelled=cancelled)
    assert machine.plans() == []
    assert machine.cuda.leaks() == 0
    machine.progress.clear()
    machine.open()


def test_an_error_in_the_callback_is_not_swallowed(machine):
    def bad(share, stage):
        raise KeyboardInterrupt if share > 2 else RuntimeError('display is gone')

    with pytest.raises(EngineError, match='RuntimeError: display is gone'):
        open_engine(machine.model, machine.config, SIZE, on_progress=bad)


def test_the_timing_cache_is_kept_and_damage_survived(machine):
    machine.open(optimization_level=1).close()
    path, = machine.folder.glob('timing*')
    assert path.read_bytes() == b'TIMING Fake GPU/16 +'
    machine.open(optimization_level=2).close()
    assert path.read_bytes() == b'TIMING Fake GPU/16 ++'
    path.write_bytes(b'garbage')
    machine.open(optimization_level=4).close()
    assert path.read_bytes() == b'TIMING Fake GPU/16 +'


def test_a_cache_that_cannot_be_written_is_survived(machine, tmp_path):
    blocked = tmp_path / 'file'
    blocked.write_text('')
    engine = machine.open(cache_dir=str(blocked))
    infer(engine, frame(120, 160))
    assert any('cannot be written' in line for line in machine.warnings)


def test_two_at_once_build_once(machine):
    engines, failures = [], []

    def work():
        try:
            engines.append(machine.open())
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failures
    assert len(engines) == 2
    assert len(machine.trt.builds) == 1


def test_no_gpu_or_an_old_driver_or_an_old_tensorrt_refuse_with_the_reason(machine):
    machine.install(FakeCuda(gpus=0))
    with pytest.raises(EngineError, match='no usable NVIDIA GPU'):
        machine.open()
    machine.install(FakeCuda(
        driver=cudaError_t.cudaErrorInsufficientDriver, versions=(12060, 12090)
    ))
    with pytest.raises(EngineError, match=r'CUDA up to 12\.6, .* runtime of CUDA 12\.9'):
        machine.open()
    machine.install(FakeCuda(), version='8.6.1')
    with pytest.raises(EngineError, match=r'is 8\.6\.1, expected 10\.3.*JetPack'):
        machine.open()
    with pytest.raises(EngineError, match='does not support bf16'):
        machine.open(precision='bf16')


def test_auto_goes_on_without_a_gpu(machine):
    machine.install(FakeCuda(gpus=0))
    engine = machine.open(name='auto')
    assert 'TensorRT' not in engine.description
    assert any('not tensorrt' in line and 'GPU' in line for line in machine.lines)


def test_a_camera_limit_below_the_least_is_refused(machine):
    with pytest.raises(EngineError, match='at least 160x120'):
        machine.open(max_camera_size='100x100')


def test_real_bindings_have_what_the_pretended_ones_have():
    """Every CUDA name we use, held against the real module where it is installed."""
    runtime = pytest.importorskip('cuda.bindings.runtime', reason='no cuda-python')
    source = (Path(__file__).parents[2] / 'depth_node/engine/tensorrt/cuda.py').read_text()
    import re

    used = set(re.findall(r'\bcuda[A-Z]\w+', source))
    assert 'cudaGraphInstantiate' in used
    kinds = ('cudaMemcpyKind', 'cudaStreamCaptureMode', 'cudaError_t')
    for name in used:
        owners = [runtime, *(getattr(runtime, kind) for kind in kinds)]
        assert any(hasattr(owner, name) for owner in owners), name
        assert any(hasattr(owner, name) for owner in [
            FakeCuda, *(getattr(FakeCuda, kind) for kind in kinds)
        ]), name
