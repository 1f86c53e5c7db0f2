"""
The inputs and outputs of an ONNX file, checked against what this package can run.

The contract: one input float32 [1, 3, h, w], h and w fixed or dynamic; one output [1, h, w] or
[1, 1, h, w], and optionally outputs named ``confidence`` and ``sky`` of the same shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import functools
from pathlib import Path
from typing import Any

from depth_node.errors import ModelError
from depth_node.files import read_regular
from depth_node.image.size import Size
from depth_node.model import ModelSpec
from depth_node.model.constants import check_constants
from depth_node.model.external_data import check_external
from depth_node.model.file_state import FileState, state_of
from depth_node.model.prediction import EXTRAS
from depth_node.model.spec import LARGEST_SIDE

_REMEDY = 'Export a network with input float32 [1, 3, h, w] and output [1, h, w] or [1, 1, h, w].'


@dataclass(frozen=True)
class NetworkInfo:
    """
    The input and outputs of a network.

    :param path: the ONNX file.
    :param input: name of its input.
    :param width: fixed width of the input (pixels), or None if dynamic.
    :param height: fixed height of the input (pixels), or None if dynamic.
    :param depth: name of the depth output.
    :param confidence: name of the confidence output, or None.
    :param sky: name of the sky output, or None.
    :param opset: version of the default operator set.
    :param slope: name of the slope output, or None.
    """

    path: Path
    input: str
    width: int | None
    height: int | None
    depth: str
    confidence: str | None
    sky: str | None
    opset: int
    slope: str | None = None

    @property
    def size(self) -> Size | None:
        """The fixed size of the input, or None if a side is dynamic."""
        if self.width is None or self.height is None:
            return None
        return Size(self.width, self.height)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs in use: depth, then the optional ones that are present."""
        return tuple(self.planes.values())

    @property
    def planes(self) -> dict[str, str]:
        """The outputs in use, by the names of the planes of a ``Prediction``."""
        extras = {name: getattr(self, name) for name in EXTRAS}
        return {'depth': self.depth, **{name: o for name, o in extras.items() if o is not None}}


LARGEST_BYTES = 2**31 - 1
"""The most that protobuf reads; larger networks keep their weights in a second file."""


def load(path: Path, *, weights: bool = True) -> Any:
    """
    Read an ONNX file, refusing external data that lies outside its folder.

    :param path: the file.
    :param weights: whether to read external data, too.
    :returns: the ``onnx.ModelProto``.
    :raises ModelError: not readable, not ONNX, or external data missing or outside the folder.
    """
    import onnx
    from onnx.external_data_helper import load_external_data_for_model

    try:
        # protobuf's DecodeError has no importable home that is the same in every version
        model = onnx.load_from_string(read_regular(path, LARGEST_BYTES, raised=ModelError))
    except (ModelError, MemoryError):
        raise
    except Exception as error:
        raise ModelError(f'{path}: is not an ONNX file ({error}).') from error
    if not model.graph.node or not model.opset_import:
        raise ModelError(f'{path}: is not an ONNX file, or has no graph.')
    for name in _names(model):
        # protobuf hands out as bytes what is no text
        if not isinstance(name, str):
            raise ModelError(
                f'{path}: contains a name that is not UTF-8 text ({name!r:.80}).',
                'The file is damaged: fetch or export it again.',
            )
    check_constants(model, path)
    external = check_external(model, path)
    if weights and external:
        try:
            load_external_data_for_model(model, str(path.parent))
        except Exception as error:
            raise ModelError(f'{path}: its external data cannot be read ({error}).') from error
    return model


def inspect(path: Path, spec: ModelSpec | None = None) -> NetworkInfo:
    """
    Return the input and outputs of a network, checked against the contract.

    An unchanged file is read only once, because 100 MB of weights take 0.15 s.

    :param path: the ONNX file.
    :param spec: which says what the outputs are called; None: as in the contract.
    :returns: names and sizes.
    :raises ModelError: not ONNX, or inputs or outputs that this package cannot run.
    """
    return _inspected(state_of(path), _roles(spec))


@functools.lru_cache(maxsize=8)
def _inspected(state: FileState, roles: tuple[str, ...]) -> NetworkInfo:
    return _described(load(state.path, weights=False), state.path, roles)


def describe(model: Any, path: Path, spec: ModelSpec | None = None) -> NetworkInfo:
    """
    Return the same as :func:`inspect`, for a loaded model.

    :param model: the ``onnx.ModelProto``.
    :param path: where it came from.
    :param spec: which says what the outputs are called; None: as in the contract.
    :returns: names and sizes.
    :raises ModelError: inputs or outputs that this package cannot run.
    """
    return _described(model, path, _roles(spec))


def _roles(spec: ModelSpec | None) -> tuple[str, ...]:
    """Return the names of depth and of the optional outputs, empty where the contract says."""
    if spec is None:
        return ('',) * (1 + len(EXTRAS))
    return spec.output, *(getattr(spec, f'{name}_output') for name in EXTRAS)


def _described(model: Any, path: Path, roles: tuple[str, ...]) -> NetworkInfo:
    opset = next((o.version for o in model.opset_import if o.domain in ('', 'ai.onnx')), 0)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        raise ModelError(
            f'{path}: has {len(inputs)} inputs ({", ".join(v.name for v in inputs)}), '
            'expected one.', _REMEDY,
        )
    height, width = _input_sides(inputs[0], path)
    outputs = {value.name: value for value in model.graph.output}
    for name in filter(None, roles):
        if name not in outputs:
            raise ModelError(
                f'{path}: has no output {name!r}; its outputs are {", ".join(outputs)}.',
                'Set model.output or --output, or the names in the sidecar.',
            )
    named = dict(zip(EXTRAS, roles[1:], strict=True))
    extras = {role: name or (role if role in outputs else None) for role, name in named.items()}
    others = [name for name in outputs if name not in extras.values()]
    if not roles[0] and len(others) != 1:
        raise ModelError(
            f'{path}: has {len(others)} outputs besides {", ".join(EXTRAS)} '
            f'({", ".join(others)}), expected one.',
            'Choose the depth with model.output or --output, or with output in the sidecar.',
        )
    depth = roles[0] or others[0]
    for name in (depth, *filter(None, extras.values())):
        _check_output(outputs[name], path)
    return NetworkInfo(
        path, inputs[0].name, width, height, depth, opset=opset, **extras
    )


def check_plane(info: NetworkInfo, name: str, shape: tuple[int, ...], size: Size) -> None:
    """
    Check the actual shape of an output after the network has run.

    Exporters can fix the output size of a network whose input is declared as dynamic.

    :param info: the network.
    :param name: the output.
    :param shape: its actual shape.
    :param size: the input size of the network.
    :raises ModelError: not [1, h, w] or [1, 1, h, w] of that size.
    """
    if shape not in ((1, size.height, size.width), (1, 1, size.height, size.width)):
        raise ModelError(
            f'{info.path}: at {size} its output {name} is {list(shape)}, expected '
            f'[1, {size.height}, {size.width}] or [1, 1, {size.height}, {size.width}].', _REMEDY,
        )


def _shape(value: Any) -> list[int | None] | None:
    """Return the declared shape, None for a dynamic side, or None when there is none."""
    if not value.type.tensor_type.HasField('shape'):
        return None
    return [
        dim.dim_value if dim.HasField('dim_value') else None
        for dim in value.type.tensor_type.shape.dim
    ]


def _element_type(value: Any) -> str:
    import onnx

    kind = value.type.tensor_type.elem_type
    if kind and kind in onnx.TensorProto.DataType.values():
        return onnx.TensorProto.DataType.Name(kind).lower()
    return f'of an unknown type ({kind})' if kind else 'not a tensor'


def _input_sides(value: Any, path: Path) -> tuple[int | None, int | None]:
    kind, shape = _element_type(value), _shape(value)
    good = (
        kind == 'float'
        and shape is not None
        and len(shape) == 4
        and shape[0] in (None, 1)
        and shape[1] in (None, 3)
        and all(side is None or 0 < side <= LARGEST_SIDE for side in shape[2:])
    )
    if not good or shape is None:
        raise ModelError(
            f'{path}: its input {value.name} is {kind} {_written(shape)}, expected float '
            f'[1, 3, h, w] with sides of at most {LARGEST_SIDE}.', _REMEDY,
        )
    return shape[2], shape[3]


def _check_output(value: Any, path: Path) -> None:
    kind, shape = _element_type(value), _shape(value)
    ones = shape[:-2] if shape is not None else []
    good_shape = shape is None or (len(shape) in (3, 4) and all(n in (None, 1) for n in ones))
    if kind != 'float' or not good_shape:
        raise ModelError(
            f'{path}: its output {value.name} is {kind} {_written(shape)}, expected float '
            '[1, h, w] or [1, 1, h, w].', _REMEDY,
        )


def _written(shape: list[int | None] | None) -> str:
    if shape is None:
        return 'of no declared shape'
    return '[' + ', '.join('?' if side is None else str(side) for side in shape) + ']'


def _names(model: Any) -> Iterator[str | bytes]:
    """Walk over the names of the outermost graph and of the operator sets."""
    graph = model.graph
    for part in (graph.input, graph.output, graph.initializer, graph.value_info):
        yield from (value.name for value in part)
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
    yield from (opset.domain for opset in model.opset_import)
