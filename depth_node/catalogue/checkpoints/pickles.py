"""
A reader for the pickles in checkpoints that runs no code.

`pickletools.genops` splits a pickle into instructions without executing them. The few that are
needed for tensors, names and numbers are executed here, on a stack of plain values. The name of a
class or function becomes a mark, and only the four below have a meaning. (Protocols 2 to 5 as
described in CPython's pickletools; the tuples as documented by torch.serialization.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import pickletools
from typing import Any, BinaryIO

LARGEST_PICKLE = 64 << 20
"""Maximum size of a pickle (bytes)."""
_ORDERED = ('collections', 'OrderedDict')
_TENSOR = ('torch._utils', '_rebuild_tensor_v2')
_PARAMETER = ('torch._utils', '_rebuild_parameter')
_STORAGES = {
    'DoubleStorage': 'float64', 'FloatStorage': 'float32', 'HalfStorage': 'float16',
    'BFloat16Storage': 'bfloat16', 'LongStorage': 'int64', 'IntStorage': 'int32',
    'ShortStorage': 'int16', 'CharStorage': 'int8', 'ByteStorage': 'uint8',
    'BoolStorage': 'bool',
}
_KNOWN = {_ORDERED, _TENSOR, _PARAMETER, *(('torch', name) for name in _STORAGES)}
_MARK = object()
_CONSTANTS = {
    'NONE': None, 'NEWTRUE': True, 'NEWFALSE': False, 'EMPTY_TUPLE': (),
}
_PLAIN = frozenset({
    'BININT', 'BININT1', 'BININT2', 'LONG1', 'BINFLOAT', 'BINUNICODE', 'SHORT_BINUNICODE',
    'BINUNICODE8', 'BINSTRING', 'SHORT_BINSTRING', 'BINBYTES', 'SHORT_BINBYTES',
})
_TUPLES = {'TUPLE1': 1, 'TUPLE2': 2, 'TUPLE3': 3}


class RefusedError(Exception):
    """A pickle contains something that plain weights do not need."""


@dataclass(frozen=True)
class Storage:
    """
    A storage that a pickle refers to.

    :param dtype: type of its elements.
    :param key: its name in the file.
    :param count: number of elements.
    """

    dtype: str
    key: str
    count: int


@dataclass(frozen=True)
class Tensor:
    """
    A tensor that a pickle describes.

    :param storage: its storage.
    :param start: number of elements before its first.
    :param shape: its shape.
    :param strides: elements per step of each axis.
    """

    storage: Storage
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class _Name:
    """The name of a class or function, which is never imported."""

    module: str
    name: str


def read_pickle(file: BinaryIO) -> Any:
    """
    Read one pickle; the file is then positioned after it.

    :param file: a file at the first byte of a pickle.
    :returns: plain values, dictionaries, lists and tuples, with a :class:`Tensor` for each tensor
        and a :class:`Storage` for each storage.
    :raises RefusedError: it needs anything else, or is damaged.
    """
    machine = _Machine()
    begin = file.tell()
    try:
        for code, argument, _ in pickletools.genops(file):
            if file.tell() - begin > LARGEST_PICKLE:
                raise RefusedError('its pickle is too long')
            if code.name == 'STOP':
                return machine.result()
            machine.follow(code.name, argument)
    except RefusedError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError) as error:
        raise RefusedError(f'its pickle is damaged ({error!s:.80})') from error
    raise RefusedError('its pickle has no end')


class _Machine:
    """The stack and memo of one pickle."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._special: dict[str, Callable[[Any], None]] = {
            'PROTO': lambda _: None,
            'FRAME': lambda _: None,
            'MARK': lambda _: self._stack.append(_MARK),
            'EMPTY_DICT': lambda _: self._stack.append({}),
            'EMPTY_LIST': lambda _: self._stack.append([]),
            'TUPLE': lambda _: self._stack.append(tuple(self._marked())),
            'GLOBAL': lambda text: self._name(*text.split(' ', 1)),
            'STACK_GLOBAL': lambda _: self._name(*self._pop(2)),
            'BINPERSID': lambda _: self._storage(*self._pop(1)),
            'REDUCE': lambda _: self._reduce(*self._pop(2)),
            'BUILD': lambda _: self._build(),
            'MEMOIZE': lambda _: self._put(len(self._memo)),
            'SETITEM': lambda _: self._set(self._pop(2)),
            'SETITEMS': lambda _: self._set(self._marked()),
            'APPEND': lambda _: self._append(self._pop(1)),
            'APPENDS': lambda _: self._append(self._marked()),
        }

    def follow(self, name: str, argument: Any) -> None:
        """Execute one instruction."""
        if name in _PLAIN:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _TUPLES:
            self._stack.append(tuple(self._pop(_TUPLES[name])))
        elif name in ('BINPUT', 'LONG_BINPUT'):
            self._put(argument)
        elif name in ('BINGET', 'LONG_BINGET'):
            self._stack.append(self._memo[argument])
        elif name in self._special:
            self._special[name](argument)
        else:
            raise RefusedError(f'its pickle uses {name}, which plain weights do not need')

    def result(self) -> Any:
        """Return the value on the stack."""
        [value] = self._stack
        return value

    def _pop(self, count: int) -> list[Any]:
        values = self._stack[len(self._stack) - count:] if count <= len(self._stack) else [_MARK]
        if any(value is _MARK for value in values):
            raise RefusedError('its pickle is damaged (the stack is empty)')
        del self._stack[len(self._stack) - count:]
        return values

    def _marked(self) -> list[Any]:
        for place in range(len(self._stack) - 1, -1, -1):
            if self._stack[place] is _MARK:
                values = self._stack[place + 1:]
                del self._stack[place:]
                return values
        raise RefusedError('its pickle is damaged (a mark is missing)')

    def _put(self, index: int) -> None:
        [value] = self._pop(1)
        self._stack.append(value)
        self._memo[index] = value

    def _name(self, module: Any, name: Any) -> None:
        if (module, name) not in _KNOWN:
            raise RefusedError(f'it asks for {module!s:.60}.{name!s:.60} to be called')
        self._stack.append(_Name(module, name))

    def _storage(self, mark: Any) -> None:
        if not (isinstance(mark, tuple) and len(mark) in (5, 6) and mark[0] == 'storage'):
            raise RefusedError('it refers to something that is not a storage')
        kind, key, _place, count = mark[1:5]
        if len(mark) == 6 and mark[5] is not None:
            raise RefusedError('its storages are views of each other')
        if not (isinstance(kind, _Name) and kind.name in _STORAGES):
            raise RefusedError('it has a storage of an unknown type')
        if not (isinstance(key, str) and isinstance(count, int) and count >= 0):
            raise RefusedError('it has a storage without a name or a size')
        self._stack.append(Storage(_STORAGES[kind.name], key, count))

    def _reduce(self, called: Any, arguments: Any) -> None:
        if not (isinstance(called, _Name) and isinstance(arguments, tuple)):
            raise RefusedError('it calls something that is not a function')
        name = (called.module, called.name)
        if name == _ORDERED and not arguments:
            self._stack.append({})
        elif name == _TENSOR and len(arguments) in (6, 7):
            storage, start, shape, strides = arguments[:4]
            whole = isinstance(shape, tuple) and isinstance(strides, tuple)
            if not isinstance(storage, Storage) or not whole or not all(
                type(n) is int for n in (start, *shape, *strides)
            ):
                raise RefusedError('it describes a tensor in an unknown way')
            self._stack.append(Tensor(storage, start, shape, strides))
        elif name == _PARAMETER and len(arguments) == 3 and isinstance(arguments[0], Tensor):
            self._stack.append(arguments[0])
        else:
            raise RefusedError(f'it calls {called.name} in an unknown way')

    def _build(self) -> None:
        # the state of an OrderedDict is its _metadata, the versions of modules
        target, _state = self._pop(2)
        if not isinstance(target, dict):
            raise RefusedError('it sets the state of an object')
        self._stack.append(target)

    def _set(self, values: list[Any]) -> None:
        [target] = self._pop(1)
        if not isinstance(target, dict) or len(values) % 2:
            raise RefusedError('its pickle is damaged (items without a dictionary)')
        for key, value in zip(values[::2], values[1::2], strict=True):
            if not isinstance(key, (str, int)):
                raise RefusedError('it has a dictionary whose keys are not names')
            target[key] = value
        self._stack.append(target)

    def _append(self, values: list[Any]) -> None:
        [target] = self._pop(1)
        if not isinstance(target, list):
            raise RefusedError('its pickle is damaged (items without a list)')
        target.extend(values)
        self._stack.append(target)
