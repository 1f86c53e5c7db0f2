"""Every TensorRT name and signature the engine uses, in every version it supports."""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path

from fake_cuda import FakeCuda
import fake_tensorrt
import pytest

ROOT = Path(__file__).resolve().parents[2]
FACTS = json.loads((ROOT / 'test' / 'data' / 'tensorrt_facts.json').read_text())
SOURCES = sorted((ROOT / 'depth_node' / 'engine' / 'tensorrt').glob('*.py'))
OLDEST = FACTS['10.3.0']

# what the code calls an object, and what it is
OBJECTS = {
    'builder': 'Builder',
    'config': 'IBuilderConfig',
    'network': 'INetworkDefinition',
    'parser': 'OnnxParser',
    'profile': 'IOptimizationProfile',
    'cache': 'ITimingCache',
    '_runtime': 'Runtime',
    '_engine': 'ICudaEngine',
    'engine': 'ICudaEngine',
    '_context': 'IExecutionContext',
    'context': 'IExecutionContext',
    'inspector': 'EngineInspector',
}
WHERE = ('builder.py', 'runtime.py')
# TensorRT for RTX alone has them; the code looks for its ComputeCapability first
OF_RTX = {
    ('IBuilderConfig', 'num_compute_capabilities'), ('IBuilderConfig', 'set_compute_capability'),
}


def touched():
    """Every attribute the code takes from the module or from its objects."""
    found = set()
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if not isinstance(node, ast.Attribute):
                continue
            owner = node.value
            name = getattr(owner, 'id', getattr(owner, 'attr', ''))
            inner = getattr(owner, 'value', None)
            if node.attr.startswith('_') or name.startswith('__'):
                continue
            if name == 'trt':
                found.add((node.attr, ''))
            elif 'trt' in (getattr(inner, 'id', ''), getattr(inner, 'attr', '')):
                found.add((name, node.attr))
            elif source.name in WHERE and name in OBJECTS:
                found.add((OBJECTS[name], node.attr))
    return found


def test_the_code_is_found_to_touch_what_it_does():
    found = touched()
    for known in (('Builder', ''), ('MemoryPoolType', 'WORKSPACE'), ('OnnxParser', 'parse'),
                  ('IExecutionContext', 'execute_async_v3'), ('ILogger', 'ERROR'),
                  ('IBuilderConfig', 'progress_monitor')):
        assert known in found


@pytest.mark.parametrize('version', FACTS)
def test_every_version_has_what_the_code_touches(version):
    facts = FACTS[version]
    missing = [
        (kind, member) for kind, member in touched() - OF_RTX
        if kind not in facts or (member and member not in facts[kind])
    ]
    assert missing == []


@pytest.mark.parametrize('version', FACTS)
def test_signatures_are_the_same_in_every_version(version):
    """Numbers of enums shift, and pybind11 words its docs anew; names and arguments stay."""
    for kind, members in OLDEST.items():
        for name, was in members.items():
            now = FACTS[version][kind].get(name)
            if isinstance(was, list) and isinstance(now, list) and '?' not in was + now:
                count = sum(not argument.endswith('=') for argument in was)
                assert [a.rstrip('=') for a in now[:count]] == [
                    a.rstrip('=') for a in was[:count]
                ], (kind, name)
                assert all(argument.endswith('=') for argument in now[count:]), (kind, name)
            elif not isinstance(was, int):
                assert type(now) is type(was), (kind, name)


@pytest.mark.parametrize('kind', [kind for kind in OLDEST if not kind.startswith('I')
                                  or kind in vars(fake_tensorrt)])
def test_the_pretended_module_has_the_real_names_and_arguments(kind):
    module = fake_tensorrt.FakeTensorRt(FakeCuda())
    if kind == 'init_libnvinfer_plugins':  # a function of the module
        assert callable(module.init_libnvinfer_plugins)
        return
    pretended = vars(fake_tensorrt).get(kind)
    assert pretended is not None
    assert hasattr(module, kind) or kind.startswith('I') or kind in (
        'ParserError', 'EngineInspector',
    )
    facts = OLDEST[kind]
    for name, member in vars(pretended).items():
        if name.startswith('_') and name != '__init__':
            continue
        if not inspect.isfunction(member) or (name == '__init__' and name not in facts):
            continue
        assert name in facts, f'{kind}.{name} is not in TensorRT'
        if facts[name] == ['?']:
            continue
        arguments = list(inspect.signature(member).parameters)[1:]
        assert arguments == [a.rstrip('=') for a in facts[name]][:len(arguments)], name


@pytest.mark.parametrize('kind', ['IProgressMonitor', 'IErrorRecorder', 'ILogger', 'IProfiler'])
def test_our_callbacks_take_what_tensorrt_gives(kind):
    """What C++ calls: every method is there, with as many arguments."""
    from depth_node.engine.tensorrt.library import error_recorder, logger_of
    from depth_node.engine.tensorrt.profile import profiler_of
    from depth_node.engine.tensorrt.progress import monitor_of

    module = fake_tensorrt.FakeTensorRt(FakeCuda())
    ours = {
        'IProgressMonitor': lambda: monitor_of(module, lambda *_: None, lambda: False),
        'IErrorRecorder': lambda: error_recorder(module),
        'ILogger': lambda: logger_of(module),
        'IProfiler': lambda: profiler_of(module),
    }[kind]()
    for facts in FACTS.values():
        for name, arguments in facts[kind].items():
            if name != '__init__' and isinstance(arguments, list):
                method = inspect.signature(getattr(ours, name))
                assert len(method.parameters) == len(arguments), name
