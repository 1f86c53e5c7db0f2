"""Depth networks: encoder, decoder, and meaning of the output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import enum

import torch
from torch import nn, Tensor

from depth_node.errors import ConfigError
from depth_node.model import OutputKind
from depth_node.training.networks.decoder import DepthDecoder
from depth_node.training.networks.heads import activate, CANONICAL_FOCAL, to_depth
from depth_node.training.networks.pose import PoseNetwork
from depth_node.training.networks.resnet import ResNetEncoder
from depth_node.training.networks.small import (
    SmallDecoder,
    SmallEncoder,
    WIDE_DECODER,
    WIDE_ENCODER,
)

PIXEL_MEAN, PIXEL_STD = 0.45, 0.225
"""Mean and standard deviation of all channels (0 to 1), as for Monodepth2's weights."""


class Architecture(str, enum.Enum):
    """Architecture of the encoder and decoder."""

    SMALL = 'small'
    WIDE = 'wide'
    RESNET18 = 'resnet18'
    RESNET50 = 'resnet50'


@dataclass(frozen=True)
class NetworkConfig:
    """
    The configuration of a depth network.

    :param architecture: the architecture.
    :param kind: meaning of the output.
    :param scales: number of outputs in training, 1 to 4, each half the size of the previous.
    :param dropout: share of the deepest channels that are dropped in training, 0 to below 1.
    :param min_depth: smallest depth of the output (m, or the unit of the kind).
    :param max_depth: largest depth of the output (same unit).
    """

    architecture: Architecture = Architecture.SMALL
    kind: OutputKind = OutputKind.SIGMOID_DISPARITY
    scales: int = 4
    dropout: float = 0.0
    min_depth: float = 0.1
    max_depth: float = 100.0

    def __post_init__(self) -> None:
        """Check that the values are valid."""
        if not 1 <= self.scales <= 4:
            raise ConfigError(f'scales is {self.scales}, expected 1 to 4.')
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f'dropout is {self.dropout:g}, expected 0 to below 1.')
        if not 0.0 < self.min_depth < self.max_depth:
            raise ConfigError(
                f'min_depth is {self.min_depth:g}, expected 0 to max_depth, {self.max_depth:g}.'
            )


def build_encoder(architecture: Architecture, images: int = 1) -> nn.Module:
    """
    Build an encoder with random weights.

    :param architecture: the architecture.
    :param images: number of rgb images stacked in its input.
    :returns: a module with `channels` and five features.
    """
    match architecture:
        case Architecture.SMALL:
            return SmallEncoder(images)
        case Architecture.WIDE:
            return SmallEncoder(images, WIDE_ENCODER)
        case Architecture.RESNET18:
            return ResNetEncoder(18, images)
        case Architecture.RESNET50:
            return ResNetEncoder(50, images)


def build_decoder(config: NetworkConfig, channels: Sequence[int]) -> nn.Module:
    """
    Build a decoder with random weights.

    :param config: of the whole network.
    :param channels: of the encoder's five features, finest first.
    :returns: a module with `scales` outputs.
    """
    match config.architecture:
        case Architecture.SMALL:
            return SmallDecoder(channels, config.scales, config.dropout)
        case Architecture.WIDE:
            return SmallDecoder(channels, config.scales, config.dropout, WIDE_DECODER)
        case Architecture.RESNET18 | Architecture.RESNET50:
            return DepthDecoder(channels, config.scales, config.dropout)


def build_pose_network(architecture: Architecture) -> PoseNetwork:
    """
    Build a pose network with random weights.

    :param architecture: architecture of its encoder; that of the paper is `resnet18`.
    :returns: the network.
    """
    return PoseNetwork(build_encoder(architecture, images=2))


class DepthNetwork(nn.Module):
    """
    A network from rgb to depth or disparity at one or several resolutions.

    Width and height must be multiples of 32. Normalization is part of the network: its input is
    rgb 0 to 1.

    :param config: the configuration; the weights are random.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = build_encoder(config.architecture)
        self.decoder = build_decoder(config, self.encoder.channels)

    def forward(self, image: Tensor) -> list[Tensor]:
        """
        Return the outputs for an image.

        :param image: float (B, 3, H, W), rgb 0 to 1.
        :returns: `scales` tensors (B, 1, H / 2^s, W / 2^s) of the configured kind, finest first.
        """
        features = self.encoder((image - PIXEL_MEAN) / PIXEL_STD)
        config = self.config
        # in full precision: half a percent of a sigmoid is a metre far away
        return [
            activate(logits.float(), config.kind, config.min_depth, config.max_depth)
            for logits in self.decoder(features)
        ]

    def depth(self, values: Tensor, focal: Tensor | float = CANONICAL_FOCAL) -> Tensor:
        """
        Convert one output to depth; see :func:`to_depth`.

        :param values: float (B, 1, H, W) from :meth:`forward`.
        :param focal: focal length of the images at network size (pixels), a number or (B,).
        :returns: float (B, 1, H, W).
        """
        config = self.config
        return to_depth(values, config.kind, config.min_depth, config.max_depth, focal)


class FinestOutput(nn.Module):
    """
    The deployed network: one image in, the finest output out.

    :param network: the network.
    """

    def __init__(self, network: DepthNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Map rgb 0 to 1 (B, 3, H, W) to the finest output (B, 1, H, W)."""
        return self.network(image)[0]


def parameter_count(network: torch.nn.Module) -> int:
    """
    Return the number of trainable parameters.

    :param network: any module.
    :returns: number of scalars in its parameters.
    """
    return sum(parameter.numel() for parameter in network.parameters())
