"""Exported files against torch, in ONNX Runtime, and through this package's own opening."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')
onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')

from depth_node.camera import Camera  # noqa: E402
from depth_node.catalogue.opening import open_model  # noqa: E402
from depth_node.cli.main import main  # noqa: E402
from depth_node.config import Config  # noqa: E402
from depth_node.errors import ModelError  # noqa: E402
from depth_node.estimator import DepthEstimator  # noqa: E402
from depth_node.image.size import Size  # noqa: E402
from depth_node.model import ModelSpec, OutputKind, read_sidecar  # noqa: E402
from depth_node.training.checkpoint import (  # noqa: E402
    Checkpoint,
    read_checkpoint,
    RunProgress,
    write_checkpoint,
)
from depth_node.training.config import config_from  # noqa: E402
from depth_node.training.export import export_checkpoint, export_monodepth2, export_network  # noqa: E402
from depth_node.training.learner import Learner  # noqa: E402
from depth_node.training.networks import Architecture, DepthNetwork, NetworkConfig  # noqa: E402
from depth_node.training.networks.resnet import ResNetEncoder  # noqa: E402

SIZE = Size(96, 64)


def run(path: Path, image: torch.Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    return session.run(None, {session.get_inputs()[0].name: image.numpy()})[0]


def settled(config: NetworkConfig) -> DepthNetwork:
    """Make a network whose normalisation has seen pictures, as after training."""
    torch.manual_seed(0)
    network = DepthNetwork(config)
    with torch.no_grad():
        for _ in range(20):
            network(torch.rand(4, 3, SIZE.height, SIZE.width))
    return network.eval()


@pytest.mark.parametrize('architecture', [Architecture.SMALL, Architecture.RESNET18])
@pytest.mark.parametrize('kind', [OutputKind.SIGMOID_DISPARITY, OutputKind.CANONICAL_DEPTH])
def test_the_file_is_the_network(
    tmp_path: Path, architecture: Architecture, kind: OutputKind
) -> None:
    network = settled(NetworkConfig(architecture, kind))
    path = tmp_path / 'net.onnx'
    export_network(network, ModelSpec('net', kind, input_size=SIZE), path)
    image = torch.rand(1, 3, SIZE.height, SIZE.width)
    with torch.no_grad():
        expected = network(image)[0].numpy()
    found = run(path, image)
    assert found.shape == (1, 1, SIZE.height, SIZE.width)
    assert np.abs(found - expected).max() < 1e-4 * max(1.0, expected.max())
    opset = {o.domain: o.version for o in onnx.load(path).opset_import}['']
    assert opset >= 17
    model = open_model(path)
    assert (model.spec.kind, model.spec.input_size) == (kind, SIZE)


def test_half_weights_halve_the_file_and_stay_close(tmp_path: Path) -> None:
    network = settled(NetworkConfig(scales=1))
    spec = ModelSpec('net', OutputKind.SIGMOID_DISPARITY, input_size=SIZE)
    full, half = tmp_path / 'full.onnx', tmp_path / 'half.onnx'
    export_network(network, spec, full)
    export_network(network, spec, half, half=True)
    assert half.stat().st_size < 0.6 * full.stat().st_size
    image = torch.rand(1, 3, SIZE.height, SIZE.width)
    np.testing.assert_allclose(run(half, image), run(full, image), rtol=1e-2)
    graph = onnx.load(half).graph
    ends = [*graph.input, *graph.output]
    assert {e.type.tensor_type.elem_type for e in ends} == {onnx.TensorProto.FLOAT}
    open_model(half)  # its hash is that of the halved file


def test_sizes_the_network_cannot_take_are_refused(tmp_path: Path) -> None:
    network = DepthNetwork(NetworkConfig(scales=1))
    spec = ModelSpec('net', OutputKind.SIGMOID_DISPARITY, input_size=Size(100, 64))
    with pytest.raises(ModelError, match='multiples of 32'):
        export_network(network, spec, tmp_path / 'net.onnx')
    assert list(tmp_path.iterdir()) == []


def checkpoint(path: Path, *, metric: bool, **choices: object) -> None:
    config = config_from({'network': 'small', 'size': '96x64', **choices})
    torch.manual_seed(0)
    state = DepthNetwork(config.network_config).state_dict()
    write_checkpoint(path, Checkpoint(config, 55.0, metric, RunProgress(), state, {}, {}, {}))


def test_a_checkpoint_says_what_its_metres_are_worth(tmp_path: Path) -> None:
    checkpoint(tmp_path / 'metric.pt', metric=True)
    checkpoint(tmp_path / 'scaleless.pt', metric=False)
    checkpoint(tmp_path / 'canonical.pt', metric=True, kind='canonical_depth')
    specs = {}
    for path in tmp_path.glob('*.pt'):
        export_checkpoint(path, path.with_suffix('.onnx'))
        specs[path.stem] = read_sidecar(path.with_suffix('.json'))
    assert (specs['metric'].scale, specs['metric'].train_focal) == (1.0, 55.0)
    assert (specs['scaleless'].scale, specs['scaleless'].train_focal) == (None, 55.0)
    assert (specs['canonical'].scale, specs['canonical'].train_focal) == (None, None)


def test_another_size_has_another_focal_length(tmp_path: Path) -> None:
    checkpoint(tmp_path / 'net.pt', metric=True)
    spec = export_checkpoint(tmp_path / 'net.pt', tmp_path / 'net.onnx', size='192x128')
    assert (spec.input_size, spec.train_focal) == (Size(192, 128), 110.0)


def test_monodepth2(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = {f'encoder.{k}': v for k, v in ResNetEncoder(18).state_dict().items()}
    torch.save(
        {**encoder, 'height': 64, 'width': 96, 'use_stereo': True}, tmp_path / 'encoder.pth'
    )
    decoder = DepthNetwork(NetworkConfig(Architecture.RESNET18)).decoder.state_dict()
    names = {f'before.{i}.': f'decoder.{2 * i}.conv.' for i in range(5)}
    names |= {f'after.{i}.': f'decoder.{2 * i + 1}.conv.' for i in range(5)}
    names |= {f'heads.{i}.': f'decoder.{10 + i}.' for i in range(4)}
    torch.save(
        {new + k.removeprefix(old): v for old, new in names.items() for k, v in decoder.items()
         if k.startswith(old)},
        tmp_path / 'depth.pth',
    )
    spec = export_monodepth2(tmp_path, tmp_path / 'net.onnx', focal=36.7)
    assert (spec.scale, spec.train_focal, spec.commercial) == (5.4, 36.7, False)
    assert open_model(tmp_path / 'net.onnx').spec.input_size == SIZE


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint(tmp_path / 'net.pt', metric=True)
    out = tmp_path / 'net.onnx'
    assert main(['export', str(tmp_path / 'net.pt'), '--out', str(out), '--half']) == 0
    assert 'sigmoid_disparity at 96x64' in capsys.readouterr().out
    assert json.loads(out.with_suffix('.json').read_text())['scale'] == 1.0
    open_model(out)


def test_the_node_gets_the_metres_of_training(tmp_path: Path) -> None:
    """A frame through the exported file as the node takes it, and through torch."""
    for kind in ('canonical_depth', 'sigmoid_disparity'):
        path = tmp_path / f'{kind}.pt'
        checkpoint(path, metric=True, kind=kind)
        export_checkpoint(path, path.with_suffix('.onnx'))
        camera = Camera(*SIZE, 66.0, 66.0, 47.5, 31.5)  # not the focal length of training
        frame = np.random.default_rng(0).integers(0, 256, (SIZE.height, SIZE.width, 3), np.uint8)
        config = Config().replaced({'filter.edge_threshold': 0.0, 'depth.max_range': 200.0})
        estimator = DepthEstimator(open_model(path.with_suffix('.onnx')), config)
        try:
            found = estimator.estimate(frame, camera).depth
        finally:
            estimator.close()
        saved = read_checkpoint(path)
        learner = Learner(saved.config, saved.focal).eval()
        learner.depth.load_state_dict(dict(saved.depth))
        with torch.no_grad():
            image = torch.from_numpy(frame).permute(2, 0, 1)[None] / 255
            expected = learner.read_depth(learner.depth(image)[0], torch.tensor([66.0]))
        assert found is not None
        np.testing.assert_allclose(found, expected[0, 0].numpy(), rtol=2e-3)


@pytest.mark.parametrize(
    ('arguments', 'says'),
    [
        (['net.pt', '--out', 'net.bin'], 'ends in .onnx'),
        (['absent.pt', '--out', 'net.onnx'], 'absent.pt'),
        (['net.pt', '--out', 'net.onnx', '--size', '97x64'], 'multiples of 32'),
        (['net.pt', '--out', 'net.onnx', '--focal', '300'], 'Monodepth2'),
        (['bad.pt', '--out', 'net.onnx'], 'bad.pt: is no file of torch.save'),
    ],
)
def test_wrong_use_ends_with_two_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint(tmp_path / 'net.pt', metric=True)
    (tmp_path / 'bad.pt').write_bytes(b'nonsense')
    assert main(['export', *arguments]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count('\n') == 1
    assert list(tmp_path.glob('*.onnx')) == []
