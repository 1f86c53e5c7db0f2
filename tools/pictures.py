"""
Make the pictures of the README from the synthetic world, with the network in the package.

    python tools/pictures.py [FOLDER]

`make pictures` runs it; it writes doc/images/. The same weights give the same pictures.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import inspect
from itertools import islice
import math
from pathlib import Path
import tempfile

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_node import Camera, Config, DepthEstimator, open_model
from depth_node.cloud.pipeline import PointsPipeline
from depth_node.files import replacing
from depth_node.image.color_range import color_range
from depth_node.mapping.floor_plan import floor_plan, PlanOptions
from depth_node.mapping.fusion import MapOptions, Mapper
from depth_node.mapping.poses import Matching, open_poses
from depth_node.output.occupancy import write_map
from depth_node.output.sheet import frame_panels, Panel, sheet, top_view
from depth_node.sources.frame import Frame
from depth_node.sources.frames import open_source
from depth_node.world import World

IMAGES = Path(__file__).parents[1] / 'doc' / 'images'
ROOM, PLAIN_ROOM = 'home:14', 'world:1'
"""A lived-in room, and a plain one, which the network in the package knows better."""
LAP, LAP_FRAMES = 40.0, 80
"""Duration of the drive that is mapped (s), and how many of its frames are used."""
SIZE, HFOV_DEG = (400, 300), 75.0
MOST_BYTES = 200_000
_SHADES = 4
"""Colors are rounded to multiples of this, which halves the file and cannot be seen."""
_PAPER = 250
_PITCH = math.radians(32)
"""How far the view from behind looks down."""
_AWAY, _WITHIN, _MARGIN = 0.8, (0.2, 99.8), 4
"""Its distance from the middle of the cloud, as a share of the size of the cloud; the part of the
points that must be in the picture (percentiles), and its margin (pixels)."""
_CEILING, _UNKNOWN = 2.0, 128
"""Height from which on views from above leave points out (m); gray of unknown cells of a map."""
_FINER = 2
"""How many times the size of the picture the image is whose cloud is drawn."""

Picture = NDArray[np.uint8]


def look(room: str, size: tuple[int, int]) -> tuple[Frame, NDArray[np.float32]]:
    """
    Estimate the depth of the first frame of a room.

    :param room: `home:SEED` or `world:SEED`.
    :param size: of the image (pixels).
    :returns: the frame with its truth, and the depth (m).
    """
    frame = next(iter(open_source(room, Camera.from_hfov(*size, HFOV_DEG))))
    estimator = DepthEstimator(open_model('embedded'))
    try:
        depth = estimator.estimate(frame).depth
    finally:
        estimator.close()
    assert depth is not None
    return frame, depth


def depth_picture(size: tuple[int, int]) -> Picture:
    """Draw what `depth-node predict --write sheet` draws."""
    frame, depth = look(ROOM, size)
    assert frame.depth is not None
    ends = color_range(depth, frame.depth)
    return sheet(frame_panels(frame.rgb, depth, frame.depth, *ends), columns=2)


def cloud_picture(size: tuple[int, int]) -> Picture:
    """Draw the cloud from behind the camera, and from above with the laser scan."""
    frame, depth = look(PLAIN_ROOM, (_FINER * size[0], _FINER * size[1]))
    assert frame.camera is not None
    camera = inspect.signature(World).parameters
    config = Config().replaced({
        'ground.camera_height': camera['camera_height'].default,
        'ground.camera_pitch_deg': camera['tilt'].default,
    })
    planned = PointsPipeline(frame.camera, config).process(depth, frame.rgb, scan=True)
    assert planned.scan is not None
    optical = np.dstack([frame.camera.rays() * depth[..., None], depth]).reshape(-1, 3)
    known = np.isfinite(optical).all(1)
    points, colors = optical[known], frame.rgb.reshape(-1, 3)[known]
    ranges, geometry = planned.scan.ranges, planned.scan.geometry
    angles = geometry.angle_min + geometry.angle_increment * np.arange(len(ranges))
    with np.errstate(invalid='ignore'):
        ends = np.stack([-np.sin(angles) * ranges, np.cos(angles) * ranges], 1)
    reach = float(np.ceil(np.percentile(points[:, 2], 99)))
    low = points[:, 1] > config.ground.camera_height - _CEILING
    above = top_view(points[low], colors[low], size, reach, ends.astype(np.float32))
    return sheet([
        Panel('point cloud, from behind the camera', from_behind(points, colors, size)),
        Panel('from above, with the laser scan (red)', above),
    ], columns=2)


def map_picture(size: tuple[int, int], frames: int = LAP_FRAMES) -> Picture:
    """Draw what `depth-node reconstruct` makes of a drive: a mesh, and a map for navigation."""
    source = open_source(
        PLAIN_ROOM, Camera.from_hfov(*size, HFOV_DEG), rate=frames / LAP
    )
    poses = open_poses(source, '', Matching())
    estimator = DepthEstimator(open_model('embedded'))
    mapper = Mapper(MapOptions(far=4.0, voxel=0.04, min_weight=2.0))
    for number, frame in enumerate(islice(source, frames)):
        found = estimator.measure(estimator.predict(frame), frame, confidence=True)
        assert found.depth is not None
        assert frame.camera is not None
        pose = poses.of(frame, number)
        mapper.add(frame.rgb, found.depth, found.confidence, frame.camera, pose)
    estimator.close()
    cloud = mapper.points(poses.up)
    plan = floor_plan(cloud, PlanOptions(), mapper.way(poses.up))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'map.pgm'
        write_map(path, plan)
        pixels = np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8)
    pixels = np.asarray(cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE))  # x ahead, as there
    # x ahead, y to the left and z up become x to the right, y down and z ahead; no ceiling
    turn = np.array([[0, -1, 0], [0, 0, -1], [1, 0, 0]])
    shown = cloud.points[:, 2] - plan.floor.under(cloud.points) < _CEILING
    inside = from_behind(
        (cloud.points[shown] @ turn.T).astype(np.float32), cloud.rgb[shown], size,
        cloud.normals[shown] @ turn.T,
    )
    return sheet([
        Panel('a drive, fused to a map', inside),
        Panel('map for Nav2: free (white), occupied (black)', _fitted(pixels, size)),
    ], columns=2)


def _fitted(pixels: Picture, size: tuple[int, int]) -> Picture:
    """Enlarge a map, and put it into the middle of a picture."""
    times = min(size[0] / pixels.shape[1], size[1] / pixels.shape[0])
    large = cv2.resize(pixels, None, fx=times, fy=times, interpolation=cv2.INTER_NEAREST)
    picture = np.full((size[1], size[0]), _UNKNOWN, np.uint8)
    top, left = ((whole - part) // 2 for whole, part in zip(
        picture.shape, large.shape, strict=True
    ))
    picture[top:top + large.shape[0], left:left + large.shape[1]] = large
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))


def eye(points: NDArray[np.float32]) -> NDArray[np.float64]:
    """
    Return the place from which a cloud is drawn: behind and above its camera.

    :param points: float32 (N, 3), optical frame (m).
    :returns: float64 (3,), optical frame (m); the middle of the cloud is straight ahead.
    """
    low, high = np.percentile(points, _WITHIN, axis=0)
    away = _AWAY * float(np.linalg.norm(high - low))
    back = np.array([0.0, math.sin(_PITCH), math.cos(_PITCH)])
    return np.asarray((low + high) / 2 - away * back)


def from_behind(
    points: NDArray[np.float32], colors: Picture, size: tuple[int, int],
    normals: NDArray[np.float64] | None = None,
) -> Picture:
    """
    Draw a cloud as it looks from a place behind and above the camera.

    :param points: float32 (N, 3), optical frame (m).
    :param colors: uint8 (N, 3), red, green, blue.
    :param size: width and height of the picture (pixels).
    :param normals: float64 (N, 3); with them, surfaces that are seen from their back are left
        out, so that one looks into a room.
    :returns: uint8 (H, W, 3), blue, green, red.
    """
    width, height = size
    cos, sin = math.cos(_PITCH), math.sin(_PITCH)
    if normals is not None:
        facing = (normals * (eye(points) - points)).sum(1) > 0
        points, colors = points[facing], colors[facing]
    turned = (points - eye(points)) @ np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]])
    z = turned[:, 2]
    across, down = turned[:, 0] / z, turned[:, 1] / z
    left, right = np.percentile(across, _WITHIN)
    top, bottom = np.percentile(down, _WITHIN)
    focal = min((width - 2 * _MARGIN) / (right - left), (height - 2 * _MARGIN) / (bottom - top))
    columns = np.rint(width / 2 + focal * (across - (left + right) / 2)).astype(np.int64)
    rows = np.rint(height / 2 + focal * (down - (top + bottom) / 2)).astype(np.int64)
    picture = np.full((height, width, 3), _PAPER, np.uint8)
    order = np.argsort(-z, kind='stable')
    for below in (1, 0):
        for beside in (1, 0):
            r, c = rows[order] + below, columns[order] + beside
            inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
            picture[r[inside], c[inside]] = colors[order][inside][:, ::-1]
    return picture


PICTURES: dict[str, Callable[[tuple[int, int]], Picture]] = {
    'depth.png': depth_picture, 'cloud.png': cloud_picture, 'map.png': map_picture,
}
"""What is drawn, by file."""


def write(path: Path, picture: Picture) -> None:
    """
    Write a small PNG.

    :param path: the file.
    :param picture: uint8 (H, W, 3), blue, green, red.
    :raises SystemExit: it is too large for a README.
    """
    few = picture // _SHADES * _SHADES + _SHADES // 2
    data = cv2.imencode('.png', few, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes()
    if len(data) > MOST_BYTES:
        raise SystemExit(f'{path}: {len(data)} bytes, expected at most {MOST_BYTES}.')
    with replacing(path) as temporary:
        temporary.write_bytes(data)
    print(f'{path}: {len(data) / 1000:.0f} kB')


def main(folder: Path = IMAGES, size: tuple[int, int] = SIZE) -> None:
    """
    Write all pictures.

    :param folder: where to.
    :param size: of the camera's image (pixels).
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in PICTURES.items():
        write(folder / name, draw(size))


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', nargs='?', type=Path, default=IMAGES)
    main(parser.parse_args().folder)
