"""Scale calibrations on disk: written whole, read strictly, refused for other models."""

from __future__ import annotations

from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
import pytest
import yaml

from depth_node.errors import ConfigError, DataError
from depth_node.model import ModelSpec, OutputKind
from depth_node.scale import read_scale, ScaleCalibration, write_scale

SHA = 'ab' * 32
SPEC = ModelSpec('net', OutputKind.RELATIVE_DISPARITY)


def calibration(**changes):
    fields = {
        'model': 'net', 'sha256': SHA, 'kind': OutputKind.RELATIVE_DISPARITY, 'scale': 0.0123,
        'shift': 0.045, 'covariance': ((1e-4, -1e-5), (-1e-5, 4e-6)), 'typical': 20.0,
        'source': 'points', 'date': '2026-01-02T03:04:05+00:00', **changes,
    }
    return ScaleCalibration(**fields)


def test_reads_back_what_it_wrote(tmp_path):
    path = tmp_path / 'new' / 'scale.yaml'
    write_scale(path, calibration())
    assert read_scale(path) == calibration()
    assert [file.name for file in path.parent.iterdir()] == ['scale.yaml']


def test_file_tells_format_units_model_and_date(tmp_path):
    write_scale(tmp_path / 'scale.yaml', calibration(date=''))
    fields = yaml.safe_load((tmp_path / 'scale.yaml').read_text())
    assert fields['format'] == 1
    assert '1/z [1/m]' in fields['units']
    assert fields['sha256'] == SHA
    assert fields['date'][:2] == '20'


def test_one_made_for_another_model_is_refused():
    calibration().check(SPEC, SHA, 'f')
    with pytest.raises(ConfigError, match='made for net'):
        calibration().check(SPEC, 'cd' * 32, 'f')
    with pytest.raises(ConfigError, match='relative_disparity'):
        calibration().check(ModelSpec('net', OutputKind.METRIC_DEPTH), SHA, 'f')


@pytest.mark.parametrize(('change', 'words'), [
    ({'format': 2}, 'format 2'),
    ({'scale': -1.0}, 'positive'),
    ({'scale': float('nan')}, 'finite'),
    ({'scale': 'much'}, 'scale'),
    ({'covariance': [[1.0]]}, '2x2'),
    ({'covariance': [[-1.0, 0.0], [0.0, 1.0]]}, 'covariance'),
    ({'kind': 'guess'}, 'guess'),
    ({'sha256': 5}, 'text'),
    ({'scale': True}, 'expected a number'),
    ({'scale': 1e-320}, 'expected 1e-09'),
    ({'typical': 0.0}, 'typical'),
    ({'covariance': [[0.0, 0.0], [0.0, 0.0]]}, 'known exactly'),
    ({'scale': 12.3}, 'was changed'),
    ({'sigma': 0.001}, 'was changed'),
    ({'sigma': False}, 'expected a number'),
])
def test_impossible_content_is_refused_with_the_reason(tmp_path, change, words):
    path = tmp_path / 'scale.yaml'
    write_scale(path, calibration())
    fields = {**yaml.safe_load(path.read_text()), **change}
    path.write_text(yaml.safe_dump(fields))
    with pytest.raises(ConfigError, match=words):
        read_scale(path)


def test_a_shift_that_the_kind_does_not_have_is_refused(tmp_path):
    path = tmp_path / 'scale.yaml'
    write_scale(path, calibration(
        kind=OutputKind.METRIC_DEPTH, shift=0.3, covariance=((1e-4,),),
    ))
    with pytest.raises(ConfigError, match=r'shift is 0\.3'):
        read_scale(path)


def test_a_key_that_is_there_twice_is_refused(tmp_path):
    path = tmp_path / 'scale.yaml'
    write_scale(path, calibration())
    path.write_text(path.read_text() + 'scale: 7.0\n')
    with pytest.raises(ConfigError, match='twice'):
        read_scale(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(
    st.binary(max_size=200),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=10),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
            st.sampled_from(['format', 'scale', 'kind', 'covariance', 'typical', 'shift']),
            inner, max_size=6,
        ),
    ).map(lambda value: yaml.safe_dump(value).encode()),
))
def test_any_other_file_is_a_clear_error(tmp_path, content):
    path = tmp_path / 'any.yaml'
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r'any\.yaml'):
        read_scale(path)


def test_missing_file_and_folder_that_cannot_be_written(tmp_path):
    with pytest.raises(ConfigError, match='cannot be read'):
        read_scale(tmp_path / 'none.yaml')
    (tmp_path / 'file').write_text('')
    with pytest.raises(DataError, match='cannot be written'):
        write_scale(tmp_path / 'file' / 'scale.yaml', calibration())


def test_a_file_whose_metres_cannot_be_is_refused():
    """A metric network with a factor of a thousand, as an older version would have saved it."""
    spec = ModelSpec('metric', OutputKind.METRIC_DEPTH)
    saved = ScaleCalibration(
        'metric', 'ab', OutputKind.METRIC_DEPTH, 1000.0, 0.0, ((1e-4,),), 2.0, 'points'
    )
    with pytest.raises(ConfigError, match='millimetres'):
        saved.check(spec, 'ab', 'scale.yaml')
