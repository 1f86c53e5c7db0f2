"""Every engine gives the same answer, and handles misuse the same way."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading

import cv2
import numpy as np
from PIL import Image
import pytest

from depth_node.engine.onnxruntime import CPU, open_merged, open_onnxruntime
from depth_node.engine.openvino import open_openvino
from depth_node.errors import DataError, EngineError, ModelError
from depth_node.image.size import Size
from depth_node.model import Interpolation, Model, ModelSpec, OutputKind

OPENERS = {
    'openvino': open_openvino,
    'onnxruntime': open_onnxruntime,
    'merged': lambda model, size: open_merged(model, size, provider=CPU),
}
TINY = ModelSpec('tiny', OutputKind.RELATIVE_DEPTH)


@pytest.fixture(params=list(OPENERS))
def opener(request):
    return OPENERS[request.param]


@pytest.fixture
def real(shared_data):
    image = cv2.imread(str(shared_data / 'kitti' / 'object' / 'image_2' / '000000.png'))
    path = shared_data / 'weights' / 'rtmonodepth_s_ms_640_192.onnx'
    return path, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def infer(engine, frame):
    out = engine.buffers(*frame.shape[:2])
    engine.infer(frame, out)
    return out


def relative(ours, wanted):
    return np.abs(ours - wanted) / np.abs(wanted)


def test_all_agree_on_a_real_frame_with_the_real_network(real):
    path, frame = real
    model = Model(path, ModelSpec('rt', OutputKind.SIGMOID_DISPARITY))
    values = {name: infer(opener(model, Size(640, 192)), frame).values
              for name, opener in OPENERS.items()}
    assert relative(values['onnxruntime'], values['openvino']).max() < 1e-3
    assert np.median(relative(values['merged'], values['openvino'])) < 1e-3


@pytest.mark.parametrize('interpolation', ['linear', 'cubic', 'area', 'lanczos'])
def test_close_to_the_authors_preparation(real, opener, interpolation):
    """Monodepth2 resizes with Pillow's LANCZOS; the answer may differ by 3 % (median)."""
    path, frame = real
    spec = ModelSpec(
        'rt', OutputKind.SIGMOID_DISPARITY, interpolation=Interpolation(interpolation)
    )
    ours = infer(opener(Model(path, spec), Size(640, 192)), frame).values
    small = np.asarray(Image.fromarray(frame).resize((640, 192), Image.Resampling.LANCZOS))
    theirs = infer(open_onnxruntime(Model(path, spec), Size(640, 192)), small).values
    theirs = cv2.resize(theirs, frame.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    assert np.median(relative(ours, theirs)) < 0.03


@pytest.mark.parametrize('sides', [(32, 24), (None, None)])
@pytest.mark.parametrize('rank', [3, 4])
def test_extras_come_through(network, opener, sides, rank):
    frame = np.random.default_rng(1).integers(0, 256, (24, 32, 3), np.uint8)
    path = network(width=sides[0], height=sides[1], rank=rank, extras=('confidence', 'sky'))
    engine = opener(Model(path, TINY), Size(32, 24))
    out = infer(engine, frame)
    np.testing.assert_allclose(out.confidence, frame.mean(2) / 255, atol=1e-6)
    np.testing.assert_allclose(out.sky, frame.max(2) / 255, atol=1e-6)
    # a caller that does not want them leaves them out
    out.confidence = out.sky = None
    engine.infer(frame, out)


def test_without_extras_there_are_no_buffers_for_them(network, opener):
    out = opener(Model(network(), TINY), Size(32, 24)).buffers(30, 40)
    assert out.confidence is None
    assert out.sky is None


def test_the_size_of_the_camera_may_change(network, opener):
    path = network()
    engine = opener(Model(path, TINY), Size(32, 24))
    frames = [np.random.default_rng(n).integers(0, 256, (30 + n, 40 - n, 3), np.uint8)
              for n in (0, 9, 0)]
    results = [infer(engine, frame).values for frame in frames]
    np.testing.assert_array_equal(results[0], results[2])
    fresh = infer(opener(Model(path, TINY), Size(32, 24)), frames[1]).values
    np.testing.assert_allclose(results[1], fresh, rtol=1e-6)


def test_frames_may_be_views(network, opener):
    engine = opener(Model(network(), TINY), Size(32, 24))
    whole = np.random.default_rng(3).integers(0, 256, (60, 80, 3), np.uint8)
    for view in (whole[5:35, 7:47], whole[:, :, ::-1]):
        np.testing.assert_array_equal(
            infer(engine, view).values, infer(engine, view.copy()).values
        )


def test_wrong_frames_and_buffers_are_refused(network, opener):
    engine = opener(Model(network(), TINY), Size(32, 24))
    frame = np.zeros((30, 40, 3), np.uint8)
    with pytest.raises(DataError, match=r'\[30, 40\].*\[40, 30\]'):
        engine.infer(frame, engine.buffers(40, 30))
    with pytest.raises(DataError, match='expected uint8'):
        engine.infer(frame[:, :, 0], engine.buffers(30, 40))


def test_may_be_used_from_any_thread_and_closed_twice(network, opener):
    engine = opener(Model(network(), TINY), Size(32, 24))
    frame = np.full((30, 40, 3), 90, np.uint8)
    wanted = infer(engine, frame).values
    found = []
    for _ in range(3):
        thread = threading.Thread(target=lambda: found.append(infer(engine, frame).values))
        thread.start()
        thread.join()
    for values in found:
        np.testing.assert_array_equal(values, wanted)
    engine.bare()
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match='closed'):
        engine.infer(frame, engine.buffers(30, 40))
    with pytest.raises(EngineError, match='closed'):
        engine.bare()


@pytest.mark.parametrize('name', ['openvino', 'onnxruntime'])
def test_a_baked_output_size_is_refused(network, name, tmp_path):
    """As an export with dynamic sides can have, whose head computed a size in Python."""
    import onnx

    path = network(width=None, height=None)
    model = onnx.load(path)
    model.graph.initializer.append(
        onnx.numpy_helper.from_array(np.array([1, 1, 14, 14], np.int64), 'baked')
    )
    model.graph.node[-1].op_type = 'Resize'
    model.graph.node[-1].input.extend(['', '', 'baked'])
    onnx.save(model, path)
    with pytest.raises(ModelError, match=r'is \[1, 1, 14, 14\], expected \[1, 24, 32\]'):
        OPENERS[name](Model(path, TINY), Size(32, 24))


def test_bf16_is_near_fp32_where_the_processor_has_it(network):
    model = Model(network(), TINY)
    try:
        fast = open_openvino(model, Size(32, 24), precision='bf16')
    except EngineError as error:
        pytest.skip(str(error))
    frame = np.random.default_rng(1).integers(0, 256, (24, 32, 3), np.uint8)
    exact = infer(open_openvino(model, Size(32, 24)), frame).values
    assert np.median(relative(infer(fast, frame).values, exact)) < 0.02


def test_openvino_keeps_compiled_networks(network, tmp_path):
    model = Model(network(), TINY)
    cache = tmp_path / 'cache'
    first = open_openvino(model, Size(32, 24), cache=cache)
    blob, = cache.rglob('*.blob')
    written = blob.stat().st_mtime_ns
    frame = np.full((30, 40, 3), 90, np.uint8)
    again = open_openvino(model, Size(32, 24), cache=cache)
    np.testing.assert_array_equal(infer(again, frame).values, infer(first, frame).values)
    assert blob.stat().st_mtime_ns == written


@pytest.mark.parametrize('how', ['flip', 'hash lost', 'hash wrong', 'other file'])
def test_openvino_is_not_given_what_was_changed(network, tmp_path, how):
    """It would take a file with a flipped bit, and give another depth or none."""
    model, cache = Model(network(), TINY), tmp_path / 'cache'
    open_openvino(model, Size(32, 24), cache=cache).close()
    blob, = cache.rglob('*.blob')
    whole, beside = blob.read_bytes(), blob.with_name(blob.name + '.sha256')
    if how == 'flip':
        blob.write_bytes(whole[:2718] + bytes([whole[2718] ^ 8]) + whole[2719:])
    elif how == 'hash lost':
        beside.unlink()
    elif how == 'hash wrong':
        beside.write_bytes(b'\xff')
    else:
        blob.with_name('123.blob').write_bytes(b'x')
    os.utime(blob, (0, 0))
    open_openvino(model, Size(32, 24), cache=cache).close()
    assert [path.name for path in cache.rglob('*.blob')] == [blob.name]
    assert blob.read_bytes()[:100] == whole[:100]
    assert (blob.stat().st_mtime == 0) == (how == 'other file'), 'compiled anew, or kept'
    assert beside.read_text() == hashlib.sha256(blob.read_bytes()).hexdigest()


def test_a_signal_is_survived_after_another_thread_closed_the_engine(network):
    """OpenVINO's core takes its signal stack along when it goes, in the wrong thread."""
    script = f"""
import gc, os, signal, threading
from pathlib import Path
from depth_node.engine.openvino import open_openvino
from depth_node.model import Model, ModelSpec, OutputKind
from depth_node.image.size import Size
signal.signal(signal.SIGINT, lambda *_: print('signal'))
engines = [open_openvino(
    Model(Path({str(network())!r}), ModelSpec('tiny', OutputKind.RELATIVE_DEPTH)), Size(32, 24)
)]
def close():
    engines.pop().close()
    gc.collect()
thread = threading.Thread(target=close)
thread.start()
thread.join()
memory = [bytearray(20000) for _ in range(1000)]
os.kill(os.getpid(), signal.SIGINT)
print('alive')
"""
    done = subprocess.run(
        [sys.executable, '-c', script], check=False, capture_output=True, text=True, timeout=60,
    )
    assert done.stdout.split() == ['signal', 'alive'], done.stderr
