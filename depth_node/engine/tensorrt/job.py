"""Opening of one engine: from the cache, or built, verified and cached."""

from __future__ import annotations

from collections.abc import Sequence
import contextlib
import datetime as dt
import hashlib
from pathlib import Path
import re
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.engine import graph as graphs
from depth_node.engine.base import Request
from depth_node.engine.cache import EngineCache, Key, SAMPLE
from depth_node.engine.cache_folder import engine_cache_root, scratch
from depth_node.engine.precision import converted, Precision
from depth_node.engine.tensorrt import board
from depth_node.engine.tensorrt.advisories import known, safe_first
from depth_node.engine.tensorrt.apart import build_apart
from depth_node.engine.tensorrt.builder import Settings, SMALLEST, USUAL, within
from depth_node.engine.tensorrt.cuda import Cuda
from depth_node.engine.tensorrt.library import Library
from depth_node.engine.tensorrt.limits import (
    build_within,
    Limits,
    limits_for,
    memory_for_builds,
    NoMemoryError,
)
from depth_node.engine.tensorrt.resizing import costly_resize
from depth_node.engine.tensorrt.runtime import TensorRtEngine
from depth_node.engine.tensorrt.sample import Sample
from depth_node.engine.verify import answers, as_built, check, sample_frames, Verdict
from depth_node.errors import CancelledError, DeviceLostError, EngineError
from depth_node.image.size import Size
from depth_node.model import network as networks
from depth_node.model.file_state import check_unchanged
from depth_node.model.prediction import Prediction
from depth_node.process import give_back

_LADDERS = {
    'auto': tuple(Precision),
    'fp16': tuple(Precision),
    'fp32': (Precision.FP32,),
}
_BUILT = 0.8
"""Share of the work after which an engine is built and must only be verified."""
ROUNDS = 8
"""Number of runs of each frame when verifying a new engine; all must be equal."""
KEPT_ROUNDS = 3
"""Number of runs of the sample when verifying a cached engine."""


class Job:
    """
    The state of opening one engine.

    :param request: the arguments.
    :param library: TensorRT.
    :param cuda: the GPU, to be closed by the caller if opening fails.
    :raises EngineError: the maximum camera size is too small.
    :raises ModelError: the file is not a network this package can run.
    """

    def __init__(self, request: Request, library: Library, cuda: Cuda) -> None:
        self.model, self.config, self.size = request.model, request.config, request.size
        self.on_progress, self.cancelled = request.on_progress, request.cancelled
        self.log, self.warn, self.frames = request.log, request.warn, request.frames
        self.library, self.cuda = library, cuda
        self.attempts: list[dict[str, Any]] = []
        largest = Size.parse(self.config.max_camera_size)
        if largest.width < SMALLEST.width or largest.height < SMALLEST.height:
            raise EngineError(
                f'engine.max_camera_size is {largest}, expected at least {SMALLEST}.'
            )
        self.settings = Settings(
            self.config.optimization_level, largest, within(request.camera or USUAL, largest)
        )
        self.cache = EngineCache(engine_cache_root(self.config.cache_dir) / 'tensorrt')
        self.name = f'{self.model.spec.name}-{self.size}'
        self.info = networks.inspect(self.model.path, self.model.spec)
        exact = self._graph(Precision.FP32)
        self.advisories = known(library.version, cuda.gpu.capability, graphs.operators(exact))
        self.key = Key(
            graph=hashlib.sha256(exact).hexdigest(),
            runtime=library.name,
            gpu=cuda.gpu.name,
            capability=cuda.gpu.capability,
            precision='fp32' if self.config.precision == 'fp32' else 'fp16',
            settings={
                'workspace_mb': self.config.workspace_mb,
                'optimization_level': self.config.optimization_level,
                'max_camera_size': str(largest),
                # an engine that was built before something was known is built again
                'advisories': [advisory.issue for advisory in self.advisories],
            },
            hardware=cuda.gpu.hardware,
        )

    def open(self) -> TensorRtEngine:
        """Load the engine from the cache, or build it while other processes wait."""
        with self.cache.alone(self.name, self.key, cancelled=self.cancelled, log=self.log):
            return self._cached() or self._built()

    def _cached(self) -> TensorRtEngine | None:
        found = self.cache.load(self.name, self.key)
        if found is None:
            return None
        plan, metadata = found
        sample = Sample.read(self.cache.companion(self.name, self.key, SAMPLE, metadata))
        if not as_built(metadata) or sample is None:
            self.cache.set_aside(self.name, self.key)
            return None
        engine = None
        try:
            engine = self._engine(plan, metadata['precision'])
            verdict = self._kept_verdict(engine, sample)
        except (CancelledError, DeviceLostError):
            self._drop(engine)
            raise
        except EngineError as error:
            self._drop(engine)
            self.warn(f'The cached engine cannot be loaded and is built again: {error}')
        except BaseException:
            self._drop(engine)
            raise
        else:
            if verdict.good:
                engine.facts, engine.path = metadata, self.cache.path(self.name, self.key)
                return engine
            engine.free()
            self.warn(f'THE CACHED ENGINE IS WRONG and is built again: {verdict.reason}.')
        self.cache.set_aside(self.name, self.key)
        return None

    @staticmethod
    def _drop(engine: TensorRtEngine | None) -> None:
        if engine is not None:
            engine.free()

    def _kept_verdict(self, engine: TensorRtEngine, sample: Sample) -> Verdict:
        """Verify a cached engine on its sample, and on frames that are new since it was built."""
        verdict = check(
            engine, [sample.frame], [sample.answer], rounds=KEPT_ROUNDS, step=self._step('loading')
        )
        if not verdict.good or not self.frames:
            return verdict
        expected = self._answers(self.frames)
        return check(
            engine, self.frames, expected, rounds=ROUNDS, step=self._step('verifying')
        )

    def _built(self) -> TensorRtEngine:
        """Build from the fastest precision to the most accurate until one is verified."""
        gpu = self.cuda.gpu
        self.log(
            f'Building {self.name} with {self.library.name} for {gpu.name} ({gpu.hardware}).'
        )
        for line in filter(None, (
            ' '.join(board.advice(board.power_state())).strip(),
            costly_resize(self.model.spec, self.size, self.settings.largest, gpu),
            *map(str, self.advisories),
        )):
            self.warn(line)
        frames = sample_frames(self.frames)
        self.on_progress(0.0, 'running the reference')
        expected = self._answers(frames)
        seen: set[bytes] = set()
        with scratch(self.cache.folder) as folder:
            for precision in self._ladder():
                try:
                    graph = folder / 'graph.onnx'
                    digest = self._write(precision, graph)
                    if digest in seen:  # no attention in it: the same network again
                        continue
                    seen.add(digest)
                    engine = self._attempt(graph, precision, frames, expected)
                except (CancelledError, NoMemoryError, DeviceLostError):
                    raise
                except EngineError as error:
                    self.warn(f'{error} Continuing with the next precision.')
                    self.attempts.append(
                        {'precision': precision.value, 'reason': str(error), 'good': False}
                    )
                    continue
                if engine is not None:
                    return engine
        raise EngineError(
            f'No engine of {self.library.name} agrees with the network: '
            + '; '.join(f'{a["precision"]}: {a["reason"]}' for a in self.attempts),
            'Use another engine (engine.name), and report this network and version.',
        )

    def _ladder(self) -> tuple[Precision, ...]:
        """Return the precisions in order; those that were reported wrong come last."""
        ladder = _LADDERS[self.config.precision]
        if not self.advisories:
            return ladder
        # without attention two of them are one network, and a report is about both
        distinct: dict[object, Precision] = {}
        for precision in ladder:
            digest: object = precision
            with contextlib.suppress(EngineError):  # it is said when its turn comes
                digest = hashlib.sha256(self._graph(precision)).digest()
            distinct.setdefault(digest, precision)
        return safe_first(tuple(distinct.values()), self.advisories)

    def _attempt(
        self,
        graph: Path,
        precision: Precision,
        frames: Sequence[NDArray[np.uint8]],
        expected: Sequence[Prediction],
    ) -> TensorRtEngine | None:
        """Build and verify in one precision; None if the engine is wrong."""
        started = time.monotonic()
        stage = f'building {precision.value}'

        def build(limits: Limits) -> bytes:
            return build_apart(
                graph, self.settings, limits,
                device=self.config.device,
                timing=self._timing(),
                on_progress=lambda share, _: self.on_progress(share * _BUILT, stage),
                cancelled=self.cancelled,
            )

        gpu = self.cuda.gpu
        free = memory_for_builds(self.cuda.free_memory(), gpu.integrated)
        plan = build_within(build, limits_for(self.config.workspace_mb, free), self.warn)
        seconds = time.monotonic() - started
        engine = self._engine(plan, precision.value)
        try:
            verdict = check(
                engine, frames, expected, rounds=ROUNDS,
                step=self._step(f'verifying {precision.value}'),
            )
            check_unchanged(self.model.files)  # the key is the hash of an earlier reading
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
        self._keep(engine, plan, verdict, Sample(frames[-1], expected[-1]))
        self.on_progress(1.0, 'ready')
        return engine

    def _step(self, stage: str) -> Any:
        def step(done: int, total: int) -> None:
            if self.cancelled():
                raise CancelledError('Verifying the engine was cancelled.')
            self.on_progress(_BUILT + (1 - _BUILT) * done / total, stage)

        return step

    def _keep(
        self, engine: TensorRtEngine, plan: bytes, verdict: Verdict, sample: Sample
    ) -> None:
        self.log(
            f'Built {self.name}, {engine.precision}: relative error '
            f'{verdict.median:.2%} (median), {verdict.p99:.2%} (99th percentile).'
        )
        engine.facts = {
            'model': self.model.spec.name,
            'size': str(self.size),
            'precision': engine.precision,
            'verification': self.attempts,
            'tuned_for': str(self.settings.usual),
            'advisories': list(map(str, self.advisories)),
            'board': board.power_state(),
            'created': dt.datetime.now(dt.timezone.utc).isoformat('T', 'seconds'),
        }
        try:
            engine.path = self.cache.store(
                self.name, self.key, plan, engine.facts, {SAMPLE: sample.as_bytes()}
            )
        except EngineError as error:
            self.warn(f'{error} The engine is not cached, so every start builds it.')
        else:
            self.log(f'Cached as {engine.path}.')

    def _engine(self, plan: bytes, precision: str) -> TensorRtEngine:
        return TensorRtEngine(
            self.library, self.cuda, plan, self.model.spec, self.size, precision
        )

    def _graph(self, precision: Precision) -> bytes:
        """Return the merged graph with the network in a precision."""
        network = graphs.with_size(networks.load(self.model.path), self.info, self.size)
        whole = graphs.merged(
            converted(network, precision), self.info, self.model.spec, self.size
        )
        return bytes(whole.SerializeToString(deterministic=True))

    def _write(self, precision: Precision, path: Path) -> bytes:
        """Write the graph to a file, to free its memory during the build; return its hash."""
        content = self._graph(precision)
        path.write_bytes(content)
        return hashlib.sha256(content).digest()

    def _answers(self, frames: Sequence[NDArray[np.uint8]]) -> list[Prediction]:
        """Return the results of the network in fp32 on the CPU, and free it."""
        from depth_node.engine.onnxruntime import CPU, open_graph

        reference = open_graph(
            self._graph(Precision.FP32), self.model.spec, self.size, provider=CPU
        )
        with contextlib.closing(reference):
            found = answers(reference, frames)
        del reference
        give_back()
        return found

    def _timing(self) -> Path:
        gpu = self.cuda.gpu
        name = f'timing {self.library.name} {gpu.name} {gpu.capability} {gpu.hardware}'
        return self.cache.folder / f'{re.sub(r"[^A-Za-z0-9.-]+", "_", name)}.cache'
