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
from depth_node.sources.transform_tree import along, way_between

SPAN_S = 10.0
"""How long transforms are kept (s), as in tf2."""
MOST = 100_000
"""Maximum number of transforms kept of one frame."""


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
        wanted = f'the transform from {target} to {source}'
        try:
            way = way_between(target, source, self._parent)
        except DataError as error:
            self._hint = f', or correct the transforms ({error})'
            return None
        if way is None:
            unknown = [frame for frame in (target, source) if not self._knows(frame)]
            why = f'nothing is known of {" and ".join(unknown)}' if unknown else (
                'they are not connected'
            )
            self._hint = f', or record {wanted} ({why})'
            return None
        try:
            return along(way, lambda frame: self._in_parent(frame, stamp / SECOND))
        except DataError as error:
            self._hint = f', or record {wanted} in time ({error})'
            return None

    def _knows(self, frame: str) -> bool:
        parents = [row[0] for row in self._static.values()]
        parents += [row[0] for row in self._moving.values()]
        return frame in self._static or frame in self._moving or frame in parents

    def _parent(self, frame: str) -> str | None:
        known: Any = self._static.get(frame) or self._moving.get(frame)
        return None if known is None else str(known[0])

    def _in_parent(self, frame: str, seconds: float) -> Matrix:
        """
        Return the pose of a frame in its parent.

        :raises DataError: it is not known then.
        """
        still = self._static.get(frame)
        if still is not None:
            return still[1]
        pose = self._moving[frame][1].between(seconds, interpolated, gap=np.inf)
        if pose is None:
            raise DataError(f'{frame} has none around the frame')
        return pose


def _name(frame: str) -> str:
    """Return the name of a frame without the slash that ROS 1 may put before it."""
    return str(frame).removeprefix('/')
