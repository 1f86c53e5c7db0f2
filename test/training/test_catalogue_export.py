"""Published weights to ONNX: names, heads, sizes, and that nothing in a file is run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
import pickle
import zipfile

import numpy as np
import onnx
import onnxruntime
import pytest
from tiny_depth_anything import authors, lively, TINY
import torch

from depth_node.catalogue import CATALOGUE, find
from depth_node.catalogue.opening import open_model
from depth_node.cli.main import main
from depth_node.errors import ModelError
from depth_node.image.size import Size
from depth_node.model import OutputKind
from depth_node.training import depth_anything
from depth_node.training.catalogue_export import export_entry
from depth_node.training.depth_anything import (
    build,
    ENCODERS,
    load,
    renamed,
    use_authors_positions,
)
from depth_node.training.networks import Architecture, DepthNetwork, NetworkConfig

SIZE = Size(98, 70)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> str:
    """Offer an encoder that is built in no time."""
    monkeypatch.setitem(ENCODERS, 'tiny', TINY)
    return 'tiny'


def run(path: Path, image: np.ndarray) -> np.ndarray:
    """Run an ONNX file by itself."""
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    return session.run(None, {'image': image})[0]


@pytest.mark.parametrize('max_depth', [None, 20.0])
def test_the_authors_weights_give_the_same_network(
    tiny: str, tmp_path: Path, max_depth: float | None
) -> None:
    network = lively(build(TINY, max_depth))
    path = tmp_path / 'weights.pth'
    torch.save(authors(network, TINY.layers), path)
    again = load(path, tiny, max_depth)
    image = torch.randn(1, 3, 70, 98, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        one, other = (n(pixel_values=image).predicted_depth for n in (network, again))
    assert torch.equal(one, other)
    assert one.std() > 0.01
    if max_depth is not None:
        assert 0 <= one.min() < one.max() <= max_depth


def test_a_folder_of_transformers_loads_too(tmp_path: Path) -> None:
    network = lively(build(TINY, 80.0))
    network.save_pretrained(tmp_path / 'hf')
    again = load(tmp_path / 'hf', '')
    assert again.config.max_depth == 80
    assert all(
        torch.equal(a, b) for a, b in zip(
            network.state_dict().values(), again.state_dict().values(), strict=True
        )
    )


def test_the_weights_of_another_encoder_are_refused(tiny: str, tmp_path: Path) -> None:
    path = tmp_path / 'weights.pth'
    torch.save(authors(build(dataclasses.replace(TINY, neck=(8, 8, 16, 24))), 4), path)
    with pytest.raises(ModelError, match='the weights of another network'):
        load(path, tiny)


def test_a_name_nobody_knows_is_refused(tiny: str, tmp_path: Path) -> None:
    state = authors(build(TINY), TINY.layers)
    state['pretrained.surprise'] = torch.zeros(1)
    assert 'pretrained.surprise' in renamed(state, build(TINY))
    path = tmp_path / 'weights.pth'
    torch.save(state, path)
    with pytest.raises(ModelError, match=r'unknown pretrained\.surprise'):
        load(path, tiny)


class Trap:
    """Runs when unpickled by whoever trusts a file."""

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path(self.place),))

    def __init__(self, place: Path) -> None:
        self.place = str(place)


@pytest.mark.parametrize('how', ['torch', 'pickle'])
def test_code_in_a_checkpoint_is_not_run(tiny: str, tmp_path: Path, how: str) -> None:
    path, sign = tmp_path / 'weights.pth', tmp_path / 'was_run'
    if how == 'torch':
        torch.save({'x': Trap(sign)}, path)
    else:
        path.write_bytes(pickle.dumps(Trap(sign)))
    with pytest.raises(ModelError, match='files that run code are refused'):
        load(path, tiny)
    assert not sign.exists()


def test_a_folder_without_safetensors_is_refused(tmp_path: Path) -> None:
    network = build(TINY)
    network.config.save_pretrained(tmp_path)
    torch.save(network.state_dict(), tmp_path / 'pytorch_model.bin')
    with pytest.raises(ModelError, match=r'config\.json and model\.safetensors'):
        load(tmp_path, '')


def test_positions_are_those_trained_at_the_training_size() -> None:
    network = build(TINY)
    embeddings = network.backbone.embeddings
    use_authors_positions(network, Size(518, 518))
    assert torch.equal(
        embeddings.interpolate_pos_encoding(None, 518, 518), embeddings.position_embeddings
    )


def test_positions_at_other_sizes_are_a_tenth_of_a_patch_from_transformers() -> None:
    network = build(TINY)
    embeddings = network.backbone.embeddings
    # a ramp over the columns: its value is the place it was taken from
    ramp = torch.arange(37.0).repeat(37)[:, None].repeat(1, TINY.hidden)
    with torch.no_grad():
        embeddings.position_embeddings[0, 1:] = ramp
    theirs = embeddings.interpolate_pos_encoding(
        embeddings.position_embeddings, 252, 336
    )[0, 1:, 0].reshape(18, 24)
    use_authors_positions(network, Size(336, 252))
    ours = embeddings.interpolate_pos_encoding(None, 252, 336)[0, 1:, 0].reshape(18, 24)
    place = torch.arange(24) + 0.5
    inside = slice(3, -3)  # away from the border, where bicubic meets its own padding
    for found, scale in ((theirs, 24 / 37), (ours, 24.1 / 37)):
        expected = (place / scale - 0.5)[inside]
        # cubic with a = -0.75 does not reproduce a ramp exactly; the two differ by up to 0.13
        assert torch.allclose(found[9, inside], expected, atol=0.05)


@pytest.mark.slow
def test_an_export_opens_by_its_name(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = lively(build(TINY, 20.0))
    weights = tmp_path / 'weights.pth'
    torch.save(authors(network, TINY.layers), weights)
    real = find('depth_anything_v2_metric_indoor_small')
    entry = dataclasses.replace(real, variant='tiny', sides=None)
    monkeypatch.setitem(CATALOGUE, real.name, entry)
    words = ['fetch', real.name, '--weights', str(weights), '--input-size', str(SIZE)]
    assert main([*words, '--cache-dir', str(tmp_path)]) == 0
    path = tmp_path / real.name / f'{real.name}_{SIZE}.onnx'
    operators = {node.op_type for node in onnx.load(path).graph.node}
    assert {'Softmax', 'LayerNormalization'} <= operators  # whole, for engines to fuse
    assert 'IsNaN' not in operators
    model = open_model(real.name, input_size=str(SIZE), cache_dir=tmp_path, offline=True)
    assert model.path == path
    assert model.spec == dataclasses.replace(
        real.spec, input_size=SIZE, sha256=model.spec.sha256,
        train_focal=80.8,  # 886.81 px at 768 rows, at 70
    )
    image = np.random.default_rng(0).normal(size=(1, 3, 70, 98)).astype(np.float32)
    use_authors_positions(network, SIZE)
    with torch.inference_mode():
        expected = network(pixel_values=torch.from_numpy(image)).predicted_depth.numpy()
    np.testing.assert_allclose(run(path, image), expected, rtol=1e-4, atol=1e-4)
    assert str(Path(__file__).parents[2]).encode() not in path.read_bytes()
    # the lock keeps a second node from exporting the same
    assert {p.suffix for p in path.parent.iterdir()} - {'.lock'} == {'.onnx', '.json', '.txt'}


def monodepth2_zip(path: Path, size: Size, prefix: str = 'mono/') -> DepthNetwork:
    """Write a zip as Monodepth2's authors do, with random weights."""
    torch.manual_seed(0)
    config = NetworkConfig(Architecture.RESNET18, OutputKind.SIGMOID_DISPARITY)
    network = DepthNetwork(config).eval()
    encoder = {f'encoder.{k}': v for k, v in network.encoder.state_dict().items()}
    encoder |= {'height': size.height, 'width': size.width, 'use_stereo': False}
    names = {}
    for kind in ('weight', 'bias'):
        for index in range(5):
            names[f'before.{index}.conv.{kind}'] = f'decoder.{2 * index}.conv.conv.{kind}'
            names[f'after.{index}.conv.{kind}'] = f'decoder.{2 * index + 1}.conv.conv.{kind}'
        for scale in range(4):
            names[f'heads.{scale}.conv.{kind}'] = f'decoder.{10 + scale}.conv.{kind}'
    depth = {names[k]: v for k, v in network.decoder.state_dict().items()}
    with zipfile.ZipFile(path, 'w') as zipped:
        for name, state in (('encoder', encoder), ('depth', depth)):
            with zipped.open(f'{prefix}{name}.pth', 'w') as file:
                torch.save(state, file)
        zipped.writestr(f'{prefix}pose.pth', b'not read')
    return network


@pytest.mark.slow
def test_a_monodepth2_release_becomes_a_graph(tmp_path: Path) -> None:
    size = Size(96, 64)
    network = monodepth2_zip(tmp_path / 'mono.zip', size)
    real = find('monodepth2_mono_640x192')
    path = tmp_path / 'out' / 'mono.onnx'
    export_entry(real, tmp_path / 'mono.zip', size, path)
    model = open_model(path)
    assert model.spec.kind is OutputKind.SIGMOID_DISPARITY
    assert model.spec.scale is None
    image = np.random.default_rng(0).random((1, 3, 64, 96), np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(image))[0].numpy()
    np.testing.assert_allclose(run(path, image), expected, rtol=1e-4)


def test_a_release_of_another_size_is_refused(tmp_path: Path) -> None:
    monodepth2_zip(tmp_path / 'mono.zip', Size(96, 64))
    with pytest.raises(ModelError, match='was trained at 96x64, expected 640x192'):
        export_entry(
            find('monodepth2_mono_640x192'), tmp_path / 'mono.zip', Size(640, 192),
            tmp_path / 'x.onnx',
        )


def test_a_zip_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'mono.zip').write_bytes(b'nothing')
    entry = find('monodepth2_mono_640x192')
    with pytest.raises(ModelError, match='is not a zip that can be read'):
        export_entry(entry, tmp_path / 'mono.zip', Size(640, 192), tmp_path / 'x.onnx')
    with zipfile.ZipFile(tmp_path / 'mono.zip', 'w') as zipped:
        zipped.writestr('a/encoder.pth', b'')
        zipped.writestr('b/encoder.pth', b'')
    with pytest.raises(ModelError, match=r'has 2 files called encoder\.pth'):
        export_entry(entry, tmp_path / 'mono.zip', Size(640, 192), tmp_path / 'x.onnx')


def test_the_published_sizes_have_the_published_number_of_weights() -> None:
    for variant, millions in (('vits', 24.8), ('vitb', 97.5)):
        with torch.device('meta'):
            network = depth_anything.build(ENCODERS[variant])
        count = sum(weight.numel() for weight in network.parameters())
        assert count / 1e6 == pytest.approx(millions, abs=0.1)


@pytest.mark.parametrize('how', ['encrypted', 'unknown method', 'cut', 'damaged'])
def test_a_zip_that_cannot_be_unpacked_is_one_line(tmp_path: Path, how: str) -> None:
    real = find('monodepth2_mono_640x192')
    path = tmp_path / 'mono.zip'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as zipped:
        for name in ('encoder', 'depth'):
            zipped.writestr(f'mono/{name}.pth', bytes(range(256)) * 40)
    content = bytearray(path.read_bytes())
    central = content.index(b'PK\x01\x02')
    if how == 'encrypted':
        content[6] |= 1
        content[central + 8] |= 1
    elif how == 'unknown method':
        content[8] = content[central + 10] = 77
    elif how == 'cut':
        del content[central - 40:]
    else:
        content[60:90] = bytes(30)
    path.write_bytes(bytes(content))
    with pytest.raises(ModelError, match='is not a zip that can be read'):
        export_entry(real, path, Size(640, 192), tmp_path / 'out.onnx')
