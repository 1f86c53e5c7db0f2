"""From a name or a path to a network on disk whose description has been checked."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import json
from pathlib import Path
from typing import Any

from depth_node.config import ModelConfig
from depth_node.errors import ModelError
from depth_node.model.files import check_external_data, check_sha256
from depth_node.model.sidecar import read_sidecar, spec_from_mapping
from depth_node.model.spec import Model, ModelSpec

# what a file without a sidecar cannot do without: the rest of a ModelSpec has a neutral default
REQUIRED = ('kind', 'mean', 'std')
_OPTIONS = '--kind sigmoid_disparity --mean 0,0,0 --std 1,1,1'


def open_model(name_or_path: str | Path, *, overrides: Mapping[str, Any] | None = None) -> Model:
    """
    Find a network, check its files and read what it is.

    :param name_or_path: a path to an ONNX file with its sidecar beside it (``NAME.onnx`` and
        ``NAME.json``), or without one when `overrides` describe it.
    :param overrides: fields of :class:`ModelSpec` as plain values; they replace those of the
        sidecar. See :func:`overrides_from`.
    :returns: the model.
    :raises ModelError: no such file, not what its description says, or not described.
    """
    return _open_path(Path(name_or_path).expanduser(), overrides or {})


def overrides_from(config: ModelConfig) -> dict[str, Any]:
    """
    Collect what the parameters say about a network.

    :param config: the model group; empty and 0 mean that the sidecar says.
    :returns: the fields that were set, for :func:`open_model`.
    """
    fields = {field.name for field in dataclasses.fields(ModelSpec)} - {'name', 'input_size'}
    return {
        name: value
        for name, value in dataclasses.asdict(config).items()
        if name in fields and value not in ('', [], 0.0)
    }


def _open_path(path: Path, overrides: Mapping[str, Any]) -> Model:
    if not path.is_file():
        raise ModelError(
            f'{path}: no such file.',
            'Give the path of an ONNX file, or a name that `depth-node models` lists.',
        )
    spec = _described(path, overrides)
    check_sha256(path, spec.sha256)
    check_external_data(path)
    return Model(path, spec)


def _described(path: Path, overrides: Mapping[str, Any]) -> ModelSpec:
    sidecar = path.with_suffix('.json')
    if sidecar.exists():
        spec = read_sidecar(sidecar)
        if not overrides:
            return spec
        fields = json.loads(spec.to_json())
        del fields['format']
        return spec_from_mapping(spec.name, {**fields, **overrides}, f'{sidecar} and options')
    missing = [name for name in REQUIRED if name not in overrides]
    if missing:
        raise ModelError(
            f'{path}: there is no {sidecar.name} beside it to say what the network is, and no '
            f'option says its {", ".join(missing)}.',
            f'Describe it with options like {_OPTIONS}, or with the parameters model.kind, '
            'model.mean and model.std.',
        )
    return spec_from_mapping(path.stem, overrides, f'the options for {path.name}')
