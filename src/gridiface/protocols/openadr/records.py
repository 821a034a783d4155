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
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeVar

from gridiface.errors import LocalProtocolError, RemoteProtocolError
from gridiface.protocols.openadr.times import CalendarDuration
from gridiface.protocols.xmlwire import WireObject, decode, encode

_T = TypeVar("_T")

_FLAT = frozenset({types.NoneType, bool, int, float, str})
#: Records hold no circles. Made once: half of what a small document costs is the making of an encoder.
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False)


def dump(record: Any) -> bytes:
    """`record`, a dataclass instance, as JSON."""
    return _ENCODER.encode(_plain(record)).encode()


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


def _plain(value: Any) -> Any:
    # What most fields hold comes first; subclasses (enumerations, calendar durations) are none of these exactly.
    if type(value) in _FLAT:
        return value
    if isinstance(value, WireObject):
        return encode(value).decode()
    if dataclasses.is_dataclass(value):
        known: Any = type(value)
        return _reader(known)(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(_plain(item) for item in value)
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else _plain_leaf(value)


def _plain_leaf(value: Any) -> Any:
    """A value of a subclass of what JSON knows."""
    if isinstance(value, CalendarDuration):
        return [value.months, value.exact]
    return value.value if isinstance(value, Enum) else value


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
def _reader(cls: Any) -> Callable[[Any], dict[str, Any]]:
    """What makes a record's dict, worked out once from its fields: records are stored with each message of each VEN."""
    hints = typing.get_type_hints(cls)
    # JSON can hold some values as they are; of the others the type is looked at each time.
    fields = tuple((f.name, _is_flat(hints[f.name])) for f in dataclasses.fields(cls))

    def made(record: Any) -> dict[str, Any]:
        return {
            name: value if flat or type(value) in _FLAT else _plain(value)
            for name, flat in fields
            for value in (getattr(record, name),)
        }

    return made


def _is_flat(kind: Any) -> bool:
    # A whole number may be a calendar duration: int is looked at each time.
    if kind in {str, bool, float, types.NoneType}:
        return True
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, types.UnionType) or origin in {typing.Union, list}:
        return all(_is_flat(arg) for arg in args)
    return origin is dict and args[0] is str and _is_flat(args[1])


@functools.cache
def _hints(cls: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls) if f.init}
