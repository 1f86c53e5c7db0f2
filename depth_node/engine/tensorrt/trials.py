"""The checks of ``build --self-test``; see :mod:`self_test`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import contextlib
import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
import time

import numpy as np
from numpy.typing import NDArray

from depth_node.config import EngineConfig
from depth_node.engine import graph as graphs
from depth_node.engine.base import Request
from depth_node.engine.onnxruntime import CPU, open_graph
from depth_node.engine.tensorrt import board
from depth_node.engine.tensorrt.advisories import advisories, known
from depth_node.engine.tensorrt.builder import build, Settings
from depth_node.engine.tensorrt.cuda import Cuda, load_cuda
from depth_node.engine.tensorrt.library import Library, load_library
from depth_node.engine.tensorrt.limits import limits_for
from depth_node.engine.tensorrt.opening import open_tensorrt
from depth_node.engine.tensorrt.runtime import TensorRtEngine
from depth_node.engine.tensorrt.trial_network import SIZE, write_trial_network
from depth_node.engine.tensorrt.trial_tools import in_thread, must, noise, require
from depth_node.engine.tensorrt.trtexec import time_with_trtexec
from depth_node.engine.verify import answers, check, Verdict
from depth_node.errors import CancelledError, EngineError
from depth_node.image.size import Size
from depth_node.model import Aspect, Interpolation, Model
from depth_node.model import network as networks
from depth_node.model.prediction import Prediction
from depth_node.process import give_back

CAMERAS = tuple(
    Size(*sides) for sides in ((160, 120), (640, 480), (1280, 720), (1920, 1080))
)
_LEFT_MB = 32
"""GPU memory that twenty openings may leave allocated (MB), because CUDA caches some."""


@dataclass(frozen=True)
class Effort:
    """
    The extent of the checks.

    :param replays: number of launches of one graph, which must be equal bit for bit.
    :param repeats: number of interleaved inferences of a verified engine.
    :param openings: how often an engine is opened and closed.
    :param timed: number of inferences that are timed.
    :param cancel_at: shares of a build at which it is cancelled.
    """

    replays: int = 100
    repeats: int = 200
    openings: int = 20
    timed: int = 200
    cancel_at: tuple[float, ...] = (0.1, 0.5, 0.9)


@dataclass
class Trials:
    """
    The checks.

    :param config: the ``engine`` parameters.
    :param folder: folder for all files.
    :param effort: extent of the checks.
    :param model: network for precision, speed and cancelling; None: the small network.
    :param size: its size (pixels).
    """

    config: EngineConfig
    folder: Path
    effort: Effort
    model: Model | None = None
    size: Size | None = None
    library: Library = field(default_factory=load_library)

    def __post_init__(self) -> None:
        self.small = write_trial_network(self.folder)
        self.config = dataclasses.replace(self.config, cache_dir=str(self.folder / 'cache'))
        with self._cuda():
            pass  # without a GPU there is nothing to check

    def all(self) -> dict[str, Callable[[], str]]:
        """
        Return the checks by name.

        :returns: functions that return a description, or raise an error.
        """
        return {
            'versions': self.versions,
            'preparation': self.preparation,
            'replays': self.replays,
            'sizes': self.sizes,
            'threads': self.threads,
            'precision': self.precision,
            'cancelling': self.cancelling,
            'memory': self.memory,
            'speed': self.speed,
        }

    def versions(self) -> str:
        """Return the versions."""
        with self._cuda() as cuda:
            gpu = cuda.gpu
            runtime = cuda.call('cudaRuntimeGetVersion')
        reports = known(self.library.version, gpu.capability, ('Softmax',))
        state = ', '.join(board.power_state().values())
        kind = 'memory shared with the CPU' if gpu.integrated else 'dedicated memory'
        return (
            f'{self.library.name}; CUDA runtime {runtime // 1000}.{runtime % 1000 // 10}; '
            f'{gpu.name}, compute capability {gpu.capability}, {gpu.hardware}, {kind}'
            + (f'; {state}' if state else '')
            + ''.join(f'; reported wrong with transformers: {a.issue}' for a in reports)
        )

    def preparation(self) -> str:
        """Compare all kinds of preprocessing, in fp32, with ONNX Runtime."""
        frames = [noise(size, 1) for size in CAMERAS[1:3]]
        worst = 0.0
        for interpolation in Interpolation:
            for aspect in Aspect:
                spec = dataclasses.replace(
                    self.small.spec, interpolation=interpolation, aspect=aspect
                )
                with self._engine(dataclasses.replace(self.small, spec=spec)) as (engine, graph):
                    verdict = self._compare(engine, graph, frames)
                must(verdict, f'{interpolation.value}, {aspect.value}')
                worst = max(worst, verdict.p99)
        return f'{len(Interpolation) * len(Aspect)} kinds agree, error at most {worst:.3%} (p99)'

    def replays(self) -> str:
        """Launch one captured graph many times."""
        image = noise(CAMERAS[1], 2)
        with self._engine(self.small) as (engine, _):
            out = engine.buffers(*image.shape[:2])
            engine.infer(image, out)
            require(engine.is_captured, 'the CUDA graph was not captured')
            first = out.values.copy()
            for number in range(self.effort.replays):
                engine.infer(noise(CAMERAS[1], 3), out)
                engine.infer(image, out)
                require(
                    np.array_equal(out.values, first),
                    f'replay {number + 1} has other values than the first',
                )
        return f'captured; {self.effort.replays} replays are equal bit for bit'

    def sizes(self) -> str:
        """Change the camera size from the smallest to the largest and back."""
        order = (*CAMERAS, *CAMERAS[-2::-1])
        frames = [noise(size, number) for number, size in enumerate(order)]
        with self._engine(self.small) as (engine, graph):
            verdict = self._compare(engine, graph, frames)
        must(verdict, 'changing sizes')
        return f'{" ".join(map(str, order))}: error at most {verdict.p99:.3%} (p99)'

    def threads(self) -> str:
        """Use one engine from three threads in turn, and close it in another."""
        image = noise(CAMERAS[1], 4)
        with self._engine(self.small) as (engine, _):
            found: list[NDArray[np.float32]] = []

            def work() -> None:
                out = engine.buffers(*image.shape[:2])
                engine.infer(image, out)
                found.append(out.values)

            for _ in range(3):
                in_thread(work)
            in_thread(engine.close)
        require(
            all(np.array_equal(values, found[0]) for values in found),
            'threads have different results',
        )
        return 'three threads have the same results; closed in a fourth'

    def precision(self) -> str:
        """Build like a user, and run the cached engine for a long time."""
        model, size = self._subject()
        lines: list[str] = []
        reports = [str(advisory) for advisory in advisories()]
        engine = open_tensorrt(Request(model, self.config, size, warn=lines.append))
        with contextlib.closing(engine):
            frames = [noise(camera, number) for number, camera in enumerate(CAMERAS[:3])]
            graph = self._graph(model, size)
            expected = self._answers(graph, model, size, frames)
            rounds = -(-self.effort.repeats // len(frames))
            verdict = check(engine, frames, expected, rounds=rounds)
            attempts = '; '.join(
                f'{a["precision"]}: ' + (a['reason'] or 'agrees')
                for a in engine.facts['verification']
            )
        must(verdict, f'{engine.precision} after the build')
        return (
            f'{engine.precision} at {size}; {attempts}; {rounds * len(frames)} repeats in turns: '
            f'error {verdict.p99:.2%}, spread {verdict.spread:.3%} (p99)'
            + ''.join(f' [{line}]' for line in lines if line not in reports)
        )

    def cancelling(self) -> str:
        """Cancel a build early, in the middle, and late."""
        model, size = self._subject()
        took = [
            self._cancelled_at(share, model, size) for share in self.effort.cancel_at
        ]
        return 'ended ' + ', '.join(
            f'{seconds:.1f} s after {share:.0%}'
            for share, seconds in zip(self.effort.cancel_at, took, strict=True)
        )

    def memory(self) -> str:
        """Open and close an engine many times."""
        image = noise(CAMERAS[-1], 5)
        plan, free = self._plan(self._graph(self.small, SIZE)), []
        for _ in range(self.effort.openings):
            with self._cuda() as cuda:
                engine = self._loaded(cuda, plan, self.small)
                out = engine.buffers(*image.shape[:2])
                engine.infer(image, out)
                del out
                engine.free()
                free.append(cuda.free_memory())
        # the first openings may leave what CUDA keeps for later
        lost = (free[min(1, len(free) - 1)] - free[-1]) / 2**20
        require(lost <= _LEFT_MB, f'{len(free)} openings left {lost:.0f} MB allocated')
        return f'{len(free)} openings left {max(lost, 0.0):.0f} MB allocated'

    def speed(self) -> str:
        """Measure the time of frames, and compare with trtexec if installed."""
        model, size = self._subject()
        engine = open_tensorrt(Request(model, self.config, size, warn=lambda _: None))
        image = noise(CAMERAS[1], 6)
        with contextlib.closing(engine):
            out = engine.buffers(*image.shape[:2])
            times = []
            for _ in range(self.effort.timed + 10):
                started = time.perf_counter()
                engine.infer(image, out)
                times.append(1e3 * (time.perf_counter() - started))
            median, late = np.percentile(times[10:], (50, 99))
            said = f'{CAMERAS[1]} at {size}, {engine.precision}: {median:.2f} ms (p99 {late:.2f})'
            assert engine.path is not None
            other = time_with_trtexec(engine.path, CAMERAS[1])
        return f'{said}; trtexec: {other}'

    def _cancelled_at(self, share: float, model: Model, size: Size) -> float:
        """Cancel a build at a share of its progress; return how long it continued (s)."""
        reached: list[float] = []

        def on_progress(done: float, _stage: str) -> None:
            if done >= share:
                reached.append(time.monotonic())

        folder = self.folder / f'cancelled-{share}'
        request = Request(
            model, dataclasses.replace(self.config, cache_dir=str(folder)), size,
            on_progress=on_progress, cancelled=lambda: bool(reached), warn=lambda _: None,
        )
        try:
            open_tensorrt(request).close()
        except CancelledError:
            return time.monotonic() - reached[0]
        raise EngineError(f'A build cancelled at {share:.0%} continued to its end.')

    def _subject(self) -> tuple[Model, Size]:
        if self.model is not None and self.size is not None:
            return self.model, self.size
        return self.small, SIZE

    @contextlib.contextmanager
    def _cuda(self) -> Iterator[Cuda]:
        with contextlib.closing(Cuda(load_cuda(), self.config.device)) as cuda:
            yield cuda
            cuda.settle()

    @contextlib.contextmanager
    def _engine(self, model: Model) -> Iterator[tuple[TensorRtEngine, bytes]]:
        """Build an engine of the small network in fp32, in this process; return its graph, too."""
        graph = self._graph(model, SIZE)
        plan = self._plan(graph)
        with self._cuda() as cuda:
            engine = self._loaded(cuda, plan, model)
            try:
                yield engine, graph
            finally:
                engine.free()

    def _plan(self, graph: bytes) -> bytes:
        with self._cuda() as cuda:
            limits = limits_for(self.config.workspace_mb, cuda.free_memory())
            return build(self.library, graph, Settings(optimization_level=1), limits)

    def _loaded(self, cuda: Cuda, plan: bytes, model: Model) -> TensorRtEngine:
        return TensorRtEngine(self.library, cuda, plan, model.spec, SIZE, 'fp32')

    @staticmethod
    def _graph(model: Model, size: Size) -> bytes:
        info = networks.inspect(model.path, model.spec)
        network = graphs.with_size(networks.load(model.path), info, size)
        return bytes(graphs.merged(network, info, model.spec, size).SerializeToString())

    @staticmethod
    def _answers(
        graph: bytes, model: Model, size: Size, frames: list[NDArray[np.uint8]]
    ) -> list[Prediction]:
        with contextlib.closing(open_graph(graph, model.spec, size, provider=CPU)) as reference:
            found = answers(reference, frames)
        give_back()
        return found

    def _compare(
        self, engine: TensorRtEngine, graph: bytes, frames: list[NDArray[np.uint8]]
    ) -> Verdict:
        return check(engine, frames, self._answers(graph, self.small, SIZE, frames))
