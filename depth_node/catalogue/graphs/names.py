"""
Names of Depth Anything's weights: conversion from transformers' naming to the authors'.

The authors store query, key and value in one matrix, and the two halves of a gated MLP in another;
newer versions of transformers store them separately. They are merged again, which is the only
copy.
"""

from __future__ import annotations

import re

import numpy as np

from depth_node.catalogue.checkpoints.tensor import StoredTensor, Weights

_LAYER = r'backbone\.encoder\.layer\.(\d+)\.'
_STAGE = r'neck\.reassemble_stage\.layers\.(\d)\.'
_PATTERNS = (
    (r'backbone\.embeddings\.cls_token', 'pretrained.cls_token'),
    (r'backbone\.embeddings\.mask_token', 'pretrained.mask_token'),
    (r'backbone\.embeddings\.position_embeddings', 'pretrained.pos_embed'),
    (r'backbone\.embeddings\.patch_embeddings\.projection\.', 'pretrained.patch_embed.proj.'),
    (r'backbone\.layernorm\.', 'pretrained.norm.'),
    (_LAYER + r'attention\.(?:output\.dense|o_proj)\.', r'pretrained.blocks.\1.attn.proj.'),
    (_LAYER + r'layer_scale(\d)\.lambda1', r'pretrained.blocks.\1.ls\2.gamma'),
    (_LAYER + r'mlp\.weights_in\.', r'pretrained.blocks.\1.mlp.w12.'),
    (_LAYER + r'mlp\.(?:weights_out|down_proj)\.', r'pretrained.blocks.\1.mlp.w3.'),
    (_LAYER + r'(norm\d|mlp\.fc\d)\.', r'pretrained.blocks.\1.\2.'),
    (_STAGE + r'projection\.', r'depth_head.projects.\1.'),
    (_STAGE + r'resize\.', r'depth_head.resize_layers.\1.'),
    (r'head\.conv1\.', 'depth_head.scratch.output_conv1.'),
    (r'head\.conv2\.', 'depth_head.scratch.output_conv2.0.'),
    (r'head\.conv3\.', 'depth_head.scratch.output_conv2.2.'),
)
_CONVOLUTION = re.compile(r'neck\.convs\.(\d)\.weight')
_FUSION = re.compile(r'neck\.fusion_stage\.layers\.(\d)\.(.*)')
_PART = re.compile(
    _LAYER + r'(?:attention\.(?:attention\.)?|mlp\.)'
    r'(query|key|value|[qkv]_proj|gate_proj|up_proj)\.(weight|bias)'
)
_QKV, _GATED = 'attn.qkv', 'mlp.w12'
_WHOLES = {
    'query': (_QKV, 0), 'q_proj': (_QKV, 0), 'key': (_QKV, 1), 'k_proj': (_QKV, 1),
    'value': (_QKV, 2), 'v_proj': (_QKV, 2), 'gate_proj': (_GATED, 0), 'up_proj': (_GATED, 1),
}
_COUNTS = {_QKV: 3, _GATED: 2}


def authors_names(weights: Weights) -> Weights:
    """
    Return weights with the names of Depth Anything's authors.

    :param weights: weights in their naming, which is kept, or in that of transformers.
    :returns: the same tensors; unknown names are kept.
    """
    if not any(name.startswith(('backbone.', 'neck.')) for name in weights):
        return weights
    found: dict[str, StoredTensor] = {}
    parts: dict[str, dict[int, StoredTensor]] = {}
    for name, tensor in weights.items():
        if match := _PART.fullmatch(name):
            whole, place = _WHOLES[match[2]]
            whole = f'pretrained.blocks.{match[1]}.{whole}.{match[3]}'
            parts.setdefault(whole, {})[place] = tensor
        else:
            found[_renamed(name)] = tensor
    for name, pieces in parts.items():
        whole = name.removesuffix('.weight').removesuffix('.bias')
        count = next(n for ending, n in _COUNTS.items() if whole.endswith(ending))
        if len(pieces) == count and len({tensor.shape for tensor in pieces.values()}) == 1:
            found[name] = StoredTensor.of(
                np.concatenate([pieces[place].array() for place in range(count)])
            )
    return Weights(found, weights.source)


def _renamed(name: str) -> str:
    if match := _CONVOLUTION.fullmatch(name):
        return f'depth_head.scratch.layer{int(match[1]) + 1}_rn.weight'
    if match := _FUSION.fullmatch(name):
        # transformers counts in the order they run, coarsest first
        rest = re.sub(r'residual_layer(\d)\.convolution(\d)', r'resConfUnit\1.conv\2', match[2])
        rest = rest.replace('projection.', 'out_conv.')
        return f'depth_head.scratch.refinenet{4 - int(match[1])}.{rest}'
    for pattern, target in _PATTERNS:
        if re.match(pattern, name):
            return re.sub(pattern, target, name)
    return name
