"""A rosbag in an SQLite database that was cut off: its rows up to the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, ExitStack, suppress
import itertools
from pathlib import Path
import sqlite3
from typing import Any, NamedTuple

_MAGIC = b'SQLite format 3\0'


def is_cut_database(header: bytes, size: int) -> bool:
    """
    Return whether a database file is shorter than its header says (SQLite file format, 1.3).

    :param header: its first 100 bytes.
    :param size: of the file (bytes).
    :returns: whether pages are missing at the end; False for what is no database.
    """
    if len(header) < 100 or not header.startswith(_MAGIC):
        return False
    page = int.from_bytes(header[16:18], 'big')
    pages = int.from_bytes(header[28:32], 'big')
    return size < (65536 if page == 1 else page) * pages


class _Topic(NamedTuple):
    """What rosbags calls a connection."""

    id: int
    topic: str
    msgtype: str
    msgcount: int
    file: int
    msgdef: Any
    digest: str


class _Storage:
    """One database, read from its first row to the first page that is missing."""

    def __init__(self, database: sqlite3.Connection, number: int) -> None:
        self._database = database
        counts: dict[int, int] = {}
        for topic, _, _ in self._rows('topic_id, timestamp, 0'):
            counts[topic] = counts.get(topic, 0) + 1
        known = self._definitions()
        self.connections = [
            _Topic(key, str(name), str(kind), counts.get(key, 0), number, *known(str(kind)))
            for key, name, kind in database.execute('SELECT id, name, type FROM topics')
        ]

    def _definitions(self) -> Callable[[str], tuple[Any, str]]:
        """Return a function from a message type to its definition and hash, if they are here."""
        from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat

        formats = {
            'ros2msg': MessageDefinitionFormat.MSG, 'ros2idl': MessageDefinitionFormat.IDL,
        }
        found: dict[str, tuple[Any, str]] = {}
        with suppress(sqlite3.DatabaseError):  # older than Iron, or cut off
            for kind, form, text, digest in self._database.execute(
                'SELECT topic_type, encoding, encoded_message_definition, type_description_hash '
                'FROM message_definitions'
            ):
                if form in formats:
                    found[kind] = MessageDefinition(formats[form], text), digest
        none = MessageDefinition(MessageDefinitionFormat.NONE, ''), ''
        return lambda kind: found.get(kind, none)

    def messages_scan(self, wanted: list[_Topic]) -> Iterator[tuple[_Topic, int, bytes]]:
        """Iterate over the messages of some topics: connection, time (ns) and content."""
        known = {topic.id: topic for topic in wanted}
        for key, stamp, data in self._rows('topic_id, timestamp, data'):
            if key in known:
                yield known[key], stamp, data

    def _rows(self, columns: str) -> Iterator[tuple[Any, Any, Any]]:
        # in the order of the rows: an index may lie on a page that is missing
        rows = self._database.execute(
            f'SELECT {columns} FROM messages NOT INDEXED ORDER BY rowid'  # noqa: S608
        )
        try:
            yield from rows
        except sqlite3.DatabaseError:
            return


class _Part:
    """A file, as rosbags' readers are."""

    def __init__(self, storage: _Storage) -> None:
        self.storage = storage
        self.connections = storage.connections


class _Tables:
    """Several databases, with the part of rosbags' AnyReader that is used here."""

    truncated = True
    is2 = True

    def __init__(self, parts: list[_Part], typestore: Any) -> None:
        self.readers = parts
        self.connections = list(itertools.chain.from_iterable(p.connections for p in parts))
        self.typestore = typestore

    def deserialize(self, raw: bytes, kind: str) -> Any:
        """Return a message."""
        return self.typestore.deserialize_cdr(raw, kind)


@contextmanager
def cut_database(paths: list[Path]) -> Iterator[Any]:
    """
    Open databases of which one was cut off.

    :param paths: the .db3 files.
    :returns: what :func:`depth_node.sources.rosbag_opening.opened` gives for such a bag.
    :raises sqlite3.DatabaseError: not even its tables can be read.
    """
    from rosbags.typesys import get_typestore, Stores

    with ExitStack() as stack:
        parts = []
        for number, path in enumerate(paths):
            uri = f'{path.resolve().as_uri()}?mode=ro&immutable=1'
            database = stack.enter_context(closing(sqlite3.connect(uri, uri=True)))
            # otherwise, a file shorter than its header says is refused as a whole
            database.execute('PRAGMA writable_schema=ON')
            parts.append(_Part(_Storage(database, number)))
        yield _Tables(parts, get_typestore(Stores.ROS2_HUMBLE))
