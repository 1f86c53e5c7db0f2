"""
Networks of other authors: Metric3D v2, MoGe-2 and ZipDepth, as ready graphs.

Metric3D v2 (Hu et al., TPAMI 2024) predicts depth for a camera with a focal length of 1000 px at
network size, and its export subtracts ImageNet's means from values of 0 to 255 itself (Metric3D
issues 103, 117 and 141). MoGe-2 (Wang et al., 2025) predicts points, see ``point_maps``. ZipDepth
(Tosi et al., ECCV 2026) takes values of 0 to 1 and predicts inverse depth up to scale and shift.
"""

from __future__ import annotations

from depth_node.catalogue.entry import Entry, Form, HubFile
from depth_node.image.size import Size
from depth_node.model.spec import Interpolation, ModelSpec, OutputKind

METRIC3D_FOCAL = 1000.0
"""Of Metric3D's canonical camera (pixels at network size)."""
_BYTES = (1 / 255,) * 3
"""A deviation that leaves values of 0 to 255."""

METRIC3D = Entry(
    ModelSpec(
        'metric3d_v2_small',
        OutputKind.CANONICAL_DEPTH,
        nominal_size=Size(1064, 616),
        multiple=28,
        interpolation=Interpolation.LINEAR,
        std=_BYTES,
        max_depth=200.0,
        canonical_focal=METRIC3D_FOCAL,
        output='predicted_depth',
        confidence_output='normal_confidence',
        licence='CC0-1.0',
        commercial=True,
    ),
    Form.ONNX,
    (HubFile('onnx-community/metric3d-vit-small', 'onnx/model_fp16.onnx', size=75_778_144),),
    37.9,
    sides=(392, 812),
    note='Code BSD-2-Clause, model card CC0-1.0. Its confidence is that of its surface normals. A '
    'third party made this export; check its numbers before relying on it.',
)

ZIPDEPTH = Entry(
    ModelSpec(
        'zipdepth',
        OutputKind.RELATIVE_DISPARITY,
        input_size=Size(384, 384),
        multiple=32,
        interpolation=Interpolation.LINEAR,
        licence='MIT',
        commercial=True,
    ),
    Form.ONNX,
    (HubFile('Jens-Duttke/ZipDepth-ONNX', 'zipdepth_fp16_opset17.onnx'),),
    6.1,
    about=12.0,
    note='The smallest: for a Raspberry Pi. Taught by Depth Anything V2 Large, whose weights are '
    'CC-BY-NC-4.0; its authors publish it under MIT. A third party made this export; check its '
    'numbers before relying on it.',
)

MOGE = Entry(
    ModelSpec(
        'moge_2_small',
        OutputKind.METRIC_DEPTH,
        nominal_size=Size(518, 518),
        multiple=14,
        interpolation=Interpolation.LINEAR,
        max_depth=200.0,
        slope_output='slope',
        sky_threshold=0.5,
        licence='MIT',
        commercial=True,
    ),
    Form.ONNX,
    (HubFile(
        'Ruicheng/moge-2-vits-normal-onnx',
        'model.onnx',
        size=140_852_051,
        sha256='24eacb5dc7a2c54c7bc98f7de085ffbed79ad006ea5b664c2c2cdc02ff3a52f0',
    ),),
    35.0,
    sides=(252, 770),
    note='Predicts points; the shift along z follows from the focal length of the camera. What '
    'its mask leaves out is taken as sky.',
)

ENTRIES = (METRIC3D, MOGE, ZIPDEPTH)
