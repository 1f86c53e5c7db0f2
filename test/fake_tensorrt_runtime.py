"""The half of the fake TensorRT that runs engines; see fake_tensorrt."""

from __future__ import annotations

import json
import weakref
import zlib

from fake_cuda import Work
from fake_tensorrt_names import (  # noqa: F401
    BuilderFlag,
    DataType,
    IErrorRecorder,
    IHostMemory,
    ILogger,
    IProfiler,
    IProgressMonitor,
    LayerInformationFormat,
    MAGIC,
    MemoryPoolType,
    NetworkDefinitionCreationFlag,
    OTHER_DEVICE,
    ProfilingVerbosity,
    TensorIOMode,
    THREADS,
)
import numpy as np
import onnx
import onnxruntime


class Runtime:
    def __init__(self, logger):
        if 'runtime' in self.module.null:
            raise TypeError('pybind11::init(): factory function returned nullptr')
        self.logger, self.error_recorder = logger, None

    def deserialize_cuda_engine(self, serialized_engine):
        plan = bytes(serialized_engine)
        good = plan[:8] == MAGIC and plan[8:12] == zlib.crc32(plan[12:]).to_bytes(4, 'little')
        if not good or plan[12:28].strip() != self.module.__version__.encode():
            self.logger.log(ILogger.ERROR, 'Serialization assertion failed. Version tag mismatch')
            return None
        if plan[28:60] != self.module.device:
            self.logger.log(ILogger.WARNING, OTHER_DEVICE)
        shapes = np.frombuffer(plan[60:60 + 72], np.int64).reshape(3, 3)
        return ICudaEngine(self, shapes, plan[60 + 72:])


class ICudaEngine:
    def __init__(self, runtime, shapes, model):
        self.runtime, self.shapes = runtime, shapes
        self.model = onnx.load_from_string(model)
        self.session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
        self.ends = [*self.session.get_inputs(), *self.session.get_outputs()]

    @property
    def num_io_tensors(self):
        return len(self.ends)

    def get_tensor_name(self, index):
        return self.ends[index].name

    def get_tensor_mode(self, name):
        inputs = [end.name for end in self.session.get_inputs()]
        return TensorIOMode.INPUT if name in inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name):
        kinds = {'tensor(uint8)': DataType.UINT8, 'tensor(float)': DataType.FLOAT}
        return next(kinds[end.type] for end in self.ends if end.name == name)

    def get_tensor_profile_shape(self, name, profile_index):
        return [tuple(int(n) for n in shape) for shape in self.shapes]

    def create_engine_inspector(self):
        return EngineInspector(self)

    def create_execution_context(self):
        if 'context' in self.runtime.module.null:
            return None
        return IExecutionContext(self)


class EngineInspector:
    def __init__(self, engine):
        self.engine = engine

    def get_engine_information(self, format):  # noqa: A002
        assert format is LayerInformationFormat.JSON
        nodes = self.engine.model.graph.node
        return json.dumps({'Layers': [{'Name': n.name, 'LayerType': n.op_type} for n in nodes]})


class IExecutionContext:
    def __init__(self, engine):
        self.engine, self.shape, self.addresses = engine, None, {}
        self.device = engine.runtime.module.cuda.device_of_thread()
        self.profiler = None
        self.pending = 0
        self.settled = False
        """Whether it ran once plainly since shapes or addresses changed; captures need that."""

    def __del__(self):
        cuda = self.engine.runtime.module.cuda
        if self.pending:
            cuda.faults.append('context destroyed with pending work')
        if self.device != cuda.device_of_thread():
            cuda.faults.append('context destroyed while another device is current')

    def set_input_shape(self, name, shape):
        low, _, high = self.engine.shapes
        if not all(a <= b <= c for a, b, c in zip(low, shape, high, strict=True)):
            return False
        self.settled = self.settled and self.shape == tuple(shape)
        self.shape = tuple(shape)
        return True

    def infer_shapes(self):
        self.engine.runtime.module.fails('infer_shapes')
        return [] if self.shape else ['frame']

    def get_tensor_shape(self, name):
        return self.shape if name == 'frame' else self.shape[:2]

    def set_tensor_address(self, name, memory):
        self.settled = self.settled and self.addresses.get(name) == memory
        self.addresses[name] = memory
        return memory > 0

    def execute_async_v3(self, stream_handle):
        module = self.engine.runtime.module
        module.fails('execute_async_v3')
        complete = set(self.addresses) == {end.name for end in self.engine.ends}
        if self.shape is None or not complete or 'execute' in module.null:
            return False
        cuda, shape, addresses = module.cuda, self.shape, dict(self.addresses)
        if cuda.capturing(stream_handle):
            if not self.settled or self.profiler is not None:
                # the first run after a change may allocate, and a profiler synchronizes
                cuda.invalidate(stream_handle)
                return False
        else:
            self.settled = True
        pixels = shape[0] * shape[1]
        spans = {
            name: cuda.visible(address, pixels * (3 if name == 'frame' else 4))
            for name, address in addresses.items()
        }
        if any(span is None for span in spans.values()):
            recorder = self.engine.runtime.error_recorder
            recorder.report_error(1, 'illegal memory access')
            return False
        engine, me = self.engine, weakref.ref(self)

        def work():
            context = me()
            if context is None or (context.shape, context.addresses) != (shape, addresses):
                return cuda.cudaError_t.cudaErrorIllegalAddress
            frame = np.ctypeslib.as_array(spans['frame'][1]).reshape(shape)
            names = [name for name in spans if name != 'frame']
            results = dict(zip(names, engine.session.run(names, {'frame': frame}), strict=True))
            if module.spoil is not None:
                module.spoil(engine.model, results)
            for name in names:
                target = np.ctypeslib.as_array(spans[name][1]).view(np.float32)
                target[:] = results[name].ravel()
            return 0

        uses = tuple(memory for memory, _ in spans.values())
        if cuda.enqueue(stream_handle, Work(work, uses, me)) != 0:
            return False
        if self.profiler is not None:
            self._report(stream_handle)
        return True

    def _report(self, stream_handle):
        self.engine.runtime.module.cuda.cudaStreamSynchronize(stream_handle)
        for node in self.engine.model.graph.node:
            self.profiler.report_layer_time(node.name, 0.01)
