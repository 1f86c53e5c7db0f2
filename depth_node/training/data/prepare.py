"""Conversion of a source to a recording, which stores the frames that are useful."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from depth_node.errors import DataError
from depth_node.image.size import Size
from depth_node.sources.frame import Frame
from depth_node.training.data.motion import MotionGate
from depth_node.training.data.recording import (
    Counts,
    open_recording,
    read_facts,
    Recording,
    Writer,
)
from depth_node.training.data.view import PinholeView

_GAP = 1.0


@dataclass(frozen=True)
class RecordingOptions:
    """
    How frames are resized and selected.

    :param size: of the network (pixels).
    :param crop: whether to keep the aspect ratio and crop the longer side instead of stretching.
    :param least_motion: median motion of tracked corners (pixels at `size`) below which the
        camera counts as static and the frame is dropped; 0 keeps every frame.
    """

    size: Size
    crop: bool = False
    least_motion: float = 1.0


def prepare(
    frames: Callable[[], Iterable[Frame]],
    path: Path,
    name: str,
    how: RecordingOptions,
    source: Mapping[str, Any],
    *,
    watch: Callable[[Iterator[Frame]], Iterator[Frame]] = iter,
) -> Recording:
    """
    Return the recording of a source, which is made on first use and cached.

    :param frames: starts reading the source.
    :param path: the recording's folder.
    :param name: display name.
    :param how: size and selection of frames.
    :param source: identity of the source; the source is read again when it changes.
    :param watch: wraps the reading, for a progress bar.
    :returns: the recording.
    :raises DataError: the source has no usable frame, or its size changes.
    """
    identity = {**source, 'crop': how.crop, 'least_motion': how.least_motion}
    facts = read_facts(path)
    if facts and facts['source'] == identity and Size(*facts['size']) == how.size:
        return open_recording(path)
    with Writer(path, name, how.size, identity) as writer:
        counts, baseline = _read(watch(iter(frames())), writer, how)
        if not counts['kept']:
            raise DataError(f'{name}: none of {counts["read"]} frames is usable.')
        return writer.finish(Counts(**counts), baseline)


def _read(
    frames: Iterator[Frame], writer: Writer, how: RecordingOptions
) -> tuple[dict[str, int], float]:
    """Store the useful frames, and count."""
    counts = dict.fromkeys(('read', 'kept', 'static', 'segments', 'depth', 'poses', 'stereo'), 0)
    gate = MotionGate(how.least_motion)
    view: PinholeView | None = None
    stamp: float | None = None
    baseline = 0.0
    for item in frames:
        counts['read'] += 1
        camera = item.camera
        if camera is None:
            raise DataError('A frame has no camera; training needs its rays.')
        changed = view is None or view.source != camera
        if view is None or changed:
            view = PinholeView(camera, how.size, crop=how.crop)
        frame = view.color(item.rgb)
        static, cut = gate.judge(frame)
        gap = None not in (stamp, item.seconds) and not 0 <= _since(stamp, item.seconds) <= _GAP
        stamp = item.seconds
        if static and how.least_motion and not (changed or gap):
            counts['static'] += 1
            continue
        counts['segments'] += changed or cut or gap
        camera = view.camera
        writer.add(
            (camera.fx, camera.fy, camera.cx, camera.cy),
            counts['segments'],
            frame,
            depth=None if item.depth is None else view.depth(item.depth),
            stereo=None if item.stereo is None else view.color(item.stereo),
            pose=item.pose,
        )
        counts['kept'] += 1
        counts['depth'] += item.depth is not None
        counts['stereo'] += item.stereo is not None
        counts['poses'] += item.pose is not None and bool(np.isfinite(item.pose).all())
        baseline = item.baseline or baseline
    return counts, baseline


def _since(before: float | None, now: float | None) -> float:
    assert before is not None
    assert now is not None
    return now - before
