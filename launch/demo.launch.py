"""Launch the synthetic camera, and the node with the embedded network trained on its world."""

from launch import LaunchDescription
from launch.actions import OpaqueFunction

from depth_node.ros import launching
from depth_node.ros.cameras import DEMO, demo_camera, switched


def start(context):
    """Return the actions for the launch arguments."""
    values = launching.values_of(context, DEMO)
    pushed = launching.pushed_namespace(context)
    camera = demo_camera(values, pushed)
    rviz = switched('rviz', values['rviz'])
    return [
        *(launching.rviz_actions(camera, 'camera_optical_frame', pushed) if rviz else []),
        *launching.source_actions(camera),
        *launching.node_actions(camera),
    ]


def generate_launch_description():
    """Declare the launch arguments and the actions."""
    return LaunchDescription([*launching.declared(DEMO), OpaqueFunction(function=start)])
