"""A loss as the sum of its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Terms:
    """
    A loss, part by part.

    :param parts: scalars by name, each with its weight; at least one.
    :param used: share of the pixels that the loss uses, 0 to 1, a scalar without gradient.
    """

    parts: Mapping[str, Tensor]
    used: Tensor

    @property
    def total(self) -> Tensor:
        """The loss, the sum of the parts: a scalar."""
        return torch.stack(list(self.parts.values())).sum()
