"""From a checkpoint to the model that is opened by its name, without torch."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
import re
import shutil
import subprocess
import sys
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')

from bad_server import serve, Site  # noqa: E402
from made import install, NAME, opened, run, SIZE  # noqa: E402
from reference_networks import (  # noqa: E402
    authors_state,
    depth_anything,
    largest_difference,
    TINY,
    use_authors_positions,
)

from depth_node import catalogue  # noqa: E402
from depth_node.catalogue import Entry, find, WebFile  # noqa: E402
from depth_node.catalogue.graphs import builder  # noqa: E402
from depth_node.catalogue.graphs import depth_anything as graphs  # noqa: E402
from depth_node.catalogue.opening import open_model  # noqa: E402
from depth_node.errors import ModelError  # noqa: E402
from depth_node.image.size import Size  # noqa: E402
from depth_node.model.network import load  # noqa: E402


@pytest.fixture
def entry(monkeypatch: pytest.MonkeyPatch) -> Entry:
    """Make the default model one that is built in no time."""
    monkeypatch.setitem(graphs.NETWORKS, 'tiny', TINY)
    small = dataclasses.replace(find(NAME), variant='tiny', sides=None)
    monkeypatch.setitem(catalogue.CATALOGUE, NAME, small)
    return small


@pytest.fixture
def network() -> Any:
    """Build the reference."""
    return depth_anything(TINY, 20.0)


@pytest.fixture
def weights(network: Any, tmp_path: Path) -> Path:
    """Save its weights as the authors do."""
    path = tmp_path / 'stick' / 'weights.pth'
    path.parent.mkdir()
    torch.save(authors_state(network, TINY), path)
    return path


def expected(network: Any, image: np.ndarray, size: Size = SIZE) -> np.ndarray:
    """Run the reference."""
    use_authors_positions(network, size.height // 14, size.width // 14)
    with torch.inference_mode():
        return network(pixel_values=torch.from_numpy(image)).predicted_depth.numpy()


def test_weights_on_a_stick_become_the_model_of_that_name(
    entry: Entry, network: Any, weights: Path, tmp_path: Path
) -> None:
    cache = tmp_path / 'cache'
    assert install(weights, cache) == 0
    shutil.rmtree(weights.parent)  # the stick is pulled out
    model = opened(cache)
    assert model.path == cache / NAME / f'{NAME}_{SIZE}.onnx'
    assert model.spec == dataclasses.replace(
        entry.spec, input_size=SIZE, sha256=model.spec.sha256,
        train_focal=80.8,  # 886.81 px at 768 rows, at 70
    )
    image, found = run(model.path)
    assert largest_difference(found, expected(network, image)) < 1e-5


def test_a_whole_graph_can_be_made_of_it(entry: Entry, weights: Path, tmp_path: Path) -> None:
    """As TensorRT and int8 need it, from a checkpoint that another program has fetched."""
    install(weights, tmp_path)
    path = opened(tmp_path).path
    session = onnxruntime.InferenceSession(
        load(path).SerializeToString(), providers=['CPUExecutionProvider']
    )
    image, found = run(path)
    np.testing.assert_array_equal(session.run(None, {'image': image})[0], found)


def test_another_aspect_needs_no_download(
    entry: Entry, network: Any, weights: Path, tmp_path: Path
) -> None:
    install(weights, tmp_path)
    other = Size(140, 56)
    model = opened(tmp_path, other)
    assert model.spec.input_size == other
    image, found = run(model.path, other)
    assert largest_difference(found, expected(network, image, other)) < 1e-5


def test_a_published_checkpoint_is_fetched_once(
    entry: Entry, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv('HF_HUB_OFFLINE', raising=False)
    with serve(Site({'/w.pth': weights.read_bytes()})) as site:
        served = dataclasses.replace(entry, files=(WebFile(f'{site.url}/w.pth'),))
        monkeypatch.setitem(catalogue.CATALOGUE, NAME, served)
        for size in (SIZE, Size(140, 56)):
            open_model(NAME, input_size=str(size), cache_dir=tmp_path)
        assert len(site.seen) == 1
    assert opened(tmp_path).spec.input_size == SIZE  # and then without the server


def test_the_published_file_from_a_stick_gets_its_own_name(
    entry: Entry, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    file = dataclasses.replace(
        entry.files[0], sha256=hashlib.sha256(weights.read_bytes()).hexdigest(),
        size=weights.stat().st_size,
    )
    published = dataclasses.replace(entry, files=(file,))
    monkeypatch.setitem(catalogue.CATALOGUE, NAME, published)
    assert install(weights, tmp_path) == 0
    assert (tmp_path / NAME / file.name).exists()
    assert not list((tmp_path / NAME).glob('own*'))


def test_new_weights_make_a_new_graph(
    entry: Entry, weights: Path, tmp_path: Path
) -> None:
    """Their graphs are alike to the last byte but for the hash of the weights."""
    install(weights, tmp_path)
    first = opened(tmp_path)
    _, before = run(first.path)
    torch.save(authors_state(depth_anything(TINY, 20.0, seed=1), TINY), weights)
    install(weights, tmp_path)
    second = opened(tmp_path)
    _, after = run(second.path)
    assert second.path == first.path
    assert second.spec.sha256 != first.spec.sha256  # engines and calibrations are bound to it
    assert np.abs(before - after).max() > 0.1


def test_a_graph_is_written_once(entry: Entry, weights: Path, tmp_path: Path) -> None:
    install(weights, tmp_path)
    path = opened(tmp_path).path
    before = path.stat().st_mtime_ns
    assert opened(tmp_path).path.stat().st_mtime_ns == before


@pytest.mark.parametrize('damage', ['content', 'sidecar', 'writer', 'empty'])
def test_a_damaged_or_older_graph_is_written_again(
    entry: Entry, weights: Path, tmp_path: Path, damage: str
) -> None:
    install(weights, tmp_path)
    path = opened(tmp_path).path
    good = path.read_bytes()
    if damage == 'content':
        path.write_bytes(good[:-20] + bytes(20))
    elif damage == 'sidecar':
        path.with_suffix('.json').unlink()
    elif damage == 'empty':
        path.write_bytes(b'')
    else:
        model = onnx.load(path, load_external_data=False)
        model.metadata_props[1].value = '0'
        path.write_bytes(model.SerializeToString())
    assert opened(tmp_path).path.read_bytes() == good


def test_a_damaged_checkpoint_is_noticed(entry: Entry, weights: Path, tmp_path: Path) -> None:
    install(weights, tmp_path)
    own = tmp_path / NAME / 'own_weights.pth'
    content = bytearray(own.read_bytes())
    content[len(content) // 2] ^= 1
    own.write_bytes(content)
    with pytest.raises(ModelError, match=r'checksum differs'):
        opened(tmp_path)


def test_a_read_only_cache_is_enough(entry: Entry, weights: Path, tmp_path: Path) -> None:
    install(weights, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / NAME).iterdir()}
    opened(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / NAME).iterdir()} == before


def test_weights_of_another_network_leave_nothing_behind(
    entry: Entry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wide = dataclasses.replace(TINY, stages=(8, 8, 16, 24))
    path = tmp_path / 'other.pth'
    torch.save(authors_state(depth_anything(wide), wide), path)
    assert install(path, tmp_path / 'cache') == 2
    error = capsys.readouterr().err
    assert 'the weights of another network' in error
    assert 'Traceback' not in error
    assert not list((tmp_path / 'cache' / NAME).glob('own*'))


@pytest.mark.parametrize('how', ['safetensors', 'folder'])
def test_transformers_weights_are_taken(
    entry: Entry, network: Any, tmp_path: Path, how: str
) -> None:
    network.save_pretrained(tmp_path / 'hf')
    source = tmp_path / 'hf' if how == 'folder' else tmp_path / 'hf' / 'model.safetensors'
    assert install(source, tmp_path / 'cache') == 0
    image, found = run(opened(tmp_path / 'cache').path)
    assert largest_difference(found, expected(network, image)) < 1e-5


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'max_depth': 80.0}, 'max_depth is 80.0, but .* has 20'),
        ({'depth_estimation_type': 'relative'}, 'depth_estimation_type is relative'),
        ({'backbone_config': {'out_indices': [9, 10, 11, 12]}}, r'out_indices is \(9, 10, 11, 12'),
        ({'backbone_config': None}, 'does not describe a Depth Anything'),
    ],
)
@pytest.mark.parametrize('how', ['folder', 'file'])
def test_the_weights_of_a_sister_network_are_refused(
    entry: Entry, network: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str,
    change: dict[str, Any], message: str,
) -> None:
    """Names and shapes are the same, and only the depth would be wrong."""
    folder = tmp_path / 'hf'
    network.save_pretrained(folder)
    config = json.loads((folder / 'config.json').read_text())
    (folder / 'config.json').write_text(json.dumps({**config, **change}))
    source = folder if how == 'folder' else folder / 'model.safetensors'
    assert install(source, tmp_path / 'cache') == 2
    assert re.search(message, capsys.readouterr().err)


def test_a_folder_without_safetensors_is_refused(
    entry: Entry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert install(tmp_path, tmp_path / 'cache') == 2
    assert 'contains no model.safetensors' in capsys.readouterr().err


def test_weights_too_large_for_one_file_get_another(
    entry: Entry, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protobuf ends at 2 GB, and what cannot stay in the checkpoint may be more."""
    state = {name: t.bfloat16() for name, t in torch.load(weights).items()}
    torch.save(state, weights)
    install(weights, tmp_path / 'one')
    monkeypatch.setattr(builder, '_WHOLE_FILE', 1000)
    install(weights, tmp_path / 'two')
    one, two = opened(tmp_path / 'one').path, opened(tmp_path / 'two').path
    assert two.stat().st_size < 0.5 * one.stat().st_size
    np.testing.assert_array_equal(run(one)[1], run(two)[1])


def test_nothing_of_it_needs_torch(weights: Path, tmp_path: Path) -> None:
    """As on a robot: the command in a process where torch and transformers do not exist."""
    script = f"""if True:
        import sys
        for name in ('torch', 'transformers', 'safetensors', 'huggingface_hub', 'onnxscript'):
            sys.modules[name] = None
        import dataclasses
        from depth_node import catalogue
        from depth_node.catalogue.graphs.depth_anything import DepthAnything, NETWORKS
        from depth_node.catalogue.graphs.vision_transformer import Transformer
        from depth_node.cli.main import main
        NETWORKS['tiny'] = DepthAnything(
            Transformer(48, 4, 3), (1, 2, 3, 4), (8, 8, 16, 16), 16, 8
        )
        name = {NAME!r}
        catalogue.CATALOGUE[name] = dataclasses.replace(
            catalogue.find(name), variant='tiny', sides=None
        )
        assert main(['fetch', name, '--weights', {str(weights)!r}, '--offline']) == 0
        assert main([
            'predict', 'world:0', '--frames', '1', '--model', name, '--hfov', '70', '--out',
            {str(tmp_path / 'out')!r}, '--size', '98x70',
        ]) == 0
    """
    done = subprocess.run(
        [sys.executable, '-c', script], check=False, capture_output=True, text=True, timeout=120,
        env={**__import__('os').environ, 'XDG_CACHE_HOME': str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    depth = np.load(next((tmp_path / 'out').glob('*_depth.npy')))
    assert 0 < np.nanmedian(depth[np.isfinite(depth)]) < 20
