"""Inference with a plan: upload bytes, launch a graph, download float32."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.engine.base import Described
from depth_node.engine.graph import DEPTH, FRAME
from depth_node.engine.host import check_buffers
from depth_node.engine.tensorrt.cuda import Cuda, Memory
from depth_node.engine.tensorrt.library import error_recorder, Library
from depth_node.engine.tensorrt.profile import LayerProfile, profiler_of
from depth_node.errors import DataError, DeviceLostError, EngineError
from depth_node.image.size import Size
from depth_node.model import ModelSpec
from depth_node.model.prediction import EXTRAS, Prediction

_LOGGER = logging.getLogger(__name__)
_OUTPUTS = (DEPTH, *EXTRAS)
_HOST = f'{FRAME} on the host'
_OTHER_DEVICE = re.compile(r'across different models of devices', re.IGNORECASE)


class TensorRtEngine(Described):
    """
    A plan on a GPU.

    The work of a frame is captured once per camera size and then launched in one call. Results
    are copied directly to buffers of :meth:`buffers`, which are page-locked, and through an
    intermediate buffer to others.

    :param library: TensorRT.
    :param cuda: the GPU; closed with the engine.
    :param plan: the result of :func:`build`.
    :param spec: the description of the network.
    :param size: network size (pixels).
    :param precision: precision of the network.
    :raises EngineError: the plan cannot be loaded, was built for another device, or has other
        inputs and outputs. `cuda` stays open.
    """

    def __init__(  # noqa: PLR0917
        self, library: Library, cuda: Cuda, plan: bytes, spec: ModelSpec, size: Size,
        precision: str,
    ) -> None:
        super().__init__(library.name, cuda.gpu.name, precision, on_cpu=False)
        self.spec = spec
        self.network_size = size
        self.facts: dict[str, Any] = {}
        """Its metadata, once it has been verified."""
        self.path: Path | None = None
        """Path of the cached plan, or None."""
        self._library = library
        self._cuda = cuda
        self._shape: tuple[int, int] | None = None
        self._memory: dict[str, Memory] = {}
        self._staging: dict[str, Memory] = {}
        self._captured: Any = None
        self._closed = False
        library.errors()
        library.warnings()
        self._recorder = error_recorder(library.trt)
        with library.guarded('load the engine'):
            self._runtime = library.trt.Runtime(library.logger)
            self._runtime.error_recorder = self._recorder
            self._engine = self._runtime.deserialize_cuda_engine(plan)
            if self._engine is None:
                raise self._failed('load the engine')
            if _OTHER_DEVICE.search(library.warnings()):
                raise EngineError(
                    f'The engine was built on another model of device than this {self.device} '
                    f'({cuda.gpu.hardware}), where it may be slow or fail.'
                )
            self._outputs = self._check_ends()
            self._context = self._engine.create_execution_context()
            if self._context is None:
                raise EngineError(
                    str(self._failed('prepare the engine')),
                    'It needs more memory of the GPU: close other programs or take a smaller '
                    'model.',
                )

    def buffers(self, height: int, width: int) -> Prediction:
        """Return page-locked buffers for :meth:`infer`; see ``Engine``."""
        self._check_open()
        self._cuda.use()
        return Prediction(*(
            self._cuda.array(height, width) if name in self._outputs else None
            for name in _OUTPUTS
        ))  # type: ignore[arg-type]  # depth is always among the outputs

    def infer(self, frame: NDArray[np.uint8], out: Prediction) -> None:
        """Run the plan on one frame; see ``Engine``."""
        self._check_open()
        check_buffers(frame, out)
        self._cuda.use()
        if frame.shape[:2] != self._shape:
            self._reshape(*frame.shape[:2])
        np.copyto(_view(self._memory[_HOST], np.uint8, frame.shape), frame)
        wanted = {
            name: target for name in self._outputs if (target := out.planes[name]) is not None
        }
        landings = {name: self._landing(name, target) for name, target in wanted.items()}
        try:
            self._launch(self._shape)
            for name, target in wanted.items():
                self._cuda.down(self._memory[name], landings[name], target.nbytes)
            self._cuda.wait()
        except BaseException:
            # the next frame, and the code that frees the buffers, must find nothing pending
            self._cuda.settle()
            raise
        for name, target in wanted.items():
            if not self._cuda.is_locked(target):
                np.copyto(target, _view(self._staging[name], np.float32, target.shape))

    def bare(self) -> None:
        """Run the plan on the current frame, which is copied again; see ``Engine``."""
        self._check_open()
        if self._shape is None:
            raise EngineError('The engine has had no frame yet.')
        self._cuda.use()
        try:
            self._launch(self._shape)
            self._cuda.wait()
        except BaseException:
            self._cuda.settle()
            raise

    def prepare(self, camera: Size) -> None:
        """
        Prepare for a camera, so that its first frame is as fast as the others.

        :param camera: size of its frames (pixels).
        :raises DataError: the engine does not support this size.
        :raises EngineError: the engine failed.
        """
        self._check_open()
        self._cuda.use()
        if (camera.height, camera.width) != self._shape:
            self._reshape(camera.height, camera.width)

    @property
    def is_captured(self) -> bool:
        """Whether the work for the current camera size has been captured."""
        return self._captured is not None

    def profile(self, rounds: int) -> LayerProfile:
        """
        Measure the time of each layer on the current frame.

        :param rounds: number of runs to average.
        :returns: the layers and their times.
        :raises EngineError: the engine failed, or has had no frame yet.
        """
        self._check_open()
        if self._shape is None:
            raise EngineError('The engine has had no frame yet.')
        self._cuda.use()
        profiler = profiler_of(self._library.trt)
        with self._library.guarded('profile the engine'):
            # a context of its own: with a profiler the runs cannot be captured
            context = self._engine.create_execution_context()
            if context is None:
                raise self._failed('prepare the engine')
            self._bind(context, self._shape)
            context.profiler = profiler
            try:
                for _ in range(rounds):
                    self._enqueue(context, self._shape)
                    self._cuda.wait()
            finally:
                self._cuda.settle()
            inspector = self._engine.create_engine_inspector()
            layers = inspector.get_engine_information(
                self._library.trt.LayerInformationFormat.JSON
            )
        return LayerProfile(profiler.means(rounds), str(layers))

    def close(self) -> None:
        """Free everything including the stream; may be called repeatedly."""
        self.free()
        self._cuda.close()

    def free(self) -> None:
        """Free everything but the stream, which another engine may use."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(EngineError):  # whatever holds, everything is let go of
            self._cuda.use()
        self._cuda.settle()
        self._forget_capture()
        # in this order: a context must not outlive its engine, nor an engine its runtime
        self._context = None
        self._engine = None
        self._runtime = None
        for memory in (*self._memory.values(), *self._staging.values()):
            self._cuda.free(memory)
        self._memory.clear()
        self._staging.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise EngineError('The engine is closed.')

    def _check_ends(self) -> tuple[str, ...]:
        """Check the inputs and outputs of the plan."""
        trt, engine = self._library.trt, self._engine
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        outputs = tuple(name for name in _OUTPUTS if name in names)
        kinds = {name: engine.get_tensor_dtype(name) for name in names}
        inputs = [
            name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
        ]
        good = (
            inputs == [FRAME]
            and DEPTH in outputs
            and len(outputs) == len(names) - 1
            and kinds[FRAME] == trt.DataType.UINT8
            and all(kinds[name] == trt.DataType.FLOAT for name in outputs)
        )
        if not good:
            raise EngineError(f'The engine has unexpected inputs or outputs: {", ".join(names)}.')
        return outputs

    def _reshape(self, height: int, width: int) -> None:
        """Prepare for frames of another size."""
        low, _, high = self._engine.get_tensor_profile_shape(FRAME, 0)
        if not (low[0] <= height <= high[0] and low[1] <= width <= high[1]):
            raise DataError(
                f'The frame is {width}x{height}, but this engine supports {low[1]}x{low[0]} to '
                f'{high[1]}x{high[0]}.', 'Set engine.max_camera_size and configure again.',
            )
        shape = (height, width)
        self._shape = None
        self._forget_capture()
        self._provide(shape)
        self._bind(self._context, shape)
        try:
            # once plainly, because the first run may allocate; then captured
            self._enqueue(self._context, shape)
            self._cuda.wait()
        except BaseException:
            self._cuda.settle()
            raise
        try:
            self._captured = self._cuda.capture(lambda: self._enqueue(self._context, shape))
        except DeviceLostError:
            raise
        except EngineError as error:
            # as text: who keeps the record would keep every buffer of these frames
            _LOGGER.warning(
                'CUDA graph not captured; every frame needs separate launches: %s', str(error)
            )
        self._shape = shape

    def _bind(self, context: Any, shape: tuple[int, int]) -> None:
        """Set the size of the frames and the addresses of a context."""
        with self._library.guarded('set the size'):
            self._must(context.set_input_shape(FRAME, (*shape, 3)), 'set the size')
            missing = context.infer_shapes()
            self._must(not missing, f'infer shapes ({", ".join(missing)})')
            for name in self._outputs:
                found = tuple(context.get_tensor_shape(name))
                self._must(found == shape, f'give {name} the size of the frame ({found})')
            frame = self._memory[_HOST].device or self._memory[FRAME].device
            addresses = {name: self._memory[name].device for name in self._outputs}
            for name, address in {FRAME: frame, **addresses}.items():
                self._must(context.set_tensor_address(name, address), f'bind {name}')

    def _provide(self, shape: tuple[int, int]) -> None:
        """Allocate memory for frames of a size; it only grows."""
        pixels = shape[0] * shape[1]
        host = self._grown(
            self._memory, _HOST, pixels * 3,
            lambda count: self._cuda.on_host(count, mapped=self._cuda.gpu.integrated),
        )
        if not host.device:  # otherwise the GPU reads the frame where it is
            self._grown(self._memory, FRAME, pixels * 3, self._cuda.on_gpu)
        for name in self._outputs:
            self._grown(self._memory, name, pixels * 4, self._cuda.on_gpu)

    def _grown(
        self, table: dict[str, Memory], name: str, count: int, allocate: Any
    ) -> Memory:
        """Return memory of at least `count` bytes, which replaces smaller memory."""
        memory: Memory | None = table.get(name)
        if memory is None or memory.size < count:
            if memory is not None:
                self._cuda.free(table.pop(name))
            memory = table[name] = allocate(count)
        return memory

    def _landing(self, name: str, target: NDArray[np.float32]) -> int:
        """Return the address to copy an output to: the target, or an intermediate buffer."""
        if self._cuda.is_locked(target):
            return int(target.ctypes.data)
        return self._grown(self._staging, name, target.nbytes, self._cuda.on_host).address

    def _enqueue(self, context: Any, shape: tuple[int, int]) -> None:
        """Enqueue the work of one frame on the stream."""
        host = self._memory[_HOST]
        if not host.device:
            self._cuda.up(host, self._memory[FRAME], shape[0] * shape[1] * 3)
        with self._library.guarded('run'):
            self._must(context.execute_async_v3(self._cuda.stream), 'run')

    def _launch(self, shape: tuple[int, int] | None) -> None:
        assert shape is not None
        if self._captured is not None:
            self._cuda.launch(self._captured)
        else:
            self._enqueue(self._context, shape)

    def _forget_capture(self) -> None:
        if self._captured is not None:
            self._cuda.forget(self._captured)
            self._captured = None

    def _must(self, done: bool, what: str) -> None:
        if not done:
            raise self._failed(what)

    def _failed(self, what: str) -> EngineError:
        recorded = ' '.join(self._recorder.lines)
        self._recorder.clear()
        return self._library.failed(what, recorded)


def _view(memory: Memory, dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return a view of the beginning of host memory as an array."""
    count = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return memory.host[:count].view(dtype).reshape(shape)
