"""What launch files decide, without launching anything."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
import yaml

from depth_node import process
from depth_node.config import Config, parameters
from depth_node.errors import ConfigError
from depth_node.ros import cameras, dds, launching
from depth_node.world import World

VALUES = {name: argument.default for name, argument in cameras.MONO.items()}


def camera(pushed='', **changes):
    return cameras.launched_camera({**VALUES, **changes}, pushed)


def test_a_default_never_overrules_the_parameter_file():
    assert camera().parameters == {}
    assert not camera().source
    assert camera(model='embedded').parameters == {'model.name': 'embedded'}
    every = camera(model='a', engine='openvino', image_transport='compressed').parameters
    assert every == {
        'model.name': 'a', 'engine.name': 'openvino', 'input.transport': 'compressed',
    }
    assert set(every) <= set(Config().flat())


def test_simulated_time_reaches_node_and_source():
    found = camera(use_sim_time='True', source='world')
    assert found.parameters == {'use_sim_time': True}
    assert launching.source_parameters(found)['use_sim_time'] is True
    assert camera(use_sim_time='false').parameters == {'use_sim_time': False}
    with pytest.raises(ConfigError, match="use_sim_time is 'yes', expected true or false"):
        camera(use_sim_time='yes')


@pytest.mark.parametrize('name', ['engine', 'image_transport'])
def test_the_choices_are_those_of_the_parameter(name):
    """A word that the node would refuse is refused by launch, which then fails."""
    parameter = {'engine': 'engine.name', 'image_transport': 'input.transport'}[name]
    (spec,) = [spec for known, _, spec in parameters() if known == parameter]
    assert set(cameras.MONO[name].choices) == {'', *spec.choices}
    assert 'yes' not in cameras.MONO['rviz'].choices
    with pytest.raises(ConfigError, match='expected true or false'):
        cameras.switched('rviz', 'yes')


@pytest.mark.parametrize(('topic', 'pushed', 'expected'), [
    ('camera/image_raw', '', '/camera/image_raw'),
    ('camera/image_raw', 'robot1', '/robot1/camera/image_raw'),
    ('camera/image_raw', '/a/b/', '/a/b/camera/image_raw'),
    ('/camera/image_raw', '/a/b', '/camera/image_raw'),
])
def test_a_pushed_namespace_moves_relative_topics_only(topic, pushed, expected, tmp_path):
    found = camera(pushed, image_topic=topic)
    assert found.image_topic == expected
    assert dict(launching.remappings(found))['camera_info'] == (
        expected.replace('image_raw', 'camera_info')
    )
    [listed] = cameras.cameras_of(
        written(tmp_path, {'cameras': [{'namespace': 'x', 'image_topic': topic}]}), pushed
    )
    assert listed.image_topic == expected
    [plain] = cameras.cameras_of(written(tmp_path, {'cameras': [{'namespace': 'x'}]}), 'robot1')
    assert plain.image_topic == '/robot1/x/image_raw'


def test_the_demo_knows_where_its_floor_is():
    """Without the ground there is no scan."""
    values = {name: argument.default for name, argument in cameras.DEMO.items()}
    found = cameras.demo_camera(values)
    down = found.parameters['ground.camera_pitch_deg']
    height = found.parameters['ground.camera_height']
    # of the world itself: where the camera is, and how far the axis of its view points down
    pose = World().pose(0.0)
    assert pose[2, 3] == pytest.approx(height)
    assert math.degrees(math.asin(-pose[2, 2])) == pytest.approx(down, abs=1.0)
    Config().replaced({k: v for k, v in found.parameters.items() if k != 'use_sim_time'})


def test_a_compressed_topic_is_read_as_one(tmp_path):
    path = written(tmp_path, {'cameras': [
        {'namespace': 'rear', 'image_topic': '/rear/image_raw/compressed',
         'parameters': {'points.stride': 4}},
    ]})
    [rear] = cameras.cameras_of(path)
    assert rear.image_topic == '/rear/image_raw'
    assert rear.parameters == {'input.transport': 'compressed', 'points.stride': 4}
    found = camera(image_topic='/front/image_raw/compressed')
    assert found.parameters == {'input.transport': 'compressed'}
    assert dict(launching.remappings(found))['image/compressed'] == '/front/image_raw/compressed'
    forced = camera(image_topic='/front/image_raw/compressed', image_transport='raw')
    assert forced.parameters == {'input.transport': 'raw'}


@pytest.mark.parametrize(('image', 'info', 'expected'), [
    ('/camera/image_raw', '', '/camera/camera_info'),
    ('/front/color/image_rect', '', '/front/color/camera_info'),
    ('/front/image_raw/compressed', '', '/front/camera_info'),
    ('/front/image_raw', '/elsewhere/info', '/elsewhere/info'),
])
def test_camera_info_is_the_sibling(image, info, expected):
    found = dict(launching.remappings(camera(image_topic=image, camera_info_topic=info)))
    raw = image.removesuffix('/compressed')
    assert found == {
        'image': raw, 'image/compressed': f'{raw}/compressed', 'camera_info': expected,
    }


def test_the_source_publishes_where_the_node_listens():
    here = camera(image_topic='/front/image_raw', source='world')
    listens = dict(launching.remappings(here))
    publishes = dict(launching.source_remappings(here))
    assert publishes['camera/image_raw'] == listens['image']
    assert publishes['camera/image_raw/compressed'] == listens['image/compressed']
    assert publishes['camera/camera_info'] == listens['camera_info']
    assert publishes['camera/depth_truth'] == '/front/depth_truth'


def test_the_parameter_file_is_ours_unless_given(tmp_path, monkeypatch):
    assert '/**' in yaml.safe_load(Path(camera().params).read_text())
    (tmp_path / 'b.yaml').touch()
    monkeypatch.setenv('HOME', str(tmp_path))
    assert camera(params_file=f'{tmp_path}/b.yaml').params == str(tmp_path / 'b.yaml')
    assert camera(params_file='~/b.yaml').params == str(tmp_path / 'b.yaml')
    with pytest.raises(ConfigError, match=r'c\.yaml: no such file'):
        assert camera(params_file='~/c.yaml').params


def written(tmp_path, content):
    path = tmp_path / 'cameras.yaml'
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return str(path)


def test_list_of_cameras(tmp_path):
    (tmp_path / 'rear.yaml').touch()
    front, rear = cameras.cameras_of(written(tmp_path, {'cameras': [
        {'namespace': '/front/', 'source': 0, 'parameters': {'points.stride': 4}},
        {'namespace': 'rear', 'image_topic': '/rear/rgb', 'params_file': 'rear.yaml'},
    ]}))
    assert front == cameras.LaunchedCamera(
        'front', '/front/image_raw', parameters={'points.stride': 4}, source='0',
        frame_id='front_optical_frame',
    )
    assert launching.source_parameters(front) == {
        'source': '0', 'frame_id': 'front_optical_frame',
    }
    assert front.info_topic == '/front/camera_info'
    assert rear.info_topic == '/rear/camera_info'
    assert rear.params == str(tmp_path / 'rear.yaml')


@pytest.mark.parametrize(('content', 'words'), [
    ('', 'expected a list `cameras:`'),
    ('[1', 'cameras.yaml'),
    ({'cameras': []}, 'expected a list'),
    ({'cameras': ['front']}, 'camera 1: found front, expected'),
    ({'cameras': [{'topic': 'a'}]}, 'camera 1: found topic, expected'),
    ({'cameras': [{}]}, "namespace '' is not a valid ROS name"),
    ({'cameras': [{'namespace': '1st'}]}, 'not a valid ROS name'),
    ({'cameras': [{'namespace': 'a', 'image_topic': 3}]}, 'image_topic is 3, expected a string'),
    ({'cameras': [{'namespace': 'a', 'parameters': [1]}]}, 'expected a mapping'),
    ({'cameras': [{'namespace': 'a'}, {'namespace': '/a'}]}, 'namespace a is used twice'),
])
def test_a_wrong_list_is_refused(tmp_path, content, words):
    with pytest.raises(ConfigError) as caught:
        cameras.cameras_of(written(tmp_path, content))
    assert words in str(caught.value)


@pytest.mark.parametrize(('code', 'again'), [(0, False), (2, False), (70, True), (-9, True),
                                             (-11, True), (1, True)])
def test_who_is_started_again(code, again):
    assert launching.restarts(code) is again


def test_environment_of_the_user_stands(monkeypatch):
    for name in (*dds.PROFILE_VARIABLES, 'MALLOC_TRIM_THRESHOLD_'):
        monkeypatch.setenv(name, 'mine')
    assert launching.environment() == {process.LAUNCH_VARIABLE: str(os.getpid())}
