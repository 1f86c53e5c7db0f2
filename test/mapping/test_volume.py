"""The field of distances: closed forms of planes, weights, lenses, carving and memory."""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys

import numpy as np
import pytest

from depth_node.camera import Camera
from depth_node.camera.distortion import Distortion
from depth_node.errors import ConfigError, DataError
from depth_node.mapping.fusion import MapOptions, Mapper
from depth_node.mapping.volume import BLOCK_BYTES, Volume

pytest.importorskip('open3d', reason='Open3D has no wheel for this Python')

CAMERA = Camera.from_hfov(80, 60, 70)
LENS = Camera(80, 60, 50.0, 50.0, 39.5, 29.5, Distortion.PLUMB_BOB, (-0.25, 0.05, 0, 0, 0))
RED = np.full((60, 80, 3), (200, 10, 0), np.uint8)
MIB = 2**20


def flat(depth: float, camera: Camera = CAMERA) -> np.ndarray:
    return np.full((camera.height, camera.width), depth, np.float32)


def volume(memory: int = 256) -> Volume:
    return Volume(0.04, 0.16, memory * MIB)


@pytest.mark.parametrize('camera', [CAMERA, LENS])
def test_a_wall_is_where_it_is(camera: Camera) -> None:
    """Also through a lens, whose depth along the axis is that of the wall, too."""
    field = volume()
    depth = np.where(np.isfinite(camera.rays()).all(-1), flat(2.03), np.nan).astype(np.float32)
    assert field.integrate(depth, flat(1.0), RED, camera, np.eye(4)) == np.isfinite(depth).sum()
    mesh = field.mesh(0.5)
    np.testing.assert_allclose(mesh.points[:, 2], 2.03, atol=1e-4)
    assert mesh.rgb.tolist() == [[200, 10, 0]] * len(mesh.rgb)
    # it faces the camera, and is as wide as the view
    edge = np.nanmax(camera.rays()[..., 0]) * 2.03
    inside = (np.abs(mesh.points[:, :2]) < 0.5 * edge).all(1)
    np.testing.assert_allclose(mesh.normals[inside], [[0, 0, -1]] * inside.sum(), atol=1e-3)
    assert abs(mesh.points[:, 0].max() - edge) < 0.1
    a, b, c = (mesh.points[mesh.faces[:, corner]] for corner in range(3))
    assert (np.cross(b - a, c - a)[:, 2] <= 0).all(), 'the faces look away from the camera'
    cloud = field.cloud(0.5)
    np.testing.assert_allclose(cloud.points[:, 2], 2.03, atol=1e-4)
    assert len(cloud.points) > 500
    assert not len(cloud.faces)


def test_the_same_frames_give_the_same_files() -> None:
    """Open3D numbers vertices in the order in which its threads find them."""
    made = []
    for _ in range(3):
        field = volume()
        field.integrate(flat(2.03), flat(1.0), RED, CAMERA, np.eye(4))
        made.append((field.mesh(0.5), field.cloud(0.5)))
    for name in ('points', 'rgb', 'normals', 'faces'):
        for kind in (0, 1):
            first, *others = (getattr(pair[kind], name) for pair in made)
            assert all(np.array_equal(first, other) for other in others), name


def test_frames_are_weighted() -> None:
    field = volume()
    field.integrate(flat(2.0), flat(3.0), RED, CAMERA, np.eye(4))
    field.integrate(flat(2.08), flat(1.0), RED, CAMERA, np.eye(4))
    np.testing.assert_allclose(field.mesh(0.5).points[:, 2], 2.02, atol=1e-4)
    assert not len(field.mesh(4.5).points), 'more weight is asked for than there is'


def test_confidence_is_the_weight_and_near_frames_count_more() -> None:
    """Two frames of one wall, 2 m and 4 m away: weights c (far / z)^2."""
    mapper = Mapper(MapOptions(far=5.0, voxel=0.05, min_weight=0.1, memory=256))
    away = np.eye(4)
    away[2, 3] = -2.0
    mapper.add(RED, flat(2.0), flat(0.5), CAMERA, np.eye(4))
    mapper.add(RED, flat(4.1), flat(1.0), CAMERA, away)
    near, far = 0.5 * (5 / 2.0) ** 2, 1.0 * (5 / 4.1) ** 2
    z = mapper.volume.mesh(0.1).points
    middle = z[(np.abs(z[:, :2]) < 0.5).all(1), 2]
    np.testing.assert_allclose(middle, 2.0 + 0.1 * far / (near + far), atol=1e-3)
    assert mapper.share == 1.0


def test_what_is_unknown_too_far_or_doubtful_says_nothing() -> None:
    mapper = Mapper(MapOptions(far=3.0, memory=256))
    depth = flat(2.0)
    depth[:, :20], depth[:, 20:40], depth[:, 40:60] = np.nan, np.inf, 3.5
    confidence = flat(1.0)
    confidence[:, 60:] = 0.0
    mapper.add(RED, depth, confidence, CAMERA, np.eye(4))
    assert mapper.volume.blocks == 0
    assert not len(mapper.volume.mesh(0.0).points)
    assert not len(mapper.volume.cloud(0.0).points)
    assert mapper.share == 0


def test_what_is_gone_is_carved_away() -> None:
    """Something 1 m away is seen once, then only the wall behind it."""
    field = volume()
    field.integrate(flat(1.0), flat(1.0), RED, CAMERA, np.eye(4))
    assert (np.abs(field.mesh(0.5).points[:, 2] - 1) < 0.01).any()
    for _ in range(3):
        field.integrate(flat(2.0), flat(1.0), RED, CAMERA, np.eye(4))
    z = field.mesh(0.5).points[:, 2]
    assert not (z < 1.9).any()


def test_memory_has_a_bound_and_what_is_missing_is_counted() -> None:
    field = Volume(0.01, 0.04, 24 * MIB)
    for turn in np.linspace(0, 2 * np.pi, 6):
        pose = np.eye(4)
        pose[:3, :3] = [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0],
                        [-np.sin(turn), 0, np.cos(turn)]]
        field.integrate(flat(2.0), flat(1.0), RED, CAMERA, pose)
    assert field.blocks == field.limit == 24 * MIB // BLOCK_BYTES
    first = field.refused
    assert first > 1000
    field.integrate(flat(2.0), flat(1.0), RED, CAMERA, np.eye(4))
    assert field.refused == first, 'the same blocks are missing'
    assert len(field.mesh(0.5).points)


GROWING = """
import re, sys
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[1])
from test_volume import CAMERA, flat, MIB, RED
from depth_node.mapping.volume import Volume

def peak():  # of this process, not of the one that started it
    return int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) / 1024

Volume(0.01, 0.04, 24 * MIB).integrate(flat(1.0), flat(1.0), RED, CAMERA, np.eye(4))
before = peak()
field = Volume(0.01, 0.04, 64 * MIB)
for z in range(3):
    pose = np.eye(4)
    pose[2, 3] = z / 4
    field.integrate(flat(3.0), flat(1.0), RED, CAMERA, pose)
assert field.refused
field.mesh(0.5)
print(peak() - before)
"""


def test_the_bound_is_that_of_the_process() -> None:
    """Growing and extracting, in MiB; without a bound it would be several times as much."""
    done = subprocess.run(
        [sys.executable, '-c', GROWING, str(Path(__file__).parent)], check=False,
        capture_output=True, text=True, timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert 30 < float(done.stdout) < 64 + 32, 'a frame in work may come on top'


def test_too_little_memory_and_too_far_away() -> None:
    with pytest.raises(ConfigError, match='1 MiB are not enough'):
        Volume(0.04, 0.16, MIB)
    pose = np.eye(4)
    for far in (2.5e4, 1e6):  # 25 km of voxels of 4 cm: steps of float32 are 2 mm
        pose[0, 3] = far
        with pytest.raises(DataError, match='unit of the poses'):
            volume().integrate(flat(2.0), flat(1.0), RED, CAMERA, pose)


def test_the_farthest_map_is_as_smooth_as_one_at_the_origin() -> None:
    """Vertices are float32: what they cannot resolve is refused, not rounded."""
    depth = flat(2.0) + np.linspace(0, 0.2, CAMERA.width, dtype=np.float32)
    meshes = []
    for far in (0.0, 0.04 * 8 * (2**16 - 10)):
        pose = np.eye(4)
        pose[0, 3] = far
        field = volume()
        field.integrate(depth, flat(1.0), RED, CAMERA, pose)
        points = field.mesh(0.5).points.astype(np.float64) - (far, 0, 0)
        meshes.append(points[np.lexsort(np.rint(points / 0.01).T)])
    assert len(meshes[0]) == len(meshes[1]) > 100
    for axis in range(3):
        one, other = (np.sort(mesh[:, axis]) for mesh in meshes)
        assert np.abs(one - other).max() < 0.04 / 16


def test_without_open3d_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'open3d', None)
    with pytest.raises(ConfigError, match=r"pip install 'depth_node\[mapping\]'"):
        volume()


@pytest.mark.parametrize('options', [
    {'far': 0.0}, {'voxel': 5.0}, {'voxel': 0.1, 'truncation': 0.05},
])
def test_numbers_that_make_no_map(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match='expected'):
        MapOptions(**options)
