"""The synthetic camera and the node with the embedded network, which knows only that world."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction

from depth_node.ros import launching

ARGUMENTS = {
    'model': ('embedded', 'Catalogue name or path of the network.'),
    'source': ('world', 'What the camera sees: world or world:SEED.'),
    'params_file': ('', 'Parameter file; empty: config/mono.yaml.'),
    'rviz': ('false', 'Show it in RViz.'),
}


def start(context):
    """Start what the arguments ask for."""
    values = {name: context.launch_configurations[name] for name in ARGUMENTS}
    camera = launching.Camera(
        params_file=values['params_file'],
        parameters={'model.name': values['model']},
        source=values['source'],
    )
    rviz = values['rviz'].lower() in ('true', '1')
    return [
        *launching.source_actions(camera),
        *launching.node_actions(camera),
        *(launching.rviz_actions(camera, 'camera_optical_frame') if rviz else []),
    ]


def generate_launch_description():
    """Say which arguments there are, and what to start with them."""
    return LaunchDescription([
        *(
            DeclareLaunchArgument(name, default_value=default, description=text)
            for name, (default, text) in ARGUMENTS.items()
        ),
        OpaqueFunction(function=start),
    ])
