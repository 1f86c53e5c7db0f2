"""
OpenVINO in int8: quantized once on frames of the robot, verified against fp32, and cached.

Post-training quantization by NNCF. The result is compared with the network in fp32 like every
built engine, with larger bounds. If it is not accurate enough, more of the network is kept in
fp32, and finally all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import contextlib
import hashlib
import importlib.metadata
import io
import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.engine import openvino as cpu
from depth_node.engine.base import Engine, Request
from depth_node.engine.cache import EngineCache, Key
from depth_node.engine.cache_folder import engine_cache_root
from depth_node.engine.host import HostEngine
from depth_node.engine.prepare import Preparation
from depth_node.engine.verify import as_built, compare, sample_frames
from depth_node.errors import CancelledError, DataError, EngineError
from depth_node.model import network as networks
from depth_node.model.file_state import check_unchanged

Picture = NDArray[np.uint8]

MEDIAN_BOUND = 0.03
"""Maximum median of the relative error of a frame: a fifth of the error of such networks."""
TAIL_BOUND = 0.25
"""Maximum 99th percentile, which is dominated by edges that move by a pixel."""
WORLD_FRAMES = 12
LARGEST_SET = 64
"""Maximum number of images used from a folder, evenly distributed."""

# how many of the first and last convolutions and products stay in fp32, one attempt after the
# other: the image itself and what becomes depth are where 8 bits show
_KEPT = ((0, 1), (2, 5))


def open_int8(request: Request) -> Engine:
    """
    Open a network in int8, after quantizing it if needed.

    :param request: the arguments.
    :returns: the engine; in fp32, after a warning, if int8 is not accurate enough.
    :raises EngineError: OpenVINO or NNCF is not installed, or does not support the network.
    :raises DataError: the calibration folder has no images.
    :raises CancelledError: it was cancelled.
    :raises ChangedError: the network changed meanwhile; nothing is cached.
    """
    return _Job(request).open()


class _Job:
    """The state of opening one network."""

    def __init__(self, request: Request) -> None:
        self.model, self.config, self.size = request.model, request.config, request.size
        self.on_progress, self.cancelled = request.on_progress, request.cancelled
        self.log, self.warn, self.frames = request.log, request.warn, request.frames

    def open(self) -> Engine:
        self.core = cpu.shared_core()
        self.info = networks.inspect(self.model.path, self.model.spec)
        self.options = cpu.cpu_options(self.core, 'fp32', self.config.threads)
        calibration = calibration_frames(self.config.calibration_dir)
        name, key = f'{self.model.spec.name}_{self.size}', self._key(calibration)
        cache = EngineCache(engine_cache_root(self.config.cache_dir) / 'int8')
        engine = self._cached(cache, name, key, tidy=False)
        if engine is not None:
            return engine
        with cache.alone(name, key, cancelled=self.cancelled, log=self.log):
            return self._cached(cache, name, key) or self._built(cache, name, key, calibration)

    def _cached(
        self, cache: EngineCache, name: str, key: Key, *, tidy: bool = True
    ) -> Engine | None:
        # frames that were not there when it was kept may say that it does not hold
        kept = None if self.frames else cache.load(name, key, tidy=tidy)
        if kept is None:
            return None
        plan, facts = kept
        if as_built(facts) and facts['verification']:
            if not plan:
                return self._fallback(facts)
            with contextlib.suppress(RuntimeError):
                compiled = self.core.import_model(plan, 'CPU', self.options)
                return self._engine(compiled, facts)
        if tidy:
            cache.set_aside(name, key)
        return None

    def _built(
        self, cache: EngineCache, name: str, key: Key, calibration: Sequence[Picture]
    ) -> Engine:
        compiled, facts = self._build(calibration)
        check_unchanged(self.model.files)  # the key is the hash of an earlier reading
        plan = b'' if compiled is None else compiled.export_model().getvalue()
        try:
            cache.store(name, key, plan, facts)
        except EngineError as error:
            self.warn(f'{error} The network is not cached, so every start quantizes it.')
        return self._fallback(facts) if compiled is None else self._engine(compiled, facts)

    def _build(self, calibration: Sequence[Picture]) -> tuple[Any, dict[str, Any]]:
        """Quantize, from the fastest to the most accurate, until it is verified, or None."""
        self.log(f'Quantizing {self.model.spec.name} to int8; this happens once.')
        reference = cpu.open_openvino(
            self.model, self.size, precision='fp32', threads=self.config.threads
        )
        checks = sample_frames([*self.frames, *calibration[:4]])
        facts: dict[str, Any] = {'precision': 'int8', 'verification': []}
        try:
            for attempt, (first, last) in enumerate(_KEPT):
                self.on_progress(attempt / len(_KEPT), 'quantizing to int8')
                network = quantize(
                    cpu.read(self.core, self.info, self.size),
                    list(self._tensors(calibration)), first=first, last=last,
                )
                self._stop_if_cancelled()
                compiled = cpu.compiled_network(self.core, network, self.info, self.options)
                engine = self._engine(compiled, facts)
                verdict = compare(
                    engine, reference, checks, median_bound=MEDIAN_BOUND, tail_bound=TAIL_BOUND
                )
                engine.close()
                facts['verification'].append(verdict.as_facts('int8'))
                if verdict.good:
                    self.on_progress(1.0, 'quantized to int8')
                    return compiled, facts
                self.log(f'int8 with {first} + {last} layers in fp32: {verdict.reason}.')
        finally:
            reference.close()
        return None, facts

    def _tensors(self, calibration: Sequence[Picture]) -> Iterator[NDArray[np.float32]]:
        preparation = Preparation(self.model.spec, self.size)
        for frame in calibration:
            self._stop_if_cancelled()
            yield preparation.forward(frame).copy()

    def _engine(self, compiled: Any, facts: dict[str, Any]) -> HostEngine:
        medians = [a['median'] for a in facts['verification'] if a['good']]
        precision = f'int8 ({medians[-1]:.1%} from fp32)' if medians else 'int8'
        engine = cpu.host_engine(self.model, self.info, self.size, compiled, precision)
        engine.facts = facts
        return engine

    def _fallback(self, facts: dict[str, Any]) -> Engine:
        reason = facts['verification'][-1]['reason']
        self.warn(f'int8 is not accurate enough for {self.model.spec.name}: {reason}. Using fp32.')
        engine = cpu.open_openvino(
            self.model, self.size, precision='fp32', threads=self.config.threads,
            cache=engine_cache_root(self.config.cache_dir) / 'openvino',
        )
        engine.facts = facts
        return engine

    def _stop_if_cancelled(self) -> None:
        if self.cancelled():
            raise CancelledError('Quantizing was cancelled.')

    def _key(self, calibration: Sequence[Picture]) -> Key:
        digest = hashlib.sha256()
        graph = networks.load(self.model.path)
        digest.update(graph.SerializeToString())
        pictures = hashlib.sha256()
        for frame in calibration:
            pictures.update(frame.tobytes())
        spec = self.model.spec
        return Key(
            graph=digest.hexdigest(),
            runtime=f'openvino {_version("openvino")}, nncf {_version("nncf")}',
            gpu=str(self.core.get_property('CPU', 'FULL_DEVICE_NAME')),
            capability='',
            precision='int8',
            settings={
                'size': str(self.size), 'threads': self.config.threads,
                'calibration': pictures.hexdigest(), 'kept': _KEPT,
                'preparation': [*spec.mean, *spec.std, spec.bgr, spec.interpolation.value,
                                spec.aspect.value],
            },
        )


def quantize(
    network: Any, tensors: list[NDArray[np.float32]], *, first: int = 0, last: int = 0
) -> Any:
    """
    Quantize a network with NNCF.

    :param network: the OpenVINO model; it is modified.
    :param tensors: preprocessed frames, float32 (1, 3, h, w).
    :param first: number of convolutions and products at the beginning kept in fp32.
    :param last: number of those at the end.
    :returns: the OpenVINO model with quantized weights and activations.
    :raises EngineError: NNCF is not installed, or cannot quantize it.
    """
    cpu.without_telemetry()
    try:
        # it greets on standard output, and draws bars there without being asked
        with contextlib.redirect_stdout(io.StringIO()):
            import nncf
            from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters
            from nncf.quantization.range_estimator import RangeEstimatorParametersSet
    except ImportError as error:
        raise EngineError(
            f'int8 needs NNCF, which cannot be imported ({error}).',
            "Install it with: pip install 'depth_node[int8]', or set engine.precision to fp32.",
        ) from error
    nncf.set_log_level(logging.ERROR)
    operators = network.get_ordered_ops()
    types = {operator.get_type_name() for operator in operators}
    heavy = [
        operator.get_friendly_name() for operator in operators
        if operator.get_type_name() in ('Convolution', 'MatMul', 'ConvolutionBackpropData')
    ]
    kept = {*heavy[:first], *heavy[len(heavy) - last:]}
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return nncf.quantize(
                network,
                nncf.Dataset(tensors),
                subset_size=len(tensors),
                preset=nncf.QuantizationPreset.MIXED,
                model_type=nncf.ModelType.TRANSFORMER if 'Softmax' in types else None,
                ignored_scope=nncf.IgnoredScope(names=sorted(kept)) if kept else None,
                # the whole range that was seen: clipped values are far off in what is new
                advanced_parameters=AdvancedQuantizationParameters(
                    activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX
                ),
            )
    except Exception as error:  # NNCF raises whatever its algorithms raise
        reason = str(error).strip().partition('\n')[0]
        raise EngineError(
            f'NNCF cannot quantize the network ({reason}).', 'Set engine.precision to fp32.'
        ) from error


def calibration_frames(folder: str = '') -> list[Picture]:
    """
    Return the frames for quantization, each also with changed lighting.

    :param folder: folder with images of the robot; empty: the synthetic world.
    :returns: frames, uint8 (H, W, 3) rgb; always the same ones.
    :raises DataError: the folder is missing or has no images.
    """
    frames = _pictures(Path(folder).expanduser()) if folder else _world()
    rng = np.random.default_rng(0)
    return [*frames, *(_in_another_light(frame, rng) for frame in frames)]


def _pictures(folder: Path) -> list[Picture]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise DataError(f'{folder}: cannot be read ({error.strerror}).') from error
    step = max(1, len(paths) // LARGEST_SET)
    images = [cv2.imread(str(path), cv2.IMREAD_COLOR) for path in paths[::step][:LARGEST_SET]]
    frames = [cv2.cvtColor(image, cv2.COLOR_BGR2RGB) for image in images if image is not None]
    if not frames:
        raise DataError(
            f'{folder}: contains no images.',
            'Put some dozen images of the robot there (png or jpg), or leave '
            'engine.calibration_dir empty.',
        )
    return frames


def _world() -> list[Picture]:
    from depth_node.camera import Camera
    from depth_node.world import World

    rng = np.random.default_rng(1)
    frames = []
    for seed in range(WORLD_FRAMES // 4):
        world = World(seed + 10)
        for time in rng.uniform(0, 20, 4):
            camera = Camera.from_hfov(320, 240, float(rng.uniform(55, 90)))
            frames.append(world.render(camera, world.pose(float(time)))[0])
    return frames


def _in_another_light(frame: Picture, rng: np.random.Generator) -> Picture:
    """Change contrast, brightness and noise, so that the ranges of values are wide enough."""
    bright = (frame / 255.0) ** rng.uniform(0.5, 2.0) * rng.uniform(0.6, 1.4)
    noisy = bright * 255 + rng.normal(0, rng.uniform(0, 8), frame.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return 'absent'
