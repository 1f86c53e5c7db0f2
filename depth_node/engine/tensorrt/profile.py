"""The layers of an engine, and their times."""

from __future__ import annotations

from dataclasses import dataclass
import json
from typing import Any


@dataclass(frozen=True)
class LayerProfile:
    """
    One measurement.

    :param times: mean time of each layer (ms), in the order they run.
    :param layers: TensorRT's description of them, JSON.
    """

    times: dict[str, float]
    layers: str

    def as_json(self) -> str:
        """
        Return the times as JSON.

        :returns: JSON: the sum, and each layer from the slowest on.
        """
        ordered = sorted(self.times.items(), key=lambda item: -item[1])
        return json.dumps({
            'total_ms': round(sum(self.times.values()), 4),
            'layers': [{'name': name, 'ms': round(ms, 4)} for name, ms in ordered],
        }, indent=1) + '\n'

    def table(self, count: int = 10) -> str:
        """
        Return the slowest layers as text.

        :param count: number of layers.
        :returns: lines.
        """
        total = sum(self.times.values())
        ordered = sorted(self.times.items(), key=lambda item: -item[1])
        lines = [f'{total:9.3f} ms in {len(ordered)} layers, without a CUDA graph']
        lines += [
            f'{ms:9.3f} ms {ms / total if total else 0.0:6.1%}  {name}'
            for name, ms in ordered[:count]
        ]
        return '\n'.join(lines)


def profiler_of(trt: Any) -> Any:
    """
    Return a profiler.

    :param trt: the ``tensorrt`` module.
    :returns: an ``IProfiler`` with a method ``means``: time of each layer in a run (ms).
    """
    class Profiler(trt.IProfiler):
        def __init__(self) -> None:
            trt.IProfiler.__init__(self)
            self._times: dict[str, float] = {}

        def report_layer_time(self, layer_name: str, ms: float) -> None:
            self._times[layer_name] = self._times.get(layer_name, 0.0) + ms

        def means(self, runs: int) -> dict[str, float]:
            return {name: ms / runs for name, ms in self._times.items()}

    return Profiler()
