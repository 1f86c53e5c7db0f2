"""
Train on your own bag, and put the result on the robot.

    python examples/09_train_on_your_bag.py [BAG] [ODOMETRY_TOPIC] [STEPS] [OUT]

The bag has images with their CameraInfo, and odometry, which makes the depth metric. Without one:
a drive through the synthetic world. The few steps of the default only show the way; a useful
network needs some thousand (doc/training.md).
"""

from __future__ import annotations

from pathlib import Path
import sys

import numpy as np

from depth_node import DepthEstimator, open_model
from depth_node.cli.main import main as depth_node
from depth_node.sources.frames import open_source


def run(*words: str) -> None:
    """Run a verb of depth-node; if it fails, it has printed what is wrong."""
    if depth_node([*words]):
        raise SystemExit(1)


def main(
    bag: str = '', odometry: str = '/odom', steps: str = '12', out: str = 'my_network'
) -> None:
    """Train a small network, export it, and use it on a frame."""
    source = f'bag:{bag},odometry={odometry}' if bag else 'world:seed=7,seconds=4,fps=5,speed=0.6'
    network = Path(out) / 'network.onnx'
    run(
        'train', source, '--out', out, '--network', 'small', '--size', '128x96',
        '--kind', 'metric_depth', '--odometry', '1', '--min-depth', '0.5', '--max-depth', '20',
        '--steps', steps, '--batch', '4', '--learning-rate', '1e-3', '--threads', '1',
        '--print-every', '4',
    )
    run('export', f'{out}/best.pt', '--out', str(network))
    estimator = DepthEstimator(open_model(network))
    frame = next(iter(open_source(bag or 'world:7')))
    found = estimator.estimate(frame)
    estimator.close()
    if found.depth is None:
        raise SystemExit(found.note)
    print(f'depth of the first frame: {np.nanmedian(found.depth):.2f} m (median)')
    print(f'pictures of the validation: {Path(out) / "validation.png"}')
    print(f'on the robot: ros2 launch depth_node mono.launch.py model:={network.resolve()}')


if __name__ == '__main__':
    main(*sys.argv[1:])
