"""Conversion of a source to a recording, which stores the frames that are useful."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from depth_node.errors import DataError
from depth_node.image.size import Size
from depth_node.training.data.motion import MotionGate
from depth_node.training.data.recording import (
    Counts,
    open_recording,
    read_facts,
    Recording,
    Writer,
)
from depth_node.training.data.shot import Shot
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
    shots: Callable[[], Iterable[Shot]],
    path: Path,
    name: str,
    how: RecordingOptions,
    source: Mapping[str, Any],
    *,
    watch: Callable[[Iterator[Shot]], Iterator[Shot]] = iter,
) -> Recording:
    """
    Return the recording of a source, which is made on first use and cached.

    :param shots: starts reading the source.
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
        counts, baseline = _read(watch(iter(shots())), writer, how)
        if not counts['kept']:
            raise DataError(f'{name}: none of {counts["read"]} frames is usable.')
        return writer.finish(Counts(**counts), baseline)


def _read(
    shots: Iterator[Shot], writer: Writer, how: RecordingOptions
) -> tuple[dict[str, int], float]:
    """Store the useful frames, and count."""
    counts = dict.fromkeys(('read', 'kept', 'static', 'segments', 'depth', 'poses', 'stereo'), 0)
    gate = MotionGate(how.least_motion)
    view: PinholeView | None = None
    stamp: float | None = None
    baseline = 0.0
    for shot in shots:
        counts['read'] += 1
        changed = view is None or view.source != shot.camera
        if view is None or changed:
            view = PinholeView(shot.camera, how.size, crop=how.crop)
        frame = view.color(shot.image)
        static, cut = gate.judge(frame)
        gap = None not in (stamp, shot.stamp) and not 0 <= _since(stamp, shot.stamp) <= _GAP
        stamp = shot.stamp
        if static and how.least_motion and not (changed or gap):
            counts['static'] += 1
            continue
        counts['segments'] += changed or cut or gap
        camera = view.camera
        writer.add(
            (camera.fx, camera.fy, camera.cx, camera.cy),
            counts['segments'],
            frame,
            depth=None if shot.depth is None else view.depth(shot.depth),
            stereo=None if shot.stereo is None else view.color(shot.stereo),
            pose=shot.pose,
        )
        counts['kept'] += 1
        counts['depth'] += shot.depth is not None
        counts['stereo'] += shot.stereo is not None
        counts['poses'] += shot.pose is not None and bool(np.isfinite(shot.pose).all())
        baseline = shot.baseline or baseline
    return counts, baseline


def _since(before: float | None, now: float | None) -> float:
    assert before is not None
    assert now is not None
    return now - before
