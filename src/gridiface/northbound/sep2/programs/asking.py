"""Asking the engine for what a utility writes into a program: whom it concerns, and what an answer means.

The control of a program as a whole is asked for here; that of each device below a node is node_controls.py's.
"""

from __future__ import annotations

from collections.abc import Sequence

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Acceptance, Control, TargetKind, Verdict
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.served.services import Services
from gridiface.northbound.sep2.served.state_records import Program
from gridiface.northbound.sep2.translate.answers import acceptance_to_http
from gridiface.northbound.sep2.translate.controls import ProgramScope
from gridiface.northbound.sep2.translate.ratings import can_enter, stores_energy


class Asking:
    """Asks the engine for controls of programs."""

    def __init__(self, services: Services) -> None:
        self._s = services

    def scope(self, program: Program) -> ProgramScope:
        """What a program's controls concern, by what the fleet is now."""
        fleet, target = self._s.fleet, program.target
        names = fleet.members(target.id) if target.kind is TargetKind.GROUP else [target.id]
        devices = [device for name in names if (device := fleet.device(name)) is not None]
        storage = any(stores_energy(device) for device in devices)
        return ProgramScope(program.mrid, target, program.primacy, storage, can_enter(devices))

    async def submit(self, control: Control, now: Instant, along: Sequence[Change]) -> Acceptance:
        """Ask the engine; `along` is durable on return.

        What a device that fetches its controls itself has not said it can do is published all the same: whether it
        can is the device's to answer (252).

        Raises:
            RemoteProtocolError: the control was refused and nothing was changed.
        """
        acceptance = await self._s.inbox.submit(control, now, along=along)
        if acceptance.will_run:
            return acceptance
        if acceptance.verdict is Verdict.UNSUPPORTED and self._s.state.fetches_itself(control.target):
            await self._s.ledger.commit(along)
            return acceptance
        answer = acceptance_to_http(acceptance)
        if answer.status != 201:
            raise RemoteProtocolError(
                f"{acceptance.verdict}: {acceptance.reason}", answer=answer.status, detail=answer.reason_code
            )
        await self._s.ledger.commit(along)
        return acceptance
