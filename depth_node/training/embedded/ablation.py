"""
What each part of the embedded network's recipe is worth.

``python -m depth_node.training.embedded.ablation --out FOLDER``; the folder has the frames of a
run.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
import dataclasses
from pathlib import Path
import sys

import numpy as np
import torch

from depth_node.errors import DataError
from depth_node.files import replacing
from depth_node.training.embedded.frames import Frames, lived_in, POSES
from depth_node.training.embedded.learner import Learner
from depth_node.training.embedded.recipe import batch_of, CONFIG, Recipe, relative_errors
from depth_node.training.embedded.shards import finished, first_seed, Pool
from depth_node.training.networks import DepthNetwork

Chosen = Callable[[int], bool]
"""Says of a world, by its seed, whether its frames are learned from."""


@dataclasses.dataclass(frozen=True)
class Variant:
    """
    A recipe and the worlds it learns from.

    :param recipe: the recipe.
    :param worlds: which worlds.
    """

    recipe: Recipe
    worlds: Chosen = lambda _seed: True


def variants(recipe: Recipe) -> dict[str, Variant]:
    """
    Leave out each part once.

    :param recipe: with all parts.
    :returns: what is left out, to the variant without it.
    """
    invariant, slopes, relative = recipe.shape

    def changed(**changes: object) -> Variant:
        return Variant(dataclasses.replace(recipe, **changes))  # type: ignore[arg-type]

    return {
        'nothing': Variant(recipe),
        'lived-in rooms': Variant(recipe, lambda seed: not lived_in(seed)),
        'plain rooms': Variant(recipe, lived_in),
        'the camera model': changed(sensor=0.0),
        'zoom, mirroring, other colors': changed(zoom=1.0),
        'the slopes': changed(shape=(invariant, 0.0, relative)),
        'the scale-invariant term': changed(shape=(0.0, slopes, relative)),
        'the relative error': changed(shape=(invariant, slopes, 0.0)),
        'the preference for near frames': changed(nearness=0.0),
    }


def chosen_frames(shards: Sequence[Path], worlds: Chosen, count: int) -> list[Frames]:
    """
    Choose frames, world by world.

    :param shards: folders of shards, in order.
    :param worlds: which worlds.
    :param count: how many frames.
    :returns: frames of those worlds, mapped from disk.
    :raises DataError: there are fewer.
    """
    found: list[Frames] = []
    for shard in shards:
        frames, seed = Frames.opened(shard), first_seed(shard)
        for number in range(len(frames) // POSES):
            if worlds(seed + number) and len(found) * POSES < count:
                part = slice(number * POSES, (number + 1) * POSES)
                found.append(Frames(frames.images[part], frames.depths[part]))
    if len(found) * POSES < count:
        raise DataError(
            f'There are {len(found) * POSES} frames of these worlds, expected {count}.',
            'Render more shards, or ask for fewer frames.',
        )
    return found


def measured(
    variant: Variant, shards: Sequence[Path], validation: Frames, count: int,
    device: torch.device,
) -> tuple[float, float]:
    """
    Train with a variant from random weights, at half the size, and measure.

    :param variant: what to train with; its recipe says how many steps.
    :param shards: where the frames are.
    :param validation: to measure on.
    :param count: frames to learn from.
    :param device: to train on.
    :returns: abs_rel, and abs_rel with median scaling, on the frames kept aside.
    """
    recipe = variant.recipe
    torch.manual_seed(recipe.seed)
    frames = chosen_frames(shards, variant.worlds, count)
    pool = Pool(frames, recipe.nearness, device)
    learner = Learner(
        DepthNetwork(CONFIG), device, shape=recipe.shape, average=recipe.average,
        weight_decay=recipe.weight_decay,
    )
    for step in range(recipe.steps):
        # once up to the greatest rate and down to nothing, as a run is after the first size
        rate = recipe.rate(recipe.small + (1 - recipe.small) * step / recipe.steps)
        learner.learn(*batch_of(pool, recipe, step, half=True), rate)
    return relative_errors(learner.averaged, validation, device, half=True)


def main(words: Sequence[str] | None = None) -> None:
    """
    Train without each part, and write `ablation.md` into the folder.

    :param words: the arguments; None: those of the process.
    """
    parser = argparse.ArgumentParser(
        description=main.__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('--out', type=Path, required=True, help='folder of a run, with frames')
    parser.add_argument('--steps', type=int, default=1600, help='of each variant')
    parser.add_argument('--batch', type=int, default=32, help='frames in a step')
    parser.add_argument('--frames', type=int, default=2000, help='to learn from, for each')
    parser.add_argument('--seeds', type=int, default=1, help='runs of each; their mean is taken')
    parser.add_argument(
        '--device', default='cuda' if torch.cuda.is_available() else 'cpu', help='to train on'
    )
    args = parser.parse_args(words)
    shards = finished(args.out / 'training')
    validation = Frames.opened(args.out / 'validation')
    rows = ['| left out | abs_rel | abs_rel, median-scaled |', '|---|---|---|']
    recipe = Recipe(steps=args.steps, batch=args.batch)
    for name, variant in variants(recipe).items():
        errors = []
        for seed in range(args.seeds):
            seeded = dataclasses.replace(variant.recipe, seed=seed)
            errors.append(measured(
                dataclasses.replace(variant, recipe=seeded), shards, validation, args.frames,
                torch.device(args.device),
            ))
        metric, scaled = np.mean(errors, 0)
        rows.append(f'| {name} | {metric:.3f} | {scaled:.3f} |')
        sys.stdout.write(rows[-1] + '\n')
        sys.stdout.flush()
        with replacing(args.out / 'ablation.md') as target:
            target.write_text('\n'.join(rows) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
