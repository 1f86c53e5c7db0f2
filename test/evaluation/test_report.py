"""Tables, means and pictures of an evaluation."""

import csv

import numpy as np
import pytest

from depth_node.evaluation.metrics import score
from depth_node.evaluation.report import error_picture, Result, summary, UNKNOWN, write_table


def results():
    """Return two frames, one 10 % and one 30 % too far."""
    truth = np.full((4, 5), 2.0)
    return [Result(name, score(truth * factor, truth), 1.0)
            for name, factor in (('a', 1.1), ('b', 1.3))]


def test_summary():
    """Means over frames, with their interval."""
    found = summary(results())
    assert found['abs_rel'] == pytest.approx(0.2)
    assert (found['frames'], found['scale'], found['coverage'], found['pixels']) == (2, 1, 1, 40)
    assert found['interval95']['abs_rel'] == pytest.approx((0.1, 0.3))


def test_table(tmp_path):
    """One row per frame, to be read by any program."""
    write_table(tmp_path / 'a.csv', results())
    with (tmp_path / 'a.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert [row['name'] for row in rows] == ['a', 'b']
    assert float(rows[1]['abs_rel']) == pytest.approx(0.3)
    assert rows[0]['pixels'] == '20'


def test_error_picture():
    """White is right, red too far, blue too near, gray unknown."""
    truth = np.array([[2.0, 2.0, 2.0, np.nan]])
    picture = error_picture(np.array([[2.0, 4.0, 1.0, 1.0]]), truth)
    np.testing.assert_array_equal(picture[0], [[255] * 3, [0, 0, 255], [255, 0, 0], [UNKNOWN] * 3])
    sparse = np.full((9, 9), np.nan)
    sparse[4, 4] = 2.0
    picture = error_picture(np.full((9, 9), 4.0), sparse)
    assert (picture[3:6, 3:6] == [0, 0, 255]).all()
    assert (picture[0] == UNKNOWN).all()
