"""Files for download, and how a device gets on with them."""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import (
    ANY_URI,
    BITS16,
    HEX160,
    PEN,
    SEP2,
    STRING16,
    STRING32,
    TIME,
    UINT8,
    UINT16,
    UINT32,
)
from gridiface.protocols.sep2.resources.common import Link, List, Resource
from gridiface.protocols.xmlwire import attribute, element, wire

# FileStatus's own text: a share of the file, and one of the states of enums.FileLoadStatus; the schema says UInt8.
_LOAD_PERCENT = UINT8.named("UInt8", advised=(0, 100))
_LOAD_STATUS = UINT8.named("UInt8", advised=(0, 8))


@wire(SEP2)
class File(Resource):
    """A file for download; type per enums.FileType."""

    activateTime: int | None = element(TIME, default=None)
    fileURI: str = element(ANY_URI)
    lFDI: str | None = element(HEX160, default=None)
    mfHwVer: str | None = element(STRING32, default=None)
    mfID: int = element(PEN)
    mfModel: str = element(STRING32)
    mfSerNum: str | None = element(STRING32, default=None)
    mfVer: str = element(STRING16)
    size: int = element(UINT32, unit="octets")
    type: int = element(BITS16)


@wire(SEP2)
class FileList(List):
    """Files for download."""

    pollRate: int | None = attribute(UINT32, default=None)
    members: list[File] = element(File, "File", default_factory=list)


@wire(SEP2)
class FileStatus(Resource):
    """How far a device is with a file; status per enums.FileLoadStatus."""

    pollRate: int | None = attribute(UINT32, default=None)
    activateTime: int | None = element(TIME, default=None)
    FileLink: Link | None = element(Link, default=None)
    loadPercent: int = element(_LOAD_PERCENT, unit="%")
    nextRequestAttempt: int = element(TIME)
    request503Count: int = element(UINT16)
    requestFailCount: int = element(UINT16)
    status: int = element(_LOAD_STATUS)
    statusTime: int = element(TIME)
