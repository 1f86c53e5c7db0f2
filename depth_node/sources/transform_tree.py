"""Transforms of a robot over time, as TF has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from depth_node.camera.rigid import Matrix
from depth_node.errors import DataError
from depth_node.sources.frame import SECOND
from depth_node.sources.trajectory import pose_at

Stamped = tuple[int | None, str, str, Matrix]
"""Stamp (ns; None: static), parent, child, and the child's pose in the parent."""


Way = tuple[list[str], list[str]]
"""The frames from the source, and from the target, up to below their nearest common ancestor."""


def way_between(
    target: str, source: str, parent: Callable[[str], str | None]
) -> Way | None:
    """
    Find the way between two frames of a tree.

    :param target: a frame.
    :param source: another one.
    :param parent: returns the parent of a frame, or None if it has none.
    :returns: the way, or None if they are not connected.
    :raises DataError: the parents go in a circle.
    """
    up, down = _to_root(source, parent), _to_root(target, parent)
    common = next((frame for frame in up if frame in down), None)
    if common is None:
        return None
    return up[:up.index(common)], down[:down.index(common)]


def along(way: Way, in_parent: Callable[[str], Matrix]) -> Matrix:
    """
    Chain the transforms of a way.

    :param way: of :func:`way_between`.
    :param in_parent: returns the pose of a frame in its parent, float64 (4, 4).
    :returns: float64 (4, 4), from source to target.
    """
    def chained(frames: list[str]) -> Matrix:
        pose = np.eye(4)
        for frame in frames:
            pose = in_parent(frame) @ pose
        return pose

    return np.asarray(np.linalg.inv(chained(way[1])) @ chained(way[0]))


def _to_root(frame: str, parent: Callable[[str], str | None]) -> list[str]:
    """Return a frame and its ancestors."""
    way, seen = [frame], {frame}
    while (above := parent(way[-1])) is not None:
        if above in seen:
            raise DataError(f'TF goes in a circle at {above!r}.')
        way.append(above)
        seen.add(above)
    return way


class TransformTree:
    """
    Frames, each with its pose in its parent.

    :param transforms: in any order; if a frame has several parents, the last one counts.
    """

    def __init__(self, transforms: Iterable[Stamped]) -> None:
        found: dict[str, tuple[str, dict[int | None, Matrix]]] = {}
        for stamp, parent, child, pose in transforms:
            if child not in found or found[child][0] != parent:
                found[child] = parent, {}
            found[child][1][stamp] = pose
        self._parents = {child: parent for child, (parent, _) in found.items()}
        self._static = {
            child: poses[None] for child, (_, poses) in found.items() if None in poses
        }
        self._moving: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
        for child, (_, poses) in found.items():
            if child not in self._static:
                stamps = sorted(stamp for stamp in poses if stamp is not None)
                self._moving[child] = (
                    np.array(stamps, np.int64), np.array([poses[stamp] for stamp in stamps])
                )

    @property
    def frames(self) -> list[str]:
        """Names of all frames."""
        return sorted({*self._parents, *self._parents.values()})

    def lookup(self, target: str, source: str, stamp: int, gap: int) -> Matrix:
        """
        Return the pose of a frame in another one.

        :param target: frame to express points in.
        :param source: frame of the points.
        :param stamp: when (ns).
        :param gap: longest time between two transforms around it (ns).
        :returns: float64 (4, 4), from source to target.
        :raises DataError: the two are not connected, or not at this time.
        """
        way = way_between(target, source, self._parents.get)
        if way is None:
            raise DataError(
                f'TF does not connect {source!r} with {target!r}; it has '
                f'{", ".join(self.frames) or "no frames"}.'
            )
        return along(way, lambda frame: self._in_parent(frame, stamp, gap))

    def _in_parent(self, frame: str, stamp: int, gap: int) -> Matrix:
        if frame in self._static:
            return self._static[frame]
        stamps, poses = self._moving[frame]
        pose = pose_at(stamps, poses, stamp, gap)
        if pose is None:
            raise DataError(
                f'TF has no transform from {self._parents[frame]} to {frame} within '
                f'{gap / SECOND:g} s of {stamp / SECOND:.3f} s; it covers '
                f'{stamps[0] / SECOND:.3f} to {stamps[-1] / SECOND:.3f} s.'
            )
        return pose
