"""Frames of a data set, read when they are asked for, and finding their files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from depth_node.errors import DataError
from depth_node.sources.frame import Frame
from depth_node.sources.skipping import OnSkip, refuse


@dataclass(frozen=True)
class Dataset(Sequence[Frame]):
    """
    Frames that are read when they are asked for.

    :param names: of the frames, in order.
    :param read: from a name to its frame.
    """

    names: tuple[str, ...]
    read: Callable[[str], Frame]

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.names)

    def __getitem__(self, index: int) -> Frame:  # type: ignore[override]
        """Read one frame."""
        return self.read(self.names[index])

    def __iter__(self) -> Iterator[Frame]:
        """Iterate over the frames, reading one at a time."""
        return self.frames(refuse)

    def frames(self, on_skip: OnSkip) -> Iterator[Frame]:
        """
        Iterate over the frames that can be read.

        :param on_skip: called with the reason for every other one.
        :returns: the frames, read one at a time.
        """
        for name in self.names:
            try:
                frame = self.read(name)
            except DataError as error:
                on_skip(error)
                continue
            yield frame

    def first(self, count: int) -> Dataset:
        """
        Return the first frames.

        :param count: how many; 0: all.
        :returns: a data set of them.
        """
        return Dataset(self.names[:count or None], self.read)


def stems_in(folder: Path, suffixes: Sequence[str]) -> tuple[str, ...]:
    """
    List the names of the files of a folder, without suffix; hidden files are left out.

    :param folder: that holds them.
    :param suffixes: those of interest, in lower case.
    :returns: the names; whole numbers in their order.
    :raises DataError: no such folder, or no such file in it.
    """
    if not folder.is_dir():
        raise DataError(f'{folder}: no such folder.')
    names = {
        path.stem for path in folder.iterdir()
        if path.suffix.lower() in suffixes and not path.name.startswith('.')
    }
    if not names:
        raise DataError(f'{folder}: contains no {", ".join(suffixes)} file.')
    return tuple(sorted(names, key=lambda name: (len(name), name) if name.isdecimal()
                        else (1000, name)))


def find_file(folder: Path, name: str, suffixes: Sequence[str]) -> Path:
    """
    Find the file of a name.

    :param folder: that holds it.
    :param name: without suffix.
    :param suffixes: those tried, in lower case.
    :returns: the file.
    :raises DataError: there is none.
    """
    for suffix in suffixes:
        if (folder / f'{name}{suffix}').is_file():
            return folder / f'{name}{suffix}'
    raise DataError(f'{folder}: has no {name} ({", ".join(suffixes)}).')
