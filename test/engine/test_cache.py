from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
import errno
import json
import multiprocessing
import os
from pathlib import Path
import time

from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
import pytest

from depth_node.catalogue.fetch import model_cache_root
from depth_node.engine.cache import EngineCache, Key, write_whole
from depth_node.engine.cache_folder import engine_cache_root, writable
from depth_node.errors import CancelledError, EngineError, ModelError
from depth_node.files import locked

KEY = Key('a' * 64, 'TensorRT 10.3.0', 'Orin', '8.7', 'fp16', {'optimization_level': 3})
PLAN = b'plan' * 100


@pytest.fixture
def cache(tmp_path):
    return EngineCache(tmp_path / 'cache')


def test_the_folder_comes_from_the_parameter_or_from_xdg(monkeypatch, tmp_path):
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'xdg'))
    assert engine_cache_root() == tmp_path / 'xdg' / 'depth_node'
    assert engine_cache_root('~/mine') == tmp_path / 'mine'
    for ignored in ('relative/path', ''):
        monkeypatch.setenv('XDG_CACHE_HOME', ignored)
        assert engine_cache_root() == tmp_path / '.cache' / 'depth_node'


def test_a_user_without_a_home_is_told(monkeypatch):
    def unknown(_uid):
        raise KeyError('uid not found')

    monkeypatch.delenv('HOME', raising=False)
    monkeypatch.delenv('XDG_CACHE_HOME', raising=False)
    monkeypatch.setattr('pwd.getpwuid', unknown)
    with pytest.raises(EngineError, match='no home folder'):
        engine_cache_root()
    with pytest.raises(ModelError, match='no home folder'):
        model_cache_root()
    assert engine_cache_root('/somewhere') == Path('/somewhere')


def test_what_was_stored_is_loaded(cache):
    assert cache.load('net 64x48', KEY) is None
    path = cache.store('net 64x48', KEY, PLAN, {'precision': 'fp16'})
    plan, metadata = cache.load('net 64x48', KEY)
    assert plan == PLAN
    assert metadata['precision'] == 'fp16'
    readable = json.loads(path.with_suffix('.json').read_text())
    assert readable['key']['gpu'] == 'Orin'
    assert readable['plan_bytes'] == 400


@pytest.mark.parametrize(
    'change',
    [{'graph': 'b' * 64}, {'runtime': 'TensorRT 10.13.3'}, {'gpu': 'Thor'}, {'capability': '9.0'},
     {'precision': 'fp32'}, {'settings': {'optimization_level': 5}}],
)
def test_any_change_is_another_engine(cache, change):
    cache.store('net', KEY, PLAN, {})
    assert cache.load('net', replace(KEY, **change)) is None
    assert cache.load('net', KEY) is not None


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 399), st.sampled_from(['cut', 'flip', 'empty']), st.booleans())
def test_damage_is_set_aside(tmp_path, place, how, in_plan):
    cache = EngineCache(tmp_path / 'cache')
    path = cache.store('net', KEY, PLAN, {})
    file = path if in_plan else path.with_suffix('.json')
    content = bytearray(file.read_bytes())
    place %= len(content) - 9  # the last bytes of a description may be missing without harm
    if how == 'cut':
        content = content[:place]
    elif how == 'flip':
        content[place] ^= 0xFF
    else:
        content.clear()
    file.write_bytes(bytes(content))
    assert cache.load('net', KEY) is None
    assert not path.exists()
    assert path.with_name(path.name + '.bad').exists()
    cache.store('net', KEY, PLAN, {})
    assert cache.load('net', KEY)[0] == PLAN


def test_who_has_no_lock_sets_nothing_aside(cache):
    """What looks damaged is being written by somebody else."""
    path = cache.store('net', KEY, PLAN, {})
    path.with_suffix('.json').unlink()
    assert cache.load('net', KEY, tidy=False) is None
    assert path.read_bytes() == PLAN
    assert cache.load('net', KEY) is None
    assert not path.exists()


def test_a_foreign_plan_under_our_name_is_set_aside(cache):
    ours = cache.store('net', KEY, PLAN, {})
    other = cache.store('net', replace(KEY, gpu='Thor'), b'foreign', {})
    other.replace(ours)
    other.with_suffix('.json').replace(ours.with_suffix('.json'))
    assert cache.load('net', KEY) is None


def test_a_full_disk_leaves_nothing_behind(cache, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr('os.fsync', full)
    with pytest.raises(EngineError, match=r'No space left on device.*engine\.cache_dir'):
        cache.store('net', KEY, PLAN, {})
    assert list(cache.folder.iterdir()) == []


def test_a_read_only_folder_is_named(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(EngineError, match=r'file.* cannot be written'):
        writable(tmp_path / 'file' / 'cache')
    with pytest.raises(EngineError, match='cannot be written'):
        write_whole(tmp_path / 'none' / 'plan', b'')


def test_many_may_look_whether_it_can_be_written_at_once(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        looks = [pool.submit(writable, tmp_path / 'new') for _ in range(400)]
    assert all(look.result() == tmp_path / 'new' for look in looks)
    assert list((tmp_path / 'new').iterdir()) == []


def test_pruning_keeps_what_this_machine_can_use(cache):
    good = cache.store('net', KEY, PLAN, {})
    old = cache.store('net', replace(KEY, runtime='TensorRT 8.6'), PLAN, {})
    elsewhere = cache.store('net', replace(KEY, gpu='Thor'), PLAN, {})
    half, young = (cache.folder / f'.x.plan-{name * 8}.part' for name in 'ab')
    for path in (half, young):
        path.write_bytes(b'half')
    os.utime(half, (0, 0))
    (cache.folder / 'timing.cache').write_bytes(b'keep')
    cache.store('broken', KEY, PLAN, {})
    cache.set_aside('broken', KEY)
    assert len(cache.entries()) == 3
    cache.prune()
    assert {e.path for e in cache.entries()} == {good, old, elsewhere}
    assert not list(cache.folder.glob('*.bad'))
    assert not half.exists()
    assert young.exists(), 'somebody may be writing it'
    cache.prune(runtime='TensorRT 10.3.0', gpus=('Orin',))
    assert {e.path for e in cache.entries()} == {good}
    assert (cache.folder / 'timing.cache').exists()


@pytest.mark.parametrize(
    'metadata',
    ['[]', '{}', '{"format": 1, "key": [], "plan_bytes": 1}',
     '{"format": 1, "key": {}, "plan_bytes": "x"}', '{"format": 7, "key": {}, "plan_bytes": 1}'],
)
def test_descriptions_that_are_not_ours_are_not_listed(cache, metadata):
    """And pruned, whatever they are."""
    path = cache.store('net', KEY, PLAN, {})
    path.with_suffix('.json').write_text(metadata)
    assert cache.entries() == []
    assert path in cache.prune()
    assert list(cache.folder.iterdir()) == []


def test_an_empty_or_missing_cache_lists_nothing(tmp_path):
    cache = EngineCache(tmp_path / 'none')
    assert cache.entries() == []
    assert cache.prune() == []


def _build_once(folder: Path, seconds: float) -> None:
    folder.mkdir(exist_ok=True)
    with locked(folder / 'lock'):
        if not (folder / 'built').exists():
            time.sleep(seconds)
            with (folder / 'built').open('a') as file:
                file.write('once\n')


def test_two_processes_build_once(tmp_path):
    context = multiprocessing.get_context('fork')
    processes = [context.Process(target=_build_once, args=(tmp_path, 0.3)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(10)
    assert (tmp_path / 'built').read_text() == 'once\n'


def test_waiting_for_a_lock_can_be_cancelled_and_is_told(tmp_path):
    told = []
    with locked(tmp_path / 'lock'):
        waiting = locked(
            tmp_path / 'lock', cancelled=lambda: bool(told), waiting=lambda: told.append(1)
        )
        with pytest.raises(CancelledError), waiting:
            pass
    assert told == [1]
    with locked(tmp_path / 'lock'):
        pass
