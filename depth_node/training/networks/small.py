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


class Attention(nn.Module):
    """
    Lets every position look at every other one, whatever its distance.

    What a thing of known size, far off in the picture, says about the distance of a bare wall is
    worth more than what lies beside the wall. Self-attention and two layers for each position
    (Vaswani et al., "Attention is all you need", NeurIPS 2017), with batch normalization, which
    costs nothing in an engine, as in LeViT (Graham et al., ICCV 2021). Positions need no names:
    the padding of the convolutions before tells them apart. Random weights change nothing.

    :param channels: input and output channels, a multiple of `heads`.
    :param heads: looks at once.
    """

    def __init__(self, channels: int, heads: int = 8) -> None:
        super().__init__()
        self.heads = heads
        self.look = _linear(channels, 3 * channels)
        self.found = _linear(channels, channels)
        self.think = nn.Sequential(
            _linear(channels, 2 * channels), nn.ReLU(inplace=True), _linear(2 * channels, channels)
        )
        for last in (self.found[-1], self.think[-1][-1]):
            nn.init.zeros_(last.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        batch, channels, height, width = x.shape
        heads = self.look(x).reshape(batch, 3, self.heads, -1, height * width)
        asked, offered, said = heads[:, 0], heads[:, 1], heads[:, 2]
        likeness = asked.transpose(-2, -1) @ offered * (self.heads / channels) ** 0.5
        seen = said @ likeness.softmax(-1).transpose(-2, -1)
        x = x + self.found(seen.reshape(batch, channels, height, width))
        return x + self.think(x)


def _linear(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))


class SmallEncoder(nn.Module):
    """
    Encoder with features at five resolutions, like the ResNets.

    :param images: number of rgb images stacked in the input channels.
    :param widths: channels of the features, finest first.
    :param attention: whether positions of the coarsest features look at each other.
    """

    def __init__(
        self, images: int = 1, widths: Sequence[int] = ENCODER, *, attention: bool = False
    ) -> None:
        super().__init__()
        self.images, self.channels = images, tuple(widths)
        self.stages = nn.ModuleList([_conv(3 * images, widths[0], 2)])
        for inputs, outputs in pairwise(widths):
            self.stages.append(nn.Sequential(_conv(inputs, outputs, 2), Residual(outputs)))
        if attention:
            self.stages[-1].append(Attention(widths[-1]))

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
