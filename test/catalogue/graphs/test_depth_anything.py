"""Depth Anything's graph against transformers' implementation with the same weights."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')

from reference_networks import (  # noqa: E402
    authors_state,
    depth_anything,
    largest_difference,
    TINY,
    use_authors_positions,
)

from depth_node.catalogue.checkpoints import read_checkpoint, StoredTensor, Weights  # noqa: E402
from depth_node.catalogue.graphs.depth_anything import (  # noqa: E402
    DepthAnything,
    NETWORKS,
    write_depth_anything,
)
from depth_node.catalogue.graphs.vision_transformer import Transformer  # noqa: E402
from depth_node.errors import ModelError  # noqa: E402
from depth_node.image.size import Size  # noqa: E402

GATED = DepthAnything(
    Transformer(48, 4, 3, gated=True), (1, 2, 3, 4), (8, 8, 16, 16), 16, 8
)
"""With the MLP of the giant one."""
LATE = DepthAnything(Transformer(48, 6, 3), (3, 4, 5, 6), (8, 8, 16, 16), 16, 8)
"""Taken late, as by version 1."""
SMALL = Size(182, 140)
"""13 x 10 patches: a grid of odd and even sides."""


def written(
    folder: Path, network: Any, sizes: DepthAnything, size: Size, max_depth: float | None = None
) -> Path:
    """Write the graph of a network from its authors' checkpoint."""
    checkpoint = folder / 'weights.pth'
    torch.save(authors_state(network, sizes), checkpoint)
    path = folder / 'graph.onnx'
    write_depth_anything(
        Weights(read_checkpoint(checkpoint), 'weights.pth'), sizes, size, path,
        max_depth=max_depth, checkpoint=checkpoint,
    )
    return path


def outputs(path: Path, network: Any, size: Size) -> tuple[np.ndarray, np.ndarray]:
    """
    Run the graph and the reference on one image.

    The reference runs in double precision: in single, it is itself up to 1.2e-5 off.
    """
    image = np.random.default_rng(1).normal(size=(1, 3, size.height, size.width))
    image = image.astype(np.float32)
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    with torch.inference_mode():
        expected = network.double()(pixel_values=torch.from_numpy(image).double())
    return session.run(None, {'image': image})[0], expected.predicted_depth.numpy()


@pytest.mark.parametrize(
    ('sizes', 'max_depth'), [(TINY, None), (TINY, 20.0), (GATED, 80.0), (LATE, None)],
    ids=['relative', 'metric', 'giant', 'version 1'],
)
def test_the_same_numbers_as_transformers(
    tmp_path: Path, sizes: DepthAnything, max_depth: float | None
) -> None:
    size = Size(518, 518)  # where the position embedding needs no resizing
    network = depth_anything(sizes, max_depth)
    found, expected = outputs(written(tmp_path, network, sizes, size, max_depth), network, size)
    assert found.shape == (1, 518, 518)
    assert largest_difference(found, expected) < 1e-5
    if max_depth is not None:
        assert 0 < found.min() < found.max() < max_depth


@pytest.mark.parametrize('size', [SMALL, Size(518, 392), Size(140, 252), Size(770, 378)])
def test_the_same_numbers_at_other_sizes(tmp_path: Path, size: Size) -> None:
    network = depth_anything(TINY, 20.0)
    use_authors_positions(network, size.height // 14, size.width // 14)
    found, expected = outputs(written(tmp_path, network, TINY, size, 20.0), network, size)
    assert largest_difference(found, expected) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize('name', ['v1_vits', 'v2_vits'])
def test_the_small_network_at_its_own_size(tmp_path: Path, name: str) -> None:
    size = Size(252, 196)
    network = depth_anything(NETWORKS[name], 20.0)
    count = sum(weight.numel() for weight in network.parameters())
    assert count / 1e6 == pytest.approx(24.8, 0.01)
    use_authors_positions(network, size.height // 14, size.width // 14)
    path = written(tmp_path, network, NETWORKS[name], size, 20.0)
    found, expected = outputs(path, network, size)
    assert largest_difference(found, expected) < 1e-5
    # the weights stayed where they were
    assert path.stat().st_size < 0.02 * (tmp_path / 'weights.pth').stat().st_size


@pytest.mark.parametrize('name', [name for name in NETWORKS if name not in ('v1_vits', 'v2_vits')])
def test_the_weights_of_every_published_size_fit(tmp_path: Path, name: str) -> None:
    """Names and shapes of the large ones, without their numbers."""
    sizes = NETWORKS[name]
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    encoder = sizes.transformer
    with torch.device('meta'):
        network = DepthAnythingForDepthEstimation(DepthAnythingConfig(
            backbone_config=Dinov2Config(
                hidden_size=encoder.channels, num_hidden_layers=encoder.blocks,
                num_attention_heads=encoder.heads, out_indices=list(sizes.taken),
                image_size=518, patch_size=14, reshape_hidden_states=False,
                use_swiglu_ffn=encoder.gated,
            ),
            reassemble_hidden_size=encoder.channels, reassemble_factors=[4, 2, 1, 0.5],
            neck_hidden_sizes=list(sizes.stages), fusion_hidden_size=sizes.fused,
            head_hidden_size=sizes.last,
        ))
        state = authors_state(network, sizes)
    whole = np.zeros(max(tensor.numel() for tensor in state.values()), np.float32)
    region = StoredTensor.of(whole).region
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    # all in one storage: the graph says where, and nothing is copied
    path = tmp_path / 'zeros'
    weights = {
        name: StoredTensor.whole(type(region)(region.data, path, 0), 'float32', shape)
        for name, shape in shapes.items()
    }
    graph = tmp_path / 'graph.onnx'
    write_depth_anything(
        Weights(weights, name), sizes, Size(140, 112), graph, checkpoint=path
    )
    assert graph.stat().st_size < 5e6
    count = sum(int(np.prod(shape)) for shape in shapes.values())
    published = {'b': 97.5, 'l': 335.3, 'g': 1300}
    assert count / 1e6 == pytest.approx(published[name[-1]], rel=0.04)


@pytest.mark.parametrize('kind', ['float16', 'bfloat16', 'float64'])
def test_weights_of_every_precision(tmp_path: Path, kind: str) -> None:
    network = depth_anything(TINY).to(getattr(torch, kind)).float()  # rounded as stored
    state = {
        name: tensor.to(getattr(torch, kind))
        for name, tensor in authors_state(network, TINY).items()
    }
    checkpoint = tmp_path / 'weights.pth'
    torch.save(state, checkpoint)
    write_depth_anything(
        Weights(read_checkpoint(checkpoint), 'weights.pth'), TINY, SMALL, tmp_path / 'graph.onnx',
        checkpoint=checkpoint,
    )
    use_authors_positions(network, 10, 13)
    found, expected = outputs(tmp_path / 'graph.onnx', network, SMALL)
    assert largest_difference(found, expected) < 1e-5
    if kind == 'float16':
        # left in the file, and widened by the engine
        assert (tmp_path / 'graph.onnx').stat().st_size < 0.6 * checkpoint.stat().st_size


@pytest.mark.parametrize('sizes', [TINY, GATED], ids=['plain', 'giant'])
@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_transformers_naming_is_understood(
    tmp_path: Path, prefix: str, sizes: DepthAnything
) -> None:
    from safetensors.torch import save_file

    network = depth_anything(sizes)
    state = {prefix + name: tensor.clone() for name, tensor in network.state_dict().items()}
    checkpoint = tmp_path / 'model.safetensors'
    save_file(state, checkpoint)
    weights = Weights(read_checkpoint(checkpoint), 'model.safetensors')
    write_depth_anything(weights, sizes, SMALL, tmp_path / 'graph.onnx', checkpoint=checkpoint)
    use_authors_positions(network, 10, 13)
    found, expected = outputs(tmp_path / 'graph.onnx', network, SMALL)
    assert largest_difference(found, expected) < 1e-5


def test_older_names_of_transformers_are_understood(tmp_path: Path) -> None:
    network = depth_anything(TINY)
    older = {
        name.replace('.q_proj', '.attention.query').replace('.k_proj', '.attention.key')
        .replace('.v_proj', '.attention.value').replace('.o_proj', '.output.dense'): tensor
        for name, tensor in network.state_dict().items()
    }
    paths = []
    for name, state in (('older', older), ('newer', network.state_dict())):
        checkpoint = tmp_path / f'{name}.pth'
        torch.save(state, checkpoint)
        paths.append(tmp_path / f'{name}.onnx')
        write_depth_anything(
            Weights(read_checkpoint(checkpoint), name), TINY, SMALL, paths[-1]
        )
    assert onnx.load(paths[0]).graph.initializer == onnx.load(paths[1]).graph.initializer


def test_operators_are_those_that_engines_fuse(tmp_path: Path) -> None:
    path = written(tmp_path, depth_anything(TINY), TINY, SMALL)
    model = onnx.load(path)
    onnx.checker.check_model(str(path), full_check=True)
    count = Counter(node.op_type for node in model.graph.node)
    blocks = TINY.transformer.blocks
    assert [opset.version for opset in model.opset_import] == [17]
    assert count['LayerNormalization'] == 2 * blocks + 4
    assert count['Softmax'] == count['Erf'] == blocks
    assert count['MatMul'] == 2 * blocks
    assert not {'IsNaN', 'Where', 'Shape', 'Gather', 'Pow', 'ReduceMean', 'If'} & set(count)


def test_openvino_fuses_attention_normalization_and_activation(tmp_path: Path) -> None:
    openvino = pytest.importorskip('openvino')
    path = written(tmp_path, depth_anything(TINY), TINY, SMALL)
    compiled = openvino.Core().compile_model(
        str(path), 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'}
    )
    kinds = Counter(
        node.get_rt_info()['layerType'].astype(str)
        for node in compiled.get_runtime_model().get_ops()
    )
    blocks = TINY.transformer.blocks
    # a normalization with its scale and shift; those of the features share mean and variance with
    # those of the blocks behind them
    assert kinds['MVN'] == 2 * blocks + 1
    assert kinds['FullyConnected'] == 6 * blocks
    # nothing of attention or GELU is left by itself
    assert not {'Softmax', 'MatMul', 'Erf', 'Gelu'} & set(kinds)


def test_onnx_runtime_fuses_attention_and_activation(tmp_path: Path) -> None:
    path = written(tmp_path, depth_anything(TINY), TINY, SMALL)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / 'optimized.onnx')
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
    count = Counter(node.op_type for node in onnx.load(tmp_path / 'optimized.onnx').graph.node)
    blocks = TINY.transformer.blocks
    assert count['Gelu'] + count['BiasGelu'] == blocks
    assert 'Erf' not in count
    assert count['Gemm'] == 6 * blocks


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda s: s.pop('pretrained.blocks.2.attn.qkv.bias'), 'attn.qkv.bias is missing'),
        (lambda s: s.update({'pretrained.surprise': torch.zeros(1)}), 'surprise not known'),
        (
            lambda s: s.update({'pretrained.norm.weight': torch.zeros(47)}),
            r'norm.weight is \[47\], expected \[48\]',
        ),
        (
            lambda s: s.update({'pretrained.norm.weight': torch.zeros(48, dtype=torch.int32)}),
            'is int32, expected floating-point',
        ),
    ],
)
def test_other_weights_are_refused(tmp_path: Path, change: Any, message: str) -> None:
    state = authors_state(depth_anything(TINY), TINY)
    change(state)
    torch.save(state, tmp_path / 'weights.pth')
    with pytest.raises(ModelError, match=message) as caught:
        write_depth_anything(
            Weights(read_checkpoint(tmp_path / 'weights.pth'), 'weights.pth'), TINY, SMALL,
            tmp_path / 'graph.onnx',
        )
    assert 'the weights of another network' in str(caught.value)
    assert not (tmp_path / 'graph.onnx').exists()


def test_a_size_that_is_not_made_of_patches_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match='not multiples of 14'):
        write_depth_anything(Weights({}, ''), TINY, Size(100, 98), tmp_path / 'graph.onnx')
