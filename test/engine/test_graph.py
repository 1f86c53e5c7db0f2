from __future__ import annotations

import numpy as np
import onnx
from onnx import checker, TensorProto
import pytest

from depth_node.engine import graph
from depth_node.engine.onnxruntime import CPU, open_merged, open_onnxruntime
from depth_node.image.size import Size
from depth_node.model import Aspect, Interpolation, Model, ModelSpec, OutputKind
from depth_node.model import network as networks

SIZE = Size(32, 24)


def spec(**fields):
    return ModelSpec('tiny', OutputKind.RELATIVE_DEPTH, **fields)


def merged(path, the_spec=None, size=SIZE):
    return graph.merged(
        networks.load(path), networks.inspect(path), the_spec or spec(), size
    )


def scene(height, width):
    """Smooth waves with a few sharp edges, so that interpolation matters but not alone."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = 120 + 70 * np.sin(columns / width * 14) * np.cos(rows / height * 11)
    waves[height // 3:height // 2, width // 4:width // 2] += 50
    return np.stack([waves, waves[::-1], 240 - waves], -1).clip(0, 255).astype(np.uint8)


def both_ways(path, the_spec, frame, size=SIZE):
    model = Model(path, the_spec)
    results = []
    for engine in (open_onnxruntime(model, size), open_merged(model, size, provider=CPU)):
        out = engine.buffers(*frame.shape[:2])
        engine.infer(frame, out)
        results.append(out)
        engine.close()
    return results


def relative(ours, wanted):
    return np.abs(ours - wanted) / np.abs(wanted)


@pytest.mark.parametrize('interpolation', list(Interpolation))
@pytest.mark.parametrize('camera', [(120, 160), (17, 20), (24, 32), (270, 480)])
def test_agrees_with_host_preparation(network, interpolation, camera):
    the_spec = spec(
        interpolation=interpolation, mean=(0.4, 0.5, 0.45), std=(0.7, 0.8, 0.9), bgr=True
    )
    host, graph_ = both_ways(network(), the_spec, scene(*camera))
    assert np.median(relative(graph_.values, host.values)) < 1e-3


@pytest.mark.parametrize('camera', [(120, 160), (24, 200), (201, 33), (97, 101)])
def test_crop_agrees_to_the_pixel_with_host_preparation(network, camera):
    the_spec = spec(aspect=Aspect.CROP)
    path = network(extras=('confidence', 'sky'))
    host, graph_ = both_ways(path, the_spec, scene(*camera))
    np.testing.assert_array_equal(np.isnan(graph_.values), np.isnan(host.values))
    assert np.nanmedian(relative(graph_.values, host.values)) < 1e-3
    for name in ('confidence', 'sky'):
        np.testing.assert_allclose(getattr(graph_, name), getattr(host, name), atol=5e-3)


@pytest.mark.parametrize('rank', [3, 4])
@pytest.mark.parametrize('sides', [(32, 24), (None, None), (32, None)])
def test_takes_every_contract(network, rank, sides):
    path = network(width=sides[0], height=sides[1], rank=rank, extras=('sky', 'confidence'))
    host, graph_ = both_ways(path, spec(), scene(60, 80))
    for name in ('values', 'confidence', 'sky'):
        assert np.median(relative(getattr(graph_, name), getattr(host, name))) < 1e-3


@pytest.mark.parametrize('opset', [11, 13, 17, 18, 21])
def test_opsets_are_kept_where_they_can_be(network, opset):
    if opset < 13:
        path = network(opset=13)
        model = onnx.load(path)
        # Identity, Conv and Sigmoid are the same operators in 11
        model.opset_import[0].version = opset
        onnx.save(model, path)
    else:
        path = network(opset=opset)
    whole = merged(path)
    checker.check_model(whole, full_check=True)
    assert whole.opset_import[0].version == (17 if opset < 13 else opset)
    host, graph_ = both_ways(path, spec(), scene(60, 80))
    assert np.median(relative(graph_.values, host.values)) < 1e-3


@pytest.mark.parametrize(
    ('input_name', 'depth'), [('frame', 'depth'), ('depth', 'frame'), ('camera/pixels', 'height')]
)
def test_names_of_the_network_never_collide(network, input_name, depth):
    path = network(input_name=input_name, depth=depth)
    whole = merged(path)
    checker.check_model(whole, full_check=True)
    assert [v.name for v in whole.graph.input] == ['frame']
    assert [v.name for v in whole.graph.output] == ['depth']
    both_ways(path, spec(), scene(60, 80))


def test_the_ends_are_what_tensorrt_takes(network):
    whole = merged(network(extras=('sky',)))
    frame, = whole.graph.input
    assert frame.type.tensor_type.elem_type == TensorProto.UINT8
    dims = frame.type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in dims] == ['height', 'width', 3]
    readers = [node.op_type for node in whole.graph.node if 'frame' in node.input]
    assert readers == ['Cast']
    for value in whole.graph.output:
        assert value.type.tensor_type.elem_type == TensorProto.FLOAT
    assert [value.name for value in whole.graph.output] == ['depth', 'sky']


def test_external_data_comes_inside(network):
    whole = merged(network(external='weights.bin'))
    checker.check_model(whole.SerializeToString())
