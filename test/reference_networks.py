"""
The networks that our graphs are compared with, in torch and with random weights.

Depth Anything is transformers' implementation; Monodepth2 is written down here once more, from
its paper and torch's own layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from random_weights import TINY
import torch
from torch import nn, Tensor
from torch.nn import functional

from depth_node.catalogue.graphs.depth_anything import DepthAnything

__all__ = [
    'TINY', 'Monodepth2', 'authors_state', 'depth_anything', 'largest_difference',
    'use_authors_positions',
]

def depth_anything(
    sizes: DepthAnything, max_depth: float | None = None, seed: int = 0
) -> nn.Module:
    """
    Build transformers' network with random weights and a last layer away from saturation.

    :param sizes: of the network.
    :param max_depth: range of a metric head (m), or None for a relative one.
    :param seed: of the weights.
    :returns: the network, in evaluation mode.
    """
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    encoder = sizes.transformer
    backbone = Dinov2Config(
        hidden_size=encoder.channels, num_hidden_layers=encoder.blocks,
        num_attention_heads=encoder.heads, out_indices=list(sizes.taken), image_size=518,
        patch_size=14, reshape_hidden_states=False, apply_layernorm=True,
        use_swiglu_ffn=encoder.gated, attn_implementation='eager',
    )
    config = DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=encoder.channels,
        reassemble_factors=[4, 2, 1, 0.5], neck_hidden_sizes=list(sizes.stages),
        fusion_hidden_size=sizes.fused, head_hidden_size=sizes.last,
        depth_estimation_type='relative' if max_depth is None else 'metric',
        max_depth=1 if max_depth is None else round(max_depth),
    )
    return _lively(DepthAnythingForDepthEstimation(config).eval(), seed)


def use_authors_positions(network: nn.Module, rows: int, columns: int) -> None:
    """
    Stretch the position embedding as DINOv2's authors do, with torch's own bicubic.

    They scale by (patches + 0.1) / 37, transformers to the number of patches exactly.

    :param network: of :func:`depth_anything`; from now on for this grid only.
    :param rows: patches from top to bottom.
    :param columns: patches from left to right.
    """
    embeddings = network.backbone.embeddings
    positions = embeddings.position_embeddings.detach()
    side = round((positions.shape[1] - 1) ** 0.5)
    if (rows, columns) != (side, side):
        grid = positions[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
        grid = functional.interpolate(
            grid.double(), scale_factor=((rows + 0.1) / side, (columns + 0.1) / side),
            mode='bicubic',
        ).float()  # single precision would misplace the samples by 1e-5
        flat = grid.permute(0, 2, 3, 1).reshape(1, rows * columns, -1)
        positions = torch.cat((positions[:, :1], flat), dim=1)
    embeddings.interpolate_pos_encoding = (
        lambda *_arguments: positions.to(embeddings.cls_token.dtype)
    )


def _lively(network: nn.Module, seed: int) -> nn.Module:
    """Give a network random weights with which its output varies over the image, within reason."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.dim() > 1:
                spread = 0.5 if 'position' in name else (0.5 / weight[0].numel()) ** 0.5
                weight.copy_(torch.randn(weight.shape, generator=generator) * spread)
            else:
                weight.add_(torch.randn(weight.shape, generator=generator) * 0.05)
        # what goes into the last activation: as far from its ends as in a trained network
        metric = network.config.depth_estimation_type == 'metric'
        mean, spread = (0.0, 0.7) if metric else (3.0, 0.7)
        last = network.head.conv3
        seen: list[Tensor] = []
        hook = last.register_forward_hook(lambda _module, _input, output: seen.append(output))
        network(pixel_values=torch.randn(1, 3, 140, 182, generator=generator))
        hook.remove()
        gain = spread / seen[0].std()
        last.bias.copy_((last.bias - seen[0].mean()) * gain + mean)
        last.weight.mul_(gain)
    return network


def authors_state(network: nn.Module, sizes: DepthAnything) -> dict[str, Tensor]:
    """
    Name a network's weights as Depth Anything's authors do, written out one by one.

    :param network: of :func:`depth_anything`.
    :param sizes: of it.
    :returns: a state dict as in their ``.pth`` files.
    """
    own, layers = network.state_dict(), sizes.transformer.blocks
    for name in [name for name in own if name.endswith('mlp.gate_proj.weight')]:
        mlp = name.removesuffix('gate_proj.weight')
        for kind in ('weight', 'bias'):  # older versions of transformers kept them in one
            parts = [own[f'{mlp}{part}_proj.{kind}'] for part in ('gate', 'up')]
            own[f'{mlp}weights_in.{kind}'] = torch.cat(parts)
            own[f'{mlp}weights_out.{kind}'] = own[f'{mlp}down_proj.{kind}']
    named = {theirs: own[ours] for ours, theirs in _pairs(sizes)}
    for index in range(layers):
        attention = f'backbone.encoder.layer.{index}.attention.'
        names = [f'{attention}{part}_proj' for part in 'qkvo']
        if f'{names[0]}.weight' not in own:
            names = [f'{attention}attention.{part}' for part in ('query', 'key', 'value')]
            names.append(f'{attention}output.dense')
        for kind in ('weight', 'bias'):
            block = f'pretrained.blocks.{index}.attn'
            joined = [own[f'{name}.{kind}'] for name in names[:3]]
            named[f'{block}.qkv.{kind}'] = torch.cat(joined)
            named[f'{block}.proj.{kind}'] = own[f'{names[3]}.{kind}']
    return named


def _pairs(sizes: DepthAnything) -> Iterator[tuple[str, str]]:
    """List (transformers' name, authors' name) of everything but the attention."""
    yield 'backbone.embeddings.cls_token', 'pretrained.cls_token'
    yield 'backbone.embeddings.mask_token', 'pretrained.mask_token'
    yield 'backbone.embeddings.position_embeddings', 'pretrained.pos_embed'
    for index in range(sizes.transformer.blocks):
        for scale in (1, 2):
            ours = f'backbone.encoder.layer.{index}.layer_scale{scale}.lambda1'
            yield ours, f'pretrained.blocks.{index}.ls{scale}.gamma'
    for index in range(4):
        yield f'neck.convs.{index}.weight', f'depth_head.scratch.layer{index + 1}_rn.weight'
    for ours, theirs in _modules(sizes):
        for kind in ('weight', 'bias'):
            yield f'{ours}.{kind}', f'{theirs}.{kind}'


def _modules(sizes: DepthAnything) -> Iterator[tuple[str, str]]:
    """List the modules with a weight and a bias."""
    yield 'backbone.embeddings.patch_embeddings.projection', 'pretrained.patch_embed.proj'
    yield 'backbone.layernorm', 'pretrained.norm'
    gated = (('mlp.weights_in', 'mlp.w12'), ('mlp.weights_out', 'mlp.w3'))
    plain = (('mlp.fc1', 'mlp.fc1'), ('mlp.fc2', 'mlp.fc2'))
    parts = (('norm1', 'norm1'), ('norm2', 'norm2'))
    for index in range(sizes.transformer.blocks):
        for ours, theirs in (*parts, *(gated if sizes.transformer.gated else plain)):
            yield f'backbone.encoder.layer.{index}.{ours}', f'pretrained.blocks.{index}.{theirs}'
    for index in range(4):
        stage = f'neck.reassemble_stage.layers.{index}'
        yield f'{stage}.projection', f'depth_head.projects.{index}'
        if index != 2:
            yield f'{stage}.resize', f'depth_head.resize_layers.{index}'
        ours = f'neck.fusion_stage.layers.{index}'
        theirs = f'depth_head.scratch.refinenet{4 - index}'
        yield f'{ours}.projection', f'{theirs}.out_conv'
        for unit in (1, 2):
            for conv in (1, 2):
                yield (
                    f'{ours}.residual_layer{unit}.convolution{conv}',
                    f'{theirs}.resConfUnit{unit}.conv{conv}',
                )
    yield 'head.conv1', 'depth_head.scratch.output_conv1'
    yield 'head.conv2', 'depth_head.scratch.output_conv2.0'
    yield 'head.conv3', 'depth_head.scratch.output_conv2.2'


class Block(nn.Module):
    """A block of ResNet-18 (two 3x3) or, with `deep`, of ResNet-50 (1x1, 3x3, 1x1)."""

    def __init__(self, inputs: int, planes: int, stride: int, *, deep: bool) -> None:
        super().__init__()
        outputs = 4 * planes if deep else planes
        shapes = [(inputs, planes, 1), (planes, planes, 3), (planes, outputs, 1)]
        shapes = shapes if deep else [(inputs, planes, 3), (planes, planes, 3)]
        strided = 1 if deep else 0  # torchvision strides the first 3x3
        for n, (given, made, side) in enumerate(shapes):
            step = stride if n == strided else 1
            conv = nn.Conv2d(given, made, side, step, side // 2, bias=False)
            self.add_module(f'conv{n + 1}', conv)
            self.add_module(f'bn{n + 1}', nn.BatchNorm2d(made))
        self.count, self.downsample = len(shapes), None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map features to features."""
        out = x
        for n in range(1, self.count + 1):
            out = getattr(self, f'bn{n}')(getattr(self, f'conv{n}')(out))
            out = functional.relu(out) if n < self.count else out
        return functional.relu(out + (x if self.downsample is None else self.downsample(x)))


class Monodepth2(nn.Module):
    """Godard et al. 2019: ResNet encoder, decoder of the supplementary's table, finest output."""

    def __init__(self, layers: int = 18, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        deep = layers == 50
        encoder = nn.ModuleDict({
            'conv1': nn.Conv2d(3, 64, 7, 2, 3, bias=False), 'bn1': nn.BatchNorm2d(64),
            'fc': nn.Linear(2048 if deep else 512, 1000),
        })
        channels, widths = [64], (16, 32, 64, 128, 256)
        inputs = 64
        for stage, count in enumerate((3, 4, 6, 3) if deep else (2, 2, 2, 2)):
            blocks = []
            for n in range(count):
                stride = 2 if stage and not n else 1
                blocks.append(Block(inputs, 64 << stage, stride, deep=deep))
                inputs = (64 << stage) * (4 if deep else 1)
            encoder[f'layer{stage + 1}'] = nn.Sequential(*blocks)
            channels.append(inputs)
        self.encoder = encoder
        shapes = []
        for level in range(4, -1, -1):
            skip = channels[level - 1] if level else 0
            shapes += [(inputs, widths[level]), (widths[level] + skip, widths[level])]
            inputs = widths[level]
        self.convs = nn.ModuleList(nn.Conv2d(*shape, 3) for shape in shapes)
        self.heads = nn.ModuleList(nn.Conv2d(width, 1, 3) for width in widths[:4])
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
                nn.init.uniform_(module.weight, 0.5, 1.0)
                nn.init.normal_(module.bias, 0, 0.1)
        nn.init.normal_(self.heads[0].weight, 0, 0.4)
        self.eval()

    def forward(self, image: Tensor) -> Tensor:
        """Map an image (1, 3, h, w) of values 0 to 1 to a disparity (1, 1, h, w)."""
        e = self.encoder
        features = [functional.relu(e['bn1'](e['conv1']((image - 0.45) / 0.225)))]
        x = functional.max_pool2d(features[0], 3, 2, 1)
        for stage in range(1, 5):
            x = e[f'layer{stage}'](x)
            features.append(x)
        for n, level in enumerate(range(4, -1, -1)):
            x = functional.elu(_reflected(self.convs[2 * n], x))
            x = functional.interpolate(x, scale_factor=2, mode='nearest')
            x = torch.cat((x, features[level - 1]), 1) if level else x
            x = functional.elu(_reflected(self.convs[2 * n + 1], x))
        return torch.sigmoid(_reflected(self.heads[0], x))

    def release(self, width: int, height: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what ``encoder.pth`` and ``depth.pth`` of a release hold."""
        encoder = {f'encoder.{name}': w for name, w in self.encoder.state_dict().items()}
        encoder |= {'height': height, 'width': width, 'use_stereo': False}
        depth = {}
        for name, weight in self.convs.state_dict().items():
            number, kind = name.split('.')
            depth[f'decoder.{number}.conv.conv.{kind}'] = weight
        for name, weight in self.heads.state_dict().items():
            number, kind = name.split('.')
            depth[f'decoder.{10 + int(number)}.conv.{kind}'] = weight
        return encoder, depth


def _reflected(conv: nn.Module, x: Tensor) -> Tensor:
    return conv(functional.pad(x, (1, 1, 1, 1), mode='reflect'))


def largest_difference(found: np.ndarray, expected: np.ndarray) -> float:
    """
    Compare two outputs.

    :param found: ours.
    :param expected: the reference.
    :returns: the largest difference as a share of the largest output.
    """
    assert found.size == expected.size
    expected = expected.reshape(found.shape)
    assert expected.std() > 0.02 * np.abs(expected).max()  # there is something to see
    return float(np.abs(found - expected).max() / np.abs(expected).max())
