"""The catalogue as data: complete, consistent, and honest about licences."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
import pytest

from depth_node.camera import Camera
from depth_node.catalogue import CATALOGUE, caution, Entry, find, Form, HubFile, WebFile
from depth_node.catalogue.entry import megabytes, size_rule, use
from depth_node.catalogue.graphs.depth_anything import NETWORKS
from depth_node.depth.metres import focal_correction, network_focal
from depth_node.errors import ModelError
from depth_node.image.size import Size
from depth_node.model import OutputKind

FREE = ('Apache-2.0', 'MIT', 'CC0-1.0', 'BSD-2-Clause')
ENTRIES = [pytest.param(entry, id=name) for name, entry in CATALOGUE.items()]


@pytest.mark.parametrize('entry', ENTRIES)
def test_every_entry_can_be_had(entry: Entry) -> None:
    assert re.fullmatch(r'[a-z0-9_]+', entry.name)
    # one that is not published can be used with weights of one's own
    assert entry.files or entry.form is Form.EMBEDDED or entry.takes_weights
    assert not entry.form.is_checkpoint or entry.takes_weights
    for file in entry.files:
        assert file.sha256 is None or re.fullmatch(r'[0-9a-f]{64}', file.sha256)
        if isinstance(file, HubFile):
            # a hash belongs to a commit; the head of a branch may change under it
            assert file.sha256 is None or file.size or file.revision != 'main'
            assert re.fullmatch(r'main|[0-9a-f]{40}', file.revision)
        else:
            assert file.url.startswith('https://')
            assert file.md5 is None or re.fullmatch(r'[0-9a-f]{32}', file.md5)


@pytest.mark.parametrize('entry', ENTRIES)
def test_every_entry_says_what_it_may_be_used_for(entry: Entry) -> None:
    licence = entry.spec.licence
    assert licence != 'unknown'
    assert entry.is_free == (use(entry) == 'any')
    if entry.is_free:
        assert licence in FREE
    else:  # the reason is to be seen
        assert 'NC' in licence or 'non-commercial' in licence or entry.note
    assert megabytes(entry)
    assert size_rule(entry)


@pytest.mark.parametrize(
    ('name', 'words'),
    [
        ('depth_anything_v2_metric_outdoor_small', 'Virtual KITTI 2, which is CC-BY-NC-SA'),
        ('depth_anything_3_metric_large', 'others list it as non-commercial'),
        ('depth_anything_v2_small', 'whose weights are non-commercial'),
        ('depth_anything_v2_metric_indoor_large', 'tuned from weights under CC-BY-NC'),
    ],
)
def test_what_a_licence_does_not_say_is_noted(name: str, words: str) -> None:
    assert words in find(name).note


@pytest.mark.parametrize('version', ['v2', 'v2_metric_indoor', 'v2_metric_outdoor'])
@pytest.mark.parametrize('size', ['base', 'large'])
def test_only_the_small_ones_of_version_2_are_free(version: str, size: str) -> None:
    assert find(f'depth_anything_{version}_small').is_free
    assert not find(f'depth_anything_{version}_{size}').is_free


@pytest.mark.parametrize('entry', ENTRIES)
def test_a_variant_names_a_network_that_can_be_written(entry: Entry) -> None:
    if entry.form is not Form.MONODEPTH2 and entry.takes_weights:
        assert NETWORKS[entry.variant]
        assert entry.variant.startswith(entry.name.split('_')[2])


def test_the_scale_of_stereo_pairs_is_for_networks_that_saw_them() -> None:
    networks = [entry for name, entry in CATALOGUE.items() if name.startswith('monodepth2')]
    assert {entry.spec.scale for entry in networks} == {None, 5.4}
    for entry in networks:
        assert entry.spec.kind is OutputKind.SIGMOID_DISPARITY
        assert entry.spec.scale == (5.4 if 'stereo' in entry.name else None)
        assert str(entry.spec.input_size) in entry.name


@pytest.mark.parametrize(
    ('name', 'focal', 'range_'),
    [
        # 886.81 px at 1024x768 (Hypersim) and 725 px at 1242x375 (Virtual KITTI 2), both with
        # 518 rows; 721.5 px at 1242x375 (KITTI) with 192 and 320
        ('depth_anything_v2_metric_indoor_base', 886.81 / 768 * 518, 20.0),
        ('depth_anything_v2_metric_outdoor_large', 725.0 / 375 * 518, 80.0),
        ('monodepth2_mono_stereo_640x192', 721.5 / 375 * 192, 100.0),
        ('monodepth2_mono_stereo_1024x320', 721.5 / 375 * 320, 100.0),
    ],
)
def test_metres_were_learned_at_a_focal_length(name: str, focal: float, range_: float) -> None:
    spec = find(name).spec
    assert spec.train_focal == pytest.approx(focal, abs=0.06)
    assert spec.max_depth == range_


def test_relative_networks_have_no_focal_length() -> None:
    for entry in CATALOGUE.values():
        if entry.spec.kind.has_shift or entry.spec.kind is OutputKind.CANONICAL_DEPTH:
            assert entry.spec.train_focal is None


@pytest.mark.parametrize(('width', 'height', 'fy'), [(640, 480, 525.0), (1920, 1080, 1400.0)])
def test_depth_anything_3_is_metric_by_the_focal_length_at_network_size(
    width: int, height: int, fy: float
) -> None:
    spec = find('depth_anything_3_metric_large').spec
    assert spec.input_size is not None
    camera = Camera(width, height, fy, fy, width / 2, height / 2)
    focal = network_focal(camera, spec.aspect, spec.input_size)
    # the whole width becomes 504 pixels, so with square pixels both focal lengths are this long;
    # metres = focal * output / 300 (the authors' README)
    assert focal == pytest.approx(fy * 504 / width)
    factor, warning = focal_correction(spec, focal)
    assert factor == pytest.approx(fy * 504 / width / 300)
    assert warning is None


def test_only_what_is_no_use_without_a_warning_has_one() -> None:
    assert '%' in caution('embedded')
    assert not caution('depth_anything_v2_small')
    assert not caution('some/path.onnx')


@pytest.mark.parametrize(('width', 'height', 'fy'), [(640, 480, 525.0), (1920, 1080, 1400.0)])
def test_metric3d_is_metric_by_its_own_canonical_focal_length(
    width: int, height: int, fy: float
) -> None:
    spec = find('metric3d_v2_small').spec
    camera = Camera(width, height, fy, fy, width / 2, height / 2)
    # metres = focal at network size * output / 1000 (Metric3D issue 141)
    focal = network_focal(camera, spec.aspect, Size(1064, 616))
    factor, warning = focal_correction(spec, focal)
    assert factor == pytest.approx(fy * 616 / height / 1000)
    assert warning is None


def test_a_student_of_a_teacher_that_is_not_free_says_so() -> None:
    assert 'Depth Anything V2 Large, whose weights are CC-BY-NC-4.0' in find('zipdepth').note


def test_a_plus_in_a_name_is_a_plus_in_the_file() -> None:
    file = find('monodepth2_mono_stereo_640x192').files[0]
    assert isinstance(file, WebFile)
    assert file.url.endswith('mono%2Bstereo_640x192.zip')
    assert file.name == 'mono+stereo_640x192.zip'


@pytest.mark.parametrize(
    ('typed', 'meant'),
    [
        ('depth_anything_v2_smal', 'depth_anything_v2_small'),
        ('depth-anything-v2-small', 'depth_anything_v2_small'),
        ('monodepth2_640x192', 'monodepth2_mono_640x192'),
    ],
)
def test_a_slip_is_answered_with_the_name_meant(typed: str, meant: str) -> None:
    with pytest.raises(ModelError, match=f'Did you mean {meant}'):
        find(typed)


@given(st.text(max_size=40))
def test_any_other_name_is_refused_in_one_way(name: str) -> None:
    if name not in CATALOGUE:
        with pytest.raises(ModelError, match='neither a model of the catalogue nor a file'):
            find(name)
