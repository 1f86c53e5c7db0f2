"""Bags on a real Ray cluster of this machine, whose workers are killed."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import json
import os
from pathlib import Path
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from typing import Any

import psutil
import pytest
from results import contents
from world_bags import record

from depth_node.config import Config
from depth_node.errors import ConfigError
from depth_node.processing.fleet import (
    _Dispatcher,
    _worker_count,
    ATTEMPTS,
    Fleet,
    process_on_fleet,
)
from depth_node.processing.options import Options
from depth_node.processing.worker import Job

pytest.importorskip('rosbags')
pytest.importorskip('ray', reason='ray is not installed: the extra fleet')
pytestmark = pytest.mark.timeout(300)
BAGS = {'long': 150, 'middle': 20, 'short': 10}


def command(*words: object) -> list[str]:
    """The verb, for a process of its own."""
    return list(map(str, (sys.executable, '-m', 'depth_node', 'process', *words)))


def children(parent: subprocess.Popen[str] | None = None) -> Iterator[psutil.Process]:
    """Iterate over all processes of a cluster; None: those of this process."""
    with contextlib.suppress(psutil.Error):
        yield from psutil.Process(parent and parent.pid).children(recursive=True)


def writer_of(parent: subprocess.Popen[str], part: Path) -> psutil.Process | None:
    """Return the worker that writes a result."""
    for process in children(parent):
        with contextlib.suppress(psutil.Error):
            if any(str(part) in file.path for file in process.open_files()):
                return process
    return None


def wait(condition: Any, seconds: float = 120.0) -> Any:
    """Wait until something is true, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError('it did not happen')


def listening(processes: list[psutil.Process]) -> set[str]:
    """Return the addresses at which processes listen."""
    found = set()
    for process in processes:
        with contextlib.suppress(psutil.Error):
            found |= {c.laddr.ip for c in process.net_connections() if c.status == 'LISTEN'}
    return found


def free_port() -> int:
    """Return a port at which nothing listens."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return int(free.getsockname()[1])


def is_open(port: int) -> bool:
    """Whether something listens at a port."""
    with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', port), 1):
        return True
    return False


@pytest.fixture
def bags(tmp_path: Path, model: Path, process: Any) -> list[Path]:
    """Three bags; their results by one worker are in `alone`."""
    made = [
        record(tmp_path / name, frames, seed=seed, distinct=4)
        for seed, (name, frames) in enumerate(BAGS.items())
    ]
    process(*made, '--out', tmp_path / 'alone', '--model', model)
    return made


def test_a_killed_worker_costs_no_bag(tmp_path: Path, model: Path, bags: list[Path]) -> None:
    """Its bag is processed again; all results are those of a single worker, bit for bit."""
    out, bad = tmp_path / 'out', tmp_path / 'bad.mcap'
    bad.write_bytes(b'no bag')
    worker = subprocess.Popen(
        command(*bags, bad, '--out', out, '--model', model, '--workers', 2, '--ray'),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    try:
        part = out / '.long.part'
        wait(lambda: sum(file.stat().st_size for file in part.rglob('*.mcap')) > 10**6)
        victim = wait(lambda: writer_of(worker, part))
        victim.suspend()  # in the middle of its bag, however fast the machine is
        cluster = list(children(worker))
        addresses = listening(cluster)
        variables = [
            process.environ() for process in cluster if process.name() in {'raylet', 'gcs_server'}
        ]
        victim.kill()
        said, error = worker.communicate(timeout=200)
    finally:
        worker.kill()
    assert worker.returncode == 1, error
    assert 'A worker died' in error
    lines = {Path(line['bag']).name: line for line in map(json.loads, said.splitlines())}
    assert {name: line['status'] for name, line in lines.items()} == {
        'long': 'done', 'middle': 'done', 'short': 'done', 'bad.mcap': 'failed',
    }
    assert lines['long']['attempts'] == 2
    assert 'attempts' not in lines['middle']
    assert sorted(path.name for path in out.iterdir()) == ['long', 'middle', 'short']
    for name, frames in BAGS.items():
        one, many = contents(tmp_path / 'alone' / name), contents(out / name)
        assert len(many['/depth/image']) == frames
        assert {t: [(m.when, m.raw) for m in ms] for t, ms in one.items()} == {
            t: [(m.when, m.raw) for m in ms] for t, ms in many.items()
        }
    # nobody else reaches the cluster, and it reports to nobody
    assert addresses
    assert addresses <= {'127.0.0.1', '::1', '::ffff:127.0.0.1'}
    assert variables
    assert {found['RAY_USAGE_STATS_ENABLED'] for found in variables} == {'0'}
    wait(lambda: not any(process.is_running() for process in cluster), 30)


class Library:
    """A fake of the part of Ray that gives bags to workers: each of them dies, or raises."""

    class exceptions:  # noqa: N801
        """As in Ray."""

        class RayError(Exception):
            """As in Ray."""

    def __init__(self, deaths: int) -> None:
        self.deaths, self.started, self.killed = deaths, 0, 0

    def wait(self, references: list[Any], **_: Any) -> tuple[list[Any], list[Any]]:
        """All are done."""
        return references[:1], references[1:]

    def get(self, job: Any) -> dict[str, Any]:
        """A worker that dies a number of times."""
        if self.deaths:
            self.deaths -= 1
            raise self.exceptions.RayError('The actor died')
        return {'bag': str(job.bag), 'status': 'done'}

    def kill(self, worker: Any, *, no_restart: bool) -> None:
        """Count."""
        assert no_restart
        self.killed += 1

    def make(self) -> Any:
        """A worker whose reference is the bag itself."""
        self.started += 1
        library = self

        class Worker:
            class process:  # noqa: N801
                @staticmethod
                def remote(job: Any) -> Any:
                    return job

            owner = library

        return Worker()


@pytest.mark.parametrize(('deaths', 'status'), [
    (0, ['done', 'done']), (ATTEMPTS - 1, ['done', 'done']), (ATTEMPTS, ['failed', 'done']),
])
def test_a_bag_that_kills_its_workers(tmp_path: Path, deaths: int, status: list[str]) -> None:
    """Is given up in the end, and the others are processed; every dead worker is replaced."""
    jobs = [Job(tmp_path / name, tmp_path / 'out' / name) for name in ('a', 'b')]
    (tmp_path / 'a').write_bytes(bytes(9))
    left = tmp_path / 'out' / '.a.part'
    left.mkdir(parents=True)
    library = Library(deaths)
    lines = list(_Dispatcher(library, library.make, 1).run(jobs))
    assert [line['status'] for line in lines] == status
    assert [Path(line['bag']).name for line in lines] == ['a', 'b']
    assert library.started == deaths + 1
    assert library.killed == deaths + 1
    assert left.exists() == (deaths < ATTEMPTS)


def test_an_interruption(tmp_path: Path) -> None:
    """Ends all workers, and removes what they were writing."""
    jobs = [Job(tmp_path / name, tmp_path / 'out' / name) for name in 'abc']
    for job in jobs:
        job.result.with_name(f'.{job.result.name}.part').mkdir(parents=True)
    library = Library(0)
    lines = _Dispatcher(library, library.make, 2).run(jobs)
    assert next(lines)['bag'].endswith('a')
    lines.close()  # type: ignore[attr-defined]
    assert library.killed == 2
    left = sorted(path.name for path in (tmp_path / 'out').iterdir())
    assert left == ['.a.part', '.c.part']  # b was in work; the fake finished a, c never began


class Cluster:
    """A fake of what Ray says of a cluster."""

    def __init__(self, **resources: float) -> None:
        self.resources = resources

    def cluster_resources(self) -> dict[str, float]:
        """As in Ray."""
        return self.resources


@pytest.mark.parametrize(('fleet', 'threads', 'jobs', 'expected'), [
    (Fleet(), 1, 9, 8), (Fleet(), 3, 9, 2), (Fleet(workers=3), 1, 9, 3), (Fleet(), 1, 2, 2),
    (Fleet(gpus=1), 1, 9, 2), (Fleet(gpus=0.25), 1, 9, 8), (Fleet(gpus=0.5), 1, 9, 4),
])
def test_how_many_workers(fleet: Fleet, threads: int, jobs: int, expected: int) -> None:
    """As many as there are cores and GPUs for, and not more than bags."""
    cluster = Cluster(CPU=8.0, GPU=2.0)
    assert _worker_count(cluster, fleet, threads, jobs) == expected


def test_a_cluster_without_room() -> None:
    """Is an error; waiting for a core would never end."""
    for fleet, threads in ((Fleet(), 9), (Fleet(gpus=4), 1)):
        with pytest.raises(ConfigError, match='a worker needs'):
            _worker_count(Cluster(CPU=8.0, GPU=2.0), fleet, threads, 1)
    with pytest.raises(ConfigError, match='a worker needs 1 cores and 1 GPUs'):
        _worker_count(Cluster(CPU=8.0), Fleet(gpus=1), 1, 1)


def test_options_of_the_fleet_need_it(tmp_path: Path, model: Path, process: Any) -> None:
    """A flag that would do nothing is refused."""
    for words in (('--workers', 2), ('--worker-gpus', 0.5)):
        assert process(tmp_path, '--out', tmp_path, '--model', model, *words)[0] == 2
        assert 'Add --ray' in process.error
    (tmp_path / 'bag').touch()
    words = ('--out', tmp_path, '--model', model, '--ray', tmp_path / 'bag', tmp_path)
    assert process(*words)[0] == 2
    assert 'Put --ray behind the bags' in process.error


@pytest.mark.parametrize('forgotten', [False, True])
def test_a_cluster_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, forgotten: bool
) -> None:
    """Another program has its port, or nothing; Ray tries for two minutes."""
    monkeypatch.setattr('depth_node.processing.cluster._ANSWER_S', 3.0)
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        address = f'127.0.0.1:{other.getsockname()[1]}'
        if forgotten:
            (tmp_path / 'ray').mkdir()
            (tmp_path / 'ray' / 'ray_current_cluster').write_text(address)
            monkeypatch.setenv('RAY_TMPDIR', str(tmp_path))
            monkeypatch.delenv('RAY_ADDRESS', raising=False)
        else:
            other.listen()
            monkeypatch.setenv('RAY_ADDRESS', address)
        begin = time.monotonic()
        with pytest.raises(ConfigError, match=r'auto: there is no answer .* `ray stop` forgets'):
            next(process_on_fleet([], Options(Config()), Fleet('auto')))
    assert time.monotonic() - begin < 15
    assert not any('ray.init' in ' '.join(child.cmdline()) for child in children())


def test_no_cluster_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's own sentence, at once."""
    monkeypatch.setenv('RAY_TMPDIR', str(tmp_path))
    monkeypatch.delenv('RAY_ADDRESS', raising=False)
    with pytest.raises(ConfigError, match=r'auto: the cluster cannot be used \(Could not find'):
        next(process_on_fleet([], Options(Config()), Fleet('auto')))


def test_a_cluster_that_is_there(tmp_path: Path, model: Path) -> None:
    """By its address; it goes on afterwards."""
    bag = record(tmp_path / 'drive', 3)
    folder = tempfile.mkdtemp(prefix='dn_ray_')  # sockets have short paths
    port = free_port()
    environment = os.environ | {
        'RAY_AUTH_MODE': 'token', 'RAY_AUTH_TOKEN': 64 * '5', 'RAY_USAGE_STATS_ENABLED': '0',
        'RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER': '0',
    }
    head = subprocess.Popen(
        [str(Path(sys.executable).with_name('ray')), 'start', '--head', '--port', str(port),
         '--num-cpus', '1', '--include-dashboard', 'false', '--temp-dir', folder,
         '--object-store-memory', str(80 * 2**20), '--block'],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        words = (bag, '--out', tmp_path / 'out', '--model', model, f'--ray=127.0.0.1:{port}')
        wait(lambda: is_open(port))
        done = subprocess.run(
            command(*words), env=environment, capture_output=True, text=True, timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)['frames'] == 3
        assert head.poll() is None
    finally:
        for process in list(children(head)):
            with contextlib.suppress(psutil.Error):
                process.kill()
        head.kill()
        head.wait()
        shutil.rmtree(folder, ignore_errors=True)
    assert len(contents(tmp_path / 'out' / 'drive')['/depth/image']) == 3
