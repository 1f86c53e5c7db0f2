"""Building in a process of its own, which may be cancelled, starved, killed, or left alone."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

from depth_node.engine import graph as graphs
from depth_node.engine.tensorrt.apart import build_apart
from depth_node.engine.tensorrt.builder import Settings
from depth_node.engine.tensorrt.limits import Limits, OutOfMemoryError
from depth_node.errors import CancelledError, EngineError
from depth_node.image.size import Size
from depth_node.model import ModelSpec, OutputKind
from depth_node.model import network as networks

HERE = Path(__file__).parent
SIZE = Size(32, 24)
LIMITS = Limits(1024, 4096)


@pytest.fixture
def graph(tmp_path, network):
    path = network()
    info = networks.inspect(path)
    spec = ModelSpec('tiny', OutputKind.RELATIVE_DEPTH)
    whole = graphs.merged(networks.load(path), info, spec, SIZE)
    folder = tmp_path / 'build'
    folder.mkdir()
    (folder / 'graph.onnx').write_bytes(whole.SerializeToString())
    return folder / 'graph.onnx'


@pytest.fixture
def pretend(monkeypatch):
    """Let the child find the pretended modules instead of the real ones."""
    monkeypatch.setattr(sys, 'path', [str(HERE / 'pretended'), str(HERE.parent), *sys.path])

    def options(**given):
        monkeypatch.setenv('PRETENDED', json.dumps(given))

    options()
    return options


def children():
    """List the processes that this one started."""
    found = subprocess.run(
        ['ps', '--ppid', str(os.getpid()), '-o', 'args='], capture_output=True, text=True,
        check=False,
    ).stdout
    return [line for line in found.splitlines() if 'tensorrt.worker' in line]


def test_builds_reports_and_logs(graph, pretend, tmp_path, caplog):
    caplog.set_level(logging.DEBUG, 'depth_node.tensorrt')
    seen, timing = [], tmp_path / 'timing'
    plan = build_apart(
        graph, Settings(usual=Size(320, 240)), LIMITS, timing=timing,
        on_progress=lambda share, stage: seen.append((share, stage)),
    )
    assert plan.startswith(b'FAKEPLAN')
    shares = [share for share, _ in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert timing.read_bytes().startswith(b'TIMING')
    assert any('Timing' in record.message for record in caplog.records)
    assert children() == []


def test_the_real_builder_builds_apart(graph, pretend, tmp_path, monkeypatch):
    pytest.importorskip('tensorrt_rtx_bindings', reason="NVIDIA'S REAL BUILDER IS NOT TRIED")
    monkeypatch.setenv('DEPTH_NODE_TENSORRT', 'tensorrt_rtx_bindings')
    seen = []
    plan = build_apart(
        graph, Settings(), LIMITS, on_progress=lambda _, stage: seen.append(stage)
    )
    assert len(plan) > 1000
    assert not plan.startswith(b'FAKEPLAN')
    assert len(set(seen)) > 2
    assert build_apart(graph, Settings(capability='8.9'), LIMITS) != plan


def test_cancelling_ends_it_soon_and_keeps_what_was_measured(graph, pretend, tmp_path):
    pretend(wait=60)
    timing, asked = tmp_path / 'timing', []
    begin = time.monotonic()
    with pytest.raises(CancelledError):
        build_apart(
            graph, Settings(), LIMITS, timing=timing,
            on_progress=lambda _, stage: asked.append(stage),
            cancelled=lambda: len(asked) > 3,
        )
    assert time.monotonic() - begin < 20
    assert timing.read_bytes().endswith(b'so far')
    assert children() == []


def test_a_step_that_takes_too_long_is_ended(graph, pretend, monkeypatch):
    monkeypatch.setattr('depth_node.engine.tensorrt.apart._PATIENCE_S', 0.5)
    pretend(deaf=60)
    asked, begin = [], time.monotonic()
    with pytest.raises(CancelledError):
        build_apart(
            graph, Settings(), LIMITS, on_progress=lambda _, stage: asked.append(stage),
            cancelled=lambda: bool(asked),
        )
    assert time.monotonic() - begin < 20
    assert children() == []


def test_an_error_of_the_caller_ends_it(graph, pretend):
    pretend(wait=60)

    def bad(share, stage):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_apart(graph, Settings(), LIMITS, on_progress=bad)
    assert children() == []


@pytest.mark.parametrize('shape', ['requested', 'implementation', 'killed'])
def test_out_of_memory_in_three_shapes(graph, pretend, shape):
    """TensorRT says so, or finds no implementation, or the kernel kills it."""
    pretend(memory_mb=100, shape=shape)
    with pytest.raises(OutOfMemoryError) as caught:
        build_apart(graph, Settings(), LIMITS)
    assert caught.value.requested == (0 if shape == 'killed' else 1024 << 20)
    assert build_apart(graph, Settings(), Limits(64, 64))


def test_nothing_of_the_working_folder_is_run(graph, pretend, tmp_path, monkeypatch):
    folder = tmp_path / 'somewhere'
    folder.mkdir()
    for name in ('tensorrt', 'numpy', 'json'):
        (folder / f'{name}.py').write_text(f'raise SystemExit("{name} of the working folder")\n')
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, 'path', ['', *sys.path])
    assert build_apart(graph, Settings(), LIMITS)


def test_what_tensorrt_does_not_take_is_said(graph, pretend):
    graph.write_bytes(b'nothing')
    with pytest.raises(EngineError, match='cannot read the network'):
        build_apart(graph, Settings(), LIMITS)


def test_a_process_that_cannot_start_says_why(graph, pretend, monkeypatch, tmp_path):
    (tmp_path / 'tensorrt.py').write_text('raise ZeroDivisionError("broken wheel")\n')
    monkeypatch.setattr(sys, 'path', [str(tmp_path), *sys.path])
    with pytest.raises(EngineError, match=r'ended with code 1: .*broken wheel'):
        build_apart(graph, Settings(), LIMITS)


@pytest.mark.parametrize('option', ['wait', 'deaf'])
def test_it_ends_with_the_process_that_asked(graph, pretend, option):
    """Also when that one was killed, and in a step of TensorRT's that takes long."""
    pretend(**{option: 60})
    code = (
        'import sys; from pathlib import Path\n'
        'from depth_node.engine.tensorrt.apart import build_apart\n'
        'from depth_node.engine.tensorrt.builder import Settings\n'
        'from depth_node.engine.tensorrt.limits import Limits\n'
        'build_apart(Path(sys.argv[1]), Settings(), Limits(64, 64), '
        'on_progress=lambda *_: print("going", flush=True))\n'
    )
    asking = subprocess.Popen(
        [sys.executable, '-c', code, str(graph)], stdout=subprocess.PIPE,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)},
    )
    asking.stdout.readline()
    found = subprocess.run(
        ['pgrep', '-P', str(asking.pid)], capture_output=True, text=True, check=True
    )
    worker = int(found.stdout.split()[0])
    os.kill(worker, signal.SIGINT)  # Ctrl-C in a terminal reaches it, too
    score = Path(f'/proc/{worker}/oom_score_adj').read_text().strip()
    asking.kill()
    asking.wait()
    deadline = time.monotonic() + 20
    while Path(f'/proc/{worker}').exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    gone = not Path(f'/proc/{worker}').exists()
    if not gone:
        os.kill(worker, signal.SIGKILL)
    assert gone
    assert score == '1000'  # the kernel's choice when memory runs out


def test_the_engine_that_was_built_apart_runs_here(machine, pretend, monkeypatch):
    """The whole way: graph written, built there, loaded, verified and kept here."""
    monkeypatch.setattr('depth_node.engine.tensorrt.job.build_apart', build_apart)
    engine = machine.open()
    assert engine.precision == 'fp16'
    assert machine.trt.builds == []  # not in this process
    assert machine.metadata()['verification'][0]['good']
    assert {stage for _, stage in machine.progress} >= {'building fp16', 'verifying fp16'}
    assert not list(machine.folder.glob('.build-*'))
    engine.close()
    pretend(memory_mb=300, shape='killed')
    machine.open(optimization_level=1).close()
    assert sum('trying with' in line for line in machine.warnings) == 2
    assert machine.leaks() == 0
