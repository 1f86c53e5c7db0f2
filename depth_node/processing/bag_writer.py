"""Writing of a rosbag: what was recorded, unchanged, and messages of our own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, ExitStack
from dataclasses import dataclass
from pathlib import Path
import sqlite3
from typing import Any

import numpy as np

from depth_node.errors import DataError
from depth_node.image.data import bytes_of
from depth_node.output.message_fields import Fields
from depth_node.sources.frame import SECOND

STORAGES = ('mcap', 'sqlite3')
_VERSION = 9
"""Of the metadata: what Iron and later write, and Humble reads."""
_ZERO = {'string': '', 'bool': False, 'float32': 0.0, 'float64': 0.0}
_NO_HASH = 'RIHS01_' + 64 * '0'


@dataclass(frozen=True)
class Head:
    """
    The times and the frame of a message.

    :param when: time of recording (ns).
    :param stamp: of its header (ns).
    :param frame_id: of its header.
    """

    when: int
    stamp: int
    frame_id: str


class BagWriter:
    """
    Writes a bag of the kind of another one: of ROS 2, or of ROS 1.

    :param folder: where the bag is written; a folder that does not exist yet.
    :param reader: the other bag (``rosbag_opening.opened``).
    :param storage: of a bag of ROS 2: one of :data:`STORAGES`.
    :param compressed: of a bag of ROS 2 in mcap: whether its chunks are compressed (zstd).
    :raises DataError: the database cannot be written, as on a full disk.
    """

    def __init__(
        self, folder: Path, reader: Any, storage: str = 'mcap', *, compressed: bool = False
    ) -> None:
        from rosbags.typesys import get_typestore, Stores

        self._reader, self._folder = reader, folder
        self._ros2 = bool(reader.is2)
        self._store = get_typestore(Stores.ROS2_HUMBLE if self._ros2 else Stores.ROS1_NOETIC)
        self._stack = ExitStack()
        self._connections: dict[tuple[str, str], Any] = {}
        self.not_copied: dict[str, str] = {}
        """Topics that could not be copied, and why."""
        writer: Any
        if self._ros2:
            from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

            plugin = StoragePlugin.MCAP if storage == 'mcap' else StoragePlugin.SQLITE3
            writer = Writer(folder, version=_VERSION, storage_plugin=plugin)
            if compressed:
                writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        else:
            from rosbags.rosbag1 import Writer as Writer1

            folder.mkdir()
            writer = Writer1(folder / f'{folder.name}.bag')
        self._writer = writer

    def __enter__(self) -> BagWriter:
        """Create the files."""
        with self._writing():
            self._stack.enter_context(self._writer)
        return self

    def __exit__(self, *error: object) -> None:
        """Close the files; the index is written if there was no error."""
        with self._writing():
            self._stack.__exit__(*error)  # type: ignore[arg-type]

    def copy(self, connection: Any, when: int, raw: bytes) -> None:
        """
        Copy a message.

        :param connection: of the other bag.
        :param when: when it was recorded (ns).
        :param raw: as it was serialized.
        """
        key = connection.topic, connection.msgtype
        if key not in self._connections:
            self._connections[key] = self._copied(connection)
        mine = self._connections[key]
        if mine is not None:
            with self._writing():
                self._writer.write(mine, when, raw)

    def write(self, topic: str, kind: str, head: Head, fields: Fields) -> None:
        """
        Write a message.

        :param topic: absolute name.
        :param kind: message type.
        :param head: its times and its frame.
        :param fields: the other fields by their names in ROS 2; those that are missing are zero.
        """
        key = topic, kind
        if key not in self._connections:
            self._connections[key] = self._writer.add_connection(
                topic, kind, typestore=self._store
            )
        seconds, rest = divmod(head.stamp, SECOND)
        header = {'stamp': {'sec': seconds, 'nanosec': rest}, 'frame_id': head.frame_id}
        message = self._message(kind, {**fields, 'header': header})
        serialize = self._store.serialize_cdr if self._ros2 else self._store.serialize_ros1
        with self._writing():
            self._writer.write(self._connections[key], head.when, serialize(message, kind))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Convert errors of the database, which has its own for a full disk."""
        try:
            yield
        except sqlite3.Error as error:
            raise DataError(
                f'{self._folder}: cannot be written ({error}).',
                'Free some space on that disk, or write somewhere else.',
            ) from error

    def _message(self, kind: str, fields: Fields) -> Any:
        """Return a message of rosbags; fields that are missing are zero."""
        values = {}
        for name, described in self._store.fielddefs[kind][1]:
            # the matrices of CameraInfo are capital letters in ROS 1
            given = fields.get(name if name in fields else name.lower())
            values[name] = self._value(described, given)
        return self._store.types[kind](**values)

    def _value(self, described: Any, given: Any) -> Any:
        """Return the value of a field as rosbags serializes it."""
        node, details = described
        if node.name == 'NAME':
            return self._message(details, given or {})
        if node.name == 'BASE':
            return given if given is not None else _ZERO.get(details[0], 0)
        (inner, of), count = details
        if inner.name == 'NAME':
            return [self._message(of, item) for item in given or ()]
        if of[0] == 'uint8' and given is not None:
            return bytes_of(given)
        return np.zeros(count, of[0]) if given is None else np.asarray(given, of[0])

    def _copied(self, connection: Any) -> Any:
        """Return the connection for the copies of a topic, or None if there can be none."""
        found = self._definition(connection)
        if found is None:
            self.not_copied[connection.topic] = (
                f'{connection.topic} was not copied: the bag has no definition of its type '
                f'{connection.msgtype}'
            )
            return None
        text, digest = found
        extra: Any = getattr(connection, 'ext', None)
        if not self._ros2:
            return self._writer.add_connection(
                connection.topic, connection.msgtype, msgdef=text, md5sum=digest,
                callerid=extra.callerid, latching=extra.latching,
            )
        return self._writer.add_connection(
            connection.topic, connection.msgtype, msgdef=text, rihs01=digest,
            offered_qos_profiles=getattr(extra, 'offered_qos_profiles', ()),
        )

    def _definition(self, connection: Any) -> tuple[str, str] | None:
        """Return the definition of a message type and its hash, which belong together."""
        store, kind = self._reader.typestore, connection.msgtype
        given = connection.msgdef.format.name != 'NONE'
        try:
            if self._ros2:
                text = connection.msgdef.data if given else store.generate_msgdef(
                    kind, ros_version=2
                )[0]
                digest = (connection.digest if given else '') or store.hash_rihs01(kind)
                return text, digest or _NO_HASH
            text, digest = store.generate_msgdef(kind)
            return connection.msgdef.data or text, connection.digest or digest
        except Exception:  # noqa: BLE001 - of a type that the typestore does not know
            return None
