"""
ResNet encoders, with torchvision's state-dict names.

He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, Table 1 and
Figure 5. The names are torchvision's, so its ImageNet weights can be loaded; torchvision itself is
not needed. As there, the stride of a bottleneck is on its 3x3 convolution.
"""

from __future__ import annotations

import torch
from torch import nn, Tensor
from torch.nn import functional

from depth_node.errors import ConfigError

BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}


class BasicBlock(nn.Module):
    """
    Two 3x3 convolutions with a shortcut (He et al., Figure 5 left).

    :param inputs: input channels.
    :param planes: output channels.
    :param stride: stride of the first convolution and the shortcut.
    """

    expansion = 1

    def __init__(self, inputs: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = _shortcut(inputs, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, planes, H/stride, W/stride)."""
        out = functional.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return functional.relu(out + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """
    1x1, 3x3 and 1x1 convolutions with a shortcut (He et al., Figure 5 right).

    :param inputs: input channels.
    :param planes: channels of the 3x3 convolution; the output has four times as many.
    :param stride: stride of the 3x3 convolution and the shortcut.
    """

    expansion = 4

    def __init__(self, inputs: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        outputs = planes * self.expansion
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, 4 planes, H/stride, W/stride)."""
        out = functional.relu(self.bn1(self.conv1(x)))
        out = functional.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return functional.relu(out + (x if self.downsample is None else self.downsample(x)))


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module | None:
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
    )


class ResNetEncoder(nn.Module):
    """
    A ResNet without its classifier, with features at five resolutions.

    :param layers: 18 or 50.
    :param images: number of rgb images stacked in the input channels.
    :raises ConfigError: another number of layers.
    """

    def __init__(self, layers: int = 18, images: int = 1) -> None:
        super().__init__()
        if layers not in BLOCKS:
            raise ConfigError(f'ResNet-{layers} is not available, expected 18 or 50.')
        block = BasicBlock if layers == 18 else Bottleneck
        self.layers, self.images = layers, images
        self.conv1 = nn.Conv2d(3 * images, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        channels = 64
        for stage, count in enumerate(BLOCKS[layers]):
            planes = 64 * 2**stage
            blocks: list[nn.Module] = []
            for index in range(count):
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(block(channels, planes, stride))
                channels = planes * block.expansion
            setattr(self, f'layer{stage + 1}', nn.Sequential(*blocks))
        wide = block.expansion
        self.channels = (64, 64 * wide, 128 * wide, 256 * wide, 512 * wide)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')

    def forward(self, x: Tensor) -> list[Tensor]:
        """
        Compute the features.

        :param x: float (B, 3 images, H, W), normalised.
        :returns: five tensors (B, channels[i], H / 2^(i+1), W / 2^(i+1)).
        """
        features = [functional.relu(self.bn1(self.conv1(x)))]
        x = functional.max_pool2d(features[0], 3, 2, 1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            features.append(x)
        return features

    def widened(self, weight: Tensor) -> Tensor:
        """
        Distribute first-layer weights for one image over the images of this encoder.

        They are divided by the number of images, so that equal images give the response of one
        image (Godard et al. 2019, supplementary B).

        :param weight: float (64, 3, 7, 7).
        :returns: float (64, 3 images, 7, 7).
        """
        return torch.cat([weight] * self.images, dim=1) / self.images
