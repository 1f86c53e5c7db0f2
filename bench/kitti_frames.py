"""Frames of KITTI with the mono networks, as the sources of scale see them."""

from __future__ import annotations

from functools import lru_cache
import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node.camera import Camera
from depth_node.config import Config, EngineConfig
from depth_node.engine import open_engine
from depth_node.image.size import Size
from depth_node.model import Interpolation, Model, ModelSpec, OutputKind
from depth_node.scale import FloorPose, Measurement, PoseReading, Region, ScaleFrame, ScaleKeeper
from depth_node.scale.ground import from_ground
from depth_node.scale.measurement import relative_sigma
from depth_node.scale.points import from_points, in_view
from depth_node.scale.unscaled import unscaled
from depth_node.sources.frame import Frame, SECOND

Floats = NDArray[np.float64]
SPEC = ModelSpec(
    'rtmonodepth_s', OutputKind.SIGMOID_DISPARITY, Size(640, 192),
    interpolation=Interpolation.AREA,
)


@lru_cache(maxsize=2)
def _engine(path: Path):
    return open_engine(Model(path, SPEC), EngineConfig(), Size(640, 192))


def predicted(weights: Path, name: str, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Run a network (m or ms) on an rgb image."""
    engine = _engine(weights / f'rtmonodepth_s_{name}_640_192.onnx')
    out = engine.buffers(*image.shape[:2])
    engine.infer(np.ascontiguousarray(image), out)
    return out.values


def object_frame(folder: Path, weights: Path, name: str) -> tuple[ScaleFrame, Floats]:
    """
    Read the frame of the object data set.

    :returns: the frame, and the velodyne's points in its optical frame (m).
    """
    calib = {}
    for line in (folder / 'calib/000000.txt').read_text().splitlines():
        key, _, values = line.partition(':')
        calib[key] = np.array(values.split(), float)
    p2 = calib['P2'].reshape(3, 4)
    rectified, to_camera = np.eye(4), np.eye(4)
    rectified[:3, :3] = calib['R0_rect'].reshape(3, 3)
    to_camera[:3] = calib['Tr_velo_to_cam'].reshape(3, 4)
    shift = np.eye(4)
    shift[:3, 3] = np.linalg.solve(p2[:, :3], p2[:, 3])
    points = np.fromfile(folder / 'velodyne/000000.bin', np.float32).reshape(-1, 4)[:, :3]
    transform = shift @ rectified @ to_camera
    points = points @ transform[:3, :3].T + transform[:3, 3]
    image = cv2.cvtColor(cv2.imread(str(folder / 'image_2/000000.png')), cv2.COLOR_BGR2RGB)
    height, width = image.shape[:2]
    camera = Camera(width, height, p2[0, 0], p2[1, 1], p2[0, 2], p2[1, 2])
    values = predicted(weights, name, image)
    return ScaleFrame(Frame(image, None, camera), values, SPEC, camera.rays()), points


def lidar_scale(frame: ScaleFrame, points: Floats) -> float:
    """Return the median ratio of the velodyne's depth to the network's."""
    rows, columns, z = in_view(frame.camera, points)
    return float(np.median(z / unscaled(frame.values[rows, columns], SPEC, frame.focal)))


def sequence(
    folder: Path, weights: Path, name: str
) -> tuple[list[ScaleFrame], list[Floats]]:
    """
    Read the sequence: frames at 10 Hz and the camera's poses.

    :returns: the frames, and for each world-from-optical (4, 4) (m).
    """
    numbers = np.loadtxt(folder / 'calib.txt')[0].reshape(3, 4)
    poses = []
    for row in np.loadtxt(folder / 'poses.txt'):
        pose = np.eye(4)
        pose[:3] = row.reshape(3, 4)
        poses.append(pose)
    frames = []
    for index, path in enumerate(sorted((folder / 'image_l').glob('*.png'))):
        gray = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        height, width = gray.shape
        camera = Camera(
            width, height, numbers[0, 0], numbers[1, 1], numbers[0, 2], numbers[1, 2]
        )
        values = predicted(weights, name, cv2.merge([gray] * 3))
        rays = frames[0].rays if frames else camera.rays()
        frame = Frame(gray, index * SECOND // 10, camera)
        frames.append(ScaleFrame(frame, values, SPEC, rays))
    return frames, poses


def ground_test(frame: ScaleFrame, lidar: Floats) -> dict[str, float]:
    """
    Measure the scale on the road, over several regions.

    :returns: the scale of the default region, that of the lidar, their relative difference,
        the scale's range over the regions (relative), and the uncertainty told.
    """
    truth = lidar_scale(frame, lidar)
    ground = FloorPose.from_angles(1.73, 0.0, tilt_sigma=math.radians(0.5))
    scales = []
    for far, side in ((8, 3), (6, 3), (10, 3), (12, 3), (8, 1.5), (8, 5)):
        found = from_ground(frame, ground, Region(far=far, side=side))
        assert isinstance(found, Measurement)
        if not scales:
            sigma = relative_sigma(found.value, found.covariance + found.bias, found.typical)
        scales.append(math.exp(found.value[0]))
    return {
        'scale': scales[0],
        'scale_lidar': truth,
        'against_lidar': abs(scales[0] / truth - 1),
        'regions': max(scales) / min(scales) - 1,
        'sigma': sigma,
    }


def points_test(frame: ScaleFrame, lidar: Floats, seed: int) -> dict[str, float]:
    """
    Measure the scale with a tenth of the lidar and test it on the rest.

    :returns: abs_rel on the rest with that scale, and with the median of the rest itself.
    """
    random = np.random.default_rng(seed)
    mine = random.random(len(lidar)) < 0.1
    found = from_points(frame, lidar[mine], np.eye(4))
    assert isinstance(found, Measurement)
    rows, columns, z = in_view(frame.camera, lidar[~mine])
    # the crop of Garg et al. and the cap at 80 m, as everybody evaluates
    height, width = frame.values.shape
    inside = (rows >= 0.40810811 * height) & (rows < 0.99189189 * height) & (z < 80)
    inside &= (columns >= 0.03594771 * width) & (columns < 0.96405229 * width)
    rows, columns, z = rows[inside], columns[inside], z[inside]
    u = unscaled(frame.values[rows, columns], SPEC, frame.focal)

    def abs_rel(scale: float) -> float:
        return float(np.mean(np.abs(np.clip(scale * u, 0.001, 80) - z) / z))

    scale = math.exp(found.value[0])
    return {
        'scale': scale,
        'abs_rel_points': abs_rel(scale),
        'abs_rel_median': abs_rel(float(np.median(z) / np.median(u))),
    }


def odometry_test(frames: list[ScaleFrame], poses: list[Floats]) -> dict[str, float]:
    """
    Find the scale by the poses, over the whole sequence and over its halves.

    :returns: the scale, the relative difference of the halves, and that from 5.4.
    """
    def found(first: int) -> list[float]:
        keeper = ScaleKeeper(Config().replaced({'scale.source': 'odometry'}), SPEC)
        values = []
        for frame, pose in zip(frames[first:], poses[first:], strict=True):
            keeper.add(frame.stamp, PoseReading(pose))
            values.append(keeper.update(frame).value)
        return values

    middle = len(frames) // 2
    values = found(0)
    whole, one, other = values[-1], values[middle - 1], found(middle)[-1]
    return {
        'scale': whole,
        'first_half': one,
        'second_half': other,
        'halves': abs(one / other - 1),
        'against_5.4': abs(whole / 5.4 - 1),
    }
