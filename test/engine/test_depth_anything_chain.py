"""
Our whole chain against transformers' and the authors' own, with random weights.

The chain: a camera's frame, host preparation or merged graph, engine, way back to the frame's
size. The references: transformers' image processor, network and post-processing, and the
authors' preparation (OpenCV, cubic, in floating point).
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray
import onnxruntime
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')

from reference_networks import depth_anything, TINY, use_authors_positions  # noqa: E402

from depth_node.camera import Camera  # noqa: E402
from depth_node.catalogue import find  # noqa: E402
from depth_node.catalogue.checkpoints import StoredTensor, Weights  # noqa: E402
from depth_node.catalogue.depth_anything import IMAGENET_MEAN, IMAGENET_STD  # noqa: E402
from depth_node.catalogue.graphs.depth_anything import write_depth_anything  # noqa: E402
from depth_node.config import EngineConfig  # noqa: E402
from depth_node.engine import open_engine  # noqa: E402
from depth_node.engine.graph import merged  # noqa: E402
from depth_node.engine.precision import converted, Precision  # noqa: E402
from depth_node.image.size import Size  # noqa: E402
from depth_node.model import Model  # noqa: E402
from depth_node.model.network import inspect, load  # noqa: E402
from depth_node.world import World  # noqa: E402

SIZE = Size(518, 392)
FRAME = Size(640, 480)
Array = NDArray[np.float32]


@pytest.fixture(scope='module')
def frame() -> NDArray[np.uint8]:
    """Render what a camera sees."""
    world = World(seed=3)
    camera = Camera.from_hfov(FRAME.width, FRAME.height, 70.0)
    return world.render(camera, world.pose(2.0))[0]


@pytest.fixture(scope='module')
def network() -> torch.nn.Module:
    """Build transformers' network with a metric head."""
    built = depth_anything(TINY, 20.0)
    use_authors_positions(built, SIZE.height // 14, SIZE.width // 14)
    return built


@pytest.fixture(scope='module')
def model(network: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Write its graph."""
    path = tmp_path_factory.mktemp('chain') / 'tiny.onnx'
    state = {name: StoredTensor.of(w.numpy()) for name, w in network.state_dict().items()}
    write_depth_anything(Weights(state, 'tiny'), TINY, SIZE, path, max_depth=20.0)
    spec = find('depth_anything_v2_metric_indoor_small').spec
    return Model(path, dataclasses.replace(spec, input_size=SIZE))


def ours(model: Model, frame: NDArray[np.uint8], engine: str) -> Array:
    """Run our chain."""
    opened = open_engine(model, EngineConfig(name=engine, precision='fp32'), SIZE)
    try:
        out = opened.buffers(*frame.shape[:2])
        opened.infer(frame, out)
        return out.values.copy()
    finally:
        opened.close()


def predict(network: torch.nn.Module, tensor: NDArray[np.floating]) -> torch.Tensor:
    """Run transformers' network on a prepared image."""
    with torch.inference_mode():
        return network(pixel_values=torch.from_numpy(tensor.astype(np.float32))).predicted_depth


def authors_preparation(frame: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Prepare as the authors do: floats from the start, cubic in OpenCV."""
    image = cv2.resize(frame / 255.0, SIZE, interpolation=cv2.INTER_CUBIC)
    image = (image - IMAGENET_MEAN) / IMAGENET_STD
    return image.transpose(2, 0, 1)[None]


def enlarged(prediction: torch.Tensor, **how: object) -> Array:
    """Bring a prediction to the frame's size with torch."""
    target = (FRAME.height, FRAME.width)
    return torch.nn.functional.interpolate(prediction[:, None], target, **how)[0, 0].numpy()


def median_difference(one: Array, other: Array) -> float:
    """Median of the difference relative to the reference, where that has a value at all."""
    seen = np.abs(other) > 1e-3 * np.abs(other).max()
    assert seen.mean() > 0.5
    median = float(np.median(np.abs(one - other)[seen] / np.abs(other)[seen]))
    print(f'\nmedian relative difference {median:.2e}')  # pytest -s shows what the docs quote
    return median


@pytest.mark.parametrize('engine', ['openvino', 'onnxruntime'])
def test_the_same_interpolation_gives_the_same_depth(
    network: torch.nn.Module, model: Model, frame: NDArray[np.uint8], engine: str
) -> None:
    small = cv2.resize(frame, SIZE, interpolation=cv2.INTER_CUBIC)
    image = (small / 255.0 - IMAGENET_MEAN) / IMAGENET_STD
    prediction = predict(network, image.transpose(2, 0, 1)[None])
    reference = enlarged(prediction, mode='bilinear', align_corners=False)
    assert reference.std() > 0.1  # metres: there is something to see
    assert median_difference(ours(model, frame, engine), reference) < 1e-5


def test_bytes_instead_of_floats_cost_next_to_nothing(
    network: torch.nn.Module, model: Model, frame: NDArray[np.uint8]
) -> None:
    # the authors resize floats; a camera's bytes are resized to bytes, which rounds
    prediction = predict(network, authors_preparation(frame))
    reference = enlarged(prediction, mode='bilinear', align_corners=False)
    assert median_difference(ours(model, frame, 'openvino'), reference) < 1e-3


def test_the_authors_whole_chain(
    network: torch.nn.Module, model: Model, frame: NDArray[np.uint8]
) -> None:
    # their way back pins the corners, ours the borders: half a pixel of the network apart
    prediction = predict(network, authors_preparation(frame))
    reference = enlarged(prediction, mode='bilinear', align_corners=True)
    assert median_difference(ours(model, frame, 'openvino'), reference) < 0.03


def transformers_chain(network: torch.nn.Module, frame: NDArray[np.uint8]) -> Array:
    """Run transformers' own processor, network and post-processing at our network size."""
    from transformers import DPTImageProcessor

    processor = DPTImageProcessor(
        do_resize=True, size={'height': SIZE.height, 'width': SIZE.width}, resample=3,
        keep_aspect_ratio=False, do_rescale=True, do_normalize=True,
        image_mean=list(IMAGENET_MEAN), image_std=list(IMAGENET_STD),
    )
    inputs = processor(images=frame, return_tensors='pt')
    assert tuple(inputs['pixel_values'].shape) == (1, 3, SIZE.height, SIZE.width)
    with torch.inference_mode():
        output = network(**inputs)
    [result] = processor.post_process_depth_estimation(output, target_sizes=[frame.shape[:2]])
    return result['predicted_depth'].numpy()


def test_the_whole_chain_of_transformers(
    network: torch.nn.Module, model: Model, frame: NDArray[np.uint8]
) -> None:
    # Pillow's cubic has another constant and smooths before it shrinks; the way back is cubic
    reference = transformers_chain(network, frame)
    assert median_difference(ours(model, frame, 'openvino'), reference) < 0.03


def test_a_large_frame_is_the_worst_case(
    network: torch.nn.Module, model: Model, frame: NDArray[np.uint8]
) -> None:
    # shrinking 3.7 times without smoothing leaves out what lies between the samples
    large = cv2.resize(frame, (1920, 1440), interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(0).normal(0, 4, large.shape)
    large = np.clip(large + noise, 0, 255).astype(np.uint8)
    reference = transformers_chain(network, large)
    assert median_difference(ours(model, large, 'openvino'), reference) < 0.03


def test_half_precision_says_the_same(model: Model, frame: NDArray[np.uint8]) -> None:
    image = authors_preparation(frame).astype(np.float32)
    graph = load(model.path)
    results = []
    for precision in (Precision.FP32, Precision.FP16, Precision.FP16_ATTENTION_FP32):
        session = onnxruntime.InferenceSession(
            converted(graph, precision).SerializeToString(), providers=['CPUExecutionProvider']
        )
        results.append(session.run(None, {'image': image})[0])
    full, half, mixed = results
    # eleven bits of mantissa through 4 blocks and the decoder
    assert 0 < median_difference(half, full) < 5e-3
    assert 0 < median_difference(mixed, full) < 5e-3


def test_the_merged_graph_says_the_same(model: Model, frame: NDArray[np.uint8]) -> None:
    graph = merged(load(model.path), inspect(model.path), model.spec, SIZE)
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=['CPUExecutionProvider']
    )
    found = session.run(None, {'frame': frame})[0]
    assert median_difference(found, ours(model, frame, 'openvino')) < 1e-3
