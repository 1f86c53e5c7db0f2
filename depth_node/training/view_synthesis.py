"""
View synthesis: a source frame warped to the viewpoint of the target.

Zhou, Brown, Snavely and Lowe, "Unsupervised Learning of Depth and Ego-Motion from Video", CVPR
2017, section 3.2: back-project the target's pixels with its depth, transform them, project them
into the source, and sample the source there. Everything is differentiable.

Frames: optical (x right, y down, z forward), metres. Pixels (u, v): the centre of the first
pixel is (0, 0). Normalized coordinates go from -1 at the centre of the first pixel to 1 at the
centre of the last, which is grid_sample's ``align_corners=True``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

NEAREST = 1e-3
"""Points nearer than this to the camera are treated as behind it (m)."""


def full_precision(like: Tensor) -> torch.autocast:
    """
    Disable mixed precision, in which pixel coordinates would be wrong by whole pixels.

    :param like: a tensor on the device.
    :returns: a context manager.
    """
    return torch.autocast(like.device.type, enabled=False)


def hat(vector: Tensor) -> Tensor:
    """
    Return the matrix of the cross product.

    :param vector: float (..., 3).
    :returns: float (..., 3, 3), skew-symmetric; its product with b is vector x b.
    """
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    rows = (zero, -z, y, z, zero, -x, -y, x, zero)
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def rotation(axis_angle: Tensor) -> Tensor:
    """
    Convert an axis-angle vector to a rotation matrix (Rodrigues' formula).

    R = I + a K + b K^2 with K the hat of the vector, a = sin t / t and b = (1 - cos t) / t^2.
    At small angles both are computed from their series, so value and gradient exist at zero.

    :param axis_angle: float (..., 3), direction the axis, length the angle t (rad).
    :returns: float (..., 3, 3).
    """
    square = (axis_angle * axis_angle).sum(-1)[..., None, None]
    small = square < 1e-4
    safe = torch.where(small, torch.ones_like(square), square)
    angle = safe.sqrt()
    a = torch.where(small, 1 - square / 6 + square**2 / 120, angle.sin() / angle)
    # 2 sin^2(t/2) is 1 - cos t without the cancellation
    b = torch.where(
        small, 0.5 - square / 24 + square**2 / 720, 2 * (angle / 2).sin() ** 2 / safe
    )
    k = hat(axis_angle)
    with full_precision(k):
        return torch.eye(3, dtype=k.dtype, device=k.device) + a * k + b * (k @ k)


def transform(axis_angle: Tensor, translation: Tensor) -> Tensor:
    """
    Return the rigid transform of a pose vector: rotation, then translation.

    :param axis_angle: float (..., 3) (rad).
    :param translation: float (..., 3) (m).
    :returns: float (..., 4, 4) in SE(3).
    """
    top = torch.cat((rotation(axis_angle), translation[..., None]), -1)
    bottom = top.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*top.shape[:-2], 1, 4)
    return torch.cat((top, bottom), -2)


def inverse(pose: Tensor) -> Tensor:
    """
    Invert rigid transforms.

    :param pose: float (..., 4, 4) in SE(3).
    :returns: float (..., 4, 4).
    """
    turned = pose[..., :3, :3].transpose(-1, -2)
    with full_precision(pose):
        top = torch.cat((turned, -turned @ pose[..., :3, 3:]), -1)
    return torch.cat((top, pose[..., 3:, :]), -2)


def pixel_grid(height: int, width: int, like: Tensor) -> Tensor:
    """
    Return the coordinates of every pixel.

    :param height: rows.
    :param width: columns.
    :param like: gives type and device.
    :returns: float (2, height, width): u, then v.
    """
    v, u = torch.meshgrid(
        torch.arange(height, dtype=like.dtype, device=like.device),
        torch.arange(width, dtype=like.dtype, device=like.device),
        indexing='ij',
    )
    return torch.stack((u, v))


def back_project(depth: Tensor, intrinsics: Tensor) -> Tensor:
    """
    Back-project every pixel to a point: depth K^-1 (u, v, 1).

    :param depth: float (B, 1, H, W) along the optical axis (m).
    :param intrinsics: float (B, 3, 3), a pinhole camera (pixels).
    :returns: float (B, 3, H, W) in the camera's optical frame (m).
    """
    u, v = pixel_grid(depth.shape[-2], depth.shape[-1], depth)
    fx, fy, cx, cy = _pinhole(intrinsics)
    return torch.cat(((u - cx) / fx * depth, (v - cy) / fy * depth, depth), dim=1)


def move(points: Tensor, pose: Tensor) -> Tensor:
    """
    Transform points to another frame.

    :param points: float (B, 3, H, W) (m).
    :param pose: float (B, 4, 4), from their frame to the other.
    :returns: float (B, 3, H, W) (m).
    """
    with full_precision(points):
        moved = pose[:, :3, :3] @ points.flatten(2) + pose[:, :3, 3:]
    return moved.view_as(points)


def project(points: Tensor, intrinsics: Tensor) -> Tensor:
    """
    Project points to pixels.

    :param points: float (B, 3, H, W) in the camera's optical frame (m); those behind the camera
        get meaningless coordinates, see :func:`visible`.
    :param intrinsics: float (B, 3, 3), a pinhole camera (pixels).
    :returns: float (B, 2, H, W): u, then v (pixels).
    """
    fx, fy, cx, cy = _pinhole(intrinsics)
    x, y, z = points.split(1, dim=1)
    z = z.clamp(min=NEAREST)
    return torch.cat((fx * x / z + cx, fy * y / z + cy), dim=1)


def _pinhole(intrinsics: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    k = intrinsics[:, :, :, None, None, None]
    return k[:, 0, 0], k[:, 1, 1], k[:, 0, 2], k[:, 1, 2]


def visible(points: Tensor, pixels: Tensor, height: int, width: int) -> Tensor:
    """
    Return which points are in front of the camera and inside its image.

    :param points: float (B, 3, H, W) in that camera's frame (m).
    :param pixels: float (B, 2, H, W), their projections (pixels).
    :param height: rows of the image.
    :param width: columns of the image.
    :returns: bool (B, 1, H, W).
    """
    u, v = pixels.split(1, dim=1)
    inside = (u >= 0) & (u <= width - 1) & (v >= 0) & (v <= height - 1)
    return inside & (points[:, 2:] > NEAREST)


def sample(image: Tensor, pixels: Tensor) -> Tensor:
    """
    Sample an image bilinearly; outside, the border is repeated.

    :param image: float (B, C, H, W).
    :param pixels: float (B, 2, h, w): u, then v (pixels of the image).
    :returns: float (B, C, h, w).
    """
    height, width = image.shape[-2:]
    half = pixels.new_tensor([max(width - 1, 1) / 2, max(height - 1, 1) / 2])
    grid = pixels.permute(0, 2, 3, 1) / half - 1
    return functional.grid_sample(
        image, grid, mode='bilinear', padding_mode='border', align_corners=True
    )


def halved(intrinsics: Tensor, scale: int) -> Tensor:
    """
    Return the intrinsics of an image that is downscaled by averaging blocks of pixels.

    :param intrinsics: float (B, 3, 3) (pixels).
    :param scale: number of halvings.
    :returns: float (B, 3, 3) (pixels of the smaller image).
    """
    factor = 0.5**scale
    offset = (1 - 2**scale) / 2  # from a block's first pixel to its middle
    k = intrinsics.clone()
    k[:, 0, 2] += offset
    k[:, 1, 2] += offset
    k[:, :2] *= factor
    return k


@dataclass(frozen=True)
class Warp:
    """
    A source frame warped to the target.

    :param image: float (B, C, H, W), the source sampled at the projections of the target's pixels.
    :param flow: float (B, 2, H, W), the rigid flow (pixels).
    :param valid: bool (B, 1, H, W), false where a pixel projects outside or behind the source.
    """

    image: Tensor
    flow: Tensor
    valid: Tensor


def warp(
    source: Tensor,
    depth: Tensor,
    pose: Tensor,
    intrinsics: Tensor,
    source_intrinsics: Tensor | None = None,
) -> Warp:
    """
    Synthesize the target view from a source frame.

    :param source: float (B, C, H, W).
    :param depth: float (B, 1, H, W) of the target (m).
    :param pose: float (B, 4, 4), from the target's camera frame to the source's.
    :param intrinsics: float (B, 3, 3) of the target (pixels).
    :param source_intrinsics: float (B, 3, 3) of the source; None: the target's.
    :returns: the warped source, the flow, and where they are valid.
    """
    points = move(back_project(depth, intrinsics), pose)
    pixels = project(points, intrinsics if source_intrinsics is None else source_intrinsics)
    valid = visible(points, pixels, *source.shape[-2:])
    flow = pixels - pixel_grid(depth.shape[-2], depth.shape[-1], depth)
    return Warp(sample(source, pixels), flow, valid)
