"""From a network to a running engine: from the cache, or built, verified and kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import contextlib
import datetime as dt
import hashlib
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.engine import graph as graphs
from depth_node.engine.base import Engine, Request
from depth_node.engine.cache import cache_root, EngineCache, Key
from depth_node.engine.precision import converted, Precision
from depth_node.engine.tensorrt.builder import build, NoMemoryError, Settings, SMALLEST
from depth_node.engine.tensorrt.cuda import Cuda, load_cuda
from depth_node.engine.tensorrt.library import Library, load_library
from depth_node.engine.tensorrt.runtime import TensorRtEngine
from depth_node.engine.verify import as_built, compare, sample_frames, Verdict
from depth_node.errors import CancelledError, EngineError
from depth_node.image.size import Size
from depth_node.model import network as networks

_LADDERS = {
    'auto': tuple(Precision),
    'fp16': tuple(Precision),
    'fp32': (Precision.FP32,),
}
_BUILT = 0.8
"""Share of the work after which an engine is built and only has to be verified."""


def open_tensorrt(request: Request) -> Engine:
    """
    Open the engine of a network, building it when there is none.

    :param request: what for.
    :returns: the engine.
    :raises EngineError: no GPU, no TensorRT, or no precision that agrees with the network.
    :raises ModelError: the file is not a network this package can run.
    :raises CancelledError: `cancelled` said so.
    """
    library = load_library()
    cuda = Cuda(load_cuda(), request.config.device)
    try:
        return _Job(request, library, cuda).open()
    except BaseException:
        cuda.close()
        raise


def current() -> tuple[str, str]:
    """
    Name what a kept engine has to be of to load here.

    :returns: TensorRT with its version, and the GPU.
    :raises EngineError: no GPU or no TensorRT.
    """
    library = load_library()
    with contextlib.closing(Cuda(load_cuda())) as cuda:
        return library.name, cuda.gpu


class _Job:
    """Everything one opening needs."""

    def __init__(self, request: Request, library: Library, cuda: Cuda) -> None:
        self.model, self.config, self.size = request.model, request.config, request.size
        self.on_progress, self.cancelled = request.on_progress, request.cancelled
        self.log, self.warn, self.frames = request.log, request.warn, request.frames
        self.library, self.cuda = library, cuda
        self.attempts: list[dict[str, Any]] = []
        config = self.config
        self.settings = Settings(
            config.workspace_mb, config.optimization_level, Size.parse(config.max_camera_size)
        )
        if self.settings.largest.width < SMALLEST.width or (
            self.settings.largest.height < SMALLEST.height
        ):
            raise EngineError(
                f'engine.max_camera_size is {self.settings.largest}, expected at least {SMALLEST}.'
            )
        self.cache = EngineCache(cache_root(config.cache_dir) / 'tensorrt')
        self.name = f'{self.model.spec.name}-{self.size}'
        self.exact = self._graph(Precision.FP32)
        self.key = Key(
            graph=hashlib.sha256(self.exact).hexdigest(),
            runtime=self.library.name,
            gpu=self.cuda.gpu,
            capability=self.cuda.capability,
            precision='fp32' if config.precision == 'fp32' else 'fp16',
            settings={
                'workspace_mb': config.workspace_mb,
                'optimization_level': config.optimization_level,
                'max_camera_size': str(self.settings.largest),
            },
        )

    def open(self) -> Engine:
        """Take the engine from the cache, or build it while other processes wait."""
        with self.cache.alone(self.name, self.key, cancelled=self.cancelled, log=self.log):
            return self._cached() or self._built()

    def _cached(self) -> Engine | None:
        found = self.cache.load(self.name, self.key)
        if found is None:
            return None
        plan, metadata = found
        if not as_built(metadata):
            self.cache.set_aside(self.name, self.key)
            return None
        try:
            engine = self._engine(plan, metadata['precision'])
        except EngineError as error:
            self.warn(f'The kept engine does not load and is built again: {error}')
            self.cache.set_aside(self.name, self.key)
            return None
        engine.facts = metadata
        verdict = self._on_the_users_frames(engine)
        if verdict.good:
            return engine
        self.warn(f'THE KEPT ENGINE IS WRONG and is built again: {verdict.reason}.')
        engine.free()
        self.cache.set_aside(self.name, self.key)
        return None

    def _on_the_users_frames(self, engine: TensorRtEngine) -> Verdict:
        """Verify a kept engine on frames that nobody had when it was built."""
        if not self.frames:
            return Verdict(0, 0.0, 0.0)
        with contextlib.closing(self._reference()) as reference:
            return compare(engine, reference, self._watched(self.frames, 'verifying'))

    def _built(self) -> Engine:
        """Build from the fastest precision to the safest until one is right."""
        self.log(f'Building {self.name} with {self.library.name} for {self.cuda.gpu}.')
        frames = sample_frames(self.frames)
        seen: set[bytes] = set()
        with contextlib.closing(self._reference()) as reference:
            for precision in _LADDERS[self.config.precision]:
                try:
                    graph = self._graph(precision)
                    digest = hashlib.sha256(graph).digest()
                    if digest in seen:  # no attention in it: the same network again
                        continue
                    seen.add(digest)
                    engine = self._attempt(graph, precision, reference, frames)
                except (CancelledError, NoMemoryError):
                    raise
                except EngineError as error:
                    self.warn(f'{error} Going on in the next precision.')
                    self.attempts.append(
                        {'precision': precision.value, 'reason': str(error), 'good': False}
                    )
                    continue
                if engine is not None:
                    return engine
        raise EngineError(
            f'No engine that {self.library.name} builds agrees with the network: '
            + '; '.join(f'{a["precision"]}: {a["reason"]}' for a in self.attempts),
            'Take another engine (engine.name), and please report this network and version.',
        )

    def _attempt(
        self,
        graph: bytes,
        precision: Precision,
        reference: Engine,
        frames: Sequence[NDArray[np.uint8]],
    ) -> Engine | None:
        """Build and verify in one precision; None when the engine is wrong."""
        started = time.monotonic()
        stage = f'building {precision.value}'
        plan = build(
            self.library, graph, self.settings,
            timing=self._timing(),
            on_progress=lambda share, _: self.on_progress(share * _BUILT, stage),
            cancelled=self.cancelled,
        )
        seconds = time.monotonic() - started
        engine = self._engine(plan, precision.value)
        try:
            verdict = compare(
                engine, reference, self._watched(frames, f'verifying {precision.value}')
            )
        except BaseException:
            engine.free()
            raise
        self.attempts.append(
            {**verdict.as_facts(precision.value), 'seconds': round(seconds, 1)}
        )
        if not verdict.good:
            self.warn(
                f'THE {precision.value.upper()} ENGINE IS WRONG and is not used: '
                f'{verdict.reason}.'
            )
            engine.free()
            return None
        engine.facts = self._keep(plan, precision, verdict, seconds)
        self.on_progress(1.0, 'ready')
        return engine

    def _watched(
        self, frames: Sequence[NDArray[np.uint8]], stage: str
    ) -> Iterator[NDArray[np.uint8]]:
        for index, frame in enumerate(frames):
            if self.cancelled():
                raise CancelledError('Verifying the engine was cancelled.')
            self.on_progress(_BUILT + (1 - _BUILT) * index / len(frames), stage)
            yield frame

    def _keep(
        self, plan: bytes, precision: Precision, verdict: Verdict, seconds: float
    ) -> dict[str, Any]:
        self.log(
            f'Built {self.name} in {seconds:.0f} s, {precision.value}: relative error '
            f'{verdict.median:.2%} (median), {verdict.p99:.2%} (99th percentile).'
        )
        facts = {
            'model': self.model.spec.name,
            'size': str(self.size),
            'precision': precision.value,
            'verification': self.attempts,
            'created': dt.datetime.now(dt.timezone.utc).isoformat('T', 'seconds'),
        }
        try:
            path = self.cache.store(self.name, self.key, plan, facts)
        except EngineError as error:
            self.warn(f'{error} The engine is not kept, so every start builds it.')
        else:
            self.log(f'Kept as {path}.')
        return facts

    def _engine(self, plan: bytes, precision: str) -> TensorRtEngine:
        return TensorRtEngine(
            self.library, self.cuda, plan, self.model.spec, self.size, precision
        )

    def _graph(self, precision: Precision) -> bytes:
        """Write the merged graph with the network in a given precision."""
        info = networks.inspect(self.model.path)
        network = graphs.with_size(networks.load(self.model.path), info, self.size)
        whole = graphs.merged(converted(network, precision), info, self.model.spec, self.size)
        return bytes(whole.SerializeToString(deterministic=True))

    def _reference(self) -> Engine:
        from depth_node.engine.onnxruntime import CPU, open_graph

        return open_graph(self.exact, self.model.spec, self.size, provider=CPU)

    def _timing(self) -> Any:
        name = f'timing {self.library.name} {self.cuda.gpu}.cache'
        return self.cache.folder / ''.join(c if c.isalnum() or c in '.-' else '_' for c in name)
