"""The TensorRT engine when something fails: nothing leaks, nothing is pending, all is said."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import threading

from fake_cuda import cudaError_t, FakeCuda, ILLEGAL
from fake_machine import frame
import numpy as np
import pytest

from depth_node.engine.tensorrt.runtime import TensorRtEngine
from depth_node.errors import CancelledError, DataError, DeviceLostError, EngineError
from depth_node.model.prediction import Prediction

INVALID = cudaError_t.cudaErrorInvalidValue
OK = cudaError_t.cudaSuccess


def infer(engine, image):
    out = engine.buffers(*image.shape[:2])
    engine.infer(image, out)
    return out


def test_after_a_failed_first_run_the_next_frame_is_captured(machine):
    """Defect 2 of the review: the size was noted before what can fail."""
    engine = machine.open()
    infer(engine, frame(120, 160))
    machine.cuda.fail['cudaEventSynchronize'] = [INVALID]
    with pytest.raises(EngineError, match='cudaEventSynchronize'):
        infer(engine, frame(200, 300))
    machine.cuda.launches = 0
    wanted = infer(engine, frame(200, 300)).values.copy()
    assert machine.cuda.launches == 1
    assert engine.is_captured
    np.testing.assert_array_equal(infer(engine, frame(200, 300)).values, wanted)
    engine.close()


@pytest.mark.parametrize('function', [
    'cudaHostAlloc', 'cudaMalloc', 'cudaMemcpyAsync', 'cudaEventRecord', 'cudaEventSynchronize',
    'cudaStreamBeginCapture', 'cudaStreamEndCapture', 'cudaGraphInstantiate', 'cudaGraphUpload',
    'cudaGraphLaunch', 'cudaSetDevice',
])
def test_one_failed_call_anywhere_costs_one_frame_at_most(machine, function):
    """Whatever fails, the next frame of the same size is right, and nothing is left."""
    engine = machine.open()
    image = frame(200, 300)
    wanted = infer(engine, image).values.copy()
    other = frame(480, 640)
    for count in range(3):
        infer(engine, frame(120, 160))
        machine.cuda.fail[function] = [*[OK] * count, INVALID]
        for picture in (other, image):
            with contextlib.suppress(EngineError):
                infer(engine, picture)
        machine.cuda.fail.clear()
        np.testing.assert_array_equal(infer(engine, image).values, wanted)
    engine.close()
    del engine
    assert machine.leaks() == 0


def test_cancelling_while_a_kept_engine_is_verified_frees_it(machine):
    """Defect 3: its buffers and its graph stayed."""
    machine.open().close()
    machine.progress.clear()
    with pytest.raises(CancelledError):
        machine.open(cancelled=lambda: any(name == 'loading' for _, name in machine.progress))
    assert machine.leaks() == 0
    assert len(machine.plans()) == 1  # it is not the engine's fault


@pytest.mark.parametrize('error', [KeyboardInterrupt, ValueError, DeviceLostError('gone')])
def test_an_error_while_a_kept_engine_is_verified_frees_it(machine, monkeypatch, error):
    machine.open().close()
    original = TensorRtEngine.infer

    def failing(self, image, out):
        original(self, image, out)
        raise error

    monkeypatch.setattr(TensorRtEngine, 'infer', failing)
    with pytest.raises((KeyboardInterrupt, EngineError)):
        machine.open()
    if isinstance(error, Exception):
        error.__traceback__ = None  # its frames hold the answer that was about to be checked
    assert machine.leaks() == 0
    assert len(machine.plans()) == 1


def test_a_kept_engine_that_fails_is_freed_and_built_again(machine):
    machine.open().close()
    before = len(machine.cuda.calls)
    engine = machine.open()
    first = machine.cuda.calls[before:].index('cudaEventSynchronize')
    engine.close()
    machine.cuda.fail['cudaEventSynchronize'] = [*[OK] * (1 if first else 0), INVALID]
    engine = machine.open()
    assert any('cannot be loaded' in line for line in machine.warnings)
    assert len(machine.trt.builds) == 2
    engine.close()
    assert machine.leaks() == 0


@pytest.mark.parametrize('fails', ['cudaEventRecord', 'cudaEventSynchronize'])
def test_nothing_is_freed_while_work_is_pending(machine, fails):
    """Defect 4: freeing did not wait for the stream."""
    engine = machine.open()
    infer(engine, frame(120, 160))
    machine.cuda.fail[fails] = [INVALID]
    with pytest.raises(EngineError):
        infer(engine, frame(120, 160))
    engine.close()
    assert machine.faults() == []
    assert machine.leaks() == 0


def test_ctrl_c_between_launch_and_wait_leaves_nothing_pending(machine, monkeypatch):
    engine = machine.open()
    infer(engine, frame(120, 160))

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(engine._cuda, 'wait', interrupted)
    for use in (lambda: infer(engine, frame(120, 160)), engine.bare):
        with pytest.raises(KeyboardInterrupt):
            use()
        assert not any(stream.pending for stream in machine.cuda.streams.values())
    engine.close()


def test_free_waits_for_what_somebody_else_left_pending(machine):
    engine = machine.open()
    infer(engine, frame(120, 160))
    engine._launch(engine._shape)  # as if an exception came right behind it
    engine.free()
    engine.close()
    assert machine.faults() == []


@pytest.mark.parametrize('name', ['infer_shapes', 'execute_async_v3'])
def test_what_pybind11_raises_is_an_engine_error(machine, name):
    """Defect 5: RuntimeError and TypeError came through as something else."""
    engine = machine.open()
    machine.trt.raises = (name,)
    with pytest.raises(EngineError, match=f'{name}: internal error'):
        infer(engine, frame(120, 160))
    machine.trt.raises = ()
    infer(engine, frame(120, 160))
    engine.close()


@pytest.mark.parametrize('name', ['set_shape', 'create_network'])
def test_what_pybind11_raises_in_a_build_is_an_engine_error(machine, name):
    machine.trt.raises = (name,)
    with pytest.raises(EngineError, match=f'fp32: TensorRT 10.3.0 .* {name}: internal error'):
        machine.open()
    assert machine.leaks() == 0


def test_a_kept_plan_without_a_runtime_is_built_again(machine):
    machine.open().close()
    machine.trt.null = ('runtime',)
    with pytest.raises(EngineError, match='factory function returned nullptr'):
        machine.open()
    assert any('cannot be loaded and is built again' in line for line in machine.warnings)
    assert len(machine.trt.builds) > 1
    assert machine.leaks() == 0


def test_no_context_is_no_memory_and_said_so(machine):
    machine.trt.null = ('context',)
    with pytest.raises(EngineError, match='more memory of the GPU'):
        machine.open()
    assert machine.leaks() == 0


def test_a_launch_that_is_refused_is_an_error(machine):
    """It returns False and raises nothing; the buffers hold the answer to the last frame."""
    engine = machine.open()
    infer(engine, frame(120, 160))
    machine.trt.null = ('execute',)
    with pytest.raises(EngineError, match='could not run'):
        infer(engine, frame(200, 300))
    machine.trt.null = ()
    infer(engine, frame(200, 300))
    engine.close()


def test_ctrl_c_in_a_capture_ends_it(machine, monkeypatch):
    """Defect 6: only an EngineError did."""
    engine = machine.open()
    enqueue, calls = engine._enqueue, []

    def interrupted(context, shape):
        enqueue(context, shape)
        calls.append(machine.cuda.capturing(machine.cuda.streams and engine._cuda.stream))
        if calls[-1]:
            raise KeyboardInterrupt

    monkeypatch.setattr(engine, '_enqueue', interrupted)
    with pytest.raises(KeyboardInterrupt):
        infer(engine, frame(120, 160))
    monkeypatch.undo()
    assert calls == [False, True]
    assert not machine.cuda.captures
    infer(engine, frame(120, 160))
    assert engine.is_captured
    engine.close()
    assert machine.leaks() == 0


def test_a_lost_device_is_said_and_not_worked_around(machine):
    """Defect 11: offering to open again is of no use."""
    engine = machine.open(name='auto')

    def illegal(model, results):
        machine.cuda.sticky = ILLEGAL

    machine.trt.spoil = illegal
    with contextlib.suppress(DeviceLostError):  # the work itself went well
        infer(engine, frame(120, 160))
    with pytest.raises(DeviceLostError, match='Restart the process'):
        infer(engine, frame(120, 160))
    engine.close()
    with pytest.raises(DeviceLostError):  # not OpenVINO, quietly slower
        machine.open(name='auto')


def test_a_plan_of_another_model_of_device_is_built_again(machine):
    """TensorRT only warns: AGX Orin, NX and Nano have one name and one capability."""
    machine.open().close()
    path, = machine.plans()
    # a cache that was copied together with a key that fits, as a cloned disk has it
    plan = path.read_bytes()
    machine.install(FakeCuda(sms=8))
    machine.open().close()
    new, = set(machine.plans()) - {path}
    facts = json.loads(new.with_suffix('.json').read_text())
    import hashlib

    new.write_bytes(plan)
    new.with_suffix('.json').write_text(
        json.dumps({**facts, 'plan_sha256': hashlib.sha256(plan).hexdigest()})
    )
    builds = len(machine.trt.builds)
    machine.open().close()
    assert len(machine.trt.builds) == builds + 1
    assert any('another model of device' in line for line in machine.warnings)


@pytest.mark.parametrize('other', [
    {'sms': 8}, {'memory': 16 << 30}, {'versions': (12090, 12060)}, {'name': 'Other'},
    {'capability': (8, 6)},
])
def test_another_board_has_a_plan_and_timings_of_its_own(machine, other):
    machine.open().close()
    machine.install(FakeCuda(**other))
    machine.open().close()
    assert len(machine.plans()) == 2
    assert len(list(machine.folder.glob('timing*'))) == 2


def test_timings_of_another_board_are_replaced(machine):
    """set_timing_cache refuses them; without any, each build would measure all over."""
    machine.open(optimization_level=1).close()
    path, = machine.folder.glob('timing*')
    path.write_bytes(b'TIMING Other/9 +++')
    machine.open(optimization_level=2).close()
    assert path.read_bytes() == b'TIMING Fake GPU/16 +'


def test_timings_are_kept_of_a_build_that_was_cancelled_or_failed(machine):
    def cancelled():
        return any(share > 0.1 for share, _ in machine.progress)

    with pytest.raises(CancelledError):
        machine.open(cancelled=cancelled)
    path, = machine.folder.glob('timing*')
    assert path.read_bytes() == b'TIMING Fake GPU/16 +'
    machine.trt.memory_mb = 1
    with pytest.raises(EngineError, match='not enough memory'):
        machine.open()
    assert len(path.read_bytes()) > len(b'TIMING Fake GPU/16 +')


def test_buffers_of_another_engine_or_of_numpy_are_filled_too(machine):
    engine = machine.open()
    image = frame(120, 160)
    wanted = infer(engine, image)
    plain = Prediction.empty(120, 160, confidence=True, sky=True)
    engine.infer(image, plain)
    part = Prediction.empty(120, 160)
    engine.infer(image, part)
    for name in ('values', 'confidence', 'sky'):
        np.testing.assert_array_equal(getattr(plain, name), getattr(wanted, name))
    np.testing.assert_array_equal(part.values, wanted.values)
    whole = np.zeros((120, 320), np.float32)
    strided = dataclasses.replace(part, values=whole[:, ::2])
    engine.infer(image, strided)
    np.testing.assert_array_equal(whole[:, ::2], wanted.values)
    engine.close()


def test_a_refused_size_leaves_the_last_one_ready(machine):
    engine = machine.open(max_camera_size='640x480')
    infer(engine, frame(120, 160))
    with pytest.raises(DataError):
        infer(engine, frame(480, 641))
    machine.cuda.launches = 0
    infer(engine, frame(120, 160))
    assert machine.cuda.launches == 1
    engine.close()


def test_an_integrated_gpu_reads_the_frame_where_it_is(machine):
    machine.install(FakeCuda(integrated=True))
    engine = machine.open()
    infer(engine, frame(120, 160))
    machine.cuda.calls.clear()
    found = infer(engine, frame(120, 160, 5))
    kinds = machine.cuda.calls.count('cudaMemcpyAsync')
    assert kinds == 3  # three answers down, no frame up
    assert len(machine.cuda.device) == 3
    machine.install(FakeCuda())
    other = machine.open()
    np.testing.assert_array_equal(found.values, infer(other, frame(120, 160, 5)).values)
    engine.close()
    other.close()


def test_the_camera_s_size_is_ready_before_its_first_frame(machine):
    from depth_node.image.size import Size

    engine = machine.open(camera=Size(320, 200))
    assert machine.trt.builds[-1].config.profiles[0].shapes['frame'][1] == (200, 320, 3)
    machine.cuda.calls.clear()
    infer(engine, frame(200, 320))
    assert 'cudaStreamBeginCapture' not in machine.cuda.calls
    assert 'cudaMalloc' not in machine.cuda.calls
    engine.close()
    # the camera is no part of the key, and one that is too large is refused when it comes
    machine.open(camera=Size(4000, 3000)).close()
    assert len(machine.trt.builds) == 1


def test_the_second_gpu_is_used_and_the_first_left_alone(machine):
    machine.install(FakeCuda(gpus=2))
    engine = machine.open(device=1)
    infer(engine, frame(200, 300))
    cuda = machine.cuda
    assert {cuda.home[address] for address in (*cuda.device, *cuda.host)} == {1}
    assert {stream.device for stream in cuda.streams.values()} == {1}
    engine.close()
    with pytest.raises(EngineError, match=r'engine\.device is 2, but there are 2 GPUs'):
        machine.open(device=2)


def test_another_thread_closes_the_engine_of_the_second_gpu(machine):
    """A thread starts on device 0, where the engine's memory is not."""
    machine.install(FakeCuda(gpus=2))
    engine = machine.open(device=1)
    infer(engine, frame(200, 300))
    closing = threading.Thread(target=engine.close)
    closing.start()
    closing.join()
    assert machine.faults() == []
    assert machine.leaks() == 0


def test_a_camera_that_cannot_be_prepared_for_leaves_nothing(machine, monkeypatch):
    from depth_node.image.size import Size

    machine.open().close()

    def failing(self, camera):
        raise EngineError('out of memory')

    monkeypatch.setattr(TensorRtEngine, 'prepare', failing)
    with pytest.raises(EngineError, match='out of memory'):
        machine.open(camera=Size(640, 480))
    assert machine.leaks() == 0
