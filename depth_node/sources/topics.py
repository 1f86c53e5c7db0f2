"""Names of topics that belong together."""

from __future__ import annotations


def info_topic(image_topic: str) -> str:
    """
    Name the CameraInfo topic that belongs to an image topic: its sibling.

    :param image_topic: for example ``/camera/image_raw/compressed``.
    :returns: for example ``/camera/camera_info``.
    """
    parts = image_topic.split('/')
    if parts[-1] in ('compressed', 'raw'):
        parts.pop()
    return '/'.join([*parts[:-1], 'camera_info'])
