# ruff: noqa: N802 (names as CUDA has them)
"""
``cuda.bindings.runtime`` without a GPU: host memory, and every rule checked.

It tests our logic, not CUDA. The rules are those of CUDA's documentation:

* Work on a stream is done when the stream or one of its events is synchronized, and not before;
  an error of the work surfaces there. An illegal address is sticky: from then on every call of
  the process returns it.
* While a stream captures, work is recorded and not done. Allocating, freeing and synchronizing
  in the capturing thread are errors then and invalidate the capture.
* A graph bakes in the addresses, and with TensorRT the context and its shapes. Replaying it after
  one of them is gone or changed is an illegal address.
* Graph and executable graph are different types; enums have to be enums, as Cython wants them.
* Every thread has a current device of its own, and streams and memory belong to a device. A
  thread that has not chosen one is refused, which is stricter than CUDA's default of device 0.

What CUDA leaves undefined is written into ``faults``, which has to be empty at the end of a test:
freeing memory that pending work uses, destroying a context with pending work.
"""

from __future__ import annotations

import ctypes
import threading
from types import SimpleNamespace

from fake_cuda_rules import (  # noqa: F401
    BAD,
    call,
    Capture,
    cudaError_t,
    cudaGraph_t,
    cudaGraphExec_t,
    cudaMemcpyKind,
    CudaRules,
    cudaStreamCaptureMode,
    ILLEGAL,
    OK,
    STICKY,
    Stream,
    Work,
)


class FakeCuda(CudaRules):
    """The functions of cuda.bindings.runtime that we call."""

    @call(1, always=True)
    def cudaGetDeviceCount(self):
        if isinstance(self.driver, str):  # as cuda-python 12.6 does without libcuda.so.1
            raise RuntimeError(self.driver)
        return (self.driver, self.gpus if self.driver == OK else None)

    @call(1, always=True)
    def cudaDriverGetVersion(self):
        return (OK, self.versions[0])

    @call(1, always=True)
    def cudaRuntimeGetVersion(self):
        return (OK, self.versions[1])

    @call(1, always=True)
    def cudaGetErrorString(self, error):
        return (OK, cudaError_t(error).name.encode())

    @call(always=True)
    def cudaGetLastError(self):
        # a sticky error cannot be cleared
        error, self.last = self.last, self.sticky or OK
        return (error,)

    @call(1)
    def cudaGetDeviceProperties(self, device):
        return (OK, SimpleNamespace(
            name=self.name.encode() + b'\x00\x00', major=self.capability[0],
            minor=self.capability[1], multiProcessorCount=self.sms,
            totalGlobalMem=self.memory, integrated=int(self.integrated),
            canMapHostMemory=1,
        ))

    @call(2)
    def cudaMemGetInfo(self):
        device = self.current.get(threading.get_ident(), 0)
        used = sum(len(m) for at, m in self.device.items() if self.home[at] == device)
        return (OK, self.memory - used, self.memory)

    @call()
    def cudaSetDevice(self, device):
        if device >= self.gpus:
            return (cudaError_t.cudaErrorInvalidDevice,)
        self.current[threading.get_ident()] = device
        return (OK,)

    @call(1)
    def cudaStreamCreateWithFlags(self, flags):
        self.handle += 1
        self.streams[self.handle] = Stream(self.current[threading.get_ident()], flags)
        return (OK, self.handle)

    @call()
    def cudaStreamDestroy(self, stream):
        found = self.streams.pop(int(stream), None)
        if found is not None and found.pending:
            self.faults.append('stream destroyed with pending work')
        return (OK if found is not None else BAD,)

    @call(unsafe=True)
    def cudaStreamSynchronize(self, stream):
        if int(stream) not in self.streams or self.capturing(stream):
            return (BAD,)
        return (self._drain(int(stream)),)

    @call(1)
    def cudaEventCreateWithFlags(self, flags):
        self.handle += 1
        self.events[self.handle] = None
        return (OK, self.handle)

    @call()
    def cudaEventRecord(self, event, stream):
        if int(event) not in self.events or int(stream) not in self.streams:
            return (cudaError_t.cudaErrorInvalidResourceHandle,)
        if self.capturing(stream):
            return (BAD,)
        self.events[int(event)] = (int(stream), len(self.streams[int(stream)].pending))
        return (OK,)

    @call(unsafe=True)
    def cudaEventSynchronize(self, event):
        if int(event) not in self.events:
            return (cudaError_t.cudaErrorInvalidResourceHandle,)
        recorded = self.events[int(event)]
        return (OK,) if recorded is None else (self._drain(*recorded),)

    @call()
    def cudaEventDestroy(self, event):
        return (OK if self.events.pop(int(event), 0) != 0 else BAD,)

    @call(1, unsafe=True)
    def cudaMalloc(self, count):
        device = self.current.get(threading.get_ident())
        used = sum(len(m) for at, m in self.device.items() if self.home[at] == device)
        if used + count > self.memory:
            return (cudaError_t.cudaErrorMemoryAllocation, None)
        return self._allocate(self.device, count)

    @call(1, unsafe=True)
    def cudaHostAlloc(self, count, flags):
        error, address = self._allocate(self.host, count)
        if error == OK:
            self.host[address].mapped = bool(flags & self.cudaHostAllocMapped)
        return (error, address)

    @call(1)
    def cudaHostGetDevicePointer(self, address, flags):
        memory = self.host.get(int(address))
        if memory is None or not memory.mapped or flags:
            return (BAD, None)
        return (OK, int(address))

    @call(unsafe=True)
    def cudaFree(self, address):
        return self._free(self.device, address)

    @call(unsafe=True)
    def cudaFreeHost(self, address):
        return self._free(self.host, address)

    @call()
    def cudaMemcpyAsync(self, to, source, count, kind, stream):
        if not isinstance(kind, cudaMemcpyKind):
            raise TypeError(f'kind is {type(kind)}, expected cudaMemcpyKind')
        up = kind == cudaMemcpyKind.cudaMemcpyHostToDevice
        target = self.span(self.device if up else self.host, to, count)
        origin = self.span(self.host if up else self.device, source, count)
        if target is None or origin is None:
            return (BAD,)

        def copy():
            ctypes.memmove(target[1], origin[1], count)
            return OK

        return (self.enqueue(stream, Work(copy, (target[0], origin[0]))),)

    @call()
    def cudaStreamBeginCapture(self, stream, mode):
        if not isinstance(mode, cudaStreamCaptureMode):
            raise TypeError(f'mode is {type(mode)}, expected cudaStreamCaptureMode')
        if int(stream) not in self.streams or self.capturing(stream):
            return (BAD,)
        self.captures[int(stream)] = Capture(threading.get_ident())
        return (OK,)

    @call(1)
    def cudaStreamEndCapture(self, stream):
        capture = self.captures.get(int(stream))
        if capture is None:
            return (BAD, None)
        if capture.thread != threading.get_ident():
            return (cudaError_t.cudaErrorStreamCaptureWrongThread, None)
        del self.captures[int(stream)]
        if not capture.valid:
            return (cudaError_t.cudaErrorStreamCaptureInvalidated, None)
        return (OK, self._kept(cudaGraph_t(capture.work)))

    @call(1)
    def cudaGraphInstantiate(self, graph, flags):
        self._check(graph, cudaGraph_t)
        return (OK, self._kept(cudaGraphExec_t(graph.work)))

    @call()
    def cudaGraphUpload(self, graph, stream):
        self._check(graph, cudaGraphExec_t)
        graph.uploaded = True
        return (OK,)

    @call()
    def cudaGraphDestroy(self, graph):
        self._check(graph, cudaGraph_t)
        return (OK if self.graphs.pop(id(graph), None) is not None else BAD,)

    @call()
    def cudaGraphExecDestroy(self, graph):
        self._check(graph, cudaGraphExec_t)
        return (OK if self.graphs.pop(id(graph), None) is not None else BAD,)

    @call()
    def cudaGraphLaunch(self, graph, stream):
        self._check(graph, cudaGraphExec_t)
        if id(graph) not in self.graphs:
            return (cudaError_t.cudaErrorInvalidResourceHandle,)
        self.launches += 1
        for work in graph.work:
            error = self.enqueue(stream, work)
            if error != OK:
                return (error,)
        return (OK,)
