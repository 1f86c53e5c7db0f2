"""
What the launch files have in common: plain functions first, launch actions last.

``launch`` is imported where actions are made, so that the rest is tested without it.
"""

from __future__ import annotations

from collections.abc import Mapping
import os
from typing import Any

from depth_node import process
from depth_node.config import Value
from depth_node.ros import tuning
from depth_node.ros.cameras import Argument, LaunchedCamera, placed

RESTART_DELAY_S = 2.0
# ended as told, and wrong parameters: starting again changes neither
_FINAL = (0, 2)


def remappings(camera: LaunchedCamera) -> list[tuple[str, str]]:
    """
    Connect the node to the camera.

    :param camera: the camera.
    :returns: from the node's names to the camera's.
    """
    return [
        ('image', camera.image_topic),
        ('image/compressed', f'{camera.image_topic}/compressed'),
        ('camera_info', camera.info_topic),
    ]


def source_remappings(camera: LaunchedCamera) -> list[tuple[str, str]]:
    """
    Let `camera_publisher` publish as the camera.

    :param camera: the camera.
    :returns: from the publisher's names to the camera's.
    """
    return [
        ('camera/image_raw', camera.image_topic),
        ('camera/image_raw/compressed', f'{camera.image_topic}/compressed'),
        ('camera/camera_info', camera.info_topic),
        ('camera/depth_truth', f'{camera.image_topic.rpartition("/")[0]}/depth_truth'),
    ]


def source_parameters(camera: LaunchedCamera) -> dict[str, Value]:
    """
    Say what `camera_publisher` publishes.

    :param camera: the camera.
    :returns: its parameters.
    """
    found: dict[str, Value] = {'source': camera.source}
    if camera.frame_id:
        found['frame_id'] = camera.frame_id
    if 'use_sim_time' in camera.parameters:
        found['use_sim_time'] = camera.parameters['use_sim_time']
    return found


def environment() -> dict[str, str]:
    """
    Collect what large messages need, unless the user chose something else.

    :returns: variables for every process the launch files start; with them ours know their
        launch.
    """
    return {
        **tuning.transport().environment,
        **process.malloc_environment(),
        process.LAUNCH_VARIABLE: str(os.getpid()),
    }


def restarts(return_code: int | None) -> bool:
    """
    Tell whether a node that ended should be started again.

    :param return_code: of the process; negative for a signal.
    :returns: True for a crash and for the watchdog; False when it ended as told (0) or has a
        parameter that cannot be used (2).
    """
    return return_code not in _FINAL


def node_actions(camera: LaunchedCamera) -> list[Any]:
    """
    Start the node, and start it again when it dies.

    :param camera: what it looks at.
    :returns: launch actions.
    """
    from launch.actions import RegisterEventHandler, TimerAction
    from launch.event_handlers import OnProcessExit
    from launch_ros.actions import Node

    node = Node(
        package=tuning.PACKAGE,
        executable='depth_node',
        namespace=camera.namespace,
        parameters=[camera.params, *([_typed(camera.parameters)] if camera.parameters else [])],
        remappings=remappings(camera),
        additional_env=environment(),
        output='screen',
    )

    def again(event: Any, context: Any) -> list[Any]:
        if context.is_shutdown or not restarts(event.returncode):
            return []
        return [TimerAction(period=RESTART_DELAY_S, actions=node_actions(camera))]

    return [RegisterEventHandler(OnProcessExit(target_action=node, on_exit=again)), node]


def source_actions(camera: LaunchedCamera) -> list[Any]:
    """
    Publish the camera's source, where it has one.

    :param camera: the camera.
    :returns: launch actions.
    """
    from launch_ros.actions import Node

    if not camera.source:
        return []
    return [
        Node(
            package=tuning.PACKAGE,
            executable='camera_publisher',
            namespace=camera.namespace,
            parameters=[camera.params, _typed(source_parameters(camera))],
            remappings=source_remappings(camera),
            additional_env=environment(),
            output='screen',
        )
    ]


def rviz_actions(camera: LaunchedCamera, frame: str, pushed: str = '') -> list[Any]:
    """
    Show the camera in RViz.

    To be listed before the nodes: where RViz is not installed, launch ends at this action, and
    what it has started by then would go on.

    :param camera: what to show.
    :param frame: its optical frame, which is RViz' fixed frame: no TF is needed.
    :param pushed: the namespace that an including launch file has pushed.
    :returns: launch actions.
    """
    from launch_ros.actions import Node

    namespace = placed(camera.namespace, pushed).rstrip('/')
    outputs = ('image', 'image_color', 'points', 'scan')
    sim_time = camera.parameters.get('use_sim_time')
    return [
        Node(
            package='rviz2',
            executable='rviz2',
            namespace=camera.namespace,
            parameters=[] if sim_time is None else [{'use_sim_time': sim_time}],
            arguments=['-d', tuning.share('config', 'mono.rviz'), '-f', frame],
            remappings=[
                ('/camera/image_raw', camera.image_topic),
                *((f'/depth/{name}', f'{namespace}/depth/{name}') for name in outputs),
            ],
            additional_env=environment(),
        )
    ]


def _typed(parameters: Mapping[str, Value]) -> dict[str, Any]:
    """Keep texts texts: launch would read a device's "0" as a number."""
    from launch_ros.parameter_descriptions import ParameterValue

    return {
        name: ParameterValue(value, value_type=str) if isinstance(value, str) else value
        for name, value in parameters.items()
    }


def declared(arguments: Mapping[str, Argument]) -> list[Any]:
    """
    Declare launch arguments.

    :param arguments: name to argument.
    :returns: launch actions.
    """
    from launch.actions import DeclareLaunchArgument

    return [
        DeclareLaunchArgument(
            name, default_value=argument.default, description=argument.text,
            choices=argument.choices or None,
        )
        for name, argument in arguments.items()
    ]


def values_of(context: Any, arguments: Mapping[str, Argument]) -> dict[str, str]:
    """
    Read launch arguments.

    :param context: of the launch.
    :param arguments: those declared.
    :returns: name to value.
    """
    return {name: context.launch_configurations[name] for name in arguments}


def pushed_namespace(context: Any) -> str:
    """
    Find the namespace that PushROSNamespace of an including launch file has set.

    :param context: of the launch.
    :returns: the namespace; empty: none.
    """
    return str(context.launch_configurations.get('ros_namespace', ''))
