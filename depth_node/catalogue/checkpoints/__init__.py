"""
Readers for published checkpoints, with NumPy and without torch.

Safetensors contains no pickle. A ``.pth`` is a zip of raw storages and one small pickle (torch 1.6
and later), or the older stream of pickles and storages. The pickles are read by an interpreter
that supports tensors, names and numbers, and calls nothing.
"""

from __future__ import annotations

from depth_node.catalogue.checkpoints.reading import read_checkpoint
from depth_node.catalogue.checkpoints.tensor import StoredTensor, Weights

__all__ = ['StoredTensor', 'Weights', 'read_checkpoint']
