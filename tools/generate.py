"""
Write the files that are generated from the code, or check that they are up to date.

``config/mono.yaml`` and ``doc/parameters.md`` come from ``depth_node.config``,
``doc/models.md`` from ``depth_node.catalogue``, the table of outputs in ``README.md`` from
``depth_node.ros.outputs``, that of modules in ``doc/architecture.md`` from their docstrings.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Callable
import itertools
from pathlib import Path
import sys
import textwrap

from depth_node.catalogue import CATALOGUE, Entry, Form, HubFile, WebFile
from depth_node.catalogue.entry import megabytes, size_rule, use
from depth_node.config import parameters, ParamSpec, Value
from depth_node.config.camera_publisher import CameraPublisherConfig
from depth_node.config.fields import specs
from depth_node.model import OutputKind
from depth_node.ros.outputs import OUTPUTS

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 99


def _yaml(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, list):

        return '[' + ', '.join(_yaml(item) for item in value) + ']'
    return repr(value)


def _range(spec: ParamSpec) -> str:
    if spec.choices:
        return ', '.join(f'`{choice}`' for choice in spec.choices if choice)
    low = '' if spec.low is None else f'{spec.low:g}'
    high = '' if spec.high is None else f'{spec.high:g}'
    return f'{low} to {high}' if low and high else f'at least {low}' if low else ''


def mono_yaml() -> str:
    """Return the parameter file with every default."""
    lines = [
        '# All parameters with defaults. Generated from depth_node/config by `make generate`.',
        '/**:',
        '  ros__parameters:',
    ]
    rows = itertools.groupby(parameters(), key=lambda row: row[0].partition('.')[0])
    for group, members in rows:
        lines.append(f'    {group}:')
        for name, default, spec in members:
            unit = f' [{spec.unit}]' if spec.unit else ''
            lines.append(_wrapped(spec.doc + unit, '      # '))
            # rclpy cannot infer the type of an empty list, so that one is only a comment
            hidden = '# ' if default == [] else ''
            lines.append(f'      {hidden}{name.partition(".")[2]}: {_yaml(default)}')
    return '\n'.join(lines) + '\n'


def _wrapped(text: str, indent: str = '') -> str:
    """Return a text wrapped at the line length of the project."""
    return textwrap.fill(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False,
        break_on_hyphens=False,
    )


def parameters_md() -> str:
    """Return the parameter tables."""
    lines = [
        '# Parameters',
        '',
        _wrapped(
            'Generated from `depth_node/config` by `make generate`. *Live* parameters can be '
            'changed while the node is active. Changing any other parameter is refused with the '
            'reason; run `deactivate` and `cleanup`, change it, and `configure` again. Parameters '
            'that are set *at start* are paths that the node writes to; no service can change '
            'them.'
        ),
        '',
        _wrapped(
            '`autostart` (default true; at start): the node configures and activates itself. Set '
            'it to false if a lifecycle manager does that. `qos_overrides.TOPIC.publisher.*` are '
            'the standard overrides of ROS and exist for every output.'
        ),
    ]
    rows = itertools.groupby(parameters(), key=lambda row: row[0].partition('.')[0])
    camera = CameraPublisherConfig()
    own = ((name, getattr(camera, name), spec) for name, spec in specs(camera).items())
    for group, members in (*((g, list(m)) for g, m in rows), ('Node `camera_publisher`', own)):
        lines += ['', f'## {group}', '']
        lines.append('| parameter | default | unit | range | live | meaning |')
        lines.append('|---|---|---|---|---|---|')
        for name, default, spec in members:
            shown = f'`{default!r}`' if not isinstance(default, str) else f"`'{default}'`"
            live = 'at start' if spec.at_start else 'yes' if spec.live else 'no'
            lines.append(
                f'| `{name}` | {shown} | {spec.unit} | {_range(spec)} | {live} | {spec.doc} |'
            )
    return '\n'.join(lines) + '\n'


def models_md() -> str:
    """Return the catalogue as tables."""
    lines = [
        '# Models',
        '',
        _wrapped(
            'Generated from `depth_node/catalogue` by `make generate`; `depth-node models` prints '
            'the same for your machine. [Using models](using_models.md) describes how to fetch '
            'them, and how to use your own.'
        ),
        '',
        _wrapped(
            '*Use*: what the licence of the weights allows. *Metres*: whether the output is '
            'metric; if not, nothing metric is published until a scale is set or recovered. '
            '*Focal*: the vertical focal length of the training data, in pixels at network size.'
        ),
        '',
        '| model | output | metres | licence | use | weights | download |',
        '|---|---|---|---|---|---|---|',
    ]
    entries = list(CATALOGUE.values())
    lines += [
        f'| `{entry.name}` | {entry.spec.kind.value} | {_metres(entry)} | {entry.spec.licence} '
        f'| {use(entry)} | {_millions(entry)} | {megabytes(entry)} |'
        for entry in entries
    ]
    lines += ['', '## Preparation', '']
    lines += ['| model | input (px) | resize | mean | std | focal (px) | range (m) |']
    lines += ['|---|---|---|---|---|---|---|']
    lines += [
        f'| `{entry.name}` | {size_rule(entry)} | {entry.spec.interpolation.value} | '
        f'{_three(entry.spec.mean)} | {_three(entry.spec.std)} | '
        f'{entry.spec.train_focal or ""} | {_depths(entry)} |'
        for entry in entries if entry.form is not Form.EMBEDDED
    ]
    lines += ['', '## Files', '', '| model | file | hash |', '|---|---|---|']
    lines += [
        f'| `{entry.name}` | [{file.name}]({file.place}) | {_hash(file)} |'
        for entry in entries for file in entry.files
    ]
    notes = [_note(entry) for entry in entries if entry.note]
    return '\n'.join([*lines, '', '## Notes', '', *notes]) + '\n'


def _note(entry: Entry) -> str:
    return textwrap.fill(
        f'- `{entry.name}`: {entry.note}', WIDTH, subsequent_indent='  ', break_long_words=False,
        break_on_hyphens=False,
    )


def _metres(entry: Entry) -> str:
    if entry.spec.kind.is_metric:
        return 'yes'
    return f'x {entry.spec.scale:g}' if entry.spec.scale else 'no'


def _millions(entry: Entry) -> str:
    return '' if entry.parameters is None else f'{entry.parameters:g} M'


def _three(numbers: tuple[float, ...]) -> str:
    return ' '.join(f'{number:g}' for number in numbers)


def _depths(entry: Entry) -> str:
    kind, spec = entry.spec.kind, entry.spec
    if kind is OutputKind.METRIC_DEPTH:
        return f'up to {spec.max_depth:g}'
    if kind is OutputKind.SIGMOID_DISPARITY:
        return f'{spec.min_depth:g} to {spec.max_depth:g}, times the scale'
    return ''


def _hash(file: HubFile | WebFile) -> str:
    if file.sha256:
        return f'SHA-256 `{file.sha256[:16]}...`'
    if isinstance(file, WebFile) and file.md5:
        return f'MD5 `{file.md5}` (published by the authors), SHA-256 pinned on first use'
    return 'SHA-256 pinned on first use'


def architecture_md() -> str:
    """Return the architecture with a line for every module."""
    lines = ['| module | |', '|---|---|']
    package = ROOT / 'depth_node'
    for path in sorted(package.rglob('*.py'), key=lambda p: (p.parent != package, str(p))):
        name = path.relative_to(package).as_posix()
        text = ast.get_docstring(ast.parse(path.read_text(encoding='utf-8'))) or ''
        first = ' '.join(text.split('\n\n', 1)[0].split())
        if not first:
            raise SystemExit(f'{path}: has no docstring.')
        lines.append(f'| `{name}` | {first} |')
    return _filled('doc/architecture.md', 'modules', lines)


def readme_md() -> str:
    """Return the README with the table of the node's outputs."""
    lines = ['| output | type | |', '|---|---|---|']
    lines += [
        f'| `{output.topic}` | {output.type.__name__} | {output.text} |' for output in OUTPUTS
    ]
    return _filled('README.md', 'outputs', lines)


def _filled(file: str, mark: str, lines: list[str]) -> str:
    """Return a page with the lines between ``<!-- MARK -->`` and ``<!-- end -->`` replaced."""
    before, begin, rest = (ROOT / file).read_text(encoding='utf-8').partition(f'<!-- {mark} -->\n')
    _, end, after = rest.partition('<!-- end -->')
    if not (begin and end):
        raise SystemExit(f'{file}: expected the lines <!-- {mark} --> and <!-- end -->.')
    return '\n'.join([before + begin.rstrip(), *lines, end + after])


FILES: dict[str, Callable[[], str]] = {
    'README.md': readme_md,
    'doc/architecture.md': architecture_md,
    'config/mono.yaml': mono_yaml,
    'doc/parameters.md': parameters_md,
    'doc/models.md': models_md,
}


def main() -> int:
    """Write or check every derived file; return 1 when one is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--check', action='store_true', help='change nothing')
    check = parser.parse_args().check
    stale = []
    for name, make in FILES.items():
        path, text = ROOT / name, make()
        if path.exists() and path.read_text(encoding='utf-8') == text:
            continue
        stale.append(name)
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding='utf-8')
    if check and stale:
        print(f'out of date: {", ".join(stale)}; run `make generate`.', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
