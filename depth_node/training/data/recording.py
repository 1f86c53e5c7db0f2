"""
Frames at the network's size on disk, for random access.

Reading a video, decoding a PNG or undistorting takes longer than the training step itself.
Therefore every source is read once, in order, and stored as plain arrays that are mapped into
memory. A recording is a folder with ``recording.json`` and one binary file per kind of image.
"""

from __future__ import annotations

from collections.abc import Mapping
import contextlib
import dataclasses
from dataclasses import dataclass
import fcntl
import json
import math
import os
from pathlib import Path
import shutil
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from depth_node.errors import DataError
from depth_node.files import PART, read_text, sweep, write_error
from depth_node.image.size import Size

FORMAT = 1
_PLANES = {'frames': np.uint8, 'stereo': np.uint8, 'depth': np.float16}


@dataclass(frozen=True)
class Counts:
    """
    Statistics of the frames of a source.

    :param read: frames in the source.
    :param kept: frames stored.
    :param static: frames dropped because the camera had not moved since the last one kept.
    :param segments: sequences without a cut; neighbors never cross a cut.
    :param depth: stored frames with depth.
    :param poses: stored frames with a pose.
    :param stereo: stored frames with a stereo partner.
    """

    read: int = 0
    kept: int = 0
    static: int = 0
    segments: int = 0
    depth: int = 0
    poses: int = 0
    stereo: int = 0

    def __str__(self) -> str:
        """Return a summary in one line."""
        parts = [f'{self.read} read', f'{self.kept} kept', f'{self.static} static dropped']
        parts.append(f'{self.segments} segment{"s" * (self.segments != 1)}')
        for name in ('depth', 'poses', 'stereo'):
            count = getattr(self, name)
            parts.append(f'{name} on {count}' if count else f'no {name}')
        return ', '.join(parts)


@dataclass(frozen=True)
class Recording:
    """
    One source at the network's size.

    :param path: the folder.
    :param name: display name.
    :param size: of every frame (pixels).
    :param frames: uint8 (N, H, W, 3) rgb, pinhole.
    :param depth: float16 (N, H, W) z-depth (m), NaN where none, or None.
    :param stereo: uint8 (N, H, W, 3) rgb, right partners, or None.
    :param cameras: float64 (N, 4): fx, fy, cx, cy (pixels at `size`).
    :param poses: float64 (N, 4, 4) camera to a fixed frame (m), NaN where unknown.
    :param segments: int64 (N,), equal for frames without a cut between them.
    :param baseline: distance of the stereo partner along +x (m), 0 without one.
    :param counts: statistics of the source's frames.
    :param lesson: float32 (N, H, W), prediction of a teacher (m, or its own unit), NaN where it
        has none, or None.
    """

    path: Path
    name: str
    size: Size
    frames: NDArray[np.uint8]
    depth: NDArray[np.float16] | None
    stereo: NDArray[np.uint8] | None
    cameras: NDArray[np.float64]
    poses: NDArray[np.float64]
    segments: NDArray[np.int64]
    baseline: float
    counts: Counts
    lesson: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.segments)

    def part(self, first: int, last: int) -> Recording:
        """
        Return a part of the recording.

        :param first: its first frame.
        :param last: frame after its last one.
        :returns: a recording of these frames; nothing is copied.
        """
        frames = slice(first, last)
        return dataclasses.replace(
            self,
            frames=self.frames[frames],
            depth=None if self.depth is None else self.depth[frames],
            stereo=None if self.stereo is None else self.stereo[frames],
            cameras=self.cameras[frames],
            poses=self.poses[frames],
            segments=self.segments[frames],
            lesson=None if self.lesson is None else self.lesson[frames],
        )

    def with_neighbors(self, count: int) -> NDArray[np.int64]:
        """
        Return the frames that have neighbors on both sides.

        :param count: required neighbors on each side.
        :returns: indices, ascending.
        """
        segments = self.segments
        index = np.arange(count, len(segments) - count)
        if not len(index):
            return index
        return index[segments[index - count] == segments[index + count]]


class Writer:
    """
    Writes a recording atomically.

    :param path: the folder; an existing one is replaced.
    :param name: display name.
    :param size: of every frame (pixels).
    :param source: identity of the source.
    """

    def __init__(self, path: Path, name: str, size: Size, source: Mapping[str, Any]) -> None:
        self._path = path
        self._facts = {'format': FORMAT, 'name': name, 'size': list(size), 'source': dict(source)}
        self._size = size
        self._part = path.with_name(f'.{path.name}-{os.getpid()}{PART}')
        self._lock = -1
        self._files: dict[str, BinaryIO] = {}
        self._cameras: list[tuple[float, float, float, float]] = []
        self._poses: list[list[float]] = []
        self._segments: list[int] = []

    def __enter__(self) -> Writer:
        """Create a temporary folder next to the final one."""
        shutil.rmtree(self._part, ignore_errors=True)
        try:
            self._part.mkdir(parents=True)
            self._lock = os.open(self._part, os.O_RDONLY)
        except OSError as error:
            raise write_error(self._part, error) from error
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        sweep(self._path)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the files; delete everything unless :meth:`finish` was called."""
        for file in self._files.values():
            with contextlib.suppress(OSError):  # a full disk, which was reported already
                file.close()
        os.close(self._lock)
        shutil.rmtree(self._part, ignore_errors=True)

    def add(
        self,
        camera: tuple[float, float, float, float],
        segment: int,
        frame: NDArray[np.uint8],
        *,
        depth: NDArray[np.floating[Any]] | None = None,
        stereo: NDArray[np.uint8] | None = None,
        pose: NDArray[np.float64] | None = None,
    ) -> None:
        """
        Append one frame; see :class:`Recording` for the shapes.

        :raises DataError: the source has depth or stereo for some frames only from the middle
            on, or the disk is full.
        """
        number = len(self._segments)
        for name, plane in (('frames', frame), ('depth', depth), ('stereo', stereo)):
            self._append(name, plane, number)
        self._cameras.append(camera)
        pose = np.full((4, 4), np.nan) if pose is None else pose
        self._poses.append([float(v) for v in pose[:3].ravel()])
        self._segments.append(segment)

    def _append(self, name: str, plane: NDArray[Any] | None, number: int) -> None:
        shape = (self._size.height, self._size.width) + ((3,) if name != 'depth' else ())
        kind = _PLANES[name]
        if plane is None:
            if name not in self._files:
                return
            plane = np.full(shape, np.nan if name == 'depth' else 0, kind)
        if plane.shape != shape:
            raise DataError(f'{name} has shape {plane.shape}, expected {shape}.')
        try:
            if name not in self._files:
                self._files[name] = (self._part / f'{name}.bin').open('wb')
                if number:  # the frames before had none
                    blank = np.full(shape, np.nan if name == 'depth' else 0, kind)
                    for _ in range(number):
                        self._files[name].write(blank.tobytes())
            self._files[name].write(np.ascontiguousarray(plane, kind).tobytes())
        except OSError as error:
            raise write_error(self._part, error) from error

    def finish(self, counts: Counts, baseline: float = 0.0) -> Recording:
        """
        Complete the recording and move it to its final folder.

        :param counts: statistics of the source's frames.
        :param baseline: distance of the stereo partner along +x (m).
        :returns: the recording, opened.
        :raises DataError: the disk is full.
        """
        facts = {
            **self._facts,
            'baseline': baseline,
            'counts': dataclasses.asdict(counts),
            'cameras': self._cameras,
            'segments': self._segments,
            'poses': [None if math.isnan(p[0]) else p for p in self._poses],
        }
        try:
            for file in self._files.values():
                file.close()
            (self._part / 'recording.json').write_text(json.dumps(facts), encoding='utf-8')
            shutil.rmtree(self._path, ignore_errors=True)
            self._part.replace(self._path)
        except OSError as error:
            raise write_error(self._part, error) from error
        return open_recording(self._path)


def open_recording(path: Path) -> Recording:
    """
    Open a stored recording.

    :param path: its folder.
    :returns: the recording, with its images mapped into memory.
    :raises DataError: not a recording, of another format, or incomplete.
    """
    facts = read_facts(path)
    if facts is None:
        raise DataError(
            f'{path}: is not a recording of format {FORMAT}.', 'Delete it to make it again.'
        )
    size = Size(*facts['size'])
    count = len(facts['segments'])
    poses = np.full((count, 4, 4), np.nan)
    for pose, row in zip(poses, facts['poses'], strict=True):
        if row is not None:
            pose[:3] = np.reshape(row, (3, 4))
            pose[3] = (0, 0, 0, 1)
    frames = _mapped(path, 'frames', count, size)
    if frames is None:
        raise DataError(f'{path}: has no frames.')
    return Recording(
        path=path,
        name=facts['name'],
        size=size,
        frames=frames,
        depth=_mapped(path, 'depth', count, size),
        stereo=_mapped(path, 'stereo', count, size),
        cameras=np.array(facts['cameras'], np.float64).reshape(-1, 4),
        poses=poses,
        segments=np.array(facts['segments'], np.int64),
        baseline=facts['baseline'],
        counts=Counts(**facts['counts']),
    )


def read_facts(path: Path) -> dict[str, Any] | None:
    """
    Return the description of a recording.

    :param path: its folder.
    :returns: the content of ``recording.json``, or None if there is no readable recording.
    """
    try:
        facts = json.loads(read_text(path / 'recording.json'))
    except (DataError, ValueError):
        return None
    return facts if isinstance(facts, dict) and facts.get('format') == FORMAT else None


def _mapped(path: Path, name: str, count: int, size: Size) -> Any:
    file = path / f'{name}.bin'
    if not file.is_file() or not count:
        return None
    shape = (count, size.height, size.width) + ((3,) if name != 'depth' else ())
    kind = np.dtype(_PLANES[name])
    if file.stat().st_size != math.prod(shape) * kind.itemsize:
        raise DataError(f'{file}: has the wrong length.', 'Delete the folder to read it again.')
    return np.memmap(file, kind, 'r', shape=shape)
