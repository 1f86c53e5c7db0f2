"""Launch one depth node per camera, each in its own namespace, from a list in a file."""

from launch import LaunchDescription
from launch.actions import OpaqueFunction

from depth_node.ros import launching
from depth_node.ros.cameras import cameras_of, expanded, MULTI


def start(context):
    """Return the actions for every camera of the list."""
    values = launching.values_of(context, MULTI)
    pushed = launching.pushed_namespace(context)
    cameras = cameras_of(expanded(values['cameras_file']), pushed, values['use_sim_time'])
    return [
        action
        for camera in cameras
        for action in (*launching.source_actions(camera), *launching.node_actions(camera))
    ]


def generate_launch_description():
    """Declare the launch arguments and the actions."""
    return LaunchDescription([*launching.declared(MULTI), OpaqueFunction(function=start)])
