"""
The lifecycle node, which only connects the parts.

An executor thread handles messages, transitions, services and timers. A worker thread runs the
network on the newest frame; if the engine leaves a core free, a second one converts the result to
metres and publishes the outputs that have subscribers.
"""

from __future__ import annotations

if __name__ == '__main__':
    from depth_node.ros import start

    raise SystemExit(start.node())

from collections.abc import Callable, Sequence
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from sensor_msgs.msg import CameraInfo

from depth_node.errors import DepthNodeError, DeviceLostError, unexpected
from depth_node.ros import runtime
from depth_node.ros.diagnostics import DiagnosticsPublisher, statuses
from depth_node.ros.graph import namesake
from depth_node.ros.health import Health
from depth_node.ros.inputs import CameraTopics
from depth_node.ros.lifecycle import guard_transitions
from depth_node.ros.log import Log
from depth_node.ros.making import Maker
from depth_node.ros.notices import Notices
from depth_node.ros.opening import Opening
from depth_node.ros.outputs import Outputs
from depth_node.ros.parameters import Parameters
from depth_node.ros.pipeline import Pipeline
from depth_node.ros.reading import Reader
from depth_node.ros.scaling import Scaling
from depth_node.ros.transforms import Transforms
from depth_node.sources.calibration import Calibration

WATCH_PERIOD_S = 0.25
DIAGNOSTICS_PERIOD_S = 1.0
STOP_PATIENCE_S = 1.5
"""How long a transition waits for the current frame, and for a build to be cancelled (s)."""


class DepthNode(LifecycleNode):
    """
    Image and CameraInfo in; depth, clouds and diagnostics out.

    :param arguments: command-line arguments for rclpy; None: those of the process.
    :raises ConfigError: a parameter set at start is invalid.
    """

    def __init__(self, arguments: Sequence[str] | None = None) -> None:
        super().__init__('depth_node', cli_args=arguments)
        guard_transitions(self)
        self._configured = False
        self._health = Health()
        self._log = Log(self.get_logger())
        self._notices = Notices(self._health, self._log)
        self._settings = Parameters(self, lambda: self._configured)
        self._diagnostics = DiagnosticsPublisher(self)
        self._transforms = Transforms(self)
        self._calibration: Calibration | None = None
        self._opening: Opening | None = None
        self._scaling: Scaling | None = None
        self._outputs: Outputs | None = None
        self._topics: CameraTopics | None = None
        self._pipeline: Pipeline | None = None
        autostart = self.declare_parameter(
            'autostart',
            True,
            ParameterDescriptor(description='Configure and activate at start.', read_only=True),
        )
        # steady: diagnostics and watching go on while simulated time is paused
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(WATCH_PERIOD_S, self._watch, clock=self._steady)
        self.create_timer(DIAGNOSTICS_PERIOD_S, self._diagnose, clock=self._steady)
        if autostart.value:
            self._start = self.create_timer(0.0, self._autostart, clock=self._steady)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Check the parameters, start opening the engine, and create the publishers."""
        return self._attempt(
            self._configure, lambda: super(DepthNode, self).on_configure(state), self._release
        )

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the camera."""
        return self._attempt(
            self._activate, lambda: super(DepthNode, self).on_activate(state), self._rest
        )

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe, finish the current frame, and cancel an engine build."""
        self._rest()
        self._log.info('deactivated: unsubscribed from the camera')
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Close the engine and destroy the publishers."""
        self._release()
        self._log.info('cleaned up: the engine is closed')
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Clean up, from any state."""
        self._release()
        self._log.info('shut down: restart the process to use the node again')
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Return to unconfigured, from which configure can be tried again."""
        self._release()
        self._log.warning('unconfigured after an error: configure again')
        return super().on_error(state)

    def caught(self, where: str, error: Exception) -> None:
        """
        Report an exception of a callback.

        :param where: topic, service or kind of callback.
        :param error: the exception.
        """
        self._notices.caught(f'{where}: {unexpected(error)}')

    def close(self) -> None:
        """Stop all work before the process ends."""
        self._release()

    def _attempt(
        self,
        work: Callable[[], None],
        then: Callable[[], TransitionCallbackReturn],
        undo: Callable[[], None],
    ) -> TransitionCallbackReturn:
        """Make a transition; on an error, report it, undo everything, and fail."""
        try:
            work()
        except DepthNodeError as error:
            text = str(error)
        except Exception as error:  # noqa: BLE001  rclpy would swallow it without a word
            text = unexpected(error)
        else:
            return then()
        undo()
        name = self.get_fully_qualified_name()
        steps = 'activate' if self._configured else 'configure`, then `activate'
        text += (
            f' The node stays {self._state()}. Fix the parameter (`ros2 param set {name} NAME '
            f'VALUE`), then run `ros2 lifecycle set {name} {steps}`; or restart the node.'
        )
        self._health.error(text)
        self._health.report('configure', text, fatal=True)
        self._log.error(text)
        return TransitionCallbackReturn.FAILURE

    def _configure(self) -> None:
        config = self._settings.config
        self._configured = True
        self._health.clear(*self._health.problems())
        self._calibration = Calibration(config.input)
        self._opening = Opening(config, self._log)
        self._scaling = Scaling(
            self, config, self._opening, self._transforms, self._notices
        )
        maker = Maker(self._transforms, self._notices)
        self._outputs = Outputs(self, maker, self._health.stages)

    def _activate(self) -> None:
        assert self._calibration is not None
        assert self._opening is not None
        assert self._scaling is not None
        assert self._outputs is not None
        def topic() -> str:
            return self._topics.image_topic if self._topics is not None else ''

        self._pipeline = Pipeline(
            self._opening,
            Reader(topic, self._notices),
            self._calibration,
            self._scaling,
            self._outputs,
            self._notices,
        )
        self._opening.resume()
        self._health.clear('configure')
        self._health.restart()
        self._pipeline.start()
        config = self._settings.config
        self._scaling.listen(config)
        self._topics = CameraTopics(
            self, config.input, self._notices, self._on_image, self._on_info
        )
        self._calibration.topic = self._topics.info_topic
        self._calibration.image_topic = self._topics.image_topic
        self._log.info(
            f'subscribed to {self._topics.image_topic} and {self._topics.info_topic}'
        )

    def _rest(self) -> None:
        """Undo activate, if active."""
        if self._topics is not None:
            self._topics.destroy()
            self._topics = None
        if self._scaling is not None:
            self._scaling.rest()
        if self._pipeline is not None:
            if not self._pipeline.stop(STOP_PATIENCE_S):
                self._log.warning('the current frame is not finished; it is abandoned')
            self._pipeline = None
        if self._opening is not None:
            self._opening.cancel(STOP_PATIENCE_S)

    def _release(self) -> None:
        """Undo configure and activate, if done."""
        self._rest()
        if self._scaling is not None:
            self._scaling.close()
            self._scaling = None
        if self._opening is not None:
            self._opening.close(STOP_PATIENCE_S)
            self._opening = None
        if self._outputs is not None:
            self._outputs.destroy()
            self._outputs = None
        self._calibration = None
        self._configured = False

    def _autostart(self) -> None:
        self.destroy_timer(self._start)
        if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def _on_image(self, message: Any) -> None:
        self._health.received.add()
        self._health.frames_in += 1
        if self._pipeline is not None:
            self._pipeline.offer(message, self._settings.config)

    def _on_info(self, info: CameraInfo) -> None:
        if self._calibration is not None:
            self._calibration.remember(info)

    def _watch(self) -> None:
        """Check periodically what no callback would notice."""
        if self._topics is not None:
            self._topics.match()
            self._topics.check_silence()
        if self._scaling is not None:
            self._scaling.match(self._settings.config)
        lost = self._health.device_lost
        if self._opening is not None and isinstance(self._opening.error, DeviceLostError):
            lost = str(self._opening.error)
        if lost:
            runtime.die(
                self._log,
                f'{lost} Ending the process with code 70, so that the launch file can restart it.',
            )
        limit = self._settings.config.engine.timeout
        if self._pipeline is not None and self._pipeline.busy_for() > limit:
            runtime.die(
                self._log,
                f'A frame has taken more than {limit:g} s (engine.timeout): the engine hangs. '
                'Ending the process with code 70, so that the launch file can restart it.',
            )

    def _diagnose(self) -> None:
        self._notices.expire()
        self._notices.set('name', namesake(self))
        topic = self._topics.image_topic if self._topics is not None else ''
        # with its namespace: several cameras share /diagnostics
        name = self.get_fully_qualified_name().lstrip('/')
        self._diagnostics.publish(
            *statuses(name, topic, self._health, self._opening, self._state())
        )

    def _state(self) -> str:
        return 'active' if self._topics else 'inactive' if self._configured else 'unconfigured'


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the node until a signal stops it.

    :param arguments: command-line arguments; None: those of the process.
    :returns: the exit code.
    """
    return runtime.run(DepthNode, arguments)
