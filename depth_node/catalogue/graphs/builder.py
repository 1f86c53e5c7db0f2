"""A builder of ONNX graphs, which leaves weights in the checkpoint if possible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.catalogue.checkpoints.tensor import StoredTensor, Weights
from depth_node.files import replacing
from depth_node.image.size import Size

OPSET = 17
"""The lowest opset in which LayerNormalization is one operator."""
IR_VERSION = 8
"""IR version of the same age; older engines refuse later ones."""
_ALIGNMENT = 4
"""Alignment of weights in a file that engines need (bytes)."""
_INLINE = 1024
"""Size below which weights are stored in the graph (bytes)."""
_WHOLE_FILE = 1 << 30
"""Size of weights up to which a graph is one file (bytes); protobuf allows twice that."""


class Builder:
    """
    A graph with one image input, built node by node.

    :param checkpoint: file in the folder of the graph that the graph may refer to for weights;
        None: all weights are copied.
    """

    def __init__(self, checkpoint: Path | None = None) -> None:
        self._checkpoint = checkpoint
        self._nodes: list[Any] = []
        self._initializers: dict[str, Any] = {}
        self._names: dict[str, int] = {}

    def op(
        self, kind: str, *inputs: str, name: str = '', outputs: int = 1, **attributes: Any
    ) -> str:
        """
        Add a node.

        :param kind: the operator.
        :param inputs: names of tensors; empty for an omitted optional one.
        :param name: name of the node, made unique; empty: that of the operator.
        :param outputs: number of outputs; those after the first have the suffix ``:1``, ``:2``
            and so on.
        :param attributes: attributes of the operator.
        :returns: the name of its first output.
        """
        from onnx import helper

        name = self._name(name or kind)
        names = [name, *(f'{name}:{number}' for number in range(1, outputs))]
        self._nodes.append(helper.make_node(kind, inputs, names, name, **attributes))
        return name

    def constant(self, values: NDArray[Any], name: str) -> str:
        """
        Add an array.

        :param values: array with a type of ONNX.
        :param name: its name, made unique.
        :returns: its name.
        """
        from onnx import numpy_helper

        name = self._name(name)
        self._initializers[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def shape(self, *axes: int) -> str:
        """
        Add a constant shape, once.

        :param axes: the numbers.
        :returns: its name.
        """
        from onnx import numpy_helper

        name = 'shape_' + '_'.join(str(n).replace('-', 'm') for n in axes)
        if name not in self._initializers:
            values = np.array(axes, np.int64)
            self._initializers[name] = numpy_helper.from_array(values, name)
        return name

    def number(self, value: float) -> str:
        """
        Add a constant scalar, once.

        :param value: the number.
        :returns: its name.
        """
        from onnx import numpy_helper

        name = f'number_{value!r}'
        if name not in self._initializers:
            self._initializers[name] = numpy_helper.from_array(np.array(value, np.float32), name)
        return name

    def weight(self, tensor: StoredTensor, name: str) -> str:
        """
        Add a weight, available as float32.

        Weights that an engine can use unchanged stay in the checkpoint, and the graph refers to
        them. Half precision is converted by a Cast, which engines compute once when loading.

        :param tensor: the weight.
        :param name: its name.
        :returns: the name of the float32 tensor.
        """
        name = self._name(name)
        if tensor.dtype not in ('float32', 'float16'):
            self._add(StoredTensor.of(tensor.array().astype(np.float32)), name)
            return name
        if tensor.dtype == 'float32':
            self._add(tensor, name)
            return name
        from onnx import helper, TensorProto

        self._add(tensor, f'{name}.half')
        self._nodes.append(
            helper.make_node('Cast', [f'{name}.half'], [name], name, to=TensorProto.FLOAT)
        )
        return name

    def write(self, path: Path, size: Size, output: str, facts: Mapping[str, str]) -> None:
        """
        Write the graph atomically.

        :param path: the ONNX file, in the folder of the checkpoint.
        :param size: size of its input (pixels).
        :param output: name of the depth tensor (1, h, w).
        :param facts: metadata of the file.
        :raises DataError: the folder cannot be written, or the disk is full.
        """
        from onnx import helper

        nodes = [*self._nodes, helper.make_node('Identity', [output], ['depth'], 'depth')]
        graph = helper.make_graph(
            nodes,
            path.stem,
            [_value('image', [1, 3, size.height, size.width])],
            [_value('depth', [1, size.height, size.width])],
            list(self._initializers.values()),
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid('', OPSET)], producer_name='depth_node'
        )
        model.ir_version = IR_VERSION
        helper.set_model_props(model, dict(facts))
        if sum(len(tensor.raw_data) for tensor in model.graph.initializer) > _WHOLE_FILE:
            _move_weights(model.graph, path.with_suffix('.weights'))
        with replacing(path) as temporary:
            temporary.write_bytes(model.SerializeToString())

    def _add(self, tensor: StoredTensor, name: str) -> None:
        from onnx import numpy_helper, TensorProto

        region = tensor.region
        place = region.offset + tensor.first_byte
        stays = (
            self._checkpoint is not None and region.path == self._checkpoint
            and tensor.is_contiguous and place % _ALIGNMENT == 0 and tensor.size >= _INLINE
        )
        if not stays:
            self._initializers[name] = numpy_helper.from_array(
                np.ascontiguousarray(tensor.array()), name
            )
            return
        kind = TensorProto.FLOAT16 if tensor.dtype == 'float16' else TensorProto.FLOAT
        assert self._checkpoint is not None
        proto = TensorProto(name=name, data_type=kind, dims=tensor.shape)
        _point(proto, self._checkpoint.name, place, tensor.size)
        self._initializers[name] = proto

    def _name(self, name: str) -> str:
        number = self._names[name] = self._names.get(name, 0) + 1
        return name if number == 1 else f'{name}_{number}'


@dataclass(frozen=True)
class Section:
    """
    A part of a network: a builder, and the weights with a common prefix.

    Nodes are named after the weights, so that profiles of an engine are readable.

    :param builder: builder of the graph.
    :param weights: weights of the checkpoint.
    :param prefix: prefix of the names of its weights; empty, or with a dot at its end.
    """

    builder: Builder
    weights: Weights
    prefix: str = ''

    def at(self, name: str) -> Section:
        """
        Return a subpart.

        :param name: its name, without a dot at its end.
        :returns: the subpart.
        """
        return Section(self.builder, self.weights, f'{self.prefix}{name}.')

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """
        Add a node; see :meth:`Builder.op`.

        :param kind: the operator.
        :param inputs: names of tensors.
        :param attributes: attributes of the operator, and `outputs`.
        :returns: the name of its first output.
        """
        return self.builder.op(kind, *inputs, name=f'{self.prefix}{kind}', **attributes)

    def shape(self, *axes: int) -> str:
        """
        Add a shape; see :meth:`Builder.shape`.

        :param axes: the numbers.
        :returns: its name.
        """
        return self.builder.shape(*axes)

    def number(self, value: float) -> str:
        """
        Add a scalar; see :meth:`Builder.number`.

        :param value: the number.
        :returns: its name.
        """
        return self.builder.number(value)

    def constant(self, values: NDArray[Any], name: str) -> str:
        """
        Add an array; see :meth:`Builder.constant`.

        :param values: array with a type of ONNX.
        :param name: its name in this part.
        :returns: its name.
        """
        return self.builder.constant(values, self.prefix + name)

    def take(self, name: str, *shape: int) -> StoredTensor:
        """
        Take a weight without adding it; see :meth:`Weights.take`.

        :param name: its name in this part.
        :param shape: its expected shape.
        :returns: the weight.
        :raises ModelError: missing, or of another shape.
        """
        return self.weights.take(self.prefix + name, *shape)

    def weight(self, name: str, *shape: int) -> str:
        """
        Take a weight and add it to the graph.

        :param name: its name in this part.
        :param shape: its expected shape.
        :returns: the name of the float32 tensor.
        :raises ModelError: missing, or of another shape.
        """
        return self.builder.weight(self.take(name, *shape), self.prefix + name)

    def ignore(self, *names: str) -> None:
        """
        Ignore weights that the network does not need.

        :param names: their names in this part, which may be missing.
        """
        self.weights.ignore(*(self.prefix + name for name in names))


def _move_weights(graph: Any, path: Path) -> None:
    """Move large weights to a separate file."""
    place = 0
    with replacing(path) as temporary, temporary.open('wb') as file:
        for tensor in graph.initializer:
            size = len(tensor.raw_data)
            if size >= _INLINE:
                file.write(tensor.raw_data)
                tensor.ClearField('raw_data')
                _point(tensor, path.name, place, size)
                place += size


def _point(tensor: Any, location: str, offset: int, length: int) -> None:
    """Let a tensor refer to data in another file."""
    from onnx import TensorProto

    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (('location', location), ('offset', offset), ('length', length)):
        tensor.external_data.add(key=key, value=str(value))


def _value(name: str, shape: list[int]) -> Any:
    from onnx import helper, TensorProto

    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
