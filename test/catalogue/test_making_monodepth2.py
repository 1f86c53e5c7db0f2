"""From a release of Monodepth2 to the model that is opened by its name, without torch."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
from pathlib import Path
import zipfile

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')

from made import install, run  # noqa: E402
from reference_networks import (  # noqa: E402
    largest_difference,
    Monodepth2,
)

from depth_node import catalogue  # noqa: E402
from depth_node.catalogue import find  # noqa: E402
from depth_node.catalogue.opening import open_model  # noqa: E402
from depth_node.image.size import Size  # noqa: E402
from depth_node.model import OutputKind  # noqa: E402


def release(path: Path, network: Monodepth2, size: Size) -> Path:
    """Write a zip as Monodepth2's authors do."""
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as zipped:
        for name, state in zip(('encoder', 'depth'), network.release(*size), strict=True):
            with zipped.open(f'mono/{name}.pth', 'w') as file:
                torch.save(state, file)
        zipped.writestr('mono/pose.pth', b'not read')
    return path


@pytest.fixture
def small_monodepth2(monkeypatch: pytest.MonkeyPatch) -> Size:
    """Make a Monodepth2 of the catalogue one of a small size."""
    real, size = find('monodepth2_mono_640x192'), Size(96, 64)
    spec = dataclasses.replace(real.spec, input_size=size)
    monkeypatch.setitem(
        catalogue.CATALOGUE, real.name, dataclasses.replace(real, spec=spec)
    )
    return size


@pytest.mark.parametrize('how', ['zip', 'folder'])
def test_a_monodepth2_release_becomes_a_graph(
    small_monodepth2: Size, tmp_path: Path, how: str
) -> None:
    name, size, network = 'monodepth2_mono_640x192', small_monodepth2, Monodepth2()
    source = release(tmp_path / 'mono.zip', network, size)
    if how == 'folder':
        zipfile.ZipFile(source).extractall(tmp_path / 'unpacked')
        source = tmp_path / 'unpacked' / 'mono'
    assert install(source, tmp_path / 'cache', name, 'auto') == 0
    model = open_model(name, cache_dir=tmp_path / 'cache', offline=True)
    assert model.spec.kind is OutputKind.SIGMOID_DISPARITY
    assert model.spec.scale is None
    image, found = run(model.path, size)
    with torch.inference_mode():
        reference = network(torch.from_numpy(image)).numpy()
    assert largest_difference(found, reference) < 1e-5


def test_a_release_of_another_size_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = release(tmp_path / 'mono.zip', Monodepth2(), Size(96, 64))
    assert install(source, tmp_path / 'cache', 'monodepth2_mono_640x192', 'auto') == 2
    assert 'was trained at 96x64, expected 640x192' in capsys.readouterr().err


@pytest.mark.parametrize(
    'how', ['nothing', 'twice', 'encrypted', 'unknown method', 'cut', 'damaged']
)
def test_a_zip_that_cannot_be_unpacked_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    path = tmp_path / 'mono.zip'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as zipped:
        for folder in ('a', 'b')[:1 + (how == 'twice')]:
            for name in ('encoder', 'depth'):
                zipped.writestr(f'{folder}/{name}.pth', bytes(range(256)) * 40)
    content = bytearray(path.read_bytes())
    central = content.index(b'PK\x01\x02')
    change: dict[str, Callable[[], object]] = {
        'nothing': lambda: content.__setitem__(slice(None), b'nothing'),
        'twice': lambda: None,
        'encrypted': lambda: (content.__setitem__(6, 1), content.__setitem__(central + 8, 1)),
        'unknown method': lambda: (
            content.__setitem__(8, 77), content.__setitem__(central + 10, 77)
        ),
        'cut': lambda: content.__delitem__(slice(central - 40, None)),
        'damaged': lambda: content.__setitem__(slice(60, 90), bytes(30)),
    }
    change[how]()
    path.write_bytes(bytes(content))
    assert install(path, tmp_path / 'cache', 'monodepth2_mono_640x192', 'auto') == 2
    error = capsys.readouterr().err.splitlines()[-1]
    expected = 'has 2 files called encoder.pth' if how == 'twice' else 'is not a readable zip'
    assert expected in error
