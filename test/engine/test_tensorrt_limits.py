"""Memory that a build may take, and what running out of it looks like."""

from __future__ import annotations

from fake_cuda import FakeCuda
import pytest

from depth_node.engine.tensorrt.limits import (
    build_within,
    is_out_of_memory,
    Limits,
    limits_for,
    memory_for_builds,
    NoMemoryError,
    OutOfMemoryError,
)
from depth_node.errors import EngineError

GB = 2**30
# as TensorRT writes them
REQUESTED = (
    '[virtualMemoryBuffer.cpp::resizePhysical::154] Error Code 2: OutOfMemory (Requested size was '
    '1073741824 bytes.)'
)
NO_TACTIC = (
    '[optimizer.cpp::computeCosts::4057] Error Code 10: Internal Error (Could not find any '
    'implementation for node {ForeignNode[/blocks.0/norm1/Sqrt.../head/Conv]}.)'
)
SKIPPED = (
    'Tactic Device request: 950MB Available: 302MB. Device memory is insufficient to use tactic. '
    'UNSUPPORTED_STATE: Skipping tactic 13 due to insufficient memory on requested size of '
    '996147200 detected for tactic 0x1673e3594ce11cea.'
)


@pytest.mark.parametrize(('errors', 'warnings', 'requested'), [
    (REQUESTED, '', 1073741824),
    (NO_TACTIC, SKIPPED, 996147200),
    (NO_TACTIC, '', None),
    ('', SKIPPED, None),  # it went on with other tactics, and failed for another reason
    ('Error Code 4: no such operator', SKIPPED, None),
    ('CUDA initialization failure: out of memory', '', 0),
])
def test_what_out_of_memory_looks_like(errors, warnings, requested):
    assert is_out_of_memory(errors, warnings) == requested


def test_half_of_what_is_free_at_most():
    assert limits_for(1024, 8 * GB) == Limits(1024, 4096)
    assert limits_for(1024, GB) == Limits(512, 512)
    assert limits_for(1024, 0) == Limits(64, 64)


def test_on_a_jetson_other_programs_count(tmp_path):
    """Free is what nobody ever used; available is what can be had without harming others."""
    (tmp_path / 'proc').mkdir()
    (tmp_path / 'proc/meminfo').write_text(
        'MemTotal:        7802372 kB\nMemFree:          201184 kB\nMemAvailable:    2097152 kB\n'
    )
    assert memory_for_builds(GB // 4, True, tmp_path) == 2 * GB
    assert memory_for_builds(GB // 4, False, tmp_path) == GB // 4
    assert memory_for_builds(GB, True, tmp_path / 'nowhere') == GB


def test_less_until_it_fits():
    tried, lines = [], []

    def attempt(limits):
        tried.append(limits)
        if limits.workspace > 256:
            raise OutOfMemoryError('too much', 5_000_000)
        return 'plan'

    assert build_within(attempt, Limits(1024, 4096), lines.append) == 'plan'
    assert tried == [Limits(1024, 4096), Limits(512, 2048), Limits(256, 1024)]
    assert len(lines) == 2
    assert '512 MB' in lines[0]


def test_the_end_says_how_much_was_asked_for():
    def attempt(limits):
        raise OutOfMemoryError('too much.', 5_000_000)

    with pytest.raises(NoMemoryError, match=r'even with 64 MB.*requested 5 MB.*input_size'):
        build_within(attempt, Limits(128, 128), lambda _: None)


def test_other_errors_are_not_tried_again():
    tried = []

    def attempt(limits):
        tried.append(limits)
        raise EngineError('no such operator')

    with pytest.raises(EngineError, match='no such operator'):
        build_within(attempt, Limits(1024, 1024), lambda _: None)
    assert len(tried) == 1


@pytest.mark.parametrize('shape', ['requested', 'implementation'])
def test_a_build_that_does_not_fit_is_tried_with_less(machine, shape):
    machine.install(FakeCuda(), memory_mb=300, shape=shape)
    machine.open().close()
    assert [build.workspace for build in machine.trt.builds] == [1024, 512, 256]
    assert [build.tactics for build in machine.trt.builds] == [4096, 2048, 1024]
    assert sum('Out of memory' in line for line in machine.warnings) == 2


def test_another_failure_does_not_ask_for_more_workspace(machine):
    """It was the advice to whatever TensorRT said, a lack of memory among it."""
    machine.trt.Builder.build_serialized_network = lambda self, *_: self.logger.log(
        machine.trt.ILogger.ERROR, NO_TACTIC
    )
    with pytest.raises(EngineError) as caught:
        machine.open()
    assert 'workspace' not in str(caught.value)
    assert 'Could not find any implementation' in str(caught.value)
