"""The run on a GPU: rows survive cuts and crashes, and the page says what they say."""

import json
import os
from pathlib import Path
import subprocess
import sys
import time
import zipfile

from device import Device
from dummy_networks import write_network
from environment import installed, prepare
from gpu_run import _section
from networks import work_of
import numpy as np
from onnx_section import _Subject
import page
from parts import read_manifest, receive, write_pack
import pytest
from rows import Journal, MACHINE, milliseconds, NOT_MADE, ROWS, Task
from section import left_out, NAMES, opened

from depth_node.errors import EngineError
from depth_node.image.size import Size
from depth_node.model import Model, ModelSpec, OutputKind

GPU = Device('NVIDIA Pretended, driver 1.2', cuda=True)
CPU = Device('CPU (some, 2 cores)', cuda=False)
SMALL = 'depth_anything_v2_metric_indoor_small'


def lap(median):
    return {'median': median, 'p95': median * 2, 'runs': 30}


def test_a_run_goes_on_where_it_was_cut(tmp_path):
    path, made = tmp_path / ROWS, []

    def work(number):
        made.append(number)
        return {'value': number}

    journal = Journal(path)
    for number in range(3):
        journal.make(f'row/{number}', lambda n=number: work(n))
    # cut in the middle of a line: that row is made again, the others are not
    content = path.read_bytes()
    path.write_bytes(content[:-20])
    for number in range(4):
        Journal(path).make(f'row/{number}', lambda n=number: work(n))
    assert made == [0, 1, 2, 2, 3]
    rows = Journal(path).rows()
    assert [row['value'] for row in rows.values()] == [0, 1, 2, 3]


def test_what_raises_is_a_reason_and_not_tried_again(tmp_path):
    journal, calls = Journal(tmp_path / ROWS), []

    def fails(error):
        calls.append(error)
        raise error

    for _ in range(2):
        journal.make('ours', lambda: fails(EngineError('No GPU.', 'Insert one.')))
        journal.make('theirs', lambda: fails(MemoryError('no\nmore')))
        journal.make('never', lambda: fails(KeyError()), refused='too slow')
    rows = journal.rows()
    assert rows['ours'][NOT_MADE] == 'No GPU. Insert one.'
    assert rows['theirs'][NOT_MADE] == 'MemoryError: no more'
    assert rows['never'][NOT_MADE] == 'too slow'
    assert not journal.is_made('ours')
    assert len(calls) == 2


def test_without_time_a_row_is_left_for_the_next_call(tmp_path):
    path = tmp_path / ROWS
    late = Journal(path, deadline=0.0)
    late.make('row', lambda: pytest.fail('there is no time'))
    assert late.late() == ['row']
    assert late.rows() == {}
    Journal(path).make('row', lambda: {'value': 1})
    assert Journal(path).late() == []
    assert Journal(path).is_made('row')
    assert not Journal(path).is_made('other')
    assert Journal(path).rows()['row']['value'] == 1


def test_a_library_that_ends_the_process_costs_one_row(tmp_path):
    """As an engine for another card may: the second and the fourth row kill the process."""
    rows = tmp_path / ROWS
    code = f"""
import os, sys
sys.path[:0] = {[str(Path(page.__file__).parent), str(page.PAGE.parents[2])]!r}
from pathlib import Path
from rows import Journal
journal = Journal(Path({str(rows)!r}))
for n in range(5):
    journal.make(f'row/{{n}}', lambda: os.kill(os.getpid(), 11) if n in (1, 3) else {{'n': n}})
"""
    assert _section('pretended', [sys.executable, '-c', code], os.environ, float('inf'))
    found = Journal(rows).rows()
    assert [found[f'row/{n}'].get('n') for n in range(5)] == [0, None, 2, None, 4]
    assert found['row/1'][NOT_MADE] == found['row/3'][NOT_MADE] == (
        'the process ended without a message, twice'
    )


def is_running(stat):
    """Whether a process is neither gone nor a zombie."""
    try:
        return stat.read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


def test_a_section_that_hangs_ends_with_its_children(tmp_path, monkeypatch):
    monkeypatch.setattr('gpu_run._GRACE_S', 1.5)
    pid = tmp_path / 'pid'
    code = (
        'import subprocess, sys, time; child = subprocess.Popen([sys.executable, "-c", '
        f'"import time; time.sleep(99)"]); open({str(pid)!r}, "w").write(str(child.pid)); '
        'time.sleep(99)'
    )
    assert not _section('hangs', [sys.executable, '-c', code], os.environ, time.time())
    # the kernel has been asked to end it, and takes its time
    child, end = Path(f'/proc/{pid.read_text()}/stat'), time.monotonic() + 20
    while is_running(child) and time.monotonic() < end:
        time.sleep(0.05)
    assert not is_running(child)


def test_times_are_those_of_the_work():
    found = milliseconds(lambda: time.sleep(0.01), 0.0, 5)
    assert found['runs'] == 5
    assert 10 <= found['median'] < 100
    assert found['p95'] >= found['median']


@pytest.mark.parametrize('name', NAMES)
def test_every_section_is_there(name):
    assert callable(opened(name))


def test_only_the_check_on_a_cpu_leaves_rows_out():
    keys = [f'torch/{SMALL}/640x480/fp32/compiled', 'torch/embedded/640x480/fp16/eager',
            'onnxruntime/depth_anything_v2_metric_indoor_base/1280x720/fp32']
    assert all(left_out(CPU)(key) for key in keys)
    assert not any(left_out(GPU)(key) for key in keys)
    assert not left_out(CPU)('onnxruntime/embedded/1280x720/fp16')


def test_operations_of_a_convolution(tmp_path):
    path = write_network(tmp_path / 'n.onnx', width=32, height=24)
    model = Model(path, ModelSpec('n', OutputKind.RELATIVE_DEPTH, input_size=Size(32, 24)))
    work = work_of(model)
    assert work.operations == 2 * 32 * 24 * 3 * 3 * 3
    assert work.parameters == 27


ROWS_OF_A_GPU = {
    'machine/memory': {'gb_per_s': 2000.0, 'lap_ms': lap(1.0)},
    'machine/arithmetic/fp16': {'tflop_per_s': 500.0, 'lap_ms': lap(2.0)},
    f'work/{SMALL}/640x480': {'operations': 10**12, 'parameters': 10**7, 'network': '602x448'},
    f'onnxruntime/{SMALL}/640x480/fp16': {
        'network': '602x448', 'bare_ms': lap(4.0), 'engine_ms': lap(4.5), 'frame_ms': lap(8.0),
        'copies_ms': lap(0.25), 'agrees': {'median': 0.001, 'p99': 0.0125, 'good': True},
    },
    f'torch/{SMALL}/640x480/fp16/eager': {'bare_ms': lap(6.0), 'frame_ms': lap(7.0)},
    f'torch/{SMALL}/640x480/fp16/compiled': {NOT_MADE: 'RuntimeError: no | compiler'},
    'build/rtx/8.0/trial/fp16': {'bytes': 2_000_000, 'build_s': 1.5},
    'run/rtx/8.0/trial/fp16': {NOT_MADE: 'the process ended without a message, twice'},
    'build/rtx/current/trial/fp16': {'bytes': 1_000_000, 'build_s': 2.5},
    'run/rtx/current/trial/fp16': {
        'bare_ms': lap(0.1), 'engine_ms': lap(0.2),
        'agrees': {'median': 0.5, 'p99': 0.9, 'good': False, 'reason': 'relative error 50%'},
    },
    'self-test/rtx': {'exit_code': 1, 'findings': [
        {'name': 'versions', 'held': True, 'seconds': 0.25, 'detail': 'a | b'},
        {'name': 'replays', 'held': False, 'seconds': 3.0, 'detail': 'not captured'},
    ]},
    'node/embedded/640x480': {
        'engine': 'ONNX Runtime, CUDA, fp16', 'camera_fps': 30.0, 'delivered': 1.0,
        'delivered_points': 0.5, 'node_memory_mb': 900.0, 'node_cpu': 0.25,
        'latency_ms': {'depth/image': {'median': 9.0, 'p99': 12.0}},
    },
}


def rendered(device, rows=ROWS_OF_A_GPU, late=()):
    machine = {'device': device.name, 'cuda': device.cuda, 'python': '3.12.3',
               'date': '2026-11-26', 'packages': {'torch': '2.11'}, 'notes': []}
    return page.render(machine, rows, late)


def cells(text, *starts):
    return next(
        [cell.strip() for cell in line.strip('|').split('|')] for line in text.splitlines()
        if [c.strip() for c in line.strip('|').split('|')][:len(starts)] == list(starts)
    )


def test_the_tables_say_what_the_rows_say():
    text = rendered(GPU, late=['node/embedded/1280x720'])
    assert f'## {GPU.name}' in text
    assert 'CPU' not in text.replace('on the CPU', '')
    small = cells(text, 'Depth Anything V2 Small', '640x480', '602x448', 'fp16')
    # floor: 1e12 operations at 500e12 per second are 2 ms; 2e7 bytes at 2e12 are 0.01 ms
    assert small[4:] == ['4', '2', '4.5', '0.25', '8', '50%', '0.100%, 1.250%']
    assert cells(text, 'Depth Anything V2 Small', '640x480', '–', 'fp32')[4:] == ['–'] * 7
    peer = cells(text, 'Depth Anything V2 Small', '640x480', 'fp16')
    assert peer[3:] == ['6', '–', '7', '–', '4', '4.5']
    assert cells(text, 'TensorRT for RTX', '8.0')[4:6] == ['2.0 MB, 1.5 s', 'no']
    assert cells(text, 'TensorRT for RTX', 'current')[5:] == [
        'WRONG: relative error 50%', '0.1', '0.2', '50.000%, 90.000%'
    ]
    assert cells(text, 'replays') == ['replays', '**no**', '3.0', 'not captured']
    assert cells(text, 'versions')[3] == 'a / b'
    node = cells(text, 'embedded', '640x480', 'ONNX Runtime, CUDA, fp16')
    assert node[3:] == ['30.0', '100.0%', '50.0%', '9.0 / 12.0', '–', '900', '0.25']
    missing = text[text.index('### What was not made'):]
    for part in ('no / compiler', 'twice: `run/rtx/8.0/trial/fp16`', 'no time was left: `node/'):
        assert part.replace(' / ', ' | ') in ' '.join(missing.split())


def test_a_table_of_a_cpu_says_so():
    text = rendered(CPU)
    assert f'## {CPU.name}' in text
    assert 'A check of the run itself on a CPU' in text


def test_a_new_run_replaces_its_own_section_and_no_other(tmp_path, monkeypatch, capsys):
    path = tmp_path / 'gpu.md'
    monkeypatch.setattr(sys, 'argv', ['page', str(tmp_path / 'results'), '--page', str(path)])
    path.write_text('# GPU\n\nHow to.\n')
    for device, number in ((GPU, 1.0), (CPU, 2.0), (GPU, 30.0)):
        results = tmp_path / 'results'
        results.mkdir(exist_ok=True)
        (results / MACHINE).write_text(json.dumps({
            'device': device.name, 'cuda': device.cuda, 'python': '3', 'date': 'd',
            'packages': {}, 'notes': [],
        }))
        (results / ROWS).unlink(missing_ok=True)
        Journal(results / ROWS).make('machine/memory', lambda n=number: {'gb_per_s': n})
        assert page.main() == 0
        assert 'wrote' in capsys.readouterr().out
    text = path.read_text()
    assert text.startswith('# GPU\n\nHow to.\n')
    assert text.count(f'## {GPU.name}') == text.count(f'## {CPU.name}') == 1
    assert '30 GB/s' in text
    assert '2 GB/s' in text
    assert '| 1 GB/s' not in text
    (tmp_path / 'results' / MACHINE).write_text('{')
    assert page.main() == 2
    assert capsys.readouterr().err.count('\n') == 1
    assert path.read_text() == text


def test_what_is_packed_and_absent_is_installed_above_what_is_there(tmp_path, monkeypatch):
    def wheel(name, python='py3-none-any'):
        path = tmp_path / f'{name}-1-{python}.whl'
        info = f'{name}-1.dist-info'
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr(f'{name}.py', 'import numpy; VALUE = 42\n')
            metadata = f'Metadata-Version: 2.1\nName: {name}\nVersion: 1\n'
            archive.writestr(f'{info}/METADATA', metadata)
            tags = 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: x\n'
            archive.writestr(f'{info}/WHEEL', tags)
            archive.writestr(f'{info}/RECORD', '')
        return path

    assert installed('numpy-9-py3-none-any.whl')
    wheels = [wheel('tinyabsent'), wheel('numpy'), wheel('othertiny', 'cp31-cp31-none')]
    # the first wheel is in two groups
    write_pack({'all': wheels, 'some': wheels[:1], 'none': wheels[:1]}, tmp_path / 'pack')
    (tmp_path / 'pack' / 'none.part01').unlink()
    kept = tmp_path / 'kept'
    arrival = receive(tmp_path / 'pack', kept)
    for _ in range(2):
        found = prepare(read_manifest(tmp_path / 'pack'), arrival, kept, tmp_path / 'venv')
        assert found.notes[0] == 'none: not carried (1 parts are missing)'
        assert found.notes[1].startswith('all: 1 wheels packed, 1 already there, 1 for another')
        # a second call finds them installed
        monkeypatch.setattr('environment._install', lambda *_: pytest.fail('installed twice'))
    code = 'import numpy, tinyabsent; print(tinyabsent.VALUE, numpy.__version__)'
    done = subprocess.run(
        [str(found.python), '-c', code], check=True, capture_output=True, text=True,
        env=dict(found.variables),
    )
    assert done.stdout.split() == ['42', np.__version__]


def test_a_row_of_onnx_runtime_is_measured_and_compared(tmp_path):
    """The steps of a GPU, with the CPU's provider, on the smallest network."""
    subject = _Subject(Task(Journal(tmp_path / ROWS), CPU, tmp_path), 'embedded', Size(64, 48))
    row = subject.measured('fp16')
    assert row['network'] == '256x192'
    assert row['agrees']['good']
    assert 0 < row['agrees']['median'] < 0.005
    for key in ('bare_ms', 'engine_ms', 'frame_ms', 'copies_ms'):
        assert row[key]['median'] > 0
    subject.expected[0].values.fill(100.0)
    assert not subject.measured('fp32')['agrees']['good']
