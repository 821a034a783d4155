"""Meter data that come days after the event: taken in while the server runs, and what is settled anew by them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Protocol, cast

from pydantic import Field
from typing_extensions import TypedDict

from gridiface.domain.clock import Instant
from gridiface.errors import ConfigError
from gridiface.operator.api.bodies import MAX_BYTES
from gridiface.operator.api.routing import Area, Call, post
from gridiface.operator.desk import Desk
from gridiface.operator.problems import Refused
from gridiface.operator.schema import Asked, Name, NoQuery, Text

#: Longest file, characters: three days of quarter hours of a thousand meters are 11 million. JSON may escape some.
MOST_DATA = 16 * 1024 * 1024


class NewMeterData(Asked):
    """A file of meter data."""

    data: str = Field(max_length=MOST_DATA, description="the file's text: CSV with a header, or Green Button (XML)")
    name: Text = Field(default="meter data", description="what the file is called, for people")
    meter: Name | None = Field(default=None, description="the device of a file that does not name its meter")
    zone: str | None = Field(
        default=None, max_length=64, description="time zone of times without offset; CSV with such times needs it"
    )
    positive: Literal["consumption", "delivery"] = Field(
        default="consumption", description="what a CSV file counts positive"
    )
    stamp: Literal["start", "end"] = Field(default="start", description="which end of its interval a time of CSV names")
    interval_s: float | None = Field(
        default=None, ge=1, le=86_400, allow_inf_nan=False, description="of CSV, s; none: as found in the file"
    )
    reason: Text = Field(default="", description="for people and the audit log")


class MeterSpan(TypedDict):
    """What came of one meter. Times are ISO 8601; `intervals` counts the missing ones, too."""

    meter: str
    start: str
    end: str
    interval_s: float
    intervals: int


class MeterGap(TypedDict):
    """Missing intervals of a meter."""

    meter: str
    start: str
    end: str
    intervals: int


class SettledAnew(TypedDict):
    """A settlement that the data concern. `changed`: rows; `note`: why it stays as it is, else empty."""

    event: str
    revision: int
    final: bool
    changed: int
    note: str


class MeterDataTaken(TypedDict):
    """What came of it. `unknown`: meters by whose names there is no device; they are kept like the others.

    `duplicates` stood there twice alike, `conflicts` differently: the later counts. `gaps`: the first hundred.
    """

    meters: list[MeterSpan]
    values: int
    duplicates: int
    conflicts: int
    missing: int
    gaps: list[MeterGap]
    notes: list[str]
    unknown: list[str]
    settlements: list[SettledAnew]


class MeterDataPort(Protocol):
    """Who takes meter data; app/desks/meter_desk.py."""

    async def take(self, asked: Mapping[str, Any], who: str, now: Instant) -> Mapping[str, Any]:
        """Keep them, and settle anew what they concern; raises ConfigError where they cannot be read."""
        ...


class MetersArea(Area):
    """Meter data."""

    name: ClassVar[str] = "meters"
    title: ClassVar[str] = "Meter data"

    def __init__(self, desk: Desk, port: MeterDataPort) -> None:
        self._desk, self._port = desk, port

    @post(
        "/meter-data",
        "Take in meter data (CSV or Green Button); settlements that they concern are made anew",
        scope="configure",
        most_bytes=MOST_DATA + MAX_BYTES,
    )
    async def take_meter_data(self, call: Call[NoQuery, NewMeterData]) -> MeterDataTaken:
        """What is in it, what is missing, and what it changed."""
        try:
            found = await self._port.take(call.body.model_dump(), call.caller.name, call.now)
        except ConfigError as problem:
            reason, _, fix = str(problem).rpartition("; ")
            fix = fix or "docs/operator/importing.md tells the form"
            raise Refused(422, reason or str(problem), fix) from problem
        known = self._desk.status.fleet
        strangers = [one["meter"] for one in found["meters"] if known.device(one["meter"]) is None]
        return cast("MeterDataTaken", {**found, "unknown": strangers})
