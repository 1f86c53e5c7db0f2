"""
Our graphs against exports by torch, and the way from a checkpoint to an engine.

Depth Anything V2 Small with random weights: the graph that the catalogue writes and the export of
transformers' network by torch run in turns in each engine, on one thread, by the processor time of
this process, so that what else the machine does counts little. Then, in processes of their own and
without torch, the time and the memory from the checkpoint to an open engine, for a first and a
second camera.

Run it as ``python bench/graphs.py [--rounds N] [--json FILE]``; torch and transformers are needed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import json
from pathlib import Path
import statistics
import subprocess
import sys
import tempfile
import time

from network import depth_anything, save_checkpoint
import numpy as np

from depth_node.catalogue.checkpoints import read_checkpoint, Weights
from depth_node.catalogue.graphs.depth_anything import NETWORKS, write_depth_anything
from depth_node.image.size import Size

NAME = 'depth_anything_v2_metric_indoor_small'
OPENED = """
import json, resource, sys, time
start = time.perf_counter()
from depth_node.catalogue.opening import open_model
from depth_node.config import EngineConfig
from depth_node.engine import open_engine
from depth_node.image.size import Size
imported = time.perf_counter()
frame = Size.parse(sys.argv[2])
model = open_model({name!r}, cache_dir=sys.argv[1], frame=frame, offline=True)
written = time.perf_counter()
config = EngineConfig(name=sys.argv[3], precision='fp32')
engine = open_engine(model, config, model.spec.input_size)
opened = time.perf_counter()
kb = {{line.split()[0]: int(line.split()[1]) for line in open('/proc/self/status')
      if line.startswith(('VmRSS', 'VmHWM'))}}
assert not {{'torch', 'transformers'}} & set(sys.modules)
print(json.dumps({{'import_s': imported - start, 'graph_s': written - imported,
                  'engine_s': opened - written, 'resident_mb': kb['VmRSS:'] / 1024,
                  'peak_mb': kb['VmHWM:'] / 1024}}))
"""


def openvino(path: Path, image: np.ndarray) -> Callable[[], object]:
    """Compile a network for one thread."""
    import openvino

    compiled = openvino.Core().compile_model(
        str(path), 'CPU', {'INFERENCE_PRECISION_HINT': 'f32', 'INFERENCE_NUM_THREADS': 1}
    )
    return lambda: compiled(image)


def onnxruntime(path: Path, image: np.ndarray) -> Callable[[], object]:
    """Open a network for one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(path), options, providers=['CPUExecutionProvider']
    )
    return lambda: session.run(None, {'image': image})


def ratio(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> float:
    """Return how much faster ours is: the median over pairs, which go first in turns."""
    found = []
    for turn in range(rounds + 1):
        times = {}
        for work in (ours, theirs) if turn % 2 else (theirs, ours):
            start = time.process_time()
            work()
            times[work] = time.process_time() - start
        if turn:  # the first warms up
            found.append(times[theirs] / times[ours])
    return statistics.median(found)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--rounds', type=int, default=20)
    parser.add_argument('--size', type=Size.parse, default=Size(518, 392))
    parser.add_argument('--json', type=Path)
    args = parser.parse_args()
    results: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint, ours, theirs = (folder / n for n in ('w.pth', 'ours.onnx', 'torch.onnx'))
        network = depth_anything()
        save_checkpoint(network, checkpoint)
        write_depth_anything(
            Weights(read_checkpoint(checkpoint), 'w.pth'), NETWORKS['v2_vits'], args.size, ours,
            checkpoint=checkpoint,
        )
        _export(network, args.size, theirs)
        image = np.random.default_rng(0).normal(size=(1, 3, args.size.height, args.size.width))
        image = image.astype(np.float32)
        for engine in (openvino, onnxruntime):
            found = ratio(engine(ours, image), engine(theirs, image), args.rounds)
            results[f'{engine.__name__}_ratio'] = found
            print(f'{engine.__name__}: our graph runs at {found:.3f} of the speed of the export')
        print(f'{"":34s} {"graph s":>8s} {"engine s":>9s} {"resident":>9s} {"peak MB":>8s}')
        command = [
            sys.executable, '-m', 'depth_node', 'fetch', NAME, '--weights', str(checkpoint),
            '--cache-dir', str(folder / 'cache'), '--offline',
        ]
        subprocess.run(command, check=True, capture_output=True)
        for engine_name in ('openvino', 'onnxruntime'):
            for camera in ('640x480', '1280x720'):
                row = _opened(folder / 'cache', camera, engine_name)
                results[f'{engine_name}_{camera}'] = row
                print(f'{engine_name + ", camera " + camera:34s} {row["graph_s"]:8.2f} '
                      f'{row["engine_s"]:9.2f} {row["resident_mb"]:9.0f} {row["peak_mb"]:8.0f}')
    if args.json is not None:
        args.json.write_text(json.dumps(results, indent=2) + '\n', encoding='utf-8')


def _opened(cache: Path, camera: str, engine: str) -> dict[str, float]:
    for graph in (cache / NAME).glob('*.onnx'):
        graph.unlink()
    done = subprocess.run(
        [sys.executable, '-c', OPENED.format(name=NAME), str(cache), camera, engine], check=True,
        capture_output=True, text=True,
    )
    return json.loads(done.stdout)


def _export(network: object, size: Size, path: Path) -> None:
    from torch import nn, Tensor

    from depth_node.training.onnx_file import write_onnx

    class Depth(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, image: Tensor) -> Tensor:
            return self.network(pixel_values=image).predicted_depth

    write_onnx(Depth(), size, path)


if __name__ == '__main__':
    main()
