from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import onnx
from onnx import TensorProto
import pytest

from depth_node.errors import ModelError
from depth_node.image.size import Size
from depth_node.model import ModelSpec, OutputKind, sizes
from depth_node.model import network as networks

SPEC = ModelSpec('tiny', OutputKind.RELATIVE_DEPTH)


def info(width=None, height=None):
    return networks.NetworkInfo(
        Path('tiny.onnx'), 'image', width, height, 'depth', None, None, 17
    )


@pytest.mark.parametrize('rank', [3, 4])
@pytest.mark.parametrize('sides', [(32, 24), (None, None), (32, None)])
def test_reads_the_ends_of_every_contract(network, rank, sides):
    width, height = sides
    found = networks.inspect(
        network(width=width, height=height, rank=rank, extras=('sky', 'confidence'))
    )
    assert (found.width, found.height) == (width, height)
    assert found.outputs == ('depth', 'confidence', 'sky')
    assert found.input == 'image'
    assert found.opset == 17
    assert found.size == (Size(32, 24) if sides == (32, 24) else None)


def test_reads_the_real_network(shared_data):
    found = networks.inspect(shared_data / 'weights' / 'rtmonodepth_s_ms_640_192.onnx')
    assert found.size == Size(640, 192)
    assert found.outputs == ('disp',)


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({'channels': 1}, r'found|\[1, 1, 24, 32\], expected float \[1, 3, h, w\]'),
        ({'dtype': TensorProto.FLOAT16}, 'is float16 .*expected float'),
        ({'extras': ('normals',)}, r'2 outputs besides .*\(depth, normals\)'),
    ],
)
def test_refuses_other_contracts_naming_found_and_expected(network, options, words):
    with pytest.raises(ModelError, match=words):
        networks.inspect(network(**options))


def test_refuses_a_second_input(network):
    path = network()
    model = onnx.load(path)
    model.graph.input.append(
        onnx.helper.make_tensor_value_info('focal', TensorProto.FLOAT, [1])
    )
    onnx.save(model, path)
    with pytest.raises(ModelError, match=r'2 inputs \(image, focal\), expected one'):
        networks.inspect(path)


@pytest.mark.parametrize('content', [b'', b'not an onnx file', b'\x00' * 100, b'{"a": 1}'])
def test_refuses_what_is_not_onnx(tmp_path, content):
    path = tmp_path / 'a.onnx'
    path.write_bytes(content)
    with pytest.raises(ModelError, match='is not an ONNX file'):
        networks.inspect(path)


def test_refuses_names_that_are_no_text(network):
    path = network()
    path.write_bytes(path.read_bytes().replace(b'depth', b'd\xffp\xfeh'))
    with pytest.raises(ModelError, match='not UTF-8'):
        networks.inspect(path)


def test_refuses_types_onnx_does_not_know(network):
    path = network()
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.elem_type = 58
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r'unknown type \(58\)'):
        networks.inspect(path)


def test_refuses_a_missing_file_and_a_truncated_one(tmp_path, network):
    with pytest.raises(ModelError, match=r'none\.onnx: cannot be read'):
        networks.inspect(tmp_path / 'none.onnx')
    path = network()
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelError):
        networks.inspect(path)


def test_external_data_stays_in_the_folder(tmp_path, network):
    path = network(external='weights.bin')
    assert networks.load(path).graph.initializer[0].raw_data
    model = onnx.load(path, load_external_data=False)
    (tmp_path.parent / 'secret.bin').write_bytes(b'x' * 4096)
    for location in ('../secret.bin', str(tmp_path.parent / 'secret.bin')):
        for entry in model.graph.initializer[0].external_data:
            if entry.key == 'location':
                entry.value = location
        onnx.save(model, path)
        with pytest.raises(ModelError, match='outside its folder'):
            networks.inspect(path)


@pytest.mark.parametrize('locations', [
    ['../secret.bin', 'weights.bin'], ['weights.bin', '../secret.bin'], ['w\0/../../x'], [''], [],
    ['link.bin'], ['link/secret.bin'], ['/proc/self/environ'],
])
def test_external_data_with_tricks(tmp_path, network, locations):
    """Two places, of which readers may take either; no place; links that lead out."""
    folder = tmp_path / 'model'
    folder.mkdir()
    (tmp_path / 'secret.bin').write_bytes(b'x' * 4096)
    (folder / 'link.bin').symlink_to(tmp_path / 'secret.bin')
    (folder / 'link').symlink_to(tmp_path)
    path = network('model/tiny', external='weights.bin')
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        kept = [(e.key, e.value) for e in tensor.external_data if e.key != 'location']
        del tensor.external_data[:]
        for key, value in [*(('location', place) for place in locations), *kept]:
            tensor.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match='outside its folder'):
        networks.inspect(path)


def test_external_data_of_a_sparse_constant_is_found(tmp_path):
    values = TensorProto(name='v', data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    values.external_data.add(key='location', value='/etc/hostname')
    sparse = onnx.SparseTensorProto(
        values=values, indices=TensorProto(name='i', data_type=7, dims=[1], int64_data=[0]),
        dims=[4],
    )
    node = onnx.NodeProto(op_type='Constant', output=['c'])
    node.attribute.add(
        name='sparse_value', type=onnx.AttributeProto.SPARSE_TENSOR, sparse_tensor=sparse
    )
    graph = onnx.helper.make_graph(
        [node], 'g', [], [onnx.helper.make_tensor_value_info('c', 1, [4])]
    )
    path = tmp_path / 'sparse.onnx'
    path.write_bytes(onnx.helper.make_model(graph).SerializeToString())
    with pytest.raises(ModelError, match='outside its folder'):
        networks.load(path)


def test_external_data_hidden_in_a_node_is_found(tmp_path):
    tensor = TensorProto(name='t', data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key='location', value='/etc/hostname')
    inner = onnx.helper.make_graph(
        [onnx.helper.make_node('Constant', [], ['c'], value=tensor)], 'inner', [],
        [onnx.helper.make_tensor_value_info('c', 1, [1])],
    )
    outer = onnx.helper.make_graph(
        [onnx.helper.make_node('If', ['b'], ['o'], then_branch=inner, else_branch=inner)],
        'outer', [onnx.helper.make_tensor_value_info('b', TensorProto.BOOL, [])],
        [onnx.helper.make_tensor_value_info('o', 1, [1])],
    )
    path = tmp_path / 'if.onnx'
    path.write_bytes(onnx.helper.make_model(outer).SerializeToString())
    with pytest.raises(ModelError, match='outside its folder'):
        networks.inspect(path)


def test_missing_external_data_is_named(tmp_path, network):
    path = network(external='weights.bin')
    (tmp_path / 'weights.bin').unlink()
    with pytest.raises(ModelError, match=r'weights\.bin is missing'):
        networks.inspect(path)


def test_a_fixed_size_is_taken_and_a_lying_sidecar_refused():
    assert sizes.choose_size(SPEC, info(32, 24)) == Size(32, 24)
    lying = ModelSpec('tiny', OutputKind.RELATIVE_DEPTH, input_size=Size(64, 24))
    with pytest.raises(ModelError, match='size is 32x24, but its description says 64x24'):
        sizes.choose_size(lying, info(32, 24))
    with pytest.raises(ModelError, match='size is 32x24, so it cannot run at 64x24'):
        sizes.choose_size(SPEC, info(32, 24), '64x24')


def test_a_dynamic_size_needs_something_to_go_by():
    with pytest.raises(ModelError, match='its description has none'):
        sizes.choose_size(SPEC, info(), 'auto', Size(640, 480))
    with pytest.raises(ModelError, match='multiples of 14'):
        sizes.choose_size(
            ModelSpec('v', OutputKind.RELATIVE_DEPTH, multiple=14), info(), '515x392'
        )


@given(st.integers(16, 4000), st.integers(16, 4000), st.sampled_from([1, 14, 32]))
def test_auto_keeps_aspect_and_area(width, height, multiple):
    spec = ModelSpec(
        'v', OutputKind.RELATIVE_DEPTH, nominal_size=Size(518, 518), multiple=multiple
    )
    size = sizes.choose_size(spec, info(), 'auto', Size(width, height))
    assert size.width % multiple == size.height % multiple == 0
    ideal = (518 * (width / height) ** 0.5, 518 * (height / width) ** 0.5)
    for side, wanted in zip(size, ideal, strict=True):
        assert side == multiple or abs(side - wanted) <= multiple / 2 + 1e-6


def test_a_baked_output_is_refused():
    networks.check_plane(info(), 'depth', (1, 24, 32), Size(32, 24))
    networks.check_plane(info(), 'depth', (1, 1, 24, 32), Size(32, 24))
    with pytest.raises(ModelError, match=r'is \[1, 1, 14, 14\], expected \[1, 24, 32\]'):
        networks.check_plane(info(), 'depth', (1, 1, 14, 14), Size(32, 24))


@pytest.mark.parametrize(
    ('wanted', 'size'), [('308', Size(350, 266)), ('518', Size(602, 448)), ('252', Size(294, 224))]
)
def test_a_nominal_side_keeps_the_aspect_of_the_frame(wanted, size):
    spec = ModelSpec('x', OutputKind.METRIC_DEPTH, nominal_size=Size(518, 518), multiple=14)
    chosen = sizes.choose_size(spec, info(), wanted, Size(640, 480))
    assert chosen == size
    assert abs(chosen.width / chosen.height - 4 / 3) < 0.03


@pytest.mark.parametrize('side', ['252', '308', '518', '770'])
@pytest.mark.parametrize('frame', [Size(640, 480), Size(1280, 720), Size(1280, 376)])
def test_a_network_exported_for_a_nominal_side_is_taken_for_it(side, frame):
    spec = ModelSpec('x', OutputKind.METRIC_DEPTH, nominal_size=Size(518, 518), multiple=14)
    size = sizes.choose_size(spec, info(), side, frame)
    assert sizes.choose_size(spec, info(*size), side, frame) == size


def test_a_nominal_side_is_refused_by_a_fixed_network():
    with pytest.raises(ModelError, match='size is 32x24, so it cannot run at 308x308'):
        sizes.choose_size(SPEC, info(32, 24), '308', Size(640, 480))


def test_sizes_no_network_has_are_refused_before_memory_is_taken(network):
    """In the file, and asked of a file that takes any."""
    with pytest.raises(ModelError, match=r'100000.*at most 8192'):
        networks.inspect(network(width=100_000, height=100_000))
    spec = ModelSpec('tiny', OutputKind.RELATIVE_DEPTH, nominal_size=Size(64, 48))
    for wanted in ('100000x100000', '50000'):
        with pytest.raises(ModelError, match=r'50000x50000 is not possible|100000x100000 is too'):
            sizes.choose_size(spec, info(), wanted)


def test_a_file_is_read_again_only_when_it_has_changed(network, monkeypatch):
    path, loads = network(width=32, height=24), []
    load = onnx.load_from_string
    monkeypatch.setattr(onnx, 'load_from_string', lambda *a, **k: loads.append(a) or load(*a, **k))
    assert networks.inspect(path).size == networks.inspect(path).size == Size(32, 24)
    assert len(loads) == 1
    path.write_bytes(network(width=64, height=48).read_bytes())
    assert networks.inspect(path).size == Size(64, 48)
    path.unlink()
    with pytest.raises(ModelError, match='cannot be read'):
        networks.inspect(path)


@pytest.mark.parametrize(('kind', 'values'), [
    (np.float32, [1.0, 2.0]), (np.float64, [1.0]), (np.int64, [3, 4, 5]), (np.bool_, [True]),
    (np.uint8, [1, 2]), (np.float16, [1.0, 2.0]), (np.uint64, [7]), (np.float32, []),
])
@pytest.mark.parametrize('raw', [True, False])
def test_a_constant_has_as_many_values_as_its_shape_says(tmp_path, network, kind, values, raw):
    """However they are stored; numbers of dimensions that overflow are no crash."""
    array = np.array(values, kind)
    tensor = onnx.helper.make_tensor(
        'more', onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape,
        array.tobytes() if raw else array, raw=raw,
    )
    path = network()
    model = onnx.load(path)
    model.graph.node.append(onnx.helper.make_node('Constant', [], ['unused'], value=tensor))
    onnx.save(model, path)
    networks.load(path)
    for dims in ([len(values) + 1], [-1], [2**62, 2**62], [-len(values), -1], [2, 2**63 - 1]):
        model.graph.node[-1].attribute[0].t.dims[:] = dims
        path.write_bytes(model.SerializeToString())
        with pytest.raises(ModelError, match=r"its constant 'more' does not have as many values"):
            networks.load(path)
