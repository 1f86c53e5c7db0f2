"""Several cameras: one depth node each, in a namespace of its own, from a list in a file."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction

from depth_node.ros import launching


def start(context):
    """Start a node, and where a source is given a camera, for every entry."""
    cameras = launching.cameras_of(
        launching.expanded(context.launch_configurations['cameras_file'])
    )
    return [
        action
        for camera in cameras
        for action in (*launching.source_actions(camera), *launching.node_actions(camera))
    ]


def generate_launch_description():
    """Say where the list is, and start what it says."""
    return LaunchDescription([
        DeclareLaunchArgument(
            'cameras_file', description='YAML file with a list `cameras:` (doc/multi_camera.md).'
        ),
        OpaqueFunction(function=start),
    ])
