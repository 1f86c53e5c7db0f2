"""
Write down what TensorRT's Python API has, version by version, without a GPU.

The binding wheels are downloaded and imported over stub libraries, in which the functions they
link to do nothing; names, enums and signatures can be read all the same. The result is the test
data ``test/data/tensorrt_facts.json``. Needs a C compiler and the package index.

    python tools/tensorrt_facts.py [--check]
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
import re
import subprocess
import sys
import tempfile
from typing import Any
import zipfile

# the first and the last of what JetPack 6 and 7 and desktops have
VERSIONS = ('10.3.0', '10.13.3.9', '10.16.1.11', '11.0.0.114', '11.4.0.106')
TARGET = Path(__file__).resolve().parents[1] / 'test' / 'data' / 'tensorrt_facts.json'
# what the engine touches; a test compares this list with the code
NAMES = {
    'Builder': (
        '__init__', 'build_serialized_network', 'create_builder_config', 'create_network',
        'create_optimization_profile',
    ),
    'BuilderFlag': ('TF32',),
    'DataType': ('FLOAT', 'HALF', 'UINT8'),
    'EngineInspector': ('get_engine_information',),
    'IBuilderConfig': (
        'add_optimization_profile', 'builder_optimization_level', 'clear_flag',
        'create_timing_cache', 'get_timing_cache', 'profiling_verbosity', 'progress_monitor',
        'set_memory_pool_limit', 'set_timing_cache',
    ),
    'ICudaEngine': (
        'create_engine_inspector', 'create_execution_context', 'get_tensor_dtype',
        'get_tensor_mode', 'get_tensor_name', 'get_tensor_profile_shape', 'num_io_tensors',
    ),
    'IErrorRecorder': (
        '__init__', 'clear', 'get_error_code', 'get_error_desc', 'has_overflowed', 'num_errors',
        'report_error',
    ),
    'IExecutionContext': (
        'execute_async_v3', 'get_tensor_shape', 'infer_shapes', 'profiler', 'set_input_shape',
        'set_tensor_address',
    ),
    'IHostMemory': ('nbytes',),
    'ILogger': ('__init__', 'ERROR', 'INFO', 'INTERNAL_ERROR', 'WARNING', 'log'),
    'IOptimizationProfile': ('set_shape',),
    'IProfiler': ('__init__', 'report_layer_time'),
    'IProgressMonitor': ('__init__', 'phase_finish', 'phase_start', 'step_complete'),
    'ITimingCache': ('serialize',),
    'LayerInformationFormat': ('JSON',),
    'MemoryPoolType': ('TACTIC_DRAM', 'WORKSPACE'),
    'NetworkDefinitionCreationFlag': ('STRONGLY_TYPED',),
    'OnnxParser': ('__init__', 'get_error', 'num_errors', 'parse'),
    'ParserError': ('desc', 'node_name', 'node_operator'),
    'ProfilingVerbosity': ('DETAILED',),
    'Runtime': ('__init__', 'deserialize_cuda_engine', 'error_recorder'),
    'TensorIOMode': ('INPUT', 'OUTPUT'),
    'init_libnvinfer_plugins': (),
}


def describe(trt: Any) -> dict[str, dict[str, object]]:
    """
    Describe the names in a module that has been imported.

    :param trt: the module.
    :returns: by class and member: the number of an enum's member, ``property``, or the names
        of a function's arguments; absent members are left out.
    """
    facts: dict[str, dict[str, object]] = {}
    for kind, members in NAMES.items():
        owner = getattr(trt, kind, None)
        if owner is None:
            continue
        facts[kind] = {
            name: _described(getattr(owner, name), name)
            for name in members
            if hasattr(owner, name)
        }
    return facts


def _described(member: Any, name: str) -> object:
    if hasattr(member, '__members__') or hasattr(type(member), '__members__'):
        return int(member)
    if isinstance(member, property):
        return 'property'
    return _arguments(member.__doc__ or '', name)


def _arguments(text: str, name: str) -> list[str]:
    """Read the arguments out of pybind11's docstring: names, with ``=`` where optional."""
    found = re.search(rf'{name}\((.*)\)( ->|$)', text, re.MULTILINE)
    if '*args, **kwargs' in text:  # overloaded, or a doc of its own: what counts stands below
        found = re.search(rf'^\d+\. {name}\((.*)\) ->', text, re.MULTILINE)
    if not found:
        return ['?']
    arguments, depth, start = [], 0, 0
    inner = found[1] + ','
    for place, letter in enumerate(inner):
        depth += (letter in '[(<') - (letter in '])>')
        if letter == ',' and not depth:
            arguments.append(inner[start:place].strip())
            start = place + 1
    return [
        argument.partition(':')[0] + ('=' if '=' in argument else '')
        for argument in arguments
        if argument and not argument.startswith('self')
    ]


def facts_of(version: str, folder: Path) -> dict[str, dict[str, object]]:
    """
    Download the bindings of a version and describe them, in a process of their own.

    :param version: of the package ``tensorrt-cu12-bindings``.
    :param folder: to work in.
    :returns: see :func:`describe`.
    """
    subprocess.run(
        [sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', str(folder),
         f'tensorrt-cu12-bindings=={version}'], check=True,
    )
    wheel = next(folder.glob('*.whl'))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    module = next(folder.glob('tensorrt_bindings/tensorrt*.so'))
    symbols = re.findall(
        r' U (create\w+_INTERNAL|get\w+Registry|getNvOnnxParserVersion|initLibNvInferPlugins)',
        _output('nm', '-D', '--undefined-only', str(module)),
    )
    source = folder / 'stub.c'
    source.write_text(''.join(f'void *{name}(void) {{ return 0; }}\n' for name in symbols))
    for library in re.findall(r'\[(libnv\w+\.so\.\d+)\]', _output('readelf', '-d', str(module))):
        subprocess.run(
            ['cc', '-shared', '-fPIC', f'-Wl,-soname,{library}', '-o', str(folder / library),
             str(source)], check=True,
        )
    environment = {**os.environ, 'LD_LIBRARY_PATH': str(folder), 'PYTHONPATH': str(module.parent)}
    text = subprocess.run(
        [sys.executable, __file__, '--describe'],
        check=True, env=environment, capture_output=True, text=True,
    ).stdout
    facts: dict[str, dict[str, object]] = json.loads(text)
    return facts


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> int:
    """
    Write the facts, or compare them.

    :returns: 1 when `--check` finds a difference.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--check', action='store_true', help='only compare with what is there')
    parser.add_argument('--describe', action='store_true', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.describe:
        import tensorrt

        print(json.dumps(describe(tensorrt)))
        return 0
    facts = {}
    for version in VERSIONS:
        with tempfile.TemporaryDirectory() as folder:
            facts[version] = facts_of(version, Path(folder))
    text = json.dumps(facts, indent=1) + '\n'
    # a list of arguments on one line
    text = re.sub(r'\[\s+([^\[\]]*?)\s+\]', lambda m: '[' + ' '.join(m[1].split()) + ']', text)
    if args.check:
        same = TARGET.read_text(encoding='utf-8') == text
        print('as written down' if same else 'TensorRT is not as written down')
        return 0 if same else 1
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(text, encoding='utf-8')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
