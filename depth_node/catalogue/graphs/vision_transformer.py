"""
DINOv2's vision transformer (Oquab et al. 2023; Dosovitskiy et al. 2021).

There is only one image, so tokens are a matrix (tokens, channels), and every linear layer is a
Gemm with the weights of the checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math

import numpy as np

from depth_node.catalogue.graphs.builder import Section
from depth_node.catalogue.graphs.positions import resized

PATCH = 14
"""Side of a patch (pixels)."""
GRID = 37
"""Patches per side in training: 518 pixels."""
_EPSILON = 1e-6
"""Epsilon of DINOv2's layer normalization."""


@dataclass(frozen=True)
class Transformer:
    """
    The sizes of a transformer.

    :param channels: channels of a token.
    :param blocks: number of blocks.
    :param heads: number of attention heads.
    :param gated: whether the MLP is a SwiGLU (Shazeer 2020), as in the giant variant, instead of
        a GELU.
    """

    channels: int
    blocks: int
    heads: int
    gated: bool = False

    @property
    def hidden(self) -> int:
        """Channels inside the MLP."""
        if not self.gated:
            return 4 * self.channels
        # two thirds of that, rounded up to a multiple of 8, because there are two of them
        return (8 * self.channels // 3 + 7) // 8 * 8


def write_transformer(
    section: Section, sizes: Transformer, grid: tuple[int, int], taken: Sequence[int]
) -> list[str]:
    """
    Write the transformer from the image to the features for the decoder.

    :param section: section with its weights; the graph has the input ``image`` (1, 3, h, w).
    :param sizes: sizes of the network.
    :param grid: patches from top to bottom and from left to right.
    :param taken: numbers of the blocks used by the decoder, from 1, ascending, including the last
        block.
    :returns: the names of normalized features (1, channels, rows, columns), without the class
        token.
    """
    channels = sizes.channels
    tokens = _tokens(section, channels, grid)
    features = []
    for block in range(sizes.blocks):
        tokens = _block(section.at(f'blocks.{block}'), sizes, tokens)
        if block + 1 in taken:
            normal = _norm(section.at('norm'), tokens, channels)
            # in three axes, because OpenVINO copies rows of a matrix ten times slower
            whole = section.op('Reshape', normal, section.shape(1, -1, channels))
            patches = section.op(
                'Slice', whole, section.shape(1), section.shape(2**31 - 1), section.shape(1)
            )
            turned = section.op('Transpose', patches, perm=[0, 2, 1])
            features.append(section.op('Reshape', turned, section.shape(1, channels, *grid)))
    section.ignore('mask_token')
    return features


def _tokens(section: Section, channels: int, grid: tuple[int, int]) -> str:
    """Split the image into patches and add the position embedding."""
    patch = section.at('patch_embed.proj')
    rows = patch.op(
        'Conv', 'image', patch.weight('weight', channels, 3, PATCH, PATCH),
        patch.weight('bias', channels), kernel_shape=[PATCH, PATCH], strides=[PATCH, PATCH],
    )
    rows = patch.op('Reshape', rows, section.shape(channels, grid[0] * grid[1]))
    rows = patch.op('Transpose', rows, perm=[1, 0])
    first = section.take('cls_token', 1, 1, channels).array().reshape(1, channels)
    trained = section.take('pos_embed', 1, 1 + GRID * GRID, channels).array()[0]
    trained = trained.astype(np.float32)
    places = resized(trained[1:].reshape(GRID, GRID, channels), *grid).reshape(-1, channels)
    rows = section.op('Add', rows, section.constant(places, 'pos_embed'))
    # the class token's own place is known, so that the two are one constant
    first = first.astype(np.float32) + trained[:1]
    return section.op('Concat', section.constant(first, 'cls_token'), rows, axis=0)


def _block(section: Section, sizes: Transformer, tokens: str) -> str:
    """Write attention and MLP, each with a normalization before it and a residual connection."""
    channels = sizes.channels
    normal = _norm(section.at('norm1'), tokens, channels)
    change = _attention(section.at('attn'), sizes, normal)
    tokens = section.op('Add', tokens, _scaled(section.at('ls1'), change, channels))
    normal = _norm(section.at('norm2'), tokens, channels)
    mlp = _gated if sizes.gated else _mlp
    change = mlp(section.at('mlp'), sizes, normal)
    return section.op('Add', tokens, _scaled(section.at('ls2'), change, channels))


def _attention(section: Section, sizes: Transformer, tokens: str) -> str:
    """Write softmax(q k^T / sqrt(d)) v for every head."""
    channels, heads = sizes.channels, sizes.heads
    each = channels // heads
    weight = section.take('qkv.weight', 3 * channels, channels)
    bias = section.take('qkv.bias', 3 * channels)
    parts = []
    for part, name in enumerate(('query', 'key', 'value')):
        own, first = section.at(name), part * channels
        rows = own.op(
            'Gemm', tokens,
            own.builder.weight(weight.rows(first, channels), f'{own.prefix}weight'),
            own.builder.weight(bias.rows(first, channels), f'{own.prefix}bias'), transB=1,
        )
        rows = own.op('Reshape', rows, section.shape(1, -1, heads, each))
        parts.append(own.op('Transpose', rows, perm=[0, 2, 3, 1] if part == 1 else [0, 2, 1, 3]))
    query, key, value = parts
    query = section.op('Mul', query, section.number(1 / math.sqrt(each)))
    scores = section.op('MatMul', query, key)
    shares = section.op('Softmax', scores, axis=-1)
    mixed = section.op('MatMul', shares, value)
    mixed = section.op('Transpose', mixed, perm=[0, 2, 1, 3])
    mixed = section.op('Reshape', mixed, section.shape(-1, channels))
    return _linear(section.at('proj'), mixed, channels, channels)


def _mlp(section: Section, sizes: Transformer, tokens: str) -> str:
    """Write a linear layer, GELU (Hendrycks and Gimpel 2016, with erf) and another."""
    inner = _linear(section.at('fc1'), tokens, sizes.hidden, sizes.channels)
    scaled = section.op('Div', inner, section.number(math.sqrt(2)))
    shifted = section.op('Add', section.op('Erf', scaled), section.number(1.0))
    inner = section.op('Mul', section.op('Mul', inner, shifted), section.number(0.5))
    return _linear(section.at('fc2'), inner, sizes.channels, sizes.hidden)


def _gated(section: Section, sizes: Transformer, tokens: str) -> str:
    """Write SwiGLU: (silu(a) * b) c, with a and b from one linear layer."""
    both = _linear(section.at('w12'), tokens, 2 * sizes.hidden, sizes.channels)
    gate = section.op('Split', both, axis=1, outputs=2)
    other = f'{gate}:1'
    gate = section.op('Mul', gate, section.op('Sigmoid', gate))
    inner = section.op('Mul', gate, other)
    return _linear(section.at('w3'), inner, sizes.channels, sizes.hidden)


def _scaled(section: Section, tokens: str, channels: int) -> str:
    """Write LayerScale (Touvron et al. 2021)."""
    return section.op('Mul', tokens, section.weight('gamma', channels))


def _norm(section: Section, tokens: str, channels: int) -> str:
    return section.op(
        'LayerNormalization', tokens, section.weight('weight', channels),
        section.weight('bias', channels), axis=-1, epsilon=_EPSILON,
    )


def _linear(section: Section, tokens: str, outputs: int, inputs: int) -> str:
    return section.op(
        'Gemm', tokens, section.weight('weight', outputs, inputs), section.weight('bias', outputs),
        transB=1,
    )
