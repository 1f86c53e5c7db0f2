"""
Run camera, node and observer for half an hour and check that nothing grows or degrades.

Camera and node are processes of their own; this process observes them over DDS and reads what
the node uses from proc(5): memory, file handles, threads. `make soak` runs it and writes
doc/measurements/soak.md; ``make soak MINUTES=5`` is shorter.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
import os
from pathlib import Path
import platform
import statistics
import sys
import tempfile
import time

from depth_node.camera import Camera
from depth_node.errors import DepthNodeError
from depth_node.image.size import Size
from depth_node.ros import dds
from depth_node.ros.trial import demo, trio
from depth_node.world import World

DOCUMENT = Path(__file__).parents[1] / 'doc' / 'measurements' / 'soak.md'
ROWS = 12
"""Of the table in the document."""
ALLOWED = {'memory': 20.0, 'handles': 2.0, 'threads': 1.0}
"""How much each may grow (MiB, or number) before it is called a leak."""
FADING = 0.1
"""Share of the delivered frames that may get lost before the rate is called fading."""


DIGITS = {'memory': 0, 'handles': 0, 'threads': 0}
TEXT = """# Measurements: soak test

Written by `make soak`: see [soak.md](../soak.md) for what is checked.

Last run: {minutes:.0f} minutes ({command}).

{what}; {cores} CPU cores, {machine}.

**{verdict}**

`load` is the load average of the machine. Above the number of cores, other processes were
competing for the CPU, and rates and latencies are not those of the node alone. Latency is measured
from the stamp of the frame.

"""


@dataclass(frozen=True)
class Sample:
    """
    The node over one interval.

    :param minute: when the interval ended (min).
    :param camera: rate of the camera (Hz).
    :param depth: rate of the depth images (Hz).
    :param p50: median latency from the stamp (ms).
    :param p99: its 99th percentile (ms).
    :param memory: resident (MiB).
    :param handles: open file handles.
    :param threads: of the process.
    :param load: load average of the machine over a minute.
    """

    minute: float
    camera: float
    depth: float
    p50: float
    p99: float
    memory: float
    handles: float
    threads: float
    load: float


def held(pid: int) -> dict[str, float]:
    """
    Read what a process holds.

    :param pid: of the process.
    :returns: memory (MiB), handles, threads.
    :raises OSError: it has ended.
    """
    status = Path(f'/proc/{pid}/status').read_text(encoding='ascii', errors='replace')
    values = dict(line.split(':', 1) for line in status.splitlines() if ':' in line)
    return {
        'memory': int(values['VmRSS'].split()[0]) / 1024,
        'handles': len(os.listdir(f'/proc/{pid}/fd')),  # noqa: PTH208  names, not paths
        'threads': int(values['Threads']),
    }


def soak(args: argparse.Namespace, logs: Path) -> tuple[str, list[Sample], dict[str, int]]:
    """
    Run the three and sample.

    :param args: see :func:`main`.
    :param logs: folder for what the processes say.
    :returns: what was run, the samples, exit codes by process.
    :raises DepthNodeError: there is no network to run.
    """
    size = Size.parse(args.size)
    camera = Camera.from_hfov(size.width, size.height, trio.HFOV_DEG)
    choice = demo.scaled(demo.choose_model(args.model), World(7), camera)
    os.environ.update({
        'ROS_DOMAIN_ID': str(1 + os.getpid() % 100),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        **dds.transport().environment,
    })
    processes = trio.Processes(dict(os.environ), logs)
    topics = ['-r', 'image:=camera/image_raw', '-r', 'camera_info:=camera/camera_info']
    parameters = {
        'model.name': choice.name, 'engine.threads': args.threads, **choice.parameters,
    }
    try:
        processes.start('camera', 'depth_node.ros.camera_publisher', '--ros-args', *trio.as_words({
            'source': 'world:7', 'width': size.width, 'height': size.height,
            'hfov_deg': trio.HFOV_DEG, 'rate': args.rate, 'preload': trio.PRELOADED,
        }))
        node = processes.start(
            'node', 'depth_node.ros.node', '--ros-args', *topics, *trio.as_words(parameters)
        )
        samples = watch(node.pid, args, topics)
    finally:
        codes = processes.end()
    model = choice.model.path.name
    return f'{model}, camera {size} at {args.rate:g} Hz, depth and cloud', samples, codes


def watch(pid: int, args: argparse.Namespace, topics: list[str]) -> list[Sample]:
    """
    Observe the node.

    :param pid: of its process.
    :param args: see :func:`main`.
    :param topics: remappings.
    :returns: one sample an interval; as many as there were before the node ended.
    """
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    from depth_node.ros.trial.observer import Observer, PATIENCE_S

    rclpy.init(args=['soak', '--ros-args', *topics])
    observer = Observer(cloud=True)
    executor = SingleThreadedExecutor()
    executor.add_node(observer)
    streams = (observer.infos, observer.depths, observer.clouds)
    samples: list[Sample] = []
    try:
        end = time.monotonic() + PATIENCE_S
        while not observer.depths.received and time.monotonic() < end:
            executor.spin_once(timeout_sec=0.1)
        start = time.monotonic()
        while time.monotonic() - start < 60 * args.minutes:
            for stream in streams:
                stream.clear()
            end = time.monotonic() + args.interval
            while time.monotonic() < end:
                executor.spin_once(timeout_sec=0.1)
            depths = observer.depths.summary()
            sample = Sample(
                (time.monotonic() - start) / 60, observer.infos.summary().rate, depths.rate,
                depths.latency_ms.median, depths.latency_ms.p99, load=os.getloadavg()[0],
                **held(pid),
            )
            samples.append(sample)
            print(sample, flush=True)
    except (OSError, KeyError) as error:  # a process that has ended holds nothing
        print(f'the node has ended: {error}', file=sys.stderr)
    finally:
        executor.shutdown(timeout_sec=0)
        observer.destroy_node()
        rclpy.try_shutdown()
    return samples


def judged(samples: list[Sample]) -> list[str]:
    """
    Compare the last third with the third before it; what comes first still warms up.

    :param samples: at least six.
    :returns: what is not flat; empty when all is well.
    """
    third = len(samples) // 3
    early, late = samples[third:2 * third], samples[2 * third:]

    def change(name: str) -> float:
        middle = [statistics.median(getattr(s, name) for s in part) for part in (early, late)]
        return float(middle[1] - middle[0])

    found = [
        f'{name} grew by {change(name):.1f}' for name, most in ALLOWED.items()
        if change(name) > most
    ]
    if any(sample.depth == 0 for sample in samples):
        found.append('there were intervals without depth')
    shares = [
        statistics.median(s.depth / max(s.camera, 1e-9) for s in part) for part in (early, late)
    ]
    if shares[1] < (1 - FADING) * shares[0]:
        found.append(f'of the frames {shares[0]:.0%} were answered, then {shares[1]:.0%}')
    return found


def document(what: str, command: str, samples: list[Sample], verdict: str) -> str:
    """
    Write the report.

    :param what: was run.
    :param command: that made it.
    :param samples: all of them.
    :param verdict: in words.
    :returns: Markdown.
    """
    step = max(1, -(-len(samples) // ROWS))
    chosen = samples[step - 1::step]
    names = ['minute', 'camera (Hz)', 'depth (Hz)', 'p50 (ms)', 'p99 (ms)', 'memory (MiB)',
             'handles', 'threads', 'load']
    rows = [
        '| ' + ' | '.join(f'{getattr(s, f.name):.{DIGITS.get(f.name, 1)}f}'
                          for f in fields(Sample)) + ' |'
        for s in chosen
    ]
    minutes = samples[-1].minute if samples else 0
    head = TEXT.format(
        minutes=minutes, command=command, what=what, cores=os.cpu_count(),
        machine=platform.machine(), verdict=verdict,
    )
    table = ['| ' + ' | '.join(names) + ' |', '|' + '---:|' * len(names), *rows]
    return head + '\n'.join(table) + '\n'


def main() -> int:
    """
    Soak.

    :returns: 0 when everything stayed flat, 1 when not, 2 when it could not be run.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('--minutes', type=float, default=30.0)
    parser.add_argument('--interval', type=float, default=10.0, help='length of a sample (s)')
    parser.add_argument('--model', default='', help='name or path; empty: that of the demo')
    parser.add_argument('--threads', type=int, default=0, help='engine.threads; 0: all cores')
    parser.add_argument('--size', default='640x480', help='size of the camera (pixels)')
    parser.add_argument('--rate', type=float, default=30.0, help='rate of the camera (Hz)')
    parser.add_argument('--out', type=Path, default=DOCUMENT, help='file of the report')
    args = parser.parse_args()
    command = ' '.join(['python tools/soak.py', *sys.argv[1:]])
    with tempfile.TemporaryDirectory() as logs:
        try:
            what, samples, codes = soak(args, Path(logs))
        except DepthNodeError as error:
            print(f'soak: {error}', file=sys.stderr)
            return 2
        said = (Path(logs) / 'node.log').read_text(encoding='utf-8', errors='replace')
    wrong = [f'{name} ended with {code}' for name, code in codes.items() if code]
    if not samples or samples[-1].minute < args.minutes:
        wrong.append('the node ended early')
    wrong += judged(samples) if len(samples) >= 6 else ['too few samples to judge']
    verdict = 'Flat.' if not wrong else f'NOT FLAT: {"; ".join(wrong)}.'
    args.out.write_text(document(what, f'`{command}`', samples, verdict), encoding='utf-8')
    print(verdict)
    if wrong:
        print(said[-4000:], file=sys.stderr)
    return int(bool(wrong))


if __name__ == '__main__':
    raise SystemExit(main())
