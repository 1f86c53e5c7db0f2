"""Every parser, for a moment: good input with bytes changed, cut, doubled and inserted."""

from __future__ import annotations

import os
import time

from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
import pytest
from targets import survives, TARGETS

CASES = int(os.environ.get('DEPTH_NODE_FUZZ_CASES', '150'))
"""Per parser; `DEPTH_NODE_FUZZ_CASES=100000 pytest test/fuzz` is the long run."""
HANG_S = 5.0
"""One second on a machine of its own; a shared one is given more."""

EDITS = st.lists(
    st.tuples(
        st.floats(0, 1), st.sampled_from(('set', 'cut', 'insert', 'double')),
        st.one_of(
            st.binary(min_size=1, max_size=9),
            st.sampled_from((
                b'\x00' * 4, b'\xff' * 4, b'\xff\xff\xff\x7f', b'1e400', b'-1', b'nan', b'null',
                b'[[[[', b'{}', b'&a', b'*a', b'9' * 400, b'true', b'\x00\x00\xf8\x7f',
            )),
        ),
    ),
    min_size=1, max_size=8,
)


def edited(seed: bytes, edits: list[tuple[float, str, bytes]]) -> bytes:
    """Apply edits to a seed, one after the other."""
    data = bytearray(seed)
    for where, how, what in edits:
        at = int(where * len(data))
        if how == 'set':
            data[at:at + len(what)] = what
        elif how == 'cut':
            del data[at:at + 7 * len(what)]
        elif how == 'insert':
            data[at:at] = what
        else:
            data[at:at] = data[at:at + 64]
    return bytes(data)


@pytest.mark.timeout(0 if CASES > 1000 else 180)
@pytest.mark.parametrize('name', TARGETS)
def test_only_our_errors_come_out(name: str) -> None:
    """Whatever the bytes are: an answer or a DepthNodeError, and soon."""
    target = TARGETS[name]
    seeds = target.seeds()
    for seed in seeds:
        target.parse(seed)  # good input is taken, or nothing behind it would be reached

    @settings(
        max_examples=CASES, deadline=None, database=None, derandomize=CASES <= 1000,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(seeds), EDITS)
    def case(seed: bytes, edits: list[tuple[float, str, bytes]]) -> None:
        start = time.monotonic()
        survives(target, edited(seed, edits))
        assert time.monotonic() - start < HANG_S

    case()


@pytest.mark.parametrize('name', TARGETS)
def test_nothing_and_noise(name: str) -> None:
    """Empty input, zeros, ones and noise."""
    import random

    noise = random.Random(0).randbytes(2000)
    for data in (b'', b'\x00' * 300, b'\xff' * 300, noise):
        survives(TARGETS[name], data)
