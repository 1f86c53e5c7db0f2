"""Output activations, and their conversion to depth, in torch."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional
from typing_extensions import assert_never

from depth_node.model import OutputKind

CANONICAL_FOCAL = 300.0
"""The focal length at which canonical depth is in metres (pixels at network size)."""


def activate(logits: Tensor, kind: OutputKind, min_depth: float, max_depth: float) -> Tensor:
    """
    Convert the values of the last layer to the output of the network.

    Depths are min (max/min)^sigmoid(x): bounded and positive, with equal relative resolution near
    and far.

    :param logits: float (B, 1, H, W), any real number.
    :param kind: meaning of the output.
    :param min_depth: smallest depth of the output (m, canonical or relative units).
    :param max_depth: largest depth of the output (same unit).
    :returns: float (B, 1, H, W); disparities are larger for nearer points.
    """
    if kind is OutputKind.SIGMOID_DISPARITY:
        return torch.sigmoid(logits)
    if kind is OutputKind.RELATIVE_DISPARITY:
        return functional.softplus(logits)
    return min_depth * torch.exp(torch.sigmoid(logits) * math.log(max_depth / min_depth))


def to_depth(
    values: Tensor,
    kind: OutputKind,
    min_depth: float,
    max_depth: float,
    focal: Tensor | float = CANONICAL_FOCAL,
) -> Tensor:
    """
    Convert an output to depth, differentiably; the counterpart of `to_metres` without a scale.

    :param values: float (B, 1, H, W), from :func:`activate`.
    :param kind: meaning of the values.
    :param min_depth: smallest depth of a sigmoid disparity (m, or its own unit).
    :param max_depth: largest depth of a sigmoid disparity (same unit).
    :param focal: focal length of the images at network size (pixels), a number or (B,); used
        for canonical depth only.
    :returns: float (B, 1, H, W) depth along the optical axis: metres if the kind is metric,
        otherwise up to a scale (and, for relative disparity, a shift of the disparity).
    """
    match kind:
        case OutputKind.SIGMOID_DISPARITY:
            # Godard et al. 2019, section 3.1: 1 / (a D + b), a and b from the depth range
            return 1.0 / (1.0 / max_depth + (1.0 / min_depth - 1.0 / max_depth) * values)
        case OutputKind.CANONICAL_DEPTH:
            if isinstance(focal, Tensor):
                focal = focal.view(-1, 1, 1, 1)
            return values * focal / CANONICAL_FOCAL
        case OutputKind.RELATIVE_DISPARITY:
            return 1.0 / values.clamp(min=1e-3)
        case OutputKind.METRIC_DEPTH | OutputKind.RELATIVE_DEPTH:
            return values
        case _:
            assert_never(kind)
