"""
Your own ONNX network: a sidecar that describes it, an engine, a frame.

    python examples/05_your_own_network.py [NETWORK.onnx]

Without an argument a tiny network is made: a pixel is the farther the less red it is.
"""

from __future__ import annotations

from pathlib import Path
import sys

import numpy as np
import onnx
from onnx import helper, TensorProto

from depth_node import DepthEstimator, ModelSpec, open_model, OutputKind
from depth_node.image.size import Size
from depth_node.sources.frames import open_source


def tiny(path: Path) -> None:
    """Write a network [1, 3, 96, 128] -> [1, 1, 96, 128]: 5 m minus 4 m times red."""
    weight = helper.make_tensor('w', TensorProto.FLOAT, [1, 3, 1, 1], [-4.0, 0.0, 0.0])
    bias = helper.make_tensor('b', TensorProto.FLOAT, [1], [5.0])
    node = helper.make_node('Conv', ['image', 'w', 'b'], ['depth'])
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, 96, 128])
        for name, channels in (('image', 3), ('depth', 1))
    ]
    graph = helper.make_graph([node], 'tiny', ends[:1], ends[1:], [weight, bias])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)]), str(path))


def main(network: str = '') -> None:
    """Describe the network in its sidecar, and run it."""
    path = Path(network or 'tiny.onnx')
    if not network:
        tiny(path)
        spec = ModelSpec('tiny', OutputKind.METRIC_DEPTH, input_size=Size(128, 96))
        path.with_suffix('.json').write_text(spec.to_json())
    estimator = DepthEstimator(open_model(path))
    depth = estimator.estimate(next(iter(open_source('world:7')))).depth
    assert depth is not None
    assert estimator.engine is not None
    print(f'{estimator.engine.description}: {np.nanmin(depth):.2f} to {np.nanmax(depth):.2f} m')
    estimator.close()


if __name__ == '__main__':
    main(*sys.argv[1:])
