"""Opening of TensorRT engines."""

from __future__ import annotations

import contextlib

from depth_node.engine.base import Request
from depth_node.engine.tensorrt.cuda import Cuda, load_cuda
from depth_node.engine.tensorrt.gpu import Gpu, read_gpu
from depth_node.engine.tensorrt.job import Job
from depth_node.engine.tensorrt.library import load_library
from depth_node.engine.tensorrt.runtime import TensorRtEngine
from depth_node.errors import DataError


def open_tensorrt(request: Request) -> TensorRtEngine:
    """
    Open the engine of a network, after building it if needed.

    :param request: the arguments.
    :returns: the engine, ready for the camera of the request.
    :raises DeviceLostError: CUDA is not usable by this process any more.
    :raises EngineError: no GPU, no TensorRT, or no precision that agrees with the network.
    :raises ModelError: the file is not a network this package can run.
    :raises CancelledError: it was cancelled.
    """
    library = load_library()
    cuda = Cuda(load_cuda(), request.config.device)
    try:
        engine = Job(request, library, cuda).open()
    except BaseException:
        cuda.settle()
        cuda.close()
        raise
    if request.camera is not None:
        try:
            engine.prepare(request.camera)
        except DataError:
            pass  # a frame that is larger than the engine takes is refused when it comes
        except BaseException:
            engine.close()
            raise
    return engine


def current() -> tuple[str, tuple[str, ...]]:
    """
    Return the runtime and GPUs that cached engines must match.

    :returns: TensorRT with its version, and the names of the GPUs.
    :raises EngineError: no GPU or no TensorRT.
    """
    return load_library().name, tuple(gpu.name for gpu in gpus())


def version() -> str:
    """
    Return the version of TensorRT.

    :returns: for example ``10.3.0``.
    :raises EngineError: no TensorRT, or one that is too old.
    """
    return '.'.join(map(str, load_library().version))


def gpus() -> tuple[Gpu, ...]:
    """
    Return the GPUs of this machine.

    :returns: at least one.
    :raises EngineError: no GPU, no driver, or no CUDA bindings.
    """
    with contextlib.closing(Cuda(load_cuda())) as cuda:
        count = int(cuda.call('cudaGetDeviceCount'))
        return tuple(read_gpu(cuda.call, device) for device in range(count))
