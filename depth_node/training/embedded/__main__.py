"""Make the embedded network: ``python -m depth_node.training.embedded --out FOLDER``."""

from __future__ import annotations

import argparse
from pathlib import Path

from depth_node.model import Interpolation, ModelSpec, OutputKind
from depth_node.training.embedded.frames import (
    FIRST_TRAINING_SEED,
    FIRST_VALIDATION_SEED,
    POSES,
    rendered,
    SIZE,
)
from depth_node.training.embedded.recipe import CONFIG, Recipe, train
from depth_node.training.export import export_network

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
    parser.add_argument('--frames', type=int, default=12000, help='how many to learn from')
    parser.add_argument('--processes', type=int, default=2, help='for rendering')
    parser.add_argument('--threads', type=int, default=1, help='for training')
    args = parser.parse_args()
    folder: Path = args.out
    frames = rendered(folder / 'training', args.frames, FIRST_TRAINING_SEED, args.processes)
    validation = rendered(folder / 'validation', 12 * POSES, FIRST_VALIDATION_SEED, args.processes)
    network = train(frames, validation, Recipe(seed=args.seed), folder, args.threads)
    export_network(network, SPEC, folder / 'embedded.onnx', half=True)


if __name__ == '__main__':
    main()
