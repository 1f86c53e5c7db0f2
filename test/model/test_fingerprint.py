"""The hash of a network covers its weights, wherever they are."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import pytest

from depth_node.catalogue.opening import open_model
from depth_node.errors import ChangedError, ModelError
from depth_node.model import ModelSpec, OutputKind
from depth_node.model.fingerprint import check_fingerprint, fingerprint, fingerprint_of


def write(path: Path, gain: float, weights: str = 'w.bin') -> Path:
    """Write a network whose only weight is in another file; the ONNX file is always the same."""
    (path.parent / weights).unlink(missing_ok=True)
    nodes = [
        helper.make_node('ReduceMean', ['image'], ['mean'], axes=[1], keepdims=1),
        helper.make_node('Mul', ['mean', 'gain'], ['depth']),
    ]
    sides = [('image', [1, 3, 4, 4]), ('depth', [1, 1, 4, 4])]
    inputs, outputs = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)] for name, shape in sides
    )
    gains = numpy_helper.from_array(np.full((1, 1, 4, 4), gain, np.float32), 'gain')
    model = helper.make_model(
        helper.make_graph(nodes, 'made', inputs, outputs, [gains]),
        opset_imports=[helper.make_opsetid('', 13)],
    )
    model.ir_version = 8
    onnx.save(
        model, path, save_as_external_data=True, location=weights, size_threshold=0,
        convert_attribute=False,
    )
    return path


def plain(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_retrained_weights_have_another_hash(tmp_path: Path) -> None:
    """2.0 m became 1.0, because the ONNX file was the same."""
    path = tmp_path / 'net.onnx'
    before, file = fingerprint(write(path, 1.0)), plain(path)
    after = fingerprint(write(path, 2.0))
    assert plain(path) == file
    assert before != after
    assert fingerprint(write(path, 1.0)) == before
    assert len(before) == 64


def test_without_external_data_it_is_the_hash_of_the_file(tmp_path: Path, network) -> None:
    path = network()
    assert fingerprint(path) == plain(path)
    check_fingerprint(path, plain(path).upper())
    check_fingerprint(path, None)


def test_a_sidecar_has_to_cover_the_weights(tmp_path: Path) -> None:
    """And says the hash that does, since nothing else on a system computes it."""
    path = write(tmp_path / 'net.onnx', 1.0)
    spec = ModelSpec('net', OutputKind.METRIC_DEPTH, sha256=plain(path))
    path.with_suffix('.json').write_text(spec.to_json())
    with pytest.raises(ModelError, match=r'not its weights in w\.bin') as caught:
        open_model(path)
    right = str(caught.value).split()[-1]
    assert right == fingerprint(path)
    path.with_suffix('.json').write_text(
        ModelSpec('net', OutputKind.METRIC_DEPTH, sha256=right).to_json()
    )
    assert open_model(path).path == path
    write(path, 2.0)
    with pytest.raises(ModelError, match=r'with its weights in w\.bin is'):
        open_model(path)


@pytest.mark.parametrize('hashed', [False, True])
def test_a_scale_is_not_stored_under_the_hash_of_weights_copied_later(
    tmp_path: Path, hashed: bool
) -> None:
    """The engine still runs the old ones, which the scale was measured with."""
    path = write(tmp_path / 'net.onnx', 1.0)
    right = fingerprint(path)
    spec = ModelSpec('net', OutputKind.METRIC_DEPTH, sha256=right if hashed else None)
    path.with_suffix('.json').write_text(spec.to_json())
    model = open_model(path)
    assert fingerprint_of(model) == right
    write(path, 2.0)
    if hashed:
        assert fingerprint_of(model) == right
    else:
        with pytest.raises(ChangedError, match=r'net\.onnx|w\.bin'):
            fingerprint_of(model)
