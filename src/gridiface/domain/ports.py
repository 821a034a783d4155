"""The sockets that the rest plugs into: Protocol classes, no code. `now` is always an argument.

Durability: a port method that returns after `await` has made its change durable; only then may a caller
acknowledge it on the wire. When nothing can be made durable, StoreUnavailable is raised and nothing was changed.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gridiface.domain.changes import Change, Document
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Acceptance, Control, Decision, Delivery, Outcome, Setpoint, Share, Target
from gridiface.domain.envelope import EnvelopeSpan, Sure
from gridiface.domain.fleet import Device, Group
from gridiface.domain.performance import PerformanceInterval, PerformanceReport
from gridiface.domain.performance_sums import Portion, RegulationFigures
from gridiface.domain.response_counts import ResponseCounts
from gridiface.domain.telemetry import GroupTotal, Quality, Reading, Snapshot


class Ledger(Protocol):
    """Durable state. All changes of one call are one transaction: all or none."""

    async def commit(self, changes: Sequence[Change]) -> None:
        """Make all changes durable, then return.

        Raises:
            StoreUnavailable: nothing was changed.
            LocalProtocolError: one of them is what no store can keep; nothing was changed. See `durably`.
        """
        ...

    async def documents(self, space: str) -> list[Document]:
        """All documents of one space, by key."""
        ...

    async def octets(self, space: str, key: str, first: int = 0, count: int | None = None) -> bytes | None:
        """The body of one document from its octet `first` (0 is the first) on, at most `count`; None: there is none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionSearch:
    """Which decisions; None: whatever. `targets`: any of these; `text` is in the reason, in any case; [start, end)."""

    target: str | None = None
    targets: tuple[str, ...] | None = None
    signal: str | None = None
    source: str | None = None
    verdict: str | None = None
    text: str | None = None
    start: Instant | None = None
    end: Instant | None = None


@dataclass(frozen=True, slots=True)
class Began:
    """One device that began to carry a control out, and when it had been told of; None: that is not kept."""

    device_id: str
    received: Instant | None
    started: Instant


@dataclass(frozen=True, slots=True)
class Accounted:
    """A part of what is kept of one control in a span of time; see `History.accounted`.

    `portions`: what its targets' intervals come to, by target. `series`: intervals of its own target.
    `took`: devices' response times to many signals, of lines that began in the span.
    """

    control: Control
    portions: tuple[tuple[str, Portion], ...] = ()
    began: tuple[Began, ...] = ()
    series: tuple[PerformanceInterval, ...] = ()
    took: tuple[tuple[str, ResponseCounts], ...] = ()


@dataclass(frozen=True, slots=True)
class Reach:
    """Until when intervals of a control are wanted: what ended by `own` of its own target, by `devices` of others."""

    own: Instant = math.inf
    devices: Instant = math.inf


#: All intervals; none.
WHOLE, NOTHING = Reach(), Reach(-math.inf, -math.inf)


class History(Protocol):
    """What was: for restart, reports and pages."""

    async def controls(self, *, live_after: Instant | None = None) -> list[Control]:
        """All controls, or those whose span may reach beyond `live_after`; by creation."""
        ...

    async def outcomes(self, control_id: str) -> list[Outcome]:
        """The steps of one control, by time."""
        ...

    async def readings(self, device_id: str, *, start: Instant, end: Instant, limit: int = 10_000) -> list[Reading]:
        """Readings of one device with source time in [start, end), by time."""
        ...

    async def decisions(
        self, *, control_id: str | None = None, limit: int = 1000, skip: int = 0, search: DecisionSearch | None = None
    ) -> list[Decision]:
        """The newest decisions, newest first, after the first `skip`; those that match `search`."""
        ...

    async def within_reach(self, search: DecisionSearch, *, control_id: str | None = None) -> DecisionSearch:
        """The same search, begun at the newest decisions that a search by words, signal and the like may look at.

        A later `start` than was asked for says from where on it looks; older ones are looked at with an `end` there.
        """
        ...

    async def performance(self, control_id: str) -> list[PerformanceInterval]:
        """The intervals of one control, by target and start."""
        ...

    def accounted(
        self,
        start: Instant,
        end: Instant,
        *,
        own: bool = True,
        devices: bool = True,
        reach: Callable[[str], Reach] = lambda _: WHOLE,
        series: Callable[[Control], bool] = lambda _: False,
    ) -> AsyncIterator[Accounted]:
        """What is kept of all controls that may have run in [start, end), in parts: a control comes once or oftener.

        The first part of a control is empty; after it `reach` is asked by its id which of its intervals are wanted.
        Intervals count with their part of the span, those of the control's own target (`own`) and of each device of a
        group (`devices`); devices that began in the span; of the controls that `series` chooses their own target's
        intervals one by one, too, by their time.
        """
        ...


class ControlInbox(Protocol):
    """Where controls of every protocol come in."""

    async def submit(self, control: Control, now: Instant, *, along: Sequence[Change] = ()) -> Acceptance:
        """Ask the engine, make control, answer and `along` durable in one transaction, return the answer.

        A refused control changes nothing and `along` is not written. The same control id again replaces the
        earlier one where it is a default control and is INVALID otherwise.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        ...

    async def cancel(self, control_id: str, now: Instant, *, reason: str = "", along: Sequence[Change] = ()) -> bool:
        """Cancel a control; False when it is unknown or already over (then `along` is not written)."""
        ...

    async def rank(
        self, control_ids: Sequence[str], authority: float, now: Instant, *, along: Sequence[Change] = ()
    ) -> int:
        """Give controls another authority and make `along` durable with it; how many.

        Who rules is decided anew at once. Those that are unknown or over are left out; `along` is written in any case.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        ...

    def preview(self, control: Control, now: Instant, *, noted: bool = False) -> Acceptance:
        """What `submit` would answer, without changing anything; `noted`: a refusal is recorded as one of `submit`."""
        ...


class OutcomeListener(Protocol):
    """Told of every step in the life of the controls it sent."""

    def on_outcome(self, outcome: Outcome) -> None:
        """Called after the outcome is durable; must not block and must not raise."""
        ...


class FleetView(Protocol):
    """The fleet as it is now; answers are values, safe to keep."""

    def device(self, device_id: str) -> Device | None:
        """The device, or None."""
        ...

    def devices(self) -> Sequence[Device]:
        """All devices, by id."""
        ...

    def group(self, group_id: str) -> Group | None:
        """The group, or None."""
        ...

    def groups(self) -> Sequence[Group]:
        """All groups, by id."""
        ...

    def members(self, group_id: str) -> Sequence[str]:
        """All devices below a group, through nested groups, each once."""
        ...

    def groups_of(self, device_id: str) -> Sequence[str]:
        """The groups that a device is below, innermost first; cheap where they have many devices."""
        ...

    def snapshot(self, target: Target) -> Snapshot | None:
        """The newest state of a device, or the rolled-up state of a group."""
        ...

    def setpoint(self, device_id: str) -> Setpoint | None:
        """What the device was told last."""
        ...

    def barred(self, target: Target) -> str:
        """Why nobody of a target may be controlled now (blocked, local control, not enabled); empty: somebody may."""
        ...


class FleetSurvey(FleetView, Protocol):
    """The fleet for those who look at all of it at once."""

    def qualities(self) -> Mapping[str, Quality | None]:
        """The quality of each device's newest data, None without any; one call for a fleet of any size."""
        ...

    def silent(self) -> Mapping[str, Quality | None]:
        """The devices whose newest data are bad, stale or not there, with their quality: few where all is well."""
        ...

    def counts(self) -> Mapping[Quality | None, int]:
        """How many devices have newest data of each quality, also of those that none has; None: no data."""
        ...

    def totals(self) -> Sequence[GroupTotal]:
        """All groups as one each, by id; one call for a fleet of any size."""
        ...

    def shares(self, control: Control, now: Instant) -> Sequence[Share]:
        """Who would get what of a control that is only previewed, by device; empty where no power is asked."""
        ...

    def envelope(self, target: Target, times: Sequence[Instant], now: Instant) -> Iterator[EnvelopeSpan]:
        """What a target that is there can be counted on for over [times[0], times[-1]), a piece of work at each step.

        Raises:
            FleetChanged: devices came or went meanwhile.
        """
        ...

    def sure(self, device_ids: Sequence[str], until: Instant, now: Instant) -> Iterator[Sure]:
        """What each device can be counted on for over [now, until), a piece of work at each step: the least counts.

        Raises:
            FleetChanged: devices came or went meanwhile.
        """
        ...


class PerformanceView(Protocol):
    """Requested against delivered, of running and finished controls."""

    def report(self, control_id: str, *, devices: bool = True) -> Sequence[PerformanceReport]:
        """One report per target that the control concerned, the control's own target first; alone without `devices`."""
        ...

    def latest(self, control_id: str) -> PerformanceInterval | None:
        """The newest interval, also an unfinished one, of the control's own target; None where it never ran."""
        ...

    def running(self) -> Mapping[str, PerformanceInterval]:
        """The newest interval, also an unfinished one, of each running control of a group, by the control's id."""
        ...

    def score(self, intervals: Sequence[PerformanceInterval], start: Instant, end: Instant) -> RegulationFigures | None:
        """How well the regulation signals in these intervals of one target were followed in [start, end)."""
        ...


class DeviceRegistry(Protocol):
    """Where adapters register and update the devices that came to them."""

    async def register(
        self, device: Device, now: Instant, *, groups: Sequence[str] = (), along: Sequence[Change] = ()
    ) -> None:
        """Add the device, or replace its nameplate and settings; `groups` it joins beside those that name it."""
        ...

    async def remove(self, device_id: str, now: Instant, *, along: Sequence[Change] = ()) -> None:
        """Take the device out of the fleet; unknown ids change nothing."""
        ...

    async def observe(self, snapshots: Sequence[Snapshot], now: Instant, *, along: Sequence[Change] = ()) -> None:
        """Take telemetry in; `along` and the readings made of it are durable on return."""
        ...

    async def report(
        self, deliveries: Sequence[Delivery], outcomes: Sequence[Outcome], now: Instant, *, along: Sequence[Change] = ()
    ) -> None:
        """Take a device's own answers in, durably: what it did with a published set-point, and for which control."""
        ...
