"""Text from outside, made fit for a terminal, a log and a diagnostic message."""

from __future__ import annotations

import unicodedata

LONGEST = 2000
"""Characters that a text of an error keeps; the rest is cut."""
_SPACES = frozenset('\n\r\t')


def printable(text: str, longest: int = LONGEST, *, lines: bool = False) -> str:
    """
    Return a text without what a terminal or a log would act upon.

    :param text: maybe with escape sequences, line breaks, direction marks or lone surrogates.
    :param longest: characters to keep; the middle of a longer text is replaced by its length.
    :param lines: whether line breaks and tabs stay; otherwise they become spaces.
    :returns: the text, every other such character written as Python would escape it.
    """
    if len(text) > longest:
        half = max((longest - 40) // 2, 1)
        text = f'{text[:half]} [{len(text) - 2 * half} characters] {text[-half:]}'
    if text.isascii() and text.isprintable():
        return text
    return ''.join(_shown(character, lines) for character in text)


def _shown(character: str, lines: bool) -> str:
    if character in _SPACES:
        return character if lines and character != '\r' else ' '
    if not _acts(character):
        return character
    return character.encode('unicode_escape').decode('ascii')


def _acts(character: str) -> bool:
    """Return whether a character is no visible one: control, format, surrogate, separator."""
    kind = unicodedata.category(character)
    return kind[0] == 'C' or kind in {'Zl', 'Zp'}
