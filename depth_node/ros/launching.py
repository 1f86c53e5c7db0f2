"""
Common parts of the launch files: plain functions first, launch actions last.

``launch`` is imported only in functions that return actions, so the rest is tested without it.
"""

from __future__ import annotations

from collections.abc import Mapping
import os
from typing import Any

from depth_node import process
from depth_node.config import Value
from depth_node.ros import dds, folders
from depth_node.ros.cameras import Argument, LaunchedCamera, placed

RESTART_DELAY_S = 2.0
# ended on request, and wrong parameters: starting again changes neither
_FINAL = (0, 2)


def remappings(camera: LaunchedCamera) -> list[tuple[str, str]]:
    """
    Return the remappings of the node for a camera.

    :param camera: the camera.
    :returns: pairs of the node's and the camera's topics.
    """
    return [
        ('image', camera.image_topic),
        ('image/compressed', f'{camera.image_topic}/compressed'),
        ('camera_info', camera.info_topic),
    ]


def source_remappings(camera: LaunchedCamera) -> list[tuple[str, str]]:
    """
    Return the remappings of `camera_publisher` for a camera.

    :param camera: the camera.
    :returns: pairs of the publisher's and the camera's topics.
    """
    return [
        ('camera/image_raw', camera.image_topic),
        ('camera/image_raw/compressed', f'{camera.image_topic}/compressed'),
        ('camera/camera_info', camera.info_topic),
        ('camera/depth_truth', f'{camera.image_topic.rpartition("/")[0]}/depth_truth'),
    ]


def source_parameters(camera: LaunchedCamera) -> dict[str, Value]:
    """
    Return the parameters of `camera_publisher` for a camera.

    :param camera: the camera.
    :returns: the parameters.
    """
    found: dict[str, Value] = {'source': camera.source}
    if camera.frame_id:
        found['frame_id'] = camera.frame_id
    if 'use_sim_time' in camera.parameters:
        found['use_sim_time'] = camera.parameters['use_sim_time']
    return found


def environment() -> dict[str, str]:
    """
    Return the environment for large messages, unless the user chose another one.

    :returns: variables for every process of the launch files, including the process id of the
        launch.
    """
    return {
        **dds.transport().environment,
        **process.malloc_environment(),
        process.LAUNCH_VARIABLE: str(os.getpid()),
    }


def restarts(return_code: int | None) -> bool:
    """
    Return whether a node that ended should be restarted.

    :param return_code: exit code of the process; negative for a signal.
    :returns: True for a crash and for the watchdog; False after a regular end (0) or for an
        unusable parameter (2).
    """
    return return_code not in _FINAL


def node_actions(camera: LaunchedCamera) -> list[Any]:
    """
    Return the actions that start the node and restart it when it dies.

    :param camera: the camera.
    :returns: launch actions.
    """
    from launch.actions import RegisterEventHandler, TimerAction
    from launch.event_handlers import OnProcessExit
    from launch_ros.actions import Node

    node = Node(
        package=folders.PACKAGE,
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
    Return the actions that publish the source of a camera, if it has one.

    :param camera: the camera.
    :returns: launch actions.
    """
    from launch_ros.actions import Node

    if not camera.source:
        return []
    return [
        Node(
            package=folders.PACKAGE,
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
    Return the actions that show the camera in RViz.

    List them before the nodes: if RViz is not installed, launch ends at this action, and nodes
    started before would keep running.

    :param camera: the camera to show.
    :param frame: its optical frame, used as fixed frame, so that no TF is needed.
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
            arguments=['-d', folders.share('config', 'mono.rviz'), '-f', frame],
            remappings=[
                ('/camera/image_raw', camera.image_topic),
                *((f'/depth/{name}', f'{namespace}/depth/{name}') for name in outputs),
            ],
            additional_env=environment(),
        )
    ]


def _typed(parameters: Mapping[str, Value]) -> dict[str, Any]:
    """Mark strings as strings: launch would read "0", a device, as a number."""
    from launch_ros.parameter_descriptions import ParameterValue

    return {
        name: ParameterValue(value, value_type=str) if isinstance(value, str) else value
        for name, value in parameters.items()
    }


def declared(arguments: Mapping[str, Argument]) -> list[Any]:
    """
    Return the actions that declare launch arguments.

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
    Return the values of launch arguments.

    :param context: the launch context.
    :param arguments: the declared arguments.
    :returns: name to value.
    """
    return {name: context.launch_configurations[name] for name in arguments}


def pushed_namespace(context: Any) -> str:
    """
    Return the namespace that an including launch file has set with PushROSNamespace.

    :param context: the launch context.
    :returns: the namespace; empty: none.
    """
    return str(context.launch_configurations.get('ros_namespace', ''))
