"""A kept engine looks at a sample when it is loaded; one that varies is not kept at all."""

from __future__ import annotations

import itertools
import os
import sys

import numpy as np
from onnx import TensorProto
import pytest

from depth_node.engine.cache import PROFILE, SAMPLE
from depth_node.engine.tensorrt.gpu import Gpu
from depth_node.engine.tensorrt.job import KEPT_ROUNDS, ROUNDS
from depth_node.engine.tensorrt.resizing import costly_resize
from depth_node.engine.tensorrt.sample import Sample
from depth_node.errors import EngineError
from depth_node.image.size import Size
from depth_node.model import Interpolation, ModelSpec, OutputKind
from depth_node.model.prediction import Prediction


def has_halves(model):
    return any(t.data_type == TensorProto.FLOAT16 for t in model.graph.initializer)


def test_an_engine_that_varies_from_frame_to_frame_is_rejected(machine):
    """Three frames, once each, passed: it is wrong only now and then."""
    runs = []

    def now_and_then(model, results):
        if has_halves(model):
            runs.append(1)
            if len(runs) % 7 == 0:
                results['depth'] *= 1.008  # within what one look allows

    machine.trt.spoil = now_and_then
    engine = machine.open()
    assert engine.precision == 'fp32'
    reason = machine.metadata()['verification'][0]['reason']
    assert 'from one run to the next' in reason
    engine.close()


def test_frames_are_interleaved_and_repeated(machine):
    shapes = []
    machine.trt.spoil = lambda _, results: shapes.append(results['depth'].shape)
    machine.open().close()
    # the first two runs at each size are those before the capture
    assert shapes.count((120, 160)) >= ROUNDS
    turns = [b for a, b in itertools.pairwise(shapes) if a != b]
    assert len(turns) >= 2 * ROUNDS - 1
    facts = machine.metadata()['verification'][0]
    assert facts['rounds'] == ROUNDS
    assert facts['spread'] == 0


def test_a_kept_engine_that_became_wrong_is_built_again(machine):
    """Nothing but its name may have changed: a driver, a clock, a card that overheats."""
    machine.open().close()
    machine.trt.spoil = lambda model, results: (
        results.update(depth=results['depth'] * 1.3) if has_halves(model) else None
    )
    engine = machine.open()
    assert any('THE CACHED ENGINE IS WRONG' in line for line in machine.warnings)
    assert engine.precision == 'fp32'
    engine.close()


def test_loading_needs_no_reference_and_looks_a_few_times(machine, monkeypatch):
    machine.open().close()
    runs = []
    machine.trt.spoil = lambda *_: runs.append(1)

    def no_reference(*_, **__):
        raise AssertionError('ONNX Runtime was opened')

    monkeypatch.setattr('depth_node.engine.onnxruntime.open_graph', no_reference)
    machine.open().close()
    assert KEPT_ROUNDS <= len(runs) <= KEPT_ROUNDS + 1


@pytest.mark.parametrize('how', ['missing', 'garbage', 'truncated'])
def test_without_a_whole_sample_a_kept_engine_is_not_believed(machine, how):
    machine.open().close()
    plan, = machine.plans()
    sample = plan.with_suffix(SAMPLE)
    content = sample.read_bytes()
    sample.unlink()
    if how != 'missing':
        sample.write_bytes(b'PK garbage' if how == 'garbage' else content[:-100])
    machine.open().close()
    assert len(machine.trt.builds) == 2
    assert sample.read_bytes() == content


def test_the_reference_is_closed_before_the_build(machine, monkeypatch):
    """On a board with 8 GB both together do not fit."""
    from depth_node.engine.onnxruntime import MergedOnnxRuntime

    order = []
    close = MergedOnnxRuntime.close
    monkeypatch.setattr(
        MergedOnnxRuntime, 'close', lambda self: (order.append('closed'), close(self))
    )
    real = machine.trt.Builder.build_serialized_network

    def building(self, network, config):
        order.append('build')
        return real(self, network, config)

    machine.trt.Builder.build_serialized_network = building
    machine.open().close()
    assert order == ['closed', 'build']


def test_nothing_of_a_build_stays_but_what_is_kept(machine):
    machine.open().close()
    plan, = machine.plans()
    names = sorted(path.name for path in machine.folder.iterdir() if '.lock' not in path.name)
    timing, = machine.folder.glob('timing*')
    assert names == sorted([
        plan.name, plan.with_suffix('.json').name, plan.with_suffix(SAMPLE).name, timing.name,
    ])


def test_what_lies_with_a_plan_is_pruned_with_it(machine):
    from depth_node.engine.cache import EngineCache

    machine.open().close()
    plan, = machine.plans()
    plan.with_suffix(PROFILE).write_text('{}')
    cache = EngineCache(machine.folder)
    assert cache.prune('TensorRT 10.3.0', ('Other GPU', 'Fake GPU')) == []
    deleted = cache.prune('TensorRT 11.0.0', ('Fake GPU',))
    assert {path.suffix for path in deleted} == {'.plan', '.json', '.npz'}
    assert not list(machine.folder.glob(f'{plan.stem}*[!k]'))


@pytest.mark.parametrize('extras', [(), ('confidence', 'sky')])
def test_a_sample_is_read_as_it_was_written(extras):
    rng = np.random.default_rng(0)
    planes = {name: rng.random((4, 5), np.float32) for name in extras}
    sample = Sample(
        rng.integers(0, 256, (4, 5, 3), np.uint8),
        Prediction(np.full((4, 5), np.nan, np.float32), **planes),
    )
    again = Sample.read(sample.as_bytes())
    np.testing.assert_array_equal(again.frame, sample.frame)
    for name in ('values', 'confidence', 'sky'):
        one, other = getattr(sample.answer, name), getattr(again.answer, name)
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_array_equal(one, other)
    assert Sample.read(None) is None


@pytest.mark.parametrize(('interpolation', 'integrated', 'camera', 'warns'), [
    (Interpolation.AREA, True, Size(1920, 1080), True),
    (Interpolation.LANCZOS, True, Size(1920, 1080), True),
    (Interpolation.AREA, False, Size(1920, 1080), False),
    (Interpolation.CUBIC, True, Size(1920, 1080), False),
    (Interpolation.AREA, True, Size(160, 120), False),
])
def test_a_resize_that_a_small_board_notices(interpolation, integrated, camera, warns):
    spec = ModelSpec('net', OutputKind.RELATIVE_DEPTH, interpolation=interpolation)
    gpu = Gpu('Orin', '8.7', 8, 8 << 30, integrated, '12.6')
    text = costly_resize(spec, Size(518, 392), camera, gpu)
    assert bool(text) == warns
    if warns:
        # rows first: 2 x 3 x (392 x 1080 x 1920 + 392 x 1920 x 518); Lanczos begins with columns
        amount = '7.8' if interpolation is Interpolation.LANCZOS else '7.2'
        assert f'{amount} billion operations' in text


def test_plugins_are_registered_once(machine):
    machine.open().close()
    machine.open().close()
    assert machine.trt.plugins == ['']


def test_a_tensorrt_that_hides_jetpack_s_is_named(machine):
    machine.trt.Builder.build_serialized_network = lambda self, *_: self.logger.log(
        machine.trt.ILogger.ERROR, 'Error Code 9: Target GPU SM 87 is not supported by this '
        'TensorRT release.'
    )
    with pytest.raises(EngineError, match=r'SM 87.*pip uninstall tensorrt.*system-site'):
        machine.open()


def test_tensorrt_for_rtx_has_a_name_and_plans_of_its_own(machine, monkeypatch):
    """Its versions count from 1, and are not too old for that."""
    machine.open().close()
    machine.install(machine.cuda, version='1.7.1.116')
    machine.trt.__name__ = 'tensorrt_rtx_bindings'
    monkeypatch.setitem(sys.modules, 'tensorrt_rtx_bindings', machine.trt)
    monkeypatch.setenv('DEPTH_NODE_TENSORRT', 'tensorrt_rtx_bindings')
    engine = machine.open()
    assert engine.name == 'TensorRT for RTX 1.7.1.116'
    assert len(machine.plans()) == 2
    engine.close()
    monkeypatch.delenv('DEPTH_NODE_TENSORRT')
    machine.install(machine.cuda, version='1.7.1.116')
    with pytest.raises(EngineError, match=r'expected 10\.3 or later'):
        machine.open()


def test_what_killed_builds_left_is_swept(machine):
    """Graphs of large networks have gigabytes."""
    machine.folder.mkdir(parents=True)
    old, young = machine.folder / '.build-old.part', machine.folder / '.build-young.part'
    for folder in (old, young):
        folder.mkdir()
        (folder / 'graph.onnx').write_bytes(b'x')
    os.utime(old, (1, 1))
    machine.open().close()
    assert not old.exists()
    assert young.exists()


def test_a_folder_in_use_is_not_swept(machine, monkeypatch):
    """Two nodes with different networks build at once."""
    from depth_node.engine.tensorrt import job
    from depth_node.files import sweep

    build = job.build_apart

    def meanwhile(graph, *arguments, **options):
        os.utime(graph.parent, (1, 1))
        sweep(machine.folder / 'build')
        assert graph.exists()
        return build(graph, *arguments, **options)

    monkeypatch.setattr(job, 'build_apart', meanwhile)
    machine.open().close()
    assert not list(machine.folder.glob('.build-*'))


@pytest.mark.parametrize('ending', ['.plan', '.json', SAMPLE])
@pytest.mark.parametrize('kind', ['fifo', 'endless', 'folder'])
def test_files_of_a_cache_that_are_none_are_not_waited_for(machine, ending, kind):
    """Somebody else may write to the folder: a FIFO has no end to its opening."""
    machine.open().close()
    plan, = machine.plans()
    path = plan.with_suffix(ending)
    path.unlink()
    if kind == 'fifo':
        os.mkfifo(path)
    elif kind == 'endless':
        path.symlink_to('/dev/zero')
    else:
        path.mkdir()
    machine.open().close()
    assert len(machine.trt.builds) == 2
    assert path.is_file()


def test_timings_that_are_no_file_are_not_waited_for(machine, monkeypatch):
    said = []
    monkeypatch.setattr(
        'depth_node.engine.tensorrt.builder._LOGGER.warning',
        lambda text, *of: said.append(text % of),
    )
    machine.open().close()
    path, = machine.folder.glob('timing*')
    path.unlink()
    os.mkfifo(path)
    machine.open(optimization_level=1).close()
    assert len(machine.trt.builds) == 2
    assert path.is_fifo()
    assert any(f'{path}: is a FIFO' in line for line in said)
