"""Building of a plan in this process; see :mod:`apart` for a separate process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import logging
from pathlib import Path
from typing import Any

from depth_node.engine.base import no_progress, Progress
from depth_node.engine.cache import write_whole
from depth_node.engine.graph import FRAME
from depth_node.engine.tensorrt.library import Library
from depth_node.engine.tensorrt.limits import is_out_of_memory, Limits, MB, OutOfMemoryError
from depth_node.engine.tensorrt.progress import monitor_of
from depth_node.errors import CancelledError, DataError, EngineError
from depth_node.files import read_regular
from depth_node.image.size import Size
from depth_node.process import never

SMALLEST = Size(160, 120)
"""Minimum camera size of an engine (pixels)."""
USUAL = Size(640, 480)
"""Camera size for tuning if none is known (pixels)."""

_TIMING_BYTES = 2**28
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """
    The settings of a build.

    :param optimization_level: 0 builds quickly, 5 searches longest.
    :param largest: maximum camera size (pixels).
    :param usual: camera size for tuning (pixels).
    :param capability: compute capability to build for, like 8.0, or `current`, with TensorRT for
        RTX only, which can build for another GPU than the one that is there; empty: its choice.
    """

    optimization_level: int = 3
    largest: Size = Size(1920, 1080)
    usual: Size = USUAL
    capability: str = ''


def build(
    library: Library,
    graph: bytes,
    settings: Settings,
    limits: Limits,
    *,
    timing: Path | None = None,
    on_progress: Progress = no_progress,
    cancelled: Callable[[], bool] = never,
) -> bytes:
    """
    Build a plan.

    :param library: TensorRT.
    :param graph: a merged graph, serialized.
    :param settings: settings of the build.
    :param limits: memory limits.
    :param timing: file of the timing cache, which is updated even if the build fails, so that
        the next attempt is faster; None for none.
    :param on_progress: called with a share from 0 to 1 and the stage.
    :param cancelled: called at every step of the builder; returns whether to cancel.
    :returns: the plan.
    :raises OutOfMemoryError: not enough memory.
    :raises EngineError: TensorRT does not support the graph.
    :raises CancelledError: it was cancelled.
    """
    trt = library.trt
    library.errors()
    library.warnings()
    with library.guarded('build the engine'):
        builder = trt.Builder(library.logger)
        network = _parse(library, builder, graph)
        config = _config(library, builder, settings, limits)
        has_timing = timing is not None and _read_timing(config, timing)
        monitor = monitor_of(trt, on_progress, cancelled)
        config.progress_monitor = monitor
        plan = builder.build_serialized_network(network, config)
        # the callbacks live in Python: let go of them before the builder does
        config.progress_monitor = None
        if timing is not None and has_timing:
            _write_timing(config, timing)
    if monitor.failure is not None:
        raise monitor.failure
    if plan is None and cancelled():
        raise CancelledError('Building the engine was cancelled.')
    if plan is None:
        errors, warnings = library.errors(), library.warnings()
        requested = is_out_of_memory(errors, warnings)
        if requested is not None:
            raise OutOfMemoryError(errors, requested)
        raise library.failed('build the engine', errors)
    on_progress(1.0, 'built')
    return bytes(plan)


def _config(library: Library, builder: Any, settings: Settings, limits: Limits) -> Any:
    trt = library.trt
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, limits.workspace * MB)
    config.set_memory_pool_limit(trt.MemoryPoolType.TACTIC_DRAM, limits.tactics * MB)
    config.builder_optimization_level = settings.optimization_level
    # names, types and formats of layers for `build --profile`; the kernels are the same
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    # what is fp32 in the graph is meant to be exact
    config.clear_flag(trt.BuilderFlag.TF32)
    if settings.capability:
        _choose_capability(library, config, settings.capability)
    profile = builder.create_optimization_profile()
    sizes = (SMALLEST, within(settings.usual, settings.largest), settings.largest)
    profile.set_shape(FRAME, *((size.height, size.width, 3) for size in sizes))
    if config.add_optimization_profile(profile) < 0:
        raise EngineError(
            f'{library.name} refuses cameras from {SMALLEST} to {settings.largest}: '
            f'{library.errors()}'
        )
    return config


def _choose_capability(library: Library, config: Any, wanted: str) -> None:
    """Build for one compute capability."""
    kinds = getattr(library.trt, 'ComputeCapability', None)
    name = wanted.upper() if wanted == 'current' else f'SM{wanted.replace(".", "")}'
    known = {} if kinds is None else dict(kinds.__members__)
    if name not in known or name == 'NONE':
        names = [n for n in known if n != 'NONE']
        raise EngineError(
            f'{library.name} cannot build for compute capability {wanted} '
            f'(it knows {", ".join(names) or "only that of the GPU"}).'
        )
    config.num_compute_capabilities = 1
    if not config.set_compute_capability(known[name], 0):
        raise EngineError(
            f'{library.name} refuses compute capability {wanted}: {library.errors()}'
        )


def within(size: Size, largest: Size) -> Size:
    """
    Return a camera size limited to the range of an engine.

    :param size: any size (pixels).
    :param largest: upper bound of both sides (pixels).
    :returns: the nearest size in the range.
    """
    return Size(
        min(max(size.width, SMALLEST.width), largest.width),
        min(max(size.height, SMALLEST.height), largest.height),
    )


def _parse(library: Library, builder: Any, graph: bytes) -> Any:
    trt = library.trt
    # from 11 on every network is strongly typed; where the flag exists it still has to be given
    flags = 0
    if hasattr(trt.NetworkDefinitionCreationFlag, 'STRONGLY_TYPED'):
        flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(flags)
    parser = trt.OnnxParser(network, library.logger)
    if not parser.parse(graph):
        errors = [parser.get_error(i) for i in range(parser.num_errors)]
        written = '; '.join(
            f'{error.desc()} ({error.node_operator() or "graph"} {error.node_name()})'.strip()
            for error in errors
        )
        library.errors()
        raise EngineError(f'{library.name} cannot read the network: {written or "no reason"}')
    return network


def _read_timing(config: Any, path: Path) -> bool:
    """Load the timing cache; a damaged or foreign file only costs time."""
    try:
        content = read_regular(path, _TIMING_BYTES)
    except DataError:
        content = b''
    for measured in (content, b''):
        cache = config.create_timing_cache(measured)
        if cache is not None and config.set_timing_cache(cache, False):
            return True
    return False


def _write_timing(config: Any, path: Path) -> None:
    cache = config.get_timing_cache()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, bytes(cache.serialize()))
    except (EngineError, OSError) as error:
        _LOGGER.warning('%s', error)
