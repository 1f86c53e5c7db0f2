"""
A camera in the synthetic world, the node and an observer: three processes over real DDS.

Used by `make demo` and `depth-node benchmark --ros`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import json
import os
from pathlib import Path
import signal
import subprocess
import tempfile
import time
from typing import Any

from depth_node.errors import DataError
from depth_node.image.size import Size
from depth_node.process import python
from depth_node.ros import dds

HFOV_DEG = 75.0
"""Horizontal field of view of the camera (deg)."""
PRELOADED = 90
"""Number of frames rendered before the drive, so that rendering does not affect the node."""
GRACE_S = 10.0


@dataclass(frozen=True)
class Drive:
    """
    The configuration of a trial.

    :param parameters: parameters of the node, by dotted name.
    :param size: size of the camera frames (pixels).
    :param rate: rate of the camera (Hz).
    :param seconds: duration of the measurement (s).
    :param logs: folder for the logs of the processes.
    :param source: `world:SEED` or `home:SEED`.
    :param out: folder for images and the cloud, or None.
    :param truth: whether to compare with the exact depth of the world.
    :param cloud: whether the observer subscribes to the cloud.
    :param reliability: reliability of the camera: reliable or best_effort.
    :param camera_profile: False: the camera uses Fast DDS by default, like most drivers.
    :param node: the module to run as the node.
    """

    parameters: Mapping[str, object]
    size: Size
    rate: float
    seconds: float
    logs: Path
    source: str = 'world:7'
    out: Path | None = None
    truth: bool = False
    cloud: bool = True
    reliability: str = 'reliable'
    camera_profile: bool = True
    node: str = 'depth_node.ros.node'


class Processes:
    """
    Child processes that end with the trial.

    :param environment: their environment.
    :param logs: folder for their logs.
    """

    def __init__(self, environment: dict[str, str], logs: Path) -> None:
        self._environment = environment
        self._logs = logs
        self._all: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self, name: str, module: str, *words: str, profile: bool = True
    ) -> subprocess.Popen[bytes]:
        """
        Start a module.

        :param name: name of its log.
        :param module: name of the Python module.
        :param words: arguments.
        :param profile: whether it uses the shared-memory profile.
        :returns: the process.
        """
        environment = self._environment if profile else _without_profile(self._environment)
        with (self._logs / f'{name}.log').open('wb') as log:
            process = subprocess.Popen(  # noqa: S603  our own modules
                [*python(), '-m', module, *words],
                env=environment, stdout=log, stderr=subprocess.STDOUT,
            )
        self._all[name] = process
        return process

    def end(self) -> dict[str, int]:
        """
        End all processes, with a signal that they can handle first.

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


def _without_profile(environment: Mapping[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in environment.items() if k not in dds.PROFILE_VARIABLES}
    return {**kept, 'FASTDDS_BUILTIN_TRANSPORTS': 'DEFAULT'}


def as_words(parameters: Mapping[str, object]) -> list[str]:
    """
    Return parameters as ROS arguments.

    :param parameters: dotted name to value.
    :returns: `-p`, `name:=value`, ...
    """
    words = []
    for name, value in parameters.items():
        words += ['-p', f'{name}:={json.dumps(value) if not isinstance(value, str) else value}']
    return words


def run(drive: Drive) -> dict[str, Any]:
    """
    Run the three processes.

    :param drive: the configuration.
    :returns: the report of the observer, `exit_codes` by process, and for the process of the
        node `node_memory_mb` (resident, MiB) and `node_cpu` (CPU time over wall time).
    :raises DataError: no depth arrived.
    """
    drive.logs.mkdir(parents=True, exist_ok=True)
    environment = {
        # a domain of its own, so that nothing here drives somebody's robot
        # (above 101 Linux may have given its ports away)
        'ROS_DOMAIN_ID': str(1 + os.getpid() % 100),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        **os.environ,
        **dds.transport().environment,
    }
    topics = ['-r', 'image:=camera/image_raw', '-r', 'camera_info:=camera/camera_info']
    processes = Processes(environment, drive.logs)
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / 'report.json'
        camera = {
            'source': drive.source, 'width': drive.size.width,
            'height': drive.size.height, 'hfov_deg': HFOV_DEG, 'rate': drive.rate,
            'preload': PRELOADED, 'wait': True, 'reliability': drive.reliability,
        }
        watch = ['--seconds', str(drive.seconds), '--json', str(report)]
        watch += ['--truth'] if drive.truth else []
        watch += ['--out', str(drive.out)] if drive.out is not None else []
        watch += [] if drive.cloud else ['--no-cloud']
        try:
            processes.start(
                'camera', 'depth_node.ros.camera_publisher', '--ros-args', *as_words(camera),
                profile=drive.camera_profile,
            )
            node = processes.start(
                'node', drive.node, '--ros-args', *topics, *as_words(drive.parameters)
            )
            observer = processes.start(
                'observer', 'depth_node.ros.trial.observer', *watch, '--ros-args', *topics,
                '-r', 'depth_truth:=camera/depth_truth',
            )
            observer.wait()
            used = _used(node.pid)
            if observer.returncode:
                raise DataError(
                    f'No depth arrived. See the logs of the processes in {drive.logs}.'
                )
            found: dict[str, Any] = json.loads(report.read_text(encoding='utf-8'))
        finally:
            codes = processes.end()
    return {**found, **used, 'exit_codes': codes}


def _used(pid: int) -> dict[str, float]:
    """Return the memory and CPU time of a process (proc(5)); empty if it has ended."""
    try:
        status = Path(f'/proc/{pid}/status').read_text(encoding='ascii', errors='replace')
        words = Path(f'/proc/{pid}/stat').read_text(encoding='ascii').rpartition(')')[2].split()
        uptime = float(Path('/proc/uptime').read_text(encoding='ascii').split()[0])
    except OSError:
        return {}
    ticks = os.sysconf('SC_CLK_TCK')
    resident = next(line for line in status.splitlines() if line.startswith('VmRSS'))
    age = uptime - int(words[19]) / ticks
    return {
        'node_memory_mb': int(resident.split()[1]) / 1024,
        'node_cpu': (int(words[11]) + int(words[12])) / ticks / age,
    }
