"""Properties of the GPU, and a check of driver and CUDA runtime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from depth_node.errors import EngineError

_GIB = 2**30


@dataclass(frozen=True)
class Gpu:
    """
    One GPU.

    :param name: name from the driver. AGX Orin, Orin NX and Orin Nano are all called "Orin".
    :param capability: compute capability, like 8.7.
    :param sms: streaming multiprocessors.
    :param memory: memory (bytes).
    :param integrated: whether it shares its memory with the CPU, as on a Jetson.
    :param driver: newest CUDA version that the driver supports, like 12.6.
    """

    name: str
    capability: str
    sms: int
    memory: int
    integrated: bool
    driver: str

    @property
    def hardware(self) -> str:
        """Properties that distinguish GPUs of one name, because a plan is tuned for them."""
        return f'{self.sms} SM, {round(self.memory / _GIB)} GB, driver for CUDA {self.driver}'


def check_machine(runtime: Any, device: int) -> None:
    """
    Check that there is such a GPU and a driver for it.

    :param runtime: the module ``cuda.bindings.runtime``.
    :param device: index of the GPU.
    :raises EngineError: there is none, or the versions of driver and runtime do not match.
    """
    codes = runtime.cudaError_t
    try:
        error, count = runtime.cudaGetDeviceCount()
    except RuntimeError as failure:  # cuda-python 12.6: "Failed to dlopen libcuda.so.1"
        raise _no_driver(str(failure)) from failure
    if error == codes.cudaErrorInsufficientDriver:
        driver, wanted = (
            _version(version()[1]) for version in
            (runtime.cudaDriverGetVersion, runtime.cudaRuntimeGetVersion)
        )
        if driver == '0.0':
            raise _no_driver('driver version 0')
        raise EngineError(
            f'There is no usable NVIDIA GPU: the driver supports CUDA up to {driver}, but this '
            f'cuda-python has the runtime of CUDA {wanted}.',
            'On JetPack 6: pip install cuda-python==12.6.2.post1. Elsewhere install a newer '
            f'driver, or a cuda-python of version {driver} or lower.',
        )
    if error != codes.cudaSuccess:
        _, text = runtime.cudaGetErrorString(error)
        why = text.decode() if isinstance(text, bytes) else str(text)
        raise EngineError(
            f'There is no usable NVIDIA GPU ({why}).',
            'Check that nvidia-smi, or tegrastats on a Jetson, lists it.',
        )
    if not count:
        raise EngineError(
            'There is no usable NVIDIA GPU (none found).',
            'Check that nvidia-smi, or tegrastats on a Jetson, lists it.',
        )
    if device >= count:
        raise EngineError(
            f'engine.device is {device}, but there are {count} GPUs, numbered from 0.',
            'Set engine.device to one of them.',
        )


def read_gpu(call: Callable[..., Any], device: int) -> Gpu:
    """
    Return the properties of a GPU.

    :param call: calls a function of the CUDA runtime by name.
    :param device: index of the GPU.
    :returns: the GPU.
    :raises EngineError: CUDA failed.
    """
    properties = call('cudaGetDeviceProperties', device)
    name = properties.name
    text = name.decode() if isinstance(name, bytes) else str(name)
    return Gpu(
        text.rstrip('\x00'),
        f'{properties.major}.{properties.minor}',
        int(properties.multiProcessorCount),
        int(properties.totalGlobalMem),
        bool(properties.integrated),
        _version(call('cudaDriverGetVersion')),
    )


def _no_driver(why: str) -> EngineError:
    return EngineError(
        f'There is no usable NVIDIA GPU: no NVIDIA driver is loaded ({why}).',
        "Install NVIDIA's driver; in a container, start it with the NVIDIA runtime.",
    )


def _version(number: int) -> str:
    """Return a version of CUDA as text, 12.6 for 12060."""
    return f'{number // 1000}.{number % 1000 // 10}'
