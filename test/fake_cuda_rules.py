# ruff: noqa: N801, N815 (names as CUDA has them)
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

from collections import deque
from collections.abc import Callable
import ctypes
from dataclasses import dataclass, field
import enum
import functools
import threading
from typing import Any


class cudaError_t(enum.IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorInsufficientDriver = 35
    cudaErrorInvalidDevice = 101
    cudaErrorInvalidResourceHandle = 400
    cudaErrorIllegalAddress = 700
    cudaErrorLaunchFailure = 719
    cudaErrorStreamCaptureUnsupported = 900
    cudaErrorStreamCaptureInvalidated = 901
    cudaErrorStreamCaptureWrongThread = 908


class cudaMemcpyKind(enum.IntEnum):
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2


class cudaStreamCaptureMode(enum.IntEnum):
    cudaStreamCaptureModeGlobal = 0
    cudaStreamCaptureModeThreadLocal = 1
    cudaStreamCaptureModeRelaxed = 2


OK = cudaError_t.cudaSuccess
BAD = cudaError_t.cudaErrorInvalidValue
ILLEGAL = cudaError_t.cudaErrorIllegalAddress
STICKY = {ILLEGAL, cudaError_t.cudaErrorLaunchFailure}


@dataclass(frozen=True)
class Work:
    """
    One thing to do on a stream.

    :param run: does it; returns an error or success.
    :param uses: the allocations it reads or writes.
    :param context: what it runs in, with a number ``pending``; None for a copy.
    """

    run: Callable[[], int]
    uses: tuple[Any, ...] = ()
    context: Any = None


class Stream:
    def __init__(self, device, flags):
        self.device, self.flags = device, flags
        self.pending: deque[Work] = deque()


@dataclass
class Capture:
    thread: int
    work: list[Work] = field(default_factory=list)
    valid: bool = True


class cudaGraph_t:
    def __init__(self, work):
        self.work = work


class cudaGraphExec_t:
    def __init__(self, work):
        self.work, self.uploaded = work, False


def call(results=0, *, unsafe=False, always=False):
    """
    Make a function of the runtime: injected and sticky errors, and what captures forbid.

    :param results: how many values it returns besides the error.
    :param unsafe: whether it invalidates a capture of this thread.
    :param always: whether it works on a machine without a GPU and after a sticky error.
    """
    def decorated(function):
        @functools.wraps(function)
        def checked(self, *arguments):
            name = function.__name__
            self.calls.append(name)
            error = None
            if not always:
                error = self.sticky or self.injected(name)
                if error in STICKY:
                    self.sticky = error
            if error is None and unsafe:
                error = self.forbidden()
            if error is not None:
                self.last = error
                return (error, *[None] * results)
            outcome = function(self, *arguments)
            if outcome[0] != OK and not always:
                self.last = outcome[0]
            return outcome
        return checked
    return decorated


class CudaRules:
    """
    One machine.

    :param gpus: how many it has.
    :param memory: bytes of each GPU.
    :param name: of the GPUs.
    :param driver: what the driver answers; text: what the bindings raise without one.
    :param sms: multiprocessors of a GPU.
    :param integrated: whether it shares its memory with the processor, as a Jetson's does.
    :param versions: of driver and runtime, as CUDA writes them: 12060 for 12.6.
    :param capability: compute capability.
    """

    cudaError_t = cudaError_t
    cudaMemcpyKind = cudaMemcpyKind
    cudaStreamCaptureMode = cudaStreamCaptureMode
    cudaStreamNonBlocking = 1
    cudaHostAllocMapped = 2
    cudaHostAllocDefault = 0
    cudaEventBlockingSync = 1
    cudaEventDisableTiming = 2

    def __init__(
        self, gpus=1, memory=8 << 30, name='Fake GPU', driver=OK, *, sms=16, integrated=False,
        versions=(12060, 12060), capability=(8, 7),
    ):
        self.gpus, self.memory, self.name, self.driver = gpus, memory, name, driver
        self.sms, self.integrated, self.versions = sms, integrated, versions
        self.capability = capability
        self.host, self.device, self.streams, self.graphs, self.events = {}, {}, {}, {}, {}
        self.home: dict[int, int] = {}
        """Device of each allocation, by address."""
        self.current: dict[int, int] = {}
        """Device of each thread."""
        self.captures: dict[int, Capture] = {}
        self.fail: dict[str, Any] = {}
        """Errors to return by function; a list is used up, one entry a call."""
        self.faults: list[str] = []
        self.calls: list[str] = []
        self.sticky = None
        self.last = OK
        self.launches = 0
        self.handle = 100

    # -- for tests and for the fake TensorRT --

    def leaks(self):
        """Count what has not been given back."""
        return sum(map(len, (self.host, self.device, self.streams, self.graphs, self.events)))

    def device_of_thread(self):
        """Return the device that is current in this thread; CUDA's default is 0."""
        return self.current.get(threading.get_ident(), 0)

    def injected(self, name):
        """Return the error a test wants from a function now, or None."""
        found = self.fail.get(name)
        if name == 'cudaStreamEndCapture' and found:
            self.captures.clear()  # whatever it returns, the stream captures no more
        if isinstance(found, list):
            error = found.pop(0) if found else None
            return None if error == OK else error
        return found

    def forbidden(self):
        """Return the error of a call that this thread must not make while it captures."""
        mine = [c for c in self.captures.values() if c.thread == threading.get_ident()]
        for capture in mine:
            capture.valid = False
        return cudaError_t.cudaErrorStreamCaptureUnsupported if mine else None

    def capturing(self, stream):
        """Whether a stream records."""
        return int(stream) in self.captures

    def invalidate(self, stream):
        """Spoil a capture, as work that cannot be captured does."""
        self.captures[int(stream)].valid = False

    def span(self, table, address, count):
        """
        Find memory.

        :returns: the allocation and a view of `count` bytes at the address; None when they do
            not lie within one allocation.
        """
        for start, memory in table.items():
            if start <= address and address + count <= start + len(memory):
                return memory, (ctypes.c_uint8 * count).from_address(address)
        return None

    def visible(self, address, count):
        """Find memory that the GPU can read: its own, and mapped memory of the host."""
        mapped = {at: memory for at, memory in self.host.items() if getattr(memory, 'mapped', 0)}
        return self.span({**self.device, **mapped}, address, count)

    def lives(self, memory):
        """Whether an allocation has not been freed."""
        address = ctypes.addressof(memory)
        return any(table.get(address) is memory for table in (self.host, self.device))

    def enqueue(self, stream, work):
        """Put work on a stream, or record it while the stream captures."""
        handle = int(stream)
        thread = threading.get_ident()
        if self.sticky:
            return self.sticky
        if handle not in self.streams:
            return cudaError_t.cudaErrorInvalidResourceHandle
        if self.current.get(thread) != self.streams[handle].device:
            return cudaError_t.cudaErrorInvalidResourceHandle
        capture = self.captures.get(handle)
        if capture is not None:
            if not capture.valid:
                return cudaError_t.cudaErrorStreamCaptureInvalidated
            capture.work.append(work)
            return OK
        self._append(handle, work)
        return OK

    def _append(self, handle, work):
        if work.context is not None and work.context() is not None:
            work.context().pending += 1
        self.streams[handle].pending.append(work)

    def _drain(self, handle, count=None):
        """Do pending work, the first `count` or all of it."""
        pending = self.streams[handle].pending
        for _ in range(len(pending) if count is None else min(count, len(pending))):
            work = pending.popleft()
            if work.context is not None and work.context() is not None:
                work.context().pending -= 1
            error = self.sticky or OK
            if not error:
                error = work.run() if all(map(self.lives, work.uses)) else ILLEGAL
            if error in STICKY:
                self.sticky = error
            if error:
                pending.clear()
                return error
        return OK

    def _in_use(self, memory):
        return any(
            used is memory
            for stream in self.streams.values() for work in stream.pending for used in work.uses
        )

    def _allocate(self, table, count):
        device = self.current.get(threading.get_ident())
        if device is None:
            return (BAD, None)
        memory = (ctypes.c_uint8 * count)()
        address = ctypes.addressof(memory)
        table[address] = memory
        self.home[address] = device
        return (OK, address)

    def _free(self, table, address):
        memory = table.pop(int(address), None)
        if memory is None:
            return (BAD,)
        if not self.sticky and self._in_use(memory):
            self.faults.append('memory freed that pending work uses')
        return (OK,)

    # -- the functions, as the bindings have them: a tuple that starts with the error --

    def _kept(self, graph):
        self.graphs[id(graph)] = graph
        return graph

    @staticmethod
    def _check(graph, kind):
        if type(graph) is not kind:
            raise TypeError(f'{type(graph).__name__} given, expected {kind.__name__}')
