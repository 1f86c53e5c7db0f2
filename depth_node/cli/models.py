"""`depth-node models`: print the catalogue."""

from __future__ import annotations

import argparse
from pathlib import Path

from depth_node.catalogue import CATALOGUE, Entry, Form
from depth_node.catalogue.entry import megabytes, size_rule, use
from depth_node.catalogue.store import (
    EMBEDDED_PATH,
    is_present,
    own_weights,
    Request,
)
from depth_node.cli.results import output_file, write_json


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Add the options of this verb.

    :param parser: the parser of this verb.
    """
    parser.add_argument('name', nargs='?', help='show the details of one model')
    parser.add_argument('--json', type=output_file, metavar='FILE', help='write the table as JSON')
    parser.add_argument(
        '--cache-dir', type=Path, metavar='DIR',
        help='folder for models (default: depth_node/models in the cache of the user)',
    )


def run(args: argparse.Namespace) -> None:
    """
    Print the table, or one model.

    :param args: the parsed options.
    :raises ModelError: there is no such model.
    """
    from depth_node.catalogue import find

    request = Request(cache_dir=args.cache_dir)
    if args.json is not None:
        write_json(args.json, [_facts(entry, request) for entry in CATALOGUE.values()])
    if args.name is not None:
        for key, value in _facts(find(args.name), request).items():
            print(f'{key + ":":13s} {value}')
        return
    head = ('name', 'kind', 'licence', 'use', 'size', 'here', 'where')
    table = [head, *(_row(entry, request) for entry in CATALOGUE.values())]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    for row in table:
        print('  '.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())  # noqa: B905
    print(
        '\nhere: yes: ready to run; own: with weights of yours; no: downloaded on first use, or '
        'with `depth-node fetch NAME`.'
    )


def _row(entry: Entry, request: Request) -> tuple[str, ...]:
    spec = entry.spec
    return (
        entry.name, spec.kind.value, spec.licence, use(entry), megabytes(entry),
        _state(entry, request), _where(entry, request),
    )


def _where(entry: Entry, request: Request) -> str:
    """Return the folder of a cached model, or the source of any other."""
    if entry.form is Form.EMBEDDED:
        return str(EMBEDDED_PATH)
    if _state(entry, request) == 'no':
        return entry.files[0].place if entry.files else 'not published'
    return str(request.folder(entry))


def _state(entry: Entry, request: Request) -> str:
    """Return how much of a model is on this machine, without opening it."""
    if own_weights(entry, request) is not None:
        return 'own'
    return 'yes' if is_present(entry, request) else 'no'


def _facts(entry: Entry, request: Request) -> dict[str, object]:
    spec = entry.spec
    return {
        'name': entry.name,
        'kind': spec.kind.value,
        'licence': spec.licence,
        'commercial': spec.commercial,
        'parameters': None if entry.parameters is None else f'{entry.parameters:g} M',
        'download': megabytes(entry),
        'input': size_rule(entry),
        'interpolation': spec.interpolation.value,
        'mean': list(spec.mean),
        'std': list(spec.std),
        'scale': spec.scale,
        'train_focal': spec.train_focal,
        'files': [f'{file.place} {file.name}' for file in entry.files],
        'sha256': [file.sha256 or 'pinned on first use' for file in entry.files],
        'here': _state(entry, request),
        'folder': str(request.folder(entry)),
        'note': entry.note,
    }
