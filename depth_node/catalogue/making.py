"""Writing of graph and sidecar of a checkpoint at one size."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any
import zipfile
import zlib

import numpy as np

from depth_node.catalogue.checkpoints import read_checkpoint, StoredTensor, Weights
from depth_node.catalogue.checkpoints.reading import named_values
from depth_node.catalogue.entry import Entry, Form
from depth_node.catalogue.graphs.depth_anything import NETWORKS, write_depth_anything
from depth_node.catalogue.graphs.monodepth2 import release_weights, write_monodepth2
from depth_node.errors import DataError, ModelError
from depth_node.files import read_text, replacing
from depth_node.image.size import Size
from depth_node.model.fingerprint import fingerprint
from depth_node.model.sidecar import read_sidecar

RELEASE = ('encoder.pth', 'depth.pth')
"""The files of a Monodepth2 release that are used."""
_WRITER = 1
"""Version of the graphs; graphs of other versions are written again."""
_LARGEST = 1 << 30


def write_graph(entry: Entry, checkpoint: Path, sha256: str, size: Size, path: Path) -> None:
    """
    Write the graph and sidecar of a model at one size.

    Weights that can be used unchanged stay in the checkpoint.

    :param entry: the model.
    :param checkpoint: file of its weights, in the folder of `path`.
    :param sha256: hash of the checkpoint.
    :param size: network size (pixels).
    :param path: the ONNX file; the sidecar is written next to it.
    :raises ModelError: weights of another network, or not a checkpoint.
    :raises DataError: the folder cannot be written, or the disk is full.
    """
    facts = _facts(sha256)
    if entry.form is Form.MONODEPTH2:
        weights, trained = _release(checkpoint)
        if trained != size:
            raise ModelError(
                f'{checkpoint}: was trained at {trained}, expected {size}.',
                'It is another variant. Use its own name.',
            )
        write_monodepth2(weights, size, path, facts=facts)
    else:
        values = read_checkpoint(checkpoint)
        tensors = {n: v for n, v in values.items() if isinstance(v, StoredTensor)}
        write_depth_anything(
            Weights(tensors, str(checkpoint)), NETWORKS[entry.variant], size, path,
            max_depth=entry.spec.max_depth if entry.spec.kind.is_metric else None,
            checkpoint=checkpoint, facts=facts,
        )
    known = {checkpoint.name: sha256}
    spec = dataclasses.replace(
        entry.spec, input_size=size, sha256=fingerprint(path, known)
    )
    if spec.train_focal is not None and spec.nominal_size is not None:
        # the cameras of the training data, scaled to as many rows as this graph has
        focal = spec.train_focal * size.height / spec.nominal_size.height
        spec = dataclasses.replace(spec, train_focal=round(focal, 1))
    with replacing(path.with_suffix('.json')) as temporary:
        temporary.write_text(spec.to_json(), encoding='utf-8')


def check_config(entry: Entry, config: Path) -> None:
    """
    Check that a folder of transformers holds the network of a model.

    Depth Anything 1 and 2, and its metric and relative weights, have the same names and shapes,
    and would be taken for each other without an error.

    :param entry: a Depth Anything.
    :param config: the ``config.json`` next to the weights, which may be missing.
    :raises ModelError: it describes another network.
    """
    if not config.is_file():
        return
    try:
        fields = json.loads(read_text(config))
        backbone = fields['backbone_config']
        given = {'depth_estimation_type': fields.get('depth_estimation_type', 'relative')}
        if 'out_indices' in backbone:
            given['out_indices'] = tuple(backbone['out_indices'])
        if given['depth_estimation_type'] == 'metric' and 'max_depth' in fields:
            given['max_depth'] = float(fields['max_depth'])
    except (DataError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(
            f'{config}: does not describe a Depth Anything ({error!s:.80}).',
            'Give the file of weights alone, outside this folder, if it is the right one.',
        ) from error
    metric = entry.spec.kind.is_metric
    expected: dict[str, Any] = {
        'out_indices': NETWORKS[entry.variant].taken,
        'depth_estimation_type': 'metric' if metric else 'relative',
    }
    if metric:
        expected['max_depth'] = entry.spec.max_depth
    for name, value in expected.items():
        if given.get(name, value) != value:
            raise ModelError(
                f'{config}: {name} is {given[name]}, but {entry.name} has {value}.',
                'It is another model: give its own name (`depth-node models`).',
            )


def is_current(path: Path, checkpoint: Path, sha256: str) -> bool:
    """
    Return whether a graph was written by this version for a checkpoint.

    :param path: the ONNX file, which may be missing or damaged.
    :param checkpoint: its weights.
    :param sha256: hash of the checkpoint.
    :returns: False if it must be written again.
    """
    from depth_node.model.network import load

    if not path.exists() or not path.with_suffix('.json').exists():
        return False
    try:
        known = {checkpoint.name: sha256}
        if read_sidecar(path.with_suffix('.json')).sha256 != fingerprint(path, known):
            return False
        model = load(path, weights=False)
    except ModelError:
        return False
    found = {entry.key: entry.value for entry in model.metadata_props}
    return found == _facts(sha256)


def _facts(sha256: str) -> dict[str, str]:
    return {'checkpoint_sha256': sha256, 'depth_node_writer': str(_WRITER)}


def _release(archive: Path) -> tuple[Weights, Size]:
    """Read the two checkpoints in a zip, and no other file."""
    parts: list[dict[str, Any]] = []
    try:
        with zipfile.ZipFile(archive) as zipped:
            for name in RELEASE:
                found = [i for i in zipped.infolist() if Path(i.filename).name == name]
                if len(found) != 1 or found[0].file_size > _LARGEST:
                    raise ModelError(
                        f'{archive}: has {len(found)} files called {name}, expected one.'
                    )
                data = np.frombuffer(zipped.read(found[0]), np.uint8)
                parts.append(named_values(data, archive / name, None))
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        # RuntimeError: encrypted, or packed in a way zipfile does not know
        raise ModelError(f'{archive}: is not a readable zip ({error}).') from error
    encoder, decoder = parts
    return release_weights(encoder, decoder, str(archive))
