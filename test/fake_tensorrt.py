"""
``tensorrt`` without a GPU: the calls and their rules, the arithmetic by ONNX Runtime.

It tests our logic, not TensorRT: the real parser and builder are tried in
``test_tensorrt_builder.py``. ``test_tensorrt_facts.py`` holds every name and signature here
against every supported version.
"""

from __future__ import annotations

import enum
from types import SimpleNamespace
import zlib

import numpy as np
import onnx
import onnxruntime

MAGIC = b'FAKEPLAN'


class NetworkDefinitionCreationFlag(enum.IntEnum):
    STRONGLY_TYPED = 1


class MemoryPoolType(enum.IntEnum):
    WORKSPACE = 0


class BuilderFlag(enum.IntEnum):
    TF32 = 5


class TensorIOMode(enum.IntEnum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class DataType(enum.IntEnum):
    FLOAT = 0
    HALF = 1
    UINT8 = 5


class ILogger:
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class IProgressMonitor:
    pass


class IErrorRecorder:
    pass


class IHostMemory:
    def __init__(self, content):
        self.content = content

    @property
    def nbytes(self):
        return len(self.content)

    def __bytes__(self):
        return self.content


class FakeTensorRt:
    """
    The module.

    :param cuda: the machine it runs on.
    :param version: which TensorRT it pretends to be.
    :param spoil: changes the outputs of a graph: ``spoil(model, {name: array})``.
    :param memory_mb: builds that are given more workspace fail.
    """

    NetworkDefinitionCreationFlag = NetworkDefinitionCreationFlag
    MemoryPoolType = MemoryPoolType
    BuilderFlag = BuilderFlag
    TensorIOMode = TensorIOMode
    DataType = DataType
    ILogger = ILogger
    IProgressMonitor = IProgressMonitor
    IErrorRecorder = IErrorRecorder

    def __init__(self, cuda, version='10.3.0', spoil=None, memory_mb=1 << 20):
        self.__version__ = version
        self.cuda, self.spoil, self.memory_mb = cuda, spoil, memory_mb
        self.builds = []
        for part in (Builder, OnnxParser, Runtime):
            setattr(self, part.__name__, type(part.__name__, (part,), {'module': self}))


class Builder:
    def __init__(self, logger):
        if not isinstance(logger, ILogger):
            raise TypeError('incompatible constructor arguments')
        if not self.module.cuda.gpus:
            raise TypeError('pybind11::init(): factory function returned nullptr')
        self.logger = logger

    def create_network(self, flags=0):
        return SimpleNamespace(flags=flags, model=None)

    def create_builder_config(self):
        return IBuilderConfig()

    def create_optimization_profile(self):
        return IOptimizationProfile()

    def build_serialized_network(self, network, config):
        module = self.module
        workspace = config.pools[MemoryPoolType.WORKSPACE] >> 20
        module.builds.append(
            SimpleNamespace(workspace=workspace, config=config, flags=network.flags)
        )
        if not config.profiles:
            self.logger.log(ILogger.ERROR, 'Network has dynamic inputs, but no profile')
            return None
        if workspace > module.memory_mb:
            text = f'Error Code 2: OutOfMemory (Requested size was {workspace << 20} bytes.)'
            self.logger.log(ILogger.ERROR, text)
            return None
        monitor = config.progress_monitor
        monitor.phase_start('Building engine', None, 2)
        for step in range(2):
            monitor.phase_start('Timing', 'Building engine', 4)
            for inner in range(4):
                if not monitor.step_complete('Timing', inner):
                    return None
            monitor.phase_finish('Timing')
            if not monitor.step_complete('Building engine', step):
                return None
        monitor.phase_finish('Building engine')
        profile = np.array(config.profiles[0].shapes['frame'], np.int64).tobytes()
        body = module.__version__.encode().ljust(16) + profile + network.model
        return IHostMemory(MAGIC + zlib.crc32(body).to_bytes(4, 'little') + body)


class IBuilderConfig:
    def __init__(self):
        self.pools, self.profiles, self.flags = {}, [], {BuilderFlag.TF32}
        self.builder_optimization_level = 3
        self.progress_monitor = None
        self.timing = None

    def set_memory_pool_limit(self, pool, pool_size):
        self.pools[pool] = pool_size

    def clear_flag(self, flag):
        self.flags.discard(flag)

    def add_optimization_profile(self, profile):
        low, usual, high = profile.shapes['frame']
        if not all(a <= b <= c for a, b, c in zip(low, usual, high, strict=True)):
            return -1
        self.profiles.append(profile)
        return len(self.profiles) - 1

    def create_timing_cache(self, serialized_timing_cache):
        return ITimingCache(bytes(serialized_timing_cache))

    def set_timing_cache(self, cache, ignore_mismatch):
        self.timing = cache
        return True

    def get_timing_cache(self):
        return self.timing


class ITimingCache:
    def __init__(self, content):
        self.content = content if content.startswith(b'TIMING') else b''

    def serialize(self):
        return IHostMemory((self.content or b'TIMING') + b'+')


class IOptimizationProfile:
    def __init__(self):
        self.shapes = {}

    def set_shape(self, input, min, opt, max):  # noqa: A002
        self.shapes[input] = (min, opt, max)


class ParserError:
    def __init__(self, text):
        self.text = text

    def desc(self):
        return self.text

    def node_name(self):
        return ''

    def node_operator(self):
        return ''


class OnnxParser:
    def __init__(self, network, logger):
        self.network, self.errors = network, []

    @property
    def num_errors(self):
        return len(self.errors)

    def get_error(self, index):
        return self.errors[index]

    def parse(self, model):
        try:
            onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
        except Exception as error:
            self.errors.append(ParserError(str(error)))
            return False
        self.network.model = bytes(model)
        return True


class Runtime:
    def __init__(self, logger):
        self.logger, self.error_recorder = logger, None

    def deserialize_cuda_engine(self, serialized_engine):
        plan = bytes(serialized_engine)
        good = plan[:8] == MAGIC and plan[8:12] == zlib.crc32(plan[12:]).to_bytes(4, 'little')
        if not good or plan[12:28].strip() != self.module.__version__.encode():
            self.logger.log(ILogger.ERROR, 'Serialization assertion failed. Version tag mismatch')
            return None
        shapes = np.frombuffer(plan[28:28 + 72], np.int64).reshape(3, 3)
        return ICudaEngine(self, shapes, plan[28 + 72:])


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

    def create_execution_context(self):
        return IExecutionContext(self)


class IExecutionContext:
    def __init__(self, engine):
        self.engine, self.shape, self.addresses = engine, None, {}

    def set_input_shape(self, name, shape):
        low, _, high = self.engine.shapes
        if not all(a <= b <= c for a, b, c in zip(low, shape, high, strict=True)):
            return False
        self.shape = tuple(shape)
        return True

    def infer_shapes(self):
        return [] if self.shape else ['frame']

    def get_tensor_shape(self, name):
        return self.shape if name == 'frame' else self.shape[:2]

    def set_tensor_address(self, name, memory):
        self.addresses[name] = memory
        return memory > 0

    def execute_async_v3(self, stream_handle):
        module = self.engine.runtime.module
        if self.shape is None or set(self.addresses) != {end.name for end in self.engine.ends}:
            return False
        cuda, shape, addresses = module.cuda, self.shape, dict(self.addresses)
        pixels = shape[0] * shape[1]
        spans = {
            name: cuda.span(cuda.device, address, pixels * (3 if name == 'frame' else 4))
            for name, address in addresses.items()
        }
        if any(span is None for span in spans.values()):
            recorder = self.engine.runtime.error_recorder
            recorder.report_error(1, 'illegal memory access')
            return False

        def work():
            frame = np.ctypeslib.as_array(spans['frame']).reshape(shape)
            names = [name for name in spans if name != 'frame']
            results = dict(zip(
                names, self.engine.session.run(names, {'frame': frame}), strict=True
            ))
            if module.spoil is not None:
                module.spoil(self.engine.model, results)
            for name in names:
                target = np.ctypeslib.as_array(spans[name]).view(np.float32)
                target[:] = results[name].ravel()
            return 0

        return cuda.enqueue(stream_handle, work) == 0
