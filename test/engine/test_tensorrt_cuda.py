"""Calls of CUDA on a pretended GPU: what is captured, awaited, freed, and lost for good."""

from __future__ import annotations

import gc
import threading

from fake_cuda import cudaError_t, FakeCuda, ILLEGAL, Work
import numpy as np
import pytest

from depth_node.engine.tensorrt.cuda import Cuda
from depth_node.errors import DeviceLostError, EngineError


@pytest.fixture
def machine():
    machine = FakeCuda()
    yield machine
    gc.collect()
    assert machine.faults == []


@pytest.fixture
def cuda(machine):
    cuda = Cuda(machine)
    yield cuda
    cuda.close()


def broken(error):
    """Work that fails when it is done, as kernels do."""
    return Work(lambda: error)


def test_what_the_gpu_is(cuda):
    assert (cuda.gpu.name, cuda.gpu.capability, cuda.gpu.sms) == ('Fake GPU', '8.7', 16)
    assert cuda.gpu.hardware == '16 SM, 8 GB, driver for CUDA 12.6'
    assert Cuda(FakeCuda(integrated=True)).gpu.integrated


@pytest.mark.parametrize(('machine', 'words'), [
    (FakeCuda(gpus=0), r'no usable NVIDIA GPU \(none found\).*tegrastats'),
    (FakeCuda(driver=cudaError_t.cudaErrorInsufficientDriver, versions=(12060, 12090)),
     r'up to 12\.6, .* runtime of CUDA 12\.9.*cuda-python==12\.6\.2\.post1.*12\.6 or lower'),
    (FakeCuda(driver=cudaError_t.cudaErrorInsufficientDriver, versions=(0, 13000)),
     'no NVIDIA driver is loaded'),
    (FakeCuda(driver=cudaError_t.cudaErrorInvalidDevice), 'cudaErrorInvalidDevice'),
    (FakeCuda(driver='Failed to dlopen libcuda.so.1'), r'no NVIDIA driver is loaded \(Failed to'),
])
def test_a_machine_that_does_not_serve_says_why(machine, words):
    with pytest.raises(EngineError, match=words):
        Cuda(machine)
    assert machine.leaks() == 0


def test_a_gpu_that_is_not_there_is_refused_with_the_parameter():
    machine = FakeCuda(gpus=2)
    with pytest.raises(EngineError, match=r'engine\.device is 2, but there are 2 GPUs'):
        Cuda(machine, 2)
    second = Cuda(machine, 1)
    memory = second.on_gpu(8)
    assert machine.home[memory.device] == 1


def test_every_thread_uses_the_device_that_was_chosen():
    """A thread starts on device 0, and other libraries choose others meanwhile."""
    machine = FakeCuda(gpus=2)
    cuda = Cuda(machine, 1)
    host, device = cuda.on_host(8), cuda.on_gpu(8)
    failures = []

    def work():
        try:
            cuda.use()
            machine.cudaSetDevice(0)  # another library
            cuda.use()
            cuda.up(host, device, 8)
            cuda.wait()
        except Exception as error:
            failures.append(error)

    for _ in range(2):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert not failures


def test_when_the_event_cannot_be_made_the_stream_is_not_left():
    machine = FakeCuda()
    machine.fail['cudaEventCreateWithFlags'] = cudaError_t.cudaErrorMemoryAllocation
    with pytest.raises(EngineError):
        Cuda(machine)
    assert machine.leaks() == 0


def test_waiting_sleeps_instead_of_spinning(cuda, machine):
    host, device = cuda.on_host(4), cuda.on_gpu(4)
    host.host[:] = 7
    cuda.up(host, device, 4)
    assert machine.span(machine.device, device.device, 4)[1][0] == 0  # not before the wait
    machine.calls.clear()
    cuda.wait()
    assert machine.calls == ['cudaEventRecord', 'cudaEventSynchronize']
    assert machine.span(machine.device, device.device, 4)[1][0] == 7
    cuda.free(host)
    cuda.free(device)


def test_errors_of_the_work_surface_at_the_wait(cuda, machine):
    assert machine.enqueue(cuda.stream, broken(cudaError_t.cudaErrorInvalidValue)) == 0
    with pytest.raises(EngineError, match='cudaEventSynchronize failed: cudaErrorInvalidValue'):
        cuda.wait()
    cuda.wait()


def test_an_error_that_stays_is_a_lost_device(cuda, machine):
    machine.enqueue(cuda.stream, broken(ILLEGAL))
    with pytest.raises(DeviceLostError, match=r'IllegalAddress.*Restart the process'):
        cuda.wait()
    with pytest.raises(DeviceLostError):
        cuda.on_gpu(8)


def test_an_error_that_passes_is_not(cuda, machine):
    machine.memory = 0
    with pytest.raises(EngineError) as caught:
        cuda.on_gpu(8)
    assert not isinstance(caught.value, DeviceLostError)
    machine.memory = 1 << 20
    cuda.free(cuda.on_gpu(8))


@pytest.mark.parametrize('error', [KeyboardInterrupt, EngineError('no'), ValueError, MemoryError])
def test_whatever_ends_a_capture_the_stream_is_usable_again(cuda, machine, error):
    def enqueue():
        raise error

    with pytest.raises(error if isinstance(error, type) else type(error)):
        cuda.capture(enqueue)
    assert not machine.captures
    assert machine.graphs == {}
    cuda.free(cuda.on_gpu(8))  # forbidden while capturing
    cuda.wait()


def test_a_capture_that_was_spoiled_is_an_error_and_leaves_nothing(cuda, machine):
    with pytest.raises(EngineError, match='Capture'):
        cuda.capture(lambda: machine.cudaMalloc(8))
    assert not machine.captures
    assert machine.leaks() == 2  # stream and event


@pytest.mark.parametrize('name', ['cudaGraphInstantiate', 'cudaGraphUpload'])
def test_a_graph_that_cannot_be_made_is_not_left(cuda, machine, name):
    machine.fail[name] = cudaError_t.cudaErrorMemoryAllocation
    with pytest.raises(EngineError, match=name):
        cuda.capture(lambda: None)
    assert machine.graphs == {}


def test_a_graph_is_uploaded_before_its_first_launch(cuda, machine):
    graph = cuda.capture(lambda: None)
    assert list(machine.graphs.values()) == [graph]
    assert graph.uploaded
    cuda.forget(graph)
    assert machine.graphs == {}


def test_arrays_are_page_locked_and_given_back_when_they_are_gone(cuda, machine):
    array = cuda.array(3, 4)
    assert (array.shape, array.dtype) == ((3, 4), np.float32)
    assert cuda.is_locked(array)
    assert not cuda.is_locked(array[1:])
    assert not cuda.is_locked(np.empty((3, 4), np.float32))
    view = array[2]
    del array
    gc.collect()
    cuda.array(1, 1)
    assert len(machine.host) == 2  # the view still needs it
    view[:] = 1
    del view
    gc.collect()
    cuda.close()
    assert machine.leaks() == 0


def test_garbage_that_is_collected_while_capturing_does_not_spoil_it(cuda, machine):
    arrays = [cuda.array(2, 2)]
    graph = cuda.capture(arrays.clear)
    assert machine.host
    cuda.forget(graph)
    cuda.close()
    assert machine.leaks() == 0


def test_arrays_outlive_the_gpu_they_came_from(cuda, machine):
    array = cuda.array(2, 2)
    cuda.close()
    array[:] = 3
    del array
    gc.collect()
    assert machine.leaks() == 0


def test_mapped_memory_is_one_for_both(machine):
    cuda = Cuda(machine)
    memory = cuda.on_host(16, mapped=True)
    assert memory.device
    machine.fail['cudaHostGetDevicePointer'] = cudaError_t.cudaErrorInvalidValue
    with pytest.raises(EngineError):
        cuda.on_host(16, mapped=True)
    assert len(machine.host) == 1
    cuda.free(memory)
    cuda.close()
    assert machine.leaks() == 0
