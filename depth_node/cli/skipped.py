"""Frames that could not be used: one warning each, and an exit code of their own at the end."""

from __future__ import annotations

import sys

from depth_node.errors import DataError

PARTIAL = 1
"""Exit code of a verb that left out a part of its input."""
_MOST_LINES = 20


class Skipped:
    """
    Collects the frames of a run that are left out.

    The first one is held back until there is another frame, so that an input that is nothing but
    one broken file ends with one line.

    :param verb: for the messages.
    """

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._held: DataError | None = None
        self._texts: list[str] = []

    def __call__(self, error: DataError) -> None:
        """
        Leave out a frame.

        :param error: why.
        """
        if not self._texts:
            self._held = error
        else:
            self.frame()
            self._say(str(error))
        self._texts.append(str(error))

    def frame(self) -> None:
        """Note that there is another frame."""
        if self._held is not None:
            self._say(str(self._held))
            self._held = None

    @property
    def reasons(self) -> list[str]:
        """Why each frame was left out."""
        return list(self._texts)

    def finish(self, used: int) -> int:
        """
        End a run.

        :param used: frames that were used.
        :returns: its exit code.
        :raises DataError: nothing could be used.
        """
        count = len(self._texts)
        if not used and self._held is not None:
            raise self._held
        self.frame()
        if not used and count:
            raise DataError(f'None of the {count} frames can be used.')
        if count:
            self._say(f'{count} of {used + count} frames were left out.', always=True)
        return PARTIAL if count else 0

    def _say(self, text: str, *, always: bool = False) -> None:
        if len(self._texts) < _MOST_LINES or always:
            print(f'depth-node {self._verb}: {text}', file=sys.stderr)
        elif len(self._texts) == _MOST_LINES:
            print(f'depth-node {self._verb}: more frames are left out.', file=sys.stderr)
