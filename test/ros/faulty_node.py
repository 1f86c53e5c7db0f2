"""depth_node with a fake engine that misbehaves as told, to see what the node does then."""

from __future__ import annotations

import os
from pathlib import Path
import sys
import time

import numpy as np
from numpy.typing import NDArray

from depth_node.errors import DeviceLostError, EngineError
from depth_node.image.size import Size
from depth_node.model.prediction import Prediction
from depth_node.ros import node, opening

ORDERS = Path(os.environ['FAULTY_ORDERS'])
"""A file with one word: good, raise, lost, nan, hang, crash; read at every frame."""


class FaultyEngine:
    """Gives 0.5 everywhere, or does what the orders say."""

    network_size = Size(32, 24)
    name, device, precision, on_cpu = 'faulty', 'fake', 'fp32', True
    description = 'faulty, fake, fp32'

    def __init__(self, spec: object) -> None:
        self.spec = spec
        self.facts: dict[str, object] = {}

    def buffers(self, height: int, width: int) -> Prediction:
        return Prediction.empty(height, width)

    def infer(self, frame: NDArray[np.uint8], out: Prediction) -> None:
        order = ORDERS.read_text().strip()
        out.values.fill(np.nan if order == 'nan' else 0.5)
        if order == 'raise':
            raise EngineError('the device is lost.', 'Restart it.')
        if order == 'lost':
            raise DeviceLostError('the GPU is gone.', 'Restart the process.')
        if order == 'crash':
            raise ZeroDivisionError('a bug')
        if order == 'hang':
            time.sleep(3600)

    def close(self) -> None:
        pass


def open_faulty(model: object, *_: object, **__: object) -> FaultyEngine:
    order = ORDERS.read_text().strip()
    if order == 'build':
        time.sleep(3600)
    if order == 'no engine':
        raise EngineError('nothing works here.', 'Buy a computer.')
    return FaultyEngine(model.spec)  # type: ignore[attr-defined]


opening.open_for = open_faulty  # type: ignore[assignment]
sys.exit(node.main())
