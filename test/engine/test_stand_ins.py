"""The stand-ins for CUDA and TensorRT are strict: each rule they check catches its breach."""

from __future__ import annotations

import threading

from fake_cuda import (
    BAD,
    cudaError_t,
    cudaMemcpyKind,
    cudaStreamCaptureMode,
    FakeCuda,
    ILLEGAL,
    OK,
)
from fake_tensorrt import (
    FakeTensorRt,
    ILogger,
    IProgressMonitor,
    MemoryPoolType,
    OTHER_DEVICE,
)
import numpy as np
import pytest

from depth_node.engine import graph as graphs
from depth_node.image.size import Size
from depth_node.model import ModelSpec, OutputKind
from depth_node.model import network as networks

UP = cudaMemcpyKind.cudaMemcpyHostToDevice
THREAD_LOCAL = cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
UNSUPPORTED = cudaError_t.cudaErrorStreamCaptureUnsupported
INVALIDATED = cudaError_t.cudaErrorStreamCaptureInvalidated


@pytest.fixture
def cuda():
    cuda = FakeCuda(gpus=2)
    cuda.cudaSetDevice(0)
    return cuda


@pytest.fixture
def stream(cuda):
    return cuda.cudaStreamCreateWithFlags(1)[1]


@pytest.fixture
def pair(cuda):
    """Four bytes on the host, all 7, and four on the GPU, all 0."""
    host, device = cuda.cudaHostAlloc(4, 0)[1], cuda.cudaMalloc(4)[1]
    cuda.span(cuda.host, host, 4)[1][:] = b'\7' * 4
    return host, device


def bytes_at(cuda, address):
    return bytes(cuda.span(cuda.device, address, 4)[1])


def test_work_is_done_at_the_wait_and_not_before(cuda, stream, pair):
    host, device = pair
    assert cuda.cudaMemcpyAsync(device, host, 4, UP, stream) == (OK,)
    assert bytes_at(cuda, device) == b'\0' * 4
    event = cuda.cudaEventCreateWithFlags(0)[1]
    cuda.cudaEventRecord(event, stream)
    cuda.span(cuda.host, host, 4)[1][:] = b'\5' * 4  # too early: the copy has not read it yet
    cuda.cudaEventSynchronize(event)
    assert bytes_at(cuda, device) == b'\5' * 4


def test_an_event_waits_for_what_came_before_it_only(cuda, stream, pair):
    host, device = pair
    event = cuda.cudaEventCreateWithFlags(0)[1]
    cuda.cudaEventRecord(event, stream)
    cuda.cudaMemcpyAsync(device, host, 4, UP, stream)
    cuda.cudaEventSynchronize(event)
    assert bytes_at(cuda, device) == b'\0' * 4


def test_memory_that_pending_work_uses_must_not_be_freed(cuda, stream, pair):
    host, device = pair
    cuda.cudaMemcpyAsync(device, host, 4, UP, stream)
    cuda.cudaFree(device)
    assert cuda.faults == ['memory freed that pending work uses']
    # and the work finds it gone, for good
    assert cuda.cudaStreamSynchronize(stream) == (ILLEGAL,)
    assert cuda.cudaMalloc(4) == (ILLEGAL, None)
    assert [cuda.cudaGetLastError(), cuda.cudaGetLastError()] == [(ILLEGAL,), (ILLEGAL,)]


def test_an_error_that_passes_is_cleared(cuda):
    assert cuda.cudaFree(12345) == (BAD,)
    assert [cuda.cudaGetLastError(), cuda.cudaGetLastError()] == [(BAD,), (OK,)]


@pytest.mark.parametrize('name', ['cudaMalloc', 'cudaFree', 'cudaHostAlloc', 'cudaFreeHost',
                                  'cudaStreamSynchronize', 'cudaEventSynchronize'])
def test_what_a_capture_forbids_spoils_it(cuda, stream, pair, name):
    host, device = pair
    event = cuda.cudaEventCreateWithFlags(0)[1]
    arguments = {
        'cudaMalloc': (4,), 'cudaFree': (device,), 'cudaHostAlloc': (4, 0),
        'cudaFreeHost': (host,), 'cudaStreamSynchronize': (stream,),
        'cudaEventSynchronize': (event,),
    }[name]
    cuda.cudaStreamBeginCapture(stream, THREAD_LOCAL)
    assert getattr(cuda, name)(*arguments)[0] == UNSUPPORTED
    assert cuda.cudaMemcpyAsync(device, host, 4, UP, stream) == (INVALIDATED,)
    assert cuda.cudaStreamEndCapture(stream) == (INVALIDATED, None)
    assert cuda.cudaMemcpyAsync(device, host, 4, UP, stream) == (OK,)
    cuda.cudaStreamSynchronize(stream)


def test_another_thread_may_allocate_but_not_end_the_capture(cuda, stream):
    cuda.cudaStreamBeginCapture(stream, THREAD_LOCAL)
    found = []

    def work():
        cuda.cudaSetDevice(0)
        found.extend([cuda.cudaMalloc(4)[0], cuda.cudaStreamEndCapture(stream)[0]])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [OK, cudaError_t.cudaErrorStreamCaptureWrongThread]
    assert cuda.cudaStreamEndCapture(stream)[0] == OK


def captured(cuda, stream, *copies):
    cuda.cudaStreamBeginCapture(stream, THREAD_LOCAL)
    for host, device in copies:
        cuda.cudaMemcpyAsync(device, host, 4, UP, stream)
    graph = cuda.cudaStreamEndCapture(stream)[1]
    return graph, cuda.cudaGraphInstantiate(graph, 0)[1]


def test_graphs_and_executables_are_two_things(cuda, stream, pair):
    graph, executable = captured(cuda, stream, pair)
    for name, wrong in (
        ('cudaGraphLaunch', graph), ('cudaGraphUpload', graph), ('cudaGraphExecDestroy', graph),
        ('cudaGraphDestroy', executable), ('cudaGraphInstantiate', executable),
    ):
        arguments = () if 'Destroy' in name else (0,) if 'Inst' in name else (stream,)
        with pytest.raises(TypeError):
            getattr(cuda, name)(wrong, *arguments)
    cuda.cudaGraphDestroy(graph)
    assert cuda.cudaGraphLaunch(executable, stream) == (OK,)


def test_a_graph_replayed_with_memory_that_is_gone_is_an_illegal_address(cuda, stream, pair):
    _, device = pair
    _, executable = captured(cuda, stream, pair)
    cuda.cudaFree(device)
    again = cuda.cudaMalloc(4)[1]  # maybe at the same address: still not the same memory
    assert again
    cuda.cudaGraphLaunch(executable, stream)
    assert cuda.cudaStreamSynchronize(stream) == (ILLEGAL,)


def test_enums_have_to_be_enums(cuda, stream, pair):
    host, device = pair
    with pytest.raises(TypeError):
        cuda.cudaMemcpyAsync(device, host, 4, 1, stream)
    with pytest.raises(TypeError):
        cuda.cudaStreamBeginCapture(stream, 1)


def test_streams_belong_to_a_device_and_threads_choose_one(cuda, stream, pair):
    host, device = pair
    cuda.cudaSetDevice(1)
    wrong = cudaError_t.cudaErrorInvalidResourceHandle
    assert cuda.cudaMemcpyAsync(device, host, 4, UP, stream) == (wrong,)
    found = []
    thread = threading.Thread(target=lambda: found.append(cuda.cudaMalloc(4)[0]))
    thread.start()
    thread.join()
    assert found == [BAD]


def test_a_stream_with_pending_work_must_not_be_destroyed(cuda, stream, pair):
    host, device = pair
    cuda.cudaMemcpyAsync(device, host, 4, UP, stream)
    cuda.cudaStreamDestroy(stream)
    assert cuda.faults == ['stream destroyed with pending work']


# -- TensorRT --


class Logger(ILogger):
    def __init__(self):
        self.lines, self.threads = [], set()

    def log(self, severity, message):
        self.lines.append((severity, message))
        self.threads.add(threading.get_ident())


class Monitor(IProgressMonitor):
    def __init__(self, fails=False):
        self.fails, self.threads, self.open, self.most = fails, set(), set(), 0

    def phase_start(self, phase_name, parent_phase, num_steps):
        self.open.add(phase_name)
        self.most = max(self.most, len(self.open))
        self.threads.add(threading.get_ident())

    def step_complete(self, phase_name, step):
        if self.fails:
            raise ValueError('a bug')
        return True

    def phase_finish(self, phase_name):
        self.open.discard(phase_name)


@pytest.fixture
def trt(cuda):
    return FakeTensorRt(cuda)


@pytest.fixture
def graph(network):
    path = network()
    spec = ModelSpec('tiny', OutputKind.RELATIVE_DEPTH)
    whole = graphs.merged(networks.load(path), networks.inspect(path), spec, Size(32, 24))
    return whole.SerializeToString()


def built(trt, graph, monitor=None, logger=None):
    logger = logger or Logger()
    builder = trt.Builder(logger)
    net = builder.create_network(0)
    trt.OnnxParser(net, logger).parse(graph)
    config = builder.create_builder_config()
    config.set_memory_pool_limit(MemoryPoolType.WORKSPACE, 1 << 30)
    profile = builder.create_optimization_profile()
    profile.set_shape('frame', (120, 160, 3), (480, 640, 3), (1080, 1920, 3))
    config.add_optimization_profile(profile)
    config.progress_monitor = monitor or Monitor()
    return builder.build_serialized_network(net, config)


def test_monitor_and_logger_are_called_from_several_threads(trt, graph):
    monitor, logger = Monitor(), Logger()
    assert built(trt, graph, monitor, logger) is not None
    assert len(monitor.threads) > 1
    assert len(logger.threads) > 1
    assert monitor.most > 1


def test_a_monitor_that_raises_cancels(trt, graph, capsys):
    assert built(trt, graph, Monitor(fails=True)) is None
    assert 'a bug' in capsys.readouterr().err


@pytest.fixture
def context(trt, graph, cuda):
    plan = built(trt, graph)
    runtime = trt.Runtime(Logger())
    runtime.error_recorder = None
    engine = runtime.deserialize_cuda_engine(bytes(plan))
    context = engine.create_execution_context()
    context.set_input_shape('frame', (120, 160, 3))
    for name, count in (('frame', 120 * 160 * 3), ('depth', 120 * 160 * 4)):
        context.set_tensor_address(name, cuda.cudaMalloc(count)[1])
    return context


def test_the_first_run_after_a_change_cannot_be_captured(context, cuda, stream):
    for change in (lambda: None, lambda: context.set_input_shape('frame', (120, 161, 3))):
        change()
        cuda.cudaStreamBeginCapture(stream, THREAD_LOCAL)
        assert context.execute_async_v3(stream) is False
        assert cuda.cudaStreamEndCapture(stream)[0] == INVALIDATED
        context.set_input_shape('frame', (120, 160, 3))
        assert context.execute_async_v3(stream)
        cuda.cudaStreamSynchronize(stream)
        cuda.cudaStreamBeginCapture(stream, THREAD_LOCAL)
        assert context.execute_async_v3(stream)
        assert cuda.cudaStreamEndCapture(stream)[0] == OK


@pytest.mark.parametrize('change', ['shape', 'address', 'gone'])
def test_a_graph_bakes_in_context_shape_and_addresses(context, cuda, stream, change):
    context.execute_async_v3(stream)
    cuda.cudaStreamSynchronize(stream)
    cuda.cudaStreamBeginCapture(stream, THREAD_LOCAL)
    context.execute_async_v3(stream)
    executable = cuda.cudaGraphInstantiate(cuda.cudaStreamEndCapture(stream)[1], 0)[1]
    cuda.cudaGraphLaunch(executable, stream)
    assert cuda.cudaStreamSynchronize(stream) == (OK,)
    if change == 'shape':
        context.set_input_shape('frame', (120, 161, 3))
    elif change == 'address':
        context.set_tensor_address('depth', cuda.cudaMalloc(120 * 160 * 4)[1])
    else:
        context.engine.session = None
        for address in list(cuda.device):
            cuda.cudaFree(address)
    cuda.cudaGraphLaunch(executable, stream)
    assert cuda.cudaStreamSynchronize(stream) == (ILLEGAL,)


def test_a_context_with_pending_work_must_not_go(trt, graph, cuda, stream):
    engine = trt.Runtime(Logger()).deserialize_cuda_engine(bytes(built(trt, graph)))
    context = engine.create_execution_context()
    context.set_input_shape('frame', (120, 160, 3))
    for name, count in (('frame', 120 * 160 * 3), ('depth', 120 * 160 * 4)):
        context.set_tensor_address(name, cuda.cudaMalloc(count)[1])
    context.execute_async_v3(stream)
    del context
    assert cuda.faults == ['context destroyed with pending work']


def test_a_plan_of_another_device_is_a_warning_only(trt, graph):
    plan = bytes(built(trt, graph))
    trt.cuda.sms = 4
    logger = Logger()
    assert trt.Runtime(logger).deserialize_cuda_engine(plan) is not None
    assert (ILogger.WARNING, OTHER_DEVICE) in logger.lines


def test_timings_of_another_device_are_refused_unless_asked_for(trt):
    config = trt.Builder(Logger()).create_builder_config()
    foreign = config.create_timing_cache(b'TIMING Other/1 x')
    assert not config.set_timing_cache(foreign, False)
    assert config.set_timing_cache(foreign, True)
    assert config.set_timing_cache(config.create_timing_cache(b''), False)
    assert config.create_timing_cache(b'garbage').content == b''


@pytest.mark.parametrize(('shape', 'words'), [
    ('requested', 'Requested size was 1073741824 bytes'),
    ('implementation', 'Could not find any implementation'),
])
def test_out_of_memory_returns_null_and_logs(cuda, graph, shape, words):
    trt, logger = FakeTensorRt(cuda, memory_mb=1, shape=shape), Logger()
    assert built(trt, graph, logger=logger) is None
    assert any(words in message for _, message in logger.lines)


def test_results_come_from_the_network(context, cuda, stream):
    context.execute_async_v3(stream)
    address = context.addresses['depth']
    view = np.ctypeslib.as_array(cuda.span(cuda.device, address, 8)[1]).view(np.float32)
    assert not view.any()
    cuda.cudaStreamSynchronize(stream)
    np.testing.assert_allclose(view, 0.5)  # sigmoid of a black frame
