"""Transforms of a robot over time, as TF has them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from depth_node.camera.rigid import Matrix
from depth_node.errors import DataError
from depth_node.sources.frame import SECOND
from depth_node.sources.trajectory import pose_at

Stamped = tuple[int | None, str, str, Matrix]
"""Stamp (ns; None: static), parent, child, and the child's pose in the parent."""


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
        up, down = self._to_root(source), self._to_root(target)
        common = next((frame for frame in up if frame in down), None)
        if common is None:
            raise DataError(
                f'TF does not connect {source!r} with {target!r}; it has '
                f'{", ".join(self.frames) or "no frames"}.'
            )
        return np.linalg.inv(self._in_ancestor(target, common, stamp, gap)) @ (
            self._in_ancestor(source, common, stamp, gap)
        )

    def _to_root(self, frame: str) -> list[str]:
        """Return a frame and its ancestors."""
        way = [frame]
        while way[-1] in self._parents:
            parent = self._parents[way[-1]]
            if parent in way:
                raise DataError(f'TF goes in a circle at {parent!r}.')
            way.append(parent)
        return way

    def _in_ancestor(self, frame: str, ancestor: str, stamp: int, gap: int) -> Matrix:
        pose = np.eye(4)
        while frame != ancestor:
            pose = self._in_parent(frame, stamp, gap) @ pose
            frame = self._parents[frame]
        return pose

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
