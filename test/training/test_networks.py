"""Networks against published parameter counts, an independent ResNet, and the paper's table."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

torch = pytest.importorskip('torch')
from torch.nn import functional  # noqa: E402

from depth_node.errors import ConfigError, ModelError  # noqa: E402
from depth_node.image.size import Size  # noqa: E402
from depth_node.model import OutputKind  # noqa: E402
from depth_node.training.networks import (  # noqa: E402
    Architecture,
    build_pose_network,
    CorrelationPoseNetwork,
    DepthNetwork,
    load_imagenet,
    load_monodepth2,
    NetworkConfig,
    parameter_count,
    to_depth,
)
from depth_node.training.networks.correlation import correlation  # noqa: E402
from depth_node.training.networks.heads import activate  # noqa: E402
from depth_node.training.networks.resnet import ResNetEncoder  # noqa: E402

WITHOUT_CLASSIFIER = {18: 11_689_512 - 513_000, 50: 25_557_032 - 2_049_000}
"""torchvision's published counts less their fully connected layers."""


def transformers_resnet(encoder: ResNetEncoder) -> torch.nn.Module:
    transformers = pytest.importorskip('transformers')
    deep = encoder.layers == 50
    model = transformers.ResNetModel(
        transformers.ResNetConfig(
            layer_type='bottleneck' if deep else 'basic',
            depths=[3, 4, 6, 3] if deep else [2, 2, 2, 2],
            hidden_sizes=[s * (4 if deep else 1) for s in (64, 128, 256, 512)],
        )
    ).eval()
    state = {}
    for key, value in encoder.state_dict().items():
        words = key.split('.')
        if words[0].startswith('layer'):
            prefix = f'encoder.stages.{int(words[0][5:]) - 1}.layers.{words[1]}.'
            part, leaf = words[2], words[-1]
            if part == 'downsample':
                name = 'shortcut.' + ('convolution.', 'normalization.')[int(words[3])]
            else:
                what = 'convolution.' if part.startswith('conv') else 'normalization.'
                name = f'layer.{int(part[-1]) - 1}.{what}'
            state[prefix + name + leaf] = value
        else:
            what = 'convolution.' if words[0] == 'conv1' else 'normalization.'
            state['embedder.embedder.' + what + words[-1]] = value
    model.load_state_dict(state)
    return model


@pytest.mark.parametrize('layers', [18, 50])
def test_resnet_is_the_published_one(layers: int) -> None:
    torch.manual_seed(0)
    encoder = ResNetEncoder(layers).eval()
    assert parameter_count(encoder) == WITHOUT_CLASSIFIER[layers]
    for module in encoder.modules():  # statistics that matter, as after training
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2.0)
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        features = encoder(image)
        expected = transformers_resnet(encoder)(image).last_hidden_state
    assert [f.shape[1] for f in features] == list(encoder.channels)
    assert [tuple(f.shape[2:]) for f in features] == [
        (64 >> i, 96 >> i) for i in range(1, 6)
    ]
    torch.testing.assert_close(features[-1], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('architecture', list(Architecture))
def test_outputs_at_four_scales(architecture: Architecture) -> None:
    network = DepthNetwork(NetworkConfig(architecture)).eval()
    with torch.no_grad():
        outputs = network(torch.rand(2, 3, 64, 96))
    assert [tuple(o.shape) for o in outputs] == [(2, 1, 64 >> s, 96 >> s) for s in range(4)]
    assert all(o.min() > 0 and o.max() < 1 for o in outputs)


def test_small_network_has_about_a_million_parameters() -> None:
    assert 0.8e6 < parameter_count(DepthNetwork(NetworkConfig(scales=1))) < 1.2e6


def test_every_weight_is_used() -> None:
    for architecture in (Architecture.SMALL, Architecture.WIDE, Architecture.RESNET18):
        network = DepthNetwork(NetworkConfig(architecture))
        sum(o.mean() for o in network(torch.rand(2, 3, 64, 64))).backward()
        assert [n for n, p in network.named_parameters() if p.grad is None] == []


def test_dropout_acts_in_training_only() -> None:
    torch.manual_seed(0)
    network = DepthNetwork(NetworkConfig(scales=1, dropout=0.5))
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        network.eval()
        assert torch.equal(network(image)[0], network(image)[0])
        network.train()
        assert not torch.equal(network(image)[0], network(image)[0])


def test_pose_network_starts_near_standing_still() -> None:
    torch.manual_seed(0)
    network = build_pose_network(Architecture.SMALL).eval()
    with torch.no_grad():
        angle, shift = network(torch.rand(3, 3, 64, 96), torch.rand(3, 3, 64, 96))
    assert angle.shape == shift.shape == (3, 3)
    assert angle.abs().max() < 0.05
    assert shift.abs().max() < 0.05


def test_depth_heads_stay_in_their_range() -> None:
    logits = torch.tensor([-50.0, 0.0, 50.0]).view(1, 1, 1, 3)
    depth = activate(logits, OutputKind.METRIC_DEPTH, 0.1, 100.0).flatten()
    torch.testing.assert_close(depth, torch.tensor([0.1, math.sqrt(10.0), 100.0]))


@pytest.mark.parametrize(
    ('kind', 'value', 'expected'),
    [
        (OutputKind.SIGMOID_DISPARITY, 0.0, 100.0),
        (OutputKind.SIGMOID_DISPARITY, 1.0, 0.1),
        (OutputKind.CANONICAL_DEPTH, 3.0, 2.0),
        (OutputKind.METRIC_DEPTH, 3.0, 3.0),
        (OutputKind.RELATIVE_DISPARITY, 4.0, 0.25),
    ],
)
def test_to_depth(kind: OutputKind, value: float, expected: float) -> None:
    depth = to_depth(torch.full((2, 1, 1, 1), value), kind, 0.1, 100.0, torch.tensor([200.0] * 2))
    torch.testing.assert_close(depth, torch.full((2, 1, 1, 1), expected))


def test_wrong_configurations_are_refused() -> None:
    for wrong in ({'scales': 5}, {'dropout': 1.0}, {'min_depth': 0.0}):
        with pytest.raises(ConfigError):
            NetworkConfig(**wrong)
    with pytest.raises(ConfigError, match='ResNet-34'):
        ResNetEncoder(34)


def test_imagenet_weights_load_for_one_image_and_two(tmp_path: Path) -> None:
    state = ResNetEncoder(18).state_dict()
    path = tmp_path / 'resnet18.pth'
    torch.save({**state, 'fc.weight': torch.zeros(1000, 512), 'fc.bias': torch.zeros(1000)}, path)
    one, two = ResNetEncoder(18).eval(), ResNetEncoder(18, images=2).eval()
    load_imagenet(one, path)
    load_imagenet(two, path)
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(two(torch.cat((image, image), 1))[-1], one(image)[-1])
    with pytest.raises(ModelError, match='another network'):
        load_imagenet(ResNetEncoder(50), path)


def monodepth2_files(folder: Path, layers: int = 18) -> dict[str, torch.Tensor]:
    """Write a checkpoint with the names and shapes of the releases, and random weights."""
    encoder = {f'encoder.{k}': v for k, v in ResNetEncoder(layers).state_dict().items()}
    encoder['encoder.fc.weight'] = torch.zeros(1000, 512)
    encoder['encoder.fc.bias'] = torch.zeros(1000)
    torch.save({**encoder, 'height': 192, 'width': 640, 'use_stereo': True},
               folder / 'encoder.pth')
    skips = (256, 128, 64, 64, 0) if layers == 18 else (1024, 512, 256, 64, 0)
    inputs = 512 if layers == 18 else 2048
    decoder: dict[str, torch.Tensor] = {}
    for step, (skip, width) in enumerate(zip(skips, (256, 128, 64, 32, 16), strict=True)):
        for index, channels in ((2 * step, inputs), (2 * step + 1, width + skip)):
            name = f'decoder.{index}.conv.conv'
            decoder[f'{name}.weight'] = 0.05 * torch.randn(width, channels, 3, 3)
            decoder[f'{name}.bias'] = 0.05 * torch.randn(width)
        inputs = width
    for scale, width in enumerate((16, 32, 64, 128)):
        decoder[f'decoder.{10 + scale}.conv.weight'] = 0.05 * torch.randn(1, width, 3, 3)
        decoder[f'decoder.{10 + scale}.conv.bias'] = torch.zeros(1)
    torch.save(decoder, folder / 'depth.pth')
    return decoder


def test_monodepth2_checkpoint(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = monodepth2_files(tmp_path)
    loaded = load_monodepth2(tmp_path)
    assert (loaded.size, loaded.stereo) == (Size(640, 192), True)
    image = torch.rand(1, 3, 64, 96)

    def conv(x: torch.Tensor, name: str) -> torch.Tensor:
        x = functional.pad(x, (1, 1, 1, 1), mode='reflect')
        return functional.conv2d(x, state[f'{name}.weight'], state[f'{name}.bias'])

    with torch.no_grad():
        features = loaded.network.encoder((image - 0.45) / 0.225)
        x = features[4]
        expected = []
        for step in range(5):  # the paper's table, row by row
            x = functional.elu(conv(x, f'decoder.{2 * step}.conv.conv'))
            x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
            if step < 4:
                x = torch.cat((x, features[3 - step]), 1)
            x = functional.elu(conv(x, f'decoder.{2 * step + 1}.conv.conv'))
            if step > 0:
                expected.insert(0, torch.sigmoid(conv(x, f'decoder.{14 - step}.conv')))
        for found, wanted in zip(loaded.network(image), expected, strict=True):
            torch.testing.assert_close(found, wanted)


def test_monodepth2_of_fifty_layers(tmp_path: Path) -> None:
    monodepth2_files(tmp_path, layers=50)
    config = load_monodepth2(tmp_path).network.config
    assert config.architecture is Architecture.RESNET50


def test_broken_checkpoints_are_refused_clearly(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match='cannot be read'):
        load_monodepth2(tmp_path)
    decoder = monodepth2_files(tmp_path)
    wrong = {**decoder, 'decoder.3.conv.conv.bias': torch.zeros(7)}
    torch.save(wrong, tmp_path / 'depth.pth')
    with pytest.raises(ModelError, match=r'after\.1\.conv\.bias is \(7,\), expected \(128,\)'):
        load_monodepth2(tmp_path)
    del wrong['decoder.3.conv.conv.bias']
    torch.save(wrong, tmp_path / 'depth.pth')
    with pytest.raises(ModelError, match=r'missing after\.1\.conv\.bias'):
        load_monodepth2(tmp_path)
    whole = (tmp_path / 'depth.pth').read_bytes()
    for content, says in (
        (b'', 'is empty'), (b'not a checkpoint', 'is no file of torch.save'),
        (whole[:99], 'is not a file of plain weights'),
    ):
        (tmp_path / 'depth.pth').write_bytes(content)
        with pytest.raises(ModelError, match=says):
            load_monodepth2(tmp_path)


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path('trapped'),)


def test_code_in_a_checkpoint_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({'conv1.weight': Trap()}, tmp_path / 'evil.pth')
    with pytest.raises(ModelError, match='not a file of plain weights'):
        load_imagenet(ResNetEncoder(18), tmp_path / 'evil.pth')
    assert not (tmp_path / 'trapped').exists()


def test_correlation_finds_the_shift() -> None:
    """Against the plain double loop, and a shifted picture matches itself at its shift."""
    torch.manual_seed(0)
    first = torch.nn.functional.normalize(torch.randn(2, 5, 6, 9), dim=1)
    second = torch.roll(first, (1, -2), (2, 3))
    found = correlation(first, second, 2)
    assert found.shape == (2, 25, 6, 9)
    for (dy, dx, y, x) in ((1, -2, 3, 4), (0, 1, 2, 5), (-2, 2, 4, 3)):
        expected = (first[:, :, y, x] * second[:, :, y + dy, x + dx]).sum(1)
        index = (dy + 2) * 5 + dx + 2
        torch.testing.assert_close(found[:, index, y, x], expected)
    assert found[0, :, 3, 4].argmax() == (1 + 2) * 5 + (-2 + 2)
    assert (found[:, 0, 0, 0] == 0).all()  # up and left of the corner there is nothing


def test_the_correlation_network_learns_a_turn_in_few_steps() -> None:
    """Pictures shifted left or right: after forty steps it knows the direction."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = CorrelationPoseNetwork()
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    texture = torch.nn.functional.interpolate(torch.rand(1, 3, 20, 40), scale_factor=4)

    def pair(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        starts = torch.randint(8, 80, (count,))
        shifts = torch.randint(-8, 9, (count,))
        cut = [texture[0, :, 8:40, s : s + 64] for s in starts]
        moved = [
            texture[0, :, 8:40, s + d : s + d + 64] for s, d in zip(starts, shifts, strict=True)
        ]
        return torch.stack(cut), torch.stack(moved), shifts * 0.01

    for _ in range(40):
        first, second, turn = pair(8)
        loss = (network(first, second)[0][:, 1] - turn).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    first, second, turn = pair(32)
    found = network(first, second)[0][:, 1].detach()
    assert torch.corrcoef(torch.stack([found, turn]))[0, 1] > 0.8
