"""
What the launch files have in common: plain functions first, launch actions last.

``launch`` is imported where actions are made, so that the rest is tested without it.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from dataclasses import dataclass, field
import os
from pathlib import Path
import re
from typing import Any

from depth_node import process
from depth_node.config import Value
from depth_node.errors import ConfigError
from depth_node.files import read_yaml
from depth_node.ros import tuning
from depth_node.sources.topics import info_topic

RESTART_DELAY_S = 2.0
# ended as told, and wrong parameters: starting again changes neither
_FINAL = (0, 2)
_NAME = re.compile(r'[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*')


@dataclass(frozen=True)
class Camera:
    """
    One camera and the node that looks at it.

    :param namespace: of the node and of its outputs; empty: none.
    :param image_topic: without ``/compressed``.
    :param camera_info_topic: empty: the sibling of the image topic.
    :param params_file: empty: config/mono.yaml.
    :param parameters: dotted name to value, over those of the file.
    :param source: what `camera_publisher` publishes as this camera; empty: the camera is there.
    :param frame_id: of what it publishes; empty: its default.
    """

    namespace: str = ''
    image_topic: str = '/camera/image_raw'
    camera_info_topic: str = ''
    params_file: str = ''
    parameters: Mapping[str, Value] = field(default_factory=dict)
    source: str = ''
    frame_id: str = ''

    @property
    def info_topic(self) -> str:
        """CameraInfo's topic."""
        return self.camera_info_topic or info_topic(self.image_topic)

    @property
    def params(self) -> str:
        """The parameter file; an error where it is not there, of which launch only warns."""
        if self.params_file and not Path(self.params_file).is_file():
            raise ConfigError(
                f'params_file {self.params_file}: no such file.',
                'Without it the node would run with every default.',
            )
        return self.params_file or share('config', 'mono.yaml')


def camera_of(values: Mapping[str, str], given: frozenset[str]) -> Camera:
    """
    Understand the arguments of mono.launch.py.

    :param values: every argument's value.
    :param given: arguments the user gave: a default of ours must not overrule his parameter
        file.
    :returns: the camera.
    """
    names = {'model': 'model.name', 'engine': 'engine.name', 'image_transport': 'input.transport'}
    parameters: dict[str, Value] = {
        parameter: values[argument] for argument, parameter in names.items() if argument in given
    }
    if values['image_topic'].endswith('/compressed') and 'image_transport' not in given:
        parameters['input.transport'] = 'compressed'
    return Camera(
        namespace=values['namespace'],
        image_topic=values['image_topic'].removesuffix('/compressed'),
        camera_info_topic=values['camera_info_topic'],
        params_file=expanded(values['params_file']),
        parameters=parameters,
        source='' if values['source'] == 'none' else expanded(values['source']),
    )


def cameras_of(path: str) -> list[Camera]:
    """
    Read the list of multi.launch.py.

    :param path: a YAML file with ``cameras:``, a list of mappings: ``namespace`` and any of
        ``image_topic`` (default: NAMESPACE/image_raw), ``camera_info_topic``, ``params_file``
        (relative to the list's folder), ``parameters``, ``source``, and the source's
        ``frame_id`` (default: NAMESPACE_optical_frame).
    :returns: the cameras.
    :raises ConfigError: the file says something else.
    """
    content = read_yaml(path, raised=ConfigError)
    entries = content.get('cameras') if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise ConfigError(f'{path}: expected a list `cameras:`.', 'See doc/multi_camera.md.')
    cameras = [_entry(path, number, entry) for number, entry in enumerate(entries)]
    twice = {c.namespace for c in cameras if [d.namespace for d in cameras].count(c.namespace) > 1}
    if twice:
        raise ConfigError(f'{path}: namespace {", ".join(sorted(twice))} is used twice.')
    return cameras


def _entry(path: str, number: int, entry: object) -> Camera:
    where = f'{path}: camera {number + 1}'
    known = {f.name for f in dataclasses.fields(Camera)}
    if not isinstance(entry, dict) or not set(entry) <= known:
        strange = ', '.join(map(str, set(entry) - known)) if isinstance(entry, dict) else entry
        raise ConfigError(f'{where}: found {strange}, expected {", ".join(sorted(known))}.')
    values: dict[str, Any] = dict(entry)
    namespace = values.get('namespace', '')
    if not isinstance(namespace, str) or not _NAME.fullmatch(namespace.strip('/')):
        raise ConfigError(f'{where}: namespace {namespace!r} is no ROS name.')
    values['namespace'] = namespace.strip('/')
    for name in known - {'parameters'}:
        # a device is a number
        if isinstance(values.get(name), int) and name == 'source':
            values[name] = str(values[name])
        if not isinstance(values.get(name, ''), str):
            raise ConfigError(f'{where}: {name} is {values[name]!r}, expected a text.')
    if not isinstance(values.setdefault('parameters', {}), dict):
        raise ConfigError(f'{where}: parameters is {values["parameters"]!r}, expected a mapping.')
    values.setdefault('frame_id', f'{values["namespace"].replace("/", "_")}_optical_frame')
    values.setdefault('image_topic', f'/{values["namespace"]}/image_raw')
    if values['image_topic'].endswith('/compressed'):
        values['image_topic'] = values['image_topic'].removesuffix('/compressed')
        values['parameters'] = {'input.transport': 'compressed', **values['parameters']}
    if values.get('params_file'):
        values['params_file'] = str(Path(path).parent / values['params_file'])
    return Camera(**values)


def remappings(camera: Camera) -> list[tuple[str, str]]:
    """
    Connect the node to the camera.

    :param camera: the camera.
    :returns: from the node's names to the camera's.
    """
    return [
        ('image', camera.image_topic),
        ('image/compressed', f'{camera.image_topic}/compressed'),
        ('camera_info', camera.info_topic),
    ]


def source_remappings(camera: Camera) -> list[tuple[str, str]]:
    """
    Let `camera_publisher` publish as the camera.

    :param camera: the camera.
    :returns: from the publisher's names to the camera's.
    """
    return [
        ('camera/image_raw', camera.image_topic),
        ('camera/image_raw/compressed', f'{camera.image_topic}/compressed'),
        ('camera/camera_info', camera.info_topic),
        ('camera/depth_truth', f'{camera.image_topic.rpartition("/")[0]}/depth_truth'),
    ]


def source_parameters(camera: Camera) -> dict[str, Value]:
    """
    Say what `camera_publisher` publishes.

    :param camera: the camera.
    :returns: its parameters.
    """
    frame: dict[str, Value] = {'frame_id': camera.frame_id} if camera.frame_id else {}
    return {'source': camera.source, **frame}


def environment() -> dict[str, str]:
    """
    Collect what large messages need, unless the user chose something else.

    :returns: variables for every process the launch files start; with them ours know their
        launch.
    """
    return {
        **tuning.transport().environment,
        **process.malloc_environment(),
        process.LAUNCH_VARIABLE: str(os.getpid()),
    }


def share(*parts: str) -> str:
    """
    Find an installed file.

    :param parts: below share/depth_node.
    :returns: its path.
    :raises ConfigError: the package was installed without its data.
    """
    folder = tuning.share_folder()
    if folder is None:
        raise ConfigError(
            'share/depth_node is not installed.', 'Build with colcon, or install with pip.'
        )
    return str(folder.joinpath(*parts))


def restarts(return_code: int | None) -> bool:
    """
    Tell whether a node that ended should be started again.

    :param return_code: of the process; negative for a signal.
    :returns: True for a crash and for the watchdog; False when it ended as told (0) or has a
        parameter that cannot be used (2).
    """
    return return_code not in _FINAL


def node_actions(camera: Camera) -> list[Any]:
    """
    Start the node, and start it again when it dies.

    :param camera: what it looks at.
    :returns: launch actions.
    """
    from launch.actions import RegisterEventHandler, TimerAction
    from launch.event_handlers import OnProcessExit
    from launch_ros.actions import Node

    node = Node(
        package=tuning.PACKAGE,
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


def source_actions(camera: Camera) -> list[Any]:
    """
    Publish the camera's source, where it has one.

    :param camera: the camera.
    :returns: launch actions.
    """
    from launch_ros.actions import Node

    if not camera.source:
        return []
    return [
        Node(
            package=tuning.PACKAGE,
            executable='camera_publisher',
            namespace=camera.namespace,
            parameters=[camera.params, _typed(source_parameters(camera))],
            remappings=source_remappings(camera),
            additional_env=environment(),
            output='screen',
        )
    ]


def rviz_actions(camera: Camera, frame: str) -> list[Any]:
    """
    Show the camera in RViz.

    :param camera: what to show.
    :param frame: its optical frame, which is RViz' fixed frame: no TF is needed.
    :returns: launch actions.
    """
    from launch_ros.actions import Node

    prefix = f'/{camera.namespace}' if camera.namespace else ''
    outputs = ('image', 'image_color', 'points')
    return [
        Node(
            package='rviz2',
            executable='rviz2',
            namespace=camera.namespace,
            arguments=['-d', share('config', 'mono.rviz'), '-f', frame],
            remappings=[
                ('/camera/image_raw', camera.image_topic),
                *((f'/depth/{name}', f'{prefix}/depth/{name}') for name in outputs),
            ],
            additional_env=environment(),
        )
    ]


def _typed(parameters: Mapping[str, Value]) -> dict[str, Any]:
    """Keep texts texts: launch would read a device's "0" as a number."""
    from launch_ros.parameter_descriptions import ParameterValue

    return {
        name: ParameterValue(value, value_type=str) if isinstance(value, str) else value
        for name, value in parameters.items()
    }


def given_arguments(context: Any) -> frozenset[str]:
    """
    List the launch arguments somebody set; to be asked before they are declared.

    :param context: of the launch.
    :returns: their names.
    """
    return frozenset(context.launch_configurations)


def expanded(path: str) -> str:
    """
    Expand a user's path.

    :param path: maybe with ``~`` or variables.
    :returns: the path.
    """
    return os.path.expandvars(Path(path).expanduser()) if path else ''
