"""
The cameras that the arguments and lists of the launch files describe.

This module does not import ``launch``, so that it can be tested without it.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from dataclasses import dataclass, field, replace
import inspect
import os
from pathlib import Path
import re
from typing import Any

from depth_node.config import Config, EngineConfig, InputConfig, Value
from depth_node.config.fields import specs
from depth_node.errors import ConfigError
from depth_node.files import read_yaml
from depth_node.ros import folders
from depth_node.sources.topics import info_topic

TOPIC = 'camera/image_raw'
"""Default image topic, relative to the namespace pushed by an including launch file."""
DEMO_MODEL = 'embedded'
_PARAMETERS = {
    'model': 'model.name', 'engine': 'engine.name', 'image_transport': 'input.transport',
    'use_sim_time': 'use_sim_time',
}
_NAME = re.compile(r'[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*')
_SWITCH = {
    'true': True, 'false': False, 'True': True, 'False': False, '1': True, '0': False,
}
"""Accepted notations of true and false."""


@dataclass(frozen=True)
class Argument:
    """
    A launch argument.

    :param default: None: the argument is required. Empty: as in the parameter file. Declared
        defaults remain in force after an include, so any other default would override the
        parameter file of the next include.
    :param text: for ``--show-args``.
    :param choices: the allowed values; empty: any.
    """

    default: str | None
    text: str
    choices: tuple[str, ...] = ()


_SIM_TIME = Argument('', 'Use the time of /clock. Empty: as in params_file.', ('', *_SWITCH))
_RVIZ = Argument('false', 'Start RViz.', tuple(_SWITCH))
_PARAMS = Argument('', 'Parameter file of the node. Empty: config/mono.yaml.')
MONO = {
    'model': Argument(
        '', 'Catalogue name of a network, or path of an ONNX file. Empty: as in params_file '
        f'(by default {Config().model.name}).',
    ),
    'engine': Argument(
        '', 'Engine. Empty: as in params_file.', ('', *specs(EngineConfig)['name'].choices)
    ),
    'image_topic': Argument(
        TOPIC, 'Image topic; NAME/compressed sets the transport, too. Without a leading slash: '
        'below the namespace that an including launch file has pushed.',
    ),
    'camera_info_topic': Argument('', 'CameraInfo topic. Empty: the sibling of the image topic.'),
    'image_transport': Argument(
        '', 'Image transport. Empty: as in params_file.',
        ('', *specs(InputConfig)['transport'].choices),
    ),
    'params_file': _PARAMS,
    'namespace': Argument('', 'Namespace of the node and its outputs.'),
    'use_sim_time': _SIM_TIME,
    'rviz': _RVIZ,
    'rviz_frame': Argument('camera_optical_frame', 'Fixed frame of RViz.'),
    'source': Argument(
        'none', 'Folder, video, device, rosbag or world to publish as camera, or none.'
    ),
}
DEMO = {
    'model': Argument(DEMO_MODEL, 'Catalogue name of a network, or path of an ONNX file.'),
    'source': Argument('world', 'Scene of the camera: world or world:SEED.'),
    'params_file': _PARAMS,
    'use_sim_time': _SIM_TIME,
    'rviz': _RVIZ,
}
MULTI = {
    'cameras_file': Argument(None, 'File with a list `cameras:`; see doc/multi_camera.md.'),
    'use_sim_time': _SIM_TIME,
}


@dataclass(frozen=True)
class LaunchedCamera:
    """
    One camera and its node.

    :param namespace: namespace of the node and its outputs; empty: none.
    :param image_topic: image topic without ``/compressed``.
    :param camera_info_topic: CameraInfo topic; empty: the sibling of the image topic.
    :param params_file: parameter file; empty: config/mono.yaml.
    :param parameters: dotted name to value; these override the file.
    :param source: what `camera_publisher` publishes as this camera; empty: a real camera.
    :param frame_id: frame_id of the published images; empty: the default.
    """

    namespace: str = ''
    image_topic: str = f'/{TOPIC}'
    camera_info_topic: str = ''
    params_file: str = ''
    parameters: Mapping[str, Value] = field(default_factory=dict)
    source: str = ''
    frame_id: str = ''

    @property
    def info_topic(self) -> str:
        """The CameraInfo topic."""
        return self.camera_info_topic or info_topic(self.image_topic)

    @property
    def params(self) -> str:
        """The parameter file; missing files are an error, while launch only warns."""
        if self.params_file and not Path(self.params_file).is_file():
            raise ConfigError(
                f'params_file {self.params_file}: no such file.',
                'Correct the path, or omit params_file to use all defaults.',
            )
        return self.params_file or folders.share('config', 'mono.yaml')


def launched_camera(values: Mapping[str, str], pushed: str = '') -> LaunchedCamera:
    """
    Return the camera of the arguments of mono.launch.py.

    :param values: value of every argument; empty: not given.
    :param pushed: the namespace that an including launch file has pushed.
    :returns: the camera.
    :raises ConfigError: a value is not among the choices.
    """
    parameters = _parameters(values)
    topic = values['image_topic'] or TOPIC
    if topic.endswith('/compressed') and not values['image_transport']:
        parameters['input.transport'] = 'compressed'
    info = values['camera_info_topic']
    return LaunchedCamera(
        namespace=values['namespace'],
        image_topic=placed(topic.removesuffix('/compressed'), pushed),
        camera_info_topic=placed(info, pushed) if info else '',
        params_file=expanded(values['params_file']),
        parameters=parameters,
        source='' if values['source'] == 'none' else expanded(values['source']),
    )


def demo_camera(values: Mapping[str, str], pushed: str = '') -> LaunchedCamera:
    """
    Return the camera of the arguments of demo.launch.py.

    :param values: value of every argument; empty: not given.
    :param pushed: the namespace that an including launch file has pushed.
    :returns: the camera of the synthetic world, including its height above the floor.
    """
    from depth_node.world import World

    defaults = inspect.signature(World).parameters
    ground: dict[str, Value] = {
        'ground.camera_height': defaults['camera_height'].default,
        'ground.camera_pitch_deg': defaults['tilt'].default,
    }
    return LaunchedCamera(
        image_topic=placed(TOPIC, pushed),
        params_file=expanded(values['params_file']),
        parameters={**ground, **_parameters({**values, 'model': values['model'] or DEMO_MODEL})},
        source=values['source'] or 'world',
    )


def placed(topic: str, pushed: str) -> str:
    """
    Return the absolute name of a topic.

    :param topic: relative or absolute.
    :param pushed: the namespace that an including launch file has pushed; empty: none.
    :returns: the topic, with a leading slash.
    """
    return topic if topic.startswith('/') else '/' + '/'.join([*_parts(pushed), topic])


def _parts(namespace: str) -> list[str]:
    return [part for part in namespace.split('/') if part]


def switched(name: str, text: str) -> bool:
    """
    Return the value of a boolean argument.

    :param name: name of the argument.
    :param text: its value.
    :returns: the value.
    :raises ConfigError: it is neither true nor false.
    """
    if text not in _SWITCH:
        raise ConfigError(f'{name} is {text!r}, expected true or false.')
    return _SWITCH[text]


def _parameters(values: Mapping[str, str]) -> dict[str, Value]:
    """Return the parameters that were given as arguments."""
    found: dict[str, Value] = {}
    for argument, parameter in _PARAMETERS.items():
        text = values.get(argument, '')
        if text:
            found[parameter] = switched(argument, text) if argument == 'use_sim_time' else text
    return found


def cameras_of(path: str, pushed: str = '', use_sim_time: str = '') -> list[LaunchedCamera]:
    """
    Read the list of multi.launch.py.

    :param path: a YAML file with ``cameras:``, a list of mappings: ``namespace`` and any of
        ``image_topic`` (default: NAMESPACE/image_raw), ``camera_info_topic``, ``params_file``
        (relative to the list's folder), ``parameters``, ``source``, and the source's
        ``frame_id`` (default: NAMESPACE_optical_frame).
    :param pushed: the namespace that an including launch file has pushed.
    :param use_sim_time: the argument of that name; empty: not given.
    :returns: the cameras.
    :raises ConfigError: the file has another structure.
    """
    content = read_yaml(path, raised=ConfigError)
    entries = content.get('cameras') if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise ConfigError(f'{path}: expected a list `cameras:`.', 'See doc/multi_camera.md.')
    given = _parameters({'use_sim_time': use_sim_time})
    cameras = [_entry(path, number, entry, pushed) for number, entry in enumerate(entries)]
    cameras = [replace(c, parameters={**given, **c.parameters}) for c in cameras]
    twice = {c.namespace for c in cameras if [d.namespace for d in cameras].count(c.namespace) > 1}
    if twice:
        raise ConfigError(f'{path}: namespace {", ".join(sorted(twice))} is used twice.')
    return cameras


def _entry(path: str, number: int, entry: object, pushed: str) -> LaunchedCamera:
    where = f'{path}: camera {number + 1}'
    known = {f.name for f in dataclasses.fields(LaunchedCamera)}
    if not isinstance(entry, dict) or not set(entry) <= known:
        strange = ', '.join(map(str, set(entry) - known)) if isinstance(entry, dict) else entry
        raise ConfigError(f'{where}: found {strange}, expected {", ".join(sorted(known))}.')
    values: dict[str, Any] = dict(entry)
    namespace = values.get('namespace', '')
    if not isinstance(namespace, str) or not _NAME.fullmatch(namespace.strip('/')):
        raise ConfigError(f'{where}: namespace {namespace!r} is not a valid ROS name.')
    values['namespace'] = namespace.strip('/')
    for name in known - {'parameters'}:
        # a device is a number
        if isinstance(values.get(name), int) and name == 'source':
            values[name] = str(values[name])
        if not isinstance(values.get(name, ''), str):
            raise ConfigError(f'{where}: {name} is {values[name]!r}, expected a string.')
    if not isinstance(values.setdefault('parameters', {}), dict):
        raise ConfigError(f'{where}: parameters is {values["parameters"]!r}, expected a mapping.')
    values.setdefault('frame_id', f'{values["namespace"].replace("/", "_")}_optical_frame')
    values.setdefault('image_topic', f'{values["namespace"]}/image_raw')
    for name in ('image_topic', 'camera_info_topic'):
        if values.get(name):
            values[name] = placed(values[name], pushed)
    if values['image_topic'].endswith('/compressed'):
        values['image_topic'] = values['image_topic'].removesuffix('/compressed')
        values['parameters'] = {'input.transport': 'compressed', **values['parameters']}
    if values.get('params_file'):
        values['params_file'] = str(Path(path).parent / values['params_file'])
    return LaunchedCamera(**values)


def expanded(path: str) -> str:
    """
    Expand ``~`` and variables in a path.

    :param path: the path.
    :returns: the expanded path.
    """
    return os.path.expandvars(Path(path).expanduser()) if path else ''
