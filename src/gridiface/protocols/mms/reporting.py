"""Reports and their control blocks (IEC 61850-7-2 clause 17, coded by IEC 61850-8-1 clause 17).

Owns what a report says and what is written to have it sent. Not owned: which data set a device has and who listens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntFlag
from typing import Any

from gridiface.errors import LocalProtocolError
from gridiface.protocols.mms.ber import broken
from gridiface.protocols.mms.data import BinaryTime, Data, Kind
from gridiface.protocols.mms.errors import AccessError
from gridiface.protocols.mms.names import Name
from gridiface.protocols.mms.pdu import Report as InformationReport
from gridiface.protocols.mms.references import Reference
from gridiface.protocols.mms.types import Type

_REPORT = Name("", "RPT")


class Trigger(IntFlag):
    """What makes a report (TrgOps); the value of a bit is its place."""

    DATA_CHANGE = 1 << 1
    QUALITY_CHANGE = 1 << 2
    DATA_UPDATE = 1 << 3
    INTEGRITY = 1 << 4
    GENERAL_INTERROGATION = 1 << 5

    @property
    def bits(self) -> str:
        """As a bit string."""
        return _bits(self, 6)


class Option(IntFlag):
    """What stands in a report (OptFlds)."""

    SEQUENCE_NUMBER = 1 << 1
    TIME_OF_ENTRY = 1 << 2
    REASON = 1 << 3
    DATA_SET = 1 << 4
    DATA_REFERENCE = 1 << 5
    BUFFER_OVERFLOW = 1 << 6
    ENTRY_ID = 1 << 7
    CONFIGURATION_REVISION = 1 << 8
    SEGMENTATION = 1 << 9

    @property
    def bits(self) -> str:
        """As a bit string."""
        return _bits(self, 10)

    @classmethod
    def of(cls, bits: str) -> Option:
        """From a bit string."""
        return cls(sum(1 << place for place, bit in enumerate(bits[:10]) if bit == "1"))


def _bits(flags: IntFlag, size: int) -> str:
    return "".join("01"[flags.value >> place & 1] for place in range(size))


#: What we ask for: enough to know the data set, what was lost, and where to go on.
WANTED_UNBUFFERED = Option.SEQUENCE_NUMBER | Option.TIME_OF_ENTRY | Option.REASON | Option.DATA_SET
WANTED_BUFFERED = WANTED_UNBUFFERED | Option.BUFFER_OVERFLOW | Option.ENTRY_ID


@dataclass(frozen=True, slots=True)
class Entry:
    """One member of the data set in a report: its place from 0, its value, and why it was sent (names of triggers)."""

    place: int
    value: Data | AccessError
    reasons: Trigger | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """One report, or a segment of one.

    Attributes:
        report_id: RptID of its control block.
        sequence: SqNum; of the sub-reports of one report it is the same.
        data_set: as the control block names it, "" where it was not told.
        entry_id: where a buffer can be resumed; b"" where it was not told.
        overflow: entries were lost before this one.
        at: TimeofEntry, seconds since 1970.
        more: further segments follow.
    """

    report_id: str
    entries: tuple[Entry, ...]
    sequence: int | None = None
    at: float | None = None
    data_set: str = ""
    overflow: bool = False
    entry_id: bytes = b""
    revision: int | None = None
    segment: int | None = None
    more: bool = False


def decode(report: InformationReport) -> Report | None:
    """The report in an informationReport; None where it is something else, a command termination for one.

    Raises:
        RemoteProtocolError: it does not hold what its option fields say.
    """
    if report.what != _REPORT:
        return None
    values = iter(report.results)
    report_id, options = _text(values), Option.of(_bit_string(values))
    sequence = _number(values) if Option.SEQUENCE_NUMBER & options else None
    at = _instant(values) if Option.TIME_OF_ENTRY & options else None
    data_set = _text(values) if Option.DATA_SET & options else ""
    overflow = bool(_next(values, Kind.BOOLEAN)) if Option.BUFFER_OVERFLOW & options else False
    entry_id = bytes(_next(values, Kind.OCTET_STRING)) if Option.ENTRY_ID & options else b""
    revision = _number(values) if Option.CONFIGURATION_REVISION & options else None
    segmented = Option.SEGMENTATION & options
    segment = _number(values) if segmented else None
    more = bool(_next(values, Kind.BOOLEAN)) if segmented else False
    entries = tuple(_entries(values, _bit_string(values), options))
    return Report(report_id, entries, sequence, at, data_set, overflow, entry_id, revision, segment, more)


def _entries(values: Iterator[Data | AccessError], inclusion: str, options: Option) -> Iterator[Entry]:
    places = [place for place, bit in enumerate(inclusion) if bit == "1"]
    if Option.DATA_REFERENCE & options:
        for _ in places:
            _text(values)
    told: list[Data | AccessError] = []
    for _ in places:
        value = next(values, None)
        if value is None:
            raise broken(f"a report of {len(places)} members holds {len(told)}")
        told.append(value)
    for place, value in zip(places, told, strict=True):
        reasons = None
        if Option.REASON & options:
            bits = _bit_string(values)
            reasons = Trigger(sum(1 << n for n, bit in enumerate(bits[:6]) if bit == "1" and n))
        yield Entry(place, value, reasons)


def _next(values: Iterator[Data | AccessError], *kinds: Kind) -> Any:
    value = next(values, None)
    if not isinstance(value, Data) or value.kind not in kinds:
        raise broken(f"a report without its {kinds[0].name.lower()}")
    return value.value


def _text(values: Iterator[Data | AccessError]) -> str:
    return str(_next(values, Kind.VISIBLE_STRING, Kind.MMS_STRING))


def _bit_string(values: Iterator[Data | AccessError]) -> str:
    return str(_next(values, Kind.BIT_STRING))


def _number(values: Iterator[Data | AccessError]) -> int:
    return int(_next(values, Kind.UNSIGNED, Kind.INTEGER))


def _instant(values: Iterator[Data | AccessError]) -> float | None:
    told = _next(values, Kind.BINARY_TIME, Kind.UTC_TIME)
    return told.instant if isinstance(told, BinaryTime) else float(told.instant)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client wants of a control block.

    Attributes:
        triggers: what makes a report.
        integrity_ms: period of whole reports, 0 for none.
        buffer_ms: how long changes are gathered into one report.
        data_set: a data set's name as control blocks say it; "" leaves what is there.
        entry_id: of a buffered block the last entry that was received: what came after it is sent again; b"" empties
            the buffer.
    """

    triggers: Trigger = Trigger.DATA_CHANGE | Trigger.QUALITY_CHANGE | Trigger.INTEGRITY | Trigger.GENERAL_INTERROGATION
    integrity_ms: int = 0
    buffer_ms: int = 0
    data_set: str = ""
    entry_id: bytes = b""


@dataclass(frozen=True, slots=True)
class ControlBlock:
    """A report control block and the type of its attributes; `buffered` by its functional constraint, BR or RP."""

    reference: Reference
    buffered: bool
    kind: Type

    def __post_init__(self) -> None:
        for part in ("RptID", "RptEna", "DatSet", "OptFlds", "TrgOps"):
            if self.kind.part(part) is None:
                raise LocalProtocolError(f"{self.reference} has no {part}: it is no report control block")

    @property
    def variable(self) -> Name:
        """The whole block."""
        return self.reference.object_name("BR" if self.buffered else "RP")

    def part(self, name: str) -> Name:
        """One of its attributes."""
        return Name(self.variable.domain, f"{self.variable.item}${name}")

    def attribute(self, block: Data, name: str) -> Any:
        """An attribute's value in a block that was read; None where it has none."""
        place = self.kind.place((name,))
        items = block.items
        return None if place is None or place[0] >= len(items) else items[place[0]].value

    def settings(self, wish: Wish) -> list[tuple[Name, Data]]:
        """What is written, one after the other, while the block is not enabled; it is not yet enabled by it."""
        wanted = WANTED_BUFFERED if self.buffered else WANTED_UNBUFFERED
        made: list[tuple[str, Any]] = []
        if wish.data_set:
            made.append(("DatSet", wish.data_set))
        made += [("OptFlds", wanted.bits), ("TrgOps", wish.triggers.bits)]
        made += [("IntgPd", wish.integrity_ms), ("BufTm", wish.buffer_ms)]
        if self.buffered:
            made.append(("EntryID", wish.entry_id) if wish.entry_id else ("PurgeBuf", True))
        return [(self.part(name), Data(kind.kind, value)) for name, value in made if (kind := self.kind.part(name))]

    def reservation(self, seconds: int) -> tuple[Name, Data] | None:
        """What keeps the block for this client: Resv, or ResvTms of a buffered one; None where it has neither."""
        name, value = ("ResvTms", seconds) if self.buffered else ("Resv", True)
        kind = self.kind.part(name)
        return None if kind is None else (self.part(name), Data(kind.kind, value))

    def enabling(self, *, on: bool) -> tuple[Name, Data]:
        """What starts or stops it."""
        return self.part("RptEna"), Data(Kind.BOOLEAN, on)

    def interrogation(self) -> tuple[Name, Data]:
        """What asks for a whole report at once."""
        return self.part("GI"), Data(Kind.BOOLEAN, value=True)
