"""
Conversion of networks to half precision.

TensorRT 11 has no precision flags any more: a network is computed in its declared types. Therefore
it is converted here, in the same way for all versions: tensors and weights become float16,
sensitive parts stay float32, with Casts in between.
"""

from __future__ import annotations

from collections.abc import Iterable
import enum
from typing import Any

import numpy as np
from typing_extensions import assert_never

from depth_node.errors import EngineError

LARGEST = float(np.finfo(np.float16).max)


class Precision(str, enum.Enum):
    """The arithmetic precision of a network, from the fastest to the most accurate."""

    FP16 = 'fp16'
    FP16_ATTENTION_FP32 = 'fp16, attention and normalization fp32'
    FP32 = 'fp32'


# sums over many values, powers and exponentials: they leave the range of float16 first
_RISKY = frozenset({
    'CumSum', 'Exp', 'GlobalAveragePool', 'GlobalLpPool', 'Log', 'LogSoftmax', 'LpNormalization',
    'Pow', 'Reciprocal', 'ReduceL1', 'ReduceL2', 'ReduceLogSum', 'ReduceLogSumExp', 'ReduceMean',
    'ReduceProd', 'ReduceSum', 'ReduceSumSquare', 'Softplus', 'Sqrt',
})
_NORMALIZATION = frozenset({
    'BatchNormalization', 'GroupNormalization', 'InstanceNormalization', 'LayerNormalization',
    'RMSNormalization',
})
# they make or turn numbers of a type they name themselves
_OWN_TYPE = frozenset({
    'Cast', 'CastLike', 'Constant', 'ConstantOfShape', 'DequantizeLinear', 'EyeLike',
    'QuantizeLinear', 'RandomNormal', 'RandomUniform', 'Range',
})
# operators between a softmax and the matrix products around it
_BETWEEN = frozenset({
    'Add', 'Cast', 'Div', 'Dropout', 'Identity', 'Mul', 'Reshape', 'Squeeze', 'Transpose',
    'Unsqueeze', 'Where',
})
# inputs that are float32 whatever the others are: the scales of Resize
_ALWAYS_FLOAT = {'Resize': {1, 2}, 'Upsample': {1}}


def converted(model: Any, precision: Precision) -> Any:
    """
    Return a converted network; inputs and outputs stay float32.

    :param model: the ``onnx.ModelProto`` with its weights, sizes fixed; not changed.
    :param precision: the precision.
    :returns: a new ``onnx.ModelProto``.
    :raises EngineError: the network has tensors of unknown type.
    """
    match precision:
        case Precision.FP32:
            return model
        case Precision.FP16 | Precision.FP16_ATTENTION_FP32:
            return _Conversion(model, precision).run()
        case _ as unreachable:
            assert_never(unreachable)


class _Conversion:
    """The state of a conversion: producers of tensors, and existing casts."""

    def __init__(self, model: Any, precision: Precision) -> None:
        self._model = _flat(model)
        self._graph = self._model.graph
        self._kept = _kept(self._graph.node, precision)
        self._float = _float_tensors(self._model)
        self._weights = {tensor.name: tensor for tensor in self._graph.initializer}
        self._half: set[str] = set()
        self._casts: dict[tuple[str, bool], str] = {}
        self._nodes: list[Any] = []

    def run(self) -> Any:
        from onnx import TensorProto

        nodes = list(self._graph.node)
        for index, node in enumerate(nodes):
            half = index not in self._kept and not self._too_large(node)
            always = _ALWAYS_FLOAT.get(node.op_type, set())
            for place, name in enumerate(node.input):
                node.input[place] = self._as(name, half=half and place not in always)
            self._nodes.append(node)
            if half:
                self._half.update(name for name in node.output if name in self._float)
        for value in self._graph.output:
            if value.name in self._half:
                self._restore_output(value.name)
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        # types of the tensors inside are others now; readers infer them again
        del self._graph.value_info[:]
        used = {name for node in self._nodes for name in node.input}
        weights = [t for t in self._graph.initializer if t.name in used]
        del self._graph.initializer[:]
        self._graph.initializer.extend(weights)
        assert all(v.type.tensor_type.elem_type == TensorProto.FLOAT for v in self._graph.output)
        return self._model

    def _too_large(self, node: Any) -> bool:
        """Return whether a weight of the node exceeds float16."""
        from onnx import numpy_helper

        return any(
            np.abs(numpy_helper.to_array(self._weights[name])).max(initial=0.0) > LARGEST
            for name in node.input
            if name in self._weights and name in self._float
        )

    def _as(self, name: str, *, half: bool) -> str:
        """Return a tensor in a precision, with at most one cast in each direction."""
        from onnx import helper, numpy_helper, TensorProto

        if name not in self._float or half == (name in self._half):
            return name
        if (name, half) not in self._casts:
            other = f'{name}/{"half" if half else "float"}'
            self._casts[name, half] = other
            if name in self._weights:
                values = numpy_helper.to_array(self._weights[name]).astype(np.float16)
                self._graph.initializer.append(numpy_helper.from_array(values, other))
            else:
                to = TensorProto.FLOAT16 if half else TensorProto.FLOAT
                self._nodes.append(helper.make_node('Cast', [name], [other], other, to=to))
        return self._casts[name, half]

    def _restore_output(self, name: str) -> None:
        """Cast an output of the network back to float32, under its own name."""
        from onnx import helper, TensorProto

        inner = f'{name}/half_output'
        for node in self._nodes:
            for names in (node.input, node.output):
                for place, found in enumerate(names):
                    if found == name:
                        names[place] = inner
        self._nodes.append(
            helper.make_node('Cast', [inner], [name], f'{name}/float', to=TensorProto.FLOAT)
        )


def _flat(model: Any) -> Any:
    """Return a copy of a model with inlined functions; refuse subgraphs."""
    from onnx import AttributeProto, inliner, ModelProto

    if model.functions:
        model = inliner.inline_local_functions(model)
    else:
        copy = ModelProto()
        copy.CopyFrom(model)
        model = copy
    inner = (AttributeProto.GRAPH, AttributeProto.GRAPHS)
    for node in model.graph.node:
        if any(attribute.type in inner for attribute in node.attribute):
            raise EngineError(
                f'The network cannot be converted to fp16: it has control flow ({node.op_type}).'
            )
    return model


def _float_tensors(model: Any) -> set[str]:
    """Return the names of all float32 tensors."""
    from onnx import shape_inference, TensorProto

    try:
        inferred = shape_inference.infer_shapes(model).graph
    except Exception as error:  # onnx raises several kinds
        raise EngineError(f'The network cannot be converted to fp16: {error}') from error
    types = {
        value.name: value.type.tensor_type.elem_type
        for values in (inferred.value_info, inferred.input, inferred.output)
        for value in values
    }
    types |= {tensor.name: tensor.data_type for tensor in inferred.initializer}
    for node in inferred.node:
        for name in node.output:
            if name and not types.get(name):
                raise EngineError(
                    'The network cannot be converted to fp16: the type of '
                    f'{name} ({node.domain or "onnx"} {node.op_type}) is not known.'
                )
    return {name for name, kind in types.items() if kind == TensorProto.FLOAT}


def _kept(nodes: Iterable[Any], precision: Precision) -> set[int]:
    """Return the indices of the nodes that stay float32."""
    nodes = list(nodes)
    kept = {
        index for index, node in enumerate(nodes)
        if node.op_type in _RISKY or node.op_type in _OWN_TYPE
    }
    kept |= _layer_norms(nodes)
    if precision is Precision.FP16_ATTENTION_FP32:
        kept |= _attention(nodes)
        kept |= {i for i, node in enumerate(nodes) if node.op_type in _NORMALIZATION}
    return kept


def _ends(nodes: list[Any]) -> tuple[dict[str, int], dict[str, list[int]]]:
    """Return the producer and the consumers of each tensor."""
    makers = {name: i for i, node in enumerate(nodes) for name in node.output}
    readers: dict[str, list[int]] = {}
    for index, node in enumerate(nodes):
        for name in node.input:
            readers.setdefault(name, []).append(index)
    return makers, readers


def _layer_norms(nodes: list[Any]) -> set[int]:
    """
    Return decomposed layer normalizations, as exported below opset 17.

    Their mean, power and root stay float32 in any case. With difference and quotient in float16
    every value would be rounded twice, and TensorRT could not recognize the normalization, so
    all of it stays float32.
    """
    makers, readers = _ends(nodes)

    def made_by(index: int | None, *operators: str) -> int | None:
        """Return the first producer of a node's inputs with one of the operators."""
        sources = () if index is None else nodes[index].input
        found = (makers[name] for name in sources if name in makers)
        return next((i for i in found if nodes[i].op_type in operators), None)

    def read_by(index: int | None, operator: str) -> int | None:
        outputs = () if index is None else nodes[index].output
        found = (i for name in outputs for i in readers.get(name, ()))
        return next((i for i in found if nodes[i].op_type == operator), None)

    kept: set[int] = set()
    for root in (i for i, node in enumerate(nodes) if node.op_type == 'Sqrt'):
        epsilon = made_by(root, 'Add')
        variance = made_by(epsilon, 'ReduceMean')
        square = made_by(variance, 'Pow', 'Mul')
        difference = made_by(square, 'Sub')
        mean = made_by(difference, 'ReduceMean')
        quotient = read_by(root, 'Div')
        chain = (epsilon, variance, square, difference, mean, quotient)
        if None not in chain:
            gain = read_by(quotient, 'Mul')
            ends = (gain, read_by(gain, 'Add'))
            kept |= {root, *(i for i in (*chain, *ends) if i is not None)}
    return kept


def _attention(nodes: list[Any]) -> set[int]:
    """Return softmax nodes and the matrix products before and after them."""
    makers, readers = _ends(nodes)
    found = {i for i, node in enumerate(nodes) if node.op_type in ('Softmax', 'Attention')}
    for softmax in tuple(found):
        if nodes[softmax].op_type == 'Softmax':
            found |= _walk(nodes, softmax, lambda node: [
                makers[name] for name in node.input if name in makers])
            found |= _walk(nodes, softmax, lambda node: [
                reader for name in node.output for reader in readers.get(name, [])])
    return found


def _walk(nodes: list[Any], start: int, neighbors: Any) -> set[int]:
    """Follow a tensor up to the next matrix product."""
    found: set[int] = set()
    ends = list(neighbors(nodes[start]))
    while ends:
        index = ends.pop()
        node = nodes[index]
        if index not in found and (node.op_type in _BETWEEN or node.op_type == 'MatMul'):
            found.add(index)
            if node.op_type in _BETWEEN:
                ends.extend(neighbors(node))
    return found
