"""
Transforms of a recording: a buffer that is looked up as tf2's is.

A lookup interpolates between the two transforms around its time and never extrapolates; static
transforms hold at all times; of moving ones the last seconds are kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from depth_node.camera.rigid import interpolated, Matrix
from depth_node.camera.transforms import transform_matrix, WAIT_S
from depth_node.errors import DataError
from depth_node.scale.sync import StampedBuffer
from depth_node.sources.frame import nanoseconds_of, SECOND

SPAN_S = 10.0
"""How long transforms are kept (s), as in tf2."""
MOST = 100_000
"""Maximum number of transforms kept of one frame."""
DEEPEST = 256
"""Maximum number of frames between a frame and the root: more is a loop."""


class TransformBuffer:
    """The transforms of a recording, as far as it was read."""

    def __init__(self) -> None:
        self._static: dict[str, tuple[str, Matrix]] = {}
        self._moving: dict[str, tuple[str, StampedBuffer[Matrix]]] = {}
        self._hint = ''

    @property
    def hint(self) -> str:
        """Why the last lookup failed, as the end of a sentence; empty if it succeeded."""
        return self._hint

    def add(self, message: Any, *, static: bool) -> None:
        """
        Add the transforms of a message.

        :param message: tf2_msgs/TFMessage of ROS 1 or 2.
        :param static: whether it comes from ``tf_static``.
        :raises DataError: one of them is no transform; the others were added.
        """
        wrong: DataError | None = None
        for found in message.transforms:
            parent, child = _name(found.header.frame_id), _name(found.child_frame_id)
            try:
                if not parent or not child or parent == child:
                    raise DataError(
                        f'A transform from {parent!r:.100} to {child!r:.100} was ignored, '
                        'expected two different frames.'
                    )
                pose = transform_matrix(found.transform)
            except DataError as error:
                wrong = error
                continue
            if static:
                self._static[child] = parent, pose
                self._moving.pop(child, None)
                continue
            self._static.pop(child, None)
            before = self._moving.get(child)
            if before is None or before[0] != parent:
                before = self._moving[child] = parent, StampedBuffer(SPAN_S, MOST)
            before[1].add(nanoseconds_of(found.header.stamp) / SECOND, pose)
        if wrong is not None:
            raise wrong

    def lookup(
        self, target: str, source: str, stamp: int, wait: float = WAIT_S  # noqa: ARG002
    ) -> Matrix | None:
        """
        Return the pose of a frame in another one at a time.

        :param target: frame to express points in.
        :param source: frame of the points.
        :param stamp: the time (ns).
        :param wait: not used: what has been read is here.
        :returns: float64 (4, 4), from source to target, or None (see :attr:`hint`).
        """
        target, source = _name(target), _name(source)
        self._hint = ''
        if target == source:
            return np.eye(4)
        up, down = self._ancestors(source), self._ancestors(target)
        common = next((frame for frame in up if frame in down), None)
        if common is None:
            unknown = [frame for frame in (target, source) if not self._knows(frame)]
            why = f'nothing is known of {" and ".join(unknown)}' if unknown else (
                'they are not connected'
            )
            self._hint = f', or record the transform from {target} to {source} ({why})'
            return None
        first = self._chain(source, common, stamp / SECOND)
        second = self._chain(target, common, stamp / SECOND)
        if first is None or second is None:
            self._hint = (
                f', or record the transform from {target} to {source} in time '
                f'({self._hint} has none around the frame)'
            )
            return None
        return np.asarray(np.linalg.inv(second) @ first)

    def _knows(self, frame: str) -> bool:
        parents = [row[0] for row in self._static.values()]
        parents += [row[0] for row in self._moving.values()]
        return frame in self._static or frame in self._moving or frame in parents

    def _ancestors(self, frame: str) -> list[str]:
        """Return a frame, its parent, and so on."""
        found = [frame]
        while len(found) < DEEPEST:
            parent = self._parent(found[-1])
            if parent is None or parent in found:
                break
            found.append(parent)
        return found

    def _parent(self, frame: str) -> str | None:
        known: Any = self._static.get(frame) or self._moving.get(frame)
        return None if known is None else str(known[0])

    def _chain(self, frame: str, ancestor: str, seconds: float) -> Matrix | None:
        """Return the pose of a frame in one of its ancestors; None if it is not known then."""
        pose = np.eye(4)
        while frame != ancestor:
            still = self._static.get(frame)
            if still is not None:
                parent, step = still[0], still[1]
            else:
                parent, buffer = self._moving[frame]
                between = buffer.between(seconds, interpolated, gap=np.inf)
                if between is None:
                    self._hint = frame
                    return None
                step = between
            pose = step @ pose
            frame = parent
        return pose


def _name(frame: str) -> str:
    """Return the name of a frame without the slash that ROS 1 may put before it."""
    return str(frame).removeprefix('/')
