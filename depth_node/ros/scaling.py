"""The scale in the node: its keeper, what feeds it, its services and its diagnostics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rclpy.node import Node
from std_srvs.srv import Trigger

from depth_node.config import Config
from depth_node.errors import ConfigError, DataError, DepthNodeError
from depth_node.model.hashes import hash_of
from depth_node.ros.notices import Notices
from depth_node.ros.opening import Opening
from depth_node.ros.scale_inputs import ScaleInputs
from depth_node.ros.transforms import Transforms
from depth_node.scale import FloorPose, keeper_for, Reading, ScaleKeeper, ScaleState, write_scale


class Scaling:
    """
    Holds the keeper of the scale; lives from configure to cleanup.

    :param node: owner of subscriptions and services.
    :param config: returns the configuration in force.
    :param opening: knows the model.
    :param transforms: TF.
    :param notices: told what is wrong.
    :raises ConfigError: a source that cannot serve the model, or a calibration made for another.
    """

    def __init__(
        self,
        node: Node,
        config: Callable[[], Config],
        opening: Opening,
        transforms: Transforms,
        notices: Notices,
    ) -> None:
        self._node = node
        self._config = config
        self._opening = opening
        self._transforms = transforms
        self._notices = notices
        self._inputs: ScaleInputs | None = None
        self._keeper: ScaleKeeper | None = None
        self._error: ConfigError | None = None
        self._source = ''
        self.optical = ''
        """The camera's frame, from the last image."""
        if opening.model is not None:
            self.keeper()
        self._services = [
            node.create_service(Trigger, '~/reset_scale', self._reset),
            node.create_service(Trigger, '~/save_calibration', self._save),
        ]

    def keeper(self) -> ScaleKeeper:
        """
        Return the keeper of the source in force, made anew when the source has changed.

        :returns: the keeper.
        :raises ConfigError: see the class.
        """
        config, model = self._config(), self._opening.model
        assert model is not None
        if config.scale.source != self._source:
            self._keeper, self._error, self._source = None, None, config.scale.source
        if self._error is not None:
            raise self._error
        if self._keeper is None:
            try:
                self._keeper = keeper_for(config, model.spec, model.path)
            except ConfigError as error:
                # kept: hashing a large model again for every frame would help nobody
                self._error = error
                raise
        return self._keeper

    def listen(self) -> None:
        """Subscribe to what the source needs."""
        self._inputs = ScaleInputs(
            self._node, self._config, self._transforms, self._notices,
            lambda: self.optical, self._take,
        )
        if self._inputs.topics:
            topics = ', '.join(self._inputs.topics)
            self._node.get_logger().info(f'the scale is recovered from {topics}')

    def rest(self) -> None:
        """End the subscriptions."""
        if self._inputs is not None:
            self._inputs.destroy()
            self._inputs = None
            self._notices.health.clear('scale input')

    def close(self) -> None:
        """End subscriptions and services."""
        self.rest()
        for service in self._services:
            self._node.destroy_service(service)
        self._services.clear()

    def match(self) -> None:
        """Subscribe anew when the source has changed, and ask TF for the ground."""
        config = self._config()
        if self._inputs is not None and self._inputs.source != config.scale.source:
            self.rest()
            self.listen()
        if config.scale.source == 'ground' and config.ground.camera_height <= 0:
            self._find_ground(config.ground.base_frame)

    def tell(self, state: ScaleState | None) -> None:
        """
        Note a frame's scale for the diagnostics.

        :param state: as the estimator returned it.
        """
        self._notices.health.scale = {} if state is None else described(state)

    def _take(self, stamp: float, sample: Reading) -> None:
        if self._keeper is None or self._inputs is None or self._inputs.source != self._source:
            return  # what the last source looked at means nothing to the next
        self._keeper.add(stamp, sample)

    def _find_ground(self, base: str) -> None:
        if self._keeper is None or not self.optical:
            return
        found = self._transforms.lookup(base, self.optical)
        if found is None:
            self._keeper.set_ground(None, f'set ground.camera_height{self._transforms.hint}')
            return
        try:
            self._keeper.set_ground(FloorPose.from_transform(found))
        except DataError as error:
            self._keeper.set_ground(None, str(error))

    def _reset(self, _request: Any, response: Any) -> Any:
        if self._keeper is None or self._keeper.given() is not None:
            response.message = f'scale.source is {self._config().scale.source}: nothing to reset.'
            return response
        self._keeper.reset()
        response.success, response.message = True, 'The scale is reset and will be measured again.'
        return response

    def _save(self, _request: Any, response: Any) -> Any:
        file, model = self._config().scale.calibration_file, self._opening.model
        try:
            if not file:
                raise ConfigError('scale.calibration_file is empty. Set the path at start.')
            if self._keeper is None or model is None:
                raise ConfigError('There is no scale yet, because the model is not loaded.')
            found = self._keeper.calibration(hash_of(model.path))
            write_scale(Path(file), found)
        except DepthNodeError as error:
            response.message = str(error)
            return response
        response.success = True
        response.message = f'{file}: scale {found.scale:.5g}, shift {found.shift:.5g}'
        return response


def described(state: ScaleState) -> dict[str, object]:
    """
    Write a state as diagnostics show it.

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
    if state.reason:
        values['scale note'] = state.reason
    return values
