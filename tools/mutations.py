"""
Plant faults in ``depth_node/engine/tensorrt`` one at a time, and see that a test finds each.

    python tools/mutations.py [WORD ...]

Without words all of them; with words those whose name has one of them. Works on a copy of the
tree; takes some minutes. Exits with 1 when a fault was not found.
"""

from __future__ import annotations

from dataclasses import dataclass
import os
from pathlib import Path
import shutil
import subprocess
import sys
import tempfile

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path('depth_node/engine/tensorrt')


@dataclass(frozen=True)
class Fault:
    """
    One fault.

    :param name: what is wrong then.
    :param file: in the package.
    :param old: text that is there once.
    :param new: what takes its place.
    :param tests: files that shall find it, after ``test/engine/test_tensorrt_``.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = ('errors',)


FAULTS = (
    Fault(
        'progress without a lock, its errors cancel (defect 1)', 'progress.py',
        """            with self._lock:
                try:
                    change()
                except Exception:
                    _LOGGER.exception('The progress of the build is not available any more')
""",
        '            change()\n', ('progress',),
    ),
    Fault(
        'the size is noted before what can fail (defect 2)', 'runtime.py',
        '        self._provide(shape)\n        self._bind(self._context, shape)\n        try:',
        '        self._provide(shape)\n        self._bind(self._context, shape)\n'
        '        self._shape = shape\n        try:',
    ),
    Fault(
        'a kept engine is not freed when its verification ends early (defect 3)', 'job.py',
        '        if engine is not None:\n            engine.free()\n', '        pass\n',
    ),
    Fault(
        'freeing does not wait (defect 4)', 'runtime.py',
        '            self._cuda.use()\n        self._cuda.settle()\n',
        '            self._cuda.use()\n',
    ),
    Fault(
        'what pybind11 raises comes through (defect 5)', 'library.py',
        'except (RuntimeError, TypeError) as error', 'except ZeroDivisionError as error',
    ),
    Fault(
        'only EngineError ends a capture (defect 6)', 'cuda.py',
        """            graph = self.call('cudaStreamEndCapture', self._stream)
        except BaseException:""",
        """            graph = self.call('cudaStreamEndCapture', self._stream)
        except EngineError:""", ('cuda',),
    ),
    Fault(
        'a frame is read before the GPU is done', 'runtime.py',
        """                self._cuda.down(self._memory[name], landings[name], target.nbytes)
            self._cuda.wait()
""",
        '                self._cuda.down(self._memory[name], landings[name], target.nbytes)\n',
        ('runtime',),
    ),
    Fault(
        'an address of a buffer that has moved', 'runtime.py',
        "                self._must(context.set_tensor_address(name, address), f'bind {name}')\n",
        '                if self._captured is None and not hasattr(self, name):\n'
        '                    setattr(self, name, 1)\n'
        '                    context.set_tensor_address(name, address)\n', ('runtime',),
    ),
    Fault(
        'the graph of another size is launched', 'runtime.py',
        '        self._shape = None\n        self._forget_capture()\n        self._provide',
        '        self._shape = None\n        self._provide', ('runtime',),
    ),
    Fault(
        'graphs are not destroyed', 'cuda.py',
        '        self._runtime.cudaGraphExecDestroy(graph)\n', '        pass\n', ('cuda',),
    ),
    Fault(
        'a graph that was made executable is not destroyed', 'cuda.py',
        '        finally:\n            self._runtime.cudaGraphDestroy(graph)\n',
        '        finally:\n            pass\n', ('cuda',),
    ),
    Fault(
        'a launch that TensorRT refuses is not noticed', 'runtime.py',
        "            self._must(context.execute_async_v3(self._cuda.stream), 'run')\n",
        '            context.execute_async_v3(self._cuda.stream)\n', ('errors',),
    ),
    Fault(
        'the device is chosen by the first thread only', 'cuda.py',
        "        self.call('cudaSetDevice', self._device)\n",
        '        if not self._stream:\n'
        "            self.call('cudaSetDevice', self._device)\n", ('cuda',),
    ),
    Fault(
        'another thread frees on another device', 'runtime.py',
        '            self._cuda.use()\n        self._cuda.settle()\n',
        '            pass\n        self._cuda.settle()\n',
    ),
    Fault(
        'work stays pending after an error', 'runtime.py',
        """        except BaseException:
            # the next frame, and whoever frees the buffers, must find nothing pending
            self._cuda.settle()
            raise
""",
        '        except BaseException:\n            raise\n',
    ),
    Fault(
        'an error that stays is taken for one that passes (defect 11)', 'cuda.py',
        '        return bool(error != self._runtime.cudaError_t.cudaSuccess)\n',
        '        return False\n', ('cuda',),
    ),
    Fault(
        'memory is given back in the middle of a capture', 'cuda.py',
        '            self._dropped.append(address)\n',
        '            self._runtime.cudaFreeHost(address)\n', ('cuda',),
    ),
    Fault(
        'the GPU copies to memory that is not page-locked', 'cuda.py',
        "            self._arrays.get(array.ctypes.data) == array.nbytes and "
        "array.flags['C_CONTIGUOUS']\n",
        '            True\n',
    ),
    Fault(
        'a plan of another model of device is used (defect 8)', 'runtime.py',
        'if _OTHER_DEVICE.search(library.warnings()):', 'if False:',
    ),
    Fault(
        'boards of one name share a plan (defect 8)', 'job.py',
        '            hardware=cuda.gpu.hardware,\n', '',
    ),
    Fault(
        'foreign timings are never replaced (defect 8)', 'builder.py',
        "    for measured in (content, b''):\n", '    for measured in (content,):\n',
    ),
    Fault(
        'out of memory in its second shape is another failure (defect 9)', 'limits.py',
        '    starved = _NO_TACTIC.search(errors) and _NO_MEMORY.search(warnings)\n',
        '    starved = False\n', ('limits',),
    ),
    Fault(
        'a killed process is not out of memory (defect 9)', 'apart.py',
        '    if code == -signal.SIGKILL:\n', '    if code == 12345:\n', ('apart',),
    ),
    Fault(
        'the process that builds is left alone after an error (defect 9)', 'apart.py',
        '    finally:\n        _end(process)\n', '    finally:\n        process.poll()\n',
        ('apart',),
    ),
    Fault(
        'timings are lost when a build fails (defect 9)', 'builder.py',
        '        if timing is not None and has_timing:\n',
        '        if timing is not None and has_timing and plan is not None:\n',
    ),
    Fault(
        'an engine that varies passes (defect 10)', 'job.py',
        'ROUNDS = 8\n', 'ROUNDS = 1\n', ('kept',),
    ),
    Fault(
        'a kept engine is believed (defect 10)', 'job.py',
        '        if not verdict.good or not self.frames:\n            return verdict\n',
        '        if not self.frames:\n            return Verdict(1, 0.0, 0.0)\n', ('kept',),
    ),
    Fault(
        'error 35 does not name the versions (defect 7)', 'gpu.py',
        '    if error == codes.cudaErrorInsufficientDriver:\n', '    if error == -1:\n',
        ('cuda',),
    ),
    Fault(
        'a report of wrong engines does not change the order', 'advisories.py',
        '    return tuple(sorted(ladder, key=lambda precision: precision in reported))\n',
        '    return tuple(ladder)\n', ('advisories',),
    ),
)


def found(fault: Fault, copy: Path) -> tuple[bool, str]:
    """
    Plant a fault in a copy of the tree and run the tests.

    :param fault: what to plant; taken out again.
    :param copy: of the tree.
    :returns: whether a test failed, and the last line of pytest.
    """
    path = copy / PACKAGE / fault.file
    good = path.read_text(encoding='utf-8')
    if good.count(fault.old) != 1:
        return False, f'the text to replace is there {good.count(fault.old)} times'
    path.write_text(good.replace(fault.old, fault.new), encoding='utf-8')
    names = [copy / f'test/engine/test_tensorrt_{name}.py' for name in fault.tests]
    try:
        done = subprocess.run(
            [sys.executable, '-m', 'pytest', '-q', '-x', '--timeout=120',
             *(str(name) for name in names if name.exists())],
            cwd=copy, env={**os.environ, 'PYTHONPATH': str(copy)}, capture_output=True, text=True,
            check=False,
        )
    finally:
        path.write_text(good, encoding='utf-8')
    lines = [line for line in done.stdout.splitlines() if line.startswith('FAILED')]
    return done.returncode == 1 and bool(lines), (lines or ['no test failed'])[0]


def main(words: list[str]) -> int:
    """
    Plant the faults.

    :param words: parts of names; empty: all.
    :returns: 1 when one was not found.
    """
    chosen = [fault for fault in FAULTS if not words or any(w in fault.name for w in words)]
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / 'tree'
        for part in ('depth_node', 'test'):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns('*.pyc'))
        shutil.copy(ROOT / 'pyproject.toml', copy)
        for fault in chosen:
            good, line = found(fault, copy)
            missed += not good
            print(f'{"found " if good else "MISSED"} {fault.name}\n       {line}', flush=True)
    print(f'{len(chosen) - missed} of {len(chosen)} faults found')
    return 1 if missed else 0


if __name__ == '__main__':
    raise SystemExit(main(sys.argv[1:]))
