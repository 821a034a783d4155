"""PUT and DELETE of default controls by the utility: what holds in a program while no control is active."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2 import csip_aus
from gridiface.northbound.sep2.programs.asking import Asking
from gridiface.northbound.sep2.programs.curves import Curves
from gridiface.northbound.sep2.programs.derived_defaults import DefaultChange, DerivedDefaults
from gridiface.northbound.sep2.programs.node_controls import MakeControl, NodeControls
from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.served.access import require_utility
from gridiface.northbound.sep2.served.services import (
    Call,
    Services,
    item_of,
    named,
    program_of,
    still_there,
)
from gridiface.northbound.sep2.served.state_records import Program
from gridiface.northbound.sep2.translate.controls import ProgramScope, ResolveCurve, default_to_control
from gridiface.protocols.sep2.exchange import Reply, changed
from gridiface.protocols.sep2.resources import DefaultDERControl


class Defaults:
    """Writes of the utility to DefaultDERControls."""

    def __init__(self, services: Services, asking: Asking, curves: Curves, node: NodeControls) -> None:
        self._s = services
        self.derived = DerivedDefaults(services)
        self._asking = asking
        self._curves = curves
        self._node = node

    async def put(self, call: Call) -> Reply:
        """Set what holds while no control is active.

        Raises:
            RemoteProtocolError: 400, 403, 404, 409, 413, 415.
            StoreUnavailable: nothing was changed.
        """
        require_utility(call.caller)
        program, item = program_of(call.node), item_of(call.node)
        default = call.read(DefaultDERControl, self._s)
        async with self._s.locks.hold(program.path):
            still_there(self._s, item)
            named(default.mRID, "a default control")
            csip_aus.check(default.derControlBase, self._s.settings.csip_aus)
            default.href, default.subscribable = item.path, None
            curve = self._curves.of(program)
            control = default_to_control(default, self._asking.scope(program), call.caller.lfdi, curve, call.now)
            change = self.derived.beside(program, default)
            head = {"control": control.id if control else None, "by": call.caller.lfdi, "entering": change.entering}
            stored = documents.put(documents.DEFAULTS, item.path, change.shown, head)
            if program.node:
                make = partial(_default_of, default, call.caller.lfdi, curve, call.now)
                await self._replace_at_node(program, control, make, call.now, [stored])
            else:
                await self._replace(program, control, call.now, [stored])
            self.derived.show(change)
        return changed()

    async def _replace(self, program: Program, control: Control | None, now: Instant, along: list[Change]) -> None:
        old = program.default_control
        if control is None:
            if old is None or not await self._s.inbox.cancel(old, now, along=along):
                await self._s.ledger.commit(along)
        else:
            await self._asking.submit(control, now, along)
            if old is not None and old != control.id:
                await self._s.inbox.cancel(old, now, reason="replaced")
        program.default_control = control.id if control is not None else None

    async def _replace_at_node(
        self, program: Program, control: Control | None, make: MakeControl, now: Instant, along: list[Change]
    ) -> None:
        old, members = program.default_control, self._node.members(program)
        controls = self._node.takers(program, make, members, now)
        await self._node.submit(controls, now, along)
        if old is not None and (control is None or old != control.id):
            await self._node.cancel(old, members, now, "replaced")
        program.default_control = control.id if control is not None else None

    async def delete(self, call: Call) -> Reply:
        """Take the default control away.

        Raises:
            RemoteProtocolError: 403, 404.
            StoreUnavailable: nothing was changed.
        """
        require_utility(call.caller)
        program, item = program_of(call.node), item_of(call.node)
        async with self._s.locks.hold(program.path):
            still_there(self._s, item)
            if item.obj is None:
                raise RemoteProtocolError("there is no default control", answer=404)
            await self.remove(program, call.now)
        return changed()

    async def remove(self, program: Program, now: Instant) -> None:
        """Take a program's default control away, and what it is in the domain.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        item = self._s.tree.item(f"{program.path}/dderc")
        if item is None:
            return
        change = self.derived.beside(program, None)
        gone = [self._without_control(change)]
        if program.node:
            await self._replace_at_node(program, None, lambda scope: None, now, gone)
        else:
            await self._replace(program, None, now, gone)
        self.derived.show(change)

    @staticmethod
    def _without_control(change: DefaultChange) -> Change:
        """What is stored once the posted default is gone."""
        path = f"{change.program.path}/dderc"
        if not change.entering:
            return documents.delete(documents.DEFAULTS, path)
        return documents.put(documents.DEFAULTS, path, change.shown, {"control": None, "entering": change.entering})

    async def members_changed(self, program: Program, members: Sequence[str], now: Instant) -> None:
        """Other devices are below a node: its default concerns these now.

        Raises:
            StoreUnavailable: not all was changed.
        """
        item = self._s.tree.item(f"{program.path}/dderc")
        if program.default_control is None or item is None or item.obj is None:
            return
        make = partial(_default_of, item.obj, "", self._curves.of(program), now)
        with suppress(RemoteProtocolError):  # nobody waits for their refusal
            await self._node.submit(self._node.takers(program, make, members, now), now, ())


def _default_of(
    default: DefaultDERControl, identity: str, curve: ResolveCurve, now: Instant, scope: ProgramScope
) -> Control | None:
    return default_to_control(default, scope, identity, curve, now)
