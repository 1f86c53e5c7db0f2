"""Topics that belong together."""

from __future__ import annotations

import pytest

from depth_node.sources.topics import info_topic


@pytest.mark.parametrize(('image_topic', 'expected'), [
    ('/camera/image_raw', '/camera/camera_info'),
    ('/camera/color/image_rect/compressed', '/camera/color/camera_info'),
    ('/image', '/camera_info'),
])
def test_info_topic(image_topic, expected):
    """The sibling, also of a compressed topic."""
    assert info_topic(image_topic) == expected
