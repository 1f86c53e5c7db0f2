"""
A truncated signed distance field in blocks of voxels, which exist only near surfaces.

The method is that of Curless and Levoy (A volumetric method for building complex models from range
images, SIGGRAPH 1996): each voxel keeps the weighted mean of its signed distances to the surfaces
that the frames saw, cut off at the truncation, and the surface is where the mean is zero. Blocks,
their hash map and the extraction of the surface are Open3D's VoxelBlockGrid; the update is ours,
because that of Open3D weighs every pixel alike and knows no lens distortion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.camera.distortion import Distortion
from depth_node.errors import ConfigError, DataError

Floats = NDArray[np.float32]

SIDE = 8
"""Voxels along each side of a block."""
VOXELS = SIDE**3
VOXEL_BYTES = 20
"""Distance, weight and three colors, float32 each."""
BLOCK_BYTES = 2 * VOXELS * VOXEL_BYTES
"""Twice the voxels: the table is copied while it grows, and a mesh takes as much in the end."""
_FIRST = 1024
"""Blocks to begin with."""
_CHUNK = 1024
"""Blocks that are updated at once: their arrays stay in the cache, and memory is bounded."""
_BITS = 21
"""Of the number of a block along each axis: three fit into one number."""
_FARTHEST = 2**16
"""Blocks from the origin along an axis: beyond, float32 has steps of a sixteenth of a voxel."""


def library() -> Any:
    """
    Import the library of the blocks.

    :returns: the module `open3d`.
    :raises ConfigError: it is not installed.
    """
    try:
        import open3d
    except ImportError as error:
        raise ConfigError(
            f'A map needs Open3D ({error}).', "Install it: pip install 'depth_node[mapping]'."
        ) from error
    # it lists at exit what Python has not freed yet
    open3d.utility.set_verbosity_level(open3d.utility.VerbosityLevel.Error)
    return open3d


@dataclass(frozen=True)
class Mesh:
    """
    A surface of triangles, or points without them.

    :param points: float32 (N, 3) (m).
    :param rgb: uint8 (N, 3).
    :param normals: float32 (N, 3), of length one, out of the surface.
    :param faces: int32 (M, 3), indices of points; (0, 3) for a cloud.
    """

    points: Floats
    rgb: NDArray[np.uint8]
    normals: Floats
    faces: NDArray[np.int32]


class Volume:
    """
    The field, in the fixed frame of the poses.

    :param voxel: length of the sides of a voxel (m).
    :param truncation: distance from a surface at which the field is cut off (m).
    :param memory: bound on what the field and the extraction of its mesh take (bytes).
    :raises ConfigError: Open3D is missing, or the memory does not suffice for a single frame.
    """

    def __init__(self, voxel: float, truncation: float, memory: int) -> None:
        self._o3d = library()
        self.voxel, self.truncation = voxel, truncation
        self.limit = memory // BLOCK_BYTES
        if self.limit < _FIRST:
            raise ConfigError(
                f'{memory / 2**20:.0f} MiB are not enough for a map, expected at least '
                f'{_FIRST * BLOCK_BYTES / 2**20:.0f} MiB.'
            )
        self.refused = 0
        """Blocks that were not made because the memory was used up."""
        core = self._o3d.core
        kinds = (core.float32, core.float32, core.float32)
        self._grid = self._o3d.t.geometry.VoxelBlockGrid(
            ('tsdf', 'weight', 'color'), kinds, (1, 1, 3), voxel, SIDE, _FIRST,
            core.Device('CPU:0'),
        )
        self._keys = np.zeros((_FIRST, 3), np.int32)
        """Place of the block in each buffer."""
        self._refused: set[int] = set()
        steps = np.arange(SIDE, dtype=np.float32) * np.float32(voxel)
        z, y, x = np.meshgrid(steps, steps, steps, indexing='ij')
        self._offsets = np.stack([x.ravel(), y.ravel(), z.ravel()], 1)
        self._rays: tuple[Camera, Floats] | None = None

    @property
    def blocks(self) -> int:
        """Number of blocks that exist."""
        return int(self._grid.hashmap().size())

    @property
    def block_size(self) -> float:
        """Length of the sides of a block (m)."""
        return self.voxel * SIDE

    def integrate(
        self, depth: Floats, weight: Floats, rgb: NDArray[np.uint8], camera: Camera,
        pose: NDArray[np.float64],
    ) -> int:
        """
        Add one frame.

        :param depth: float32 (H, W), z-depth (m); pixels that are not finite say nothing.
        :param weight: float32 (H, W), 0 or more; pixels of weight 0 say nothing.
        :param rgb: uint8 (H, W, 3).
        :param camera: of this size.
        :param pose: float64 (4, 4), optical frame to the fixed frame (m).
        :returns: pixels that were used.
        :raises DataError: the place is too far from the origin for voxels of this size.
        """
        known = np.isfinite(depth) & (weight > 0)
        used = int(np.count_nonzero(known))
        if not used:
            return 0
        depth = np.where(known, depth, np.float32(0))
        self._touch(self._near(depth, camera, pose))
        optical_from_world = np.asarray(np.linalg.inv(pose), np.float64)
        reach = float(depth.max()) + self.truncation
        buffers = self._visible(camera, optical_from_world, reach)
        frame = _Pixels(depth.ravel(), weight.ravel(), rgb.reshape(-1, 3), camera)
        for first in range(0, len(buffers), _CHUNK):
            self._update(buffers[first:first + _CHUNK], frame, optical_from_world)
        return used

    def mesh(self, least_weight: float) -> Mesh:
        """
        Extract the surface.

        :param least_weight: sum of weights below which a voxel is unknown.
        :returns: triangles, in the fixed frame.
        """
        if not self.blocks:
            return _EMPTY
        found = self._grid.extract_triangle_mesh(least_weight)
        if not len(found.vertex.positions):
            return _EMPTY
        return _mesh(found.vertex, found.triangle.indices.numpy())

    def cloud(self, least_weight: float) -> Mesh:
        """
        Extract points of the surface, where it crosses the edges of voxels.

        :param least_weight: sum of weights below which a voxel is unknown.
        :returns: points, in the fixed frame.
        """
        if not self.blocks:
            return _EMPTY
        found = self._grid.extract_point_cloud(least_weight)
        if not len(found.point.positions):
            return _EMPTY
        return _mesh(found.point, _EMPTY.faces)

    def _near(
        self, depth: Floats, camera: Camera, pose: NDArray[np.float64]
    ) -> NDArray[np.int32]:
        """Return the blocks within the truncation of what a frame sees: (N, 3)."""
        if self._rays is None or self._rays[0] != camera:
            self._rays = camera, camera.rays()
        # neighboring pixels see the same block: a pixel of the stride covers at most half of one
        far = float(depth.max())
        stride = max(1, int(min(camera.fx, camera.fy) * self.block_size / (2 * far)))
        z = depth[::stride, ::stride].ravel()
        rays = self._rays[1][::stride, ::stride].reshape(-1, 2)
        good = (z > 0) & np.isfinite(rays).all(1)
        z, rays = z[good], rays[good]
        directions = np.column_stack([rays, np.ones(len(rays), np.float32)])
        turned = directions @ pose[:3, :3].T.astype(np.float32)
        count = 2 * int(np.ceil(2 * self.truncation / self.block_size)) + 1
        keys = []
        for offset in np.linspace(-self.truncation, self.truncation, count):
            points = turned * (z + np.float32(offset))[:, None] + pose[:3, 3]
            keys.append(_packed(np.floor(points / self.block_size).astype(np.int64)))
        return _unpacked(np.unique(np.concatenate(keys)))

    def _touch(self, keys: NDArray[np.int32]) -> None:
        """Make the blocks that do not exist yet, as far as memory allows."""
        table, core = self._grid.hashmap(), self._o3d.core
        _, there = table.find(core.Tensor(keys))
        missing = keys[~there.numpy()]
        room = self.limit - self.blocks
        if len(missing) > room:
            self._refused.update(_packed(missing[room:].astype(np.int64)).tolist())
            self.refused = len(self._refused)
            missing = missing[:room]
        if not len(missing):
            return
        wanted = self.blocks + len(missing)
        if wanted > table.capacity():
            # grows here and not in Open3D, which knows no limit
            table.reserve(min(max(wanted, 2 * table.capacity()), self.limit))
        table.activate(core.Tensor(missing))
        places = table.key_tensor().numpy()
        if len(places) > len(self._keys):
            self._keys = np.zeros((len(places), 3), np.int32)
        active = table.active_buf_indices().numpy()
        self._keys[active] = places[active]

    def _visible(
        self, camera: Camera, optical_from_world: NDArray[np.float64], reach: float
    ) -> NDArray[np.int64]:
        """Return the buffers of the blocks that may be in view."""
        active = self._grid.hashmap().active_buf_indices().numpy().astype(np.int64)
        middle = (self._keys[active] + 0.5) * self.block_size
        seen = middle @ optical_from_world[:3, :3].T + optical_from_world[:3, 3]
        radius = self.block_size * np.sqrt(3) / 2
        near = (seen[:, 2] > -radius) & (seen[:, 2] < reach + radius)
        if camera.distortion is Distortion.NONE:
            # distance from each side plane of the frustum
            for focal, center, last, axis in (
                (camera.fx, camera.cx, camera.width, 0), (camera.fy, camera.cy, camera.height, 1)
            ):
                for edge, sign in ((-0.5, -1), (last - 0.5, 1)):
                    slope = (edge - center) / focal
                    gap = sign * (seen[:, axis] - slope * seen[:, 2]) / np.hypot(1, slope)
                    near &= gap < radius
        return active[near]

    def _update(
        self, buffers: NDArray[np.int64], frame: _Pixels,
        optical_from_world: NDArray[np.float64],
    ) -> None:
        """Add what the frame says about the voxels of some blocks."""
        turn = optical_from_world[:3, :3]
        corners = self._keys[buffers] * self.block_size @ turn.T + optical_from_world[:3, 3]
        offsets = self._offsets @ turn.T.astype(np.float32)
        x, y, z = (
            (corners[:, axis, None].astype(np.float32) + offsets[None, :, axis]).ravel()
            for axis in range(3)
        )
        pixel = frame.at(x, y, z)
        seen = pixel >= 0
        seen[seen] = frame.depth[pixel[seen]] > 0
        there = np.flatnonzero(seen)
        pixel = pixel[there]
        distance = frame.depth[pixel] - z[there]
        kept = distance > -self.truncation
        there, pixel, distance = there[kept], pixel[kept], distance[kept]
        voxels = buffers[there // VOXELS] * VOXELS + there % VOXELS
        share = frame.weight[pixel]
        field = self._attribute('tsdf', 1)[:, 0]
        weights = self._attribute('weight', 1)[:, 0]
        colors = self._attribute('color', 3)
        before = weights[voxels]
        total = before + share
        share /= total
        new = np.minimum(distance / np.float32(self.truncation), np.float32(1))
        old = field[voxels]
        field[voxels] = old + share * (new - old)
        weights[voxels] = total
        # in front of the surface a voxel sees what is behind it
        close = distance < self.truncation
        voxels, share, pixel = voxels[close], share[close], pixel[close]
        paint = colors[voxels]
        colors[voxels] = paint + share[:, None] * (frame.rgb[pixel] - paint)

    def _attribute(self, name: str, channels: int) -> Floats:
        """Return the values of all voxels, not copied: (voxels, channels)."""
        values: Floats = self._grid.attribute(name).numpy()
        return values.reshape(-1, channels)


@dataclass(frozen=True)
class _Pixels:
    """A frame, pixel by pixel."""

    depth: Floats
    weight: Floats
    rgb: NDArray[np.uint8]
    camera: Camera

    def at(self, x: Floats, y: Floats, z: Floats) -> NDArray[np.int32]:
        """Return the pixel that sees each point of the optical frame; -1: none does."""
        camera = self.camera
        if camera.distortion is Distortion.NONE:
            with np.errstate(all='ignore'):
                inverse = np.float32(1) / z
                u = x * inverse * np.float32(camera.fx) + np.float32(camera.cx + 0.5)
                v = y * inverse * np.float32(camera.fy) + np.float32(camera.cy + 0.5)
        else:
            u, v = np.moveaxis(camera.project(np.stack([x, y, z], 1)) + 0.5, -1, 0)
        inside = (z > 0) & (u >= 0) & (v >= 0) & (u < camera.width) & (v < camera.height)
        pixel = np.full(len(z), -1, np.int32)
        pixel[inside] = v[inside].astype(np.int32) * camera.width + u[inside].astype(np.int32)
        return pixel


_EMPTY = Mesh(
    np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8), np.zeros((0, 3), np.float32),
    np.zeros((0, 3), np.int32),
)


def _mesh(values: Any, faces: NDArray[Any]) -> Mesh:
    """Copy what Open3D found, in an order that does not depend on its threads."""
    points = values.positions.numpy()
    order = np.lexsort(points.T)
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    faces = rank[faces]
    colors = np.clip(np.rint(values.colors.numpy()[order] * 255), 0, 255)
    return Mesh(
        points[order].astype(np.float32), colors.astype(np.uint8),
        values.normals.numpy()[order].astype(np.float32), faces[np.lexsort(faces.T)],
    )


def _packed(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return one number for each block."""
    if len(keys) and int(np.abs(keys).max()) >= _FARTHEST:
        raise DataError(
            'A pose is farther from the origin than float32 coordinates resolve voxels of this '
            'size.',
            'Check the unit of the poses (m), subtract the place of the first one (of UTM, for '
            'example), or choose larger voxels.',
        )
    keys = keys + _FARTHEST
    return np.asarray((keys[:, 0] << 2 * _BITS) | (keys[:, 1] << _BITS) | keys[:, 2])


def _unpacked(numbers: NDArray[np.int64]) -> NDArray[np.int32]:
    parts = [(numbers >> shift) & (2**_BITS - 1) for shift in (2 * _BITS, _BITS, 0)]
    return np.asarray(np.stack(parts, 1) - _FARTHEST, np.int32)
