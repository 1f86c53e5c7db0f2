from __future__ import annotations

import numpy as np
import onnx
from onnx import checker, helper, numpy_helper, shape_inference, TensorProto
import onnxruntime
import pytest

from depth_node.engine.precision import converted, Precision
from depth_node.errors import EngineError

HALF = (Precision.FP16, Precision.FP16_ATTENTION_FP32)


def run(model, **inputs):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=['CPUExecutionProvider']
    )
    return session.run(None, inputs)


def types(model):
    """Operator and type of its first output, for every node but Casts."""
    inferred = shape_inference.infer_shapes(model, strict_mode=True).graph
    kinds = {
        value.name: value.type.tensor_type.elem_type
        for values in (inferred.value_info, inferred.output) for value in values
    }
    return [
        (node.op_type, TensorProto.DataType.Name(kinds[node.output[0]]))
        for node in inferred.node if node.op_type != 'Cast'
    ]


def transformer(features=8, tokens=6):
    """One block of attention as exporters write it, and a norm."""
    rng = np.random.default_rng(2)
    weights = [
        numpy_helper.from_array(rng.normal(0, 0.4, shape).astype(np.float32), name)
        for name, shape in (
            ('q', (features, features)), ('k', (features, features)), ('v', (features, features)),
            ('gain', (features,)), ('bias', (features,)), ('scale', ()), ('out', (features, 1)),
        )
    ]
    nodes = [
        helper.make_node('LayerNormalization', ['x', 'gain', 'bias'], ['n']),
        *(helper.make_node('MatMul', ['n', w], [f'{w}n']) for w in 'qkv'),
        helper.make_node('Transpose', ['kn'], ['kt'], perm=[0, 2, 1]),
        helper.make_node('MatMul', ['qn', 'kt'], ['scores']),
        helper.make_node('Mul', ['scores', 'scale'], ['scaled']),
        helper.make_node('Softmax', ['scaled'], ['p'], axis=-1),
        helper.make_node('MatMul', ['p', 'vn'], ['mixed']),
        helper.make_node('MatMul', ['mixed', 'out'], ['y']),
    ]
    graph = helper.make_graph(
        nodes, 'block',
        [helper.make_tensor_value_info('x', TensorProto.FLOAT, [1, tokens, features])],
        [helper.make_tensor_value_info('y', TensorProto.FLOAT, [1, tokens, 1])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)])
    model.ir_version = 8
    return model


@pytest.mark.parametrize('precision', HALF)
@pytest.mark.parametrize('extras', [(), ('confidence', 'sky')])
def test_gives_nearly_the_same_and_keeps_its_ends(network, precision, extras):
    model = onnx.load(network(extras=extras))
    half = converted(model, precision)
    checker.check_model(half, full_check=True)
    assert [v.type.tensor_type.elem_type for v in half.graph.input] == [TensorProto.FLOAT]
    image = np.random.default_rng(1).random((1, 3, 24, 32), np.float32)
    for ours, wanted in zip(run(half, image=image), run(model, image=image), strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, wanted, rtol=4e-3, atol=1e-3)


def test_weights_are_halved(network):
    model = onnx.load(network())
    half = converted(model, Precision.FP16)
    kernel = next(t for t in half.graph.initializer if t.name.startswith('kernel'))
    assert kernel.data_type == TensorProto.FLOAT16
    assert len([t for t in half.graph.initializer if t.name.startswith('kernel')]) == 1
    assert dict(types(half))['Conv'] == 'FLOAT16'


def test_fp32_is_left_alone(network):
    model = onnx.load(network())
    assert converted(model, Precision.FP32) is model


def test_attention_stays_float_when_asked():
    model = transformer()
    x = np.random.default_rng(3).normal(size=(1, 6, 8)).astype(np.float32)
    wanted, = run(model, x=x)
    fast = converted(model, Precision.FP16)
    safe = converted(model, Precision.FP16_ATTENTION_FP32)
    assert dict(types(fast))['Softmax'] == 'FLOAT16'
    kinds = types(safe)
    assert ('Softmax', 'FLOAT') in kinds
    assert ('LayerNormalization', 'FLOAT') in kinds
    products = [kind for operator, kind in kinds if operator == 'MatMul']
    # the three projections and the output stay half; scores and mixing do not
    assert products == ['FLOAT16'] * 3 + ['FLOAT'] * 2 + ['FLOAT16']
    for half in (fast, safe):
        np.testing.assert_allclose(run(half, x=x)[0], wanted, atol=5e-3)


def written_out_norm(square):
    """A layer normalization as exporters write it below opset 17, between two products."""
    rng = np.random.default_rng(4)
    weights = [
        numpy_helper.from_array(np.asarray(value, np.float32), name)
        for name, value in (
            ('w', rng.normal(0, 0.4, (8, 8))), ('two', 2.0), ('epsilon', 1e-6),
            ('gain', rng.normal(1, 0.1, 8)), ('bias', rng.normal(0, 0.1, 8)),
            ('v', rng.normal(0, 0.4, (8, 1))),
        )
    ]
    nodes = [
        helper.make_node('MatMul', ['x', 'w'], ['h']),
        helper.make_node('ReduceMean', ['h'], ['mean'], axes=[-1]),
        helper.make_node('Sub', ['h', 'mean'], ['d']),
        helper.make_node(*square),
        helper.make_node('ReduceMean', ['d2'], ['variance'], axes=[-1]),
        helper.make_node('Add', ['variance', 'epsilon'], ['sum']),
        helper.make_node('Sqrt', ['sum'], ['root']),
        helper.make_node('Div', ['d', 'root'], ['n']),
        helper.make_node('Mul', ['n', 'gain'], ['g']),
        helper.make_node('Add', ['g', 'bias'], ['b']),
        helper.make_node('MatMul', ['b', 'v'], ['y']),
    ]
    graph = helper.make_graph(
        nodes, 'norm',
        [helper.make_tensor_value_info('x', TensorProto.FLOAT, [1, 6, 8])],
        [helper.make_tensor_value_info('y', TensorProto.FLOAT, [1, 6, 1])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)])
    model.ir_version = 8
    return model


@pytest.mark.parametrize('precision', HALF)
@pytest.mark.parametrize('square', [
    ('Pow', ['d', 'two'], ['d2']), ('Mul', ['d', 'd'], ['d2']),
])
def test_a_layer_norm_that_is_written_out_stays_whole(precision, square):
    model = written_out_norm(square)
    half = converted(model, precision)
    found = types(half)
    norm = found[1:-1]
    assert all(kind == 'FLOAT' for _, kind in norm), norm
    assert found[0] == ('MatMul', 'FLOAT16')
    between = [node.op_type for node in half.graph.node]
    first, last = between.index('ReduceMean'), between.index('Div')
    assert 'Cast' not in between[first:last + 3]
    x = np.random.default_rng(0).normal(0, 1, (1, 6, 8)).astype(np.float32)
    np.testing.assert_allclose(run(half, x=x)[0], run(model, x=x)[0], rtol=0.02, atol=0.01)


def test_a_root_that_is_no_norm_is_no_norm():
    """Other uses of the same operators are converted as before."""
    nodes = [
        helper.make_node('Sub', ['x', 'one'], ['d']),
        helper.make_node('Sqrt', ['d'], ['root']),
        helper.make_node('Div', ['d', 'root'], ['y']),
    ]
    graph = helper.make_graph(
        nodes, 'roots',
        [helper.make_tensor_value_info('x', TensorProto.FLOAT, [4])],
        [helper.make_tensor_value_info('y', TensorProto.FLOAT, [4])],
        [numpy_helper.from_array(np.float32(1), 'one')],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)])
    model.ir_version = 8
    assert dict(types(converted(model, Precision.FP16)))['Sub'] == 'FLOAT16'


def test_sums_stay_float_where_halves_overflow():
    """The mean of squares of 300 does not fit into float16, whose end is 65504."""
    graph = helper.make_graph(
        [
            helper.make_node('Pow', ['x', 'two'], ['squares']),
            helper.make_node('ReduceMean', ['squares'], ['mean'], axes=[1]),
            helper.make_node('Sqrt', ['mean'], ['y']),
        ],
        'rms',
        [helper.make_tensor_value_info('x', TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info('y', TensorProto.FLOAT, [1, 1])],
        [numpy_helper.from_array(np.float32(2), 'two')],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)])
    model.ir_version = 8
    x = np.full((1, 4), 300, np.float32)
    np.testing.assert_allclose(run(converted(model, Precision.FP16), x=x)[0], 300, rtol=1e-3)


def test_weights_too_large_for_halves_stay_float(network):
    path = network()
    model = onnx.load(path)
    kernel = numpy_helper.to_array(model.graph.initializer[0]) * 1e6
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(kernel, 'kernel'))
    half = converted(model, Precision.FP16)
    assert dict(types(half))['Conv'] == 'FLOAT'
    image = np.random.default_rng(1).random((1, 3, 24, 32), np.float32)
    assert np.isfinite(run(half, image=image)[0]).all()


def test_the_scales_of_a_resize_stay_float():
    graph = helper.make_graph(
        [helper.make_node('Resize', ['x', '', 'scales'], ['y'], mode='linear')], 'resize',
        [helper.make_tensor_value_info('x', TensorProto.FLOAT, [1, 1, 4, 4])],
        [helper.make_tensor_value_info('y', TensorProto.FLOAT, [1, 1, 8, 8])],
        [numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), 'scales')],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)])
    model.ir_version = 8
    half = converted(model, Precision.FP16)
    checker.check_model(half, full_check=True)
    assert types(half) == [('Resize', 'FLOAT16')]
    x = np.random.default_rng(4).random((1, 1, 4, 4), np.float32)
    np.testing.assert_allclose(run(half, x=x)[0], run(model, x=x)[0], atol=1e-3)


def test_an_output_that_is_also_read_inside():
    graph = helper.make_graph(
        [helper.make_node('Relu', ['x'], ['a']), helper.make_node('Neg', ['a'], ['b'])], 'two',
        [helper.make_tensor_value_info('x', TensorProto.FLOAT, [3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in ('a', 'b')],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)])
    model.ir_version = 8
    half = converted(model, Precision.FP16)
    checker.check_model(half, full_check=True)
    x = np.array([-1, 0.5, 2], np.float32)
    for ours, wanted in zip(run(half, x=x), run(model, x=x), strict=True):
        np.testing.assert_array_equal(ours, wanted)


def test_what_cannot_be_known_is_refused():
    inner = helper.make_graph(
        [helper.make_node('Identity', ['x'], ['i'])], 'inner', [],
        [helper.make_tensor_value_info('i', TensorProto.FLOAT, [3])],
    )
    value = helper.make_tensor_value_info
    ends = [value('x', TensorProto.FLOAT, [3]), value('c', TensorProto.BOOL, [])]
    flow = helper.make_node('If', ['c'], ['y'], then_branch=inner, else_branch=inner)
    versions = [helper.make_opsetid('', 17), helper.make_opsetid('their.own', 1)]
    foreign = helper.make_node('Magic', ['x'], ['m'], domain='their.own')
    for nodes, word in (
        ([flow], 'control flow'),
        ([foreign, helper.make_node('Relu', ['m'], ['y'])], 'their.own Magic'),
    ):
        graph = helper.make_graph(nodes, 'g', ends, [value('y', TensorProto.FLOAT, [3])])
        with pytest.raises(EngineError, match=word):
            converted(helper.make_model(graph, opset_imports=versions), Precision.FP16)


def test_the_real_network_in_halves(shared_data):
    path = shared_data / 'weights' / 'rtmonodepth_s_ms_640_192.onnx'
    model = onnx.load(path)
    image = np.random.default_rng(1).random((1, 3, 192, 640), np.float32)
    half = converted(model, Precision.FP16)
    assert half.ByteSize() < 0.6 * model.ByteSize()
    wanted, = run(model, image=image)
    ours, = run(half, image=image)
    assert np.median(np.abs(ours - wanted) / wanted) < 5e-3
