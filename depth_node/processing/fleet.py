"""
Bags on a Ray cluster: one worker with one engine for each bag at a time.

A bag whose worker dies is given to another one. The frames of a bag stay in one worker, in order.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
import contextlib
import dataclasses
from dataclasses import dataclass
import socket
from typing import Any

from depth_node.errors import ConfigError
from depth_node.processing.cluster import connected, LOCAL
from depth_node.processing.options import Options
from depth_node.processing.result_folder import remove_leftovers
from depth_node.processing.worker import FAILED, Job, Line, Worker

ATTEMPTS = 3
"""How many workers may die with a bag: the fault is then the bag's."""
_POLL_S = 1.0
_PATIENCE_S = 10.0
"""How long a killed worker may take to end (s)."""


@dataclass(frozen=True)
class Fleet:
    """
    Where the workers are.

    :param address: of the cluster (``HOST:PORT``, ``auto``), or :data:`LOCAL`.
    :param workers: maximum number of workers; 0: as many as the cores of the cluster allow.
    :param gpus: GPUs of each worker, which may be a part of one.
    """

    address: str = LOCAL
    workers: int = 0
    gpus: float = 0.0


class RemoteWorker:
    """
    A worker in a process of its own.

    :param options: what is done with each bag.
    """

    def __init__(self, options: Options) -> None:
        import cv2

        cv2.setNumThreads(options.config.engine.threads)
        self._options = options
        self._worker: Worker | None = None

    def process(self, job: Job) -> Line:
        """
        Process a bag.

        :param job: the bag.
        :returns: its line, with the name of this machine.
        """
        try:
            if self._worker is None:
                self._worker = Worker(self._options)
        except Exception as error:  # noqa: BLE001 - a model that is not on this machine
            return _failed(job, f'{socket.gethostname()}: {error}')
        return {**self._worker.process(job), 'host': socket.gethostname()}


def process_on_fleet(jobs: list[Job], options: Options, fleet: Fleet) -> Iterator[Line]:
    """
    Process bags on a cluster, the largest first.

    :param jobs: the bags, with paths that all machines of the cluster have.
    :param options: what is done with each. `engine.threads` is the number of cores of a worker,
        1 where it is 0.
    :param fleet: where the workers are.
    :returns: the line of each bag when it is finished.
    :raises ConfigError: ray is missing, or the cluster cannot be used.
    """
    threads = options.config.engine.threads or 1
    options = dataclasses.replace(
        options, config=options.config.replaced({'engine.threads': threads})
    )
    with connected(fleet.address) as ray:
        count = _worker_count(ray, fleet, threads, len(jobs))
        remote = ray.remote(num_cpus=threads, num_gpus=fleet.gpus, max_restarts=0)(RemoteWorker)
        yield from _Dispatcher(ray, lambda: remote.remote(options), count).run(jobs)


class _Dispatcher:
    """
    Gives bags to workers, and those of dead workers to others.

    :param ray: the library.
    :param make: starts a worker.
    :param count: maximum number of workers.
    """

    def __init__(self, ray: Any, make: Any, count: int) -> None:
        self._ray = ray
        self._make = make
        self._count = count
        self._idle: list[Any] = []
        self._busy: dict[Any, tuple[Any, Job]] = {}
        self._deaths: Counter[Job] = Counter()

    def run(self, jobs: list[Job]) -> Iterator[Line]:
        """Process the bags; yield the line of each."""
        pending = deque(sorted(jobs, key=Job.size, reverse=True))
        try:
            while pending or self._busy:
                while pending and len(self._busy) < self._count:
                    self._start(pending.popleft())
                done, _ = self._ray.wait(list(self._busy), num_returns=1, timeout=_POLL_S)
                for reference in done:
                    line, again = self._finish(reference)
                    if again is not None:
                        pending.appendleft(again)
                    if line is not None:
                        yield line
        finally:
            self._end()

    def _start(self, job: Job) -> None:
        worker = self._idle.pop() if self._idle else self._make()
        self._busy[worker.process.remote(job)] = worker, job

    def _finish(self, reference: Any) -> tuple[Line | None, Job | None]:
        """Return the line of a bag, or the bag itself if its worker died."""
        worker, job = self._busy.pop(reference)
        try:
            line: Line = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            # one that cannot be reached may still be writing
            self._kill(worker)
            self._deaths[job] += 1
            if self._deaths[job] < ATTEMPTS:
                return None, job
            remove_leftovers(job.result, _PATIENCE_S)
            why = str(error).strip().splitlines()
            return _failed(
                job, f'{ATTEMPTS} workers died while they processed it ({why[0] if why else ""}). '
                'Check the memory of the machines.'
            ), None
        self._idle.append(worker)
        if self._deaths[job]:
            line['attempts'] = self._deaths[job] + 1
        return line, None

    def _kill(self, worker: Any) -> None:
        with contextlib.suppress(Exception):  # it may be dead already
            self._ray.kill(worker, no_restart=True)

    def _end(self) -> None:
        """End all workers, and remove what those in the middle of a bag leave."""
        for worker in [*self._idle, *(worker for worker, _ in self._busy.values())]:
            self._kill(worker)
        for _, job in self._busy.values():
            # a killed process holds its lock until it is gone
            remove_leftovers(job.result, _PATIENCE_S)


def _worker_count(ray: Any, fleet: Fleet, threads: int, jobs: int) -> int:
    """
    Return how many workers are started.

    :raises ConfigError: the cluster has no room for one.
    """
    have = ray.cluster_resources()
    cores, gpus = float(have.get('CPU', 0)), float(have.get('GPU', 0))
    room = int(cores // threads)
    if fleet.gpus:
        room = min(room, int(gpus / fleet.gpus + 1e-6))
    if room < 1:
        raise ConfigError(
            f'--ray {fleet.address}: a worker needs {threads} cores and {fleet.gpus:g} GPUs, but '
            f'the cluster has {cores:g} and {gpus:g}.',
            'Set --threads and --worker-gpus to what it has.',
        )
    return min(room, fleet.workers or room, max(jobs, 1))


def _failed(job: Job, error: str) -> Line:
    return {'bag': str(job.bag), 'result': str(job.result), 'status': FAILED, 'error': error}
