"""
A network of about one million parameters, for CPUs and Jetson Nano class machines.

Plain 3x3 convolutions with few channels: on CPUs they use the vector units better than depthwise
ones (see doc/measurements/training.md), and batch normalisation folds into them. A pooled summary
of the whole image is added at the lowest resolution, because height and tilt of the camera are
properties of the whole image.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn, Tensor
from torch.nn import functional

ENCODER = (16, 32, 64, 96, 128)
"""Channels from half the resolution down."""
DECODER = (12, 24, 48, 64, 96)
"""Channels from half the resolution down."""
WIDE_ENCODER = (16, 48, 96, 160, 256)
"""Of the wide network: three times the parameters, most of them where there are few pixels."""
WIDE_DECODER = (16, 32, 64, 96, 160)
"""Of the wide network."""


def _conv(inputs: int, outputs: int, stride: int = 1, relu: bool = True) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    if relu:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class Residual(nn.Module):
    """
    Two 3x3 convolutions with a shortcut, at one resolution.

    :param channels: input and output channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(channels, channels), _conv(channels, channels, relu=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        return functional.relu(x + self.body(x))


class Summary(nn.Module):
    """
    Adds a summary of the whole image to every position.

    :param channels: input and output channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            nn.Conv2d(channels, channels, 1), nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        return x + self.mix(x.mean((2, 3), keepdim=True))


class SmallEncoder(nn.Module):
    """
    Encoder with features at five resolutions, like the ResNets.

    :param images: number of rgb images stacked in the input channels.
    :param widths: channels of the features, finest first.
    """

    def __init__(self, images: int = 1, widths: Sequence[int] = ENCODER) -> None:
        super().__init__()
        self.images, self.channels = images, tuple(widths)
        self.stages = nn.ModuleList([_conv(3 * images, widths[0], 2)])
        for inputs, outputs in pairwise(widths):
            self.stages.append(nn.Sequential(_conv(inputs, outputs, 2), Residual(outputs)))

    def forward(self, x: Tensor) -> list[Tensor]:
        """
        Compute the features.

        :param x: float (B, 3 images, H, W), normalised.
        :returns: five tensors (B, channels[i], H / 2^(i+1), W / 2^(i+1)), sizes rounded up.
        """
        features: list[Tensor] = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class SmallDecoder(nn.Module):
    """
    Decoder that adds features from coarse to fine and predicts outputs at half their size.

    :param channels: channels of the encoder's five features, finest first.
    :param scales: number of outputs, 1 to 4; scale s has 1/2^s of the full resolution.
    :param dropout: share of the deepest channels that are dropped in training.
    :param widths: channels of the decoder, finest first.
    """

    def __init__(
        self, channels: Sequence[int], scales: int = 4, dropout: float = 0.0,
        widths: Sequence[int] = DECODER,
    ) -> None:
        super().__init__()
        self.scales = scales
        self.dropout = nn.Dropout2d(dropout)
        self.summary = Summary(widths[-1])
        self.lateral = nn.ModuleList(
            nn.Conv2d(i, o, 1) for i, o in zip(channels, widths, strict=True)
        )
        self.narrow = nn.ModuleList(nn.Conv2d(i, o, 1) for o, i in pairwise(widths))
        self.refine = nn.ModuleList(Residual(o) for o in widths)
        self.heads = nn.ModuleList(nn.Conv2d(widths[s], 1, 3, padding=1) for s in range(scales))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """
        Compute the outputs before their activation.

        :param features: the encoder's five, (B, channels[i], H / 2^(i+1), W / 2^(i+1)).
        :returns: `scales` tensors (B, 1, H / 2^s, W / 2^s), finest first.
        """
        outputs: list[Tensor] = []
        x = self.refine[4](self.summary(self.lateral[4](self.dropout(features[4]))))
        for level in range(4, -1, -1):
            if level < 4:
                skip = self.lateral[level](features[level])
                up = functional.interpolate(self.narrow[level](x), size=skip.shape[-2:])
                x = self.refine[level](up + skip)
            if level < self.scales:
                outputs.append(
                    functional.interpolate(
                        self.heads[level](x), scale_factor=2.0, mode='bilinear'
                    )
                )
        return outputs[::-1]
