"""Processing of one bag after the other with one engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import hashlib
from pathlib import Path
import time
from typing import Any

from depth_node.catalogue.opening import open_model, overrides_from
from depth_node.engine import open_for
from depth_node.engine.base import Engine
from depth_node.errors import DataError, DepthNodeError, unexpected
from depth_node.files import reason, write_error
from depth_node.image.size import Size
from depth_node.model import Model
from depth_node.processing.bag_run import BagRun, OpenBag
from depth_node.processing.bag_topics import topics_of
from depth_node.processing.bag_writer import BagWriter
from depth_node.processing.options import Options
from depth_node.processing.report import Report
from depth_node.processing.result_folder import recorded, result_folder, write_record
from depth_node.sources.frame import Frame
from depth_node.sources.rosbag_opening import opened, SUFFIXES

DONE, SKIPPED, FAILED = 'done', 'skipped', 'failed'
_END_BYTES = 2**16
"""Of each end of a file of a bag, which are hashed: times are there, and sizes can be equal."""
Line = dict[str, Any]
"""What is reported of one bag, as JSON."""


@dataclass(frozen=True)
class Job:
    """
    One bag of a run.

    :param bag: file or folder.
    :param result: folder of the result.
    """

    bag: Path
    result: Path

    def size(self) -> int:
        """Return the size of the bag (bytes); 0 if it cannot be read, which is reported later."""
        try:
            return sum(file.stat().st_size for file in _files(self.bag))
        except OSError:
            return 0


class Worker:
    """
    Processes bags.

    :param options: what is done with each.
    :param on_read: called with the size of every message that was processed (bytes).
    :raises ModelError: the file of the model cannot be read.
    """

    def __init__(
        self, options: Options, on_read: Callable[[int], None] = lambda _count: None
    ) -> None:
        self._options = options
        self._on_read = on_read
        self._identity = options.identity()
        self._engine: Engine | None = None
        self._opened_for: Size | None = None
        self._model: Model | None = None

    def process(self, job: Job) -> Line:
        """
        Process a bag, unless its result is there.

        :param job: the bag.
        :returns: its line; `status` is done, skipped or failed, and `error` says why it failed.
        """
        begin, cpu = time.monotonic(), time.process_time()
        line: Line = {'bag': str(job.bag), 'result': str(job.result)}
        try:
            line |= self._process(job)
        except DepthNodeError as error:
            line |= {'status': FAILED, 'error': str(error)}
        except OSError as error:
            line |= {'status': FAILED, 'error': str(write_error(job.result, error))}
        except Exception as error:  # noqa: BLE001 - the other bags shall not suffer
            line |= {'status': FAILED, 'error': unexpected(error)}
        seconds = time.monotonic() - begin
        line['seconds'] = round(seconds, 3)
        line['cpu_seconds'] = round(time.process_time() - cpu, 3)
        if line['status'] == DONE:
            line['frames_per_second'] = round(line['frames'] / max(seconds, 1e-9), 2)
        return line

    def close(self) -> None:
        """Close the engine."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _process(self, job: Job) -> Line:
        _check_apart(job)
        source = _source(job.bag)
        before = recorded(job.result)
        if before is not None:
            if before.get('options') == self._identity and before.get('source') == source:
                return {'status': SKIPPED, **before.get('report', {})}
            if not self._options.overwrite:
                what = 'other options' if before.get('source') == source else 'another bag'
                raise DataError(
                    f'{job.result} is the result of {what}.',
                    'Choose another --out, or replace it with --overwrite.',
                )
        report, options = Report(), self._options
        with opened(job.bag) as reader:
            topics = topics_of(reader, job.bag, options)
            with result_folder(job.result, replace=before is not None) as folder:
                with BagWriter(
                    folder, reader, options.storage, compressed=options.compressed
                ) as writer:
                    bag = OpenBag(reader, topics, writer)
                    BagRun(bag, options, self._open, report, self._on_read).run()
                    report.finish()
                    if not report.frames:
                        raise DataError(_nothing(job.bag, report))
                found = report.as_json()
                write_record(folder, {
                    'source': source, 'options': self._identity, 'report': found,
                })
        return {'status': DONE, **found}

    def _open(self, frame: Frame) -> tuple[Engine, Model]:
        """Return the engine for frames of a size; the same for bags of the same size."""
        if self._engine is None or self._model is None or self._opened_for != frame.size:
            self.close()
            config = self._options.config
            self._model = open_model(
                config.model.name, overrides=overrides_from(config.model),
                accept_licence=config.model.accept_licence,
                input_size=config.model.input_size, frame=frame.size,
            )
            self._engine = open_for(self._model, config, frame.size)
            self._opened_for = frame.size
        return self._engine, self._model


def _nothing(bag: Path, report: Report) -> str:
    if not report.images:
        return ' '.join([f'{bag}: has no image that can be read.', *report.reasons[:1]])
    topics = ', '.join(report.messages)
    why = next(iter(report.missing.values()))
    return f'{bag}: nothing of {topics} can be made of its {report.images} images. {why}'


def _files(bag: Path) -> list[Path]:
    """Return the files of a bag."""
    files = [bag] if bag.is_file() else sorted(bag.iterdir())
    return [file for file in files if file.is_file()]


def _source(bag: Path) -> dict[str, list[Any]]:
    """Return size (bytes) and a hash of the ends of each file of a bag."""
    try:
        return {file.name: [file.stat().st_size, _hash_of_ends(file)] for file in _files(bag)}
    except OSError as error:
        raise DataError(f'{bag}: cannot be read ({reason(error)}).') from error


def _hash_of_ends(path: Path) -> str:
    with path.open('rb') as file:
        digest = hashlib.sha256(file.read(_END_BYTES))
        file.seek(max(0, path.stat().st_size - _END_BYTES))
        digest.update(file.read(_END_BYTES))
    return digest.hexdigest()


def _check_apart(job: Job) -> None:
    """Refuse to write a result over its own bag, into it, or around it."""
    bag, result = job.bag.resolve(), job.result.resolve()
    if bag == result or bag in result.parents or result in bag.parents:
        raise DataError(
            f'{job.bag}: its result would be {job.result}, in the place of the bag itself.',
            'Choose another --out.',
        )


def jobs_of(bags: list[Path], out: Path) -> list[Job]:
    """
    Give every bag a folder for its result.

    :param bags: files or folders.
    :param out: folder of the results.
    :returns: jobs in the order of the bags. Bags of the same name get the names of the folders
        above them in front.
    :raises DataError: a bag is there twice.
    """
    places = [bag.resolve() for bag in bags]
    twice = {place for place in places if places.count(place) > 1}
    if twice:
        raise DataError(f'{min(twice)} is given twice.', 'Give every bag once.')
    depth = dict.fromkeys(places, 0)
    names = {place: _name(place, 0) for place in places}
    while clashes := [p for p in places if list(names.values()).count(names[p]) > 1]:
        for place in clashes:
            depth[place] += 1
            names[place] = _name(place, depth[place])
            if depth[place] > len(place.parts):
                raise DataError(
                    f'{place}: another bag would have the same result, {out / names[place]}.',
                    'Process them into different folders.',
                )
    return [Job(bag, out / names[place]) for bag, place in zip(bags, places, strict=True)]


def _name(place: Path, depth: int) -> str:
    """Return the name of a bag; with more depth, with its suffix and the folders above it."""
    if depth:
        return '_'.join(part.strip('/') for part in place.parts[-depth:])
    name = place.name
    for suffix in () if place.is_dir() else ('.zstd', *SUFFIXES):
        name = name.removesuffix(suffix)
    return name or place.name
