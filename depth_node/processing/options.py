"""What is done with every bag of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from depth_node.catalogue.opening import is_path
from depth_node.config import Config
from depth_node.files import local_path
from depth_node.model.fingerprint import fingerprint
from depth_node.model.hashes import hash_of
from depth_node.processing.outputs import DEFAULT

_HOW = ('engine.cache_dir', 'engine.threads', 'engine.timeout')
"""Parameters that change nothing in the result."""
FILES = ('input.calibration_file', 'scale.calibration_file', 'engine.calibration_dir')
"""Parameters that name files or folders."""


@dataclass(frozen=True)
class Options:
    """
    What is done with every bag.

    :param config: the parameters of the node, with `model.name`.
    :param topics: names of ``outputs.OUTPUTS``.
    :param image_topic: topic of the images; empty: the first with color.
    :param info_topic: topic of their CameraInfo; empty: the sibling of the image topic.
    :param scale_topic: topic for the source of scale; empty: the only one of its type.
    :param scale_info_topic: CameraInfo of that sensor; empty: the sibling of its topic.
    :param namespace: of the topics that are added.
    :param storage: of bags of ROS 2: ``mcap`` or ``sqlite3``.
    :param compressed: whether the chunks of mcap are compressed.
    :param copied: whether what was recorded is copied, too.
    :param overwrite: whether results of other options are replaced.
    """

    config: Config
    topics: tuple[str, ...] = DEFAULT
    image_topic: str = ''
    info_topic: str = ''
    scale_topic: str = ''
    scale_info_topic: str = ''
    namespace: str = ''
    storage: str = 'mcap'
    compressed: bool = False
    copied: bool = True
    overwrite: bool = False

    def identity(self) -> dict[str, Any]:
        """
        Return what a result depends on besides its bag, as JSON.

        :returns: equal for options that give the same result.
        :raises ModelError: the file of the model cannot be read.
        """
        model = self.config.model.name
        values = {k: v for k, v in self.config.flat().items() if k not in _HOW}
        return {
            # a file can change; what the catalogue names cannot
            'model': fingerprint(local_path(model)) if is_path(model) else model,
            'files': self._files(),
            'parameters': values, 'topics': list(self.topics),
            'image_topic': self.image_topic, 'info_topic': self.info_topic,
            'scale_topic': self.scale_topic, 'scale_info_topic': self.scale_info_topic,
            'namespace': self.namespace, 'storage': self.storage,
            'compressed': self.compressed, 'copied': self.copied,
        }

    def _files(self) -> dict[str, str]:
        """Return the hashes of the files that the parameters name, and of the sidecar."""
        values, model = self.config.flat(), self.config.model.name
        named = {name: str(values[name]) for name in FILES}
        if is_path(model):
            named['sidecar'] = str(local_path(model).with_suffix('.json'))
        places = {name: local_path(text) for name, text in named.items() if text}
        return {name: hash_of(place) for name, place in places.items() if place.is_file()}
