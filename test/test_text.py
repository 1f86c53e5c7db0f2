"""Strangers' text in errors, logs and diagnostics."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import pytest

from depth_node.errors import DataError
from depth_node.text import LONGEST, printable


@pytest.mark.parametrize(('text', 'shown'), [
    ('camera_optical_frame', 'camera_optical_frame'),
    ('Kamera für drüben, 相机', 'Kamera für drüben, 相机'),
    ('\x1b[2J\x1b[31mred', r'\x1b[2J\x1b[31mred'),
    ('a\n[FATAL] [0.0] [depth_node]: stop', 'a [FATAL] [0.0] [depth_node]: stop'),
    ('a\r\tb', 'a  b'),
    ('\x00', r'\x00'),
    ('abc\u202ecba', r'abc\u202ecba'),
    ('\ud800', r'\ud800'),
    ('\x9b31m', r'\x9b31m'),
    ('\u2028', r'\u2028'),
])
def test_what_a_terminal_would_act_upon_is_escaped(text, shown):
    assert printable(text) == shown


def test_line_breaks_stay_where_they_are_wanted():
    assert printable('a\n\tb\x1b', lines=True) == 'a\n\tb\\x1b'


def test_a_long_text_is_cut_and_says_so():
    text = printable('x' * 20_000 + 'end')
    assert len(text) <= LONGEST
    assert 'characters]' in text
    assert text.endswith('end')


@given(st.text(st.characters(), max_size=300))
def test_whatever_it_is_one_line_and_can_be_written(text):
    shown = printable(text)
    shown.encode('utf-8')  # raises where a surrogate is left
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown


def test_every_error_of_ours_is_fit_for_a_terminal():
    error = DataError('topic \x1b[2J\n[FATAL] ' + 'x' * 100_000, 'Do \x07this.')
    assert '\x1b' not in str(error)
    assert '\n' not in str(error)
    assert '\x07' not in error.remedy
    assert len(str(error)) < 2 * LONGEST + 2
