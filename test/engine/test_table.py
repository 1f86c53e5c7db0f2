"""The table of engines: every row is complete, reachable, and refuses in the same words."""

from __future__ import annotations

import re
import sys

import pytest

from depth_node.config import EngineConfig, parameters
from depth_node.engine import open_engine
from depth_node.engine.base import Described, Request
from depth_node.engine.table import ENGINES, kept, prune, rows
from depth_node.errors import EngineError
from depth_node.image.size import Size
from depth_node.model import Model, ModelSpec, OutputKind

SIZE = Size(32, 24)
SPECS = {name: spec for name, _, spec in parameters()}
CHOICES = {name: spec.choices for name, spec in SPECS.items()}


@pytest.fixture
def model(network):
    return Model(network(), ModelSpec('tiny', OutputKind.RELATIVE_DEPTH))


@pytest.fixture
def nothing_installed(monkeypatch):
    for name in ('tensorrt', 'openvino', 'onnxruntime', 'cuda.bindings'):
        monkeypatch.setitem(sys.modules, name, None)


def test_parameters_offer_what_the_table_has():
    assert set(CHOICES['engine.name']) == {'auto', *(row.parameter for row in ENGINES)}
    offered = {p for row in ENGINES for p in row.precisions}
    assert set(CHOICES['engine.precision']) == offered


def test_the_text_of_the_parameter_gives_the_order_of_auto():
    text = SPECS['engine.name'].doc
    places = [re.search(rf'\b{re.escape(row.name)}[,.;]', text).start() for row in ENGINES]
    assert places == sorted(places)


@pytest.mark.parametrize('row', ENGINES, ids=lambda row: row.name)
def test_every_row_is_complete(row):
    assert row in rows('auto')
    assert row in rows(row.parameter)
    assert row.needs
    assert 'auto' in row.precisions
    assert len([other for other in ENGINES if other.name == row.name]) == 1


@pytest.mark.parametrize('row', ENGINES, ids=lambda row: row.name)
def test_without_its_packages_a_row_says_what_to_install(row, model, tmp_path, nothing_installed):
    config = EngineConfig(cache_dir=str(tmp_path))
    with pytest.raises(EngineError, match=r'cannot be imported.*[Ii]nstall'):
        row.open(Request(model, config, SIZE))


@pytest.mark.parametrize('row', ENGINES, ids=lambda row: row.name)
def test_a_precision_a_row_has_not_is_refused_with_those_it_has(row, model, tmp_path):
    for precision in set(CHOICES['engine.precision']) - set(row.precisions):
        with pytest.raises(EngineError) as caught:
            row.check(precision)
        assert f'does not support {precision}' in str(caught.value)
        assert all(known in str(caught.value) for known in row.precisions)
    config = EngineConfig(name='onnxruntime', precision='bf16', cache_dir=str(tmp_path))
    with pytest.raises(EngineError, match=r'onnxruntime does not support bf16\. Set'):
        open_engine(model, config, SIZE)


@pytest.mark.parametrize('name', ['openvino', 'onnxruntime'])
def test_an_engine_says_what_it_is_in_fields(name, model, tmp_path):
    config = EngineConfig(name=name, precision='fp32', cache_dir=str(tmp_path))
    engine = open_engine(model, config, SIZE)
    assert isinstance(engine, Described)
    assert name in engine.name.lower().replace(' ', '')
    assert (engine.device, engine.precision, engine.on_cpu) == ('CPU', 'fp32', True)
    assert engine.description == f'{engine.name}, CPU, fp32'
    engine.close()


def test_kept_engines_are_listed_and_pruned_by_row(tmp_path):
    for row in ENGINES:
        if row.cache:
            (tmp_path / row.cache).mkdir()
            (tmp_path / row.cache / 'damaged.plan').write_bytes(b'x')
    lines = []
    assert kept(tmp_path) == []
    assert {path.parent.name for path in prune(tmp_path, lines.append)} == {
        row.cache for row in ENGINES if row.cache
    }
    assert len(lines) <= 1


def test_a_name_that_does_not_exist_has_no_rows():
    assert rows('nothing') == ()
