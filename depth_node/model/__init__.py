"""
Description of a network: its files, its input, and the meaning of its output.

A model is an ONNX file and a :class:`ModelSpec`. The spec lives in a sidecar next to the file
(``NAME.onnx``, ``NAME.json``), in the catalogue, or in options; nothing is guessed.
"""

from __future__ import annotations

from depth_node.model.sidecar import read_sidecar, spec_from_mapping
from depth_node.model.spec import Aspect, Interpolation, Model, ModelSpec, OutputKind

__all__ = [
    'Aspect',
    'Interpolation',
    'Model',
    'ModelSpec',
    'OutputKind',
    'read_sidecar',
    'spec_from_mapping',
]
