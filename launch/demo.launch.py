"""Launch the synthetic camera, and the node with the embedded network trained on its world."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction

from depth_node.ros import launching

ARGUMENTS = {
    'model': ('embedded', 'Catalogue name of a network, or path of an ONNX file.'),
    'source': ('world', 'Scene of the camera: world or world:SEED.'),
    'params_file': ('', 'Parameter file of the node. Empty: config/mono.yaml.'),
    'rviz': ('false', 'Start RViz (true or false).'),
}


def start(context):
    """Return the actions for the launch arguments."""
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
    """Declare the launch arguments and the actions."""
    return LaunchDescription([
        *(
            DeclareLaunchArgument(name, default_value=default, description=text)
            for name, (default, text) in ARGUMENTS.items()
        ),
        OpaqueFunction(function=start),
    ])
