"""Launch the depth node for one camera, optionally with a camera publisher and RViz."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction

from depth_node.config import Config
from depth_node.ros import launching

DEFAULT = Config()
ARGUMENTS = {
    'model': (DEFAULT.model.name, 'Catalogue name of a network, or path of an ONNX file.'),
    'engine': (DEFAULT.engine.name, 'Engine: auto, tensorrt, openvino or onnxruntime.'),
    'image_topic': ('/camera/image_raw', 'Image topic; NAME/compressed sets the transport, too.'),
    'camera_info_topic': ('', 'CameraInfo topic. Empty: the sibling of the image topic.'),
    'image_transport': (DEFAULT.input.transport, 'Image transport: raw or compressed.'),
    'params_file': ('', 'Parameter file of the node. Empty: config/mono.yaml.'),
    'namespace': ('', 'Namespace of the node and its outputs.'),
    'rviz': ('false', 'Start RViz (true or false).'),
    'rviz_frame': ('camera_optical_frame', 'Fixed frame of RViz.'),
    'source': ('none', 'Folder, video, device, rosbag or world to publish as camera, or none.'),
}


def generate_launch_description():
    """Declare the launch arguments and the actions."""
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
