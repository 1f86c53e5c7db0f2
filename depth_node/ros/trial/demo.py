"""
The demo: a camera, the node and an observer as processes over real DDS.

The camera drives through the synthetic world, so that the depth can be compared with the exact one
at the end. `make demo` runs this without any installed ROS.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
import inspect
import os
from pathlib import Path
import sys
from typing import Any

import numpy as np

from depth_node.camera import Camera
from depth_node.catalogue import find
from depth_node.catalogue.opening import open_model
from depth_node.config import Config
from depth_node.depth.metres import focal_correction, network_focal, Scale, to_metres
from depth_node.errors import DataError, DepthNodeError, ModelError
from depth_node.estimator import DepthEstimator
from depth_node.image.size import Size
from depth_node.model import Model, OutputKind
from depth_node.ros.trial import trio
from depth_node.sources.frame import Frame
from depth_node.sources.frames import open_source, WorldSource
from depth_node.world import World

ROOM = 'world:1'
"""A plain room with wooden walls and a tiled floor; the embedded network knows such rooms."""
REAL_WEIGHTS = Path('../shared/data/weights/rtmonodepth_s_ms_640_192.onnx')
DESCRIPTION = {'kind': 'sigmoid_disparity', 'mean': [0.0, 0.0, 0.0], 'std': [1.0, 1.0, 1.0]}


@dataclass(frozen=True)
class Choice:
    """
    The network of the demo.

    :param model: the network.
    :param name: value of `model.name`.
    :param why: reason of the choice.
    :param parameters: parameters of the node, by dotted name.
    """

    model: Model
    name: str
    why: str
    parameters: dict[str, object] = field(default_factory=dict)


def choose_model(asked: str) -> Choice:
    """
    Choose the network.

    :param asked: name or path, or empty.
    :returns: the requested one, otherwise the embedded one, otherwise the real weights next to
        the project, otherwise the default model of the catalogue.
    :raises ModelError: none is available.
    """
    if asked and Path(asked).resolve().parent == REAL_WEIGHTS.resolve().parent:
        return _beside(Path(asked), 'requested by MODEL')
    if asked:
        return Choice(open_model(asked), asked, 'requested by MODEL')
    try:
        find('embedded')
        return Choice(open_model('embedded'), 'embedded', 'trained on synthetic rooms')
    except ModelError:
        pass
    if REAL_WEIGHTS.is_file():
        return _beside(REAL_WEIGHTS, 'real weights next to the project')
    default = Config().model.name
    return Choice(open_model(default), default, 'the default model')


def _beside(path: Path, why: str) -> Choice:
    """Open one of the weights next to the project, which have no sidecar."""
    found = str(path.resolve())
    described = {} if path.with_suffix('.json').exists() else DESCRIPTION
    parameters: dict[str, object] = {f'model.{k}': v for k, v in described.items()}
    return Choice(open_model(found, overrides=described), found, why, parameters)


def scaled(choice: Choice, world: World, camera: Camera) -> Choice:
    """
    Fit the scale of a network without a metric scale to the first frame of the world.

    :param choice: the network.
    :param world: the world.
    :param camera: the camera.
    :returns: the same, with scale parameters if they are needed.
    """
    spec = choice.model.spec
    if spec.kind.is_metric:
        return choice
    rgb, truth = world.render(camera, world.pose(0.0))
    estimator = DepthEstimator(choice.model)
    prediction = estimator.predict(Frame(rgb))
    values = prediction.values.astype(np.float64)
    known = np.isfinite(truth) & np.isfinite(values)
    if spec.kind is OutputKind.SIGMOID_DISPARITY:
        assert estimator.engine is not None
        size = estimator.engine.network_size
        focal, _ = focal_correction(spec, network_focal(camera, spec.aspect, size))
        unscaled = to_metres(prediction, spec, Scale(), focal, np.empty_like(truth))
        scale, shift = float(np.median(truth[known] / unscaled[known])), 0.0
    else:
        target = truth if spec.kind is OutputKind.RELATIVE_DEPTH else 1 / truth
        scale, shift = (float(v) for v in np.polyfit(values[known], target[known], 1))
    estimator.close()
    return Choice(
        choice.model, choice.name,
        f"{choice.why}; {spec.kind.value} is not metric, so scale {scale:.3g} and shift "
        f"{shift:.3g} were fitted to the world's first frame",
        {
            **choice.parameters,
            'scale.source': 'fixed', 'scale.value': scale, 'scale.shift': shift,
        },
    )


def table(report: dict[str, Any]) -> str:
    """
    Return a report as text.

    :param report: the report of the observer.
    :returns: lines.
    """
    lines = [f'camera          {report["camera_fps"]:6.1f} frames per second']
    for topic, stream in report['streams'].items():
        lines.append(
            f'{topic:14}  {stream["rate"]:6.1f} per second, latency from the stamp '
            f'{stream["latency_ms"]["median"]:.1f} ms median, '
            f'{stream["latency_ms"]["p99"]:.1f} ms p99'
        )
    lines.append(f'delivered       {100 * report["delivered"]:6.1f} % of the frames as depth')
    lines.append(f'points          {report["points"]:6d} valid in the last cloud')
    accuracy = report['accuracy']
    if accuracy is not None:
        lines.append(
            f'accuracy        abs_rel {accuracy["abs_rel"]:.3f}, rmse {accuracy["rmse"]:.2f} m, '
            f'a1 {100 * accuracy["a1"]:.1f} % against the exact depth of the world'
        )
    return '\n'.join(lines)


def _world(text: str, camera: Camera) -> World:
    source = open_source(text, camera)
    if not isinstance(source, WorldSource):
        raise DataError(f'{text}: has no exact depth.', 'Take world:SEED or home:SEED.')
    return source.world


def _mounting() -> dict[str, float]:
    """Return where the camera of the world is over its floor, which the scan needs."""
    defaults = inspect.signature(World).parameters
    return {
        'ground.camera_height': defaults['camera_height'].default,
        'ground.camera_pitch_deg': defaults['tilt'].default,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the demo.

    :param arguments: command line; None: that of the process.
    :returns: 0, or 2 after one line that describes the problem.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('--model', default=os.environ.get('MODEL', ''), help='name or path')
    parser.add_argument('--engine', default='auto', help='the parameter engine.name')
    parser.add_argument('--size', default='640x480', help='size of the camera images (pixels)')
    parser.add_argument('--rate', type=float, default=30.0, help='rate of the camera (Hz)')
    parser.add_argument('--source', default=ROOM, help='world:SEED or home:SEED')
    parser.add_argument(
        '--seconds', type=float, default=10.0, help='duration of the measurement (s)'
    )
    parser.add_argument('--out', type=Path, default=Path('demo'), help='folder for results')
    args = parser.parse_args(arguments)
    try:
        size = Size.parse(args.size)
        camera = Camera.from_hfov(size.width, size.height, trio.HFOV_DEG)
        choice = scaled(choose_model(args.model), _world(args.source, camera), camera)
        print(f'network: {choice.name} ({choice.why})', flush=True)  # noqa: T201
        report = trio.run(
            trio.Drive(
                {
                    'model.name': choice.name, 'engine.name': args.engine,
                    'points.voxel_size': 0.0, **_mounting(), **choice.parameters,
                },
                size, args.rate, args.seconds, args.out / 'log', args.source, args.out, truth=True,
            )
        )
    except DepthNodeError as error:
        print(f'demo: {error}', file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        print('demo: interrupted', file=sys.stderr)  # noqa: T201
        return 130
    wrong = {name: code for name, code in report['exit_codes'].items() if code}
    if wrong:
        print(f'exit codes other than 0: {wrong}; see {args.out}/log', file=sys.stderr)  # noqa: T201
    print(table(report))  # noqa: T201
    print(f'images and cloud: {args.out}/')  # noqa: T201
    for name in ('camera.png', 'depth_color.png', 'depth.npy', 'points.ply', 'sheet.png'):
        if (args.out / name).exists():
            print(f'  {args.out / name}')  # noqa: T201
    return 1 if wrong else 0


if __name__ == '__main__':
    raise SystemExit(main())
