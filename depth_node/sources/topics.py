"""Names of related topics."""

from __future__ import annotations


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
