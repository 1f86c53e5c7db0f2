"""Random weights of our networks, without torch: their names and shapes are those asked for."""

from __future__ import annotations

import numpy as np

from depth_node.catalogue.checkpoints import StoredTensor, Weights
from depth_node.catalogue.graphs.depth_anything import DepthAnything
from depth_node.catalogue.graphs.vision_transformer import Transformer

TINY = DepthAnything(Transformer(48, 4, 3), (1, 2, 3, 4), (8, 8, 16, 16), 16, 8)
"""A Depth Anything small enough for a test."""


class _Random(Weights):
    """Weights that are made up when they are taken; names are given, so that all are known."""

    def __init__(self, names: tuple[str, ...], seed: int) -> None:
        super().__init__({}, 'random')
        self._names = names
        self._random = np.random.default_rng(seed)

    def take(self, name: str, *shape: int) -> StoredTensor:
        """Make a tensor that keeps what goes through it in range."""
        ones = name.endswith(('norm.weight', 'norm1.weight', 'norm2.weight', 'running_var'))
        spread = (0.5 / max(1, int(np.prod(shape[1:])))) ** 0.5 if len(shape) > 1 else 0.05
        values = self._random.normal(1.0 if ones else 0.0, 0.02 if ones else spread, shape)
        return StoredTensor.of(values.astype(np.float32))

    def __contains__(self, name: object) -> bool:
        """Return whether a network is recognised by a name."""
        return name in self._names


def random_weights(*names: str, seed: int = 0) -> Weights:
    """
    Make weights of any network.

    :param names: those that a network is recognised by.
    :param seed: of the numbers.
    :returns: the weights.
    """
    return _Random(names, seed)
