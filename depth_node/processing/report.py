"""What happened to one bag."""

from __future__ import annotations

from dataclasses import dataclass, field
import math
from typing import Any

from depth_node.scale import ScaleState
from depth_node.text import printable

MOST_TEXTS = 20
"""Maximum number of different notes, and of reasons, that are kept."""


@dataclass
class Report:
    """
    Counts and notes of one bag.

    :param images: images of the topic.
    :param frames: images of which something was written.
    :param without_depth: images without metres.
    :param without_why: why the last of them has none.
    :param left_out: number of what could not be used.
    :param reasons: why, the first of them.
    :param notes: what a user should know, each once.
    :param messages: messages written, by topic; 0 for a topic without any.
    :param missing: why there is none, by topic, for those without any.
    :param state: of the scale at the last image.
    """

    images: int = 0
    frames: int = 0
    without_depth: int = 0
    without_why: str = ''
    left_out: int = 0
    reasons: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    messages: dict[str, int] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    state: ScaleState | None = None

    def note(self, text: str) -> None:
        """
        Keep a note.

        :param text: a sentence; '' for none.
        """
        text = printable(text)
        if text and text not in self.notes and len(self.notes) < MOST_TEXTS:
            self.notes.append(text)

    def leave_out(self, reason: str) -> None:
        """
        Count something that could not be used.

        :param reason: why.
        """
        self.left_out += 1
        if len(self.reasons) < MOST_TEXTS:
            self.reasons.append(printable(reason))

    def finish(self) -> None:
        """Note the topics without a message, and why."""
        why = printable(' '.join(filter(None, [
            self.without_why if self.without_depth else '', *self.notes[:3], *self.reasons[:1],
        ])))
        self.missing = {topic: why for topic, count in self.messages.items() if not count}

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON."""
        state = self.state
        scale = None if state is None or math.isnan(state.value) else {
            'source': state.source, 'scale': state.value, 'shift': state.shift,
            'sigma': state.sigma if math.isfinite(state.sigma) else None,  # JSON has no others
        }
        return {
            'images': self.images, 'frames': self.frames, 'without_depth': self.without_depth,
            'without_why': self.without_why, 'left_out': self.left_out,
            'reasons': self.reasons, 'notes': self.notes,
            'messages': self.messages, 'missing': self.missing, 'scale': scale,
        }
