"""
NVIDIA's real parser and builder on our graphs.

TensorRT for RTX builds engines without a GPU; its API is nearly that of TensorRT 11.4. It
cannot run them: that is pretended in ``test_tensorrt_runtime.py``.
"""

from __future__ import annotations

from dataclasses import replace
import platform

import numpy as np
import onnx
import onnxruntime
import pytest
from random_weights import random_weights, TINY

from depth_node.catalogue.graphs.depth_anything import NETWORKS, write_depth_anything
from depth_node.catalogue.graphs.monodepth2 import write_monodepth2
from depth_node.engine import graph
from depth_node.engine.precision import converted, Precision
from depth_node.engine.tensorrt.builder import build as build_within
from depth_node.engine.tensorrt.builder import Settings
from depth_node.engine.tensorrt.library import Library, logger_of
from depth_node.engine.tensorrt.limits import Limits
from depth_node.engine.verify import relative_error
from depth_node.errors import CancelledError, EngineError
from depth_node.image.size import Size
from depth_node.model import Aspect, Interpolation, ModelSpec, OutputKind
from depth_node.model import network as networks

SIZE = Size(32, 24)
VIT_SIZE = Size(140, 112)
SPEC = ModelSpec('tiny', OutputKind.RELATIVE_DEPTH)
VIT = ModelSpec(
    'vit', OutputKind.RELATIVE_DISPARITY, multiple=14, interpolation=Interpolation.CUBIC,
    mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225),
)


def build(library, graph, settings, **options):
    return build_within(library, graph, settings, Limits(1024, 4096), **options)


@pytest.fixture(scope='module')
def library():
    try:
        import tensorrt_rtx_bindings as rtx
    except ImportError as error:
        pytest.skip(
            f"NVIDIA'S REAL BUILDER IS NOT TRIED: {error} (platform {platform.machine()}; "
            'pip install tensorrt-rtx-cu13-libs tensorrt-rtx-cu13-bindings)'
        )
    return Library(rtx, logger_of(rtx))


def merged(path, spec=SPEC, size=SIZE, precision=Precision.FP32):
    info = networks.inspect(path)
    network = converted(graph.with_size(networks.load(path), info, size), precision)
    return graph.merged(network, info, spec, size).SerializeToString()


@pytest.mark.parametrize('precision', list(Precision))
def test_builds_the_real_network(library, shared_data, precision):
    path = shared_data / 'weights' / 'rtmonodepth_s_ms_640_192.onnx'
    plan = build(library, merged(path, size=Size(640, 192), precision=precision), Settings())
    # the plan carries the weights in the precision they were given
    weights = path.stat().st_size
    assert len(plan) > weights * (1 if precision is Precision.FP32 else 0.5)
    if precision is not Precision.FP32:
        assert len(plan) < weights


@pytest.mark.slow
def test_halves_of_a_depth_anything_say_the_same(depth_anything):
    image = np.random.default_rng(0).normal(0, 1, (1, 3, 112, 140)).astype(np.float32)
    results = [
        onnxruntime.InferenceSession(
            converted(onnx.load(depth_anything), precision).SerializeToString(),
            providers=['CPUExecutionProvider'],
        ).run(None, {'image': image})[0]
        for precision in Precision
    ]
    for half in results[:-1]:
        assert np.median(relative_error(half, results[-1])) < 0.01


@pytest.fixture(scope='module')
def depth_anything(tmp_path_factory):
    """A network of the size of Depth Anything V2 Small, its weights random."""
    path = tmp_path_factory.mktemp('vit') / 'vit.onnx'
    write_depth_anything(random_weights(), NETWORKS['v2_vits'], VIT_SIZE, path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize('precision', list(Precision))
def test_builds_a_depth_anything(library, depth_anything, precision):
    operators = {node.op_type for node in onnx.load(depth_anything).graph.node}
    assert 'LayerNormalization' in operators  # whole, as half precision needs it
    size = len(build(library, merged(depth_anything, VIT, VIT_SIZE, precision), Settings()))
    if precision is Precision.FP32:
        assert size > 24_000_000 * 4
    else:
        assert 24_000_000 * 2 < size < 24_000_000 * 3


@pytest.fixture(scope='module', params=['metric', 'giant', 'monodepth2_18', 'monodepth2_50'])
def of_the_catalogue(request, tmp_path_factory):
    """Each kind of part once: the heads, the gated MLP, both residual networks."""
    name, path = request.param, tmp_path_factory.mktemp('graph') / 'graph.onnx'
    size, spec = VIT_SIZE, VIT
    if name.startswith('monodepth2'):
        size, spec = Size(128, 96), SPEC
        names = ['encoder.layer1.0.conv3.weight'] if name.endswith('50') else []
        write_monodepth2(random_weights(*names), size, path)
    else:
        sizes = replace(TINY, transformer=replace(TINY.transformer, gated=name == 'giant'))
        write_depth_anything(
            random_weights(), sizes, size, path, max_depth=20.0 if name == 'metric' else None
        )
    return path, spec, size


@pytest.mark.slow
@pytest.mark.parametrize('precision', list(Precision))
def test_builds_every_graph_of_the_catalogue(library, of_the_catalogue, precision):
    path, spec, size = of_the_catalogue
    assert build(library, merged(path, spec, size, precision), Settings())


@pytest.mark.parametrize('interpolation', list(Interpolation))
@pytest.mark.parametrize('aspect', list(Aspect))
def test_takes_every_preparation_and_every_output(library, network, interpolation, aspect):
    spec = ModelSpec(
        'tiny', OutputKind.RELATIVE_DEPTH, interpolation=interpolation, aspect=aspect, bgr=True
    )
    path = network(extras=('confidence', 'sky'))
    assert build(library, merged(path, spec), Settings())
    assert build(library, merged(path, spec, precision=Precision.FP16), Settings())


@pytest.mark.parametrize('opset', [13, 17, 18, 20])
@pytest.mark.parametrize('rank', [3, 4])
def test_takes_every_contract(library, network, opset, rank):
    path = network(opset=opset, rank=rank, width=None, height=None)
    assert build(library, merged(path), Settings(largest=Size(3840, 2160)))


def test_progress_rises(library, network):
    seen = []
    build(
        library, merged(network()), Settings(),
        on_progress=lambda share, stage: seen.append((share, stage)),
    )
    shares = [share for share, _ in seen]
    assert shares == sorted(shares)
    assert 0 <= shares[0] < 0.5
    assert shares[-1] == 1
    assert len({stage for _, stage in seen}) > 2


def test_cancelling_ends_the_build(library, network):
    steps = []

    def cancelled():
        steps.append(1)
        return len(steps) > 3

    with pytest.raises(CancelledError):
        build(library, merged(network()), Settings(), cancelled=cancelled)
    assert build(library, merged(network()), Settings())


def test_an_error_in_the_callback_comes_out(library, network):
    def bad(share, stage):
        raise RuntimeError('display is gone')

    with pytest.raises(RuntimeError, match='display is gone'):
        build(library, merged(network()), Settings(), on_progress=bad)


@pytest.mark.filterwarnings('ignore::DeprecationWarning')  # TensorRT for RTX keeps it empty
def test_the_timing_cache_is_written_and_read(library, network, tmp_path):
    timing = tmp_path / 'cache' / 'timing'
    build(library, merged(network()), Settings(), timing=timing)
    first = timing.read_bytes()
    assert first
    build(library, merged(network()), Settings(), timing=timing)
    timing.write_bytes(b'garbage')
    assert build(library, merged(network()), Settings(), timing=timing)
    assert timing.read_bytes() != b'garbage'


def test_what_the_parser_does_not_know_is_named(library, network):
    model = onnx.load_from_string(merged(network()))
    for node in model.graph.node:
        if node.op_type == 'Sigmoid':
            node.op_type = 'NoSuchOperator'
    with pytest.raises(EngineError, match=r'cannot read the network: .*NoSuchOperator'):
        build(library, model.SerializeToString(), Settings())


@pytest.mark.parametrize('content', [b'', b'not a network'])
def test_what_is_not_onnx_is_refused(library, content):
    with pytest.raises(EngineError, match=r'cannot read the network|could not build'):
        build(library, content, Settings())


def test_a_size_below_the_least_is_refused(library, network):
    with pytest.raises(EngineError, match='refuses cameras from 160x120 to 100x100'):
        build(library, merged(network()), Settings(largest=Size(100, 100)))


def test_a_missing_profile_is_an_error_not_a_crash(library, network, monkeypatch):
    """What would happen if a network had a dynamic input that is not the frame."""
    model = onnx.load_from_string(merged(network()))
    model.graph.input.append(
        onnx.helper.make_tensor_value_info('other', onnx.TensorProto.FLOAT, ['n'])
    )
    model.graph.node.append(onnx.helper.make_node('Relu', ['other'], ['more']))
    model.graph.output.append(
        onnx.helper.make_tensor_value_info('more', onnx.TensorProto.FLOAT, ['n'])
    )
    with pytest.raises(EngineError, match=r'could not build the engine|refuses cameras'):
        build(library, model.SerializeToString(), Settings())


def test_builds_for_a_compute_capability_that_is_not_here(library, network):
    graph = merged(network())
    plans = {name: build(library, graph, Settings(capability=name)) for name in ('8.0', '8.9')}
    # the kernels inside are others
    assert plans['8.0'] != plans['8.9']


@pytest.mark.parametrize('name', ['9.0', 'none', 'eight'])
def test_an_unknown_compute_capability_is_named(library, network, name):
    with pytest.raises(EngineError, match=rf'compute capability {name} .*SM80'):
        build(library, merged(network()), Settings(capability=name))
