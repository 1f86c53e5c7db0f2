"""A line for everything worth one, and none that a stranger shapes."""

from __future__ import annotations

from depth_node.ros.log import BURST, Log, LONGEST_LINE, REFILL_S


class Written:
    """A logger that keeps its lines."""

    def __init__(self):
        self.lines = []

    def info(self, text):
        self.lines.append(('info', text))

    def warning(self, text):
        self.lines.append(('warning', text))

    def error(self, text):
        self.lines.append(('error', text))

    def fatal(self, text):
        self.lines.append(('fatal', text))


def test_what_strangers_wrote_is_one_printable_line():
    written = Written()
    lines = Log(written)
    for write in (lines.info, lines.warning, lines.error, lines.fatal):
        write('frame a\n[FATAL] [0.0] [depth_node]: stop \x1b[2J' + 'x' * 100_000)
    for _, line in written.lines:
        assert '\n' not in line
        assert '\x1b' not in line
        assert len(line) <= LONGEST_LINE


def test_lines_of_one_key_are_few_and_counted():
    now = [0.0]
    written = Written()
    lines = Log(written, lambda: now[0])
    for number in range(10_000):
        now[0] += 0.01
        lines.warning(f'encoding {number} is not known', 'frame')
    expected = BURST + int(100 / REFILL_S)
    assert abs(len(written.lines) - expected) <= 1
    assert 'similar lines left out' in written.lines[-1][1]
    lines.warning('another key', 'scale')
    assert written.lines[-1] == ('warning', 'another key')


def test_what_a_person_causes_is_always_written():
    written = Written()
    lines = Log(written)
    for _ in range(100):
        lines.info('listening to /image')
    assert len(written.lines) == 100
