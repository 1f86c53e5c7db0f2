"""One camera: the depth node, and if wanted a source of frames and RViz."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction

from depth_node.config import Config
from depth_node.ros import launching

DEFAULT = Config()
ARGUMENTS = {
    'model': (DEFAULT.model.name, 'Catalogue name or path of the network.'),
    'engine': (DEFAULT.engine.name, 'auto, tensorrt, openvino or onnxruntime.'),
    'image_topic': ('/camera/image_raw', 'Topic of the images.'),
    'camera_info_topic': ('', 'Topic of CameraInfo; empty: the sibling of the image topic.'),
    'image_transport': (DEFAULT.input.transport, 'raw or compressed.'),
    'params_file': ('', 'Parameter file; empty: config/mono.yaml.'),
    'namespace': ('', 'Namespace of the node and its outputs.'),
    'rviz': ('false', 'Show it in RViz.'),
    'rviz_frame': ('camera_optical_frame', "The camera's optical frame, for RViz."),
    'source': ('none', 'Folder, video, device, rosbag or world to publish from; none: nothing.'),
}


def generate_launch_description():
    """Say which arguments there are, and what to start with them."""
    given = set()

    def remember(context):
        given.update(launching.given_arguments(context))

    def start(context):
        values = {name: context.launch_configurations[name] for name in ARGUMENTS}
        camera = launching.camera_of(values, frozenset(given))
        rviz = values['rviz'].lower() in ('true', '1')
        return [
            *launching.source_actions(camera),
            *launching.node_actions(camera),
            *(launching.rviz_actions(camera, values['rviz_frame']) if rviz else []),
        ]

    return LaunchDescription([
        OpaqueFunction(function=remember),
        *(
            DeclareLaunchArgument(name, default_value=default, description=text)
            for name, (default, text) in ARGUMENTS.items()
        ),
        OpaqueFunction(function=start),
    ])
