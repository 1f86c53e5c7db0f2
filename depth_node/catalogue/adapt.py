"""
Adaptation of ready graphs to the contract: one input [1, 3, h, w], one depth output.

Depth Anything 3 processes several views at once, [batch, views, 3, h, w], and its exports also
output cameras and rays. Only one view is needed here: an axis is added after the input and removed
before the outputs, and unused outputs are dropped.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from depth_node.catalogue.point_maps import adapt_points, is_point_map
from depth_node.errors import ModelError
from depth_node.files import replacing
from depth_node.model.spec import ModelSpec

log = logging.getLogger(__name__)

_DEPTHS = ('predicted_depth', 'depth', 'output')
_EXTRAS = {
    'confidence': 'confidence', 'predicted_confidence': 'confidence', 'depth_conf': 'confidence',
    'conf': 'confidence', 'sky': 'sky', 'predicted_sky': 'sky',
}


def adapted(path: Path, spec: ModelSpec | None = None) -> Path:
    """
    Return a graph that meets the contract: the file itself, or an adapted copy next to it.

    :param path: an ONNX file.
    :param spec: which says what its outputs are called.
    :returns: `path`, or ``NAME_adapted.onnx``, which may refer to the weights of `path`.
    :raises ModelError: not ONNX, or unsupported inputs or outputs.
    :raises DataError: the folder cannot be written, or the disk is full.
    """
    import onnx

    from depth_node.model.network import describe, load

    target = path.with_name(f'{path.stem}_adapted.onnx')
    model = load(path, weights=False)
    try:
        describe(model, path, spec)
    except ModelError:
        if is_point_map(model):
            adapt_points(model)
        elif not _adapt(model):
            raise
    else:
        return path
    content = model.SerializeToString(deterministic=True)
    # dates say nothing: a graph that was copied or restored may be older than another one's copy
    if target.is_file() and target.read_bytes() == content:
        return target
    describe(onnx.load_from_string(content), path, spec)
    with replacing(target) as temporary:
        temporary.write_bytes(content)
    log.info('%s: adapted to one view and one depth output: %s', path.name, target.name)
    return target


def _adapt(model: Any) -> bool:
    """Adapt `model` in place; return whether it changed."""
    from onnx import helper, TensorProto

    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if len(inputs) != 1:
        return False
    dims = _dims(inputs[0])
    views = len(dims) == 5
    outputs = {value.name: value for value in graph.output}
    depth = next((name for name in _DEPTHS if name in outputs), None)
    if depth is None or not (views or len(outputs) > 1):
        return False
    keep = {depth: 'adapted_depth'}
    for name, role in _EXTRAS.items():
        if name in outputs and role not in keep.values():
            keep[name] = role
    if views:
        _add_views(graph, inputs[0], dims)
    nodes = []
    values = []
    for name, role in keep.items():
        source = name if name != role else f'{name}_of_network'
        if source != name:
            _rename(graph, name, source)
        rank = len(_dims(outputs[name]))
        nodes += _squeezed(source, role, rank)
        values.append(
            helper.make_tensor_value_info(role, TensorProto.FLOAT, [1, *dims[-2:]])
        )
    del graph.output[:]
    graph.output.extend(values)
    graph.node.extend(nodes)
    return True


def _add_views(graph: Any, value: Any, dims: list[int | str]) -> None:
    """Insert an Unsqueeze after the input, so that it accepts one image."""
    from onnx import helper, TensorProto

    name = value.name
    inner = f'{name}_views'
    for node in graph.node:
        for index, wire in enumerate(node.input):
            if wire == name:
                node.input[index] = inner
    axes = helper.make_tensor('depth_node_axis', TensorProto.INT64, [1], [1])
    graph.initializer.append(axes)
    graph.node.insert(0, helper.make_node('Unsqueeze', [name, axes.name], [inner]))
    value.CopyFrom(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, *dims[-2:]])
    )


def _squeezed(source: str, target: str, rank: int) -> list[Any]:
    """Return nodes that convert [1, 1, h, w] or [1, 1, 1, h, w] to [1, h, w]."""
    from onnx import helper, TensorProto

    if rank not in (3, 4, 5):
        raise ModelError(
            f'its output {source} has {rank} axes, expected [1, views, h, w] or like it.'
        )
    if rank == 3:
        return [helper.make_node('Identity', [source], [target])]
    axes = list(range(rank - 3))
    constant = helper.make_node(
        'Constant', [], [f'{target}_axes'],
        value=helper.make_tensor(f'{target}_axes', TensorProto.INT64, [len(axes)], axes),
    )
    return [constant, helper.make_node('Squeeze', [source, f'{target}_axes'], [target])]


def _rename(graph: Any, old: str, new: str) -> None:
    for node in graph.node:
        for wires in (node.input, node.output):
            for index, wire in enumerate(wires):
                if wire == old:
                    wires[index] = new


def _dims(value: Any) -> list[int | str]:
    dims = value.type.tensor_type.shape.dim
    return [dim.dim_value if dim.HasField('dim_value') else dim.dim_param or 'any' for dim in dims]
