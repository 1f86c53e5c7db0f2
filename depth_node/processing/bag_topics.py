"""Which topics of a bag the estimator of the node would subscribe to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depth_node.errors import DataError
from depth_node.processing.options import Options
from depth_node.processing.outputs import OUTPUTS, topic_name
from depth_node.scale.table import SOURCES
from depth_node.sources.bag import image_connections, INFO
from depth_node.sources.topics import info_topic, transform_topics


@dataclass(frozen=True)
class BagTopics:
    """
    The topics of a bag by what they are for.

    :param image: name of the image topic.
    :param kind: its message type.
    :param info: name of its CameraInfo topic.
    :param moving: names of the topics of transforms.
    :param static: names of the topics of static transforms.
    :param scale: name of the topic of the source of scale, or ''.
    :param scale_info: name of the CameraInfo topic of that sensor, or ''.
    """

    image: str
    kind: str
    info: str
    moving: frozenset[str]
    static: frozenset[str]
    scale: str = ''
    scale_info: str = ''


def topics_of(reader: Any, path: Path, options: Options) -> BagTopics:
    """
    Find the topics of a bag.

    :param reader: the bag (``rosbag_opening.opened``).
    :param path: the bag, for errors.
    :param options: which may name topics.
    :returns: the topics.
    :raises DataError: there are no images, no or several topics for the source of scale, or the
        topics of the results are there already.
    """
    first = image_connections(reader, path, options.image_topic)[0]
    _check_free(reader, path, options)
    moving, static = transform_topics(reader.connections)
    scale = _scale_topic(reader, path, options, first.topic)
    sensor = options.scale_info_topic or (info_topic(scale) if scale else '')
    _check_info(reader, path, options)
    return BagTopics(
        first.topic, first.msgtype, options.info_topic or info_topic(first.topic),
        moving, static, scale, sensor,
    )


def _check_info(reader: Any, path: Path, options: Options) -> None:
    """Refuse CameraInfo topics that were named and are not there."""
    infos = sorted({c.topic for c in reader.connections if c.msgtype == INFO})
    for name in filter(None, (options.info_topic, options.scale_info_topic)):
        if name not in infos:
            raise DataError(
                f'{path}: has no CameraInfo on {name}. It has {", ".join(infos) or "none"}.'
            )


def _check_free(reader: Any, path: Path, options: Options) -> None:
    """Refuse to mix results with what was recorded."""
    if not options.copied:
        return
    mine = {topic_name(options.namespace, OUTPUTS[name]) for name in options.topics}
    taken = sorted(mine & {c.topic for c in reader.connections})
    if taken:
        raise DataError(
            f'{path}: has {", ".join(taken)} already.',
            'Choose another --namespace, or leave out what was recorded (--no-copy).',
        )


def _scale_topic(reader: Any, path: Path, options: Options, image: str) -> str:
    source = SOURCES[options.config.scale.source]
    if source.message is None:
        return ''
    found = sorted({c.topic for c in reader.connections if c.msgtype == source.message} - {image})
    if options.scale_topic:
        if options.scale_topic in found:
            return options.scale_topic
        raise DataError(
            f'{path}: has no {source.message} on {options.scale_topic}. It has '
            f'{", ".join(found) or "none"}.'
        )
    if source.message == 'sensor_msgs/msg/Image':
        found = [name for name in found if 'depth' in name]
    if len(found) != 1:
        raise DataError(
            f'{path}: scale.source is {source.name}, which needs one topic of {source.message}; '
            f'the bag has {", ".join(found) or "none"}.',
            'Name it with --scale-topic.' if found else 'Choose another --scale-source.',
        )
    return found[0]
