"""
Depth Anything 1, 2 and 3.

Licences are those on the card of each checkpoint; sizes, revisions and hashes are those that the
Hub lists for that commit. If no hash is known, the file is pinned on first use.

Training focal lengths: the metric networks of V2 saw Hypersim (focal length 886.81 px at 1024x768)
and Virtual KITTI 2 (725.0 px at 1242x375) with the shorter side scaled to 518 px, so 886.81 * 518
/ 768 and 725.0 * 518 / 375 pixels at 518 rows. For a graph with another number of rows the value
is scaled in proportion: the field of view is assumed to matter, because the position embedding is
stretched with the image. Computed from the data sets, not measured.

The authors of version 3 downscale frames by area; cubic is used here, because all engines support
it.
"""

from __future__ import annotations

import dataclasses

from depth_node.catalogue.entry import Entry, Form, HubFile
from depth_node.image.size import Size
from depth_node.model.spec import Aspect, Interpolation, ModelSpec, OutputKind

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
SIDES = (252, 770)
HYPERSIM_FOCAL = 886.81 * 518 / 768
VKITTI_FOCAL = 725.0 * 518 / 375

_APACHE = 'Apache-2.0'
_NON_COMMERCIAL = 'CC-BY-NC-4.0'
_PARAMETERS = {'small': 24.8, 'base': 97.5, 'large': 335.3}
_ENCODERS = {'small': 'vits', 'base': 'vitb', 'large': 'vitl'}
_CONFIRM = (
    'The authors publish Small under Apache-2.0, but have not confirmed this for the metric '
    'weights (Depth-Anything-V2 issue 245).'
)
_VKITTI = (
    'Trained on Virtual KITTI 2, which is CC-BY-NC-SA-3.0: some consider everything trained on it '
    'as non-commercial.'
)
_TAUGHT = (
    "Distilled from the authors' Giant network, whose weights are non-commercial."
)
_CARD = (
    'Its card says Apache-2.0, but it was fine-tuned from weights under CC-BY-NC-4.0; treated as '
    'non-commercial until the authors clarify this.'
)
_UNTRIED = 'Exported by a third party; verify its accuracy before relying on it.'


def _spec(name: str, kind: OutputKind, *, free: bool, **fields: object) -> ModelSpec:
    common: dict[str, object] = {
        'nominal_size': Size(518, 518),
        'multiple': 14,
        'interpolation': Interpolation.CUBIC,
        'mean': IMAGENET_MEAN,
        'std': IMAGENET_STD,
        'licence': _APACHE if free else _NON_COMMERCIAL,
        'commercial': free,
    }
    return ModelSpec(name, kind, **{**common, **fields})  # type: ignore[arg-type]


def _relative(size: str, *files: HubFile, note: str = '') -> Entry:
    """Return a network of version 2: the authors' checkpoint, unless `files` are a graph."""
    encoder = _ENCODERS[size]
    checkpoint = HubFile(
        f'depth-anything/Depth-Anything-V2-{size.capitalize()}',
        f'depth_anything_v2_{encoder}.pth',
    )
    return Entry(
        _spec(
            f'depth_anything_v2_{size}', OutputKind.RELATIVE_DISPARITY, free=size == 'small'
        ),
        Form.ONNX if files else Form.DEPTH_ANYTHING,
        files or (checkpoint,),
        _PARAMETERS[size],
        f'v2_{encoder}',
        sides=SIDES,
        note=note,
    )


def _version_1(size: str) -> Entry:
    """Return a network of version 1, as published by its authors for transformers."""
    spec = _spec(f'depth_anything_v1_{size}', OutputKind.RELATIVE_DISPARITY, free=True)
    note = ''
    if size != 'small':
        spec = dataclasses.replace(spec, commercial=None)
        note = (
            'Its card says Apache-2.0; the authors have not answered whether this applies to the '
            'larger weights (Depth-Anything issue 252).'
        )
    return Entry(
        spec,
        Form.DEPTH_ANYTHING,
        (HubFile(f'LiheYoung/depth-anything-{size}-hf', 'model.safetensors'),),
        _PARAMETERS[size],
        f'v1_{_ENCODERS[size]}',
        sides=SIDES,
        note=note,
    )


def _metric(place: str, size: str, revision: str, length: int, sha256: str) -> Entry:
    indoor = place == 'indoor'
    data = 'Hypersim' if indoor else 'VKITTI'
    encoder = _ENCODERS[size]
    spec = _spec(
        f'depth_anything_v2_metric_{place}_{size}',
        OutputKind.METRIC_DEPTH,
        free=size == 'small',
        max_depth=20.0 if indoor else 80.0,
        train_focal=round(HYPERSIM_FOCAL if indoor else VKITTI_FOCAL, 1),
    )
    file = HubFile(
        f'depth-anything/Depth-Anything-V2-Metric-{data}-{size.capitalize()}',
        f'depth_anything_v2_metric_{data.lower()}_{encoder}.pth',
        revision,
        length,
        sha256,
    )
    notes = [_CONFIRM if size == 'small' else _CARD]
    notes += [] if indoor else [_VKITTI]
    return Entry(
        spec, Form.DEPTH_ANYTHING, (file,), _PARAMETERS[size], f'v2_{encoder}', sides=SIDES,
        note=' '.join(notes),
    )


def _three(
    name: str, kind: OutputKind, files: tuple[HubFile, ...], *, parameters: float, about: float,
    note: str = _UNTRIED, **fields: object,
) -> Entry:
    spec = _spec(
        f'depth_anything_3_{name}', kind, free=True,
        **{'nominal_size': Size(504, 378), **fields},
    )
    sides = SIDES if spec.input_size is None else None
    return Entry(spec, Form.ONNX, files, parameters, '', about, sides, note)


def _community(size: str) -> tuple[HubFile, HubFile]:
    repo = f'onnx-community/depth-anything-v3-{size}'
    return HubFile(repo, 'onnx/model.onnx'), HubFile(repo, 'onnx/model.onnx_data')


ENTRIES = (
    _relative(
        'small',
        HubFile(
            'onnx-community/depth-anything-v2-small',
            'onnx/model.onnx',
            'c70d1ddbcd93c9bda8098268cc3554adf5e8dd4f',
            sha256='afb6a5c28f3b6bf1618c6e43f02073ef9dfdc70e937502d51603e57b0a1df10c',
        ),
        note=_TAUGHT,
    ),
    _relative('base'),
    _relative('large'),
    Entry(
        _spec('depth_anything_v2_giant', OutputKind.RELATIVE_DISPARITY, free=False),
        Form.DEPTH_ANYTHING,
        (),
        1258.1,
        'v2_vitg',
        sides=SIDES,
        note='Announced, but not published: needs your own weights.',
    ),
    _metric(
        'indoor', 'small', '3bc65d4e14a6786a61acec16453c50e12bf5f338', 99222290,
        'b782898d8a3e8be1f639de33837ed85e9b4b73e40f8f5e5cd99067588d722545',
    ),
    _metric(
        'indoor', 'base', '4ebcd7fd0858cbb953451619ca943ea39ec08e00', 389965138,
        '9dc9e274c5eff55c6daf27b660c0ced0eca4e8593a6da90cdcb04d2b4d3f3fa2',
    ),
    _metric(
        'indoor', 'large', '79720800638389a78b2defc92caa885104f69974', 1341401882,
        '6f82ff2bc543ac02ddff4aa31fa363676a8305dd3ccf04e80e2af115a044cb6d',
    ),
    _metric(
        'outdoor', 'small', 'c725b8589bdf6ab04072cab74c0467830db80d6d', 99221808,
        '9203e538d35255c90dda4b7fedb47ff33fe725497bcca3b1e53b3a65ee63f0cb',
    ),
    _metric(
        'outdoor', 'base', 'e96fd0c8cedf1825a55b9c61309f754982948df0', 389964656,
        '4dad67a7cc10b462bca48e6b8569c762b8eb3c1adada170a3851a6d3ba37bb3e',
    ),
    _metric(
        'outdoor', 'large', '070e97e4b80e317ec1d03c19927304f4091a180b', 1341401064,
        '239b1054a369e66da2576e9a118d6d7c12d90dc8ebe609579a9a09cd8e05fe38',
    ),
    *(_version_1(size) for size in _ENCODERS),
    _three(
        'small', OutputKind.RELATIVE_DEPTH, _community('small'), parameters=26.0, about=105.0
    ),
    _three(
        'base', OutputKind.RELATIVE_DEPTH, _community('base'), parameters=120.0, about=413.0
    ),
    _three(
        'metric_large',
        OutputKind.CANONICAL_DEPTH,
        (HubFile('TillBeemelmanns/Depth-Anything-V3-ONNX', 'DA3METRIC-LARGE.onnx'),),
        parameters=350.0,
        about=731.0,
        note='Apache-2.0 by its authors; others list it as non-commercial. Fixed at 504x280: '
        f'frames of another aspect ratio are cropped, because its metres require square pixels. '
        f'{_UNTRIED}',
        input_size=Size(504, 280),
        aspect=Aspect.CROP,
    ),
    _three(
        'mono_large',
        OutputKind.RELATIVE_DEPTH,
        (HubFile('yuvraj108c/Depth-Anything-3-Onnx', 'DA3Mono-Large.onnx'),),
        parameters=350.0,
        about=1400.0,
        note=f'Fixed at 518x518. {_UNTRIED}',
        input_size=Size(518, 518),
    ),
)
