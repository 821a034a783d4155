"""The devices a client acts for: which programs concern each, its events, and what is in force.

Owns the way from resources (polling.py) to each device's event follower (event_client.py). Does not own requests.
Times are the server's, s since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from gridiface.protocols.sep2.event_client import Default, EventFollower, Followed, ModeInForce, Phase, Transition
from gridiface.protocols.sep2.events import facts_of
from gridiface.protocols.sep2.polling import Node, ResourceTree
from gridiface.protocols.sep2.resources import (
    DefaultDERControl,
    DERControlList,
    DERProgram,
    DERProgramList,
    EndDevice,
    EndDeviceList,
    FunctionSetAssignmentsList,
    Link,
    Time,
)

# A change of one of these can change what concerns a device.
_CONTROL_KINDS = (EndDeviceList, FunctionSetAssignmentsList, DERProgramList, DERControlList, DefaultDERControl, Time)


@dataclass(slots=True)
class FollowedDevice:
    """One device of this client: its EndDevice as last seen, its events and what is in force."""

    lfdi: str
    follower: EventFollower
    end_device: EndDevice | None = None
    in_force: dict[str, ModeInForce] = field(default_factory=dict)


class DeviceFollowers:
    """All devices of one client at one server.

    Args:
        lfdis: the devices' LFDIs, upper case.
        server: names the server in the precedence between servers.
        supported: modes that the devices can do; None for all.
        chance: source of the random shifts of events.
    """

    def __init__(
        self, lfdis: Iterable[str], tree: ResourceTree, server: str, supported: frozenset[str] | None, chance: Random
    ) -> None:
        self.tree = tree
        self.server = server
        self._due: float | None = None
        self._stale = True
        self._matched = False
        self.devices = {lfdi: FollowedDevice(lfdi, EventFollower(chance, supported)) for lfdi in lfdis}

    def match(self, listed: EndDeviceList) -> None:
        """Take which end devices the server knows; one that is not enabled is not registered."""
        self._matched = True
        found = {(device.lFDI or "").upper(): device for device in listed.members if device.enabled is not False}
        for lfdi, followed in self.devices.items():
            followed.end_device = found.get(lfdi)

    def programs_of(self, device: EndDevice) -> list[DERProgram]:
        """The programs that a device's assignments lead to, lowest primacy first."""
        return self._programs(device)[0]

    def assigned(self, device: FollowedDevice) -> list[DERProgram] | None:
        """The programs of a device, lowest primacy first; None while part of the way to them is not known yet.

        A device that the server does not list (any more) has none.
        """
        if device.end_device is None:
            return [] if self._matched else None
        programs, whole = self._programs(device.end_device)
        return programs if whole else None

    def _programs(self, device: EndDevice) -> tuple[list[DERProgram], bool]:
        assignments = self.tree.value(device.FunctionSetAssignmentsListLink)
        whole = device.FunctionSetAssignmentsListLink is None or assignments is not None
        programs: dict[str, DERProgram] = {}
        for assignment in assignments.members if isinstance(assignments, FunctionSetAssignmentsList) else ():
            listed = self.tree.value(assignment.DERProgramListLink)
            whole = whole and (assignment.DERProgramListLink is None or listed is not None)
            if isinstance(listed, DERProgramList):
                programs |= {program.mRID: program for program in listed.members}
        return sorted(programs.values(), key=lambda p: (p.primacy, -int(p.mRID or "0", 16))), whole

    @staticmethod
    def concerns(kind: type[object]) -> bool:
        """Whether a new resource of this kind calls for `feed`."""
        return issubclass(kind, _CONTROL_KINDS)

    def feed(self, time: float) -> list[tuple[str, str]]:
        """Show every device's events, as they are known now, to its follower.

        Returns:
            (LFDI, mRID) of the events that ended because their device is not assigned to their program any more.
        """
        self._stale = True
        withdrawn: list[tuple[str, str]] = []
        for device in self.devices.values():
            listed: list[str] = []
            whole = self.assigned(device) is not None
            for program in () if device.end_device is None else self.programs_of(device.end_device):
                controls = self.tree.value(program.DERControlListLink)
                if not isinstance(controls, DERControlList):
                    whole = whole and program.DERControlListLink is None
                    continue
                for control in controls.members:
                    listed.append(control.mRID)
                    facts = facts_of(control, primacy=program.primacy, program=program.mRID, server=self.server)
                    device.follower.update(control, facts, time)
            withdrawn += [(device.lfdi, mrid) for mrid in self._withdraw(device, time)]
            if whole:
                # What is not listed has gone; a list that is still to be read would say nothing of that.
                device.follower.forget(listed, time)
        return withdrawn

    def _withdraw(self, device: FollowedDevice, time: float) -> list[str]:
        """End the events of programs that the device has left; nothing while its programs are not all known."""
        programs = self.assigned(device)
        if programs is None:
            return []
        names = {program.mRID for program in programs}
        left = [mrid for mrid, known in device.follower.events.items() if known.facts.program not in names]
        return [mrid for mrid in left if device.follower.withdraw(mrid, time)]

    def opt(self, lfdi: str, mrid: str, time: float, *, out: bool) -> bool:
        """A device's user overrides a control or takes that back; False when there is none to override."""
        device = self.devices.get(lfdi)
        if device is None:
            return False
        self._stale = True
        return device.follower.opt_out(mrid, time) if out else device.follower.opt_in(mrid, time)

    def resume(self, lfdi: str, followed: Followed) -> None:
        """Take an event up as it was followed before; see EventFollower.resume."""
        self._stale = True
        self.devices[lfdi].follower.resume(followed)

    def withdraw(self, lfdi: str, mrid: str, time: float) -> bool:
        """End an event for one device without a word to the server; False when it is over."""
        self._stale = True
        return self.devices[lfdi].follower.withdraw(mrid, time)

    def advance(self, time: float) -> list[tuple[FollowedDevice, Transition]]:
        """Everything that is due at `time`, device by device."""
        if not self._stale and (self._due is None or self._due > time):
            return []
        happened = [(d, transition) for d in self.devices.values() for transition in d.follower.advance(time)]
        self._due = min(
            (due for d in self.devices.values() if (due := d.follower.next_timer()) is not None), default=None
        )
        self._stale = False
        return happened

    def changed(self) -> list[FollowedDevice]:
        """The devices for which something else is in force than at the last call."""
        result: list[FollowedDevice] = []
        for device in self.devices.values():
            in_force = device.follower.in_force(self._defaults(device))
            if in_force != device.in_force:
                device.in_force = in_force
                result.append(device)
        return result

    def next_timer(self) -> float | None:
        """When `advance` is due next, or None."""
        if not self._stale:
            return self._due
        due = (device.follower.next_timer() for device in self.devices.values())
        return min((moment for moment in due if moment is not None), default=None)

    def look_again(self, time: float, lead: float, offset: float) -> None:
        """Have control lists fetched `lead` s before the first pending control begins; `offset`: server - own clock."""
        for device in self.devices.values():
            waiting = (f.begins for f in device.follower.events.values() if f.phase is Phase.PENDING)
            first = min((begins for begins in waiting if begins > time), default=None)
            if first is None or device.end_device is None:
                continue
            look = first - offset - lead
            for program in self.programs_of(device.end_device):
                node = self._node(program.DERControlListLink)
                if node is not None and node.fetched_at < look:
                    node.next_at = min(node.next_at, look)

    def _node(self, link: Link | None) -> Node | None:
        href = None if link is None else self.tree.resolve(link.href)
        return None if href is None else self.tree.nodes.get(href)

    def defaults_of(self, device: FollowedDevice) -> list[tuple[DERProgram, DefaultDERControl]] | None:
        """The default controls of a device with their programs; None while not all of them are known."""
        programs = self.assigned(device)
        if programs is None:
            return None
        found: list[tuple[DERProgram, DefaultDERControl]] = []
        for program in programs:
            default = self.tree.value(program.DefaultDERControlLink)
            if isinstance(default, DefaultDERControl):
                found.append((program, default))
            elif program.DefaultDERControlLink is not None and self._node(program.DefaultDERControlLink) is not None:
                return None
        return found

    def _defaults(self, device: FollowedDevice) -> list[Default]:
        defaults: list[Default] = []
        for program in () if device.end_device is None else self.programs_of(device.end_device):
            found = self.tree.value(program.DefaultDERControlLink)
            if isinstance(found, DefaultDERControl):
                defaults.append(Default(found.mRID, found.derControlBase, program.primacy, program.mRID))
        return defaults
