"""Wire objects as JSON and back: the same names as on the wire, for those who write by hand.

Owns the mapping alone: an object becomes a dict of attributes and elements by their wire names, numbers and booleans
are JSON's own, lists are lists. What comes back is checked by the same declarations as XML is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.xmlwire.declare import FieldSpec, WireObject, WireType, spec_of
from gridiface.protocols.xmlwire.parse import BAD_FORMAT, BAD_VALUES
from gridiface.protocols.xmlwire.primitives import Primitive

_T = TypeVar("_T", bound=WireObject)
_DEEPEST = 32


def to_json(obj: WireObject) -> dict[str, Any]:
    """The object as a dict; what is absent is left out."""
    found: dict[str, Any] = {}
    for f in _fields(spec_of(type(obj))):
        value = getattr(obj, f.attr)
        if value is None or value == []:
            continue
        found[f.wire] = [_shown(f, each) for each in value] if f.many else _shown(f, value)
    return found


def _shown(f: FieldSpec, value: Any) -> Any:
    if not isinstance(f.kind, Primitive):
        return to_json(value)
    return value if isinstance(value, bool | int | float) and not _is_hex(f.kind) else f.kind.render(value)


def _is_hex(kind: Primitive) -> bool:
    return kind.xsd == "xs:hexBinary"


def from_json(cls: type[_T], data: Any, *, depth: int = 0) -> _T:
    """The object that a dict describes.

    Raises:
        RemoteProtocolError: answer 400, detail 0 for unknown, missing or surplus parts, 1 for a value that its type
            does not allow; the reason names the place.
    """
    spec = spec_of(cls)
    if not isinstance(data, Mapping) or depth > _DEEPEST:
        raise _fault(f"{spec.name} is an object", BAD_FORMAT)
    known = {f.wire: f for f in _fields(spec)}
    strange = sorted(str(name) for name in data if name not in known)
    if strange:
        raise _fault(f"{spec.name} has no {', '.join(strange[:5])}; it has {', '.join(known)}", BAD_FORMAT)
    values: dict[str, Any] = {}
    for name, f in known.items():
        if data.get(name) is not None:
            values[f.attr] = _read_all(f, data[name], depth)
        elif f.required and not f.choice:
            raise _fault(f"{spec.name} needs {name}", BAD_FORMAT)
    return cls(**values)


def _fields(spec: WireType) -> tuple[FieldSpec, ...]:
    return (*spec.attributes, *spec.elements, *((spec.content,) if spec.content is not None else ()))


def _read_all(f: FieldSpec, value: Any, depth: int) -> Any:
    if not f.many:
        return _read(f, value, depth)
    if not isinstance(value, list):
        raise _fault(f"{f.wire} is a list", BAD_FORMAT)
    if len(value) < f.at_least or (f.at_most is not None and len(value) > f.at_most):
        raise _fault(f"{f.wire} has {f.at_least} to {f.at_most} members", BAD_FORMAT)
    return [_read(f, each, depth) for each in value]


def _read(f: FieldSpec, value: Any, depth: int) -> Any:
    kind = f.kind
    if isinstance(kind, tuple):
        raise _fault(f"{f.wire} cannot be written as JSON", BAD_FORMAT)
    if not isinstance(kind, Primitive):
        return from_json(kind, value, depth=depth + 1)
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, int | str):
        text = str(value)
    else:
        raise _fault(f"{f.wire} is a number, a text, or true or false", BAD_FORMAT)
    try:
        found = kind.parse(text)
        kind.render(found)  # JSON can hold characters that XML cannot
    except ValueError as problem:
        raise _fault(f"{f.wire}: {problem}", BAD_VALUES) from None
    return found


def _fault(reason: str, detail: int) -> RemoteProtocolError:
    return RemoteProtocolError(reason, detail=detail)
