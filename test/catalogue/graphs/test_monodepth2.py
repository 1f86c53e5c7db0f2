"""Monodepth2's graph against the network of the paper, restated in torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip('torch')

from reference_networks import largest_difference, Monodepth2  # noqa: E402

from depth_node.catalogue.checkpoints import read_checkpoint  # noqa: E402
from depth_node.catalogue.graphs.monodepth2 import (  # noqa: E402
    release_weights,
    write_monodepth2,
)
from depth_node.errors import ModelError  # noqa: E402
from depth_node.image.size import Size  # noqa: E402

SIZE = Size(128, 96)


def saved(folder: Path, network: Monodepth2, *, older: bool = False) -> tuple[Path, Path]:
    """Save the two files of a release."""
    paths = folder / 'encoder.pth', folder / 'depth.pth'
    for path, state in zip(paths, network.release(*SIZE), strict=True):
        torch.save(state, path, _use_new_zipfile_serialization=not older)
    return paths


@pytest.mark.parametrize('layers', [18, 50])
@pytest.mark.parametrize('older', [False, True])
def test_the_same_numbers_as_the_paper(tmp_path: Path, layers: int, older: bool) -> None:
    network = Monodepth2(layers)
    encoder, depth = (read_checkpoint(path) for path in saved(tmp_path, network, older=older))
    weights, size = release_weights(encoder, depth, 'release')
    assert size == SIZE
    write_monodepth2(weights, size, tmp_path / 'graph.onnx')
    image = np.random.default_rng(0).random((1, 3, SIZE.height, SIZE.width), np.float32)
    session = onnxruntime.InferenceSession(
        str(tmp_path / 'graph.onnx'), providers=['CPUExecutionProvider']
    )
    found = session.run(None, {'image': image})[0]
    with torch.inference_mode():
        expected = network(torch.from_numpy(image)).numpy()
    assert found.shape == (1, SIZE.height, SIZE.width)
    assert largest_difference(found, expected) < 1e-5


def test_something_else_is_refused(tmp_path: Path) -> None:
    encoder, depth = (read_checkpoint(path) for path in saved(tmp_path, Monodepth2()))
    with pytest.raises(ModelError, match=r'width is None.*Use the encoder\.pth'):
        release_weights(depth, encoder, 'release')
    weights, _ = release_weights(encoder, encoder, 'release')
    with pytest.raises(ModelError, match=r'network: decoder\.0\.conv\.conv\.weight is missing'):
        write_monodepth2(weights, SIZE, tmp_path / 'graph.onnx')
    weights, _ = release_weights(encoder, depth, 'release')
    with pytest.raises(ModelError, match='cannot be halved five times'):
        write_monodepth2(weights, Size(100, 64), tmp_path / 'graph.onnx')
