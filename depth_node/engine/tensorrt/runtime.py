"""Running a plan: bytes up, float32 down, one graph launch in between."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.engine.base import Described
from depth_node.engine.graph import DEPTH, FRAME
from depth_node.engine.host import check_buffers
from depth_node.engine.tensorrt.cuda import Buffer, Cuda
from depth_node.engine.tensorrt.library import error_recorder, Library
from depth_node.errors import DataError, EngineError
from depth_node.image.size import Size
from depth_node.model import ModelSpec
from depth_node.model.prediction import Prediction

_LOGGER = logging.getLogger(__name__)
_OUTPUTS = (DEPTH, 'confidence', 'sky')


class TensorRtEngine(Described):
    """
    A plan on a GPU.

    Buffers grow when a larger camera comes, and are never moved otherwise, so that the work of
    a frame is captured once per camera size and then launched in one call.

    :param library: TensorRT.
    :param cuda: the GPU; closed with the engine.
    :param plan: what :func:`build` made.
    :param spec: what the network is.
    :param size: the network's size (pixels).
    :param precision: for the description.
    :raises EngineError: the plan does not load here, or is not one of ours. `cuda` stays open.
    """

    def __init__(  # noqa: PLR0917
        self, library: Library, cuda: Cuda, plan: bytes, spec: ModelSpec, size: Size,
        precision: str,
    ) -> None:
        super().__init__(library.name, cuda.gpu, precision, on_cpu=False)
        self.spec = spec
        self.network_size = size
        self.facts: dict[str, Any] = {}
        """What its metadata says, once it has been verified."""
        self._library = library
        self._cuda = cuda
        self._shape: tuple[int, int] | None = None
        self._buffers: dict[str, Buffer] = {}
        self._captured: Any = None
        self._closed = False
        library.errors()
        self._recorder = error_recorder(library.trt)
        self._runtime = library.trt.Runtime(library.logger)
        self._runtime.error_recorder = self._recorder
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise EngineError(f'{library.name} cannot load the engine: {self._errors()}')
        self._outputs = self._check_ends()
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise EngineError(
                f'{library.name} cannot prepare the engine: {self._errors()}',
                'It needs more memory of the GPU: close other programs or take a smaller model.',
            )

    def buffers(self, height: int, width: int) -> Prediction:
        """Allocate what :meth:`infer` fills; see ``Engine``."""
        return Prediction.empty(
            height, width, confidence='confidence' in self._outputs, sky='sky' in self._outputs
        )

    def infer(self, frame: NDArray[np.uint8], out: Prediction) -> None:
        """Run the plan on one frame; see ``Engine``."""
        self._check_open()
        check_buffers(frame, out)
        self._cuda.use()
        if frame.shape[:2] != self._shape:
            self._reshape(*frame.shape[:2])
        np.copyto(self._view(FRAME, np.uint8, frame.shape), frame)
        self._launch()
        given = {DEPTH: out.values, 'confidence': out.confidence, 'sky': out.sky}
        for name in self._outputs:
            target = given[name]
            if target is not None:
                np.copyto(target, self._view(name, np.float32, target.shape))

    def bare(self) -> None:
        """Run the plan on the frame already there, copies included; see ``Engine``."""
        self._check_open()
        if self._shape is None:
            raise EngineError('The engine has seen no frame yet.')
        self._cuda.use()
        self._launch()

    def close(self) -> None:
        """Free everything, the stream too; may be called more than once."""
        self.free()
        self._cuda.close()

    def free(self) -> None:
        """Free all but the stream, which another engine may go on using."""
        if self._closed:
            return
        self._closed = True
        self._cuda.use()
        self._forget_capture()
        # in this order: a context must not outlive its engine, nor an engine its runtime
        self._context = None
        self._engine = None
        self._runtime = None
        for buffer in self._buffers.values():
            self._cuda.free(buffer)
        self._buffers.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise EngineError('The engine is closed.')

    def _check_ends(self) -> tuple[str, ...]:
        """Make sure that the plan is one of ours."""
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
            raise EngineError(f'The engine is not one of ours; it has {", ".join(names)}.')
        return outputs

    def _reshape(self, height: int, width: int) -> None:
        """Get ready for frames of another size."""
        self._forget_capture()
        self._shape = None
        low, _, high = self._engine.get_tensor_profile_shape(FRAME, 0)
        if not (low[0] <= height <= high[0] and low[1] <= width <= high[1]):
            raise DataError(
                f'The frame is {width}x{height}; this engine takes {low[1]}x{low[0]} to '
                f'{high[1]}x{high[0]}.', 'Set engine.max_camera_size and configure again.',
            )
        self._must(self._context.set_input_shape(FRAME, (height, width, 3)), 'set the size')
        missing = self._context.infer_shapes()
        self._must(not missing, f'infer shapes ({", ".join(missing)})')
        for name in self._outputs:
            shape = tuple(self._context.get_tensor_shape(name))
            self._must(shape == (height, width), f'give {name} the size of the frame ({shape})')
        pixels = height * width
        self._provide(FRAME, pixels * 3)
        for name in self._outputs:
            self._provide(name, pixels * 4)
        self._shape = (height, width)
        # once plainly, because the first run may allocate; then captured
        self._enqueue()
        self._cuda.wait()
        try:
            self._captured = self._cuda.capture(self._enqueue)
        except EngineError as error:
            _LOGGER.warning('CUDA graph not captured, every frame costs some launches: %s', error)

    def _provide(self, name: str, count: int) -> None:
        """Bind a buffer of at least `count` bytes."""
        buffer = self._buffers.get(name)
        if buffer is None or len(buffer.host) < count:
            if buffer is not None:
                self._cuda.free(self._buffers.pop(name))
            buffer = self._buffers[name] = self._cuda.allocate(count)
        self._must(self._context.set_tensor_address(name, buffer.device), f'bind {name}')

    def _enqueue(self) -> None:
        """Put the work of one frame on the stream."""
        assert self._shape is not None
        pixels = self._shape[0] * self._shape[1]
        self._cuda.up(self._buffers[FRAME], pixels * 3)
        self._must(self._context.execute_async_v3(self._cuda.stream), 'run')
        for name in self._outputs:
            self._cuda.down(self._buffers[name], pixels * 4)

    def _launch(self) -> None:
        if self._captured is not None:
            self._cuda.launch(self._captured)
        else:
            self._enqueue()
        self._cuda.wait()

    def _forget_capture(self) -> None:
        if self._captured is not None:
            self._cuda.forget(self._captured)
            self._captured = None

    def _view(self, name: str, dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
        """View the beginning of a host buffer as an array."""
        count = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return self._buffers[name].host[:count].view(dtype).reshape(shape)

    def _must(self, done: bool, what: str) -> None:
        if not done:
            raise EngineError(f'{self._library.name} could not {what}: {self._errors()}')

    def _errors(self) -> str:
        recorded = ' '.join(self._recorder.lines)
        self._recorder.clear()
        logged = self._library.errors()
        return recorded or logged or 'no reason given'
