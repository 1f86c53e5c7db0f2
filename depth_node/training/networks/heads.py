"""What the last layer's numbers become, and the metres they mean, in torch."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional
from typing_extensions import assert_never

from depth_node.model import OutputKind

CANONICAL_FOCAL = 300.0
"""The focal length at which a canonical depth is a metre (pixels at network size)."""


def activate(logits: Tensor, kind: OutputKind, min_depth: float, max_depth: float) -> Tensor:
    """
    Turn a head's numbers into the network's output.

    Depths are min (max/min)^sigmoid(x): bounded, positive, and a step of the head is the same
    ratio near and far, which is how depth errors are judged.

    :param logits: float (B, 1, H, W), any real number.
    :param kind: what the output shall mean.
    :param min_depth: smallest depth the head can express (m, canonical or relative units).
    :param max_depth: largest depth the head can express (same unit).
    :returns: float (B, 1, H, W); disparities are near-large.
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
    Read a network's output as depth, differentiably; `depth.to_metres` without a scale.

    :param values: float (B, 1, H, W), what :func:`activate` made.
    :param kind: what the values mean.
    :param min_depth: nearest depth of a sigmoid disparity (m, or its own unit).
    :param max_depth: farthest depth of a sigmoid disparity (same unit).
    :param focal: of the images at network size (pixels), a number or (B,) for a canonical
        network; other kinds do not look at it.
    :returns: float (B, 1, H, W) depth along the optical axis: metres where the kind is metric,
        else up to a scale (and, for relative disparity, a shift of the disparity).
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
