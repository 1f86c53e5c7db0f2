"""ONNX Runtime: the portable engine, on the CPU or with CUDA."""

from __future__ import annotations

from collections.abc import Mapping
import os
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.engine import graph as graphs
from depth_node.engine.base import Described
from depth_node.engine.host import check_buffers, HostEngine, named_planes
from depth_node.engine.precision import converted, Precision
from depth_node.engine.prepare import Preparation
from depth_node.errors import EngineError
from depth_node.image.size import Size
from depth_node.model import Model, ModelSpec
from depth_node.model import network as networks
from depth_node.model.external_data import external_arrays
from depth_node.model.fingerprint import external_files
from depth_node.model.network import NetworkInfo
from depth_node.model.prediction import EXTRAS, Prediction

CPU = 'CPUExecutionProvider'
CUDA = 'CUDAExecutionProvider'


def open_onnxruntime(model: Model, size: Size, *, threads: int = 0) -> HostEngine:
    """
    Open a network on the CPU, in fp32.

    :param model: the network.
    :param size: the size to run at (pixels).
    :param threads: CPU threads; 0: one per physical core.
    :returns: the engine.
    :raises EngineError: ONNX Runtime is not installed or does not support the network.
    :raises ModelError: the file is not a network this package can run.
    """
    info = networks.inspect(model.path, model.spec)
    preparation = Preparation(model.spec, size)
    network = OnnxRuntimeNetwork(info, size, preparation.tensor, threads=threads)
    return HostEngine(model.spec, size, preparation, network)


def open_merged(
    model: Model,
    size: Size,
    *,
    provider: str = CUDA,
    precision: Precision = Precision.FP32,
    threads: int = 0,
    device: int = 0,
) -> MergedOnnxRuntime:
    """
    Open the merged graph, for a GPU.

    :param model: the network.
    :param size: the size to run at (pixels).
    :param provider: execution provider.
    :param precision: precision of the network.
    :param threads: CPU threads; 0: one per physical core.
    :param device: index of the GPU.
    :returns: the engine.
    :raises EngineError: ONNX Runtime or the provider is missing, or does not support the network.
    :raises ModelError: the file is not a network this package can run.
    """
    _check_provider(provider)  # before the work, which may be for nothing
    info = networks.inspect(model.path, model.spec)
    network = graphs.with_size(networks.load(model.path), info, size)
    whole = graphs.merged(converted(network, precision), info, model.spec, size)
    return open_graph(
        whole.SerializeToString(), model.spec, size,
        provider=provider, precision=precision, threads=threads, device=device,
    )


def open_graph(
    graph: bytes,
    spec: ModelSpec,
    size: Size,
    *,
    provider: str = CUDA,
    precision: Precision = Precision.FP32,
    threads: int = 0,
    device: int = 0,
) -> MergedOnnxRuntime:
    """
    Open an existing merged graph.

    :param graph: the serialized graph.
    :param spec: the description of the network.
    :param size: network size (pixels).
    :param provider: execution provider.
    :param precision: precision of the graph, for the description.
    :param threads: CPU threads; 0: one per physical core.
    :param device: index of the GPU.
    :returns: the engine.
    :raises EngineError: ONNX Runtime or the provider is missing, or does not support the graph.
    """
    session = _session(graph, spec.name, threads, provider, device)
    return MergedOnnxRuntime(session, spec, size, precision)


class OnnxRuntimeNetwork:
    """
    A session that is bound to NumPy arrays, so that no copies are needed.

    :param info: inputs and outputs of the network.
    :param size: the size to run at (pixels).
    :param tensor: float32 (1, 3, h, w), the input of every run.
    :param threads: CPU threads; 0: one per physical core.
    :raises EngineError: ONNX Runtime is not installed or does not support the network.
    :raises ModelError: an output has another size than the input.
    """

    def __init__(
        self, info: NetworkInfo, size: Size, tensor: NDArray[np.float32], *, threads: int = 0
    ) -> None:
        runtime = _runtime()
        network: bytes | str = str(info.path)
        weights: dict[str, NDArray[Any]] = {}
        if info.size is None:
            model = graphs.with_size(networks.load(info.path), info, size)
            network = model.SerializeToString()
        elif external_files(info.path):
            # by default they stay mapped: what is copied over them would be run from then on
            weights = external_arrays(
                networks.load(info.path, weights=False), info.path.parent
            )
        self._session: Any = _session(
            network, info.path.name, threads, CPU, weights=weights
        )
        # once unbound, to learn the shapes that come out
        try:
            first = self._session.run(list(info.outputs), {info.input: tensor})
        except Exception as error:
            raise EngineError(f'ONNX Runtime cannot run {info.path.name}: {error}') from error
        arrays = {}
        self._binding = self._session.io_binding()
        self._binding.bind_ortvalue_input(
            info.input, runtime.OrtValue.ortvalue_from_numpy(tensor)
        )
        for name, array in zip(info.outputs, first, strict=True):
            networks.check_plane(info, name, array.shape, size)
            arrays[name] = array
            self._binding.bind_ortvalue_output(
                name, runtime.OrtValue.ortvalue_from_numpy(array)
            )
        self.planes = named_planes(info, arrays, size)
        self.name = f'ONNX Runtime {runtime.__version__}'
        self.precision = 'fp32'

    def run(self) -> None:
        """Fill the planes from the input array, without the GIL."""
        _run(self._session, self._binding)

    def close(self) -> None:
        """Free the network; may be called repeatedly."""
        self._session = None


class MergedOnnxRuntime(Described):
    """
    A session of the merged graph: bytes in, depth at the camera's size out.

    :param session: an ``onnxruntime.InferenceSession`` of a merged graph.
    :param spec: the description of the network.
    :param size: network size (pixels).
    :param precision: precision of the graph, for the description.
    """

    def __init__(
        self, session: Any, spec: ModelSpec, size: Size, precision: Precision = Precision.FP32
    ) -> None:
        provider = session.get_providers()[0].removesuffix('ExecutionProvider')
        super().__init__(
            f'ONNX Runtime {_runtime().__version__}', provider, precision.value,
            on_cpu=provider == 'CPU',
        )
        self.spec = spec
        self.network_size = size
        self.facts: dict[str, Any] = {}
        self._session: Any = session
        self._binding = session.io_binding()
        self._outputs = [output.name for output in session.get_outputs()]

    def buffers(self, height: int, width: int) -> Prediction:
        """Return buffers for :meth:`infer`; see ``Engine``."""
        return Prediction.empty(
            height, width, **{name: name in self._outputs for name in EXTRAS}
        )

    def infer(self, frame: NDArray[np.uint8], out: Prediction) -> None:
        """Run the graph on one frame; see ``Engine``."""
        if self._session is None:
            raise EngineError('The engine is closed.')
        check_buffers(frame, out)
        value = _runtime().OrtValue.ortvalue_from_numpy
        contiguous = np.ascontiguousarray(frame)
        self._binding.bind_ortvalue_input(graphs.FRAME, value(contiguous))
        for name in self._outputs:
            array = out.planes[name]
            if array is None:
                self._binding.bind_output(name)
            else:
                self._binding.bind_ortvalue_output(name, value(array))
        _run(self._session, self._binding)

    def bare(self) -> None:
        """Run the graph again on its current input; see ``Engine``."""
        _run(self._session, self._binding)

    def close(self) -> None:
        """Free everything; may be called repeatedly."""
        self._session = None


def without_telemetry() -> None:
    """
    Keep ONNX Runtime from writing a device id and a store of events for its telemetry.

    From 1.32 on it does so when it is imported; a call afterwards comes too late. A user who has
    set the variable keeps his choice.
    """
    os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')


def _runtime() -> Any:
    without_telemetry()
    try:
        import onnxruntime
    except ImportError as error:
        raise EngineError(
            f'ONNX Runtime cannot be imported ({error}).', 'Install it: pip install onnxruntime.'
        ) from error
    return onnxruntime


def _check_provider(provider: str) -> Any:
    runtime = _runtime()
    available = runtime.get_available_providers()
    if provider not in available:
        raise EngineError(
            f'ONNX Runtime has no {provider} (it has {", ".join(available)}).',
            'On an NVIDIA GPU: pip install onnxruntime-gpu.',
        )
    return runtime


def _session(
    network: bytes | str, name: str, threads: int, provider: str, device: int = 0, *,
    weights: Mapping[str, NDArray[Any]] = MappingProxyType({}),
) -> Any:
    runtime = _check_provider(provider)
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    values = [runtime.OrtValue.ortvalue_from_numpy(array) for array in weights.values()]
    if values:
        options.add_external_initializers(list(weights), values)
    providers = [provider] if provider == CPU else [(provider, {'device_id': device}), CPU]
    try:
        session = runtime.InferenceSession(network, options, providers)
    except Exception as error:  # the runtime's own exceptions have no common base
        raise EngineError(f'ONNX Runtime does not support {name}: {error}') from error
    if session.get_providers()[0] != provider:
        # ONNX Runtime falls back to the CPU by itself, with a line on stderr
        raise EngineError(
            f'ONNX Runtime has {provider} but cannot load it.',
            'Install the versions of driver, CUDA and cuDNN that this onnxruntime-gpu needs.',
        )
    return session


def _run(session: Any, binding: Any) -> None:
    if session is None:
        raise EngineError('The engine is closed.')
    try:
        session.run_with_iobinding(binding)
    except Exception as error:
        raise EngineError(f'ONNX Runtime failed: {error}') from error
