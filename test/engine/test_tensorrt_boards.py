"""Plans and timings of other boards, refused sizes, integrated and second GPUs."""

from __future__ import annotations

import dataclasses
import json
import threading

from fake_cuda import FakeCuda
from fake_machine import frame, infer
import numpy as np
import pytest

from depth_node.engine.tensorrt.runtime import TensorRtEngine
from depth_node.errors import CancelledError, DataError, EngineError
from depth_node.model.prediction import Prediction


def test_a_plan_of_another_model_of_device_is_built_again(machine):
    """TensorRT only warns: AGX Orin, NX and Nano have one name and one capability."""
    machine.open().close()
    path, = machine.plans()
    # a cache that was copied together with a key that fits, as a cloned disk has it
    plan = path.read_bytes()
    machine.install(FakeCuda(sms=8))
    machine.open().close()
    new, = set(machine.plans()) - {path}
    facts = json.loads(new.with_suffix('.json').read_text())
    import hashlib

    new.write_bytes(plan)
    new.with_suffix('.json').write_text(
        json.dumps({**facts, 'plan_sha256': hashlib.sha256(plan).hexdigest()})
    )
    builds = len(machine.trt.builds)
    machine.open().close()
    assert len(machine.trt.builds) == builds + 1
    assert any('another model of device' in line for line in machine.warnings)


@pytest.mark.parametrize('other', [
    {'sms': 8}, {'memory': 16 << 30}, {'versions': (12090, 12060)}, {'name': 'Other'},
    {'capability': (8, 6)},
])
def test_another_board_has_a_plan_and_timings_of_its_own(machine, other):
    machine.open().close()
    machine.install(FakeCuda(**other))
    machine.open().close()
    assert len(machine.plans()) == 2
    assert len(list(machine.folder.glob('timing*'))) == 2


def test_timings_of_another_board_are_replaced(machine):
    """set_timing_cache refuses them; without any, each build would measure all over."""
    machine.open(optimization_level=1).close()
    path, = machine.folder.glob('timing*')
    path.write_bytes(b'TIMING Other/9 +++')
    machine.open(optimization_level=2).close()
    assert path.read_bytes() == b'TIMING Fake GPU/16 +'


def test_timings_are_kept_of_a_build_that_was_cancelled_or_failed(machine):
    def cancelled():
        return any(share > 0.1 for share, _ in machine.progress)

    with pytest.raises(CancelledError):
        machine.open(cancelled=cancelled)
    path, = machine.folder.glob('timing*')
    assert path.read_bytes() == b'TIMING Fake GPU/16 +'
    machine.trt.memory_mb = 1
    with pytest.raises(EngineError, match='not enough memory'):
        machine.open()
    assert len(path.read_bytes()) > len(b'TIMING Fake GPU/16 +')


def test_buffers_of_another_engine_or_of_numpy_are_filled_too(machine):
    engine = machine.open()
    image = frame(120, 160)
    wanted = infer(engine, image)
    plain = Prediction.empty(120, 160, confidence=True, sky=True)
    engine.infer(image, plain)
    part = Prediction.empty(120, 160)
    engine.infer(image, part)
    for name in ('values', 'confidence', 'sky'):
        np.testing.assert_array_equal(getattr(plain, name), getattr(wanted, name))
    np.testing.assert_array_equal(part.values, wanted.values)
    whole = np.zeros((120, 320), np.float32)
    strided = dataclasses.replace(part, values=whole[:, ::2])
    engine.infer(image, strided)
    np.testing.assert_array_equal(whole[:, ::2], wanted.values)
    engine.close()


def test_a_refused_size_leaves_the_last_one_ready(machine):
    engine = machine.open(max_camera_size='640x480')
    infer(engine, frame(120, 160))
    with pytest.raises(DataError):
        infer(engine, frame(480, 641))
    machine.cuda.launches = 0
    infer(engine, frame(120, 160))
    assert machine.cuda.launches == 1
    engine.close()


def test_an_integrated_gpu_reads_the_frame_where_it_is(machine):
    machine.install(FakeCuda(integrated=True))
    engine = machine.open()
    infer(engine, frame(120, 160))
    machine.cuda.calls.clear()
    found = infer(engine, frame(120, 160, 5))
    kinds = machine.cuda.calls.count('cudaMemcpyAsync')
    assert kinds == 3  # three answers down, no frame up
    assert len(machine.cuda.device) == 3
    machine.install(FakeCuda())
    other = machine.open()
    np.testing.assert_array_equal(found.values, infer(other, frame(120, 160, 5)).values)
    engine.close()
    other.close()


def test_the_camera_s_size_is_ready_before_its_first_frame(machine):
    from depth_node.image.size import Size

    engine = machine.open(camera=Size(320, 200))
    assert machine.trt.builds[-1].config.profiles[0].shapes['frame'][1] == (200, 320, 3)
    machine.cuda.calls.clear()
    infer(engine, frame(200, 320))
    assert 'cudaStreamBeginCapture' not in machine.cuda.calls
    assert 'cudaMalloc' not in machine.cuda.calls
    engine.close()
    # the camera is no part of the key, and one that is too large is refused when it comes
    machine.open(camera=Size(4000, 3000)).close()
    assert len(machine.trt.builds) == 1


def test_the_second_gpu_is_used_and_the_first_left_alone(machine):
    machine.install(FakeCuda(gpus=2))
    engine = machine.open(device=1)
    infer(engine, frame(200, 300))
    cuda = machine.cuda
    assert {cuda.home[address] for address in (*cuda.device, *cuda.host)} == {1}
    assert {stream.device for stream in cuda.streams.values()} == {1}
    engine.close()
    with pytest.raises(EngineError, match=r'engine\.device is 2, but there are 2 GPUs'):
        machine.open(device=2)


def test_another_thread_closes_the_engine_of_the_second_gpu(machine):
    """A thread starts on device 0, where the engine's memory is not."""
    machine.install(FakeCuda(gpus=2))
    engine = machine.open(device=1)
    infer(engine, frame(200, 300))
    closing = threading.Thread(target=engine.close)
    closing.start()
    closing.join()
    assert machine.faults() == []
    assert machine.leaks() == 0


def test_a_camera_that_cannot_be_prepared_for_leaves_nothing(machine, monkeypatch):
    from depth_node.image.size import Size

    machine.open().close()

    def failing(self, camera):
        raise EngineError('out of memory')

    monkeypatch.setattr(TensorRtEngine, 'prepare', failing)
    with pytest.raises(EngineError, match='out of memory'):
        machine.open(camera=Size(640, 480))
    assert machine.leaks() == 0
