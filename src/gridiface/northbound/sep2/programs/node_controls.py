"""A node's control as one domain control per device below it, each as it is, in the order of their names.

The first one that is taken carries what must be durable together; a device that refuses is left out. Does not publish
anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control, Target, TargetKind, Verdict
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.served.services import Services
from gridiface.northbound.sep2.served.state_records import Program
from gridiface.northbound.sep2.translate.answers import acceptance_to_http
from gridiface.northbound.sep2.translate.controls import ProgramScope
from gridiface.northbound.sep2.translate.ratings import can_enter, stores_energy
from gridiface.protocols.sep2.enums import DeviceCategory

MakeControl = Callable[[ProgramScope], Control | None]


class NodeControls:
    """Asks the engine for each device below a node."""

    def __init__(self, services: Services) -> None:
        self._s = services

    def members(self, program: Program) -> Sequence[str]:
        """The devices below a node now."""
        return sorted(self._s.fleet.members(program.target.id))

    def takers(
        self, program: Program, make: MakeControl, devices: Iterable[str], now: Instant, category: int = 0
    ) -> list[Control]:
        """The controls that will run, one per device.

        Args:
            program: the node's.
            make: the control of a device.
            devices: below the node.
            now: s since 1970.
            category: deviceCategory of those that it is for; devices of others ignore it. 0: for all.

        Raises:
            RemoteProtocolError: there are devices, and not one of them takes its control or is ruled by another one.
        """
        refused: RemoteProtocolError | None = None
        found: list[Control] = []
        stands = False
        for device_id in devices:
            if not self._is_for(device_id, category):
                continue
            control = self._for(program, make, device_id)
            if control is None:
                continue
            acceptance = self._s.inbox.preview(control, now)
            if acceptance.will_run:
                found.append(control)
            elif acceptance.verdict is Verdict.SUPERSEDED:
                stands = True
            else:
                answer = acceptance_to_http(acceptance)
                refused = refused or RemoteProtocolError(
                    f"{acceptance.verdict}: {acceptance.reason}", answer=answer.status, detail=answer.reason_code
                )
        if refused is not None and not found and not stands:
            raise refused
        return found

    def _is_for(self, device_id: str, category: int) -> bool:
        record = self._s.state.by_device.get(device_id)
        own = 0 if record is None else record.category or 0
        return not category or not own or bool(own & (category | DeviceCategory.VIRTUAL_OR_MIXED_DER))

    def _for(self, program: Program, make: MakeControl, device_id: str) -> Control | None:
        device = self._s.fleet.device(device_id)
        target = Target(TargetKind.DEVICE, device_id)
        storage = device is not None and stores_energy(device)
        enters = device is not None and can_enter([device])
        control = make(ProgramScope(program.mrid, target, program.primacy, storage, enters))
        return None if control is None else replace(control, id=f"{control.id}:{device_id}")

    async def submit(self, controls: Sequence[Control], now: Instant, along: Sequence[Change]) -> None:
        """Hand the controls in; `along` is durable with the first of them.

        Raises:
            StoreUnavailable: the first could not be made durable and nothing was changed.
        """
        for number, control in enumerate(controls):
            acceptance = await self._s.inbox.submit(control, now, along=along if not number else ())
            if not number and not acceptance.will_run:
                await self._s.ledger.commit(along)
        if not controls:
            await self._s.ledger.commit(along)

    async def cancel(self, control_id: str, devices: Iterable[str], now: Instant, reason: str) -> None:
        """Cancel the controls of these devices.

        Raises:
            StoreUnavailable: not all were cancelled.
        """
        for device_id in devices:
            await self._s.inbox.cancel(f"{control_id}:{device_id}", now, reason=reason)
