"""The first minute on hardware, on pretended hardware: it holds where all is well, only there."""

from __future__ import annotations

import json

from fake_cuda import cudaError_t, FakeCuda
from onnx import TensorProto
import pytest

from depth_node.cli.main import main
from depth_node.engine.tensorrt import trials
from depth_node.engine.tensorrt.self_test import self_test
from depth_node.engine.tensorrt.trials import Effort
from depth_node.engine.tensorrt.trtexec import parsed, time_with_trtexec
from depth_node.errors import EngineError
from depth_node.image.size import Size

CHECKS = (
    'versions', 'preparation', 'replays', 'sizes', 'threads', 'precision', 'cancelling',
    'memory', 'speed',
)
SMALL = (Size(160, 120), Size(320, 240), Size(400, 300), Size(640, 480))
LITTLE = Effort(replays=3, repeats=9, openings=3, timed=3)


@pytest.fixture(autouse=True)
def little(monkeypatch):
    """Pretended hardware is slow."""
    monkeypatch.setattr(trials, 'CAMERAS', SMALL)


def run(machine, effort=LITTLE):
    lines = []
    findings = self_test(machine.config, lines.append, effort=effort)
    assert tuple(finding.name for finding in findings) == CHECKS
    assert lines == [str(finding) for finding in findings]
    return {finding.name: finding for finding in findings}


def failed(findings):
    return {name for name, finding in findings.items() if not finding.held}


def test_all_holds_where_all_is_well(machine):
    findings = run(machine)
    assert failed(findings) == set()
    assert 'Fake GPU' in findings['versions'].detail
    assert 'driver for CUDA 12.6' in findings['versions'].detail
    assert '10 kinds agree' in findings['preparation'].detail
    assert '9 repeats in turns' in findings['precision'].detail
    assert 'after 90%' in findings['cancelling'].detail
    assert findings['speed'].detail.endswith('trtexec: not installed')
    assert machine.leaks() == 0
    assert not machine.folder.exists()  # the user's cache is not touched


def test_the_real_effort_is_what_the_page_says():
    assert Effort() == Effort(
        replays=100, repeats=200, openings=20, timed=200, cancel_at=(0.1, 0.5, 0.9)
    )


@pytest.mark.parametrize(('name', 'spoil'), [
    ('replays', 'now and then'), ('precision', 'halves'), ('preparation', 'always'),
])
def test_what_does_not_hold_is_found(machine, name, spoil):
    runs = []

    def wrong(model, results):
        runs.append(1)
        halves = any(t.data_type == TensorProto.FLOAT16 for t in model.graph.initializer)
        if spoil == 'always' or (spoil == 'now and then' and len(runs) % 5 == 0):
            results['depth'] *= 1.2
        if spoil == 'halves' and halves and len(runs) % 5 == 0:
            results['depth'] *= 1.2

    machine.trt.spoil = wrong
    findings = run(machine)
    if spoil == 'halves':  # it is found while it is built, and another precision is taken
        assert failed(findings) == set()
        assert findings['precision'].detail.startswith('fp32 at 128x96; fp16')
        assert 'from one run to the next' in findings['precision'].detail
    else:
        assert name in failed(findings)


def test_a_graph_that_is_not_captured_is_found(machine):
    machine.cuda.fail['cudaStreamBeginCapture'] = cudaError_t.cudaErrorStreamCaptureUnsupported
    findings = run(machine)
    assert failed(findings) == {'replays'}
    assert 'not captured' in findings['replays'].detail


def test_memory_that_does_not_come_back_is_found(machine, monkeypatch):
    free = [8 << 30]

    def shrinking(self):
        free[0] -= 50 << 20
        return free[0]

    monkeypatch.setattr('depth_node.engine.tensorrt.cuda.Cuda.free_memory', shrinking)
    findings = run(machine, Effort(replays=1, repeats=3, openings=4, timed=1))
    assert failed(findings) == {'memory'}
    assert '100 MB allocated' in findings['memory'].detail


def test_without_a_gpu_there_is_nothing_to_check(machine):
    machine.install(FakeCuda(gpus=0))
    with pytest.raises(EngineError, match='no usable NVIDIA GPU'):
        run(machine)


def test_the_verb_prints_a_page_and_its_code_says_whether_all_held(machine, capsys, monkeypatch,
                                                                   tmp_path):
    monkeypatch.setattr('depth_node.engine.tensorrt.self_test.Effort', lambda: LITTLE)
    report = tmp_path / 'report.json'
    assert main(['build', '--self-test', '--json', str(report)]) == 0
    said = capsys.readouterr().out
    assert said.count('\nok  ') == len(CHECKS)
    assert 'All 9 checks held.' in said
    assert len(json.loads(report.read_text())['findings']) == len(CHECKS)
    machine.cuda.fail['cudaStreamBeginCapture'] = cudaError_t.cudaErrorStreamCaptureUnsupported
    assert main(['build', '--self-test']) == 2
    said = capsys.readouterr()
    assert 'FAIL replays' in said.out
    assert '1 of 9 checks did not hold: replays' in said.err


def test_trtexec_is_read_where_it_is_installed(tmp_path, monkeypatch):
    # as 10.3 prints it
    summary = (
        '[I] GPU Compute Time: min = 5.01 ms, max = 7.25 ms, mean = 5.2 ms, median = 5.125 ms, '
        'percentile(90%) = 5.4 ms, percentile(95%) = 5.6 ms, percentile(99%) = 6.75 ms\n'
    )
    assert parsed(summary) == '5.12 ms (p99 6.75) without copies'
    assert parsed('nothing') == ''
    plan = tmp_path / 'x.plan'
    plan.write_bytes(b'')
    assert time_with_trtexec(plan, Size(640, 480)) == 'not installed'
    tool = tmp_path / 'trtexec'
    tool.write_text(f'#!/bin/sh\necho "{summary}"\necho $@ > args\n')
    tool.chmod(0o755)
    monkeypatch.setenv('PATH', str(tmp_path), prepend=':')
    assert time_with_trtexec(plan, Size(640, 480)) == '5.12 ms (p99 6.75) without copies'
    assert '--shapes=frame:480x640x3' in (tmp_path / 'args').read_text()
    tool.write_text('#!/bin/sh\nexit 3\n')
    assert time_with_trtexec(plan, Size(640, 480)) == 'failed with code 3'
