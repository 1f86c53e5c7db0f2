"""From frames with depth and poses to one map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.camera.rigid import Matrix
from depth_node.errors import ConfigError
from depth_node.mapping.axes import Up
from depth_node.mapping.volume import Mesh, Volume

VOXELS_TO_FAR = 100.0
TRUNCATION_VOXELS = 4.0


@dataclass(frozen=True)
class MapOptions:
    """
    How frames become a map.

    :param far: depth beyond which a frame says nothing (m).
    :param voxel: side of a voxel (m); 0: a hundredth of `far`.
    :param truncation: how far from a surface its voxels reach (m); 0: four voxels. More than the
        error of depth in one frame, or a surface becomes several.
    :param min_weight: how many frames must have seen a surface; nearer ones count more.
    :param memory: bound of the field and its mesh (MiB).
    :raises ConfigError: numbers that contradict each other.
    """

    far: float = 4.0
    voxel: float = 0.0
    truncation: float = 0.0
    min_weight: float = 5.0
    memory: float = 2048.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 0 < self.side < self.far:
            raise ConfigError(
                f'Voxels of {self.side:g} m and depth up to {self.far:g} m make no map, expected '
                '0 < voxel < far.'
            )
        if self.cut < self.side:
            raise ConfigError(
                f'The truncation is {self.cut:g} m, expected at least a voxel, {self.side:g} m.'
            )

    @property
    def side(self) -> float:
        """Side of a voxel (m)."""
        return self.voxel or self.far / VOXELS_TO_FAR

    @property
    def cut(self) -> float:
        """Truncation (m)."""
        return self.truncation or TRUNCATION_VOXELS * self.side


class Mapper:
    """
    Fuses frames.

    :param options: how.
    """

    def __init__(self, options: MapOptions) -> None:
        self._options = options
        self.volume = Volume(options.side, options.cut, int(options.memory * 2**20))
        self.frames = 0
        """Frames that were added."""
        self._pixels = self._used = 0
        self._places: list[NDArray[np.float64]] = []

    @property
    def share(self) -> float:
        """Share of the pixels that were used."""
        return self._used / max(1, self._pixels)

    def add(
        self, rgb: NDArray[np.uint8], depth: NDArray[np.float32],
        confidence: NDArray[np.float32] | None, camera: Camera, pose: Matrix,
    ) -> None:
        """
        Add one frame.

        A pixel weighs c (far / z)^2. Confidence c falls with the square of the relative error
        (see ``depth.confidence``), so this is one over the variance of depth in metres, in units
        of a pixel that is certain at the end of the range.

        :param rgb: uint8 (H, W, 3).
        :param depth: float32 (H, W), z-depth (m); what is not finite says nothing.
        :param confidence: float32 (H, W), 0 to 1; None: certain.
        :param camera: of this size.
        :param pose: float64 (4, 4), optical frame to the fixed frame (m).
        """
        far = np.float32(self._options.far)
        with np.errstate(invalid='ignore'):
            known = np.isfinite(depth) & (depth > 0) & (depth <= far)
        weight = np.zeros(depth.shape, np.float32)
        np.divide(far, depth, out=weight, where=known)
        np.square(weight, out=weight)
        if confidence is not None:
            weight *= np.nan_to_num(confidence, nan=0.0)
        self._used += self.volume.integrate(
            np.where(known, depth, np.float32(np.nan)), weight, rgb, camera, pose
        )
        self._pixels += depth.size
        self._places.append(pose[:3, 3].copy())
        self.frames += 1

    def surface(self, up: Up) -> Mesh:
        """
        Return the surface, with gravity along -z.

        :param up: the axis of the fixed frame that points up.
        :returns: a mesh in the frame of the map.
        """
        return turned(self.volume.mesh(self._options.min_weight), up)

    def points(self, up: Up) -> Mesh:
        """
        Return points of the surface, with gravity along -z.

        :param up: the axis of the fixed frame that points up.
        :returns: a cloud in the frame of the map.
        """
        return turned(self.volume.cloud(self._options.min_weight), up)

    def way(self, up: Up) -> NDArray[np.float64]:
        """
        Return where the camera was.

        :param up: the axis of the fixed frame that points up.
        :returns: float64 (frames, 3), in the frame of the map (m).
        """
        return np.array(self._places).reshape(-1, 3) @ up.to_map().T


def turned(mesh: Mesh, up: Up) -> Mesh:
    """
    Turn a mesh to the axes of a map.

    :param mesh: in the fixed frame.
    :param up: the axis of that frame that points up.
    :returns: the mesh in the map.
    """
    if up is Up.Z:
        return mesh
    turn = up.to_map().astype(np.float32).T
    return Mesh(mesh.points @ turn, mesh.rgb, mesh.normals @ turn, mesh.faces)
