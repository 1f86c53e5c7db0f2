"""Reading ahead in a recording: what belongs to a frame may have been recorded after it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from depth_node.sources.frame import SECOND

Stored: TypeAlias = 'tuple[Any, int, bytes]'
"""Connection, when it was recorded (ns), and the serialized message."""
SPAN_S = 0.5
"""How far is read ahead (s): as long as a message of the node waits for its transform."""
MOST_BYTES = 2**28
"""Maximum size of what is held (bytes): several cameras fill it before the span."""


def looking_ahead(
    messages: Iterable[Stored], look: Callable[[Stored], None], span: float = SPAN_S,
    most: int = MOST_BYTES,
) -> Iterator[Stored]:
    """
    Iterate over messages, each of which is looked at some time before it comes.

    :param messages: in the order of time.
    :param look: called with each of them when it is read.
    :param span: how far is read ahead (s).
    :param most: maximum size of the messages that are held (bytes), of which at least one comes.
    :returns: the messages, in the same order.
    """
    waiting: deque[Stored] = deque()
    held = 0
    for message in messages:
        look(message)
        waiting.append(message)
        held += len(message[2])
        while waiting and (message[1] - waiting[0][1] > span * SECOND or held > most):
            first = waiting.popleft()
            held -= len(first[2])
            yield first
    yield from waiting
