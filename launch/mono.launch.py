"""Launch one camera: its depth node and, if wanted, a source of images and RViz."""

from launch import LaunchDescription
from launch.actions import OpaqueFunction

from depth_node.ros import launching
from depth_node.ros.cameras import launched_camera, MONO, switched


def start(context):
    """Return the actions for the launch arguments."""
    values = launching.values_of(context, MONO)
    pushed = launching.pushed_namespace(context)
    camera = launched_camera(values, pushed)
    rviz = switched('rviz', values['rviz'])
    return [
        *(launching.rviz_actions(camera, values['rviz_frame'], pushed) if rviz else []),
        *launching.source_actions(camera),
        *launching.node_actions(camera),
    ]


def generate_launch_description():
    """Declare the launch arguments and the actions."""
    return LaunchDescription([*launching.declared(MONO), OpaqueFunction(function=start)])
