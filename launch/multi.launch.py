"""Launch one depth node per camera, each in its own namespace, from a list in a file."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction

from depth_node.ros import launching


def start(context):
    """Return the actions for every camera of the list."""
    cameras = launching.cameras_of(
        launching.expanded(context.launch_configurations['cameras_file'])
    )
    return [
        action
        for camera in cameras
        for action in (*launching.source_actions(camera), *launching.node_actions(camera))
    ]


def generate_launch_description():
    """Declare the launch argument and the actions."""
    return LaunchDescription([
        DeclareLaunchArgument(
            'cameras_file', description='File with a list `cameras:`; see doc/multi_camera.md.'
        ),
        OpaqueFunction(function=start),
    ])
