"""What an operator, or a test harness, makes the server do: every verb, as plain values in and out.

Acts go the way a utility's requests go: the same handlers check, store and show them; the operator is a utility by the
name "operator:NAME". The audit entry of an act is durable with its first change (along.py). No HTTP here: the REST area
and its verbs stand on this.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from gridiface.domain.changes import Change
from gridiface.domain.clock import Clock
from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.fleet import Principal, Role
from gridiface.errors import RemoteProtocolError, StoreUnavailable
from gridiface.northbound.sep2.along import along_with
from gridiface.northbound.sep2.core import Sep2Core
from gridiface.northbound.sep2.desk import rows
from gridiface.northbound.sep2.desk.devices import Sep2DevicesDesk
from gridiface.northbound.sep2.desk.resetting import Resetting
from gridiface.northbound.sep2.published.publications import ROOTS
from gridiface.northbound.sep2.served.access import Caller
from gridiface.northbound.sep2.served.nodes import EVERYTHING, Item, Listing, Node
from gridiface.northbound.sep2.served.services import Call
from gridiface.northbound.sep2.served.state_records import Program, Publication
from gridiface.protocols.sep2 import resources
from gridiface.protocols.sep2.enums import EventStatusCode, NotificationStatus
from gridiface.protocols.sep2.exchange import SEP_XML
from gridiface.protocols.sep2.lists import ListQuery, page
from gridiface.protocols.sep2.resources import EventStatus
from gridiface.protocols.xmlwire import encode
from gridiface.protocols.xmlwire.json_form import from_json, to_json

#: What a utility writes: programs, what is published, grants of flow.
_UTILITYS = re.compile(rf"/(?:derp|{'|'.join(ROOTS)})/|/edev/\d+/frp/")


class Sep2Desk(Sep2DevicesDesk):
    """The operator's side of one server.

    Args:
        core: the server.
        clock: the wall clock.
    """

    def __init__(self, core: Sep2Core, clock: Clock) -> None:
        super().__init__(core, clock)
        self._resetting = Resetting(core)

    # --- assignments and programs -------------------------------------------------------------------------------------

    def programs(self) -> list[rows.ProgramRow]:
        """Every DERProgram, by number."""
        return [rows.program_row(self.core.state, p) for _, p in sorted(self.core.state.programs.items())]

    def find_programs(self, text: str, live: str, start: int, limit: int) -> tuple[list[rows.ProgramRow], int]:
        """Those that fit by number, from `start` on, and how many fit. Only what is shown is made into rows.

        Args:
            text: in what they are known by; "": all fit.
            live: "only" those with an active control, these "first", or "".
            start, limit: which of those that fit.
        """
        state, wanted = self.core.state, text.lower()
        fits = [p for p in state.programs.values() if not wanted or rows.program_has(p, wanted)]
        active = {p.number: rows.active_of(state, p) for p in fits} if live else {}
        if live == "only":
            fits = [p for p in fits if active[p.number]]
        fits.sort(key=lambda p: (-active.get(p.number, 0), p.number))
        return [rows.program_row(state, p) for p in fits[start : start + limit]], len(fits)

    def counts(self) -> dict[str, int]:
        """How many end devices, programs, controls known, controls active, and subscriptions there are."""
        state = self.core.state
        return {
            "end_devices": len(state.end_devices),
            "programs": len(state.programs),
            "controls": sum(len(program.events) for program in state.programs.values()),
            "active": sum(rows.active_of(state, program) for program in state.programs.values()),
            "subscriptions": len(self.core.subscriptions.all()),
        }

    def program(self, number: int) -> rows.ProgramRow | None:
        """One DERProgram by its number, or None."""
        found = self.core.state.programs.get(number)
        return None if found is None else rows.program_row(self.core.state, found)

    async def ensure_assignment(self, lfdi: str, name: str, *, along: Sequence[Change] = ()) -> tuple[str, bool]:
        """The assignment of that name below an end device; its path, and whether it is new."""
        with along_with(along):
            return await self.core.assignments.ensure(self._record(lfdi), name, self._clock.now())

    async def remove_assignment(self, lfdi: str, path: str, *, along: Sequence[Change] = ()) -> None:
        """Take an added assignment away with its programs."""
        with along_with(along):
            await self.core.assignments.remove(self._record(lfdi), path, self._clock.now())

    async def ensure_program(
        self, lfdi: str, assignment: str, name: str, primacy: int, *, along: Sequence[Change] = ()
    ) -> tuple[rows.ProgramRow, bool]:
        """The program of that name in an assignment of an end device, with that primacy; and whether it is new."""
        with along_with(along):
            program, new = await self.core.assignments.ensure_program(
                self._record(lfdi), assignment, name, primacy, self._clock.now()
            )
        return rows.program_row(self.core.state, program), new

    async def set_primacy(self, number: int, primacy: int, *, along: Sequence[Change] = ()) -> rows.ProgramRow:
        """Give a program another primacy."""
        program = self._program(number)
        with along_with(along):
            await self.core.assignments.rank(program, primacy, self._clock.now())
        return rows.program_row(self.core.state, program)

    async def remove_program(self, number: int, *, along: Sequence[Change] = ()) -> None:
        """Take an added program away; its live controls are cancelled first."""
        with along_with(along):
            await self.core.assignments.remove_program(self._program(number), self._clock.now())

    async def cancel_controls(self, number: int | None, reason: str, *, along: Sequence[Change] = ()) -> int:
        """Cancel all live controls of a program, or of all programs; returns how many."""
        programs = list(self.core.state.programs.values()) if number is None else [self._program(number)]
        with along_with(along):
            count = 0
            for program in programs:
                async with self.core.services.locks.hold(program.path):
                    count += await self.core.programs.cancel_all(program, self._clock.now(), reason=reason)
        return count

    # --- any resource -------------------------------------------------------------------------------------------------

    def show(self, path: str, *, start: int = 0, limit: int = 100) -> dict[str, Any]:
        """A resource, or a page of a list, as the utility would see it, in JSON form with its type.

        Raises:
            RemoteProtocolError: 404 where nothing is.
        """
        node, now = self._node(path), self._clock.now()
        tree = self.core.state.tree
        if isinstance(node, Listing):
            listed = tree.list_object(node, EVERYTHING, 0)
            chosen = page(node.members(node.view_of(EVERYTHING)), ListQuery(start, limit)).items
            members = [to_json(tree.complete(item, EVERYTHING)) for item in chosen]
            return {"type": node.kind.name, **to_json(listed), "results": len(members), "members": members}
        if node.live is not None:
            tree.document(node, EVERYTHING, now)
        if node.obj is None:
            raise RemoteProtocolError("nothing is here yet", answer=404)
        return {"type": node.kind.name, **to_json(tree.complete(node, EVERYTHING))}

    async def create(
        self,
        path: str,
        resource: Any,
        *,
        by: str,
        device: str | None = None,
        group: str | None = None,
        along: Sequence[Change] = (),
    ) -> tuple[str, bool]:
        """Add what a utility could post to the list at `path`; what is published can be for one device or group.

        Returns:
            Where it is, and whether it is new.

        Raises:
            RemoteProtocolError: as the utility would be answered.
        """
        node = self._node(path)
        if not isinstance(node, Listing):
            raise RemoteProtocolError(f"{path} is no list", answer=405)
        obj: Any = from_json(getattr(resources, node.kind.name.removesuffix("List")), resource)
        is_root = path.strip("/") in ROOTS
        target = self._target(device, group)
        if target is not None and not is_root:
            raise RemoteProtocolError("only a publication as a whole has a device or group", answer=400)
        if target is not None and not self.core.publications.knows(target):
            raise RemoteProtocolError(f"there is no {target.kind.value} {target.id!r}: nobody would see it", answer=404)
        with along_with(along):
            if is_root:
                return await self.core.publishing.create(node, obj, self._clock.now(), by=by, target=target)
            reply = await self._act("POST", node, obj, by)
        return str(reply.header("Location")), reply.status == 201

    async def replace(self, path: str, resource: Any, *, by: str, along: Sequence[Change] = ()) -> None:
        """Put what a utility could put at `path`.

        Raises:
            RemoteProtocolError: as the utility would be answered.
        """
        node = self._item(path)
        obj: Any = from_json(getattr(resources, node.kind.name), resource)
        with along_with(along):
            await self._act("PUT", node, obj, by)

    async def remove(self, path: str, *, by: str, along: Sequence[Change] = ()) -> None:
        """Delete what a utility could delete at `path`.

        Raises:
            RemoteProtocolError: as the utility would be answered.
        """
        with along_with(along):
            await self._act("DELETE", self._item(path), None, by)

    async def cancel(
        self, path: str, *, randomised: bool, reason: str, by: str, along: Sequence[Change] = ()
    ) -> dict[str, Any]:
        """Cancel the event at `path`; `randomised`: devices end it after their random delay.

        Raises:
            RemoteProtocolError: as the utility would be answered.
        """
        node = self._item(path)
        if not hasattr(node.obj, "eventStatus"):
            raise RemoteProtocolError(f"{path} is no event", answer=400)
        status = EventStatusCode.CANCELLED_WITH_RANDOMIZATION if randomised else EventStatusCode.CANCELLED
        wanted = replace(
            node.obj,
            eventStatus=EventStatus(
                currentStatus=int(status), dateTime=int(self._clock.now()), potentiallySuperseded=False,
                reason=reason or None,
            ),
        )  # fmt: skip
        with along_with(along):
            await self._act("PUT", node, wanted, by)
        return self.show(path)

    async def add_file(
        self,
        file: Any,
        octets: bytes,
        *,
        by: str,
        device: str | None = None,
        group: str | None = None,
        along: Sequence[Change] = (),
    ) -> dict[str, Any]:
        """Offer a file for download with its octets, both or nothing.

        Raises:
            RemoteProtocolError: as the utility would be answered; 413 where the octets are too many.
        """
        self.core.files.check(octets)
        path, new = await self.create("/file", file, by=by, device=device, group=group, along=along)
        try:
            return await self.store_file(path, octets)
        except StoreUnavailable:
            if new:
                with suppress(StoreUnavailable):  # then it is there without octets, which the log tells
                    await self.core.publishing.remove(self._item(path), self._clock.now())
            raise

    async def store_file(self, path: str, octets: bytes, *, along: Sequence[Change] = ()) -> dict[str, Any]:
        """Keep the octets of the File at `path` on this server.

        Raises:
            RemoteProtocolError: 404, 413.
        """
        node = self._item(path)
        if not isinstance(node.data, Publication) or node.data.root != "file":
            raise RemoteProtocolError(f"{path} is no File", answer=404)
        with along_with(along):
            await self.core.files.store(node, octets, self._clock.now())
        return self.show(path)

    # --- mirrors, subscriptions, reset --------------------------------------------------------------------------------

    async def empty_mirrors(self, lfdi: str | None = None, *, along: Sequence[Change] = ()) -> int:
        """Forget all mirrors, or those of one end device; returns how many."""
        with along_with(along):
            return await self._resetting.mirrors(lfdi.upper() if lfdi is not None else None)

    def subscriptions(self) -> list[rows.SubscriptionRow]:
        """Every subscription, by path."""
        return [rows.subscription_row(s) for s in self.core.subscriptions.all()]

    def find_subscriptions(self, text: str, start: int, limit: int) -> tuple[list[rows.SubscriptionRow], int]:
        """Those that fit, from `start` on; and how many fit."""
        wanted = text.lower()
        fits = [one for one in self.core.subscriptions.all() if not wanted or rows.subscription_has(one, wanted)]
        return [rows.subscription_row(one) for one in fits[start : start + limit]], len(fits)

    def cancel_subscription(self, path: str) -> bool:
        """End a subscription with a last notification of status 1; False where there is none."""
        subscriber = self.core.subscriptions.get(path)
        if subscriber is not None:
            self.core.subscriptions.end(subscriber, NotificationStatus.CANCELLED)
        return subscriber is not None

    async def reset(self, *, by: str, along: Sequence[Change] = ()) -> dict[str, int]:
        """Back to what the configuration and the fleet say: all that clients, utilities and operators made is gone.

        Returns:
            How many of what were removed.
        """
        with along_with(along):
            return await self._resetting.everything(self._clock.now())

    # --- look-ups -----------------------------------------------------------------------------------------------------

    def _program(self, number: int) -> Program:
        program = self.core.state.programs.get(number)
        if program is None:
            raise RemoteProtocolError(f"there is no program {number}", answer=404)
        return program

    def _node(self, path: str) -> Node:
        if path.startswith("/upt/"):
            self.core.metering.expand(path)
        node = self.core.state.tree.get(path.rstrip("/"))
        if node is None:
            raise RemoteProtocolError(f"nothing is at {path}", answer=404)
        return node

    def _item(self, path: str) -> Item:
        node = self._node(path)
        if not isinstance(node, Item):
            raise RemoteProtocolError(f"{path} is a list", answer=405)
        return node

    @staticmethod
    def _target(device: str | None, group: str | None) -> Target | None:
        if group is not None:
            return Target(TargetKind.GROUP, group)
        return None if device is None else Target(TargetKind.DEVICE, device)

    async def _act(self, method: str, node: Node, obj: Any, by: str) -> Any:
        """One request as a utility would send it, past the doors that are for the wire alone."""
        if not _UTILITYS.match(node.path):
            raise RemoteProtocolError(f"a utility writes nothing at {node.path}", answer=405)
        caller = Caller(replace(EVERYTHING, lfdi=f"operator:{by}"), Principal(identity=by, role=Role.UTILITY))
        body = b"" if obj is None else encode(obj)
        call = Call(method, node, caller, {"content-type": SEP_XML}, body, self._clock.now())
        return await self.core.requests.act(call)
