"""
The catalogue of models that are available by name, as data.

``doc/models.md`` and ``depth-node models`` are generated from it.
"""

from __future__ import annotations

import difflib

from depth_node.catalogue import depth_anything, monodepth2, others
from depth_node.catalogue.entry import Entry, Form, HubFile, WebFile
from depth_node.errors import ModelError
from depth_node.model.spec import ModelSpec, OutputKind

__all__ = ['CATALOGUE', 'Entry', 'Form', 'HubFile', 'WebFile', 'caution', 'find']

EMBEDDED = Entry(
    ModelSpec('embedded', OutputKind.CANONICAL_DEPTH, licence='Apache-2.0', commercial=True),
    Form.EMBEDDED,
    note='Trained on synthetic rooms alone: for trying out, and for cameras indoors where nothing '
    'better can be downloaded.',
    caution='embedded was trained on synthetic rooms alone: on real ones its depth is wrong by '
    '32 % on average, 16 % after scaling. Set scale.source, or use another model, before '
    'relying on it.',
)

CATALOGUE: dict[str, Entry] = {
    entry.name: entry for entry in (
        *depth_anything.ENTRIES, *monodepth2.ENTRIES, *others.ENTRIES, EMBEDDED
    )
}


def caution(name: str) -> str:
    """
    Return what users of a model on a real camera have to be warned of.

    :param name: name or path of the model.
    :returns: the warning, empty if there is none.
    """
    return CATALOGUE[name].caution if name in CATALOGUE else ''


def find(name: str) -> Entry:
    """
    Return the entry of a model.

    :param name: name in the list of `depth-node models`.
    :returns: the entry.
    :raises ModelError: there is no such name.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    close = difflib.get_close_matches(name, CATALOGUE, 1, 0.5)
    hint = f'Did you mean {close[0]}? ' if close else ''
    raise ModelError(
        f'{name!r} is neither a model of the catalogue nor a file.',
        f'{hint}`depth-node models` lists the names; a path ends in .onnx.',
    )
