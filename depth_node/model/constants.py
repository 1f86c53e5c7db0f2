"""Checks of the constants of an ONNX file: as many values as their shapes say."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from depth_node.errors import ModelError
from depth_node.model.external_data import tensors

_FIELDS = {
    'FLOAT': ('float_data', 4), 'DOUBLE': ('double_data', 8), 'INT64': ('int64_data', 8),
    'INT32': ('int32_data', 4), 'INT16': ('int32_data', 2), 'UINT16': ('int32_data', 2),
    'INT8': ('int32_data', 1), 'UINT8': ('int32_data', 1), 'BOOL': ('int32_data', 1),
    'FLOAT16': ('int32_data', 2), 'BFLOAT16': ('int32_data', 2), 'UINT32': ('uint64_data', 4),
    'UINT64': ('uint64_data', 8),
}
"""Type: where its values are if not in `raw_data`, and the bytes of one there (onnx.proto)."""


def check_constants(model: Any, path: Path) -> None:
    """
    Check that all constants in a file have the number of values that their shapes say.

    :param model: the ``onnx.ModelProto``.
    :param path: the ONNX file, for the error message.
    :raises ModelError: one has not.
    """
    import onnx

    types = {getattr(onnx.TensorProto, name): row for name, row in _FIELDS.items()}
    for tensor in tensors(model):
        dims = list(tensor.dims)
        good = all(dim >= 0 for dim in dims)
        if tensor.data_type in types and tensor.data_location != onnx.TensorProto.EXTERNAL:
            field, size = types[tensor.data_type]
            raw = len(tensor.raw_data)
            # raw_data is used where it is not empty
            good = good and math.prod(dims) == (raw / size if raw else len(getattr(tensor, field)))
        if not good:
            raise ModelError(
                f'{path}: its constant {tensor.name!r:.80} does not have as many values as its '
                f'shape {dims!s:.200} says.', 'The file is damaged: fetch or export it again.',
            )
