"""
The motion between two frames, solved for instead of learned.

Wang, Buenaposada, Zhu and Lucey, "Learning Depth from Monocular Videos using Direct Methods",
CVPR 2018: given the predicted depth, the pose is the one at which the warped source matches the
target. Gauss-Newton on SE(3), coarse to fine, inverse compositional: Baker and Matthews,
"Lucas-Kanade 20 Years On", IJCV 2004, section 3.2.

No gradient passes through the pose, and none is needed: at the minimum of the error a change of
the pose has no first-order effect, so the loss at this pose has the full gradient of the depth.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

from depth_node.training.view_synthesis import (
    back_project,
    full_precision,
    halved,
    inverse,
    move,
    project,
    sample,
    transform,
    visible,
)

COARSEST = 16
"""Minimum side of the coarsest image (pixels)."""
ROUNDS = (10, 6, 4)
"""Steps of the solver on the coarsest image, the next one, and all finer ones."""
SIDEWAYS = 0.01
"""
Weight of the prior that the camera does not move sideways, relative to the image data.

While the depth is constant, as at the beginning of training, a sideways motion looks like a
rotation; without the prior all rotations are taken for sideways motions. With the true depth the
prior costs a tenth of a degree.
"""
DAMPING = 1e-3
FARTHEST = 0.3
"""Maximum step of the solver (rad, and shares of the mean depth)."""


@torch.no_grad()
def align(
    target: Tensor,
    source: Tensor,
    depth: Tensor,
    intrinsics: Tensor,
    length: Tensor | None = None,
) -> Tensor:
    """
    Return the pose at which the source, warped with the depth, best matches the target.

    :param target: float (B, 3, H, W), rgb 0 to 1.
    :param source: float (B, 3, H, W), rgb 0 to 1.
    :param depth: float (B, 1, H, W) of the target, positive (m, or up to scale).
    :param intrinsics: float (B, 3, 3) of both (pixels).
    :param length: known length of the translation (unit of the depth), float (B,), NaN where
        unknown. None: unknown.
    :returns: float (B, 4, 4), from the target's camera frame to the source's; no gradient.
    """
    with full_precision(target):
        target, source = (x.float().mean(1, keepdim=True) for x in (target, source))
        # in units of the mean depth, so that nothing below depends on the scale
        unit = depth.float().mean((1, 2, 3))
        depth = depth.float() / unit.view(-1, 1, 1, 1)
        length = None if length is None else length / unit
        top = 0
        while min(target.shape[-2:]) >> (top + 1) >= COARSEST:
            top += 1
        pose = _turn(target, source, intrinsics, top + 1)
        for number, scale in enumerate(range(top, -1, -1)):
            level = _level(target, source, depth, intrinsics, scale)
            for _ in range(ROUNDS[min(number, len(ROUNDS) - 1)]):
                pose = pose @ inverse(transform(*_step(level, pose)))
                if number:  # on the coarsest picture the way has to find its direction first
                    pose = _with_length(pose, length)
        pose = _with_length(pose, length)
        pose[:, :3, 3] *= unit[:, None]
        return pose


@dataclass(frozen=True)
class _Level:
    """
    The constant data of the solver at one resolution of N pixels.

    :param target: (B, 1, h, w).
    :param source: (B, 1, h, w).
    :param points: (B, 3, h, w) in the target's camera frame.
    :param intrinsics: (B, 3, 3).
    :param slopes: (B, N, 6), derivative of the target's brightness with respect to a rotation
        and a translation of the points.
    """

    target: Tensor
    source: Tensor
    points: Tensor
    intrinsics: Tensor
    slopes: Tensor


def _level(
    target: Tensor, source: Tensor, depth: Tensor, intrinsics: Tensor, scale: int
) -> _Level:
    target, source = (functional.avg_pool2d(x, 2**scale) for x in (target, source))
    depth = 1 / functional.avg_pool2d(1 / depth, 2**scale)
    k = halved(intrinsics, scale)
    points = back_project(depth, k)
    x, y, z = points.flatten(2).unbind(1)
    padded = functional.pad(target, (1, 1, 1, 1), mode='replicate')
    du = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]).flatten(1) / 2
    dv = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]).flatten(1) / 2
    # brightness by the point: through u = fx x / z + cx and v likewise
    by_x, by_y = du * k[:, 0, 0, None] / z, dv * k[:, 1, 1, None] / z
    by_z = -(by_x * x + by_y * y) / z
    # the point moves by w x p + v
    turns = (by_z * y - by_y * z, by_x * z - by_z * x, by_y * x - by_x * y)
    return _Level(target, source, points, k, torch.stack((*turns, by_x, by_y, by_z), -1))


def _step(level: _Level, pose: Tensor) -> tuple[Tensor, Tensor]:
    """Return the Gauss-Newton step at the current pose, and its weight."""
    points = move(level.points, pose)
    pixels = project(points, level.intrinsics)
    seen = visible(points, pixels, *level.source.shape[-2:]).flatten(1).float()
    read, target = sample(level.source, pixels).flatten(1), level.target.flatten(1)
    residual = _exposed_as(target, read, seen) - target
    # Cauchy's weights: what the depth does not explain, or hides, pulls little
    usual = (residual.abs() * seen).sum(1, keepdim=True) / seen.sum(1, keepdim=True).clamp(min=1)
    weight = seen / (1 + (residual / (1.5 * usual + 1e-4)).square())
    weighted = (level.slopes * weight[..., None]).transpose(1, 2)
    normal = weighted @ level.slopes
    right = (weighted @ residual[..., None])[..., 0]
    curvature = normal.diagonal(dim1=1, dim2=2)
    prior = torch.zeros_like(right)
    prior[:, 3:5] = SIDEWAYS * curvature[:, 3:5].mean(1, keepdim=True)
    # the present translation, in the target's axes as the step is
    place = (pose[:, :3, :3].transpose(1, 2) @ pose[:, :3, 3:])[..., 0]
    right[:, 3:] += prior[:, 3:] * place
    normal = normal + torch.diag_embed(prior + DAMPING * curvature + 1e-6)
    step = torch.linalg.solve(normal, right).clamp(-FARTHEST, FARTHEST)
    return step[:, :3], step[:, 3:]


def _exposed_as(target: Tensor, read: Tensor, seen: Tensor) -> Tensor:
    """Match brightness and contrast of the warped source to the target (exposure changes)."""
    count = seen.sum(1, keepdim=True).clamp(min=1)
    middle = (read * seen).sum(1, keepdim=True) / count
    away = (read - middle) * seen
    wanted = (target * seen).sum(1, keepdim=True) / count
    spread = ((target - wanted) * seen).square().sum(1, keepdim=True)
    gain = ((spread + 1e-6) / (away.square().sum(1, keepdim=True) + 1e-6)).sqrt()
    return (read - middle) * gain.clamp(0.5, 2.0) + wanted


def _with_length(pose: Tensor, length: Tensor | None) -> Tensor:
    if length is None:
        return pose
    way = pose[:, :3, 3]
    factor = length / way.norm(dim=1).clamp(min=1e-6)
    factor = torch.where(factor.isfinite(), factor, 1.0)
    pose = pose.clone()
    pose[:, :3, 3] = way * factor[:, None]
    return pose


def _turn(target: Tensor, source: Tensor, intrinsics: Tensor, scale: int) -> Tensor:
    """Estimate the rotation from the shift of the whole image at a coarse resolution."""
    target, source = (functional.avg_pool2d(x, 2**scale) for x in (target, source))
    height, width = target.shape[-2:]
    reach = range(-(width // 3), width // 3 + 1)
    # the smallest first: where nothing can be distinguished it wins
    shifts = sorted(product(reach, (-1, 0, 1)), key=lambda uv: abs(uv[0]) + abs(uv[1]))
    errors = []
    for u, v in shifts:
        here = target[..., max(-v, 0) : height - max(v, 0), max(-u, 0) : width - max(u, 0)]
        there = source[..., max(v, 0) : height + min(v, 0), max(u, 0) : width + min(u, 0)]
        difference = here - there
        # exposures may differ
        difference = difference - difference.mean((1, 2, 3), keepdim=True)
        errors.append(difference.abs().mean((1, 2, 3)))
    best = target.new_tensor(shifts)[torch.stack(errors, 1).argmin(1)]
    k = halved(intrinsics, scale)
    angle = torch.zeros_like(k[:, 0])
    angle[:, 0], angle[:, 1] = -best[:, 1] / k[:, 1, 1], best[:, 0] / k[:, 0, 0]
    return transform(angle, torch.zeros_like(angle))
