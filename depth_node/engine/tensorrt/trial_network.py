"""A small network with the typical parts: convolutions, a norm, attention, two outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from depth_node.image.size import Size
from depth_node.model import Model, ModelSpec, OutputKind

SIZE = Size(128, 96)
_PATCH, _FEATURES = 8, 64


def write_trial_network(folder: Path) -> Model:
    """
    Write the network, with random weights that are always the same.

    :param folder: the output folder.
    :returns: the network; its depth is between 0 and 1.
    """
    from onnx import helper, save, TensorProto

    rows, columns = SIZE.height // _PATCH, SIZE.width // _PATCH
    graph = helper.make_graph(
        _nodes(rows, columns),
        'trial',
        [helper.make_tensor_value_info(
            'image', TensorProto.FLOAT, [1, 3, SIZE.height, SIZE.width]
        )],
        [
            helper.make_tensor_value_info(
                name, TensorProto.FLOAT, [1, 1, SIZE.height, SIZE.width]
            )
            for name in ('depth', 'confidence')
        ],
        _weights(),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)])
    model.ir_version = 8
    path = folder / 'trial.onnx'
    save(model, path)
    return Model(path, ModelSpec('trial', OutputKind.RELATIVE_DEPTH))


def _nodes(rows: int, columns: int) -> list[Any]:
    from onnx import helper

    tokens = rows * columns

    def shape(name: str, *sides: int) -> Any:
        return helper.make_node('Constant', [], [name], value_ints=list(sides))

    return [
        shape('as_tokens', 1, _FEATURES, tokens),
        shape('as_planes', 1, _FEATURES, rows, columns),
        helper.make_node(
            'Conv', ['image', 'patches'], ['embedded'], strides=[_PATCH, _PATCH]
        ),
        helper.make_node('Reshape', ['embedded', 'as_tokens'], ['flat']),
        helper.make_node('Transpose', ['flat'], ['tokens'], perm=[0, 2, 1]),
        helper.make_node('LayerNormalization', ['tokens', 'gain', 'bias'], ['normed']),
        *(helper.make_node('MatMul', ['normed', w], [f'{w}_n']) for w in ('q', 'k', 'v')),
        helper.make_node('Transpose', ['k_n'], ['k_t'], perm=[0, 2, 1]),
        helper.make_node('MatMul', ['q_n', 'k_t'], ['products']),
        helper.make_node('Mul', ['products', 'scale'], ['scores']),
        helper.make_node('Softmax', ['scores'], ['shares'], axis=-1),
        helper.make_node('MatMul', ['shares', 'v_n'], ['mixed']),
        helper.make_node('Add', ['tokens', 'mixed'], ['together']),
        helper.make_node('Transpose', ['together'], ['turned'], perm=[0, 2, 1]),
        helper.make_node('Reshape', ['turned', 'as_planes'], ['planes']),
        helper.make_node('Conv', ['planes', 'head'], ['coarse'], pads=[1, 1, 1, 1]),
        helper.make_node('Resize', ['coarse', '', '', 'both'], ['fine'], mode='linear'),
        helper.make_node('Sigmoid', ['fine'], ['answers']),
        helper.make_node('Split', ['answers'], ['depth', 'confidence'], axis=1),
    ]


def _weights() -> list[Any]:
    from onnx import numpy_helper

    rng = np.random.default_rng(7)

    def normal(scale: float, *shape: int) -> Any:
        return rng.normal(0.0, scale, shape).astype(np.float32)

    arrays = {
        'patches': normal(0.1, _FEATURES, 3, _PATCH, _PATCH),
        'gain': 1 + normal(0.1, _FEATURES),
        'bias': normal(0.1, _FEATURES),
        **{name: normal(_FEATURES ** -0.5, _FEATURES, _FEATURES) for name in ('q', 'k', 'v')},
        'scale': np.float32(_FEATURES ** -0.5),
        'head': normal(0.03, 2, _FEATURES, 3, 3),
        'both': np.array([1, 2, SIZE.height, SIZE.width], np.int64),
    }
    return [numpy_helper.from_array(np.asarray(a), name) for name, a in arrays.items()]
