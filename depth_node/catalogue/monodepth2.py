"""
Monodepth2: all published variants (Godard et al., ICCV 2019).

The depth for disparity d is scale / (1/100 + (1/0.1 - 1/100) d). Weights trained with stereo pairs
have the scale 5.4, because the baseline of 0.54 m was 0.1 units; those trained on video only have
none. KITTI's focal length is 721.5 px at 1242x375.

The authors downscale frames with Pillow's Lanczos filter, and so does every engine here.
"""

from __future__ import annotations

from depth_node.catalogue.entry import Entry, Form, WebFile
from depth_node.image.size import Size
from depth_node.model.spec import Interpolation, ModelSpec, OutputKind

STEREO_SCALE = 5.4
_STORE = 'https://storage.googleapis.com/niantic-lon-static/research/monodepth2'
_LICENCE = 'Monodepth2 (non-commercial)'


def _entry(file: str, md5: str | None, variant: str = 'resnet18') -> Entry:
    """Return the entry of a zip, whose name contains the kind of training and the size."""
    modality, _, size = file.rpartition('_')
    network = Size.parse(size)
    spec = ModelSpec(
        f'monodepth2_{modality.replace("+", "_")}_{size}',
        OutputKind.SIGMOID_DISPARITY,
        input_size=network,
        multiple=32,
        interpolation=Interpolation.LANCZOS,
        scale=STEREO_SCALE if 'stereo' in modality else None,
        train_focal=round(721.5 * network.height / 375, 1),
        licence=_LICENCE,
        commercial=False,
    )
    note = 'Trained without ImageNet weights.' if '_no_pt' in modality else ''
    if 'odom' in modality:
        note = 'Trained on the odometry split of KITTI, so sequences 09 and 10 were not used.'
    url = f'{_STORE}/{file.replace("+", "%2B")}.zip'
    files = (WebFile(url, md5=md5),)
    if variant == 'resnet18':
        # the zip holds the pose network too
        return Entry(spec, Form.MONODEPTH2, files, 14.8, variant, 99.0, note=note)
    return Entry(spec, Form.MONODEPTH2, files, 34.6, variant, 200.0, note=note)


ENTRIES = (
    _entry('mono_640x192', 'a964b8356e08a02d009609d9e3928f7c'),
    _entry('stereo_640x192', '3dfb76bcff0786e4ec07ac00f658dd07'),
    _entry('mono+stereo_640x192', 'c024d69012485ed05d7eaa9617a96b81'),
    _entry('mono_1024x320', '0ab0766efdfeea89a0d9ea8ba90e1e63'),
    _entry('stereo_1024x320', 'afc2f2126d70cf3fdf26b550898b501a'),
    _entry('mono+stereo_1024x320', 'cdc5fc9b23513c07d5b19235d9ef08f7'),
    _entry('mono_no_pt_640x192', '9c2f071e35027c895a4728358ffc913a'),
    _entry('stereo_no_pt_640x192', '41ec2de112905f85541ac33a854742d1'),
    _entry('mono+stereo_no_pt_640x192', '46c3b824f541d143a45c37df65fbab0a'),
    _entry('mono_odom_640x192', None),
    _entry('mono+stereo_odom_640x192', None),
    _entry('mono_resnet50_640x192', None, 'resnet50'),
    _entry('mono_resnet50_no_pt_640x192', None, 'resnet50'),
)
