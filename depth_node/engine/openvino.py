"""OpenVINO: the engine for CPUs."""

from __future__ import annotations

import functools
from pathlib import Path
import sys
from types import ModuleType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from depth_node.engine.host import HostEngine, named_planes
from depth_node.engine.openvino_cache import prepared, remember
from depth_node.engine.prepare import Preparation
from depth_node.errors import EngineError
from depth_node.image.size import Size
from depth_node.model import Model
from depth_node.model import network as networks
from depth_node.model.network import NetworkInfo


def open_openvino(
    model: Model,
    size: Size,
    *,
    precision: str = 'auto',
    threads: int = 0,
    cache: Path | None = None,
) -> HostEngine:
    """
    Compile a network for the CPU.

    :param model: the network.
    :param size: the size to run at (pixels).
    :param precision: auto, fp32 or bf16, as ``engine.precision`` has it.
    :param threads: CPU threads; 0: one per physical core.
    :param cache: folder for compiled networks, or None for none.
    :returns: the engine.
    :raises EngineError: OpenVINO is not installed or does not take the network, or the processor
        does not have the precision.
    :raises ModelError: the file is not a network this package can run.
    """
    info = networks.inspect(model.path, model.spec)
    core = shared_core()
    folder = None if cache is None else prepared(cache, model.spec.name, size)
    options = cpu_options(core, precision, threads, folder)
    compiled = compiled_network(core, read(core, info, size), info, options)
    if folder is not None:
        remember(folder)
    return host_engine(
        model, info, size, compiled, 'bf16' if precision == 'bf16' else 'fp32'
    )


def host_engine(
    model: Model, info: NetworkInfo, size: Size, compiled: Any, precision: str
) -> HostEngine:
    """
    Put the preparation around a compiled network.

    :param model: the network.
    :param info: its ends.
    :param size: the size it was compiled for (pixels).
    :param compiled: OpenVINO's compiled model.
    :param precision: of it, for the description.
    :returns: the engine.
    :raises ModelError: an output has another size than the input.
    """
    preparation = Preparation(model.spec, size)
    network = OpenVinoNetwork(info, size, preparation.tensor, compiled, precision)
    return HostEngine(model.spec, size, preparation, network)


def shared_core() -> Any:
    """
    Start OpenVINO, once per process.

    On processors with AMX a core gives the thread that makes it a signal stack, and frees that
    memory with itself; freed by another thread, the first one dies at its next signal. So the
    core is never freed.

    :returns: its core.
    :raises EngineError: it is not installed.
    """
    without_telemetry()
    try:
        import openvino
    except ImportError as error:
        raise EngineError(
            f'OpenVINO cannot be imported ({error}).', 'Install it: pip install openvino.'
        ) from error
    return _core(openvino)


def without_telemetry() -> None:
    """
    Keep OpenVINO and NNCF from reporting their use.

    Merely imported they fork this process, with every thread of DDS in it, and the copy sends an
    event to Google Analytics, unless a file in the home folder says no. Without the package
    that does this they use stubs of their own. A package that is imported already stays: then
    it is the choice of the program around us.
    """
    sys.modules.setdefault('openvino_telemetry', cast('ModuleType', None))


@functools.cache
def _core(openvino: Any) -> Any:
    return openvino.Core()


def read(core: Any, info: NetworkInfo, size: Size) -> Any:
    """
    Read a network and fix its size.

    :param core: of OpenVINO.
    :param info: the network's ends.
    :param size: the size to run at (pixels).
    :returns: OpenVINO's model.
    :raises EngineError: OpenVINO does not take it.
    """
    try:
        network = core.read_model(info.path)
        if info.size is None:
            network.reshape({info.input: [1, 3, size.height, size.width]})
    except RuntimeError as error:
        raise _refused(info, error) from error
    return network


def compiled_network(
    core: Any, network: Any, info: NetworkInfo, options: dict[str, str | int]
) -> Any:
    """
    Compile a network for the CPU.

    :param core: of OpenVINO.
    :param network: OpenVINO's model.
    :param info: the network's ends.
    :param options: OpenVINO's properties.
    :returns: OpenVINO's compiled model.
    :raises EngineError: OpenVINO does not take it.
    """
    try:
        return core.compile_model(network, 'CPU', options)
    except RuntimeError as error:
        raise _refused(info, error) from error


class OpenVinoNetwork:
    """
    A compiled network whose tensors are our arrays: nothing is copied around an inference.

    :param info: the network's ends.
    :param size: the size to run at (pixels).
    :param tensor: float32 (1, 3, h, w), read by every run.
    :param compiled: OpenVINO's compiled model.
    :param precision: of it, for the description.
    :raises ModelError: an output has another size than the input.
    """

    def __init__(
        self,
        info: NetworkInfo,
        size: Size,
        tensor: NDArray[np.float32],
        compiled: Any,
        precision: str,
    ) -> None:
        import openvino

        arrays = {}
        self._request: Any = compiled.create_infer_request()
        for name in info.outputs:
            try:
                shape = tuple(compiled.output(name).shape)
            except RuntimeError as error:  # it depends on the values of the frame
                raise _refused(info, error) from error
            networks.check_plane(info, name, shape, size)
            arrays[name] = np.zeros(shape, np.float32)
            self._request.set_tensor(name, openvino.Tensor(arrays[name], shared_memory=True))
        self._request.set_tensor(info.input, openvino.Tensor(tensor, shared_memory=True))
        # our references keep the shared memory alive
        self._arrays = (tensor, arrays)
        self.planes = named_planes(info, arrays, size)
        version = str(openvino.__version__).partition('-')[0]
        self.name = f'OpenVINO {version}'
        self.precision = precision

    def run(self) -> None:
        """Fill the planes from the input array; the GIL is free meanwhile."""
        if self._request is None:
            raise EngineError('The engine is closed.')
        try:
            self._request.infer()
        except RuntimeError as error:
            raise EngineError(f'OpenVINO failed: {_last_line(error)}') from error

    def close(self) -> None:
        """Free the network; may be called more than once."""
        self._request = None


def cpu_options(
    core: Any, precision: str, threads: int, cache: Path | None = None
) -> dict[str, str | int]:
    """
    Write OpenVINO's properties for a CPU.

    :param core: of OpenVINO.
    :param precision: auto, fp32 or bf16.
    :param threads: 0: one per physical core.
    :param cache: folder for compiled networks; None: they are not kept.
    :returns: the properties.
    :raises EngineError: this processor has no such precision.
    """
    if precision == 'bf16' and 'BF16' not in core.get_property(
        'CPU', 'OPTIMIZATION_CAPABILITIES'
    ):
        raise EngineError('This processor has no bf16.', 'Set engine.precision to fp32.')
    options: dict[str, str | int] = {
        'PERFORMANCE_HINT': 'LATENCY',
        # a pinned thread waits for its core while another is idle: with camera and observer on
        # the same two cores, 50 frames a second became 61 (1.2 M network, bf16)
        'ENABLE_CPU_PINNING': False,
        # left to itself OpenVINO takes bf16 where it can, and every engine gives the same answer
        # only in fp32
        'INFERENCE_PRECISION_HINT': 'bf16' if precision == 'bf16' else 'f32',
    }
    if threads:
        options['INFERENCE_NUM_THREADS'] = threads
    if cache is not None:
        options['CACHE_DIR'] = str(cache)
    return options


def _refused(info: NetworkInfo, error: Exception) -> EngineError:
    return EngineError(f'OpenVINO does not take {info.path.name}: {_last_line(error)}')


def _last_line(error: Exception) -> str:
    """OpenVINO's messages are stacks of source lines; the last one speaks."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
