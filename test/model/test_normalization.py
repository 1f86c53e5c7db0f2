"""The normalization of a description against the constants of the graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import pytest

from depth_node.errors import ModelError
from depth_node.model import ModelSpec, OutputKind
from depth_node.model.normalization import check_normalization, first_affine

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
PATH = Path('net.onnx')


def graph(*steps: tuple[str, object]) -> onnx.ModelProto:
    """Build a graph that begins with nodes of one constant each, and ends with a convolution."""
    nodes, constants, wire = [], [], 'image'
    for number, (kind, value) in enumerate(steps):
        name = f'c{number}'
        array = np.asarray(value, np.float32)
        constants.append(numpy_helper.from_array(array.reshape(-1, 1, 1), name))
        inputs = [wire, name] if not kind.startswith('r') else [name, wire]
        nodes.append(helper.make_node(kind.removeprefix('r'), inputs, [f'w{number}']))
        wire = f'w{number}'
    constants.append(numpy_helper.from_array(np.ones((1, 3, 1, 1), np.float32), 'kernel'))
    nodes.append(helper.make_node('Conv', [wire, 'kernel'], ['depth']))
    sides = [('image', [1, 3, 4, 4]), ('depth', [1, 1, 4, 4])]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in sides]
    return helper.make_model(helper.make_graph(nodes, 'g', ends[:1], ends[1:], constants))


def spec(mean=(0, 0, 0), std=(1, 1, 1), **fields) -> ModelSpec:
    return ModelSpec('net', OutputKind.METRIC_DEPTH, mean=tuple(mean), std=tuple(std), **fields)


def test_the_first_steps_are_multiplied_together() -> None:
    """In their order, with the constant on either side."""
    found = first_affine(graph(('Mul', 2.0), ('Sub', [1.0, 2.0, 3.0]), ('Div', 4.0)))
    np.testing.assert_allclose(found.gain, [0.5] * 3)
    np.testing.assert_allclose(found.offset, [-0.25, -0.5, -0.75])
    backwards = first_affine(graph(('rSub', 1.0), ('rAdd', 0.5)))
    np.testing.assert_allclose(backwards.gain, [-1.0] * 3)
    np.testing.assert_allclose(backwards.offset, [1.5] * 3)
    nothing = first_affine(graph())
    assert (nothing.gain == 1).all()
    assert not nothing.offset.any()


def test_batch_normalization_counts() -> None:
    """As some exporters write it."""
    model = graph()
    node = helper.make_node(
        'BatchNormalization', ['image', 's', 'b', 'm', 'v'], ['normal'], epsilon=0.0
    )
    model.graph.node.insert(0, node)
    model.graph.node[1].input[0] = 'normal'
    for name, value in (('s', np.ones(3)), ('b', np.zeros(3)), ('m', MEAN), ('v', STD**2)):
        model.graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
    np.testing.assert_allclose(first_affine(model).offset, -MEAN / STD, rtol=1e-5)


@pytest.mark.parametrize(('steps', 'fields'), [
    ((), {}),
    ((), {'mean': MEAN, 'std': STD}),
    ((), {'std': [1 / 255] * 3}),  # a network that takes 0 to 255
    ((), {'mean': MEAN, 'std': [1 / 255] * 3}),
    ((), {'mean': [0.5] * 3, 'std': [0.5] * 3}),
    ((('Sub', MEAN), ('Div', STD)), {}),
    ((('Sub', 0.45), ('Div', 0.225)), {}),  # Monodepth2
    ((('Div', 255.0),), {'std': [1 / 255] * 3}),
    ((('Mul', 255.0),), {}),
    ((('Sub', MEAN * 255),), {'std': [1 / 255] * 3}),
    ((('Mul', 255.0), ('Sub', MEAN[::-1] * 255)), {'bgr': True}),
    ((), {'mean': MEAN[::-1], 'std': STD[::-1], 'bgr': True}),
])
def test_what_normalizes_once(steps, fields) -> None:
    check_normalization(graph(*steps), spec(**fields), PATH)


@pytest.mark.parametrize(('steps', 'fields', 'text'), [
    ((('Sub', MEAN), ('Div', STD)), {'mean': MEAN, 'std': STD}, 'subtracted twice'),
    ((('Sub', MEAN), ('Div', STD)), {'std': STD}, 'the graph itself make values'),
    ((('Div', 255.0),), {}, 'values from 0 to 0.0039'),
    ((('Div', 255.0),), {'mean': MEAN, 'std': STD}, 'the graph itself make values'),
    ((('Sub', MEAN * 255), ('Div', STD * 255)), {}, 'the graph itself make values'),
    ((('Mul', 255.0),), {'std': [1 / 255] * 3}, 'the graph itself make values'),
    ((), {'mean': MEAN * 255, 'std': STD * 255}, 'for 0 to 255 by 255'),
    ((), {'mean': MEAN * 255}, 'for 0 to 255 by 255'),
    ((('Sub', MEAN[::-1]), ('Div', STD[::-1])), {}, 'Set bgr to true'),
    ((('Sub', MEAN), ('Div', STD)), {'bgr': True}, 'Set bgr to false'),
    ((), {'mean': MEAN[::-1], 'std': STD[::-1]}, 'Set bgr to true'),
    ((), {'mean': MEAN, 'std': STD, 'bgr': True}, 'Set bgr to false'),
    ((), {'std': [1e-320] * 3}, 'which no network is trained with'),  # and no warning of NumPy
])
def test_what_contradicts(steps, fields, text) -> None:
    with np.errstate(all='raise'), pytest.raises(ModelError, match=text):
        check_normalization(graph(*steps), spec(**fields), PATH)
