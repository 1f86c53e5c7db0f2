"""The way of a frame, without ROS: network, scale, metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depth_node import network
from depth_node.camera import Camera
from depth_node.config import Config
from depth_node.depth import (
    clip_range,
    focal_correction,
    mark_sky,
    network_focal,
    Scale,
    scale_of,
    to_metres,
)
from depth_node.engine import open_engine
from depth_node.engine.base import Engine
from depth_node.errors import DataError
from depth_node.filters import Filters
from depth_node.model import Model, ModelSpec, OutputKind, Size
from depth_node.prediction import Prediction
from depth_node.stages import Stages

NO_CAMERA = (
    'The camera is not calibrated, and without its focal length and rays there are no metres. '
    'Publish CameraInfo, or set input.calibration_file or input.hfov_deg.'
)


@dataclass(frozen=True)
class DepthFrame:
    """
    What is known about one frame.

    The arrays belong to the estimator and are overwritten by its next frame; copy what has to
    live longer.

    :param prediction: the network's own answer, at the size of the frame.
    :param depth: float32 (H, W), z-depth in metres along the optical axis; NaN where it is
        erroneous, -Inf where nearer and +Inf where farther than the range (REP-117). None while
        metres are not known.
    :param scale: what made the metres, or None.
    :param note: why there are no metres and what to do; empty where there are.
    """

    prediction: Prediction
    depth: NDArray[np.float32] | None
    scale: Scale | None
    note: str = ''


class DepthEstimator:
    """
    Turns frames of one camera into metres.

    :param source: an open engine, or a model, whose engine is then opened at the first frame.
    :param config: see ``depth_node.config``; None: every default.
    :param stages: where the laps `engine` and `metres` are timed; None: nowhere else needed.
    """

    def __init__(
        self,
        source: Engine | Model,
        config: Config | None = None,
        stages: Stages | None = None,
    ) -> None:
        self._config = config or Config()
        self._model = source if isinstance(source, Model) else None
        self._engine = None if isinstance(source, Model) else source
        self._spec: ModelSpec = source.spec
        self._prediction: Prediction | None = None
        self._depth: NDArray[np.float32] | None = None
        self._focal_note = ''
        self._stages = stages or Stages()
        self._filters = Filters(self._config.filter)

    @property
    def spec(self) -> ModelSpec:
        """What the network is."""
        return self._spec

    @property
    def engine(self) -> Engine | None:
        """The engine, once there is one."""
        return self._engine

    @property
    def focal_note(self) -> str:
        """What is doubtful about the focal correction of the last frame; mostly empty."""
        return self._focal_note

    def configure(self, config: Config) -> None:
        """
        Change the configuration from the next frame on.

        :param config: of which the model and engine groups are not looked at again.
        """
        if config is self._config:
            return
        if config.filter != self._config.filter:
            self._filters = Filters(config.filter)
        self._config = config

    def estimate(self, frame: NDArray[np.uint8], camera: Camera | None = None) -> DepthFrame:
        """
        Estimate the depth of one frame.

        :param frame: uint8 (H, W, 3) rgb.
        :param camera: that took it; without one there are no metres where the focal length
            matters (see ``depth.focal_correction``).
        :returns: the prediction, and metres where they are known.
        :raises DataError: frame and camera do not belong together.
        :raises EngineError: the engine failed.
        """
        height, width = frame.shape[:2]
        if camera is not None and camera.size != (width, height):
            raise DataError(f'The frame is {width}x{height} and its camera {camera.size}.')
        self._prediction = self.predict(frame, self._prediction)
        return self.measure(self._prediction, camera)

    def predict(self, frame: NDArray[np.uint8], out: Prediction | None = None) -> Prediction:
        """
        Run the network alone.

        :meth:`measure` may run on another prediction in another thread meanwhile.

        :param frame: uint8 (H, W, 3) rgb.
        :param out: what an earlier call returned, to be filled again; used where it fits.
        :returns: the network's own answer: `out`, or new buffers.
        :raises EngineError: the engine failed.
        """
        height, width = frame.shape[:2]
        engine = self._opened(Size(width, height))
        if out is None or out.shape != (height, width):
            out = engine.buffers(height, width)
        engine.infer(frame, out)
        self._stages.lap('engine')
        return out

    def measure(self, prediction: Prediction, camera: Camera | None) -> DepthFrame:
        """
        Make metres of a prediction.

        :param prediction: what :meth:`predict` returned.
        :param camera: that took the frame, or None.
        :returns: the metres, or why there are none.
        """
        scale = self._scale()
        if scale is None:
            return DepthFrame(prediction, None, None, self._unknown_scale())
        focal = self._focal(camera)
        if focal is None:
            return DepthFrame(prediction, None, None, NO_CAMERA)
        if self._depth is None or self._depth.shape != prediction.shape:
            self._depth = np.empty(prediction.shape, np.float32)
        config = self._config.depth
        to_metres(prediction, self._spec, scale, focal, self._depth)
        if prediction.sky is not None:
            mark_sky(self._depth, prediction.sky, self._spec.sky_threshold, float(config.sky))
        self._stages.lap('metres')
        self._filters.apply(self._depth, prediction.confidence)
        clip_range(self._depth, config.min_range, config.max_range)
        self._stages.lap('filters')
        return DepthFrame(prediction, self._depth, scale)

    def close(self) -> None:
        """Close the engine; the estimator opens another when it is used again."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _opened(self, frame: Size) -> Engine:
        if self._engine is None:
            if self._model is None:
                raise DataError('This estimator has been closed.')
            info = network.inspect(self._model.path)
            wanted = self._config.model.input_size
            size = network.choose_size(self._spec, info, wanted, frame)
            self._engine = open_engine(self._model, self._config.engine, size)
        return self._engine

    def _scale(self) -> Scale | None:
        """Return the scale in force, or None while it is not known."""
        config = self._config.scale
        if config.source == 'fixed':
            return Scale(config.value, config.shift)
        return scale_of(self._spec)

    def _unknown_scale(self) -> str:
        kind = self._spec.kind
        unknown = 'scale and shift are' if kind.has_shift else 'scale is'
        return (
            f'{self._spec.name} gives {kind.value}, whose {unknown} not known: no metres. '
            'Set scale.source and what it needs (doc/scale.md), or take a metric model.'
        )

    def _focal(self, camera: Camera | None) -> float | None:
        """Return the factor of the focal length, or None where it needs a camera."""
        enabled = self._config.depth.focal_correction
        if camera is None:
            needed = self._spec.kind is OutputKind.CANONICAL_DEPTH or (
                enabled and self._spec.train_focal is not None
            )
            return None if needed else 1.0
        assert self._engine is not None
        focal = network_focal(camera, self._spec.aspect, self._engine.network_size)
        factor, note = focal_correction(self._spec, focal, enabled)
        self._focal_note = note or ''
        return factor
