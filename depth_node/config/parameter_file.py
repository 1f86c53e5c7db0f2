"""ROS parameter files of the node, read without ROS."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from depth_node.errors import ConfigError
from depth_node.files import read_yaml

_OF_ROS = ('qos_overrides.', 'use_sim', 'autostart')


def read_parameters(path: Path) -> dict[str, object]:
    """
    Read the parameters of any node name from a ROS parameter file.

    :param path: YAML, as ``params_file`` of the launch files.
    :returns: dotted name to value, without those that only mean something to ROS.
    :raises ConfigError: it is no parameter file.
    """
    content = read_yaml(path, raised=ConfigError)
    found: dict[str, object] = {}
    for node in (content.values() if isinstance(content, dict) else ()):
        group = node.get('ros__parameters') if isinstance(node, dict) else None
        if isinstance(group, dict):
            found |= _flat(group)
    if not found:
        raise ConfigError(
            f'{path}: holds no ros__parameters.', 'Start from config/mono.yaml of the package.'
        )
    return {name: value for name, value in found.items() if not name.startswith(_OF_ROS)}


def _flat(group: Mapping[str, Any], prefix: str = '') -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in group.items():
        if isinstance(value, dict):
            found |= _flat(value, f'{prefix}{key}.')
        else:
            found[f'{prefix}{key}'] = value
    return found
