"""Responses that the server posts for those who do not speak IEEE 2030.5, and for groups as a whole.

Every control with responseRequired gets one set of responses per device, whoever carries it out. Told of an outcome
twice, it posts once, so the outcomes of live controls may be replayed after a restart.
"""

from __future__ import annotations

from collections.abc import Iterable

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Outcome, OutcomeKind, TargetKind
from gridiface.domain.ports import FleetView
from gridiface.northbound.sep2.served.response_log import ResponseLog
from gridiface.northbound.sep2.served.state import State
from gridiface.northbound.sep2.served.state_records import EventRecord, Program
from gridiface.northbound.sep2.translate.answers import RESPONSES, outcome_to_status, wants_response
from gridiface.protocols.sep2.enums import ResponseStatus
from gridiface.protocols.sep2.resources import DERControlResponse

#: Outcomes of controls whose event is not shown yet.
_EARLY_KEPT = 10_000


class OnBehalf:
    """Turns outcomes into Responses.

    Args:
        state: programs, events, end devices.
        fleet: who belongs to a group.
        log: where responses are kept.
    """

    def __init__(self, state: State, fleet: FleetView, log: ResponseLog) -> None:
        self._state = state
        self._fleet = fleet
        self._log = log
        self._early: dict[str, list[Outcome]] = {}

    def on_outcome(self, outcome: Outcome) -> None:
        """Take one step of a control's life in; must not block and does not raise for unknown controls."""
        record = self._state.by_control.get(outcome.control_id)
        if record is not None and record.owner:
            self._beside(record, outcome)
            return
        if record is None:
            if outcome.control_id.startswith("sep2:") and len(self._early) < _EARLY_KEPT:
                self._early.setdefault(outcome.control_id, []).append(outcome)
            return
        lfdi = self._speaks_as(record, outcome.device_id)
        if lfdi is None:
            return
        started = self._log.has(record, lfdi, ResponseStatus.STARTED)
        status = outcome_to_status(outcome.kind, outcome.reason, started=started)
        if status == ResponseStatus.STARTED and self._log.opted_out(record, lfdi):
            status = ResponseStatus.OPTED_IN
        self._post(record, lfdi, status, outcome.at)
        if outcome.kind in {OutcomeKind.COMPLETED, OutcomeKind.CANCELLED, OutcomeKind.SUPERSEDED}:
            self._early.pop(outcome.control_id, None)

    def _beside(self, record: EventRecord, outcome: Outcome) -> None:
        """An event of another function set that is a domain control too: the server answers for those who do not."""
        owner = self._state.owner_of(record)
        device = self._state.by_device.get(outcome.device_id or "")
        if owner is None or device is None or device.speaks:
            return
        started = self._log.has(record, device.lfdi, ResponseStatus.STARTED)
        status = outcome_to_status(outcome.kind, outcome.reason, started=started)
        if wants_response(record.item.obj.responseRequired, status):
            cls, _ = RESPONSES[type(record.item.obj)]
            response = cls(
                createdDateTime=int(outcome.at), endDeviceLFDI=device.lfdi, status=status, subject=record.item.obj.mRID
            )
            self._log.add_later(owner, response)

    def published(self, record: EventRecord) -> None:
        """An event is shown now: what came too early for it is said now."""
        for outcome in self._early.pop(record.control_id or "", []):
            self.on_outcome(outcome)

    def superseded(self, record: EventRecord, now: Instant) -> None:
        """A control that another one displaces from the start: it was received, and another one rules."""
        for lfdi in self._responders(record):
            self._post(record, lfdi, ResponseStatus.RECEIVED, now)
            self._post(record, lfdi, ResponseStatus.ABORTED_OTHER_PROGRAM, now)

    def _responders(self, record: EventRecord) -> Iterable[str]:
        target = self._program(record).target
        names: list[str | None] = [None]
        if target.kind is TargetKind.GROUP:
            names += self._fleet.members(target.id)
        return [lfdi for name in names if (lfdi := self._speaks_as(record, name)) is not None]

    def _speaks_as(self, record: EventRecord, device_id: str | None) -> str | None:
        """Under which LFDI the server answers; None where the device answers by itself in this program."""
        program = self._program(record)
        if device_id is None:
            owner = self._state.end_devices.get(program.owner)
            # A device's own answers say all there is to say about a control that is addressed to it.
            return owner.lfdi if owner is not None and not program.fetched else None
        device = self._state.by_device.get(device_id)
        by_itself = device is not None and (device.speaks if program.node else device.number == program.owner)
        if device is None or (program.fetched and by_itself):
            return None
        return device.lfdi

    def _program(self, record: EventRecord) -> Program:
        return self._state.programs[record.program]

    def _post(self, record: EventRecord, lfdi: str, status: int, at: Instant) -> None:
        if not wants_response(record.item.obj.responseRequired, status):
            return
        response = DERControlResponse(
            createdDateTime=int(at), endDeviceLFDI=lfdi, status=int(status), subject=record.item.obj.mRID
        )
        self._log.add_later(self._program(record), response)
