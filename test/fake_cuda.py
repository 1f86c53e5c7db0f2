# ruff: noqa: N801, N802, N815 (names as CUDA has them)
"""
``cuda.bindings.runtime`` without a GPU: host memory, and every rule checked.

It tests our logic, not CUDA. Copies outside an allocation, in the wrong direction, on an unknown
stream or from a thread that has not chosen its device fail, as do frees of what is not
allocated. While a stream captures, work is recorded and not done.
"""

from __future__ import annotations

import ctypes
import enum
import threading
from types import SimpleNamespace


class cudaError_t(enum.IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorInsufficientDriver = 35
    cudaErrorInvalidResourceHandle = 400
    cudaErrorStreamCaptureUnsupported = 900


class cudaMemcpyKind(enum.IntEnum):
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2


class cudaStreamCaptureMode(enum.IntEnum):
    cudaStreamCaptureModeGlobal = 0
    cudaStreamCaptureModeThreadLocal = 1
    cudaStreamCaptureModeRelaxed = 2


OK = cudaError_t.cudaSuccess
BAD = cudaError_t.cudaErrorInvalidValue


class FakeCuda:
    """
    One machine.

    :param gpus: how many it has.
    :param memory: bytes of the GPU.
    """

    cudaError_t = cudaError_t
    cudaMemcpyKind = cudaMemcpyKind
    cudaStreamCaptureMode = cudaStreamCaptureMode
    cudaStreamNonBlocking = 1

    def __init__(self, gpus=1, memory=1 << 30, name='Fake GPU', driver=OK):
        self.gpus, self.memory, self.name, self.driver = gpus, memory, name, driver
        self.host, self.device, self.streams, self.graphs = {}, {}, {}, {}
        self.threads = set()
        self.recording = {}
        self.fail = {}
        self.launches = 0
        self.handle = 100

    def enqueue(self, stream, work):
        """Do the work, or record it while the stream captures."""
        stream = int(stream)
        if stream not in self.streams:
            return cudaError_t.cudaErrorInvalidResourceHandle
        if threading.get_ident() not in self.threads:
            return BAD
        if stream in self.recording:
            self.recording[stream].append(work)
            return OK
        return work()

    def span(self, table, address, count):
        """Return the memory at an address when `count` bytes of it are allocated."""
        for start, memory in table.items():
            if start <= address and address + count <= start + len(memory):
                return (ctypes.c_uint8 * count).from_address(address)
        return None

    def leaks(self):
        return len(self.host) + len(self.device) + len(self.streams) + len(self.graphs)

    # -- the functions, as the bindings have them: a tuple that starts with the error --

    def cudaGetDeviceCount(self):
        return (self.driver, self.gpus if self.driver == OK else None)

    def cudaGetDeviceProperties(self, device):
        return (OK, SimpleNamespace(name=self.name.encode() + b'\x00\x00', major=8, minor=7))

    def cudaGetErrorString(self, error):
        return (OK, cudaError_t(error).name.encode())

    def cudaGetLastError(self):
        return (OK,)

    def cudaSetDevice(self, device):
        if device >= self.gpus:
            return (BAD,)
        self.threads.add(threading.get_ident())
        return (OK,)

    def cudaStreamCreateWithFlags(self, flags):
        self.handle += 1
        self.streams[self.handle] = flags
        return (OK, self.handle)

    def cudaStreamDestroy(self, stream):
        return (OK if self.streams.pop(int(stream), None) is not None else BAD,)

    def cudaStreamSynchronize(self, stream):
        if 'cudaStreamSynchronize' in self.fail:
            return (self.fail['cudaStreamSynchronize'],)
        return (OK if int(stream) in self.streams and int(stream) not in self.recording else BAD,)

    def cudaMalloc(self, count):
        if sum(map(len, self.device.values())) + count > self.memory:
            return (cudaError_t.cudaErrorMemoryAllocation, None)
        return self._allocate(self.device, count)

    def cudaMallocHost(self, count):
        return self._allocate(self.host, count)

    def _allocate(self, table, count):
        memory = (ctypes.c_uint8 * count)()
        table[ctypes.addressof(memory)] = memory
        return (OK, ctypes.addressof(memory))

    def cudaFree(self, address):
        return (OK if self.device.pop(address, None) is not None else BAD,)

    def cudaFreeHost(self, address):
        return (OK if self.host.pop(address, None) is not None else BAD,)

    def cudaMemcpyAsync(self, to, source, count, kind, stream):
        up = kind == cudaMemcpyKind.cudaMemcpyHostToDevice
        target = self.span(self.device if up else self.host, to, count)
        origin = self.span(self.host if up else self.device, source, count)
        if target is None or origin is None:
            return (BAD,)

        def copy():
            ctypes.memmove(target, origin, count)
            return OK

        return (self.enqueue(stream, copy),)

    def cudaStreamBeginCapture(self, stream, mode):
        if int(stream) not in self.streams:
            return (BAD,)
        self.recording[int(stream)] = []
        return (OK,)

    def cudaStreamEndCapture(self, stream):
        work = self.recording.pop(int(stream), None)
        if 'cudaStreamEndCapture' in self.fail:
            return (self.fail['cudaStreamEndCapture'], None)
        return self._graph(work)

    def cudaGraphInstantiate(self, graph, flags):
        return self._graph(self.graphs[int(graph)])

    def _graph(self, work):
        self.handle += 1
        self.graphs[self.handle] = work
        return (OK, self.handle)

    def cudaGraphDestroy(self, graph):
        return (OK if self.graphs.pop(int(graph), None) is not None else BAD,)

    def cudaGraphExecDestroy(self, graph):
        return (OK if self.graphs.pop(int(graph), None) is not None else BAD,)

    def cudaGraphLaunch(self, graph, stream):
        self.launches += 1
        for work in self.graphs[int(graph)]:
            error = self.enqueue(stream, work)
            if error != OK:
                return (error,)
        return (OK,)
