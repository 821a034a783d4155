"""Set-points that lie ahead of inverters: scheduled controls in their own programs, made anew when the plan changes.

An inverter that asks every few minutes has them long before their start and begins in time. Once one has begun it is
the control that the inverter follows (fleet_channel.py), like any that was published at its start.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Agenda
from gridiface.errors import LocalProtocolError, StoreUnavailable
from gridiface.northbound.sep2.fleet_channel.derived_controls import DerivedControls
from gridiface.northbound.sep2.fleet_channel.own_controls import derived_modes, first_conflict, taken, without
from gridiface.northbound.sep2.programs.curves import place_curve
from gridiface.northbound.sep2.programs.programs import Programs
from gridiface.northbound.sep2.served.event_clock import cancelled, event_document, stands
from gridiface.northbound.sep2.served.services import Services
from gridiface.northbound.sep2.served.state_records import EventRecord, Program
from gridiface.protocols.sep2.resources import DERControlBase, DERCurve

_log = logging.getLogger("gridiface.sep2")


@dataclass(slots=True)
class _Renewal:
    """What changes for one device."""

    device_id: str
    program: Program
    kept: list[EventRecord] = field(default_factory=list)
    made: list[EventRecord] = field(default_factory=list)
    ended: list[EventRecord] = field(default_factory=list)
    curves: list[DERCurve] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)


class Planned:
    """The scheduled controls of all inverters that the server made of set-points ahead."""

    def __init__(
        self, services: Services, programs: Programs, derived: DerivedControls, serves: Callable[[str], bool]
    ) -> None:
        self._s, self._programs, self._derived, self._serves = services, programs, derived, serves
        self._records: dict[str, list[EventRecord]] = {}

    def take(self, record: EventRecord, device_id: str) -> None:
        """After a restart: one that had not begun."""
        self._records.setdefault(device_id, []).append(record)

    def begun(self, device_id: str, now: Instant) -> EventRecord | None:
        """The one that has begun since the last look, which is planned no more; None where none has."""
        records = self._records.get(device_id)
        if not records:
            return None
        started = [record for record in records if _start(record) <= now]
        if started:
            self._records[device_id] = [record for record in records if record not in started]
        running = [record for record in started if record.end > now and stands(record)]
        return max(running, key=_start, default=None)

    def ahead(self, device_id: str, now: Instant) -> list[EventRecord]:
        """Those that have not begun, the next one first."""
        records = self._records.get(device_id, ())
        return sorted((one for one in records if _start(one) > now and stands(one)), key=_start)

    async def replace(self, agendas: Sequence[Agenda], now: Instant) -> list[str]:
        """Put agendas in place of what was planned, all in one transaction; the devices that could not be told."""
        failed: list[str] = []
        renewals: list[_Renewal] = []
        for agenda in agendas:
            program = self._s.state.program_of_device(agenda.device_id)
            if program is None or not self._serves(agenda.device_id):
                failed.append(agenda.device_id)
                continue
            try:
                renewals.append(self._renewal(agenda, program, now))
            except (ValueError, TypeError, LocalProtocolError) as problem:
                _log.warning("device %s cannot be told what lies ahead: %s", agenda.device_id, problem)
                failed.append(agenda.device_id)
        changes = [change for renewal in renewals for change in renewal.changes]
        if changes:
            try:
                await self._s.ledger.commit(changes)
            except StoreUnavailable as problem:
                _log.warning("what lies ahead of %d devices cannot be recorded: %s", len(renewals), problem)
                return [agenda.device_id for agenda in agendas]
        for renewal in renewals:
            self._show(renewal, now)
        return failed

    def _renewal(self, agenda: Agenda, program: Program, now: Instant) -> _Renewal:
        renewal = _Renewal(agenda.device_id, program)
        left = self.ahead(agenda.device_id, now)
        fetches = self._s.state.programs_of_device(agenda.device_id)
        for setpoint in agenda.setpoints:
            parents = self._derived.parents(setpoint, program, fetches)
            start = round(now if setpoint.starts is None else setpoint.starts)
            if not parents or start <= now:
                continue  # the inverter fetches it by itself; or it is to be told now, not planned
            rest = without(setpoint, taken(fetches, start))
            base = self._derived.base_of(program, rest, taken(fetches, start), renewal.curves, renewal.changes)
            if base is None:
                continue
            conflict = first_conflict(fetches, derived_modes(base, rest), start)
            end = round(start + 1 if setpoint.valid_until is None else setpoint.valid_until)
            span = (start, max(start + 1, end if conflict is None else min(end, conflict)))
            same = next((one for one in left if _says(one, base, parents, span)), None)
            if same is not None:
                left.remove(same)
                renewal.kept.append(same)
                continue
            record, changes = self._derived.make(program, base, parents, span, now)
            renewal.made.append(record)
            renewal.changes += [*changes, event_document(record)]
        renewal.ended = [cancelled(record, now) for record in left]
        renewal.changes += [event_document(record) for record in renewal.ended]
        return renewal

    def _show(self, renewal: _Renewal, now: Instant) -> None:
        for curve in renewal.curves:
            place_curve(self._s, renewal.program, curve.href or "", curve)
        for record in renewal.ended:
            shown = self._s.state.events.get(record.item.obj.mRID)
            if shown is not None:
                self._s.tree.set(shown.item, record.item.obj)
        self._records[renewal.device_id] = [*renewal.kept, *renewal.made]
        for record in renewal.made:
            self._programs.publish(record, now)
        if renewal.ended and not renewal.made:
            self._s.events.refresh(renewal.program, now)


def _start(record: EventRecord) -> int:
    return int(record.item.obj.interval.start)


def _says(record: EventRecord, base: DERControlBase, parents: tuple[str, ...], span: tuple[int, int]) -> bool:
    """Whether a published control is the one that is wanted."""
    same = record.parents == parents and (_start(record), record.end) == span
    return same and bool(record.item.obj.derControlBase == base)
