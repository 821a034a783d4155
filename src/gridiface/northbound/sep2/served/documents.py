"""The adapter's durable records: a small JSON head and the resource's own XML, as one Document.

Owns the names of the spaces and the form of a body. Does not decide when something is written: handlers do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from gridiface.domain.changes import DeleteDocument, Document, PutDocument
from gridiface.errors import LocalProtocolError
from gridiface.protocols.sep2.resources import Resource
from gridiface.protocols.xmlwire import Limits, decode, encode

_T = TypeVar("_T", bound=Resource)

#: Our own records may be longer than what a peer may send.
_LIMITS = Limits(octets=64 * 1024 * 1024, tags=4_000_000)

COUNTERS = "sep2/counters"
END_DEVICES = "sep2/edev"
DEVICE_INFO = "sep2/info"  # dercap, derg, ders, dera, dstat, di, ps by path
LOG_EVENTS = "sep2/lel"
PROGRAMS = "sep2/derp"
CONTROLS = "sep2/derc"
DEFAULTS = "sep2/dderc"
CURVES = "sep2/dc"
RESPONSES = "sep2/rsp"
MIRRORS = "sep2/mup"
METER_READINGS = "sep2/mr"
READING_SETS = "sep2/rs"
SUBSCRIPTIONS = "sep2/sub"
PUBLISHED = "sep2/pub"  # what is published, readings of the utility's own included, and grants of flow, by path
ASSIGNMENTS = "sep2/fsa"  # those that the operator added, by path
OWN = "sep2/own"  # what devices wrote into lists of their own, by path
CONTENTS = "sep2/content"  # octets of files, by the path of the File
DISABLED = "sep2/disabled"  # by LFDI
RATES = "sep2/rates"  # pollRate by resource name
LEFT = "sep2/left"  # who left a program or publication, by the path of its ResponseList
TOLD = "sep2/told"  # what the receivers of notifications know, by subscription

_STORED_AT: tuple[tuple[str, str], ...] = (
    (r"/edev/\d+/lel/\d+", LOG_EVENTS),
    (r"/edev/\d+/sub/\d+", SUBSCRIPTIONS),
    (r"/edev/\d+/(?:dstat|di|ps|cp|cfg|fs|der/\d+/(?:dercap|derg|ders|dera))", DEVICE_INFO),
    (r"/edev/\d+/(?:di/loc|ns|cfg/prcfg|lsl|frq)/.+", OWN),
    (r"/edev/\d+/frp/\d+", PUBLISHED),
    (r"/(?:dr|tp|msg|bill|brs|ppy|file)/.+", PUBLISHED),
    (r"/edev/\d+/fsa/a\d+", ASSIGNMENTS),
    (r"/derp/\d+/derc/\d+", CONTROLS),
    (r"/derp/\d+/dderc", DEFAULTS),
    (r"/derp/\d+/dc/\d+", CURVES),
    (r"/rsps/\w+/rsp", LEFT),
    (r"/rsps/\w+/rsp/\d+", RESPONSES),
    (r"/mup/\d+", MIRRORS),
    (r"/upt/\d+/mr/\d+", METER_READINGS),
    (r"/upt/\d+/mr/\d+/rs/\d+", READING_SETS),
)
_PATTERNS = tuple((re.compile(pattern), space) for pattern, space in _STORED_AT)


def space_of(path: str) -> str | None:
    """The space that holds the record of the resource at a path, whose key is the path; None where none does."""
    return next((space for pattern, space in _PATTERNS if pattern.fullmatch(path)), None)


@dataclass(frozen=True, slots=True)
class Record:
    """A document taken apart: `head` is ours, `xml` the resource as it was stored."""

    key: str
    head: Mapping[str, Any] = field(default_factory=dict)
    xml: bytes = b""

    def resource(self, cls: type[_T]) -> _T:
        """The stored resource.

        Raises:
            LocalProtocolError: the record was not written by this version or is damaged.
        """
        try:
            return decode(self.xml, cls, _LIMITS)
        except Exception as problem:
            raise LocalProtocolError(f"stored {cls.__name__} {self.key} cannot be read: {problem}") from problem


def put(space: str, key: str, resource: Resource | None, head: Mapping[str, Any] | None = None) -> PutDocument:
    """The change that stores a resource with its head."""
    line = json.dumps(head or {}, separators=(",", ":"), sort_keys=True).encode()
    return PutDocument(space, key, line + b"\n" + (b"" if resource is None else encode(resource)))


def put_xml(space: str, key: str, xml: bytes) -> PutDocument:
    """The change that stores a resource that is encoded already, with an empty head."""
    return PutDocument(space, key, b"{}\n" + xml)


def delete(space: str, key: str) -> DeleteDocument:
    """The change that removes a record."""
    return DeleteDocument(space, key)


def open_record(document: Document) -> Record:
    """The parts of a document.

    Raises:
        LocalProtocolError: the head is not JSON.
    """
    head, _, xml = document.body.partition(b"\n")
    try:
        return Record(document.key, json.loads(head), xml)
    except ValueError as problem:
        raise LocalProtocolError(f"document {document.space}/{document.key} is damaged: {problem}") from problem
