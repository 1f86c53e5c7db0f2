"""
The main job on this machine: a camera, the node and an observer, each a process, over real DDS.

The camera drives through the synthetic world, so that at the end the depth that came out can be
compared with the exact one. `make demo` runs this; nothing has to be installed before.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

from depth_node.camera import Camera
from depth_node.catalogue import find
from depth_node.config import Config
from depth_node.depth import focal_correction, network_focal, Scale, to_metres
from depth_node.errors import DataError, DepthNodeError, ModelError
from depth_node.estimator import DepthEstimator
from depth_node.model import Model, open_model, OutputKind, Size
from depth_node.ros import tuning
from depth_node.world import World

HFOV_DEG = 75.0
REAL_WEIGHTS = Path('../shared/data/weights/rtmonodepth_s_ms_640_192.onnx')
DESCRIPTION = {'kind': 'sigmoid_disparity', 'mean': [0.0, 0.0, 0.0], 'std': [1.0, 1.0, 1.0]}
PRELOADED = 90
"""Frames rendered before the drive begins, so that rendering does not take the node's time."""
GRACE_S = 10.0


@dataclass(frozen=True)
class Choice:
    """
    What the demo runs.

    :param model: the network.
    :param name: what the node's `model.name` is given.
    :param why: why this one.
    :param parameters: of the node, by dotted name.
    """

    model: Model
    name: str
    why: str
    parameters: dict[str, object] = field(default_factory=dict)


def choose_model(asked: str) -> Choice:
    """
    Find a network to demonstrate.

    :param asked: name or path, or empty.
    :returns: the one asked for, else the embedded one, else the real weights beside the
        project, else the default model of the catalogue.
    :raises ModelError: none can be had.
    """
    if asked:
        return Choice(open_model(asked), asked, 'asked for by MODEL')
    try:
        find('embedded')
        return Choice(open_model('embedded'), 'embedded', 'knows the synthetic world')
    except ModelError:
        pass
    if REAL_WEIGHTS.is_file():
        path = str(REAL_WEIGHTS.resolve())
        model = open_model(path, overrides=DESCRIPTION)
        parameters: dict[str, object] = {f'model.{k}': v for k, v in DESCRIPTION.items()}
        return Choice(model, path, 'real weights beside the project', parameters)
    default = Config().model.name
    return Choice(open_model(default), default, 'the default model')


def scaled(choice: Choice, world: World, camera: Camera) -> Choice:
    """
    Give a network without a metric scale the one of the world's first frame.

    :param choice: the network.
    :param world: where the camera drives.
    :param camera: the camera.
    :returns: the same, with scale parameters where they were needed.
    """
    spec = choice.model.spec
    if spec.kind.is_metric:
        return choice
    rgb, truth = world.render(camera, world.pose(0.0))
    estimator = DepthEstimator(choice.model)
    prediction = estimator.predict(rgb)
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
        f"{choice.why}; {spec.kind.value} has no metres, so scale {scale:.3g} and shift "
        f"{shift:.3g} were fitted to the world's first frame",
        {
            **choice.parameters,
            'scale.source': 'fixed', 'scale.value': scale, 'scale.shift': shift,
        },
    )


class Processes:
    """
    Child processes that end with the demo.

    :param environment: of all of them.
    :param logs: folder for what they say.
    """

    def __init__(self, environment: dict[str, str], logs: Path) -> None:
        self._environment = environment
        self._logs = logs
        self._all: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, module: str, *words: str) -> subprocess.Popen[bytes]:
        """
        Start a module of this package.

        :param name: of its log.
        :param module: below ``depth_node.ros``.
        :param words: its arguments.
        :returns: the process.
        """
        with (self._logs / f'{name}.log').open('wb') as log:
            process = subprocess.Popen(  # noqa: S603  our own modules
                [sys.executable, '-m', f'depth_node.ros.{module}', *words],
                env=self._environment, stdout=log, stderr=subprocess.STDOUT,
            )
        self._all[name] = process
        return process

    def end(self) -> dict[str, int]:
        """
        End them all, politely first.

        :returns: exit codes by name.
        """
        for process in self._all.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        end = time.monotonic() + GRACE_S
        while time.monotonic() < end and None in [p.poll() for p in self._all.values()]:
            time.sleep(0.05)
        for process in self._all.values():
            if process.poll() is None:
                process.kill()
                process.wait()
        return {name: process.returncode for name, process in self._all.items()}


def parameter_words(parameters: dict[str, object]) -> list[str]:
    """
    Write parameters as ROS arguments.

    :param parameters: dotted name to value.
    :returns: `-p`, `name:=value`, ...
    """
    words = []
    for name, value in parameters.items():
        words += ['-p', f'{name}:={json.dumps(value) if not isinstance(value, str) else value}']
    return words


def drive(choice: Choice, camera: Camera, args: argparse.Namespace) -> dict[str, Any]:
    """
    Run the three processes.

    :param choice: the network.
    :param camera: the camera.
    :param args: of the command line.
    :returns: the observer's report.
    :raises DataError: no depth came.
    """
    out: Path = args.out
    logs = out / 'log'
    logs.mkdir(parents=True, exist_ok=True)
    # a domain of its own, so that a demo never drives somebody's robot
    environment = {
        'ROS_DOMAIN_ID': str(100 + os.getpid() % 100),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        **os.environ,
        **tuning.transport().environment,
    }
    images = ['-r', 'image:=camera/image_raw', '-r', 'camera_info:=camera/camera_info']
    processes = Processes(environment, logs)
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / 'report.json'
        try:
            processes.start(
                'camera', 'camera_publisher', '--ros-args',
                *parameter_words({
                    'source': f'world:{args.seed}', 'width': camera.width,
                    'height': camera.height, 'hfov_deg': HFOV_DEG, 'rate': args.rate,
                    'preload': PRELOADED, 'wait': True,
                }),
            )
            processes.start(
                'node', 'node', '--ros-args', *images,
                *parameter_words({
                    'model.name': choice.name, 'engine.name': args.engine, **choice.parameters,
                }),
            )
            observer = processes.start(
                'observer', 'observer', '--seconds', str(args.seconds), '--truth',
                '--out', str(out), '--json', str(report), '--ros-args', *images,
                '-r', 'depth_truth:=camera/depth_truth',
            )
            observer.wait()
            if observer.returncode:
                raise DataError(f'no depth came. What the processes said is in {logs}.')
            found: dict[str, Any] = json.loads(report.read_text(encoding='utf-8'))
        finally:
            codes = processes.end()
    wrong = {name: code for name, code in codes.items() if code}
    if wrong:
        print(f'exit codes other than 0: {wrong}; see {logs}', file=sys.stderr)  # noqa: T201
    return found


def table(report: dict[str, Any]) -> str:
    """
    Write a report for people.

    :param report: as the observer makes it.
    :returns: lines.
    """
    lines = [f'camera          {report["camera_fps"]:6.1f} frames a second']
    for topic, stream in report['streams'].items():
        lines.append(
            f'{topic:14}  {stream["rate"]:6.1f} a second, latency from the stamp '
            f'{stream["p50"]:.1f} ms median, {stream["p99"]:.1f} ms p99'
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


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the demo.

    :param arguments: command line; None: that of the process.
    :returns: 0, or 2 with one line that says what was wrong.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('--model', default=os.environ.get('MODEL', ''), help='name or path')
    parser.add_argument('--engine', default='auto', help='as the parameter engine.name')
    parser.add_argument('--size', default='640x480', help='of the camera (pixels)')
    parser.add_argument('--rate', type=float, default=30.0, help='of the camera (Hz)')
    parser.add_argument('--seed', type=int, default=7, help='of the world')
    parser.add_argument('--seconds', type=float, default=10.0, help='how long to measure (s)')
    parser.add_argument('--out', type=Path, default=Path('demo'), help='folder for results')
    args = parser.parse_args(arguments)
    try:
        size = Size.parse(args.size)
        camera = Camera.from_hfov(size.width, size.height, HFOV_DEG)
        choice = scaled(choose_model(args.model), World(args.seed), camera)
        print(f'network: {choice.name} ({choice.why})', flush=True)  # noqa: T201
        report = drive(choice, camera, args)
    except DepthNodeError as error:
        print(f'demo: {error}', file=sys.stderr)  # noqa: T201
        return 2
    print(table(report))  # noqa: T201
    print(f'pictures and cloud: {args.out}/')  # noqa: T201
    for name in ('camera.png', 'depth_color.png', 'depth.npy', 'points.ply'):
        if (args.out / name).exists():
            print(f'  {args.out / name}')  # noqa: T201
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
