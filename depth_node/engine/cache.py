"""
The cache of compiled engines: plans with their descriptions.

``NAME-KEY.plan`` is the engine, and ``NAME-KEY.json`` describes what it was built from and for,
and how accurate it is; others are :data:`COMPANIONS`. KEY is a hash of everything that a plan
depends on, so any change builds another one. A plan that does not match its description is set
aside.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
import contextlib
import dataclasses
from dataclasses import dataclass
import hashlib
import json
from pathlib import Path
import re
from types import MappingProxyType
from typing import Any

from depth_node.engine.base import Log
from depth_node.engine.cache_folder import writable
from depth_node.errors import CancelledError, DataError, EngineError
from depth_node.files import locked, PART, read_regular, read_text, remove_abandoned, replacing

FORMAT = 2
SAMPLE, LAYERS, PROFILE = '.npz', '.layers.json', '.profile.json'
COMPANIONS = (SAMPLE, LAYERS, PROFILE)
"""Suffixes of files stored with a plan: a sample frame with its result, layers, their times."""
_COMPANION_BYTES = 2**28
_ASIDE = '.bad'


@dataclass(frozen=True)
class Key:
    """
    Everything that a plan depends on; the size of the camera is not part of it.

    :param graph: sha256 of the merged graph in fp32, including weights.
    :param runtime: name and version of the builder; plans of other versions cannot be loaded.
    :param gpu: name of the GPU it was tuned for.
    :param capability: compute capability of that GPU, like 8.7.
    :param precision: the requested precision; the actual one is in the metadata.
    :param settings: settings of the builder.
    :param hardware: other properties that distinguish GPUs of one name and capability.
    """

    graph: str
    runtime: str
    gpu: str
    capability: str
    precision: str
    settings: Mapping[str, Any]
    hardware: str = ''

    @property
    def digest(self) -> str:
        """Hash of all fields, 16 hexadecimal digits."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class KeptEngine:
    """
    One compiled engine on disk.

    :param path: the plan.
    :param metadata: its description.
    """

    path: Path
    metadata: dict[str, Any]


class EngineCache:
    """
    A folder of compiled engines.

    :param folder: the folder, created when the first engine is stored.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str, key: Key) -> Path:
        """
        Return the path of the plan of an engine.

        :param name: name of the model and its size, for display.
        :param key: what the plan depends on.
        :returns: the path, which may not exist.
        """
        return self.folder / f'{re.sub(r"[^A-Za-z0-9._-]+", "_", name)}-{key.digest}.plan'

    def load(
        self, name: str, key: Key, *, tidy: bool = True
    ) -> tuple[bytes, dict[str, Any]] | None:
        """
        Load an engine, if there is a complete one.

        :param name: name used for storing.
        :param key: key used for storing.
        :param tidy: whether to set a damaged one aside. Only with the lock, because an engine
            that looks damaged may be in the process of being written.
        :returns: plan and metadata; None if there is no complete one.
        """
        path = self.path(name, key)
        if not path.exists():
            return None
        try:
            metadata = json.loads(read_text(_beside(path)))
            plan = read_regular(path, metadata['plan_bytes'])
            good = (
                metadata['format'] == FORMAT
                and metadata['key'] == json.loads(json.dumps(dataclasses.asdict(key)))
                and metadata['plan_sha256'] == hashlib.sha256(plan).hexdigest()
            )
        except (DataError, ValueError, TypeError, KeyError):
            good = False
        if not good:
            if tidy:
                self.set_aside(name, key)
            return None
        return plan, metadata

    def companion(
        self, name: str, key: Key, ending: str, metadata: Mapping[str, Any]
    ) -> bytes | None:
        """
        Read a file stored with a plan.

        :param name: name used for storing.
        :param key: key used for storing.
        :param ending: one of :data:`COMPANIONS`.
        :param metadata: metadata of the plan.
        :returns: the content; None if there is no complete one.
        """
        try:
            content = read_regular(self.path(name, key).with_suffix(ending), _COMPANION_BYTES)
            wanted = metadata['companions'][ending]
        except (DataError, TypeError, KeyError):
            return None
        return content if hashlib.sha256(content).hexdigest() == wanted else None

    def store(
        self, name: str, key: Key, plan: bytes, facts: Mapping[str, Any],
        companions: Mapping[str, bytes] = MappingProxyType({}),
    ) -> Path:
        """
        Store an engine atomically.

        :param name: name of the model and its size, for display.
        :param key: what the plan depends on.
        :param plan: the engine.
        :param facts: other metadata.
        :param companions: files to store with it, by suffix.
        :returns: the path of the plan.
        :raises EngineError: the folder is read-only or full; nothing partial remains.
        """
        path = self.path(name, key)
        metadata = {
            'format': FORMAT,
            'name': name,
            'key': dataclasses.asdict(key),
            'plan_sha256': hashlib.sha256(plan).hexdigest(),
            'plan_bytes': len(plan),
            'companions': {
                ending: hashlib.sha256(content).hexdigest()
                for ending, content in companions.items()
            },
            **facts,
        }
        writable(self.folder)
        text = json.dumps(metadata, indent=2, default=str) + '\n'
        # a plan without a description is as good as none, so the description comes last
        write_whole(path, plan)
        for ending, content in companions.items():
            write_whole(path.with_suffix(ending), content)
        write_whole(_beside(path), text.encode())
        return path

    @contextlib.contextmanager
    def alone(
        self, name: str, key: Key, *, cancelled: Callable[[], bool], log: Log
    ) -> Iterator[None]:
        """
        Let one process at a time look up and build an engine.

        :param name: name of the engine.
        :param key: key of the engine.
        :param cancelled: called while another process builds; returns whether to cancel.
        :param log: called if another process has the lock, or if there can be no lock; then all
            processes continue without it.
        :raises CancelledError: it was cancelled.
        """
        path = self.path(name, key).with_suffix('.lock')
        with contextlib.ExitStack() as stack:
            try:
                writable(self.folder)
                stack.enter_context(locked(
                    path,
                    cancelled=cancelled,
                    waiting=lambda: log(
                        'Waiting for another process that opens or builds this engine.'
                    ),
                ))
            except CancelledError:
                raise
            except (EngineError, OSError) as error:
                log(
                    f'{error} Without a lock, processes that start together may each build the '
                    'engine.'
                )
            yield

    def set_aside(self, name: str, key: Key) -> None:
        """
        Rename a plan that does not work, and keep it for inspection.

        :param name: name used for storing.
        :param key: key used for storing.
        """
        path = self.path(name, key)
        for file in (path, _beside(path), *(path.with_suffix(end) for end in COMPANIONS)):
            # read-only, or gone already: the next build overwrites it, or does without a cache
            with contextlib.suppress(OSError):
                file.replace(file.with_name(file.name + _ASIDE))

    def entries(self) -> list[KeptEngine]:
        """
        Return the engines in the cache.

        :returns: the engines with a valid description, by name.
        """
        found = []
        for path in sorted(self.folder.glob('*.plan')):
            try:
                metadata = json.loads(read_text(_beside(path)))
            except (DataError, ValueError):
                continue
            if _is_ours(metadata):
                found.append(KeptEngine(path, metadata))
        return found

    def prune(self, runtime: str = '', gpus: Collection[str] = ()) -> list[Path]:
        """
        Delete files that cannot be used any more.

        :param runtime: delete engines of other runtimes; empty: keep all runtimes.
        :param gpus: delete engines of other GPUs; empty: keep all GPUs.
        :returns: the deleted files.
        """
        unfinished = {path for path in self.folder.glob(f'.*{PART}') if remove_abandoned(path)}
        doomed = set(self.folder.glob(f'*{_ASIDE}'))
        kept = self.entries()
        doomed |= set(self.folder.glob('*.plan')) - {entry.path for entry in kept}
        for entry in kept:
            key = entry.metadata['key']
            foreign = bool(gpus) and key.get('gpu') not in gpus
            if foreign or key.get('runtime') != (runtime or key.get('runtime')):
                doomed.add(entry.path)
        for path in (*self.folder.glob('*.json'), *self.folder.glob('*.npz')):
            plan = _plan_of(path)
            if plan in doomed or not plan.exists():
                doomed.add(path)
        for path in doomed:
            with contextlib.suppress(OSError):
                path.unlink()
        return sorted(unfinished | {path for path in doomed if not path.exists()})


def write_whole(path: Path, content: bytes) -> None:
    """
    Write a file atomically, even if the power fails.

    :param path: the file.
    :param content: its content.
    :raises EngineError: read-only or full.
    """
    try:
        with replacing(path, durable=True) as temporary:
            temporary.write_bytes(content)
    except DataError as error:
        raise EngineError(
            f'{error.problem} It needs {len(content) / 1e6:.0f} MB.',
            'Free some space, or set engine.cache_dir.',
        ) from error


def _is_ours(metadata: Any) -> bool:
    """Return whether a description has the fields that readers need; it may have been edited."""
    return (
        isinstance(metadata, dict)
        and metadata.get('format') == FORMAT
        and isinstance(metadata.get('key'), dict)
        and isinstance(metadata.get('plan_bytes'), int)
    )


def _plan_of(path: Path) -> Path:
    """Return the plan that a description or companion belongs to."""
    ending = next(end for end in (*COMPANIONS, '.json') if path.name.endswith(end))
    return path.with_name(path.name.removesuffix(ending) + '.plan')


def _beside(path: Path) -> Path:
    return path.with_suffix('.json')
