"""
``tensorrt`` without a GPU: the calls and their rules, the arithmetic by ONNX Runtime.

It tests our logic, not TensorRT: the real parser and builder are tried in
``test_tensorrt_builder.py``. ``test_tensorrt_facts.py`` holds every name and signature here
against every supported version.

As the real one it calls the progress monitor and the logger from several threads with
overlapping phases, prints what they raise and takes it as a cancellation, returns None where
the real one returns null, and raises TypeError and RuntimeError where pybind11 does.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import SimpleNamespace
import zlib

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
from fake_tensorrt_runtime import (  # noqa: F401
    EngineInspector,
    ICudaEngine,
    IExecutionContext,
    Runtime,
)
import numpy as np
import onnxruntime


class FakeTensorRt:
    """
    The module.

    :param cuda: the machine it runs on.
    :param version: which TensorRT it pretends to be.
    :param spoil: changes the outputs of a graph, whenever it runs: ``spoil(model, results)``.
    :param memory_mb: builds whose workspace and tactics may take more fail, see `shape`.
    :param shape: of running out of memory: `requested`, `implementation` or `killed`.
    :param null: what comes out as null: `runtime`, `context`, or as False: `execute`.
    :param raises: functions that raise RuntimeError, as pybind11 does: `infer_shapes` and more.
    """

    NetworkDefinitionCreationFlag = NetworkDefinitionCreationFlag
    MemoryPoolType = MemoryPoolType
    BuilderFlag = BuilderFlag
    ProfilingVerbosity = ProfilingVerbosity
    LayerInformationFormat = LayerInformationFormat
    TensorIOMode = TensorIOMode
    DataType = DataType
    ILogger = ILogger
    IProgressMonitor = IProgressMonitor
    IErrorRecorder = IErrorRecorder
    IProfiler = IProfiler

    def __init__(
        self, cuda, version='10.3.0', spoil=None, memory_mb=1 << 20, shape='requested',
        null=(), raises=(),
    ):
        self.__version__, self.__name__ = version, 'tensorrt'
        self.cuda, self.spoil, self.memory_mb, self.shape = cuda, spoil, memory_mb, shape
        self.null, self.raises = null, raises
        self.builds, self.plugins = [], []
        for part in (Builder, OnnxParser, Runtime):
            setattr(self, part.__name__, type(part.__name__, (part,), {'module': self}))

    def init_libnvinfer_plugins(self, logger, namespace):
        self.plugins.append(namespace)
        return True

    @property
    def device(self):
        """What a plan and timings are bound to; TensorRT only warns of a plan of another."""
        return f'{self.cuda.name}/{self.cuda.sms}'.encode().ljust(32)

    def fails(self, name):
        if name in self.raises:
            raise RuntimeError(f'{name}: internal error')


class Builder:
    def __init__(self, logger):
        if not isinstance(logger, ILogger):
            raise TypeError('incompatible constructor arguments')
        if not self.module.cuda.gpus:
            raise TypeError('pybind11::init(): factory function returned nullptr')
        self.logger = logger

    def create_network(self, flags=0):
        self.module.fails('create_network')
        return SimpleNamespace(flags=flags, model=None)

    def create_builder_config(self):
        return IBuilderConfig(self.module, self.logger)

    def create_optimization_profile(self):
        return IOptimizationProfile(self.module)

    def build_serialized_network(self, network, config):
        module = self.module
        pools = {pool: size >> 20 for pool, size in config.pools.items()}
        workspace = pools[MemoryPoolType.WORKSPACE]
        tactics = pools.get(MemoryPoolType.TACTIC_DRAM, 1 << 20)
        module.builds.append(SimpleNamespace(
            workspace=workspace, tactics=tactics, config=config, flags=network.flags
        ))
        if not config.profiles:
            self.logger.log(ILogger.ERROR, 'Network has dynamic inputs, but no profile')
            return None
        if config.timing is not None:
            config.timing.content = (config.timing.content or module.timing_tag()) + b'+'
        if workspace > module.memory_mb:
            self._out_of_memory(workspace << 20)
            return None
        if not self._phases(config.progress_monitor):
            return None
        profile = np.array(config.profiles[0].shapes['frame'], np.int64).tobytes()
        body = module.__version__.encode().ljust(16) + module.device + profile + network.model
        return IHostMemory(MAGIC + zlib.crc32(body).to_bytes(4, 'little') + body)

    def _out_of_memory(self, requested):
        log = self.logger.log
        match self.module.shape:
            case 'requested':
                log(ILogger.ERROR, 'Error Code 2: OutOfMemory '
                    f'(Requested size was {requested} bytes.)')
            case 'implementation':
                log(ILogger.WARNING, 'UNSUPPORTED_STATE: Skipping tactic 0 due to insufficient '
                    f'memory on requested size of {requested} detected for tactic 0x1.')
                log(ILogger.ERROR, '[optimizer.cpp::computeCosts::4057] Error Code 10: Internal '
                    'Error (Could not find any implementation for node {ForeignNode[a...b]}.)')
            case 'killed':
                os.kill(os.getpid(), signal.SIGKILL)

    def _phases(self, monitor):
        """Report progress from several threads; any of them may cancel the build."""
        going_on = []

        def guarded(function, *arguments):
            try:
                return function(*arguments)
            except Exception as error:  # pybind11 prints it, and TensorRT cancels
                print('the monitor raised', repr(error), file=sys.stderr)
                return False

        # so that phases do overlap, however fast one thread is done
        together = threading.Barrier(THREADS)

        def work(number):
            answers = []
            for step in range(4):
                phase = f'Timing {number}.{step}'
                answers.append(guarded(monitor.phase_start, phase, 'Building engine', 4))
                together.wait(30)
                answers.extend(guarded(monitor.step_complete, phase, inner) for inner in range(4))
                answers.append(guarded(monitor.phase_finish, phase))
                self.logger.log(ILogger.INFO, phase)
            going_on.append(False not in answers)

        guarded(monitor.phase_start, 'Building engine', None, 2)
        for step in range(2):
            threads = [threading.Thread(target=work, args=(n,)) for n in range(THREADS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            going_on.append(guarded(monitor.step_complete, 'Building engine', step) is True)
            if not all(going_on):
                return False
        return guarded(monitor.phase_finish, 'Building engine') is not False


class IBuilderConfig:
    def __init__(self, module, logger):
        self.module, self.logger = module, logger
        self.pools, self.profiles, self.flags = {}, [], {BuilderFlag.TF32}
        self.builder_optimization_level = 3
        self.profiling_verbosity = ProfilingVerbosity.LAYER_NAMES_ONLY
        self.progress_monitor = None
        self.timing = None

    def set_memory_pool_limit(self, pool, pool_size):
        if not isinstance(pool, MemoryPoolType):
            raise TypeError('incompatible function arguments')
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
        content = bytes(serialized_timing_cache)
        if content and not content.startswith(b'TIMING'):
            self.logger.log(ILogger.WARNING, 'The timing cache cannot be read')
            content = b''
        return ITimingCache(content)

    def set_timing_cache(self, cache, ignore_mismatch):
        if cache.content and not cache.content.startswith(self.module.timing_tag()):
            self.logger.log(ILogger.WARNING, 'The timing cache is of another device')
            if not ignore_mismatch:
                return False
        self.timing = cache
        return True

    def get_timing_cache(self):
        return self.timing


FakeTensorRt.timing_tag = lambda self: b'TIMING ' + self.device.strip() + b' '


class ITimingCache:
    def __init__(self, content):
        self.content = content

    def serialize(self):
        return IHostMemory(self.content)


class IOptimizationProfile:
    def __init__(self, module):
        self.module = module
        self.shapes = {}

    def set_shape(self, input, min, opt, max):  # noqa: A002
        self.module.fails('set_shape')
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
