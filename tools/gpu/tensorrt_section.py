"""
TensorRT, and TensorRT for RTX for compute capabilities that it names and for the card itself.

Building and running are rows of their own, because an engine for another card may end the process.
"""

from __future__ import annotations

from collections.abc import Callable
import contextlib
import functools
import json
import os
from pathlib import Path
import subprocess
import sys
import time

from device import Device
from networks import CAMERAS, fixed, made, NETWORKS, PRECISIONS, size_of, view, whole
from rows import milliseconds, Row, Task

from depth_node.engine.onnxruntime import CPU, open_graph
from depth_node.engine.tensorrt.builder import build, Settings
from depth_node.engine.tensorrt.cuda import Cuda, load_cuda
from depth_node.engine.tensorrt.library import load_library, VARIABLE
from depth_node.engine.tensorrt.limits import Limits
from depth_node.engine.tensorrt.runtime import TensorRtEngine
from depth_node.engine.tensorrt.trial_network import write_trial_network
from depth_node.engine.verify import answers, check
from depth_node.errors import EngineError
from depth_node.model import Model

RTX = 'tensorrt_rtx_bindings'
TARGETS = {RTX: ('8.0', 'current'), '': ('',)}
"""Compute capabilities to build for, by value of the variable that chooses the module."""
TRIAL = 'trial'
"""The network of the self-test, small enough that a failure is about the card."""
_LIMITS = Limits(2048, 8192)
_ROUNDS = 8
_SELF_TEST_S = 200


def section(task: Task) -> None:
    """
    Make the rows with the module that the environment chooses.

    :param task: what to measure on and where.
    """
    module = os.environ.get(VARIABLE, '')
    library = 'rtx' if module == RTX else 'tensorrt'
    key = f'library/{library}'
    task.make(key, lambda: {'library': load_library().name})
    if not task.journal.is_made(key):
        return
    for target in TARGETS[module]:
        for name in (TRIAL, *NETWORKS):
            model = functools.cache(functools.partial(_model, name, task))
            for precision in PRECISIONS:
                end = f'{library}/{target or "default"}/{name}/{precision}'
                plan = task.folder / f'{end.replace("/", "-")}.plan'
                task.make(f'build/{end}', _build, model, precision, target, plan)
                if task.journal.is_made(f'build/{end}'):
                    task.make(f'run/{end}', _run, model, precision, plan, task.device)
    task.make(f'self-test/{library}', _self_test, task.folder)


def _model(name: str, task: Task) -> Model:
    if name == TRIAL:
        task.folder.mkdir(parents=True, exist_ok=True)
        return write_trial_network(task.folder)
    return made(name, CAMERAS[0], task.folder, nominal=task.device.nominal)


def _build(
    opened: Callable[[], Model], precision: str, target: str, plan: Path
) -> Row:
    library, model = load_library(), opened()
    graph = whole(fixed(model, PRECISIONS[precision]), model)
    settings = Settings(usual=CAMERAS[0], capability=target)
    start = time.monotonic()
    built = build(library, graph, settings, _LIMITS)
    plan.write_bytes(built)
    return {
        'library': library.name, 'network': str(size_of(model)), 'bytes': len(built),
        'build_s': round(time.monotonic() - start, 2),
    }


def _run(opened: Callable[[], Model], precision: str, plan: Path, device: Device) -> Row:
    """Load an engine of :func:`_build`, compare it with fp32 on the CPU, and time it."""
    if not plan.exists():
        raise EngineError('The engine was built by an earlier call and has not been kept.')
    library = load_library()
    cuda = Cuda(load_cuda())
    model = opened()
    size, rgb = size_of(model), view(CAMERAS[0])[1]
    try:
        engine = TensorRtEngine(library, cuda, plan.read_bytes(), model.spec, size, precision)
    except BaseException:
        cuda.close()
        raise
    with contextlib.closing(engine):
        graph = whole(fixed(model, PRECISIONS['fp32']), model)
        with contextlib.closing(open_graph(graph, model.spec, size, provider=CPU)) as reference:
            expected = answers(reference, [rgb])
        verdict = check(engine, [rgb], expected, rounds=_ROUNDS)
        out = engine.buffers(*rgb.shape[:2])
        lap = milliseconds(lambda: engine.infer(rgb, out), device.seconds, device.least)
        bare = milliseconds(engine.bare, device.seconds, device.least)
        return {
            'library': library.name, 'network': str(size), 'engine_ms': lap, 'bare_ms': bare,
            'captured': engine.is_captured, 'agrees': verdict.as_facts(precision),
        }


def _self_test(folder: Path) -> Row:
    """Run `depth-node build --self-test` and keep its page."""
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / 'self-test.json'
    report.unlink(missing_ok=True)
    command = [
        sys.executable, '-m', 'depth_node', 'build', '--self-test', '--json', str(report)
    ]
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=_SELF_TEST_S
        )
    except subprocess.TimeoutExpired as error:
        text = error.stdout.decode(errors='replace') if isinstance(error.stdout, bytes) else ''
        raise EngineError(
            f'The self-test took more than {_SELF_TEST_S} s. It printed: {text[-1500:]}'
        ) from error
    if not report.exists():
        lines = done.stderr.strip().splitlines() or [f'exit code {done.returncode}']
        raise EngineError(lines[-1])
    findings = json.loads(report.read_text(encoding='utf-8'))['findings']
    return {'findings': findings, 'exit_code': done.returncode}
