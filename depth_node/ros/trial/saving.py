"""What the trial leaves for eyes: pictures, a cloud, and one sheet of all of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image, LaserScan, PointCloud2

from depth_node.image.color_range import color_range
from depth_node.output.ply import write_ply
from depth_node.output.sheet import frame_panels, Panel, sheet, top_view
from depth_node.output.writers import write_npy, write_picture
from depth_node.ros import messages
from depth_node.scale.point_fields import cloud_of

REACH = 8.0
"""How far the view from above goes without a point (m)."""


@dataclass(frozen=True)
class Seen:
    """
    One frame and what was published of it.

    :param rgb: uint8 (H, W, 3), or None.
    :param depth: float32 (H, W) (m), of the same frame, or None.
    :param truth: float32 (H, W) (m), of the same frame, or None.
    :param color: the last picture of depth, or None.
    :param cloud: the last cloud, or None.
    :param scan: the last scan, or None.
    """

    rgb: NDArray[np.uint8] | None = None
    depth: NDArray[np.float32] | None = None
    truth: NDArray[np.float32] | None = None
    color: Image | None = None
    cloud: PointCloud2 | None = None
    scan: LaserScan | None = None


def save(seen: Seen, out: Path) -> None:
    """
    Write pictures, cloud and sheet.

    :param seen: what there is.
    :param out: the folder, which is made.
    :raises DataError: it cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    panels = []
    if seen.rgb is not None:
        bgr = cv2.cvtColor(seen.rgb, cv2.COLOR_RGB2BGR)
        write_picture(out / 'camera.png', bgr)
        panels.append(Panel('camera', bgr))
    if seen.color is not None:
        rgb = messages.rgb_from_msg(seen.color)
        write_picture(out / 'depth_color.png', cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    if seen.depth is not None:
        write_npy(out / 'depth.npy', seen.depth)
        shown = (seen.depth,) if seen.truth is None else (seen.depth, seen.truth)
        panels = frame_panels(seen.rgb, seen.depth, seen.truth, *color_range(*shown))
    if seen.cloud is not None:
        points, colors = _cloud(seen.cloud)
        write_ply(out / 'points.ply', points, colors, upright=True)
        if panels:
            height, width = panels[0].picture.shape[:2]
            reach = float(np.ceil(np.percentile(points[:, 2], 99))) if len(points) else REACH
            plain = top_view(points, colors, (width, height), reach)
            panels.append(Panel('cloud from above', plain))
            if seen.scan is not None:
                above = top_view(points, None, (width, height), reach, _ends(seen.scan))
                panels.append(Panel('cloud (gray) and laser scan (red)', above))
    if panels:
        write_picture(out / 'sheet.png', sheet(panels))


def _cloud(cloud: PointCloud2) -> tuple[NDArray[np.float32], NDArray[np.uint8] | None]:
    """Return the valid points, and their colors where they have some."""
    points, packed = cloud_of(cloud)
    good = np.isfinite(points[:, 2])
    colors: NDArray[np.uint8] | None = None
    if packed is not None:
        colors = np.stack([packed >> 16, packed >> 8, packed], axis=1).astype(np.uint8)[good]
    return points[good], colors


def _ends(scan: LaserScan) -> NDArray[np.float32]:
    """Return where the beams end: x to the right, z forward (m)."""
    ranges = np.array(scan.ranges, np.float32)
    angles = scan.angle_min + scan.angle_increment * np.arange(len(ranges))
    with np.errstate(invalid='ignore'):  # a free beam has no end
        return np.stack([-np.sin(angles) * ranges, np.cos(angles) * ranges], 1).astype(np.float32)
