"""
Depth Anything's published weights in transformers' network.

The network itself is `transformers.DepthAnythingForDepthEstimation`; here are the sizes of the
three encoders, and the names its authors' ``.pth`` files use for what transformers calls
otherwise. Checkpoints are read with `weights_only`, folders only as safetensors: nothing in a
file is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
import re
from typing import Any

import torch
from torch import nn, Tensor

from depth_node.errors import ModelError
from depth_node.image.size import Size
from depth_node.training.networks.weights import fill, read_state


@dataclass(frozen=True)
class Encoder:
    """
    The sizes of one network.

    :param hidden: channels of the transformer.
    :param layers: number of its blocks.
    :param heads: of its attention.
    :param taken: the blocks whose output the decoder sees, counted from 1.
    :param neck: channels of the four resolutions.
    :param fusion: channels of the decoder.
    :param head: channels before the output.
    """

    hidden: int
    layers: int
    heads: int
    taken: tuple[int, int, int, int]
    neck: tuple[int, int, int, int]
    fusion: int
    head: int = 32


ENCODERS = {
    'vits': Encoder(384, 12, 6, (3, 6, 9, 12), (48, 96, 192, 384), 64),
    'vitb': Encoder(768, 12, 12, (3, 6, 9, 12), (96, 192, 384, 768), 128),
    'vitl': Encoder(1024, 24, 16, (5, 12, 18, 24), (256, 512, 1024, 1024), 256),
}
"""Of version 2, Small, Base and Large."""

# pos_embed and patch_embed and the like; the rest is done by pattern below
_NAMES = {
    'pretrained.cls_token': 'backbone.embeddings.cls_token',
    'pretrained.mask_token': 'backbone.embeddings.mask_token',
    'pretrained.pos_embed': 'backbone.embeddings.position_embeddings',
}
_PATTERNS = (
    (r'pretrained\.patch_embed\.proj\.', 'backbone.embeddings.patch_embeddings.projection.'),
    (r'pretrained\.norm\.', 'backbone.layernorm.'),
    (r'pretrained\.blocks\.(\d+)\.attn\.proj\.', r'backbone.encoder.layer.\1.{out}.'),
    (r'pretrained\.blocks\.(\d+)\.ls(\d)\.gamma',
     r'backbone.encoder.layer.\1.layer_scale\2.lambda1'),
    (r'pretrained\.blocks\.(\d+)\.', r'backbone.encoder.layer.\1.'),
    (r'depth_head\.projects\.(\d)\.', r'neck.reassemble_stage.layers.\1.projection.'),
    (r'depth_head\.resize_layers\.(\d)\.', r'neck.reassemble_stage.layers.\1.resize.'),
    (r'depth_head\.scratch\.output_conv1\.', 'head.conv1.'),
    (r'depth_head\.scratch\.output_conv2\.0\.', 'head.conv2.'),
    (r'depth_head\.scratch\.output_conv2\.2\.', 'head.conv3.'),
)
_QKV = re.compile(r'pretrained\.blocks\.(\d+)\.attn\.qkv\.(weight|bias)')
_SCRATCH = re.compile(r'depth_head\.scratch\.(layer|refinenet)(\d)(?:_rn)?\.(.*)')


class DepthAnything(nn.Module):
    """
    The network as it is deployed: a normalised image in, its depth or disparity out.

    :param network: transformers' ``DepthAnythingForDepthEstimation``.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        # written out, attention is what engines know and fuse; torch's own kernel is exported
        # with a guard against NaN in the middle, which costs OpenVINO a fifth
        if hasattr(network.backbone, 'set_attn_implementation'):
            network.backbone.set_attn_implementation('eager')

    def forward(self, image: Tensor) -> Tensor:
        """Map a normalised image (1, 3, H, W) to (1, H, W)."""
        return self.network(pixel_values=image).predicted_depth


def build(encoder: Encoder, max_depth: float | None = None) -> nn.Module:
    """
    Build the network with random weights.

    :param encoder: its sizes; :data:`ENCODERS` has the published ones.
    :param max_depth: range of a metric head (m), or None for a relative one.
    :returns: transformers' network, in evaluation mode.
    :raises ModelError: transformers is not installed.
    """
    try:
        from transformers import (
            DepthAnythingConfig,
            DepthAnythingForDepthEstimation,
            Dinov2Config,
        )
    except ImportError as error:
        raise ModelError(
            'Exporting Depth Anything needs transformers, which is not installed.',
            "Install it with: pip install 'depth_node[export]'.",
        ) from error
    backbone = Dinov2Config(
        hidden_size=encoder.hidden,
        num_hidden_layers=encoder.layers,
        num_attention_heads=encoder.heads,
        out_indices=list(encoder.taken),
        image_size=518,
        patch_size=14,
        reshape_hidden_states=False,
        apply_layernorm=True,
        attn_implementation='eager',
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=encoder.hidden,
        reassemble_factors=[4, 2, 1, 0.5],
        neck_hidden_sizes=list(encoder.neck),
        fusion_hidden_size=encoder.fusion,
        head_hidden_size=encoder.head,
        depth_estimation_type='relative' if max_depth is None else 'metric',
        max_depth=1 if max_depth is None else max(1, round(max_depth)),
    )
    network = DepthAnythingForDepthEstimation(config)
    if max_depth is not None:
        network.head.max_depth = max_depth  # the config takes whole metres only
    return network.eval()


def load(path: Path, variant: str, max_depth: float | None = None) -> nn.Module:
    """
    Load published weights.

    :param path: the authors' ``.pth``, or a folder in transformers' layout with safetensors.
    :param variant: vits, vitb or vitl; a folder says it itself.
    :param max_depth: range of a metric network (m), or None; a folder says it itself.
    :returns: transformers' network, in evaluation mode.
    :raises ModelError: unreadable, or the weights of another network.
    """
    if path.is_dir():
        return _from_folder(path)
    if variant not in ENCODERS:
        raise ModelError(
            f'{variant!r} is no encoder of Depth Anything.',
            f'It is one of {", ".join(ENCODERS)}.',
        )
    network = build(ENCODERS[variant], max_depth)
    fill(network, renamed(read_state(path), network), path)
    return network


def use_authors_positions(network: nn.Module, size: Size) -> None:
    """
    Stretch the position embedding to one size in the authors' way, which differs a little.

    DINOv2 scales by (patches + 0.1) / 37 and transformers to the number of patches exactly; the
    sampling points are up to a tenth of a patch apart.

    :param network: transformers' network; from now on for this size only.
    :param size: the network's size (pixels).
    """
    embeddings = network.backbone.embeddings
    positions = embeddings.position_embeddings.detach()
    side = round((positions.shape[1] - 1) ** 0.5)
    patch = embeddings.patch_size
    rows, columns = size.height // patch, size.width // patch
    if (rows, columns) != (side, side):
        grid = positions[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
        grid = nn.functional.interpolate(
            grid, scale_factor=((rows + 0.1) / side, (columns + 0.1) / side), mode='bicubic'
        )
        flat = grid.permute(0, 2, 3, 1).reshape(1, rows * columns, -1)
        positions = torch.cat((positions[:, :1], flat), dim=1)
    embeddings.interpolate_pos_encoding = lambda *_arguments: positions


def renamed(state: Mapping[str, Any], network: nn.Module) -> dict[str, Any]:
    """
    Give the authors' weights the names transformers uses.

    :param state: a state dict of their ``DepthAnythingV2``.
    :param network: transformers' network, whose names changed between versions.
    :returns: the same tensors by other names; a name nobody knows stays as it is.
    """
    modern = any('.attention.q_proj.' in key for key in network.state_dict())
    projections = ('q_proj', 'k_proj', 'v_proj') if modern else (
        'attention.query', 'attention.key', 'attention.value'
    )
    out = 'attention.o_proj' if modern else 'attention.output.dense'
    result: dict[str, Any] = {}
    for key, value in state.items():
        if match := _QKV.fullmatch(key):
            layer = f'backbone.encoder.layer.{match[1]}.attention'
            for name, part in zip(projections, torch.chunk(value, 3), strict=True):
                result[f'{layer}.{name}.{match[2]}'] = part
        else:
            result[_renamed(key, out)] = value
    return result


def _renamed(key: str, out: str) -> str:
    if key in _NAMES:
        return _NAMES[key]
    if match := _SCRATCH.fullmatch(key):
        index, rest = int(match[2]), match[3]
        if match[1] == 'layer':
            return f'neck.convs.{index - 1}.{rest}'
        # transformers counts in the order they run, coarsest first
        layer = f'neck.fusion_stage.layers.{4 - index}'
        rest = re.sub(r'resConfUnit(\d)\.conv(\d)', r'residual_layer\1.convolution\2', rest)
        return f'{layer}.{rest.replace("out_conv", "projection")}'
    for pattern, target in _PATTERNS:
        if re.match(pattern, key):
            return re.sub(pattern, target.replace('{out}', out), key)
    return key


def _from_folder(path: Path) -> nn.Module:
    try:
        from transformers import DepthAnythingForDepthEstimation

        network = DepthAnythingForDepthEstimation.from_pretrained(
            path, use_safetensors=True, local_files_only=True, attn_implementation='eager'
        )
    except Exception as error:  # transformers raises whatever its loaders raise
        raise ModelError(
            f"{path}: is not Depth Anything in transformers' layout "
            f'({str(error).strip().splitlines()[0]}).',
            'It needs config.json and model.safetensors.',
        ) from error
    return network.eval()
