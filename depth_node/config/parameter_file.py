"""ROS parameter files of the node, read without ROS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from depth_node.errors import ConfigError
from depth_node.files import read_yaml

_OF_ROS = ('qos_overrides.', 'use_sim', 'autostart')


def read_parameters(path: Path) -> dict[str, object]:
    """
    Read the parameters of the node from a ROS parameter file, whatever its name.

    :param path: YAML, as ``params_file`` of the launch files.
    :returns: dotted name to value, without those that only mean something to ROS; a node's own win
        over those of names with a wildcard.
    :raises ConfigError: it is no parameter file, or gives two nodes different values.
    """
    content = read_yaml(path, raised=ConfigError)
    found: dict[str, object] = {}
    owner: dict[str, str] = {}
    # names with a wildcard first
    for node, group in sorted(_groups(content), key=lambda row: '*' not in row[0]):
        for name, value in _flat(group).items():
            before = owner.get(name, '*')
            if '*' not in before and before != node and found[name] != value:
                raise ConfigError(
                    f'{path}: {name} of {before} is not that of {node}.',
                    'Use a file with the parameters of one node.',
                )
            found[name], owner[name] = value, node
    if not found:
        raise ConfigError(
            f'{path}: holds no ros__parameters.', 'Start from config/mono.yaml of the package.'
        )
    return {name: value for name, value in found.items() if not name.startswith(_OF_ROS)}


def _groups(content: object, above: str = '') -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Iterate over the names of the nodes, which namespaces may be above, and their parameters."""
    for key, value in (content.items() if isinstance(content, dict) else ()):
        name = f'{above}/{str(key).strip("/")}'
        group = value.get('ros__parameters') if isinstance(value, dict) else None
        if isinstance(group, dict):
            yield name, group
        else:
            yield from _groups(value, name)


def _flat(group: Mapping[str, Any], prefix: str = '') -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in group.items():
        if isinstance(value, dict):
            found |= _flat(value, f'{prefix}{key}.')
        else:
            found[f'{prefix}{key}'] = value
    return found
