"""Parameter files as ROS reads them: wildcards, namespaces, and several nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from depth_node.config.parameter_file import read_parameters
from depth_node.errors import ConfigError


def read(tmp_path: Path, text: str) -> dict[str, object]:
    path = tmp_path / 'robot.yaml'
    path.write_text(text)
    return read_parameters(path)


def test_groups_become_dots_and_what_is_of_ros_is_left_out(tmp_path: Path) -> None:
    assert read(tmp_path, """
depth_node:
  ros__parameters:
    use_sim_time: true
    qos_overrides: {/image: {subscription: {depth: 1}}}
    ground: {camera_height: 0.5}
    depth.max_range: 8.0
""") == {'ground.camera_height': 0.5, 'depth.max_range': 8.0}


def test_a_name_wins_over_a_wildcard_wherever_it_stands(tmp_path: Path) -> None:
    own = '/front/depth_node: {ros__parameters: {scale.value: 2.0}}'
    every = '/**: {ros__parameters: {scale.value: 1.0, scale.source: fixed}}'
    for text in (f'{own}\n{every}', f'{every}\n{own}'):
        assert read(tmp_path, text) == {'scale.value': 2.0, 'scale.source': 'fixed'}


def test_a_namespace_may_stand_above(tmp_path: Path) -> None:
    assert read(tmp_path, """
front:
  depth_node:
    ros__parameters: {scale.value: 2.0}
""") == {'scale.value': 2.0}


def test_two_cameras_are_not_mixed(tmp_path: Path) -> None:
    """The scale of another camera would give wrong metres without a word."""
    text = """
/front/depth_node: {ros__parameters: {depth.max_range: 8.0, scale: {value: FRONT}}}
/rear/depth_node: {ros__parameters: {depth.max_range: 8.0, scale: {value: 2.5}}}
"""
    with pytest.raises(ConfigError, match=r'scale\.value of /front/depth_node is not'):
        read(tmp_path, text.replace('FRONT', '2.0'))
    same = read(tmp_path, text.replace('FRONT', '2.5'))
    assert same == {'depth.max_range': 8.0, 'scale.value': 2.5}


@pytest.mark.parametrize('text', ['', '[]', 'depth_node: 1', 'depth_node: {ros__parameters: []}'])
def test_what_is_no_parameter_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match='holds no ros__parameters'):
        read(tmp_path, text)
