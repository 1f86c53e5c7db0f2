"""Catalogue models that are published as weights, made into ONNX files with sidecars."""

from __future__ import annotations

import dataclasses
from pathlib import Path
import shutil
import tempfile
import zipfile
import zlib

from torch import nn

from depth_node.catalogue import Entry, Form
from depth_node.catalogue.fetch import write_text
from depth_node.errors import ModelError
from depth_node.image.size import Size
from depth_node.model.hashes import hash_of
from depth_node.training import depth_anything
from depth_node.training.networks import FinestOutput, load_monodepth2
from depth_node.training.onnx_file import write_onnx

_LARGEST = 1 << 30


def export_entry(entry: Entry, weights: Path, size: Size, path: Path) -> float:
    """
    Export a model of the catalogue at one size.

    :param entry: the model.
    :param weights: what its authors published, or a folder in transformers' layout.
    :param size: the network's size (pixels).
    :param path: the ONNX file; its sidecar goes beside it. Both appear only when right.
    :returns: the largest difference between the file and torch, relative to the largest output.
    :raises ModelError: other weights than the entry's, or the export computes something else.
    """
    if not entry.can_export:
        raise ModelError(f'{entry.name} is not made from weights.')
    if entry.form is Form.MONODEPTH2:
        module = _monodepth2(weights, size)
    else:
        module = _depth_anything(entry, weights, size)
    part = path.with_name(f'{path.stem}.new.onnx')
    difference = write_onnx(module, size, part)
    spec = dataclasses.replace(entry.spec, input_size=size, sha256=hash_of(part))
    if spec.train_focal is not None and spec.nominal_size is not None:
        # the cameras of the training data, scaled to as many rows as this export has
        focal = spec.train_focal * size.height / spec.nominal_size.height
        spec = dataclasses.replace(spec, train_focal=round(focal, 1))
    write_text(path.with_suffix('.json'), spec.to_json())
    part.replace(path)
    return difference


def _depth_anything(entry: Entry, weights: Path, size: Size) -> nn.Module:
    metric = entry.spec.kind.is_metric
    network = depth_anything.load(
        weights, entry.variant, entry.spec.max_depth if metric else None
    )
    if not weights.is_dir():
        depth_anything.use_authors_positions(network, size)
    return depth_anything.DepthAnything(network)


def _monodepth2(weights: Path, size: Size) -> nn.Module:
    with tempfile.TemporaryDirectory(prefix='depth_node_') as name:
        folder = weights if weights.is_dir() else _unpacked(weights, Path(name))
        release = load_monodepth2(folder)
    if release.size != size:
        raise ModelError(
            f'{weights}: was trained at {release.size}, expected {size}.',
            'It is another variant; give its own name.',
        )
    return FinestOutput(release.network)


def _unpacked(archive: Path, folder: Path) -> Path:
    """Take the two checkpoints out of a zip, by their own names and nothing else."""
    try:
        with zipfile.ZipFile(archive) as zipped:
            for name in ('encoder.pth', 'depth.pth'):
                found = [
                    info for info in zipped.infolist() if Path(info.filename).name == name
                ]
                if len(found) != 1 or found[0].file_size > _LARGEST:
                    raise ModelError(
                        f'{archive}: has {len(found)} files called {name}, expected one.'
                    )
                with zipped.open(found[0]) as source, (folder / name).open('wb') as target:
                    shutil.copyfileobj(source, target)
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        # RuntimeError: encrypted, or packed in a way zipfile does not know
        raise ModelError(f'{archive}: is not a zip that can be read ({error}).') from error
    return folder
