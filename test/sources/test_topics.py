"""Topics that belong together."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from depth_node.sources.topics import info_topic, TF, transform_topics


@pytest.mark.parametrize(('image_topic', 'expected'), [
    ('/camera/image_raw', '/camera/camera_info'),
    ('/camera/color/image_rect/compressed', '/camera/color/camera_info'),
    ('/image', '/camera_info'),
])
def test_info_topic(image_topic, expected):
    """The sibling, also of a compressed topic."""
    assert info_topic(image_topic) == expected


@pytest.mark.parametrize(('topics', 'moving', 'static'), [
    (('/tf', '/tf_static', '/robot/tf'), {'/tf'}, {'/tf_static'}),
    (('/tf_static', '/robot/tf'), set(), {'/tf_static'}),
    (('/a/tf', '/a/tf_static', '/b/tf'), {'/a/tf', '/b/tf'}, {'/a/tf_static'}),
    ((), set(), set()),
])
def test_topics_of_transforms(topics, moving, static):
    """Those of a namespace count only where the bag has no others."""
    made = [SimpleNamespace(topic=topic, msgtype=TF[0]) for topic in topics]
    made.append(SimpleNamespace(topic='/x/tf', msgtype='std_msgs/msg/String'))
    assert transform_topics(made) == (moving, static)
