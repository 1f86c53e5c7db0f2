"""OpenVINO: the engine for CPUs."""

from __future__ import annotations

import functools
from pathlib import Path
import sys
import threading
from types import ModuleType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from depth_node.engine.host import HostEngine, named_planes
from depth_node.engine.openvino_cache import forget, prepared, remember
from depth_node.engine.prepare import Preparation
from depth_node.errors import ChangedError, EngineError
from depth_node.image.size import Size
from depth_node.model import Model
from depth_node.model import network as networks
from depth_node.model.file_state import check_unchanged
from depth_node.model.network import NetworkInfo

_READING = threading.Lock()
"""Held while a property of the shared core is another one."""


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
    :param precision: auto, fp32 or bf16, as in ``engine.precision``.
    :param threads: CPU threads; 0: one per physical core.
    :param cache: folder for compiled networks, or None for none.
    :returns: the engine.
    :raises EngineError: OpenVINO is not installed or does not support the network, or the CPU does
        not support the precision.
    :raises ModelError: the file is not a network this package can run.
    :raises ChangedError: the file is no longer the one in `model`, and nothing is cached.
    """
    info = networks.inspect(model.path, model.spec)
    core = shared_core()
    folder = None if cache is None else prepared(cache, model.spec.name, size)
    options = cpu_options(core, precision, threads, folder)
    compiled = compiled_network(core, read(core, info, size), info, options)
    if folder is not None:
        try:
            check_unchanged(model.files)
        except ChangedError:
            forget(folder)  # filed under the hash of what OpenVINO read at another moment
            raise
        remember(folder)
    return host_engine(
        model, info, size, compiled, 'bf16' if precision == 'bf16' else 'fp32'
    )


def host_engine(
    model: Model, info: NetworkInfo, size: Size, compiled: Any, precision: str
) -> HostEngine:
    """
    Return the engine of a compiled network.

    :param model: the network.
    :param info: its inputs and outputs.
    :param size: its compiled size (pixels).
    :param compiled: the compiled OpenVINO model.
    :param precision: its precision, for the description.
    :returns: the engine.
    :raises ModelError: an output has another size than the input.
    """
    preparation = Preparation(model.spec, size)
    network = OpenVinoNetwork(info, size, preparation.tensor, compiled, precision)
    return HostEngine(model.spec, size, preparation, network)


def shared_core() -> Any:
    """
    Return OpenVINO's core, which is created once per process.

    On CPUs with AMX a core gives the thread that creates it a signal stack, and frees that memory
    when it is destroyed. If another thread destroys it, the first thread crashes at its next
    signal. Therefore the core is never destroyed.

    :returns: the core.
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
    Prevent OpenVINO and NNCF from reporting their use.

    When imported, they fork this process, including all DDS threads, and the copy sends an event
    to Google Analytics, unless a file in the home folder disables it. Without the package that
    does this, they use stubs. If the package is already imported, it is left in place, because
    that was the choice of the calling program.
    """
    sys.modules.setdefault('openvino_telemetry', cast('ModuleType', None))


@functools.cache
def _core(openvino: Any) -> Any:
    return openvino.Core()


def read(core: Any, info: NetworkInfo, size: Size) -> Any:
    """
    Read a network and fix its size.

    :param core: OpenVINO's core.
    :param info: inputs and outputs of the network.
    :param size: the size to run at (pixels).
    :returns: the OpenVINO model.
    :raises EngineError: OpenVINO does not support it.
    """
    try:
        with _READING:
            # by default weights in other files stay mapped: what is copied over them meanwhile
            # would be compiled, and a shorter file would end the process
            core.set_property({'ENABLE_MMAP': False})
            try:
                network = core.read_model(info.path)
            finally:
                core.set_property({'ENABLE_MMAP': True})  # for its cache, whose files are ours
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

    :param core: OpenVINO's core.
    :param network: the OpenVINO model.
    :param info: inputs and outputs of the network.
    :param options: properties for OpenVINO.
    :returns: the compiled OpenVINO model.
    :raises EngineError: OpenVINO does not support it.
    """
    try:
        return core.compile_model(network, 'CPU', options)
    except RuntimeError as error:
        raise _refused(info, error) from error


class OpenVinoNetwork:
    """
    A compiled network that is bound to NumPy arrays, so that no copies are needed.

    :param info: inputs and outputs of the network.
    :param size: the size to run at (pixels).
    :param tensor: float32 (1, 3, h, w), the input of every run.
    :param compiled: the compiled OpenVINO model.
    :param precision: its precision, for the description.
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
        """Fill the planes from the input array, without the GIL."""
        if self._request is None:
            raise EngineError('The engine is closed.')
        try:
            self._request.infer()
        except RuntimeError as error:
            raise EngineError(f'OpenVINO failed: {_last_line(error)}') from error

    def close(self) -> None:
        """Free the network; may be called repeatedly."""
        self._request = None


def cpu_options(
    core: Any, precision: str, threads: int, cache: Path | None = None
) -> dict[str, str | int]:
    """
    Return the properties of OpenVINO for a CPU.

    :param core: OpenVINO's core.
    :param precision: auto, fp32 or bf16.
    :param threads: 0: one per physical core.
    :param cache: folder for compiled networks; None: they are not cached.
    :returns: the properties.
    :raises EngineError: the CPU does not support the precision.
    """
    if precision == 'bf16' and 'BF16' not in core.get_property(
        'CPU', 'OPTIMIZATION_CAPABILITIES'
    ):
        raise EngineError('This CPU does not support bf16.', 'Set engine.precision to fp32.')
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
    return EngineError(f'OpenVINO does not support {info.path.name}: {_last_line(error)}')


def _last_line(error: Exception) -> str:
    """Return the last line of a message of OpenVINO, which contains the reason."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
