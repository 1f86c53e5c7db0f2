"""The way of a frame, without ROS: network, scale, metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.config import Config
from depth_node.depth.filters import Filters
from depth_node.depth.metres import (
    clip_range,
    focal_correction,
    mark_sky,
    network_focal,
    Scale,
    to_metres,
)
from depth_node.depth.steadying import Steadier
from depth_node.engine import open_engine
from depth_node.engine.base import Engine
from depth_node.errors import DataError
from depth_node.image.size import Size
from depth_node.model import Model, ModelSpec, network, OutputKind
from depth_node.model.prediction import Prediction
from depth_node.scale import keeper_for, ScaleFrame, ScaleKeeper, ScaleState
from depth_node.timing import Stages

NO_CAMERA = (
    'The camera is not calibrated, and without its focal length and rays there are no metres. '
    'Publish CameraInfo, or set input.calibration_file or input.hfov_deg.'
)
NO_STAMP = (
    'this source of scale follows the camera through time and needs frames with a stamp; set '
    'scale.source to fixed with the scale that depth-node calibrate finds'
)


@dataclass(frozen=True)
class Moment:
    """
    What a prediction was made of, for everything that looks at time.

    :param image: uint8 (H, W, 3) rgb.
    :param stamp: when it was taken (s).
    """

    image: NDArray[np.uint8]
    stamp: float


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
    :param state: what is known of the scale, or None where nobody looked.
    """

    prediction: Prediction
    depth: NDArray[np.float32] | None
    scale: Scale | None
    note: str = ''
    state: ScaleState | None = None


class DepthEstimator:
    """
    Turns frames of one camera into metres.

    :param source: an open engine, or a model, whose engine is then opened at the first frame.
    :param config: see ``depth_node.config``; None: every default.
    :param stages: where the laps `engine` and `metres` are timed; None: nowhere else needed.
    :param keeper: finds and keeps the scale; None: one of its own.
    :raises ConfigError: a source of scale that cannot serve the model, or a calibration that
        was made for another one.
    """

    def __init__(
        self,
        source: Engine | Model,
        config: Config | None = None,
        stages: Stages | None = None,
        keeper: ScaleKeeper | None = None,
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
        self._steadier = Steadier(self._config.temporal, self._spec)
        path = None if self._model is None else self._model.path
        self.keeper = keeper or keeper_for(self._config, self._spec, path)
        self._rays: tuple[Camera, NDArray[np.float32]] | None = None

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
        self._steadier.configure(config.temporal)
        self.keeper.configure(config)
        self._config = config

    def estimate(
        self,
        frame: NDArray[np.uint8],
        camera: Camera | None = None,
        stamp: float | None = None,
    ) -> DepthFrame:
        """
        Estimate the depth of one frame.

        :param frame: uint8 (H, W, 3) rgb.
        :param camera: that took it; without one there are no metres where the focal length
            matters (see ``depth.focal_correction``).
        :param stamp: when it was taken (s), for frames of one camera in the order of time;
            None: frames have nothing to do with each other.
        :returns: the prediction, and metres where they are known.
        :raises DataError: frame and camera do not belong together.
        :raises EngineError: the engine failed.
        """
        height, width = frame.shape[:2]
        if camera is not None and camera.size != (width, height):
            raise DataError(f'The frame is {width}x{height} and its camera {camera.size}.')
        self._prediction = self.predict(frame, self._prediction)
        moment = None if stamp is None else Moment(frame, stamp)
        return self.measure(self._prediction, camera, moment)

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

    def measure(
        self, prediction: Prediction, camera: Camera | None, moment: Moment | None = None
    ) -> DepthFrame:
        """
        Make metres of a prediction.

        :param prediction: what :meth:`predict` returned; steadied in place where there is a
            moment.
        :param camera: that took the frame, or None.
        :param moment: what it was made of, or None for a frame without a past.
        :returns: the metres, or why there are none.
        """
        if moment is not None:
            self._steadier.steady(prediction.values, moment.image, moment.stamp)
            self._stages.lap('steady')
        focal = self.focal(camera)
        state = self._scale(prediction, camera, focal, moment)
        scale = state.scale
        if scale is None:
            return DepthFrame(prediction, None, None, _sentence(state.reason), state)
        if focal is None:
            return DepthFrame(prediction, None, None, NO_CAMERA, state)
        if self._depth is None or self._depth.shape != prediction.shape:
            self._depth = np.empty(prediction.shape, np.float32)
        config = self._config.depth
        to_metres(prediction, self._spec, scale, focal, self._depth)
        if prediction.sky is not None:
            mark_sky(self._depth, prediction.sky, self._spec.sky_threshold, float(config.sky))
        self._stages.lap('metres')
        self._filters.apply(self._depth, prediction.confidence)
        clip_range(self._depth, config.min_range, config.max_range or self._spec.reach)
        self._stages.lap('filters')
        return DepthFrame(prediction, self._depth, scale, state=state)

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

    def _scale(
        self,
        prediction: Prediction,
        camera: Camera | None,
        focal: float | None,
        moment: Moment | None,
    ) -> ScaleState:
        """Ask the keeper, which looks at the frame where its source does."""
        given = self.keeper.given()
        if given is not None:
            return given
        if moment is None:
            return self.keeper.unknown(NO_STAMP)
        if camera is None or focal is None:
            return self.keeper.unknown(NO_CAMERA)
        if self._rays is None or self._rays[0] != camera:
            self._rays = camera, camera.rays()
        state = self.keeper.update(ScaleFrame(
            moment.stamp, prediction.values, self._spec, camera, self._rays[1], focal,
            moment.image,
        ))
        self._stages.lap('scale')
        return state

    def focal(self, camera: Camera | None) -> float | None:
        """
        Find the factor by which a camera's focal length changes the metres.

        :param camera: that took the last prediction, or None.
        :returns: see ``depth.focal_correction``; None where it needs a camera.
        """
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


def _sentence(text: str) -> str:
    # the name of a model stays as it is written
    first = text.split(' ', 1)[0]
    begin = text[:1].upper() if first.isalpha() else text[:1]
    return begin + text[1:].rstrip('.') + '.'
