"""A Depth Anything small enough for a test, with weights that make it see something."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from depth_node.training.depth_anything import Encoder

TINY = Encoder(48, 4, 3, (1, 2, 3, 4), (8, 8, 16, 16), 16, 8)


def lively(network: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Give a network random weights with which its output varies over the image, within reason."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.dim() > 1:
                spread = 0.5 if 'position' in name else (0.5 / weight[0].numel()) ** 0.5
                weight.copy_(torch.randn(weight.shape, generator=generator) * spread)
        # what goes into the last activation: as far from its ends as in a trained network
        metric = network.config.depth_estimation_type == 'metric'
        mean, spread = (0.0, 0.7) if metric else (3.0, 0.7)
        last = network.head.conv3
        seen: list[torch.Tensor] = []
        hook = last.register_forward_hook(lambda _module, _input, output: seen.append(output))
        network(pixel_values=torch.randn(1, 3, 140, 182, generator=generator))
        hook.remove()
        gain = spread / seen[0].std()
        last.bias.copy_((last.bias - seen[0].mean()) * gain + mean)
        last.weight.mul_(gain)
    return network


def authors(network: torch.nn.Module, layers: int) -> dict[str, torch.Tensor]:
    """Name a network's weights as Depth Anything's authors do, written out one by one."""
    own = network.state_dict()
    named = {theirs: own[ours] for ours, theirs in _pairs(layers)}
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


def _pairs(layers: int) -> Iterator[tuple[str, str]]:
    """List (transformers' name, authors' name) of everything but the attention."""
    yield 'backbone.embeddings.cls_token', 'pretrained.cls_token'
    yield 'backbone.embeddings.mask_token', 'pretrained.mask_token'
    yield 'backbone.embeddings.position_embeddings', 'pretrained.pos_embed'
    for index in range(layers):
        for scale in (1, 2):
            ours = f'backbone.encoder.layer.{index}.layer_scale{scale}.lambda1'
            yield ours, f'pretrained.blocks.{index}.ls{scale}.gamma'
    for index in range(4):
        yield f'neck.convs.{index}.weight', f'depth_head.scratch.layer{index + 1}_rn.weight'
    for ours, theirs in _modules(layers):
        for kind in ('weight', 'bias'):
            yield f'{ours}.{kind}', f'{theirs}.{kind}'


def _modules(layers: int) -> Iterator[tuple[str, str]]:
    """List the modules with a weight and a bias."""
    yield 'backbone.embeddings.patch_embeddings.projection', 'pretrained.patch_embed.proj'
    yield 'backbone.layernorm', 'pretrained.norm'
    for index in range(layers):
        for part in ('norm1', 'norm2', 'mlp.fc1', 'mlp.fc2'):
            yield f'backbone.encoder.layer.{index}.{part}', f'pretrained.blocks.{index}.{part}'
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
