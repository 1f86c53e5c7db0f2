"""Opening of a model by name or path, with a verified description."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import dataclasses
import json
from pathlib import Path
from typing import Any

from depth_node.config import ModelConfig
from depth_node.errors import DataError, ModelError
from depth_node.files import local_path
from depth_node.image.size import Size
from depth_node.model.file_state import check_unchanged, FileState, state_of
from depth_node.model.fingerprint import check_fingerprint, files_of
from depth_node.model.normalization import check_normalization, normalized
from depth_node.model.sidecar import read_sidecar, spec_from_mapping
from depth_node.model.spec import Model, ModelSpec
from depth_node.process import never

# what a file without a sidecar cannot do without: the rest of a ModelSpec has a neutral default
REQUIRED = ('kind', 'mean', 'std')
_OPTIONS = '--kind sigmoid_disparity --mean 0,0,0 --std 1,1,1'


def open_model(
    name_or_path: str | Path,
    *,
    overrides: Mapping[str, Any] | None = None,
    accept_licence: bool = False,
    cache_dir: str | Path | None = None,
    offline: bool = False,
    input_size: str = 'auto',
    frame: Size | None = None,
    cancelled: Callable[[], bool] = never,
    on_progress: Callable[[float, str], None] = lambda _share, _stage: None,
) -> Model:
    """
    Open a model, after downloading it if needed.

    :param name_or_path: a name of the catalogue, or the path of an ONNX file with a sidecar next
        to it (``NAME.onnx`` and ``NAME.json``), or without one if `overrides` describe it.
    :param overrides: fields of :class:`ModelSpec` as plain values; they replace those of the
        catalogue or the sidecar. See :func:`overrides_from`.
    :param accept_licence: whether a licence that is not free is accepted.
    :param cache_dir: folder for models; None: ``depth_node/models`` in the user's cache.
    :param offline: never use the network (like $HF_HUB_OFFLINE).
    :param input_size: for a model whose graph is written for one size: ``auto``, a nominal side
        like 308, or WIDTHxHEIGHT (pixels).
    :param frame: for such a model: the camera's size (pixels), whose aspect ratio ``auto`` keeps;
        None: 640x480.
    :param cancelled: called regularly during the download; returns whether to cancel.
    :param on_progress: called with the share downloaded (0 to 1) and the stage.
    :returns: the model.
    :raises ModelError: not available, not matching its description, or without one.
    :raises ChangedError: its files changed meanwhile.
    :raises CancelledError: it was cancelled.
    """
    overrides = overrides or {}
    if is_path(name_or_path):
        return _open_path(_local(str(name_or_path)), overrides)

    # the catalogue is made of the specs of this package, so it cannot be imported before it
    from depth_node.catalogue import find, Form
    from depth_node.catalogue.store import obtain, Request
    from depth_node.model.network import load

    entry = find(str(name_or_path))
    cache = None if cache_dir is None else Path(cache_dir).expanduser()
    request = Request(accept_licence, cache, offline, input_size, frame, cancelled, on_progress)
    if entry.form is Form.EMBEDDED:
        return _open_path(obtain(entry, request), overrides)
    before = _states_in(request.folder(entry))
    path = obtain(entry, request)
    files = files_of(path)
    if path.with_suffix('.json').exists():
        spec = _described(path, overrides)
        # written here, and compared with its hash before it was handed out
        known = before.issuperset(state for state in files if not state.by_content)
        if not known or 'sha256' in overrides:
            check_fingerprint(path, spec.sha256)
        return _checked(path, spec, files)
    spec = normalized(load(path, weights=False), entry.spec)
    spec = _overridden(spec, overrides, f'{entry.name} and options')
    check_fingerprint(path, spec.sha256)
    return _checked(path, spec, files)


def is_path(name_or_path: str | Path) -> bool:
    """
    Return whether a text is a path instead of a name of the catalogue.

    :param name_or_path: the name or path.
    :returns: whether it is a Path, ends in ``.onnx`` or contains a folder.
    """
    text = str(name_or_path)
    return isinstance(name_or_path, Path) or text.endswith('.onnx') or '/' in text


def overrides_from(config: ModelConfig) -> dict[str, Any]:
    """
    Return the description of a network in the parameters.

    :param config: the model group; empty and 0 mean: as in the sidecar.
    :returns: the fields that are set, for :func:`open_model`.
    """
    fields = {field.name for field in dataclasses.fields(ModelSpec)} - {'name', 'input_size'}
    return {
        name: value
        for name, value in dataclasses.asdict(config).items()
        if name in fields and value not in ('', [], 0.0)
    }


def _local(text: str) -> Path:
    try:
        return local_path(text)
    except DataError as error:
        raise ModelError(error.problem, error.remedy) from error


def _open_path(path: Path, overrides: Mapping[str, Any]) -> Model:
    if not path.is_file():
        raise ModelError(
            f'{path}: no such file.',
            'Use the path of an ONNX file, or a name in the list of `depth-node models`.',
        )
    files = files_of(path)
    try:
        spec = _described(path, overrides)
        check_fingerprint(path, spec.sha256)
        return _checked(path, spec, files)
    except ModelError:
        check_unchanged(files)  # or else that is the reason
        raise


def _states_in(folder: Path) -> set[FileState]:
    """Return the states of the files in a folder, which may be missing."""
    try:
        return {state_of(path) for path in folder.iterdir()}
    except OSError:
        return set()


def _checked(path: Path, spec: ModelSpec, files: tuple[FileState, ...]) -> Model:
    """Check the description against the graph: inputs and outputs, size, normalization."""
    from depth_node.model.network import describe, load
    from depth_node.model.sizes import choose_size

    graph = load(path, weights=False)
    info = describe(graph, path, spec)
    if spec.input_size is not None:
        choose_size(spec, info)
    check_normalization(graph, spec, path)
    return Model(path, spec, files)


def _described(path: Path, overrides: Mapping[str, Any]) -> ModelSpec:
    sidecar = path.with_suffix('.json')
    if sidecar.exists():
        return _overridden(read_sidecar(sidecar), overrides, f'{sidecar} and options')
    missing = [name for name in REQUIRED if name not in overrides]
    if missing:
        raise ModelError(
            f'{path}: there is no sidecar {sidecar.name} next to it, and no option sets '
            f'{", ".join(missing)}.',
            f'Describe it with options like {_OPTIONS}, or with the parameters model.kind, '
            'model.mean and model.std.',
        )
    return spec_from_mapping(path.stem, overrides, f'the options for {path.name}')


def _overridden(spec: ModelSpec, overrides: Mapping[str, Any], where: str) -> ModelSpec:
    if not overrides:
        return spec
    fields = json.loads(spec.to_json())
    del fields['format']
    return spec_from_mapping(spec.name, {**fields, **overrides}, where)
