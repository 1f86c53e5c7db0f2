"""The scale in the node: its keeper, subscriptions, services and diagnostics."""

from __future__ import annotations

from pathlib import Path
import time
from typing import Any

from rclpy.node import Node
from std_srvs.srv import Trigger

from depth_node.config import Config
from depth_node.errors import ConfigError, DepthNodeError
from depth_node.estimator import Estimate
from depth_node.model.fingerprint import fingerprint_of
from depth_node.ros.notices import Notices
from depth_node.ros.opening import Opening
from depth_node.ros.scale_inputs import ScaleInputs
from depth_node.ros.transforms import Transforms
from depth_node.scale import keeper_for, Reading, ScaleKeeper, ScaleState, write_scale
from depth_node.scale.floor_watch import FloorWatch, known_floor
from depth_node.scale.opening import find_floor
from depth_node.scale.table import SOURCES
from depth_node.scale.tape import TapeMeasure
from depth_node.sources.frame import Frame


class Scaling:
    """
    Owns the keeper of the scale, from configure to cleanup.

    :param node: the node that owns subscriptions and services.
    :param config: the configuration at configure.
    :param opening: provides the model.
    :param transforms: TF.
    :param notices: receives problems.
    :raises ConfigError: the source does not fit the model, or the calibration is for another one.
    """

    def __init__(
        self,
        node: Node,
        config: Config,
        opening: Opening,
        transforms: Transforms,
        notices: Notices,
    ) -> None:
        self._node = node
        self._file = config.scale.calibration_file
        self._opening = opening
        self._transforms = transforms
        self._notices = notices
        self._inputs: ScaleInputs | None = None
        self._keeper: ScaleKeeper | None = None
        self._error: ConfigError | None = None
        self._source = ''
        self._floor_watch = FloorWatch()
        self._config = config
        self._state: ScaleState | None = None
        self._tape: TapeMeasure | None = None
        if opening.model is not None:
            self.keeper(config)
        self._services = [
            node.create_service(Trigger, '~/reset_scale', self._reset),
            node.create_service(Trigger, '~/save_calibration', self._save),
            node.create_service(Trigger, '~/calibrate_distance', self._measure_by_tape),
        ]

    def keeper(self, config: Config) -> ScaleKeeper:
        """
        Return the keeper for the source of a configuration.

        :param config: the configuration of the frame.
        :returns: the keeper.
        :raises ConfigError: see the class.
        """
        model = self._opening.model
        assert model is not None
        if config.scale.source != self._source:
            self._keeper, self._error, self._source = None, None, config.scale.source
        if self._error is not None:
            raise self._error
        if self._keeper is None:
            try:
                self._keeper = keeper_for(config, model.spec, model.path)
            except ConfigError as error:
                # kept: a large model need not be hashed again for every frame
                self._error = error
                raise
        return self._keeper

    def begin(self, config: Config, frame: Frame) -> ScaleKeeper:
        """
        Prepare the keeper for a frame.

        :param config: the configuration of the frame.
        :param frame: the frame.
        :returns: the keeper, which knows where the floor is if its source needs that.
        :raises ConfigError: see the class.
        """
        keeper, inputs = self.keeper(config), self._inputs
        if inputs is not None:
            inputs.see_from(frame.frame_id)
        find_floor(keeper, config, frame, self._transforms)
        return keeper

    def listen(self, config: Config) -> None:
        """
        Subscribe to what the source needs.

        :param config: the current configuration.
        """
        self._inputs = ScaleInputs(
            self._node, config.scale, self._transforms, self._notices, self._take
        )
        if self._inputs.topics:
            topics = ', '.join(self._inputs.topics)
            self._node.get_logger().info(f'the scale is recovered from {topics}')

    def rest(self) -> None:
        """Destroy the subscriptions."""
        if self._inputs is not None:
            self._inputs.destroy()
            self._inputs = None

    def close(self) -> None:
        """Destroy subscriptions and services."""
        self.rest()
        for service in self._services:
            self._node.destroy_service(service)
        self._services.clear()

    def match(self, config: Config) -> None:
        """
        Update the subscriptions if the source has changed, and decode messages that wait for TF.

        :param config: the current configuration.
        """
        if self._inputs is None:
            return
        if self._inputs.source.name != config.scale.source:
            self.rest()
            self.listen(config)
        self._inputs.retry()

    def note(self, config: Config, frame: Frame, estimate: Estimate) -> None:
        """
        Record the scale of a frame for the diagnostics, and check the floor.

        :param config: the configuration of the frame.
        :param frame: the frame, with its camera if known.
        :param estimate: the result of the estimator.
        """
        self._notices.health.scale = described(estimate.state)
        self._config, self._state = config, estimate.state
        given = SOURCES[config.scale.source].given is not None and estimate.depth is not None
        self._notices.set('calibration file', estimate.state.reason if given else '')
        model = self._opening.model
        if config.scale.known_distance > 0 and model is not None:
            if self._tape is None:
                self._tape = TapeMeasure(model.spec)
            self._tape.look(time.monotonic(), estimate.prediction.values, estimate.focal)
        # the scale that a height gives agrees with the height
        follows = SOURCES[config.scale.source].floor
        if estimate.depth is not None and frame.camera is not None and not follows:
            # TF costs time: only where something else uses it
            transforms = self._transforms if self._transforms.used else None
            note = self._floor_watch.look(
                time.monotonic(), lambda: known_floor(config.ground, frame, transforms),
                estimate.depth, frame.camera,
            )
            self._notices.set('camera height', note)

    def _take(self, stamp: float, reading: Reading) -> None:
        keeper, inputs = self._keeper, self._inputs
        # what the last source looked at means nothing to the next
        if keeper is not None and inputs is not None and inputs.source is keeper.source:
            keeper.add(stamp, reading)

    def _reset(self, _request: Any, response: Any) -> Any:
        keeper = self._keeper
        if keeper is None or keeper.given() is not None:
            source = keeper.source.name if keeper is not None else 'not known yet'
            response.message = f'scale.source is {source}: nothing to reset.'
            return response
        keeper.reset()
        response.success, response.message = True, 'The scale is reset and will be measured again.'
        return response

    def _measure_by_tape(self, _request: Any, response: Any) -> Any:
        keeper, model, tape = self._keeper, self._opening.model, self._tape
        distance = self._config.scale.known_distance
        try:
            if keeper is None or model is None:
                raise ConfigError('There is no scale yet, because the model is not loaded.')
            if distance <= 0 or tape is None:
                raise ConfigError(
                    'scale.known_distance is not set, or no frame was processed since.',
                    'Set it to the distance to the surface in the middle of the image (m), and '
                    'call again.',
                )
            found = tape.calibration(
                time.monotonic(), distance, self._state, fingerprint_of(model)
            )
            keeper.adopt(found)
        except DepthNodeError as error:
            response.message = str(error)
            return response
        response.success = True
        response.message = (
            f'scale {found.scale:.5g}, shift {found.shift:.5g}, known to '
            f'{100 * found.sigma:.0f} %. ~/save_calibration keeps it.'
        )
        return response

    def _save(self, _request: Any, response: Any) -> Any:
        keeper, model = self._keeper, self._opening.model
        try:
            if not self._file:
                raise ConfigError(
                    'scale.calibration_file is empty, and can be set at start only.',
                    'Start the node with -p scale.calibration_file:=/path/of/scale.yaml.',
                )
            if keeper is None or model is None:
                raise ConfigError('There is no scale yet, because the model is not loaded.')
            found = keeper.calibration(fingerprint_of(model))
            write_scale(Path(self._file), found)
        except DepthNodeError as error:
            response.message = str(error)
            return response
        response.success = True
        response.message = f'{self._file}: scale {found.scale:.5g}, shift {found.shift:.5g}'
        return response


def described(state: ScaleState) -> dict[str, object]:
    """
    Return a state as values of the diagnostics.

    :param state: the state.
    :returns: key to value.
    """
    values: dict[str, object] = {
        'scale': f'{state.value:.5g}',
        'shift': f'{state.shift:.5g}',
        'scale sigma (%)': 100 * state.sigma,
        'scale source': state.source,
        'scale age (s)': state.age,
        'scale inliers': state.inliers,
    }
    if state.field is not None:
        values['scale local anchors'] = state.field.anchors
        values['scale local carried'] = state.field.past
        values['scale local gain (%)'] = 100 * state.field.gain
    if state.misfit:
        values['scale misfit (%)'] = 100 * state.misfit
    if state.reason:
        values['scale note'] = state.reason
    return values
