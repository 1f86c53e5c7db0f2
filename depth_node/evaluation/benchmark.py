"""
Benchmark of the time of a frame on this machine, without ROS.

The bare network, the engine and the whole frame are timed alternately in one loop, so that
other load on the machine affects all of them equally.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import resource
import time
import tracemalloc

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.cloud.pipeline import PointsPipeline
from depth_node.config import Config
from depth_node.estimator import DepthEstimator
from depth_node.image.color import colorize
from depth_node.image.size import Size
from depth_node.model import Model
from depth_node.sources.frame import Frame
from depth_node.timing import Quantiles, Stages
from depth_node.world import World

WARM_UP = 10
HFOV_DEG = 75.0


@dataclass(frozen=True)
class Benchmark:
    """
    The results of a benchmark; times in ms.

    :param engine: description of the engine in one line.
    :param device: CPU or the GPU's name.
    :param precision: of the network.
    :param model: the network's name.
    :param network_size: WIDTHxHEIGHT.
    :param frame_size: WIDTHxHEIGHT of the camera.
    :param frames: number of frames timed.
    :param bare_ms: the network alone on a prepared tensor.
    :param engine_ms: from the rgb frame to the prediction at its size.
    :param frame_ms: from the rgb frame to metric depth and cloud.
    :param overhead_ms: time of each frame outside the bare network.
    :param stages_ms: the stages of a frame.
    :param fps: frames per second for `frame_ms`.
    :param cpu: CPU time over wall time of the whole frame; 2 means two busy cores.
    :param memory_mb: peak resident memory of the process (MiB).
    :param allocations: blocks of Python and numpy that a frame allocates and does not free.
    :param allocated_kb: peak of temporary allocations of a frame (KiB).
    """

    engine: str
    device: str
    precision: str
    model: str
    network_size: str
    frame_size: str
    frames: int
    bare_ms: Quantiles
    engine_ms: Quantiles
    frame_ms: Quantiles
    overhead_ms: Quantiles
    stages_ms: Mapping[str, Quantiles]
    fps: float
    cpu: float
    memory_mb: float
    allocations: int
    allocated_kb: float


def benchmark(
    model: Model,
    config: Config,
    size: Size,
    frames: int,
    progress: Callable[[], object] = lambda: None,
    *,
    everything: bool = False,
) -> Benchmark:
    """
    Measure one network on frames of the synthetic world.

    :param model: the network; without a metric scale, scale 1 is used.
    :param config: engine, filters and cloud.
    :param size: of the camera's frames (pixels).
    :param frames: number of frames to time.
    :param progress: called after each frame.
    :param everything: whether to make a scan and a color image of every frame, too.
    :returns: the results.
    :raises EngineError: the engine cannot be opened, or fails.
    """
    camera = Camera.from_hfov(size.width, size.height, HFOV_DEG)
    if not (model.spec.kind.is_metric or model.spec.scale) and config.scale.source == 'model':
        config = config.replaced({'scale.source': 'fixed', 'scale.value': 1.0})
    rgb, _ = World().render(camera, World().pose(0.0))
    stages = Stages()
    estimator = DepthEstimator(model, config, stages)
    estimator.predict(Frame(rgb))
    engine = estimator.engine
    assert engine is not None
    points = PointsPipeline(camera, config)
    picture = np.empty_like(rgb)

    def whole() -> None:
        stages.begin()
        result = estimator.estimate(rgb, camera)
        assert result.depth is not None
        points.process(result.depth, rgb, scan=everything, limits=result.limits)
        stages.lap('cloud')
        if everything:
            low, high = config.output.color_min, config.output.color_max
            colorize(result.depth, low, high, out=picture)
            stages.lap('color')

    try:
        for _ in range(WARM_UP):
            engine.bare()
            whole()
        stages.clear()
        alone, entire, processor = _timed(engine.bare, whole, frames, progress)
        inside = stages.summary()
        kept, peak = _allocations(whole)
        engine_ms = inside['engine']
        return Benchmark(
            engine.description,
            engine.device,
            engine.precision,
            model.spec.name,
            str(engine.network_size),
            str(size),
            frames,
            Quantiles.of(alone),
            engine_ms,
            Quantiles.of(entire),
            Quantiles.of(entire - alone),
            inside,
            1000.0 / float(np.mean(entire)),
            processor / float(np.sum(entire)),
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            kept,
            peak,
        )
    finally:
        estimator.close()


def _timed(
    bare: Callable[[], None],
    whole: Callable[[], None],
    frames: int,
    progress: Callable[[], object],
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Time both alternately; return milliseconds of each, and the CPU time of the second."""
    alone, entire = np.empty(frames), np.empty(frames)
    processor = 0.0
    for n in range(frames):
        start = time.perf_counter()
        bare()
        middle = time.perf_counter()
        before = time.process_time()
        whole()
        processor += time.process_time() - before
        alone[n] = 1e3 * (middle - start)
        entire[n] = 1e3 * (time.perf_counter() - middle)
        progress()
    return alone, entire, 1e3 * processor


def _allocations(whole: Callable[[], None], frames: int = 10) -> tuple[int, float]:
    """Count the allocations of a frame; not timed, because tracing is slow."""
    tracemalloc.start()
    try:
        whole()
        before = len(tracemalloc.take_snapshot().traces)
        base, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(frames):
            whole()
        _, peak = tracemalloc.get_traced_memory()
        after = len(tracemalloc.take_snapshot().traces)
    finally:
        tracemalloc.stop()
    return max(0, after - before) // frames, (peak - base) / 1024
