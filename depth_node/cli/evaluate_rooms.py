"""`depth-node evaluate rooms`: evaluate a model on sets of real frames, against two baselines."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from depth_node.cli.options import chosen_camera
from depth_node.cli.progress import progress
from depth_node.cli.results import output_folder, write_json
from depth_node.errors import ConfigError, DataError
from depth_node.evaluation.report import Predicted
from depth_node.evaluation.rooms import (
    compare,
    Compared,
    constant,
    floor_and_wall,
    strip,
    table,
    Truth,
)
from depth_node.image.size import Size
from depth_node.output.writers import write_picture
from depth_node.sources.dataset import Dataset

_WIDTH = 38  # of the column with the names
Predictions = Callable[[argparse.Namespace, Dataset], Iterator[Predicted]]


def run_rooms(
    args: argparse.Namespace, sets: Mapping[str, Dataset], predictions: Predictions
) -> None:
    """
    Evaluate every set, print a table, and write the requested files.

    :param args: of the verb `evaluate`.
    :param sets: to compare, by name.
    :param predictions: runs the model over a data set.
    :raises DepthNodeError: the data, the model or the options cannot be used.
    """
    if args.median_scaling or args.affine_alignment or args.table or args.garg_crop:
        raise ConfigError(
            'The layout rooms compares without and with median scaling by itself.',
            'Leave out --median-scaling, --affine-alignment, --garg-crop and --table.',
        )
    pictures = output_folder(args.pictures) if args.pictures else None
    compared: list[Compared] = []
    truths: list[Truth] = []
    strips: list[NDArray[np.uint8]] = []
    for set_name, dataset in progress(sets.items(), len(sets), 'set'):
        found = predictions(args, dataset)
        for sample, frame in zip(dataset, found, strict=True):
            name, predicted, truth = frame.name, frame.depth, frame.truth
            compared.append(compare(set_name, name, predicted, truth, farthest=args.cap))
            camera = chosen_camera(args, sample.camera, Size(truth.shape[1], truth.shape[0]))
            if camera is None:
                raise DataError(f'{set_name}: its camera is not known.')
            truths.append(Truth.thinned(set_name, name, truth, camera))
            if pictures:
                strips.append(strip(sample.rgb, predicted, truth))
    report = {'sets': table(compared)}
    _rows(report['sets'])
    for key, guess in (('constant', constant), ('floor_and_wall', floor_and_wall)):
        guessed, words = guess(truths, args.cap)
        report[key] = table(guessed)
        _row(words, report[key]['mean'])
    write_json(args.json, report)
    if pictures:
        write_picture(pictures / 'sheet.png', np.vstack(strips))


def _rows(rows: dict[str, dict[str, float]]) -> None:
    print(f'{"":{_WIDTH}}  frames  abs_rel  scaled      a1')
    for name, row in rows.items():
        _row(name, row)


def _row(name: str, row: dict[str, float]) -> None:
    print(
        f'{name:{_WIDTH}}  {row["frames"]:6.0f}  {row["metric"]:7.3f}  {row["scaled"]:6.3f}  '
        f'{row["a1"]:6.3f}'
    )
