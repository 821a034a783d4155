"""State as documents: dataclasses of plain values <-> JSON bytes, wire objects inside them as XML text.

Owns the form of what a core stores. Reads what an older version wrote: fields that are missing take their defaults,
fields that are unknown are ignored.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from json.encoder import encode_basestring
from math import isfinite
from operator import attrgetter
from typing import Any, TypeVar

from gridiface.errors import LocalProtocolError, RemoteProtocolError
from gridiface.protocols.openadr.times import CalendarDuration
from gridiface.protocols.xmlwire import WireObject, decode, encode

_T = TypeVar("_T")

_Write = Callable[[Any], str]


def dump(record: Any) -> bytes:
    """`record`, a dataclass instance, as JSON."""
    return _WRITERS[type(record)](record).encode()


def load(cls: type[_T], body: bytes) -> _T:
    """The record of type `cls` that `dump` wrote.

    Raises:
        LocalProtocolError: the document is not one of ours, or damaged.
    """
    try:
        made: _T = _build(cls, json.loads(body))
    except (ValueError, TypeError, KeyError, AttributeError, RemoteProtocolError) as error:
        raise LocalProtocolError(f"a stored {cls.__name__} cannot be read: {error}") from error
    return made


class _Writers(dict[type, _Write]):
    """What writes a value of each type, worked out once: records are stored with each message of each VEN."""

    def __missing__(self, kind: type) -> _Write:
        made = self[kind] = _writer(kind)
        return made


def _number(value: float) -> str:
    return float.__repr__(value) if isfinite(value) else json.dumps(value)


_WRITERS = _Writers(
    {
        str: encode_basestring,
        int: int.__repr__,
        float: _number,
        bool: lambda value: "true" if value else "false",
        types.NoneType: lambda value: "null",
    }
)


def _writer(kind: Any) -> _Write:
    if issubclass(kind, WireObject):
        return lambda value: encode_basestring(encode(value).decode())
    if dataclasses.is_dataclass(kind):
        return _record_writer(kind)
    if issubclass(kind, Mapping):
        return _mapping
    if issubclass(kind, frozenset | set):
        return lambda value: _array(sorted(value))
    return _array if issubclass(kind, list | tuple) else _leaf_writer(kind)


def _leaf_writer(kind: Any) -> _Write:
    """For values of a subclass of what JSON knows."""
    if issubclass(kind, CalendarDuration):
        return lambda value: f"[{value.months},{value.exact}]"
    return (lambda value: _WRITERS[type(value.value)](value.value)) if issubclass(kind, Enum) else json.dumps


def _array(value: Sequence[Any]) -> str:
    return f"[{','.join([_WRITERS[type(item)](item) for item in value])}]" if value else "[]"


def _mapping(value: Mapping[Any, Any]) -> str:
    rows = [f"{encode_basestring(str(key))}:{_WRITERS[type(item)](item)}" for key, item in value.items()]
    return f"{{{','.join(rows)}}}"


def _record_writer(cls: Any) -> _Write:
    names = [f.name for f in dataclasses.fields(cls)]
    if len(names) < 2:
        # An attrgetter of one name gives no tuple.
        return lambda record: _mapping({name: getattr(record, name) for name in names})
    values = attrgetter(*names)
    starts = [f'{"{" if name is names[0] else ","}"{name}":' for name in names]

    def write(record: Any) -> str:
        parts = [start + _WRITERS[type(value)](value) for start, value in zip(starts, values(record), strict=True)]
        return f"{''.join(parts)}}}"

    return write


def _build(kind: Any, value: Any) -> Any:
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        return _build_optional(kind, value)
    if kind in {str, bool, float, Any}:
        return value
    if kind is int:
        return CalendarDuration(*value) if isinstance(value, list) else value
    origin = typing.get_origin(kind)
    if origin is not None:
        return _build_container(origin, typing.get_args(kind), value)
    if issubclass(kind, Enum):
        return kind(value)
    if issubclass(kind, WireObject):
        return decode(value.encode(), kind)
    return _build_record(kind, value)


def _build_optional(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    choices = [choice for choice in typing.get_args(kind) if choice is not types.NoneType]
    if len(choices) > 1:
        return decode(value.encode(), tuple(choices))
    return _build(choices[0], value)


def _build_container(origin: Any, args: tuple[Any, ...], value: Any) -> Any:
    if origin is dict:
        return {_build_key(args[0], key): _build(args[1], item) for key, item in value.items()}
    return origin(_build(args[0], item) for item in value)


def _build_key(kind: Any, text: str) -> Any:
    return int(text) if kind is int else text


def _build_record(cls: Any, value: Any) -> Any:
    hints = _hints(cls)
    return cls(**{name: _build(hints[name], item) for name, item in value.items() if name in hints})


@functools.cache
def _hints(cls: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls) if f.init}
