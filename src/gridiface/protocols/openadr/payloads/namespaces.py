"""The namespaces of the 2.0b schema set, their prefixes, and the simple types that several payloads share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar, dataclass_transform

from gridiface.protocols.openadr.times import parse_date_time, parse_duration, render_date_time, render_duration
from gridiface.protocols.xmlwire import Vocabulary, attribute, content, element, wire
from gridiface.protocols.xmlwire.primitives import Primitive, enumeration, string

OADR = "http://openadr.org/oadr-2.0b/2012/07"
OADR_A = "http://openadr.org/oadr-2.0a/2012/07"
EI = "http://docs.oasis-open.org/ns/energyinterop/201110"
PYLD = "http://docs.oasis-open.org/ns/energyinterop/201110/payloads"
EMIX = "http://docs.oasis-open.org/ns/emix/2011/06"
POWER = "http://docs.oasis-open.org/ns/emix/2011/06/power"
SCALE = "http://docs.oasis-open.org/ns/emix/2011/06/siscale"
XCAL = "urn:ietf:params:xml:ns:icalendar-2.0"
STRM = "urn:ietf:params:xml:ns:icalendar-2.0:stream"
DS = "http://www.w3.org/2000/09/xmldsig#"
DSP = "http://openadr.org/oadr-2.0b/2012/07/xmldsig-properties"
GML = "http://www.opengis.net/gml/3.2"
ATOM = "http://www.w3.org/2005/Atom"

_PREFIXES = {
    EI: "ei",
    PYLD: "pyld",
    EMIX: "emix",
    POWER: "power",
    SCALE: "scale",
    XCAL: "xcal",
    STRM: "strm",
    DS: "ds",
    DSP: "dsp",
    GML: "gml",
    ATOM: "atom",
}

#: The B profile. No default namespace: an attribute of the oadr namespace needs the prefix anyway.
V = Vocabulary(default="", prefixes={OADR: "oadr", **_PREFIXES}, declare_at_root=True)
#: The A profile shares every namespace but its own.
V_A = Vocabulary(default="", prefixes={OADR_A: "oadr", **_PREFIXES}, declare_at_root=True)

SCHEMA_VERSION = "2.0b"

DATE_TIME = Primitive("DateTimeType", parse_date_time, render_date_time, "xs:dateTime", plain=True)
"""Instant, seconds since 1970 UTC."""
DURATION = Primitive("DurationValueType", parse_duration, render_duration, "xs:string", plain=True)
"""Seconds."""

TOKEN_ID = string("ID", pattern=r"[A-Za-z_][\w.\-]*", collapse=True)
"""xs:ID"""
_Class = TypeVar("_Class", bound=type)
_EXTENSION = r"x-\S.*"
#: The types that are not called as their element is, with "Type" behind it.
_TYPE_NAMES = {
    "currencyPerKW": "currencyType",
    "currencyPerKWh": "currencyType",
    "currencyPerThm": "currencyType",
    "customUnit": "BaseUnitType",
}


def token(name: str, values: Iterable[str], *, extensible: bool = False) -> Primitive:
    """An xs:token enumeration: white space around it does not count; `extensible` allows x- names (Annex B)."""
    listed = enumeration(name, values, _EXTENSION if extensible else None)

    def parse(text: str) -> str:
        found: str = listed.parse(" ".join(text.split()))
        return found

    return replace(listed, parse=parse)


OPT_TYPE = token("OptTypeType", ("optIn", "optOut"))
RESPONSE_CODE = string("ResponseCodeType", pattern="[0-9][0-9][0-9]")
SCHEMA_VERSIONS = token("schemaVersionType", ("2.0a", "2.0b"), extensible=True)
READING_TYPE = token(
    "ReadingTypeType",
    (
        *("Direct Read", "Net", "Allocated", "Estimated", "Summed", "Derived", "Mean", "Peak", "Hybrid", "Contract"),
        *("Projected", "x-RMS", "x-notApplicable"),
    ),
    extensible=True,
)


def _declare(cls: _Class, ns: str) -> _Class:
    # The element's name is the class's with a small first letter; an empty optional element is absent (rule 46).
    name = cls.__name__[0].lower() + cls.__name__[1:]
    own = _TYPE_NAMES.get(name)
    # The schema writes a type's first letter now small, now large; no two types differ in that alone.
    types = (own,) if own else (f"{name}Type", f"{cls.__name__}Type")
    return wire(V, ns=ns, name=name, empty_is_absent=True, schema_types=types)(cls)


@dataclass_transform(kw_only_default=True, field_specifiers=(element, attribute, content))
def oadr(cls: _Class) -> _Class:
    """Declares a global element of the profile's own namespace."""
    return _declare(cls, OADR)


@dataclass_transform(kw_only_default=True, field_specifiers=(element, attribute, content))
def ei(cls: _Class) -> _Class:
    """Declares a global element of Energy Interoperation."""
    return _declare(cls, EI)


@dataclass_transform(kw_only_default=True, field_specifiers=(element, attribute, content))
def pyld(cls: _Class) -> _Class:
    """Declares a global element of Energy Interoperation's payloads."""
    return _declare(cls, PYLD)


@dataclass_transform(kw_only_default=True, field_specifiers=(element, attribute, content))
def power(cls: _Class) -> _Class:
    """Declares a global element of EMIX power."""
    return _declare(cls, POWER)


@dataclass_transform(kw_only_default=True, field_specifiers=(element, attribute, content))
def xcal(cls: _Class) -> _Class:
    """Declares a global element of iCalendar."""
    return _declare(cls, XCAL)


@dataclass_transform(kw_only_default=True, field_specifiers=(element, attribute, content))
def strm(cls: _Class) -> _Class:
    """Declares a global element of iCalendar streams."""
    return _declare(cls, STRM)
