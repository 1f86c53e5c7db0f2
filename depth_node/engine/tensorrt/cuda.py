"""The calls of the CUDA runtime that an engine needs, with errors as EngineError."""

from __future__ import annotations

from collections.abc import Callable
import contextlib
import ctypes
from dataclasses import dataclass
from typing import Any
import weakref

import numpy as np
from numpy.typing import NDArray

from depth_node.engine.tensorrt.gpu import check_machine, Gpu, read_gpu
from depth_node.errors import DeviceLostError, EngineError


@dataclass(frozen=True)
class Memory:
    """
    A block of memory, of the host or of the GPU.

    :param address: host address; 0 for memory of the GPU.
    :param device: device address; 0 for host memory that the GPU cannot access.
    :param size: bytes.
    :param host: uint8 view of host memory; empty for memory of the GPU.
    """

    address: int
    device: int
    size: int
    host: NDArray[np.uint8]


class Cuda:
    """
    One GPU with a stream and an event.

    May be used from any thread, but never from two at once.

    :param runtime: the module ``cuda.bindings.runtime``.
    :param device: index of the GPU.
    :raises EngineError: there is no such GPU, or the driver is too old.
    """

    def __init__(self, runtime: Any, device: int = 0) -> None:
        self._runtime = runtime
        self._device = device
        # page-locked outputs: those in use by address, and those whose arrays are gone
        self._arrays: dict[int, int] = {}
        self._dropped: list[int] = []
        self._stream: Any = None
        self._event: Any = None
        # asked before anything else: without a GPU other libraries end the process
        check_machine(runtime, device)
        self.gpu: Gpu = read_gpu(self.call, device)
        self.use()
        try:
            self._stream = self.call('cudaStreamCreateWithFlags', runtime.cudaStreamNonBlocking)
            # waiting for it puts the thread to sleep; waiting for the stream would spin on a core
            flags = runtime.cudaEventBlockingSync | runtime.cudaEventDisableTiming
            self._event = self.call('cudaEventCreateWithFlags', flags)
        except BaseException:
            self.close()
            raise

    def call(self, name: str, *arguments: Any) -> Any:
        """
        Call a function of the runtime.

        :param name: name of the function.
        :param arguments: its arguments.
        :returns: its result, or None if it has none.
        :raises DeviceLostError: it returned an error, as will every further call.
        :raises EngineError: it returned an error.
        """
        error, *results = getattr(self._runtime, name)(*arguments)
        if error != self._runtime.cudaError_t.cudaSuccess:
            text = self._text(error)
            if self._is_sticky():
                raise DeviceLostError(
                    f'{name} failed: {text}. CUDA is not usable by this process any more.',
                    'Restart the process. If it happens again, check the kernel log (dmesg).',
                )
            raise EngineError(f'{name} failed: {text}.')
        return results[0] if results else None

    def use(self) -> None:
        """Make the GPU the current device of this thread."""
        # every time: another library may have chosen another one, and ids of threads are reused
        self.call('cudaSetDevice', self._device)

    @property
    def stream(self) -> int:
        """Handle of the stream."""
        return int(self._stream)

    def free_memory(self) -> int:
        """Return the free memory of the GPU (bytes)."""
        return int(self.call('cudaMemGetInfo'))

    def wait(self) -> None:
        """
        Wait until all work on the stream is done.

        :raises EngineError: some of the work failed.
        """
        self.call('cudaEventRecord', self._event, self._stream)
        self.call('cudaEventSynchronize', self._event)

    def settle(self) -> None:
        """Wait until nothing is pending, ignoring errors, before memory is freed."""
        if self._stream is not None:
            with contextlib.suppress(EngineError):
                self.call('cudaStreamSynchronize', self._stream)

    def up(self, source: Memory, target: Memory, count: int) -> None:
        """Copy `count` bytes to the GPU, asynchronously."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        self.call(
            'cudaMemcpyAsync', target.device, source.address, count, kind, self._stream
        )

    def down(self, source: Memory, address: int, count: int) -> None:
        """Copy `count` bytes from the GPU to page-locked memory, asynchronously."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self.call('cudaMemcpyAsync', address, source.device, count, kind, self._stream)

    def on_gpu(self, count: int) -> Memory:
        """
        Allocate memory on the GPU.

        :param count: bytes.
        :returns: the memory.
        :raises EngineError: out of memory.
        """
        return Memory(0, int(self.call('cudaMalloc', count)), count, np.empty(0, np.uint8))

    def on_host(self, count: int, *, mapped: bool = False) -> Memory:
        """
        Allocate page-locked memory of the host.

        :param count: bytes.
        :param mapped: whether the GPU accesses it directly, if both share their memory.
        :returns: the memory.
        :raises EngineError: out of memory; nothing remains allocated.
        """
        runtime = self._runtime
        flags = runtime.cudaHostAllocMapped if mapped else runtime.cudaHostAllocDefault
        address = int(self.call('cudaHostAlloc', count, flags))
        device = 0
        if mapped:
            try:
                device = int(self.call('cudaHostGetDevicePointer', address, 0))
            except BaseException:
                runtime.cudaFreeHost(address)
                raise
        memory = (ctypes.c_uint8 * count).from_address(address)
        return Memory(address, device, count, np.ctypeslib.as_array(memory))

    def free(self, memory: Memory) -> None:
        """Free memory that no pending work uses, ignoring errors."""
        if memory.address:
            self._runtime.cudaFreeHost(memory.address)
        else:
            self._runtime.cudaFree(memory.device)

    def array(self, height: int, width: int) -> NDArray[np.float32]:
        """
        Return an array in page-locked memory, to which the GPU copies directly.

        The memory is freed some time after its last view is deleted.

        :param height: rows.
        :param width: columns.
        :returns: float32 (height, width).
        :raises EngineError: out of memory.
        """
        self._collect()
        count = height * width * 4
        flags = self._runtime.cudaHostAllocDefault
        address = int(self.call('cudaHostAlloc', count, flags))
        memory = (ctypes.c_uint8 * count).from_address(address)
        weakref.finalize(memory, self._drop, address).atexit = False
        self._arrays[address] = count
        array: NDArray[np.float32] = np.ctypeslib.as_array(memory).view(np.float32)
        return array.reshape(height, width)

    def is_locked(self, array: NDArray[np.float32]) -> bool:
        """
        Return whether the GPU can copy to an array.

        :param array: any array.
        :returns: whether it is a complete array from :meth:`array`.
        """
        return (
            self._arrays.get(array.ctypes.data) == array.nbytes and array.flags['C_CONTIGUOUS']
        )

    def capture(self, enqueue: Callable[[], None]) -> Any:
        """
        Capture work as a graph that is launched in one call.

        :param enqueue: enqueues the work on the stream.
        :returns: the graph, for :meth:`launch` and :meth:`forget`.
        :raises EngineError: the work cannot be captured; the stream remains usable, as after any
            other exception of `enqueue`.
        """
        mode = self._runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        try:
            self.call('cudaStreamBeginCapture', self._stream, mode)
            enqueue()
            graph = self.call('cudaStreamEndCapture', self._stream)
        except BaseException:
            _, graph = self._runtime.cudaStreamEndCapture(self._stream)
            if graph is not None:
                self._runtime.cudaGraphDestroy(graph)
            self._runtime.cudaGetLastError()
            raise
        try:
            executable = self.call('cudaGraphInstantiate', graph, 0)
        finally:
            self._runtime.cudaGraphDestroy(graph)
        try:
            self.call('cudaGraphUpload', executable, self._stream)
        except BaseException:
            self.forget(executable)
            raise
        return executable

    def launch(self, graph: Any) -> None:
        """Launch a captured graph on the stream."""
        self.call('cudaGraphLaunch', graph, self._stream)

    def forget(self, graph: Any) -> None:
        """Free a captured graph."""
        self._runtime.cudaGraphExecDestroy(graph)

    def close(self) -> None:
        """Free stream and event, without pending work; may be called repeatedly."""
        if self._event is not None:
            self._runtime.cudaEventDestroy(self._event)
            self._event = None
        if self._stream is not None:
            self._runtime.cudaStreamDestroy(self._stream)
            self._stream = None
        self._collect()

    def _drop(self, address: int) -> None:
        """Record a deleted array, which is freed later, because a capture may be in progress."""
        del self._arrays[address]
        if self._stream is None:
            self._runtime.cudaFreeHost(address)
        else:
            self._dropped.append(address)

    def _collect(self) -> None:
        while self._dropped:
            self._runtime.cudaFreeHost(self._dropped.pop())

    def _is_sticky(self) -> bool:
        """Return whether the last error cannot be cleared, so that the context is unusable."""
        self._runtime.cudaGetLastError()
        error, = self._runtime.cudaGetLastError()
        return bool(error != self._runtime.cudaError_t.cudaSuccess)

    def _text(self, error: Any) -> str:
        _, text = self._runtime.cudaGetErrorString(error)
        return text.decode() if isinstance(text, bytes) else str(text)


def load_cuda() -> Any:
    """
    Import the CUDA runtime's bindings.

    :returns: the module.
    :raises EngineError: not installed.
    """
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        raise EngineError(
            f'The CUDA bindings cannot be imported ({error}).',
            'Install them: pip install cuda-python (12.6.2.post1 with JetPack 6, 13.x with '
            'JetPack 7).',
        ) from error
    return runtime
