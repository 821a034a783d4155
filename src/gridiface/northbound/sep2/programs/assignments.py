"""Assignments and programs that the operator adds to an end device, beside its own and those of the nodes above it.

An added program is the device's, as its own program is: its controls are controls of that device. Owns their numbers,
documents and places; what is posted to such a program is programs.py's.
"""

from __future__ import annotations

from dataclasses import replace

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.fleet import Role
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.members.placing_programs import place_program
from gridiface.northbound.sep2.programs.assigned import MOST_ASSIGNMENTS
from gridiface.northbound.sep2.programs.programs import Programs
from gridiface.northbound.sep2.served import documents, identities
from gridiface.northbound.sep2.served.documents import Record
from gridiface.northbound.sep2.served.kinds import FSA_PROGRAMS, kind, list_kind
from gridiface.northbound.sep2.served.nodes import Item, Listing
from gridiface.northbound.sep2.served.records import program_head, record_head
from gridiface.northbound.sep2.served.services import Services, bad_value, limit_reached
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord, Program
from gridiface.northbound.sep2.translate.controls import authority
from gridiface.protocols.sep2.resources import FunctionSetAssignments

#: First letter of the last part of an added assignment's path; the others are numbers.
_ADDED = "a"


class Assignments:
    """Adds and removes them."""

    def __init__(self, services: Services, programs: Programs) -> None:
        self._s = services
        self._programs = programs

    # --- assignments ------------------------------------------------------------------------------------------------

    async def ensure(self, record: EndDeviceRecord, name: str, now: Instant) -> tuple[str, bool]:
        """The assignment of that name; made where there is none.

        Returns:
            Its path, and whether it is new.

        Raises:
            RemoteProtocolError: 400 where the device has no room for another, or is no device.
            StoreUnavailable: nothing was changed.
        """
        listing = self._s.tree.listing(f"{record.path}/fsa")
        if record.role is not Role.DEVICE or listing is None:
            raise bad_value("an aggregator has no assignments")
        known = next((i for i in listing.items.values() if i.obj.description == name[:32]), None)
        if known is not None:
            return known.path, False
        if len(listing.items) >= MOST_ASSIGNMENTS:
            raise limit_reached("assignment")
        number, changes = self._s.state.counters.take(f"fsa/{record.number}")
        path = f"{record.path}/fsa/{_ADDED}{number}"
        stored = documents.put(documents.ASSIGNMENTS, path, None, {"name": name[:32]})
        await self._touch(record, now, [*changes, stored])
        self._place(record, path, name[:32])
        return path, True

    def _place(self, record: EndDeviceRecord, path: str, name: str) -> None:
        settings = self._s.settings
        shown = FunctionSetAssignments(
            mRID=identities.mrid(settings.site, "fsa", f"{record.lfdi}/{path.rpartition('/')[2]}", settings.pen),
            description=name,
            version=0,
        )
        self._s.tree.add(Listing(f"{path}/derp", list_kind(FSA_PROGRAMS), record.audience, data=record))
        item = Item(path, kind("/edev/{id1}/fsa/{id2}"), record.audience, shown, data=record)
        self._s.tree.add(item, f"{record.path}/fsa")

    def load(self, record: EndDeviceRecord, stored: Record) -> None:
        """Show a stored assignment."""
        self._place(record, stored.key, str(stored.head["name"]))
        self._s.state.counters.saw(f"fsa/{record.number}", int(stored.key.rpartition("/")[2].removeprefix(_ADDED)))

    async def remove(self, record: EndDeviceRecord, path: str, now: Instant) -> None:
        """Take an added assignment away with its programs.

        Raises:
            RemoteProtocolError: 404, 409 where it is not an added one or a program has live controls.
            StoreUnavailable: not all was removed.
        """
        if self._s.tree.item(path) is None:
            raise RemoteProtocolError("no such assignment", answer=404)
        if not path.rpartition("/")[2].startswith(_ADDED):
            raise RemoteProtocolError("the server makes this assignment by itself", answer=409)
        for program in [p for p in self._s.state.programs.values() if p.assignment == path]:
            await self.remove_program(program, now)
        await self._touch(record, now, [documents.delete(documents.ASSIGNMENTS, path)])
        self._s.tree.remove(path)

    # --- programs ---------------------------------------------------------------------------------------------------

    async def ensure_program(
        self, record: EndDeviceRecord, assignment: str, name: str, primacy: int, now: Instant
    ) -> tuple[Program, bool]:
        """The program of that name in an assignment, with that primacy; made where there is none.

        Raises:
            RemoteProtocolError: 400, 404.
            StoreUnavailable: nothing was changed.
        """
        if self._s.tree.listing(f"{assignment}/derp") is None or not assignment.startswith(f"{record.path}/fsa/"):
            raise RemoteProtocolError("no such assignment", answer=404)
        known = next((p for p in self._s.state.programs.values()
                      if p.assignment == assignment and p.description == name), None)  # fmt: skip
        if known is not None:
            await self.rank(known, primacy, now)
            return known, False
        settings = self._s.settings
        number, changes = self._s.state.counters.take("derp")
        program = Program(
            number=number,
            mrid=identities.mrid(settings.site, "derp-added", str(number), settings.pen),
            primacy=primacy,
            description=name,
            target=Target(TargetKind.DEVICE, record.device_id or record.lfdi),
            owner=record.number,
            fetched=record.speaks,
            audience=record.audience,
            assignment=assignment,
        )
        stored = documents.put(documents.PROGRAMS, str(number), None, program_head(program))
        await self._s.ledger.commit([*changes, stored])
        place_program(self._s.state, program)
        return program, True

    async def rank(self, program: Program, primacy: int, now: Instant, *, chosen: bool = True) -> None:
        """Give a program another primacy; the controls that it has are ranked anew, as its clients rank them.

        Args:
            program: which.
            primacy: 0 to 255.
            now: s since 1970.
            chosen: somebody wants this one; else it follows from where its node stands again.

        Raises:
            RemoteProtocolError: 400 where it is out of range.
            StoreUnavailable: nothing was changed.
        """
        if not 0 <= primacy <= 255:
            raise bad_value("primacy is 0 to 255")
        item = self._s.tree.item(program.path)
        if item is None or (program.primacy == primacy and (chosen or not program.ranked)):
            return
        version = (program.version + 1) & 0xFFFF
        head = program_head(program) | {"primacy": primacy, "ranked": chosen, "version": version}
        stored = documents.put(documents.PROGRAMS, str(program.number), None, head)
        await self._s.inbox.rank(program.control_names, authority(primacy), now, along=[stored])
        program.primacy, program.ranked, program.version = primacy, chosen, version
        self._s.tree.set(item, replace(item.obj, primacy=primacy, version=version))
        await self._programs.on_posted(program, now)

    def load_program(self, program: Program) -> None:
        """Show a stored program, when its assignment is there."""
        record = self._s.state.end_devices.get(program.owner)
        if record is None or self._s.tree.get(program.assignment) is None:
            return
        program.audience, program.fetched = record.audience, record.speaks
        place_program(self._s.state, program)

    async def remove_program(self, program: Program, now: Instant) -> None:
        """Take an added program away; its live controls are cancelled first.

        Raises:
            RemoteProtocolError: 409 where the server made it by itself.
            StoreUnavailable: not all was removed.
        """
        if not program.assignment:
            raise RemoteProtocolError("the server makes this program by itself", answer=409)
        await self._programs.cancel_all(program, now, reason="the program is removed")
        paths = self._s.tree.below(program.path, f"/rsps/{program.number}")
        changes: list[Change] = [documents.delete(documents.PROGRAMS, str(program.number))]
        changes += [documents.delete(space, p) for p in paths if (space := documents.space_of(p)) is not None]
        await self._s.ledger.commit(changes)
        for event in list(program.events.values()):
            self._s.state.drop_event(event)
        self._s.state.programs.pop(program.number, None)
        self._s.tree.remove(program.path)
        self._s.tree.remove(f"/rsps/{program.number}")

    async def _touch(self, record: EndDeviceRecord, now: Instant, changes: list[Change]) -> None:
        head = record_head(record) | {"changed": int(now)}
        await self._s.ledger.commit([*changes, documents.put(documents.END_DEVICES, str(record.number), None, head)])
        record.changed = int(now)
        item = self._s.tree.item(record.path)
        if item is not None:
            self._s.tree.set(item, replace(item.obj, changedTime=int(now)), quiet=True)
