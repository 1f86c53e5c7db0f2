"""
What a network is, and how one is opened by name or path.

A model is an ONNX file and a :class:`ModelSpec`. The spec lives in a sidecar beside the file
(``NAME.onnx``, ``NAME.json``), in the catalogue, or in options; nothing is guessed silently.
"""

from __future__ import annotations

from depth_node.model.opening import is_path, open_model, overrides_from
from depth_node.model.sidecar import read_sidecar, spec_from_mapping
from depth_node.model.spec import Aspect, Interpolation, Model, ModelSpec, OutputKind, Size

__all__ = [
    'Aspect',
    'Interpolation',
    'Model',
    'ModelSpec',
    'OutputKind',
    'Size',
    'is_path',
    'open_model',
    'overrides_from',
    'read_sidecar',
    'spec_from_mapping',
]
