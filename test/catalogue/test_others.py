"""
Ready graphs with several outputs, as their exporters publish them.

The graphs are stand-ins with the ends of the real ones, which cannot be fetched here.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from bad_server import serve, Site
import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import pytest

from depth_node import catalogue
from depth_node.camera import Camera
from depth_node.catalogue import find, WebFile
from depth_node.catalogue.opening import open_model
from depth_node.config import Config
from depth_node.estimator import DepthEstimator
from depth_node.sources.frame import Frame


def metric3d(path: Path) -> Path:
    """Write ends as of the export for transformers.js: any size, bytes in, three outputs."""
    nodes = [
        helper.make_node('Sub', ['pixel_values', 'mean'], ['centred']),
        helper.make_node('Div', ['centred', 'std'], ['normal_input']),
        helper.make_node('ReduceMean', ['normal_input'], ['grey'], axes=[1]),
        helper.make_node('Add', ['grey', 'far'], ['predicted_depth']),
        helper.make_node('Identity', ['normal_input'], ['predicted_normal']),
        helper.make_node('Sigmoid', ['grey'], ['normal_confidence']),
    ]
    mean = np.float32([123.675, 116.28, 103.53]).reshape(3, 1, 1)
    std = np.float32([58.395, 57.12, 57.375]).reshape(3, 1, 1)

    def value(name: str, channels: int) -> onnx.ValueInfoProto:
        shape = [1, channels, 'height', 'width']
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes, 'metric3d',
        [value('pixel_values', 3)],
        [
            value('predicted_depth', 1), value('predicted_normal', 3),
            value('normal_confidence', 1),
        ],
        [
            numpy_helper.from_array(mean, 'mean'), numpy_helper.from_array(std, 'std'),
            numpy_helper.from_array(np.float32(5.0), 'far'),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)])
    model.ir_version = 8
    onnx.save(model, path)
    return path


@pytest.mark.parametrize('engine', ['openvino', 'onnxruntime'])
def test_metric3d_gives_metres_of_the_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    entry = find('metric3d_v2_small')
    monkeypatch.delenv('HF_HUB_OFFLINE', raising=False)
    content = metric3d(tmp_path / 'source.onnx').read_bytes()
    with serve(Site({'/model_fp16.onnx': content})) as site:
        served = dataclasses.replace(entry, files=(WebFile(f'{site.url}/model_fp16.onnx'),))
        monkeypatch.setitem(catalogue.CATALOGUE, entry.name, served)
        model = open_model(entry.name, cache_dir=tmp_path)
    assert model.spec.mean == (0.0, 0.0, 0.0)
    assert model.spec.std == pytest.approx((1 / 255,) * 3)
    config = Config().replaced({
        'engine.name': engine, 'engine.precision': 'fp32', 'model.input_size': '1064x616',
        'filter.edge_threshold': 0.0,
    })
    camera = Camera(640, 480, 500.0, 500.0, 320.0, 240.0)
    colour = np.array([200, 30, 90], np.uint8)
    estimator = DepthEstimator(model, config)
    found = estimator.estimate(Frame(np.full((480, 640, 3), colour), camera=camera))
    estimator.close()
    grey = np.mean((colour - [123.675, 116.28, 103.53]) / [58.395, 57.12, 57.375])
    assert found.depth is not None
    # the vertical focal length at network size, over that of the canonical camera
    expected = (5.0 + grey) * 500.0 * 616 / 480 / 1000
    np.testing.assert_allclose(found.depth[240, 320], expected, rtol=1e-3)
    assert found.prediction.confidence is not None
    np.testing.assert_allclose(
        found.prediction.confidence[240, 320], 1 / (1 + np.exp(-grey)), rtol=1e-3
    )
