"""Another camera each time a frame is used: where it stands, what it zooms to, how it sees."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from depth_node.training.embedded.cameras import Cameras
from depth_node.training.embedded.frames import WHITEST
from depth_node.training.embedded.jpeg import constant

_GRAY = 0.05  # share of the frames without color
_SWAPPED = 0.15  # share of the frames whose colors change places
_ZOOMED = 0.6  # share of the frames that are zoomed into
_WIDE, _WIDEST = 0.4, 4 / 3  # share of those that are of a wide camera; up to 16:9
_SHADED = 0.3  # share of the frames that lie in a light and shade of their own
_SHADES = 0.35  # deviation of its logarithm
_ORDERS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))


def light(packed: Tensor) -> Tensor:
    """
    Unpack what :func:`depth_node.training.embedded.frames.stored` packed.

    :param packed: uint8 or float, any shape, 0 to 255.
    :returns: float of the same shape, linear.
    """
    return WHITEST * (packed / 255) ** 2


def taken(
    images: Tensor, depths: Tensor, generator: torch.Generator, cameras: Cameras,
    zoom: float,
) -> tuple[Tensor, Tensor]:
    """
    Take a picture of each frame: mirror, zoom into and recolor it.

    :param images: uint8 or float (B, H, W, 3), light as it is kept.
    :param depths: float (B, H, W), canonical.
    :param generator: where the randomness comes from; on the device of the frames.
    :param cameras: to choose from.
    :param zoom: the most to zoom in; 1: frames stay whole, and are neither mirrored nor recolored
        in any other way than by their camera.
    :returns: rgb float (B, 3, H, W), 0 to 1, and canonical depth float32 (B, 1, H, W), which
        zooming in makes smaller, as a longer lens does. Pictures of wide cameras are squeezed to
        4:3 as before the network; their depth is that of the vertical focal length.
    """
    count, device = len(images), images.device
    kept = images.permute(0, 3, 1, 2).float()
    truth = depths[:, None].float()
    if zoom > 1:
        kept, truth = _zoomed(kept, truth, generator, zoom)
    radiance = light(kept)
    if zoom > 1:
        radiance = _recolored(radiance, generator)
    which = torch.randint(len(cameras), (count,), generator=generator, device=device)
    return cameras.chosen(which).pictures(radiance, generator), truth


def _zoomed(
    kept: Tensor, truth: Tensor, generator: torch.Generator, zoom: float
) -> tuple[Tensor, Tensor]:
    count, device = len(kept), kept.device
    some = torch.rand((7, count), generator=generator, device=device)
    one = torch.ones_like(some[0])
    near = some[0] < _ZOOMED
    columns = torch.where(near, 1 / (1 + (zoom - 1) * some[1]), one)
    wide = near & (some[2] < _WIDE)
    rows = torch.where(wide, columns / (1 + (_WIDEST - 1) * some[3]), columns)
    # the middle of what is seen, where the picture reaches from -1 to 1
    x, y = (2 * some[4] - 1) * (1 - columns), (2 * some[5] - 1) * (1 - rows)
    across = torch.where(some[6] < 0.5, -columns, columns)
    nothing = torch.zeros_like(one)
    place = torch.stack([
        torch.stack([across, nothing, x], -1), torch.stack([nothing, rows, y], -1)
    ], 1)
    grid = functional.affine_grid(place, list(kept.shape), align_corners=False)
    kept = functional.grid_sample(kept, grid, padding_mode='border', align_corners=False)
    truth = functional.grid_sample(
        truth, grid, mode='nearest', padding_mode='border', align_corners=False
    )
    return kept, truth * rows[:, None, None, None]


def _recolored(radiance: Tensor, generator: torch.Generator) -> Tensor:
    count, device = len(radiance), radiance.device
    some = torch.rand((3, count), generator=generator, device=device)[..., None, None, None]
    orders = constant(_ORDERS, device).long()
    which = torch.randint(len(orders), (count,), generator=generator, device=device)
    order = orders[which][:, :, None, None].expand_as(radiance)
    radiance = torch.where(some[0] < _SWAPPED, radiance.gather(1, order), radiance)
    gray = radiance.mean(1, keepdim=True)
    radiance = torch.where(some[1] < _GRAY, gray, radiance)
    coarse = torch.randn((count, 1, 4, 5), generator=generator, device=device)
    shades = functional.interpolate(
        coarse, size=radiance.shape[2:], mode='bicubic', align_corners=True
    )
    return torch.where(some[2] < _SHADED, radiance * (_SHADES * shades).exp(), radiance)
