"""Make the embedded network: ``python -m depth_node.training.embedded --out FOLDER``."""

from __future__ import annotations

import argparse
import dataclasses
import multiprocessing
from pathlib import Path
import time

import torch

from depth_node.errors import ModelError
from depth_node.model import Interpolation, ModelSpec, OutputKind
from depth_node.training.embedded.frames import (
    FIRST_VALIDATION_SEED,
    POSES,
    rendered,
    SIZE,
)
from depth_node.training.embedded.recipe import CONFIG, Recipe, train
from depth_node.training.embedded.shards import finished, Growing, render_meanwhile, WORLDS
from depth_node.training.export import export_network
from depth_node.training.networks.weights import read_state

SPEC = ModelSpec(
    'embedded',
    OutputKind.CANONICAL_DEPTH,
    input_size=SIZE,
    interpolation=Interpolation.LINEAR,
    min_depth=CONFIG.min_depth,
    max_depth=CONFIG.max_depth,
    licence='Apache-2.0',
    commercial=True,
)
_VALIDATION, _VALIDATION_POSES = 120, 10  # frames kept aside, and how many of one world


def main() -> None:
    """Render what is not rendered yet, train from where a run stopped, and export."""
    recipe = Recipe()
    parser = argparse.ArgumentParser(
        description=main.__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        '--out', type=Path, required=True,
        help='folder for frames, checkpoint and curve; embedded.onnx and embedded.json in it',
    )
    parser.add_argument('--seed', type=int, default=recipe.seed, help='of weights and order')
    parser.add_argument(
        '--shards', type=int, default=400, help=f'of {WORLDS * POSES} frames to learn from'
    )
    parser.add_argument(
        '--first', type=int, default=0,
        help='number of the first shard: a run that goes on from another learns from other frames'
    )
    parser.add_argument('--processes', type=int, default=2, help='for rendering')
    parser.add_argument('--threads', type=int, default=1, help='for training')
    parser.add_argument(
        '--minutes', type=float,
        help=f'train for so long instead of {recipe.steps} steps; rates go with the time',
    )
    parser.add_argument(
        '--meanwhile', action='store_true',
        help='render while training, which begins with the first shard; such a run cannot be '
        'repeated exactly',
    )
    parser.add_argument(
        '--small', type=float, default=recipe.small,
        help='share of the run, at its start, with frames of half the size; less on a GPU, where '
        'frames are scarce and time is not',
    )
    parser.add_argument('--peak', type=float, default=recipe.peak, help='of the learning rate')
    parser.add_argument('--batch', type=int, default=recipe.batch, help='frames in a step')
    parser.add_argument(
        '--validate-every', type=int, default=recipe.validate_every,
        help='steps between two looks at the frames kept aside and saves',
    )
    parser.add_argument(
        '--device', default='cuda' if torch.cuda.is_available() else 'cpu',
        help='to train on, as PyTorch names it',
    )
    parser.add_argument('--start', type=Path, help='checkpoint whose weights to begin with')
    args = parser.parse_args()
    if args.start is not None:
        try:
            read_state(args.start)  # now, not after an hour of rendering
        except ModelError as error:
            parser.error(str(error))
    folder: Path = args.out
    shards = folder / 'training'
    spawn = multiprocessing.get_context('spawn')
    stop = spawn.Event()
    # no daemon: rendering starts processes of its own
    other = spawn.Process(
        target=render_meanwhile,
        args=(shards, range(args.first, args.first + args.shards), args.processes, stop),
    )
    if args.shards:
        other.start()
    validation = rendered(
        folder / 'validation', _VALIDATION, FIRST_VALIDATION_SEED, args.processes,
        poses=_VALIDATION_POSES,
    )
    while args.shards and other.is_alive() and not (args.meanwhile and finished(shards)):
        time.sleep(0.1)
    recipe = dataclasses.replace(
        recipe, seed=args.seed, minutes=args.minutes, batch=args.batch,
        validate_every=args.validate_every, small=args.small, peak=args.peak,
    )
    pool = Growing(shards, recipe.nearness, torch.device(args.device))
    try:
        network = train(pool, validation, recipe, folder, threads=args.threads, start=args.start)
    finally:
        stop.set()
    export_network(network, SPEC, folder / 'embedded.onnx', half=True)


if __name__ == '__main__':
    main()
