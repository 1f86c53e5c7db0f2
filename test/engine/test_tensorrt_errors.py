"""The TensorRT engine when something fails: nothing leaks, nothing is pending, all is said."""

from __future__ import annotations

import contextlib

from fake_cuda import cudaError_t, ILLEGAL
from fake_machine import frame, infer
import numpy as np
import pytest

from depth_node.engine.tensorrt.runtime import TensorRtEngine
from depth_node.errors import CancelledError, DeviceLostError, EngineError

INVALID = cudaError_t.cudaErrorInvalidValue
OK = cudaError_t.cudaSuccess


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
