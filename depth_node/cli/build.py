"""`depth-node build`: compile, verify and cache an engine ahead of time."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
from pathlib import Path
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_node.cli.interrupts import cancelling
from depth_node.cli.numbers import real
from depth_node.cli.options import (
    add_json_option,
    add_network_options,
    add_parameters,
    config_from,
    model_from,
)
from depth_node.cli.progress import build_bar
from depth_node.cli.results import write_json
from depth_node.config import Config
from depth_node.engine import Engine, open_for
from depth_node.engine.cache import LAYERS, PROFILE, write_whole
from depth_node.engine.cache_folder import engine_cache_root
from depth_node.engine.table import kept, prune
from depth_node.engine.verify import as_built, in_words
from depth_node.errors import ConfigError, EngineError
from depth_node.image.size import Size
from depth_node.model import Model, network, sizes
from depth_node.sources.frames import open_source

_SETTINGS = {
    '--workspace-mb': 'engine.workspace_mb',
    '--optimization-level': 'engine.optimization_level',
    '--max-camera-size': 'engine.max_camera_size',
    '--cache-dir': 'engine.cache_dir',
}
_FRAMES = 8
"""Number of frames of each INPUT used for verification."""
_PROFILED_CAMERA = Size(640, 480)
_PROFILED_RUNS = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    add_network_options(parser, required=False)
    add_parameters(parser.add_argument_group('building'), _SETTINGS)
    parser.add_argument(
        '--scale', dest='same_scale', type=real(1e-9, 1e6), metavar='S',
        help='accepted for consistency with the other verbs; an engine does not depend on it',
    )
    parser.add_argument(
        '--frames', nargs='+', metavar='INPUT', default=[],
        help=f'verify on these, too (the first {_FRAMES} of each): images, folders, videos, bags; '
        'the synthetic world is always used',
    )
    parser.add_argument('--list', action='store_true', help='list the cached engines')
    parser.add_argument(
        '--prune', action='store_true',
        help='delete damaged and unfinished files, and those for another TensorRT or GPU',
    )
    parser.add_argument(
        '--profile', action='store_true',
        help='also time each layer, and write times and layers next to the engine (tensorrt)',
    )
    parser.add_argument(
        '--self-test', action='store_true',
        help='check TensorRT, CUDA and this GPU with a small built-in network, or with --model',
    )
    add_json_option(parser)


def run(args: argparse.Namespace) -> None:
    """
    Build one engine, or list or prune the cached ones.

    :param args: the parsed options.
    :raises DepthNodeError: the model or the engine is not available.
    """
    config = config_from(
        args, {parameter: getattr(args, option[2:].replace('-', '_'))
               for option, parameter in _SETTINGS.items()}
    )
    root = engine_cache_root(config.engine.cache_dir)
    if args.prune:
        _prune(root)
    if args.list:
        write_json(args.json, {'engines': _list(root)})
    if args.prune or args.list:
        return
    if args.self_test:
        _self_test(None if args.model is None else model_from(args, config), config, args.json)
        return
    if args.model is None:
        raise ConfigError('--model is missing.', 'Add --model, --list, --prune or --self-test.')
    model = model_from(args, config)
    frames = [
        frame.rgb.copy()
        for text in args.frames
        for frame in itertools.islice(open_source(text), _FRAMES)
    ]
    write_json(args.json, _build(model, config, frames, profiled=args.profile))


def _self_test(model: Model | None, config: Config, path: Path | None) -> None:
    """Check what is here, and print a page that says what holds."""
    from depth_node.engine.tensorrt.self_test import self_test

    size = None if model is None else sizes.choose_size(
        model.spec, network.inspect(model.path, model.spec), config.model.input_size
    )
    print('depth-node build --self-test')
    findings = self_test(config.engine, print, model=model, size=size)
    write_json(path, {'findings': [dataclasses.asdict(finding) for finding in findings]})
    failed = [finding.name for finding in findings if not finding.held]
    if failed:
        raise EngineError(
            f'{len(failed)} of {len(findings)} checks did not hold: {", ".join(failed)}.',
            'Please report this page.',
        )
    print(f'All {len(findings)} checks held.')


def _build(
    model: Model, config: Config, frames: list[NDArray[np.uint8]], *, profiled: bool
) -> dict[str, Any]:
    """Open the engine with a progress bar, and return its facts."""
    with cancelling() as cancelled, build_bar() as on_progress:
        engine = open_for(
            model, config, on_progress=on_progress, cancelled=cancelled, log=_tell, warn=_tell,
            frames=frames,
        )
        try:
            facts = engine.facts
            if not any(attempt['good'] for attempt in facts.get('verification', ())):
                facts = _verified(engine, model, frames)
            if profiled:
                _profile(engine)
        finally:
            engine.close()
    print(f'{engine.description} at {engine.network_size}: {in_words(facts)}')
    return {'engine': engine.description, 'size': str(engine.network_size), **facts}


def _profile(engine: Engine) -> None:
    """Time each layer, print the slowest, and write all of them next to the engine."""
    from depth_node.engine.tensorrt.runtime import TensorRtEngine

    if not isinstance(engine, TensorRtEngine):
        raise ConfigError(
            f'--profile times the layers of TensorRT, and this is {engine.description}.',
            'Add --engine tensorrt.',
        )
    engine.prepare(_PROFILED_CAMERA)
    profile = engine.profile(_PROFILED_RUNS)
    print(profile.table())
    if engine.path is None:
        _tell('The engine is not kept, so the profile is not written.')
        return
    for ending, text in ((PROFILE, profile.as_json()), (LAYERS, profile.layers)):
        path = engine.path.with_suffix(ending)
        write_whole(path, text.encode())
        _tell(f'wrote {path}')


def _verified(
    engine: Engine, model: Model, frames: list[NDArray[np.uint8]]
) -> dict[str, Any]:
    """Compare an engine that runs the unmodified network with ONNX Runtime on the CPU."""
    from depth_node.engine.onnxruntime import open_onnxruntime
    from depth_node.engine.verify import compare, sample_frames

    reference = open_onnxruntime(model, engine.network_size)
    verdict = compare(engine, reference, sample_frames(frames))
    reference.close()
    if not verdict.good:
        raise EngineError(
            f'{engine.description} differs from ONNX Runtime: {verdict.reason}.',
            'Try --precision fp32.',
        )
    attempts = [*engine.facts.get('verification', ()), verdict.as_facts('fp32')]
    return {'model': model.spec.name, 'precision': 'fp32', 'verification': attempts}


def _list(root: Path) -> list[dict[str, Any]]:
    rows = []
    for entry in kept(root):
        facts = entry.metadata
        rows.append({**facts, 'path': str(entry.path)})
        key = facts['key']
        checked = in_words(facts) if as_built(facts) else 'without a record of its verification'
        print(
            f'{entry.path.name}\n  {facts.get("precision", "?")}, {key.get("runtime", "?")}, '
            f'{key.get("gpu", "?")}, '
            f'{facts["plan_bytes"] / 1e6:.0f} MB, {checked}'
        )
    if not rows:
        print(f'No engines in {root}.')
    return rows


def _prune(root: Path) -> None:
    deleted = prune(root, _tell)
    for path in deleted:
        print(f'deleted {path}')
    print(f'{len(deleted)} files deleted')


def _tell(line: str) -> None:
    print(f'depth-node build: {line}', file=sys.stderr)
