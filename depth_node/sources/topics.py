"""Names of related topics."""

from __future__ import annotations

from collections.abc import Iterable
import re
from typing import Any

TF = ('tf2_msgs/msg/TFMessage', 'tf/msg/tfMessage')
"""Message types of transforms."""
_NAME = re.compile('[A-Za-z_][A-Za-z0-9_]*')


def transform_topics(connections: Iterable[Any]) -> tuple[frozenset[str], frozenset[str]]:
    """
    Return the topics of transforms of a bag.

    :param connections: of a bag, with `topic` and `msgtype`.
    :returns: names of the topics of moving and of static transforms: ``/tf`` and ``/tf_static``;
        if there is neither, those of all namespaces.
    """
    named = {c.topic for c in connections if c.msgtype in TF}
    # several robots have their own, with the same frames
    known = named & {'/tf', '/tf_static'} or named
    static = frozenset(name for name in known if name.rpartition('/')[2] == 'tf_static')
    return frozenset(known) - static, static


def info_topic(image_topic: str) -> str:
    """
    Return the CameraInfo topic of an image topic: its sibling.

    :param image_topic: for example ``/camera/image_raw/compressed``.
    :returns: for example ``/camera/camera_info``.
    """
    parts = image_topic.split('/')
    if parts[-1] in ('compressed', 'raw'):
        parts.pop()
    return '/'.join([*parts[:-1], 'camera_info'])


def is_namespace(text: str) -> bool:
    """
    Return whether a text is a namespace of ROS.

    :param text: such as ``front`` or ``/robot/front``; '' and ``/`` are the global one.
    :returns: whether its names have letters, digits and underscores only, and no digit first.
    """
    return all(map(_NAME.fullmatch, filter(None, text.split('/'))))
