"""Node programs: a group as a node of the utility's topology, whose controls reach each device below it as they are.

Beside the program of a group's total (allocated), a group may have a node program (not allocated). Each device below
that speaks IEEE 2030.5 has an assignment per node above it and fetches the node's controls by itself; for the others,
and for the engine's knowledge of all, one domain control per device is made. Owns the programs, the assignments and
who is below; what a write does is programs.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import replace

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.fleet import Group
from gridiface.northbound.sep2.members.placing_programs import place_program
from gridiface.northbound.sep2.programs.assigned import Assigned, assignment_path
from gridiface.northbound.sep2.programs.programs import Programs
from gridiface.northbound.sep2.served import documents, identities
from gridiface.northbound.sep2.served.kinds import FSA_PROGRAMS, kind, list_kind
from gridiface.northbound.sep2.served.levels import Levels
from gridiface.northbound.sep2.served.nodes import Audience, Item, Listing
from gridiface.northbound.sep2.served.records import program_head, record_head
from gridiface.northbound.sep2.served.services import Services
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord, Program
from gridiface.northbound.sep2.translate.controls import authority
from gridiface.protocols.sep2.resources import FunctionSetAssignments

_WEAKEST = 255


class Topology:
    """Keeps node programs and assignments as the groups of the fleet are.

    Args:
        services: state, ports, settings.
        programs: told of devices that come below a node with live controls, or leave it.
    """

    def __init__(self, services: Services, programs: Programs) -> None:
        self._s = services
        self._programs = programs
        #: Told of a program that devices left, and of the one that they came to in its place.
        self.on_left: Callable[[str, str | None], None] = lambda old, new: None
        self._moves: list[tuple[EndDeviceRecord, Program, bool]] = []
        self._levels = Levels({})
        self._assigned = Assigned(services.state)
        #: Programs that others are below than the engine was told; by number.
        self._moved: dict[int, Program] = {}
        #: Whether the last change was brought to its end; else the next one looks at everything.
        self._settled = False

    async def reconcile(self, now: Instant) -> None:
        """Bring programs and assignments up to what the fleet is; does nothing where node programs are not served.

        Raises:
            StoreUnavailable: what was not durable is not shown.
        """
        if self._s.settings.node_programs:
            async with self._s.locks.hold("topology"):
                await self._reconcile(now)

    async def arrived(self, record: EndDeviceRecord, now: Instant) -> None:
        """As `reconcile`, where nothing changed but that a device came: costs what it does, not what all others do.

        Raises:
            StoreUnavailable: what was not durable is not shown.
        """
        if not self._s.settings.node_programs:
            return
        async with self._s.locks.hold("topology"):
            nodes, device_id = self._s.state.nodes, record.device_id or ""
            known = any(device_id in program.members for program in nodes.values())
            if known or not self._in_step():
                await self._reconcile(now)
                return
            self._settled = False
            around = self._s.fleet.groups_of(device_id)
            if self._levels.add(around):
                await self._rank_all(now)
            await self._take_in(record, [nodes[group_id] for group_id in around], now)
            self._tell_moves()
            self._settled = True

    async def departed(self, record: EndDeviceRecord, now: Instant) -> None:
        """As `reconcile`, where nothing changed but that a device left: costs what it did, not what all others do.

        Args:
            record: what its end device was.
            now: s since 1970.

        Raises:
            StoreUnavailable: what was not durable is not shown.
        """
        if not self._s.settings.node_programs:
            return
        async with self._s.locks.hold("topology"):
            self._assigned.forget(record)
            nodes, device_id = self._s.state.nodes, record.device_id or ""
            if not self._in_step():
                await self._reconcile(now)
                return
            self._settled = False
            around = set(self._s.fleet.groups_of(device_id))
            left = [p for name, p in nodes.items() if device_id in p.members and name not in around]
            for program in left:
                program.members.discard(device_id)
            if left and self._levels.drop([program.target.id for program in left]):
                await self._rank_all(now)
            for program in nodes.values():
                self._read_no_more(program, record.audience.readers)
            for program in left:
                async with self._s.locks.hold(program.path):
                    await self._programs.member_left(program, device_id, now)
            self._settled = True

    def _in_step(self) -> bool:
        """Whether every group has its node, and the last change was made to its end."""
        return self._settled and {group.id for group in self._s.fleet.groups()} == self._s.state.nodes.keys()

    def _read_no_more(self, program: Program, readers: Set[str]) -> None:
        """An end device is gone that these read: they read a program only where another one below it is theirs."""
        gone = self._s.state.leave(program.audience, readers, lambda record: record.device_id in program.members)
        if gone:
            self._s.tree.readers_gone(program.audience, gone, self._places(program))

    async def stated(self, record: EndDeviceRecord, now: Instant) -> None:
        """A device said what it is: what the nodes above it ask, and it was not known to take, it may take now.

        Raises:
            StoreUnavailable: not all was asked.
        """
        for program in list(self._s.state.nodes.values()):
            if record.device_id in program.members:
                async with self._s.locks.hold(program.path):
                    await self._programs.member_came(program, record.device_id or "", now)

    async def _take_in(self, record: EndDeviceRecord, programs: Sequence[Program], now: Instant) -> None:
        if record.speaks:
            below = {program.number: {record.device_id or ""} for program in programs}
            await self._touch(self._assigned.after([record], coming=self._assigned.coming(below)), now)
        for program in programs:
            program.members.add(record.device_id or "")
            if record.speaks:
                self._join(program, record)
            async with self._s.locks.hold(program.path):
                await self._programs.member_came(program, record.device_id or "", now)

    async def _reconcile(self, now: Instant) -> None:
        self._settled = False
        groups = {group.id: group for group in self._s.fleet.groups()}
        self._levels = Levels({group_id: self._s.fleet.members(group_id) for group_id in groups})
        heights = self._levels.heights()
        for group in groups.values():
            if group.id not in self._s.state.nodes:
                await self._make(group, heights[group.id])
        await self._rank_all(now)
        for group_id, program in list(self._s.state.nodes.items()):
            if group_id not in groups:
                await self._remove(program, now)
        await self._assign(now)
        self._tell_moves()
        for number, program in list(self._moved.items()):
            async with self._s.locks.hold(program.path):
                await self._programs.members_changed(program, now)
            del self._moved[number]
        self._settled = True

    def _tell_moves(self) -> None:
        """Those who left a node for another one of the same rank moved there; for the others it is gone."""
        moves, self._moves = self._moves, []
        for record, program, joined in moves:
            if joined:
                continue
            came = [p for r, p, j in moves if j and r is record and p.number != program.number]
            same = [p for p in came if p.primacy == program.primacy]
            new = next(iter(same or came), None)
            self.on_left(program.path, new.path if new is not None else None)

    async def _make(self, group: Group, height: int) -> None:
        settings = self._s.settings
        number, changes = self._s.state.counters.take("derp")
        owner = self._s.state.by_group[group.id]
        program = Program(
            number=number,
            mrid=identities.mrid(settings.site, "derp-node", group.id, settings.pen),
            primacy=self._primacy(height),
            description=f"each device of {group.name or group.id}",
            target=Target(TargetKind.GROUP, group.id),
            owner=owner.number,
            fetched=True,
            node=True,
        )
        await self._s.ledger.commit(
            [*changes, documents.put(documents.PROGRAMS, str(number), None, program_head(program))]
        )
        self.place(program)

    async def _rank_all(self, now: Instant) -> None:
        """Levels may have come between: a node keeps its place between those above and below, unless it was chosen."""
        heights = self._levels.heights()
        for group_id, program in self._s.state.nodes.items():
            if group_id in heights and not program.ranked:
                await self._rank(program, self._primacy(heights[group_id]), now)

    async def _rank(self, program: Program, primacy: int, now: Instant) -> None:
        item = self._s.tree.item(program.path)
        if primacy == program.primacy or item is None:
            return
        version = (program.version + 1) & 0xFFFF
        head = program_head(program) | {"primacy": primacy, "version": version}
        stored = documents.put(documents.PROGRAMS, str(program.number), None, head)
        await self._s.inbox.rank(program.control_names, authority(primacy), now, along=[stored])
        program.primacy, program.version = primacy, version
        self._s.tree.set(item, replace(item.obj, primacy=primacy, version=version))

    def _primacy(self, height: int) -> int:
        """Nodes near the devices rule those above them; a device's own program rules all of them."""
        return min(self._s.settings.channel.primacy + height, _WEAKEST)

    def place(self, program: Program) -> None:
        """Show a node program; its assignments follow with `reconcile`."""
        self._s.state.nodes[program.target.id] = program
        program.audience = Audience()
        place_program(self._s.state, program)

    async def _remove(self, program: Program, now: Instant) -> None:
        self._moved.pop(program.number, None)
        leaving = [record for record in self._below(program) if self._assigned.has(record, program)]
        await self._touch(self._assigned.after(leaving, leaving=[(program, record) for record in leaving]), now)
        for record in leaving:
            self._leave(program, record)
        paths = self._s.tree.below(program.path, f"/rsps/{program.number}")
        changes: list[Change] = [documents.delete(documents.PROGRAMS, str(program.number))]
        changes += [documents.delete(space, p) for p in paths if (space := documents.space_of(p)) is not None]
        for event in list(program.events.values()):
            await self._programs.withdraw(event, event.per_device, now)
            self._s.state.drop_event(event)
        await self._s.ledger.commit(changes)
        del self._s.state.nodes[program.target.id]
        self._s.state.programs.pop(program.number, None)
        self._s.tree.remove(program.path)
        self._s.tree.remove(f"/rsps/{program.number}")
        self._s.state.leavers.forget(program.responses)

    # --- who is below -----------------------------------------------------------------------------------------------

    async def _assign(self, now: Instant) -> None:
        """Bring assignments up to who is below: what is durable first, then all is shown at once.

        So nobody reads of a device that has left one node and is not yet below the other: it is told once, and its
        events of the nodes above both go on.
        """
        programs = list(self._s.state.nodes.values())
        below = {program.number: set(self._s.fleet.members(program.target.id)) for program in programs}
        leaving = [
            (program, record)
            for program in programs
            for record in self._assigned.speaking(program.members - below[program.number])
            if self._assigned.has(record, program)
        ]
        coming = self._assigned.coming(below, leaving)
        everybody = list(self._s.state.end_devices.values())
        left = [c for p in programs for c in self._left(p, [record for node, record in leaving if node is p], now)]
        await self._touch(self._assigned.after(everybody, leaving=leaving, coming=coming), now, left)
        self._moved |= {p.number: p for p in programs if p.members != below[p.number]}
        for program in programs:
            program.members = below[program.number]
        for program, record in leaving:
            self._leave(program, record)
        for program in programs:
            came = coming.get(program.number, [])
            self._read_by(program, {reader for record in came for reader in record.audience.readers})
            for record in came:
                self._join(program, record)

    def _left(self, program: Program, records: Sequence[EndDeviceRecord], now: Instant) -> list[Change]:
        return self._s.state.leavers.note(program.responses, [record.number for record in records], now)

    def _below(self, program: Program) -> list[EndDeviceRecord]:
        return self._assigned.speaking(program.members)

    def _read_by(self, program: Program, readers: Set[str]) -> None:
        """Let these read a program, too."""
        missing = readers - program.audience.readers
        if missing:
            program.audience.readers |= missing
            self._s.tree.readers_added(program.audience, missing, self._places(program))

    def _places(self, program: Program) -> list[str]:
        """Where a program's audience is used; its responses are for those who gave them."""
        return [*self._s.tree.below(program.path), f"/rsps/{program.number}"]

    def _join(self, program: Program, record: EndDeviceRecord) -> None:
        tree, settings = self._s.tree, self._s.settings
        path = assignment_path(record, program)
        if not self._assigned.may_join(program, record):
            return
        self._read_by(program, record.audience.readers)
        tree.add(Listing(f"{path}/derp", list_kind(FSA_PROGRAMS), record.audience, data=record))
        assignment = FunctionSetAssignments(
            mRID=identities.mrid(settings.site, "fsa", f"{record.lfdi}/{program.mrid}", settings.pen),
            description=program.description[:32],
            version=0,
        )
        tree.add(
            Item(path, kind("/edev/{id1}/fsa/{id2}"), record.audience, assignment, data=record), f"{record.path}/fsa"
        )
        shown = tree.item(program.path)
        if shown is not None:
            tree.join(shown, f"{path}/derp")
            tree.join(shown, f"{record.der}/derp")
        self._s.doorman.forget()
        self._assigned.joined(program, record)
        self._moves.append((record, program, True))

    def _leave(self, program: Program, record: EndDeviceRecord) -> None:
        path = assignment_path(record, program)
        shown = self._s.tree.item(program.path)
        if shown is not None:
            self._s.tree.leave(shown, f"{path}/derp")
            self._s.tree.leave(shown, f"{record.der}/derp")
        self._s.tree.remove(path)
        others = {reader for each in self._below(program) for reader in each.audience.readers}
        gone = record.audience.readers - others
        if gone:
            program.audience.readers -= gone
            self._s.tree.readers_changed(program.audience, self._places(program))
        self._assigned.left(program, record)
        self._moves.append((record, program, False))

    def readers_changed(self, record: EndDeviceRecord) -> None:
        """Others read an end device than before: so they do the programs of the nodes above it."""
        for program in self._s.state.nodes.values():
            if not self._assigned.has(record, program):
                continue
            assigned = [r for r in self._below(program) if self._assigned.has(r, program)]
            wanted = {reader for each in assigned for reader in each.audience.readers}
            if wanted != program.audience.readers:
                program.audience.readers.clear()
                program.audience.readers |= wanted
                self._s.tree.readers_changed(program.audience, self._places(program))

    async def _touch(self, nodes: Mapping[int, Iterable[int]], now: Instant, along: Sequence[Change] = ()) -> None:
        """An assignment is part of what an end device is: its changedTime says so. It alone is no news.

        Args:
            nodes: by number of an end device: the node programs that it is assigned to from now on. What is as it was
                before a restart is no change.
            now: s since 1970.
            along: durable with it.
        """
        wanted = [(self._s.state.end_devices[number], tuple(sorted(programs))) for number, programs in nodes.items()]
        changed = [(record, programs) for record, programs in wanted if programs != record.nodes]
        if not changed and not along:
            return
        stored: list[Change] = [*along]
        for record, programs in changed:
            head = record_head(replace(record, changed=int(now), nodes=programs))
            stored.append(documents.put(documents.END_DEVICES, str(record.number), None, head))
        await self._s.ledger.commit(stored)
        for record, programs in changed:
            record.changed, record.nodes = int(now), programs
            item = self._s.tree.item(record.path)
            if item is not None:
                self._s.tree.set(item, replace(item.obj, changedTime=int(now)), quiet=True)
