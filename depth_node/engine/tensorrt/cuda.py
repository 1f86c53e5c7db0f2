"""The few calls of the CUDA runtime an engine needs, failing as EngineError."""

from __future__ import annotations

from collections.abc import Callable
import ctypes
from dataclasses import dataclass
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.errors import EngineError


class Cuda:
    """
    One GPU and one stream of our own.

    :param runtime: the module ``cuda.bindings.runtime``.
    :param device: which GPU.
    :raises EngineError: no GPU, or a driver that is too old.
    """

    def __init__(self, runtime: Any, device: int = 0) -> None:
        self._runtime = runtime
        self._device = device
        self._thread = -1
        # asked before anything else: without a GPU other libraries end the process
        error, count = runtime.cudaGetDeviceCount()
        if error != runtime.cudaError_t.cudaSuccess or not count:
            why = self._text(error) if error != runtime.cudaError_t.cudaSuccess else 'none found'
            raise EngineError(
                f'There is no usable NVIDIA GPU ({why}).',
                'Install a driver that fits the CUDA version of cuda-python.',
            )
        properties = self.call('cudaGetDeviceProperties', device)
        name = properties.name
        self.gpu = name.decode() if isinstance(name, bytes) else str(name)
        self.gpu = self.gpu.rstrip('\x00')
        self.capability = f'{properties.major}.{properties.minor}'
        self.use()
        self._stream = self.call('cudaStreamCreateWithFlags', runtime.cudaStreamNonBlocking)

    def call(self, name: str, *arguments: Any) -> Any:
        """
        Call a function of the runtime.

        :param name: of the function.
        :param arguments: its arguments.
        :returns: its result, or None when it has none.
        :raises EngineError: it returned an error.
        """
        error, *results = getattr(self._runtime, name)(*arguments)
        if error != self._runtime.cudaError_t.cudaSuccess:
            raise EngineError(f'{name} failed: {self._text(error)}.')
        return results[0] if results else None

    def use(self) -> None:
        """Make the GPU current in this thread; every thread has a current device of its own."""
        if threading.get_ident() != self._thread:
            self.call('cudaSetDevice', self._device)
            self._thread = threading.get_ident()

    @property
    def stream(self) -> int:
        """Handle of the stream."""
        return int(self._stream)

    def wait(self) -> None:
        """Wait until everything on the stream is done."""
        self.call('cudaStreamSynchronize', self._stream)

    def up(self, buffer: Buffer, count: int) -> None:
        """Copy `count` bytes of a buffer to the GPU, asynchronously."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        self.call('cudaMemcpyAsync', buffer.device, buffer.address, count, kind, self._stream)

    def down(self, buffer: Buffer, count: int) -> None:
        """Copy `count` bytes of a buffer from the GPU, asynchronously."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self.call('cudaMemcpyAsync', buffer.address, buffer.device, count, kind, self._stream)

    def allocate(self, count: int) -> Buffer:
        """
        Allocate the same number of bytes page-locked on the host and on the GPU.

        :param count: bytes.
        :returns: the buffer.
        :raises EngineError: out of memory; nothing stays allocated.
        """
        address = self.call('cudaMallocHost', count)
        try:
            device = self.call('cudaMalloc', count)
        except EngineError:
            self.call('cudaFreeHost', address)
            raise
        memory = (ctypes.c_uint8 * count).from_address(int(address))
        return Buffer(int(address), int(device), np.ctypeslib.as_array(memory))

    def free(self, buffer: Buffer) -> None:
        """Give a buffer back; errors do not matter any more."""
        self._runtime.cudaFree(buffer.device)
        self._runtime.cudaFreeHost(buffer.address)

    def capture(self, enqueue: Callable[[], None]) -> Any:
        """
        Record work as a graph that is launched in one call.

        :param enqueue: puts the work on the stream.
        :returns: the graph, for :meth:`launch` and :meth:`forget`.
        :raises EngineError: something in it cannot be captured; the stream is usable again.
        """
        mode = self._runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self.call('cudaStreamBeginCapture', self._stream, mode)
        try:
            enqueue()
        except EngineError:
            _, graph = self._runtime.cudaStreamEndCapture(self._stream)
            if graph is not None:
                self._runtime.cudaGraphDestroy(graph)
            self._runtime.cudaGetLastError()
            raise
        graph = self.call('cudaStreamEndCapture', self._stream)
        try:
            return self.call('cudaGraphInstantiate', graph, 0)
        finally:
            self._runtime.cudaGraphDestroy(graph)

    def launch(self, graph: Any) -> None:
        """Put a captured graph on the stream."""
        self.call('cudaGraphLaunch', graph, self._stream)

    def forget(self, graph: Any) -> None:
        """Free a captured graph."""
        self._runtime.cudaGraphExecDestroy(graph)

    def close(self) -> None:
        """Free the stream; may be called more than once."""
        if self._stream is not None:
            self._runtime.cudaStreamDestroy(self._stream)
            self._stream = None

    def _text(self, error: Any) -> str:
        _, text = self._runtime.cudaGetErrorString(error)
        return text.decode() if isinstance(text, bytes) else str(text)


@dataclass(frozen=True)
class Buffer:
    """
    Page-locked memory on the host and as much on the GPU.

    :param address: of the host's memory.
    :param device: address of the GPU's memory.
    :param host: uint8 view of the host's memory.
    """

    address: int
    device: int
    host: NDArray[np.uint8]


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
            'Install them: pip install cuda-python (12.x with JetPack 6, 13.x with JetPack 7).',
        ) from error
    return runtime
