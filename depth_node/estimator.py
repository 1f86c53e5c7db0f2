"""The way of a frame, without ROS: network, scale, metres."""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.config import Config
from depth_node.depth.confidence import Confidence
from depth_node.depth.filters import Filters
from depth_node.depth.metres import (
    add_slope,
    clip_range,
    focal_correction,
    mark_sky,
    network_focal,
    Scale,
    to_metres,
)
from depth_node.depth.steadying import Steadier
from depth_node.engine import open_for
from depth_node.engine.base import Engine
from depth_node.errors import DataError
from depth_node.image.size import Size
from depth_node.model import Model, ModelSpec, OutputKind
from depth_node.model.prediction import Prediction
from depth_node.scale import keeper_for, ScaleFrame, ScaleKeeper, ScaleState
from depth_node.scale.local import Field
from depth_node.sources.frame import Frame, nanoseconds
from depth_node.timing import Stages

NO_CAMERA = (
    'The camera is not calibrated, and without its focal length and rays there are no metres. '
    'Publish CameraInfo, or set input.calibration_file or input.hfov_deg.'
)
NO_STAMP = (
    'this source of scale follows the camera through time and needs frames with a stamp; set '
    'scale.source to fixed with the scale that depth-node calibrate finds'
)

ANCHORS = (30, 40)
"""Rows and columns of the error of the local correction, which is smooth."""


@dataclass(frozen=True)
class Estimate:
    """
    What is known about the depth of one frame.

    The arrays belong to the estimator and are overwritten by its next frame; copy what has to
    live longer.

    :param prediction: the network's own answer, at the size of the frame.
    :param depth: float32 (H, W), z-depth in metres along the optical axis; NaN where it is
        erroneous, -Inf where nearer and +Inf where farther than the range (REP-117). None while
        metres are not known.
    :param state: what is known of the scale.
    :param note: why there are no metres and what to do; empty where there are.
    :param confidence: float32 (H, W), 0 to 1 (see ``depth.confidence``), or None if it is not
        needed.
    :param limits: z-depth below which depth is -Inf, and above which it is +Inf (m).
    :param focal: the factor of ``depth.metres.focal_correction``; None: it needs a camera.
    """

    prediction: Prediction
    depth: NDArray[np.float32] | None
    state: ScaleState
    note: str = ''
    limits: tuple[float, float] = (0.0, math.inf)
    focal: float | None = None
    confidence: NDArray[np.float32] | None = None

    @property
    def scale(self) -> Scale | None:
        """What made the metres, or None where there are none."""
        return None if self.depth is None else self.state.scale


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
        self._confidence = Confidence()
        self._steadier = Steadier(self._config.temporal, self._spec)
        self._path = None if self._model is None else self._model.path
        self._keeper = keeper or keeper_for(self._config, self._spec, self._path)
        self._rays: tuple[Camera, NDArray[np.float32]] | None = None

    @property
    def spec(self) -> ModelSpec:
        """What the network is."""
        return self._spec

    @property
    def keeper(self) -> ScaleKeeper:
        """What finds and keeps the scale."""
        return self._keeper

    @property
    def engine(self) -> Engine | None:
        """The engine, once there is one."""
        return self._engine

    @property
    def focal_note(self) -> str:
        """What is doubtful about the focal correction of the last frame; mostly empty."""
        return self._focal_note

    def configure(self, config: Config, keeper: ScaleKeeper | None = None) -> None:
        """
        Change the configuration from the next frame on.

        :param config: of which the model and engine groups are not looked at again.
        :param keeper: finds the scale from now on; None: the one there is, or another of its own
            where `scale.source` has changed.
        :raises ConfigError: a source of scale that cannot serve the model; nothing has changed.
        """
        if keeper is None and config.scale.source != self._config.scale.source:
            keeper = keeper_for(config, self._spec, self._path)
        self._keeper = keeper or self._keeper
        if config is self._config:
            return
        self._keeper.configure(config)
        if config.filter != self._config.filter:
            self._filters = Filters(config.filter)
        self._steadier.configure(config.temporal)
        self._config = config

    def estimate(
        self,
        frame: Frame | NDArray[np.uint8],
        camera: Camera | None = None,
        stamp: float | None = None,
        *,
        confidence: bool = False,
    ) -> Estimate:
        """
        Estimate the depth of one frame.

        :param frame: a frame, or its picture alone: uint8 (H, W, 3) rgb.
        :param camera: of a picture alone: the camera that took it; without one there are no
            metres where the focal length matters (see ``depth.metres.focal_correction``).
        :param stamp: of a picture alone: when it was taken (s), for frames of one camera in the
            order of time; None: frames have nothing to do with each other.
        :param confidence: whether the confidence of every pixel is wanted, too.
        :returns: the prediction, and metres where they are known.
        :raises DataError: frame and camera do not belong together.
        :raises EngineError: the engine failed.
        """
        if not isinstance(frame, Frame):
            frame = Frame(frame, nanoseconds(stamp), camera)
        if frame.camera is not None and frame.camera.size != frame.size:
            raise DataError(f'The frame is {frame.size} and its camera {frame.camera.size}.')
        self._prediction = self.predict(frame, self._prediction)
        return self.measure(self._prediction, frame, confidence=confidence)

    def predict(self, frame: Frame, out: Prediction | None = None) -> Prediction:
        """
        Run the network alone.

        :meth:`measure` may run on another prediction in another thread meanwhile.

        :param frame: of which the picture is looked at.
        :param out: what an earlier call returned, to be filled again; used where it fits.
        :returns: the network's own answer: `out`, or new buffers.
        :raises EngineError: the engine failed.
        """
        height, width = frame.rgb.shape[:2]
        engine = self._opened(frame.size)
        if out is None or out.shape != (height, width):
            out = engine.buffers(height, width)
        engine.infer(frame.rgb, out)
        self._stages.lap('engine')
        return out

    def measure(
        self, prediction: Prediction, frame: Frame, scale: Scale | None = None,
        field: Field | None = None, *, confidence: bool = False,
    ) -> Estimate:
        """
        Convert a prediction to metres.

        :param prediction: what :meth:`predict` returned; steadied in place where the frame has
            a stamp.
        :param frame: the frame it was predicted from.
        :param scale: turns the prediction into metres without a focal correction, where the
            caller has fitted one to this very frame; None: the keeper's.
        :param field: the local correction that belongs to `scale`, or None.
        :param confidence: whether the confidence of every pixel is wanted, too.
        :returns: the metres, or why there are none.
        """
        if prediction.slope is not None and frame.camera is not None:
            add_slope(prediction, self._network_focal(frame.camera))
        if frame.seconds is not None:
            moving = self.keeper.moving(frame.seconds)
            self._steadier.steady(prediction.values, frame.rgb, frame.seconds, moving=moving)
            self._stages.lap('steady')
        focal = 1.0 if scale is not None else self.focal(frame.camera)
        state = (
            self._scale(prediction, frame, focal) if scale is None
            else ScaleState(
                scale.scale, scale.shift, 0.0, 'given', usable=True, field=field
            )
        )
        if state.scale is None:
            return Estimate(prediction, None, state, _sentence(state.reason), focal=focal)
        if focal is None:
            return Estimate(prediction, None, state, NO_CAMERA)
        if self._depth is None or self._depth.shape != prediction.shape:
            self._depth = np.empty(prediction.shape, np.float32)
        config = self._config.depth
        to_metres(prediction, self._spec, state.scale, focal, self._depth)
        if state.field is not None:
            state.field.apply(self._depth)
            self._stages.lap('local')
        if prediction.sky is not None:
            mark_sky(self._depth, prediction.sky, self._spec.sky_threshold, float(config.sky))
        self._stages.lap('metres')
        head = prediction.confidence
        gated = self._filters.bar(head=head is not None) > 0
        judged = self._judged(prediction, frame, state) if gated or confidence else None
        self._filters.apply(self._depth, judged if gated else None)
        limits = config.min_range, config.max_range or self._spec.reach
        clip_range(self._depth, *limits)
        self._stages.lap('filters')
        return Estimate(
            prediction, self._depth, state, limits=limits, focal=focal, confidence=judged
        )

    def _judged(
        self, prediction: Prediction, frame: Frame, state: ScaleState
    ) -> NDArray[np.float32]:
        """Judge the depth before filters and limits."""
        assert self._depth is not None
        anchors = None if state.field is None else state.field.sigma(state.misfit, ANCHORS)
        judged = self._confidence.judge(
            self._depth, sigma=state.sigma, anchors=anchors, head=prediction.confidence,
            stamp=frame.seconds,
        )
        self._stages.lap('confidence')
        return judged

    def close(self) -> None:
        """Close the engine; the estimator opens another when it is used again."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _opened(self, frame: Size) -> Engine:
        if self._engine is None:
            if self._model is None:
                raise DataError('This estimator has been closed.')
            self._engine = open_for(self._model, self._config, frame)
        return self._engine

    def _scale(
        self, prediction: Prediction, frame: Frame, focal: float | None
    ) -> ScaleState:
        """Ask the keeper, which looks at the frame where its source does."""
        given, camera = self._keeper.given(), frame.camera
        if given is not None:
            return given
        if frame.stamp is None:
            return self._keeper.unknown(NO_STAMP)
        if camera is None or focal is None:
            return self._keeper.unknown(NO_CAMERA)
        if self._rays is None or self._rays[0] != camera:
            self._rays = camera, camera.rays()
        state = self._keeper.update(
            ScaleFrame(frame, prediction.values, self._spec, self._rays[1], focal)
        )
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
            spec = self._spec
            needed = spec.kind is OutputKind.CANONICAL_DEPTH or bool(spec.slope_output) or (
                enabled and spec.train_focal is not None
            )
            return None if needed else 1.0
        factor, note = focal_correction(self._spec, self._network_focal(camera), enabled)
        self._focal_note = note or ''
        return factor

    def _network_focal(self, camera: Camera) -> float:
        assert self._engine is not None
        return network_focal(camera, self._spec.aspect, self._engine.network_size)


def _sentence(text: str) -> str:
    # the name of a model stays as it is written
    first = text.split(' ', 1)[0]
    begin = text[:1].upper() if first.isalpha() else text[:1]
    return begin + text[1:].rstrip('.') + '.'
