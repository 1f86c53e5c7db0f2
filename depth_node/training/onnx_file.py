"""Export of a torch module to an ONNX file of fixed size, verified against torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import contextlib
import io
import logging
from pathlib import Path
from typing import Any
import warnings

import numpy as np
import onnx
import torch
from torch import nn

from depth_node.engine.onnxruntime import without_telemetry
from depth_node.errors import ModelError
from depth_node.image.size import Size

OPSET = 18
"""LayerNormalization is a single operator from 17 on, which half precision needs."""
PARITY = 1e-4
"""Maximum difference between torch and the file, relative to the largest output."""


def write_onnx(
    module: nn.Module, size: Size, path: Path, *, outputs: Sequence[str] = ('depth',),
    seed: int = 0,
) -> float:
    """
    Export a network and compare the file with it.

    :param module: maps float (1, 3, h, w) to one tensor for each of `outputs`.
    :param size: the network's size (pixels).
    :param path: the file; it is created only if the comparison succeeds.
    :param outputs: names of the outputs.
    :param seed: seed of the image for the comparison.
    :returns: the largest difference, relative to the largest output.
    :raises ModelError: torch cannot export it, or the file computes another result.
    """
    module = module.eval()
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn((1, 3, size.height, size.width), generator=generator)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f'{path.name}.part')
    try:
        with _quiet():
            torch.onnx.export(
                module, (image,), part, dynamo=True, opset_version=OPSET, external_data=False,
                input_names=['image'], output_names=list(outputs), verbose=False,
            )
    except Exception as error:  # torch's exporter raises whatever its stages raise
        part.unlink(missing_ok=True)
        raise ModelError(
            f'{path.name}: torch {torch.__version__} cannot export it '
            f'({str(error).strip().splitlines()[0]}).'
        ) from error
    strip(part)
    difference = _difference(module, image, part)
    if not difference < PARITY:
        part.unlink()
        raise ModelError(
            f'{path.name}: the export differs from torch by {difference:.2g}, expected under '
            f'{PARITY:g}.'
        )
    part.replace(path)
    return difference


def strip(path: Path) -> None:
    """
    Remove the metadata of the exporter from an ONNX file.

    Torch writes the source lines of every operator, with the paths of this machine.

    :param path: the file; it is rewritten.
    """
    model = onnx.load(path)
    for part in _parts(model):
        del part.metadata_props[:]
        part.doc_string = ''
    path.write_bytes(model.SerializeToString())


def _parts(model: Any) -> Iterator[Any]:
    """Iterate over everything that can have metadata."""
    yield model
    for graph in [model.graph, *model.functions]:
        yield from [graph, *graph.node, *graph.value_info]
    graph = model.graph
    yield from [*graph.input, *graph.output, *graph.initializer]


def _difference(module: nn.Module, image: torch.Tensor, path: Path) -> float:
    without_telemetry()
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    found = session.run(None, {'image': image.numpy()})
    with torch.inference_mode():
        expected = module(image)
    tensors = expected if isinstance(expected, (tuple, list)) else (expected,)
    worst = 0.0
    for one, other in zip(found, tensors, strict=True):
        reference = other.numpy()
        scale = max(float(np.abs(reference).max()), 1e-12)
        worst = max(worst, float(np.abs(one - reference).max()) / scale)
    return worst


@contextlib.contextmanager
def _quiet():  # type: ignore[no-untyped-def]
    """Suppress the output of the exporter; its errors are exceptions."""
    level = logging.getLogger('torch.onnx').level
    logging.getLogger('torch.onnx').setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.getLogger('torch.onnx').setLevel(level)
