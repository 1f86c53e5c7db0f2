"""
Checkpoints as their authors publish them, read into NumPy without torch.

Safetensors needs no pickle at all. A ``.pth`` is a zip of raw storages and one small pickle
(torch 1.6 and later), or the older stream of pickles and storages; their pickles are read by an
interpreter that knows tensors, names and numbers and calls nothing.
"""

from __future__ import annotations

from depth_node.catalogue.checkpoints.reading import read_checkpoint
from depth_node.catalogue.checkpoints.tensor import StoredTensor, Weights

__all__ = ['StoredTensor', 'Weights', 'read_checkpoint']
