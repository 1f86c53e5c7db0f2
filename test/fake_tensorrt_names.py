"""Enums, interfaces and constants of the fake TensorRT; see fake_tensorrt."""

from __future__ import annotations

import enum

MAGIC = b'FAKEPLAN'
THREADS = 3
"""Threads of a build, each with phases of its own."""
OTHER_DEVICE = (
    'Using an engine plan file across different models of devices is not recommended and is '
    'likely to affect performance or even cause errors.'
)


class NetworkDefinitionCreationFlag(enum.IntEnum):
    STRONGLY_TYPED = 1


class MemoryPoolType(enum.IntEnum):
    WORKSPACE = 0
    TACTIC_DRAM = 4


class BuilderFlag(enum.IntEnum):
    TF32 = 5


class ProfilingVerbosity(enum.IntEnum):
    LAYER_NAMES_ONLY = 0
    DETAILED = 2


class LayerInformationFormat(enum.IntEnum):
    ONELINE = 0
    JSON = 1


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


class IProfiler:
    pass


class IHostMemory:
    def __init__(self, content):
        self.content = content

    @property
    def nbytes(self):
        return len(self.content)

    def __bytes__(self):
        return self.content
