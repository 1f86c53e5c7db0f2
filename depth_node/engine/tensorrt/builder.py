"""From a merged graph to a plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import logging
from pathlib import Path
import re
from typing import Any

from depth_node.engine.base import no_progress, Progress
from depth_node.engine.cache import write_whole
from depth_node.engine.graph import FRAME
from depth_node.engine.tensorrt.library import Library
from depth_node.errors import CancelledError, EngineError
from depth_node.image.size import Size
from depth_node.process import never

SMALLEST = Size(160, 120)
"""Smallest camera an engine takes (pixels)."""
USUAL = Size(640, 480)
"""The camera an engine is tuned for, unless `Settings.largest` is smaller (pixels)."""
_LEAST_WORKSPACE = 64  # MB; below, a build that is out of memory has no use of less

_LOGGER = logging.getLogger(__name__)
_NO_MEMORY = re.compile(r'out ?of ?memory|insufficient memory|requested size was', re.IGNORECASE)
_REQUESTED = re.compile(r'requested size was (\d+) bytes', re.IGNORECASE)


class NoMemoryError(EngineError):
    """There is not enough memory to build an engine, in whichever precision."""


@dataclass(frozen=True)
class Settings:
    """
    What decides about a build besides the graph.

    :param workspace_mb: scratch memory a layer may use (MB).
    :param optimization_level: 0 builds quickly, 5 searches longest.
    :param largest: largest camera the engine takes (pixels).
    """

    workspace_mb: int = 1024
    optimization_level: int = 3
    largest: Size = Size(1920, 1080)


def build(
    library: Library,
    graph: bytes,
    settings: Settings,
    *,
    timing: Path | None = None,
    on_progress: Progress = no_progress,
    cancelled: Callable[[], bool] = never,
) -> bytes:
    """
    Build a plan; with less workspace again when the memory does not suffice.

    :param library: TensorRT.
    :param graph: a merged graph, serialized.
    :param settings: how.
    :param timing: file of the timing cache, read and written; None for none.
    :param on_progress: called with a share from 0 to 1 and the stage.
    :param cancelled: asked at every step of the builder.
    :returns: the plan.
    :raises NoMemoryError: not even the least workspace leaves enough.
    :raises EngineError: TensorRT does not take the graph.
    :raises CancelledError: `cancelled` said so.
    """
    workspace = settings.workspace_mb
    while True:
        plan, errors = _build_once(
            library, graph, settings, workspace, timing, on_progress, cancelled
        )
        if plan is not None:
            on_progress(1.0, 'built')
            return plan
        if not _NO_MEMORY.search(errors):
            raise EngineError(
                f'{library.name} could not build the engine: {errors or "no reason given"}',
                'If it asks for more workspace, raise engine.workspace_mb.',
            )
        if workspace // 2 < _LEAST_WORKSPACE:
            needed = max((int(n) for n in _REQUESTED.findall(errors)), default=0)
            asked = f'; it asked for {needed / 1e6:.0f} MB' if needed else ''
            raise NoMemoryError(
                f'There is not enough memory to build the engine, even with {workspace} MB of '
                f'workspace{asked}.',
                'Close other programs, add swap, or take a smaller model.input_size.',
            )
        _LOGGER.warning('Out of memory with %d MB of workspace, trying half of it', workspace)
        workspace //= 2


def _build_once(  # noqa: PLR0917
    library: Library,
    graph: bytes,
    settings: Settings,
    workspace: int,
    timing: Path | None,
    on_progress: Progress,
    cancelled: Callable[[], bool],
) -> tuple[bytes | None, str]:
    """Build with a given workspace; returns the plan or None, and the errors logged."""
    trt = library.trt
    library.errors()
    try:
        builder = trt.Builder(library.logger)
    except TypeError as error:  # what pybind11 says when TensorRT has no GPU
        raise EngineError(f'{library.name} cannot start: {library.errors() or error}') from error
    network = _parse(library, builder, graph)
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace << 20)
    config.builder_optimization_level = settings.optimization_level
    # what is fp32 in the graph is meant to be exact
    config.clear_flag(trt.BuilderFlag.TF32)
    profile = builder.create_optimization_profile()
    profile.set_shape(FRAME, *(_frame_shape(size) for size in _sizes(settings.largest)))
    if config.add_optimization_profile(profile) < 0:
        raise EngineError(
            f'{library.name} refuses cameras from {SMALLEST} to {settings.largest}: '
            f'{library.errors()}'
        )
    cache = _read_timing(config, timing)
    monitor = _monitor(trt, on_progress, cancelled)
    config.progress_monitor = monitor
    plan = builder.build_serialized_network(network, config)
    # the callbacks live in Python: let go of them before the builder does
    config.progress_monitor = None
    if monitor.failure is not None:
        raise monitor.failure
    if plan is None:
        if cancelled():
            raise CancelledError('Building the engine was cancelled.')
        return None, library.errors()
    if timing is not None and cache is not None:
        _write_timing(config, timing)
    return bytes(plan), ''


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


def _sizes(largest: Size) -> tuple[Size, Size, Size]:
    usual = Size(min(USUAL.width, largest.width), min(USUAL.height, largest.height))
    return SMALLEST, usual, largest


def _frame_shape(size: Size) -> tuple[int, int, int]:
    return (size.height, size.width, 3)


def _read_timing(config: Any, path: Path | None) -> Any:
    """Give the builder what it measured before; a damaged file only costs time."""
    if path is None:
        return None
    try:
        content = path.read_bytes()
    except OSError:
        content = b''
    cache = config.create_timing_cache(content)
    if cache is None or not config.set_timing_cache(cache, False):
        return None
    return cache


def _write_timing(config: Any, path: Path) -> None:
    cache = config.get_timing_cache()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, bytes(cache.serialize()))
    except (EngineError, OSError) as error:
        _LOGGER.warning('%s', error)


def _monitor(trt: Any, on_progress: Progress, cancelled: Callable[[], bool]) -> Any:
    """Turn TensorRT's nested phases into one share that never falls."""
    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.phases = _Phases()
            self.failure: BaseException | None = None

        def phase_start(self, phase_name: str, parent_phase: str, num_steps: int) -> None:
            self.phases.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            self.phases.step(phase_name, step)
            try:
                on_progress(self.phases.share(), phase_name)
                return not cancelled()
            except BaseException as error:  # noqa: BLE001  (TensorRT would only print it)
                self.failure = error
                return False

        def phase_finish(self, phase_name: str) -> None:
            self.phases.finish(phase_name)

    return Monitor()


class _Phases:
    """Phases inside phases, each with a number of steps."""

    def __init__(self) -> None:
        # name to parent, steps, steps done
        self._open: dict[str, tuple[str | None, int, int]] = {}
        self._share = 0.0

    def start(self, name: str, parent: str | None, steps: int) -> None:
        self._open[name] = (parent, max(steps, 1), 0)

    def step(self, name: str, step: int) -> None:
        if name in self._open:
            parent, steps, _ = self._open[name]
            self._open[name] = (parent, steps, min(step + 1, steps))

    def finish(self, name: str) -> None:
        self._open.pop(name, None)

    def share(self) -> float:
        """Share of the whole that is done, 0 to 1."""
        roots = [name for name, (parent, _, _) in self._open.items() if parent not in self._open]
        if roots:
            self._share = max(self._share, self._share_of(roots[0]))
        return self._share

    def _share_of(self, name: str) -> float:
        _, steps, done = self._open[name]
        inner = max(
            (self._share_of(n) for n, (parent, _, _) in self._open.items() if parent == name),
            default=0.0,
        )
        return min(1.0, (done + inner) / steps)
