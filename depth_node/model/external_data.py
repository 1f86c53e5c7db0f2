"""
Checks of the external data of an ONNX file: weights in other files.

An engine reads them from whatever path the file contains, so the paths are checked first.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from depth_node.errors import ModelError


def check_external(model: Any, path: Path) -> bool:
    """
    Check that external data exists and is inside the folder of the file.

    :param model: the ``onnx.ModelProto``, without its external data.
    :param path: the ONNX file.
    :returns: whether there is any external data.
    :raises ModelError: it is outside the folder, or missing.
    """
    import onnx

    external = [t for t in tensors(model) if t.data_location == onnx.TensorProto.EXTERNAL]
    for tensor in external:
        places = [entry.value for entry in tensor.external_data if entry.key == 'location']
        for place in places or ['']:  # readers differ in which of several they take
            _check_place(path, place)
    return bool(external)


def external_places(model: Any) -> list[str]:
    """
    List the files that hold external data.

    :param model: the ``onnx.ModelProto``, checked by :func:`check_external`.
    :returns: their names relative to the folder of the ONNX file, each once, in order.
    """
    import onnx

    return sorted({
        entry.value
        for tensor in tensors(model) if tensor.data_location == onnx.TensorProto.EXTERNAL
        for entry in tensor.external_data if entry.key == 'location'
    })


def external_arrays(model: Any, folder: Path) -> dict[str, NDArray[Any]]:
    """
    Read the external constants of the outermost graph.

    :param model: the ``onnx.ModelProto``, checked by :func:`check_external`; it is not changed.
    :param folder: that of the ONNX file.
    :returns: name to values, of the types that NumPy has; without those that no node uses.
    :raises ModelError: a file cannot be read, or is too short.
    """
    import onnx
    from onnx import numpy_helper

    found = {}
    used = {name for node in _nodes(model) for name in node.input}
    for tensor in model.graph.initializer:
        if tensor.data_location != onnx.TensorProto.EXTERNAL or tensor.name not in used:
            continue
        alone = onnx.TensorProto()  # or else its content would stay in the model
        alone.CopyFrom(tensor)
        try:
            values = numpy_helper.to_array(alone, str(folder))
        except Exception as error:  # ValueError, OSError, or onnx's own
            raise ModelError(
                f'The external data of {tensor.name!r:.80} cannot be read ({error}).'
            ) from error
        if values.dtype.kind in 'fiub':  # not of ml_dtypes, which engines do not take
            found[tensor.name] = values
    return found


def tensors(model: Any) -> Iterator[Any]:
    """
    Iterate over all constants of a model, including those of subgraphs and functions.

    :param model: the ``onnx.ModelProto``.
    :returns: every ``onnx.TensorProto``; empty ones for attributes that hold none.
    """
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


def _nodes(model: Any) -> Iterator[Any]:
    """Walk over the nodes of the outermost graph and of those within."""
    graphs = [model.graph]
    while graphs:
        for node in graphs.pop().node:
            yield node
            for attribute in node.attribute:
                graphs.extend((attribute.g, *attribute.graphs))


def _check_place(path: Path, location: str | bytes) -> None:
    folder = target = path.parent.resolve()
    # protobuf hands out as bytes what is no text
    named = isinstance(location, str) and location != '' and '\0' not in location
    if named:
        target = (folder / str(location)).resolve()
    if not named or not target.is_relative_to(folder):
        raise ModelError(
            f'{path}: refers to data outside its folder ({location!r}).',
            'Put its external data next to it. Do not use a file that you do not trust.',
        )
    if not target.is_file():
        raise ModelError(
            f'{path}: its external data {location!s} is missing.',
            'Copy it next to the ONNX file.',
        )
