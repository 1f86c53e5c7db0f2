"""Graphs of several views, as Depth Anything 3 is published, brought to one view."""

from __future__ import annotations

import os
from pathlib import Path

from dummy_networks import write_network
import numpy as np
from numpy.testing import assert_array_equal
import onnx
from onnx import helper, numpy_helper, TensorProto
import onnxruntime
import pytest

from depth_node.catalogue.adapt import adapted
from depth_node.errors import ModelError
from depth_node.model.network import inspect

VIEWS = ['batch', 'views', 3, 'height', 'width']


def write_views(path: Path, *, rank: int = 4, external: str = '') -> Path:
    """
    Write a network that looks at views and gives depth, confidence and a camera.

    Depth is the mean over channels times a weight; confidence the largest channel.
    """
    nodes = [
        helper.make_node('ReduceMean', ['pixel_values', 'channel'], ['mean'], keepdims=rank - 4),
        helper.make_node('ReduceSum', ['weight'], ['factor'], keepdims=0),
        helper.make_node('Mul', ['mean', 'factor'], ['predicted_depth']),
        helper.make_node(
            'ReduceMax', ['pixel_values', 'channel'], ['predicted_confidence'], keepdims=rank - 4
        ),
        helper.make_node('Shape', ['pixel_values'], ['camera_shape']),
        helper.make_node('Cast', ['camera_shape'], ['extrinsics'], to=TensorProto.FLOAT),
    ]
    plane = VIEWS[:2] + ([1] if rank == 5 else []) + VIEWS[3:]
    graph = helper.make_graph(
        nodes, 'views',
        [helper.make_tensor_value_info('pixel_values', TensorProto.FLOAT, VIEWS)],
        [
            helper.make_tensor_value_info('predicted_depth', TensorProto.FLOAT, plane),
            helper.make_tensor_value_info('predicted_confidence', TensorProto.FLOAT, plane),
            helper.make_tensor_value_info('extrinsics', TensorProto.FLOAT, [5]),
        ],
        [
            numpy_helper.from_array(np.array([2], np.int64), 'channel'),
            numpy_helper.from_array(np.full((12,), 0.25, np.float32), 'weight'),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)])
    model.ir_version = 8
    onnx.save(
        model, path, save_as_external_data=bool(external), location=external or None,
        size_threshold=64,
    )
    return path


@pytest.mark.parametrize('rank', [4, 5])
@pytest.mark.parametrize('external', ['', 'views.onnx_data'])
def test_several_views_become_one(tmp_path: Path, rank: int, external: str) -> None:
    source = write_views(tmp_path / 'views.onnx', rank=rank, external=external)
    with pytest.raises(ModelError):
        inspect(source)
    path = adapted(source)
    info = inspect(path)
    assert (info.input, info.confidence) == ('pixel_values', 'confidence')
    image = np.random.default_rng(0).random((1, 3, 28, 42), np.float32)
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    depth, confidence = session.run(None, {'pixel_values': image})
    assert_array_equal(depth, 3 * image.mean(axis=1))
    assert_array_equal(confidence, image.max(axis=1))


def test_it_is_done_once(tmp_path: Path) -> None:
    source = write_views(tmp_path / 'views.onnx')
    first = adapted(source)
    written = first.stat().st_mtime_ns
    assert adapted(source).stat().st_mtime_ns == written


def test_dates_are_not_believed(tmp_path: Path) -> None:
    """A network restored from a backup is older than what was adapted from its successor."""
    source = write_views(tmp_path / 'views.onnx')
    first = adapted(source).read_bytes()
    changed = onnx.load(source)
    changed.doc_string = 'retrained'
    onnx.save(changed, source)
    os.utime(source, (1, 1))
    second = adapted(source).read_bytes()
    assert second != first
    assert onnx.load_from_string(second).doc_string == 'retrained'


def test_a_network_that_keeps_the_contract_is_left_alone(tmp_path: Path) -> None:
    source = write_network(tmp_path / 'good.onnx', extras=('sky',))
    assert adapted(source) == source
    assert list(tmp_path.iterdir()) == [source]


def test_a_graph_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    source = write_network(tmp_path / 'odd.onnx', channels=4)
    with pytest.raises(ModelError, match='expected float'):
        adapted(source)
    assert list(tmp_path.iterdir()) == [source]
