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
import onnxruntime
import pytest

from depth_node import catalogue
from depth_node.camera import Camera
from depth_node.catalogue import find, WebFile
from depth_node.catalogue.opening import open_model
from depth_node.config import Config
from depth_node.engine.graph import merged, with_size
from depth_node.engine.precision import converted, Precision
from depth_node.engine.tensorrt.builder import build, Settings
from depth_node.engine.tensorrt.library import Library, logger_of
from depth_node.engine.tensorrt.limits import Limits
from depth_node.estimator import DepthEstimator
from depth_node.image.size import Size
from depth_node.model import Model
from depth_node.model.network import inspect, load
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


FOCAL, SHIFT, SCALE = 400.0, 0.7, 1.8
"""At network size; of the stand-in's points."""
SHAPE = (392, 518)


def geometry() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return depth (m), points up to shift and scale, and the mask of a bumpy scene with sky."""
    rows, columns = np.mgrid[:SHAPE[0], :SHAPE[1]] + 0.5
    v, u = rows - SHAPE[0] / 2, columns - SHAPE[1] / 2
    depth = 4.0 + 0.004 * u + np.sin(columns / 30) + np.cos(rows / 40)
    mask = (rows > 100).astype(np.float32)
    points = np.stack([u * depth / FOCAL, v * depth / FOCAL, depth], axis=-1) / SCALE
    points[..., 2] -= SHIFT
    points[mask == 0] = 1e3  # what a network says of the sky
    return depth, points.astype(np.float32), mask


def moge(path: Path, *, tokens: bool = True) -> Path:
    """Write ends as of MoGe-2's export, that say the points of :func:`geometry`."""
    _, points, mask = geometry()
    used = [helper.make_node('ReduceMean', ['image'], ['grey'], keepdims=0)]
    if tokens:
        used.append(helper.make_node('Cast', ['num_tokens'], ['count'], to=TensorProto.FLOAT))
    else:
        used.append(helper.make_node('Identity', ['grey'], ['count']))
    nodes = [
        *used,
        # of every input, and of none of its values
        helper.make_node('Mul', ['grey', 'nothing'], ['no_grey']),
        helper.make_node('Mul', ['count', 'nothing'], ['no_count']),
        helper.make_node('Add', ['no_grey', 'no_count'], ['zero']),
        helper.make_node('Add', ['the_points', 'zero'], ['points']),
        helper.make_node('Add', ['the_mask', 'zero'], ['mask']),
        helper.make_node('Add', ['the_scale', 'zero'], ['metric_scale']),
        helper.make_node('Identity', ['points'], ['normal']),
    ]
    sides = ['height', 'width']

    def value(name: str, kind: int, shape: list[int | str]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, shape)

    inputs = [value('image', TensorProto.FLOAT, ['batch', 3, *sides])]
    inputs += [value('num_tokens', TensorProto.INT64, [])] if tokens else []
    graph = helper.make_graph(
        nodes, 'moge', inputs,
        [
            value('points', TensorProto.FLOAT, ['batch', *sides, 3]),
            value('normal', TensorProto.FLOAT, ['batch', *sides, 3]),
            value('mask', TensorProto.FLOAT, ['batch', *sides]),
            value('metric_scale', TensorProto.FLOAT, ['batch']),
        ],
        [
            numpy_helper.from_array(points[None], 'the_points'),
            numpy_helper.from_array(mask[None], 'the_mask'),
            numpy_helper.from_array(np.float32([SCALE]), 'the_scale'),
            numpy_helper.from_array(np.float32(0.0), 'nothing'),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 14)])
    model.ir_version = 8
    onnx.save(model, path)
    return path


def opened_moge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, tokens: bool = True
) -> Model:
    """Fetch the stand-in under the real one's name."""
    entry = find('moge_2_small')
    monkeypatch.delenv('HF_HUB_OFFLINE', raising=False)
    content = moge(tmp_path / 'source.onnx', tokens=tokens).read_bytes()
    with serve(Site({'/model.onnx': content})) as site:
        served = dataclasses.replace(entry, files=(WebFile(f'{site.url}/model.onnx'),))
        monkeypatch.setitem(catalogue.CATALOGUE, entry.name, served)
        return open_model(entry.name, cache_dir=tmp_path)


def metres(model: Model, engine: str, camera: Camera | None) -> tuple[np.ndarray | None, str]:
    """Run the whole way of a frame."""
    config = Config().replaced({
        'engine.name': engine, 'engine.precision': 'fp32', 'model.input_size': '518x392',
        'filter.edge_threshold': 0.0,
    })
    estimator = DepthEstimator(model, config)
    try:
        for _ in range(2):  # the buffers are used again
            found = estimator.estimate(Frame(np.zeros((784, 1036, 3), np.uint8), camera=camera))
        assert not estimator.focal_note
        return None if found.depth is None else found.depth.copy(), found.note
    finally:
        estimator.close()


@pytest.mark.parametrize('engine', ['openvino', 'onnxruntime'])
@pytest.mark.parametrize('tokens', [True, False])
def test_moge_gives_metres_from_points_and_the_focal_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, tokens: bool
) -> None:
    model = opened_moge(tmp_path, monkeypatch, tokens=tokens)
    camera = Camera(1036, 784, 2 * FOCAL, 2 * FOCAL, 518.0, 392.0)
    depth, _ = metres(model, engine, camera)
    assert depth is not None
    true, _, mask = geometry()
    small = depth.reshape(392, 2, 518, 2).mean(axis=(1, 3))  # inverse of a linear enlargement
    inside = slice(120, 390), slice(2, -2)
    np.testing.assert_allclose(small[inside], true[inside], atol=0.005)
    assert np.isinf(depth[:190]).all()  # sky
    assert mask[120:].all()


def test_moge_follows_the_lens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a longer lens the same points are farther: the shift is linear in the focal length."""
    model = opened_moge(tmp_path, monkeypatch)
    found = []
    for factor in (1.0, 1.1, 1.2):
        camera = Camera(1036, 784, 2 * FOCAL * factor, 2 * FOCAL * factor, 518.0, 392.0)
        depth, _ = metres(model, 'onnxruntime', camera)
        assert depth is not None
        found.append(float(np.median(depth[400:])))
    assert found[0] < found[1] < found[2]
    assert found[2] - found[1] == pytest.approx(found[1] - found[0], rel=1e-3)


def test_moge_without_a_camera_gives_no_metres(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = opened_moge(tmp_path, monkeypatch)
    depth, note = metres(model, 'onnxruntime', None)
    assert depth is None
    assert 'not calibrated' in note


@pytest.mark.parametrize('precision', list(Precision))
def test_nvidias_builder_takes_the_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: Precision
) -> None:
    rtx = pytest.importorskip('tensorrt_rtx_bindings')
    model, size = opened_moge(tmp_path, monkeypatch), Size(SHAPE[1], SHAPE[0])
    info = inspect(model.path, model.spec)
    bare = converted(with_size(load(model.path), info, size), precision)
    graph = merged(bare, info, model.spec, size)
    library = Library(rtx, logger_of(rtx))
    assert build(library, graph.SerializeToString(), Settings(), Limits(1024, 4096))
    # and what it is given computes the same
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=['CPUExecutionProvider']
    )
    names = [output.name for output in session.get_outputs()]
    frame = np.zeros((*SHAPE, 3), np.uint8)
    found = dict(zip(names, session.run(None, {'frame': frame}), strict=True))
    true, _, mask = geometry()
    depth = found['depth'] + FOCAL * found['slope']
    loose = 0.005 if precision is Precision.FP32 else 0.05
    np.testing.assert_allclose(depth[mask > 0], true[mask > 0], atol=loose)
    np.testing.assert_allclose(found['sky'], 1 - mask, atol=1e-3)
