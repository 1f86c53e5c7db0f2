"""Opening a network by path: what is beside it, what is said about it, what it hides."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from dummy_networks import write_network
import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import pytest

from depth_node.catalogue.opening import open_model, overrides_from
from depth_node.config import Config, EngineConfig
from depth_node.engine import open_engine
from depth_node.errors import ModelError
from depth_node.image.size import Size
from depth_node.model import ModelSpec, OutputKind
from depth_node.model.network import inspect
from depth_node.model.normalization import normalized

DESCRIBED = {'kind': 'sigmoid_disparity', 'mean': [0, 0, 0], 'std': [1, 1, 1]}


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """Write a network that keeps the contract."""
    return write_network(tmp_path / 'tiny.onnx', width=6, height=4)


def sidecar(network: Path, **fields: object) -> None:
    """Write the description beside a network."""
    text = json.dumps({'format': 1, **DESCRIBED, **fields})
    network.with_suffix('.json').write_text(text)


def test_a_sidecar_says_what_the_network_is(network: Path) -> None:
    sidecar(network, scale=5.4, input_size=[6, 4], licence='MIT')
    model = open_model(network)
    assert model.path == network
    assert model.spec.kind is OutputKind.SIGMOID_DISPARITY
    assert model.spec.scale == 5.4
    assert model.spec.input_size == Size(6, 4)
    assert model.spec.name == 'tiny'


def test_what_the_user_says_goes_before_the_sidecar(network: Path) -> None:
    sidecar(network, scale=5.4, max_depth=80.0)
    spec = open_model(str(network), overrides={'scale': 2.0}).spec
    assert (spec.scale, spec.max_depth) == (2.0, 80.0)


def test_options_describe_a_file_without_a_sidecar(network: Path) -> None:
    spec = open_model(network, overrides=DESCRIBED).spec
    assert spec.kind is OutputKind.SIGMOID_DISPARITY
    assert spec.scale is None


@pytest.mark.parametrize('lacking', ['kind', 'mean', 'std'])
def test_nothing_is_guessed(network: Path, lacking: str) -> None:
    given = {key: value for key, value in DESCRIBED.items() if key != lacking}
    with pytest.raises(ModelError, match=f'no option sets {lacking}'):
        open_model(network, overrides=given)


def test_parameters_that_are_not_set_override_nothing() -> None:
    config = Config().replaced({'model.mean': [0.5, 0.5, 0.5], 'model.max_depth': 80.0})
    assert overrides_from(Config().model) == {}
    assert overrides_from(config.model) == {'mean': [0.5, 0.5, 0.5], 'max_depth': 80.0}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r'nothing\.onnx: no such file'):
        open_model(tmp_path / 'nothing.onnx')


@pytest.mark.parametrize('content', [b'', b'not a network', b'\x08\x07'])
def test_a_file_that_is_not_onnx_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / 'x.onnx'
    path.write_bytes(content)
    with pytest.raises(ModelError, match='is not an ONNX file'):
        open_model(path, overrides=DESCRIBED)


def test_the_hash_of_the_sidecar_is_checked(network: Path) -> None:
    true = hashlib.sha256(network.read_bytes()).hexdigest()
    sidecar(network, sha256=true.upper())
    assert open_model(network).spec.sha256 == true.upper()
    sidecar(network, sha256='0' * 64)
    with pytest.raises(ModelError, match=f'its SHA-256 is {true}, expected 0000'):
        open_model(network)


def external(network: Path, location: str) -> None:
    """Move the weights of a network to another file, as a hostile one would name it."""
    proto = onnx.load(network)
    tensor = proto.graph.initializer[0]
    tensor.ClearField('raw_data')
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key='location', value=location)
    network.write_bytes(proto.SerializeToString())


def test_weights_beside_the_file_are_allowed(network: Path) -> None:
    network.with_name('tiny.onnx.data').write_bytes(np.ones(27, np.float32).tobytes())
    external(network, 'tiny.onnx.data')
    assert open_model(network, overrides=DESCRIBED).path == network


@pytest.mark.parametrize('location', ['../secret', '/etc/passwd', 'sub/../../secret', 'link'])
def test_weights_outside_the_folder_are_refused(network: Path, location: str) -> None:
    inner = network.parent / 'inner'
    inner.mkdir()
    moved = network.rename(inner / network.name)
    (inner.parent / 'secret').write_bytes(bytes(96))
    (inner / 'link').symlink_to('../secret')
    external(moved, location)
    with pytest.raises(ModelError, match='outside its folder'):
        open_model(moved, overrides=DESCRIBED)


def test_missing_weights_are_named(network: Path) -> None:
    external(network, 'tiny.onnx.data')
    with pytest.raises(ModelError, match=r'external data tiny\.onnx\.data is missing'):
        open_model(network, overrides=DESCRIBED)


def test_a_sidecar_that_lies_about_the_size_is_refused(network: Path) -> None:
    sidecar(network, input_size=[640, 192])
    with pytest.raises(ModelError, match='size is 6x4, but its description says 640x192'):
        open_model(network)


@pytest.mark.parametrize('order', ['divide last', 'divide first'])
def test_an_image_is_not_normalised_twice(network: Path, order: str) -> None:
    proto = onnx.load(network)
    proto.graph.node[0].input[0] = 'normal'
    mean = np.full((1, 3, 1, 1), 0.45, np.float32)
    for name, value in (('mean', mean), ('std', mean / 2)):
        proto.graph.initializer.append(numpy_helper.from_array(value, name))
    steps = [('Sub', 'mean'), ('Div', 'std')]
    steps = steps if order == 'divide last' else steps[::-1]
    (first, a), (second, b) = steps
    proto.graph.node.insert(0, helper.make_node(first, ['image', a], ['half']))
    proto.graph.node.insert(1, helper.make_node(second, ['half', b], ['normal']))
    onnx.save(proto, network)
    assert open_model(network, overrides=DESCRIBED).spec.mean == (0.0, 0.0, 0.0)
    with pytest.raises(ModelError, match=r'has mean 0\.5,0\.5,0\.5: it would be sub'):
        open_model(network, overrides={**DESCRIBED, 'mean': [0.5, 0.5, 0.5]})


def test_scaling_alone_is_no_normalisation(network: Path) -> None:
    proto = onnx.load(network)
    proto.graph.node[0].input[0] = 'scaled'
    scale = numpy_helper.from_array(np.array(255.0, np.float32), 'scale')
    proto.graph.initializer.append(scale)
    proto.graph.node.insert(0, helper.make_node('Mul', ['image', 'scale'], ['scaled']))
    onnx.save(proto, network)
    assert open_model(network, overrides={**DESCRIBED, 'mean': [0.5, 0.5, 0.5]}).spec.mean[0]


def test_the_real_network_says_that_it_normalises(shared_data: Path) -> None:
    path = shared_data / 'weights' / 'rtmonodepth_s_m_640_192.onnx'
    assert open_model(path, overrides=DESCRIBED).path == path
    with pytest.raises(ModelError, match='subtracted twice'):
        open_model(path, overrides={**DESCRIBED, 'mean': [0.485, 0.456, 0.406]})


def normalizing(network: Path, *steps: tuple[str, list[float]]) -> None:
    """Put what a graph does to its input itself before a network."""
    proto = onnx.load(network)
    wire = 'image'
    for number, (kind, values) in enumerate(steps):
        constant = np.array(values, np.float32).reshape(1, -1, 1, 1)
        proto.graph.initializer.append(numpy_helper.from_array(constant, f'step{number}'))
        node = helper.make_node(kind, [wire, f'step{number}'], [f'stepped{number}'])
        proto.graph.node.insert(number, node)
        wire = f'stepped{number}'
    proto.graph.node[len(steps)].input[0] = wire
    onnx.save(proto, network)


BYTES = [('Sub', [123.675, 116.28, 103.53]), ('Div', [58.395, 57.12, 57.375])]
SHARES = [('Sub', [0.485, 0.456, 0.406]), ('Div', [0.229, 0.224, 0.225])]


@pytest.mark.parametrize(
    ('steps', 'largest'),
    [
        (BYTES, 255), (SHARES, 1), ([('Div', [255.0]), *SHARES], 255),
        ([('Mul', [1 / 255]), *SHARES], 255), ([('Mul', [255.0]), *BYTES], 1),
        ([('Add', [-0.5])], 1), ([('Mul', [2.0]), ('Add', [-1.0])], 1),
        ([('Div', [127.5]), ('Sub', [1.0])], 255),
    ],
)
def test_the_range_a_graph_normalizes_is_recognized(
    network: Path, steps: list[tuple[str, list[float]]], largest: int
) -> None:
    normalizing(network, *steps)
    spec = ModelSpec('net', OutputKind.RELATIVE_DEPTH, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
    found = normalized(onnx.load(network), spec)
    assert found.mean == (0.0, 0.0, 0.0)
    assert found.std == pytest.approx((1 / largest,) * 3)
    open_model(network, overrides={**DESCRIBED, 'std': list(found.std)})
    if largest == 255:
        # values of 0 to 1 would make every picture black, without an error
        with pytest.raises(ModelError, match=r'which no network is trained with.* 0\.00392157'):
            open_model(network, overrides=DESCRIBED)


def test_a_graph_that_leaves_its_input_alone_is_described_as_it_is(network: Path) -> None:
    spec = ModelSpec('net', OutputKind.RELATIVE_DEPTH, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
    assert normalized(onnx.load(network), spec) is spec


SEVERAL = {'extras': ('normal', 'uncertainty', 'haze'), 'depth': 'z'}


def test_an_output_of_several_is_chosen_by_name(tmp_path: Path) -> None:
    path = write_network(tmp_path / 'several.onnx', width=6, height=4, **SEVERAL)
    with pytest.raises(ModelError, match=r'has 4 outputs .*\(z, normal, uncerta') as no:
        open_model(path, overrides=DESCRIBED)
    assert 'model.output or --output' in str(no.value)
    overrides = {
        **DESCRIBED, 'output': 'z', 'confidence_output': 'uncertainty', 'sky_output': 'haze',
    }
    spec = open_model(path, overrides=overrides).spec
    info = inspect(path, spec)
    assert (info.depth, info.confidence, info.sky) == ('z', 'uncertainty', 'haze')
    with pytest.raises(ModelError, match=r"no output 'y'; its outputs are z, normal, uncert"):
        open_model(path, overrides={**DESCRIBED, 'output': 'y'})


def test_outputs_that_are_not_used_may_have_any_shape(tmp_path: Path) -> None:
    path = write_network(tmp_path / 'odd.onnx', width=6, height=4, extras=('normal',))
    proto = onnx.load(path)
    proto.graph.output[1].type.tensor_type.shape.dim[1].dim_value = 3
    onnx.save(proto, path)
    with pytest.raises(ModelError, match='expected one'):
        open_model(path, overrides=DESCRIBED)
    spec = open_model(path, overrides={**DESCRIBED, 'output': 'depth'}).spec
    assert inspect(path, spec).depth == 'depth'
    with pytest.raises(ModelError, match='expected float'):
        open_model(path, overrides={**DESCRIBED, 'output': 'normal'})


def test_the_sidecar_names_outputs(network: Path) -> None:
    sidecar(network, output='depth', canonical_focal=1000, kind='canonical_depth')
    spec = open_model(network).spec
    assert (spec.output, spec.canonical_focal) == ('depth', 1000.0)
    sidecar(network, output=3)
    with pytest.raises(ModelError, match='output is 3, expected str'):
        open_model(network)


@pytest.mark.parametrize('engine', ['openvino', 'onnxruntime'])
def test_every_engine_runs_the_chosen_output(tmp_path: Path, engine: str) -> None:
    path = write_network(tmp_path / 'several.onnx', width=6, height=4, **SEVERAL)
    frame = np.random.default_rng(0).integers(0, 255, (4, 6, 3), np.uint8)
    found = {}
    for name in ('z', 'haze'):
        overrides = {**DESCRIBED, 'output': name, 'confidence_output': 'normal'}
        model = open_model(path, overrides=overrides)
        opened = open_engine(model, EngineConfig(name=engine, precision='fp32'), Size(6, 4))
        out = opened.buffers(4, 6)
        opened.infer(frame, out)
        assert out.confidence is not None
        assert out.sky is None
        np.testing.assert_allclose(out.confidence, frame.mean(axis=2) / 255, atol=1e-5)
        found[name] = out.values.copy()
        opened.close()
    np.testing.assert_allclose(found['haze'], frame.mean(axis=2) / 255, atol=1e-5)
    assert np.abs(found['z'] - found['haze']).max() > 0.05


def test_the_parameter_names_the_output() -> None:
    config = Config().replaced({'model.output': 'z', 'model.canonical_focal': 1000.0})
    assert overrides_from(config.model) == {'output': 'z', 'canonical_focal': 1000.0}
