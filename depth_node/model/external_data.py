"""
Weights that an ONNX file keeps in other files, which must not be just any file of this machine.

An engine reads them by itself, wherever the file says; so it is looked at first.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from depth_node.errors import ModelError


def check_external(model: Any, path: Path) -> bool:
    """
    Refuse external data that is missing or lies outside the folder of the file.

    :param model: the ``onnx.ModelProto``, without its external data.
    :param path: where it came from.
    :returns: whether it has any.
    :raises ModelError: it points elsewhere, or to nothing.
    """
    import onnx

    external = [t for t in _tensors(model) if t.data_location == onnx.TensorProto.EXTERNAL]
    for tensor in external:
        places = [entry.value for entry in tensor.external_data if entry.key == 'location']
        for place in places or ['']:  # readers differ in which of several they take
            _check_place(path, place)
    return bool(external)


def _tensors(model: Any) -> Iterator[Any]:
    """Walk over every constant of a model, also of the graphs and functions inside it."""
    graphs = [model.graph]
    nodes = [node for function in model.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            nodes.extend(graph.node)
            continue
        for attribute in nodes.pop().attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            graphs.extend((attribute.g, *attribute.graphs))


def _check_place(path: Path, location: str | bytes) -> None:
    folder = target = path.parent.resolve()
    # protobuf hands out as bytes what is no text
    named = isinstance(location, str) and location != '' and '\0' not in location
    if named:
        target = (folder / str(location)).resolve()
    if not named or not target.is_relative_to(folder):
        raise ModelError(
            f'{path}: points to data outside its folder ({location!r}).',
            'Keep the external data beside the ONNX file, or do not trust this file.',
        )
    if not target.is_file():
        raise ModelError(
            f'{path}: its external data {location!s} is missing.',
            'Copy it beside the ONNX file.',
        )
