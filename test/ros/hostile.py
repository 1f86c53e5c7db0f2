"""Messages of the right type and hostile content, for any type, by looking at its fields."""

from __future__ import annotations

import importlib
import random
import re
from typing import Any

BOUNDS = {
    'int8': (-2**7, 2**7 - 1), 'uint8': (0, 2**8 - 1), 'octet': (0, 255),
    'int16': (-2**15, 2**15 - 1), 'uint16': (0, 2**16 - 1),
    'int32': (-2**31, 2**31 - 1), 'uint32': (0, 2**32 - 1),
    'int64': (-2**63, 2**63 - 1), 'uint64': (0, 2**64 - 1),
}
FLOATS = (
    0.0, -0.0, 1.0, -1.0, 0.5, 1e-320, 1e300, -1e300, float('inf'), float('-inf'), float('nan'),
)
FLOATS32 = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-40, 3e38, float('inf'), float('-inf'), float('nan'))
TEXTS = (
    '', 'a', 'camera', '/', '..', '~', '\x1b[2J\x1b[31m', 'a\n[FATAL] [0.0] [depth_node]: stop',
    'x' * 5000, '9' * 5000, '\u202e', '\U0010ffff', 'rgb8', 'mono16', '32FC1', 'plumb_bob',
    'equidistant', 'rgb8; jpeg compressed bgr8', '%s%n', 'nan', '64x48', 'true',
)
_LIST = re.compile(r'(?:sequence<(?P<of>[^,<>]+(?:<[^<>]*>)?)(?:, *(?P<most>\d+))?>)|'
                   r'(?:(?P<fixed>[^\[]+)\[(?P<count>\d+)\])')


def hostile(kind: Any, rng: random.Random, depth: int = 0) -> Any:
    """
    Make a message.

    :param kind: its class.
    :param rng: draws it.
    :param depth: how deep in another one.
    :returns: the message; it can be serialized.
    """
    message = kind()
    for name, text in kind.get_fields_and_field_types().items():
        if rng.random() < 0.8:
            setattr(message, name, _value(text, getattr(message, name), rng, depth))
    return message


def changed(message: Any, rng: random.Random) -> Any:
    """
    Change one or two fields of a good message, anywhere in it.

    :param message: changed in place.
    :param rng: draws the change.
    :returns: the message.
    """
    for _ in range(rng.choice((1, 1, 2))):
        place = message
        while True:
            fields = place.get_fields_and_field_types()
            name = rng.choice(list(fields))
            inner = getattr(place, name)
            if not hasattr(inner, 'get_fields_and_field_types') or rng.random() < 0.1:
                break
            place = inner
        setattr(place, name, _value(fields[name], getattr(place, name), rng, 1))
    return message


def _value(text: str, now: Any, rng: random.Random, depth: int) -> Any:
    found = _LIST.fullmatch(text)
    if found is not None and found['fixed']:
        count = int(found['count'])
        return _list(found['fixed'], count, rng, depth)
    if found is not None:
        most = int(found['most'] or 5000)
        small = 3 if '/' in found['of'] else most
        count = min(rng.choice((0, 1, 2, 7, 9, 100, 4096)), most, small if depth < 3 else 1)
        return _list(found['of'], count, rng, depth)
    return _one(text, rng, depth)


def _list(text: str, count: int, rng: random.Random, depth: int) -> Any:
    if text in ('uint8', 'octet', 'int8'):
        low = 0 if text != 'int8' else -128
        values = [rng.randrange(low, low + 256) for _ in range(count)]
        return [bytes([v]) for v in values] if text == 'octet' else values
    if count > 50 and '/' not in text and not text.startswith('string'):
        return [_one(text, rng, depth)] * count
    return [_one(text, rng, depth + 1) for _ in range(count)]


def _one(text: str, rng: random.Random, depth: int) -> Any:
    if text in BOUNDS:
        low, high = BOUNDS[text]
        value = rng.choice((low, high, 0, 1, 2, 3, 7, 16, 64, 48, 100, rng.randint(low, high)))
        value = min(max(value, low), high)
        return bytes([value]) if text == 'octet' else value
    if text == 'boolean':
        return rng.random() < 0.5
    if text in ('double', 'float'):
        return rng.choice(FLOATS if text == 'double' else FLOATS32)
    if text.startswith(('string', 'wstring')):
        return rng.choice(TEXTS)
    package, _, name = text.partition('/')
    return hostile(getattr(importlib.import_module(f'{package}.msg'), name), rng, depth + 1)


def cut(data: bytes, rng: random.Random) -> bytes:
    """
    Damage a serialized message.

    :param data: as a publisher would send it.
    :param rng: draws the damage.
    :returns: with its head, so that it is taken for one.
    """
    if rng.random() < 0.5:
        return data[:max(4, rng.randrange(len(data) + 1))]
    out = bytearray(data)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(4, max(len(out), 5))
        out[at:at + 1] = bytes([rng.randrange(256)])
    return bytes(out)
