"""
A pose network that compares features of the two frames.

With stacked frames (see ``pose.py``) the first convolutions must learn what moved where, which
takes tens of thousands of steps. Here the features of both frames are compared at every shift
within a range, as in optical-flow networks (Dosovitskiy et al., "FlowNet", ICCV 2015, section 3).
Even random features match themselves, so the remaining layers have useful input from the first
step on. Intended for short runs on the recordings of one robot.
"""

from __future__ import annotations

import torch
from torch import nn, Tensor
from torch.nn import functional

FINE, COARSE = 2, 4
"""Maximum shifts, in cells of 4 and of 8 pixels."""
SMALLEST = 0.01


def correlation(first: Tensor, second: Tensor, reach: int) -> Tensor:
    """
    Compare each cell with the cells around the same position in another image.

    :param first: float (B, C, H, W), features of unit length.
    :param second: float (B, C, H, W), features of unit length.
    :param reach: maximum shift (cells).
    :returns: float (B, (2 reach + 1)^2, H, W): the product of the features at (y, x) and at
        (y + dy, x + dx), row by row of shifts; 0 beyond the border.
    """
    height, width = first.shape[-2:]
    padded = functional.pad(second, (reach,) * 4)
    shifts = range(2 * reach + 1)
    return torch.stack(
        [
            (first * padded[..., dy : dy + height, dx : dx + width]).sum(1)
            for dy in shifts
            for dx in shifts
        ],
        dim=1,
    )


def _conv(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class CorrelationPoseNetwork(nn.Module):
    """Estimates axis-angle and translation between two frames by comparing features."""

    def __init__(self) -> None:
        super().__init__()
        fine, coarse = ((2 * reach + 1) ** 2 for reach in (FINE, COARSE))
        self.fine = nn.Sequential(_conv(3, 16, 2), _conv(16, 32, 2))
        self.coarse = _conv(32, 32, 2)
        # two more channels say where a cell is: the same shift means another motion elsewhere
        self.read_fine = _conv(fine + 2, 64, 2)
        self.read_coarse = _conv(64 + coarse + 2, 96, 1)
        self.rest = nn.Sequential(_conv(96, 96, 2), _conv(96, 96, 1))
        self.head = nn.Conv2d(96, 6, 1)

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """
        Estimate the pose from the first camera frame to the second.

        :param first: float (B, 3, H, W), rgb 0 to 1.
        :param second: float (B, 3, H, W), rgb 0 to 1.
        :returns: axis-angle (B, 3) (rad) and translation (B, 3) (the depth's unit).
        """
        both = torch.cat((first, second))
        fine = self.fine((both - 0.45) / 0.225)
        coarse = self.coarse(fine)
        x = self.read_fine(_compared(fine, FINE))
        other = _compared(coarse, COARSE)
        x = self.rest(self.read_coarse(torch.cat((x, other), dim=1)))
        pose = SMALLEST * self.head(x).mean((2, 3))
        return pose[:, :3], pose[:, 3:]


def _compared(features: Tensor, reach: int) -> Tensor:
    """Correlate the two halves of a batch and append the position of each cell (-1 to 1)."""
    features = features - features.mean((2, 3), keepdim=True)
    first, second = functional.normalize(features, dim=1).chunk(2)
    found = correlation(first, second, reach)
    height, width = found.shape[-2:]
    y = torch.linspace(-1, 1, height, device=found.device, dtype=found.dtype)
    x = torch.linspace(-1, 1, width, device=found.device, dtype=found.dtype)
    place = torch.stack(torch.meshgrid(x, y, indexing='xy'))
    return torch.cat((found, place.expand(len(found), -1, -1, -1)), dim=1)
