"""What was verified is what is run, whatever is copied over the files of a model meanwhile."""

from __future__ import annotations

from changing_models import answer, Bench, expected, EXTERNAL, keeping_dates, Site
import numpy as np
import pytest

from depth_node.catalogue.opening import open_model
from depth_node.engine.opening import TRIES
from depth_node.errors import ChangedError
from depth_node.model import Model, ModelSpec, OutputKind

CHANGES = ['overwrite', 'overwrite_half', 'rename', 'rewrite_sidecar', 'remove', 'touch']


@pytest.mark.parametrize('when', ['before it is read', 'after it is read'])
@pytest.mark.parametrize('change', CHANGES)
def test_a_model_that_changes_is_refused_and_nothing_of_it_is_cached(
    site: Site, bench: Bench, change: str, when: str
) -> None:
    model = open_model(site.write().path)
    bench.during(getattr(site, change), after=when.startswith('after'))
    with pytest.raises(ChangedError) as caught:
        bench.open(model)
    text = str(caught.value)
    assert str(site.sidecar if change == 'rewrite_sidecar' else site.path) in text
    assert 'Start again when nothing is being copied' in text
    assert '\n' not in text
    assert bench.kept() == []
    assert bench.machine is None or bench.machine.leaks() == 0


@pytest.mark.parametrize('change', ['overwrite_weights', 'remove_weights'])
@pytest.mark.parametrize('hashed', [False, True])
def test_weights_in_another_file_that_change_alone(
    site: Site, bench: Bench, change: str, hashed: bool
) -> None:
    model = open_model(site.write(external=True, hashed=hashed).path)
    bench.during(getattr(site, change))
    with pytest.raises(ChangedError, match=EXTERNAL.replace('.', r'\.')):
        bench.open(model)
    assert bench.kept() == []


@pytest.mark.parametrize('change', ['overwrite', 'overwrite_half', 'rename', 'remove'])
def test_the_hash_decides_about_the_second_version(
    site: Site, bench: Bench, change: str
) -> None:
    model = open_model(site.write(hashed=True).path)
    bench.during(getattr(site, change))
    with pytest.raises(ChangedError, match=r'net\.onnx'):
        bench.open(model)
    assert bench.kept() == []


@pytest.mark.parametrize('change', ['touch', 'copy_again'])
def test_the_same_content_by_its_hash_is_opened_again(
    site: Site, bench: Bench, change: str
) -> None:
    """As if two nodes write the graph of a published model at the same time."""
    model = open_model(site.write(hashed=True).path)
    right = expected(site)
    bench.during(getattr(site, change), TRIES - 1)
    np.testing.assert_allclose(answer(bench.open(model)), right, atol=2e-3)
    again = [line for line in bench.warnings if 'verified again' in line]
    assert len(again) == TRIES - 1


def test_one_that_never_rests_is_refused_in_the_end(site: Site, bench: Bench) -> None:
    model = open_model(site.write(hashed=True).path)
    calls: list[int] = []

    def touch() -> None:
        calls.append(1)
        site.touch()

    bench.during(touch, 100)
    with pytest.raises(ChangedError):
        bench.open(model)
    assert len(calls) == TRIES


def test_a_change_back_to_what_it_was_is_noticed(site: Site, bench: Bench) -> None:
    """The other version is read, and at the end everything looks as at the beginning."""
    model = open_model(site.write().path)
    before = site.path.read_bytes()
    bench.during(site.overwrite)
    with pytest.raises(ChangedError):
        bench.open(model)
    with keeping_dates(site.path):
        site.path.write_bytes(before)
    with pytest.raises(ChangedError):
        bench.open(model)  # not even now: the model has to be opened again
    right = expected(site)
    np.testing.assert_allclose(answer(bench.open(open_model(site.path))), right, atol=2e-3)


def test_a_sidecar_with_the_same_content_is_no_change(site: Site, bench: Bench) -> None:
    model = open_model(site.write().path)
    text = site.sidecar.read_text()
    bench.during(lambda: [site.sidecar.unlink(), site.sidecar.write_text(text)])
    bench.open(model).close()
    assert bench.warnings == [] or bench.name == 'tensorrt'


def test_a_sidecar_that_appears_is_a_change(site: Site, bench: Bench) -> None:
    site.write().sidecar.unlink()
    described = {'kind': 'sigmoid_disparity', 'mean': [0, 0, 0], 'std': [1, 1, 1]}
    model = open_model(site.path, overrides=described)
    bench.during(site.rewrite_sidecar)
    with pytest.raises(ChangedError, match=r'net\.json'):
        bench.open(model)


def test_one_that_changed_since_it_was_opened_is_not_even_compiled(
    site: Site, bench: Bench
) -> None:
    """A node waits for its first frame; compiling may take minutes."""
    model = open_model(site.write().path)
    site.overwrite()

    def never() -> None:
        raise AssertionError('The engine was opened.')

    bench.during(never)
    with pytest.raises(ChangedError):
        bench.open(model)


def test_a_model_that_was_not_opened_here_is_watched_too(site: Site, bench: Bench) -> None:
    model = Model(site.write().path, ModelSpec('net', OutputKind.SIGMOID_DISPARITY))
    bench.during(site.overwrite)
    with pytest.raises(ChangedError):
        bench.open(model)
