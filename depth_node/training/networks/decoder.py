"""
The U-Net decoder of Monodepth2.

Godard, Mac Aodha, Firman and Brostow, "Digging Into Self-Supervised Monocular Depth
Estimation", ICCV 2019: section 4 and the table of the network in the supplementary material.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn, Tensor
from torch.nn import functional

WIDTHS = (16, 32, 64, 128, 256)
"""Channels of the decoder, from full resolution down."""


class ReflectConv(nn.Module):
    """
    A 3x3 convolution with reflected borders, which avoid artifacts at the image border.

    :param inputs: input channels.
    :param outputs: output channels.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H, W)."""
        return self.conv(functional.pad(x, (1, 1, 1, 1), mode='reflect'))


class DepthDecoder(nn.Module):
    """
    Upsamples the features of the encoder step by step, with skip connections.

    :param channels: channels of the encoder's five features, finest first.
    :param scales: number of outputs, 1 to 4; scale s has 1/2^s of the full resolution.
    :param dropout: share of the deepest channels that are dropped in training.
    """

    def __init__(self, channels: Sequence[int], scales: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        self.scales = scales
        self.dropout = nn.Dropout2d(dropout)
        self.before = nn.ModuleList()  # upconv of the paper's table, coarsest first
        self.after = nn.ModuleList()  # iconv of the paper's table
        inputs = channels[-1]
        for level in range(4, -1, -1):
            skip = channels[level - 1] if level > 0 else 0
            self.before.append(ReflectConv(inputs, WIDTHS[level]))
            self.after.append(ReflectConv(WIDTHS[level] + skip, WIDTHS[level]))
            inputs = WIDTHS[level]
        self.heads = nn.ModuleList(ReflectConv(WIDTHS[s], 1) for s in range(scales))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """
        Compute the outputs before their activation.

        :param features: the encoder's five, (B, channels[i], H / 2^(i+1), W / 2^(i+1)).
        :returns: `scales` tensors (B, 1, H / 2^s, W / 2^s), finest first.
        """
        outputs: list[Tensor] = []
        x = self.dropout(features[-1])
        for index, level in enumerate(range(4, -1, -1)):
            x = functional.interpolate(
                functional.elu(self.before[index](x)), scale_factor=2.0, mode='nearest'
            )
            if level > 0:
                x = torch.cat((x, features[level - 1]), dim=1)
            x = functional.elu(self.after[index](x))
            if level < self.scales:
                outputs.append(self.heads[level](x))
        return outputs[::-1]
