"""Opening a network by path: what is beside it, what is said about it, what it hides."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import pytest

from depth_node.config import Config
from depth_node.errors import ModelError
from depth_node.model import open_model, OutputKind, overrides_from, Size

DESCRIBED = {'kind': 'sigmoid_disparity', 'mean': [0, 0, 0], 'std': [1, 1, 1]}


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """Write a network that only has to be ONNX."""
    node = helper.make_node('Mul', ['image', 'weight'], ['disp'])
    weight = numpy_helper.from_array(np.ones((1, 1, 4, 6), np.float32), 'weight')
    graph = helper.make_graph(
        [node],
        'tiny',
        [helper.make_tensor_value_info('image', TensorProto.FLOAT, [1, 3, 4, 6])],
        [helper.make_tensor_value_info('disp', TensorProto.FLOAT, [1, 3, 4, 6])],
        [weight],
    )
    path = tmp_path / 'tiny.onnx'
    onnx.save(helper.make_model(graph), path)
    return path


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
    with pytest.raises(ModelError, match=f'no option says its {lacking}'):
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
    network.with_name('tiny.onnx.data').write_bytes(np.ones(24, np.float32).tobytes())
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
    with pytest.raises(ModelError, match='outside its own folder'):
        open_model(moved, overrides=DESCRIBED)


def test_weights_hidden_in_a_subgraph_are_found(network: Path) -> None:
    def branch(name: str) -> onnx.GraphProto:
        constant = numpy_helper.from_array(np.ones((1,), np.float32), f'{name}_c')
        node = helper.make_node('Constant', [], [name], value=constant)
        output = helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])
        return helper.make_graph([node], name, [], [output])

    hidden = branch('b')
    tensor = hidden.node[0].attribute[0].t
    tensor.ClearField('raw_data')
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key='location', value='/etc/passwd')
    node = helper.make_node('If', ['c'], ['y'], then_branch=branch('a'), else_branch=hidden)
    graph = helper.make_graph(
        [node],
        'outer',
        [helper.make_tensor_value_info('c', TensorProto.BOOL, [])],
        [helper.make_tensor_value_info('y', TensorProto.FLOAT, [1])],
    )
    network.write_bytes(helper.make_model(graph).SerializeToString())
    with pytest.raises(ModelError, match='outside its own folder'):
        open_model(network, overrides=DESCRIBED)


def test_missing_weights_are_named(network: Path) -> None:
    external(network, 'tiny.onnx.data')
    with pytest.raises(ModelError, match=r"'tiny\.onnx\.data', which is missing"):
        open_model(network, overrides=DESCRIBED)
