"""
The pose network: the motion of the camera between two frames.

Godard et al. 2019, section 4 and supplementary B: an encoder on the two frames stacked, four
convolutions, the mean over the image; the output times 0.01, so that training starts close to no
motion.
"""

from __future__ import annotations

import torch
from torch import nn, Tensor
from torch.nn import functional

SMALLEST = 0.01


class PoseNetwork(nn.Module):
    """
    Estimates axis-angle and translation between two frames.

    :param encoder: encoder of two stacked images; its `channels[-1]` is used.
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
        Estimate the pose from the first camera frame to the second.

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
