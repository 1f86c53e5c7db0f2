"""
Compiled engines between runs: a plan and what is known about it, in a few files.

``NAME-KEY.plan`` is the engine, ``NAME-KEY.json`` says what it was built from and for, and how
well it agreed with the network; others are :data:`COMPANIONS`. KEY is a hash of everything a plan
depends on, so any change builds another one. A plan unlike its description is set aside.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
import contextlib
import dataclasses
from dataclasses import dataclass
import hashlib
import json
import os
from pathlib import Path
import re
import tempfile
from types import MappingProxyType
from typing import Any

from depth_node.engine.base import Log
from depth_node.errors import CancelledError, DataError, EngineError
from depth_node.files import locked, PART, read_regular, read_text, remove_abandoned, replacing

FORMAT = 2
SAMPLE, LAYERS, PROFILE = '.npz', '.layers.json', '.profile.json'
COMPANIONS = (SAMPLE, LAYERS, PROFILE)
"""Endings of what may lie with a plan: a frame with its answer, its layers, their times."""
_COMPANION_BYTES = 2**28
_ASIDE = '.bad'


def engine_cache_root(configured: str = '') -> Path:
    """
    Find the folder compiled engines are kept in; it need not exist yet.

    :param configured: ``engine.cache_dir``; empty: ``depth_node`` under ``$XDG_CACHE_HOME``, or
        under ``~/.cache``.
    :returns: the folder.
    :raises EngineError: there is no home folder to put it in.
    """
    if configured:
        return Path(configured).expanduser()
    # the XDG specification: relative values are to be ignored
    home = os.environ.get('XDG_CACHE_HOME', '')
    try:
        base = Path(home) if Path(home).is_absolute() else Path('~/.cache').expanduser()
    except RuntimeError as error:  # a user without a home, as containers have them
        raise EngineError(
            'This user has no home folder for the cache of engines.',
            'Set engine.cache_dir, HOME or XDG_CACHE_HOME.',
        ) from error
    return base / 'depth_node'


def writable(folder: Path) -> Path:
    """
    Make a folder, and say clearly when it cannot be written.

    :param folder: wanted.
    :returns: `folder`, existing.
    :raises EngineError: it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # without a name that another thread, or another container's process, could have too
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise EngineError(
            f'The cache folder {folder} cannot be written ({error.strerror}).',
            'Set engine.cache_dir to one that can.',
        ) from error
    return folder


@dataclass(frozen=True)
class Key:
    """
    Everything a plan depends on; the camera's size is not among it.

    :param graph: sha256 of the merged graph in fp32, weights included.
    :param runtime: name and version of what built it; plans of other versions do not load.
    :param gpu: name of the GPU it was tuned on.
    :param capability: compute capability of that GPU, like 8.7.
    :param precision: what was asked for; what came of it stands in the metadata.
    :param settings: of the builder.
    :param hardware: what else tells apart GPUs of one name and capability.
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
        """16 hexadecimal digits that stand for all of it."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class KeptEngine:
    """
    One compiled engine on disk.

    :param path: the plan.
    :param metadata: what the file beside it says.
    """

    path: Path
    metadata: dict[str, Any]


class EngineCache:
    """
    A folder of compiled engines.

    :param folder: where; made when the first engine is stored.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str, key: Key) -> Path:
        """
        Name the plan of an engine.

        :param name: of the model and its size; for people.
        :param key: what decides.
        :returns: the path, whether there is such a file or not.
        """
        return self.folder / f'{re.sub(r"[^A-Za-z0-9._-]+", "_", name)}-{key.digest}.plan'

    def load(
        self, name: str, key: Key, *, tidy: bool = True
    ) -> tuple[bytes, dict[str, Any]] | None:
        """
        Read an engine, if there is a whole one.

        :param name: as it was stored.
        :param key: as it was stored.
        :param tidy: whether a damaged one is set aside. Not without the lock: what looks damaged
            may be about to be whole.
        :returns: plan and metadata; None when there is none that is whole.
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
        Read what was stored with a plan.

        :param name: as it was stored.
        :param key: as it was stored.
        :param ending: of :data:`COMPANIONS`.
        :param metadata: of the plan.
        :returns: the content; None when there is none that is whole.
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
        Keep an engine; readers see a whole one or none.

        :param name: of the model and its size; for people.
        :param key: what decides.
        :param plan: the engine.
        :param facts: what else to write down.
        :param companions: what lies with it, by ending.
        :returns: the path of the plan.
        :raises EngineError: the folder is read-only or full; nothing half written stays.
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
        Let one process at a time look for an engine and build it; the others find it then.

        :param name: as it will be stored.
        :param key: as it will be stored.
        :param cancelled: asked while another process builds.
        :param log: told that another process has the lock, or that there can be none; then
            everybody goes on without.
        :raises CancelledError: `cancelled` said so.
        """
        path = self.path(name, key).with_suffix('.lock')
        with contextlib.ExitStack() as stack:
            try:
                writable(self.folder)
                stack.enter_context(locked(
                    path,
                    cancelled=cancelled,
                    waiting=lambda: log('Another process opens or builds this engine; waiting.'),
                ))
            except CancelledError:
                raise
            except (EngineError, OSError) as error:
                log(f'{error} Not locked: processes that start together may each build it.')
            yield

    def set_aside(self, name: str, key: Key) -> None:
        """
        Get a plan that does not work out of the way, keeping it for whoever wants to look.

        :param name: as it was stored.
        :param key: as it was stored.
        """
        path = self.path(name, key)
        for file in (path, _beside(path), *(path.with_suffix(end) for end in COMPANIONS)):
            # read-only, or gone already: the next build overwrites it, or does without a cache
            with contextlib.suppress(OSError):
                file.replace(file.with_name(file.name + _ASIDE))

    def entries(self) -> list[KeptEngine]:
        """
        List the engines kept here.

        :returns: those whose description is one of ours, by name.
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
        Delete what no engine can use any more.

        :param runtime: engines of any other are deleted; empty: all runtimes stay.
        :param gpus: engines of any other are deleted; empty: all GPUs stay.
        :returns: the files deleted.
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
    Write a file so that it is there whole or not at all, also after a power cut.

    :param path: where.
    :param content: what.
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
    """Whether a description has what readers rely on; somebody may have changed it."""
    return (
        isinstance(metadata, dict)
        and metadata.get('format') == FORMAT
        and isinstance(metadata.get('key'), dict)
        and isinstance(metadata.get('plan_bytes'), int)
    )


def _plan_of(path: Path) -> Path:
    """Name the plan that a file with a description, or a companion, lies with."""
    ending = next(end for end in (*COMPANIONS, '.json') if path.name.endswith(end))
    return path.with_name(path.name.removesuffix(ending) + '.plan')


def _beside(path: Path) -> Path:
    return path.with_suffix('.json')
