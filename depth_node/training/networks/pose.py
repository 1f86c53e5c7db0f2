"""
The pose network: how the camera moved between two frames.

Godard et al. 2019, section 4 and supplementary B: an encoder on the two frames stacked, four
convolutions, the mean over the picture; the output times 0.01, so that training starts near
standing still.
"""

from __future__ import annotations

import torch
from torch import nn, Tensor
from torch.nn import functional

SMALLEST = 0.01


class PoseNetwork(nn.Module):
    """
    Axis-angle and translation from one frame to another.

    :param encoder: features of two stacked images; its `channels[-1]` is used.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.squeeze = nn.Conv2d(encoder.channels[-1], 256, 1)
        self.conv1 = nn.Conv2d(256, 256, 3, padding=1)
        self.conv2 = nn.Conv2d(256, 256, 3, padding=1)
        self.head = nn.Conv2d(256, 6, 1)

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """
        Estimate the pose that takes points of the first camera to the second.

        :param first: float (B, 3, H, W), rgb 0 to 1.
        :param second: float (B, 3, H, W), rgb 0 to 1.
        :returns: axis-angle (B, 3) (rad) and translation (B, 3) (the depth's unit).
        """
        x = self.encoder((torch.cat((first, second), dim=1) - 0.45) / 0.225)[-1]
        x = functional.relu(self.squeeze(x))
        x = functional.relu(self.conv1(x))
        x = functional.relu(self.conv2(x))
        pose = SMALLEST * self.head(x).float().mean((2, 3))
        return pose[:, :3], pose[:, 3:]
