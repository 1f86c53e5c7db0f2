"""
Sources in the notation of the command line: ``LAYOUT:WHERE,option=value,...``.

``kitti:drive_0001``, ``rgbd:desk,camera=kinect.yaml``, ``video:drive.mp4,hfov=70``,
``bag:drive.mcap,topic=/camera/image_raw``, ``folder:frames``, ``world:seed=3,seconds=60``,
``scenes:rooms=200``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
import dataclasses
from dataclasses import dataclass
import hashlib
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.errors import DataError
from depth_node.image.size import Size
from depth_node.sources.frame import Frame
from depth_node.sources.frames import open_source
from depth_node.sources.rgbd import rgbd
from depth_node.sources.skipping import refuse, warn
from depth_node.sources.trajectory import read_trajectory
from depth_node.training.data.kitti import kitti_frames
from depth_node.training.data.plain import with_cameras, with_rows, with_track
from depth_node.training.data.poses import bag_odometry
from depth_node.training.data.prepare import prepare, RecordingOptions
from depth_node.training.data.recording import Recording
from depth_node.training.data.synthetic import Scenes, SyntheticDrive


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


_Rendered = TypeVar('_Rendered', bound=_Dataclass)
_LENS = ('camera', 'hfov')
OPTIONS: Mapping[str, tuple[str, ...]] = {
    'kitti': (),
    'rgbd': (*_LENS, 'units'),
    'folder': (*_LENS, 'every', 'poses'),
    'video': (*_LENS, 'every'),
    'bag': (*_LENS, 'every', 'topic', 'odometry'),
    'world': tuple(f.name for f in dataclasses.fields(SyntheticDrive)),
    'scenes': tuple(f.name for f in dataclasses.fields(Scenes)),
}
"""The layouts and their options."""

_NO_FILES = ('world', 'scenes')


@dataclass(frozen=True)
class Source:
    """
    A source of training frames.

    :param layout: one of :data:`OPTIONS`.
    :param where: the folder or file; empty for rendered ones.
    :param options: option name to value.
    """

    layout: str
    where: str
    options: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> Source:
        """
        Parse a source.

        :param text: in the notation of the module's documentation.
        :returns: the source.
        :raises DataError: there is no such layout, option, folder or file.
        """
        layout, colon, rest = text.partition(':')
        if not colon or layout not in OPTIONS:
            raise DataError(
                f'{text!r} is not a source.',
                f'Write LAYOUT:WHERE with one of the layouts {", ".join(OPTIONS)}.',
            )
        words = [word for word in rest.split(',') if word]
        where = '' if layout in _NO_FILES or not words else words.pop(0)
        options = {}
        for word in words:
            key, equals, value = word.partition('=')
            if not equals or key not in OPTIONS[layout]:
                known = ', '.join(OPTIONS[layout]) or 'none'
                raise DataError(f'{text!r}: unknown option {word!r}.', f'{layout} has: {known}.')
            options[key] = value
        if layout not in _NO_FILES and not Path(where).exists():
            raise DataError(f'{text!r}: {where or "the path"} does not exist.')
        return cls(layout, where, options)

    def __str__(self) -> str:
        """Return the notation of the command line."""
        words = [self.where] if self.where else []
        return f'{self.layout}:' + ','.join(words + [f'{k}={v}' for k, v in self.options.items()])

    @property
    def name(self) -> str:
        """A short, unique folder name for the source."""
        mark = hashlib.sha256(str(self).encode()).hexdigest()[:8]
        return '-'.join(part for part in (self.layout, Path(self.where).stem, mark) if part)

    def frames(self, size: Size) -> Iterator[Frame]:
        """
        Read the frames.

        :param size: size of rendered sources (pixels).
        :returns: the frames.
        :raises DataError: the source cannot be read.
        """
        path = Path(self.where)
        match self.layout:
            case 'kitti':
                return kitti_frames(path)
            case 'rgbd':
                units = self._number('units', float, 1000.0)
                return with_cameras(rgbd(path, depth_scale=units), self._lens)
            case 'world':
                return self._filled(SyntheticDrive()).frames(size)
            case 'scenes':
                return self._filled(Scenes()).frames(size)
            case _:
                return self._frames(path)

    def _frames(self, path: Path) -> Iterator[Frame]:
        """Read a folder, a video or a bag."""
        options = self.options
        # a pose belongs to every file: with one left out, the others would get the wrong ones
        source = open_source(
            path, topic=options.get('topic', ''),
            on_skip=refuse if 'poses' in options else warn,
        )
        frames = with_cameras(source, self._lens, self._number('every', int, 1))
        if 'poses' in options:
            table = Path(options['poses'])
            return with_rows(frames, read_trajectory(table).poses, table)
        if 'odometry' in options:
            return with_track(frames, bag_odometry(path, options['odometry']))
        return frames

    def _lens(self, rgb: NDArray[np.uint8]) -> Camera:
        """Return the camera of an image whose source has none."""
        if 'hfov' in self.options:
            return Camera.from_hfov(
                rgb.shape[1], rgb.shape[0], self._number('hfov', float, 0.0)
            )
        sidecar = Path(self.where) / 'camera.yaml'
        file = Path(self.options['camera']) if 'camera' in self.options else sidecar
        if not file.is_file():
            raise DataError(
                f'{self}: has no calibration.',
                'Add camera=FILE.yaml (from camera_calibration) or hfov=DEGREES, or put a '
                'camera.yaml into the folder.',
            )
        return Camera.from_yaml(file).for_image(
            Size(rgb.shape[1], rgb.shape[0]), resized=True
        )

    def _filled(self, default: _Rendered) -> _Rendered:
        values = {
            field.name: self._number(
                field.name, type(getattr(default, field.name)), getattr(default, field.name)
            )
            for field in dataclasses.fields(default)
        }
        return dataclasses.replace(default, **values)

    def _number(self, key: str, kind: Callable[[str], Any], default: Any) -> Any:
        try:
            return kind(self.options[key]) if key in self.options else default
        except ValueError:
            raise DataError(
                f'{self}: {key} is {self.options[key]!r}, expected a number.'
            ) from None


def read_source(
    source: Source,
    cache: Path,
    how: RecordingOptions,
    watch: Callable[[Iterator[Frame]], Iterator[Frame]] = iter,
) -> Recording:
    """
    Return the recording of a source, which is made on first use and cached.

    :param source: what to read.
    :param cache: the folder for recordings.
    :param how: size and selection of frames.
    :param watch: wraps the reading, for a progress bar.
    :returns: the recording.
    :raises DataError: the source has no usable frame.
    """
    if source.layout == 'scenes':  # unrelated views: nothing to compare
        how = dataclasses.replace(how, least_motion=0.0)
    changed = Path(source.where).stat().st_mtime if source.where else 0.0
    return prepare(
        lambda: source.frames(how.size),
        cache / f'{source.name}-{how.size}',
        str(source),
        how,
        {'source': str(source), 'changed': changed},
        watch=watch,
    )
