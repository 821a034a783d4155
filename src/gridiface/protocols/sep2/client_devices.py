"""The devices a client acts for: which programs concern each, its events, and what is in force.

Owns the way from resources (polling.py) to each device's event follower (event_client.py). Does not own requests.
Times are the server's, s since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random

from gridiface.protocols.sep2.enums import DeviceCategory
from gridiface.protocols.sep2.event_client import EventFollower
from gridiface.protocols.sep2.events import EventFacts, facts_of
from gridiface.protocols.sep2.followed import Default, Followed, ModeInForce, Transition
from gridiface.protocols.sep2.polling import Node, ResourceTree
from gridiface.protocols.sep2.resources import (
    DefaultDERControl,
    DERControl,
    DERControlList,
    DERCurveList,
    DERProgram,
    DERProgramList,
    EndDevice,
    EndDeviceList,
    FunctionSetAssignmentsList,
    Link,
    Time,
)
from gridiface.protocols.sep2.timetable import Timetable
from gridiface.protocols.xmlwire import WireObject

# A change of one of these can change what concerns a device.
_CONTROL_KINDS = (
    EndDeviceList, FunctionSetAssignmentsList, DERProgramList, DERControlList, DefaultDERControl, DERCurveList, Time,
)  # fmt: skip

Shown = list[tuple[DERControl, EventFacts]]
"""The controls of a program with what their rules need."""


@dataclass(slots=True)
class FollowedDevice:
    """One device of this client.

    Attributes:
        lfdi: whose; follower: its events.
        end_device: as last seen, None while it is not listed; in_force: what holds for it.
        next_at: when its events are due next (server's time), infinity without any.
        uses: hrefs of the resources that say what concerns it.
    """

    lfdi: str
    follower: EventFollower
    end_device: EndDevice | None = None
    in_force: dict[str, ModeInForce] = field(default_factory=dict)
    next_at: float = float("inf")
    uses: frozenset[str] = frozenset()


class DeviceFollowers:
    """All devices of one client at one server.

    What a change costs depends on whom it concerns, not on how many devices there are.

    Args:
        lfdis: the devices' LFDIs, upper case.
        server: names the server in the precedence between servers.
        supported: modes that the devices can do; None for all.
        chance: source of the random shifts of events.
        categories: LFDI -> deviceCategory, where it is known here.
    """

    def __init__(
        self,
        lfdis: Iterable[str],
        tree: ResourceTree,
        server: str,
        supported: frozenset[str] | None,
        chance: Random,
        categories: Mapping[str, int] | None = None,
    ) -> None:
        self.tree = tree
        self.server = server
        self._categories = categories or {}
        self._matched = False
        self.devices = {lfdi: FollowedDevice(lfdi, EventFollower(chance, supported)) for lfdi in lfdis}
        self._timetable: Timetable[FollowedDevice] = Timetable(lambda _device: True)
        #: To be fed, in the order of the news; not settled: finished events of theirs are still to be forgotten.
        self._stale: dict[str, None] = dict.fromkeys(self.devices)
        self._unsettled: set[str] = set()
        self._moved: dict[str, None] = dict.fromkeys(self.devices)
        self._fed: dict[str, None] = {}
        self._fresh: set[str] = set()
        self._users: dict[str, set[str]] = {}

    def match(self, listed: EndDeviceList) -> None:
        """Take which end devices the server knows; one that is not enabled is not registered."""
        self._matched = True
        found = {(device.lFDI or "").upper(): device for device in listed.members if device.enabled is not False}
        for lfdi, followed in self.devices.items():
            shown = found.get(lfdi)
            if followed.end_device is None or shown is None or followed.end_device != shown:
                self._stale[lfdi] = None
            followed.end_device = shown
            followed.follower.category = self._category(lfdi, shown)

    def _category(self, lfdi: str, shown: EndDevice | None) -> int:
        """What a device is to the server or to us; a mixed one takes events of every category."""
        bits = self._categories.get(lfdi, 0) | ((shown.deviceCategory or 0) if shown is not None else 0)
        return 0 if bits & DeviceCategory.VIRTUAL_OR_MIXED_DER else bits

    def changed_at(self, href: str) -> None:
        """The resource at `href` is another one now, or has gone: the devices that it concerns are fed anew."""
        self._stale |= dict.fromkeys(self._users.get(href, ()))

    def all_changed(self) -> None:
        """Everything is read anew: all devices are fed anew."""
        self._stale |= dict.fromkeys(self.devices)

    def take_fed(self) -> list[str]:
        """LFDIs of the devices that were fed since the last call: their programs or defaults may be others."""
        fed, self._fed = self._fed, {}
        return list(fed)

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

    def _programs(self, device: EndDevice, uses: set[str] | None = None) -> tuple[list[DERProgram], bool]:
        assignments = self._use(device.FunctionSetAssignmentsListLink, uses)
        whole = assignments is not None or self._leads_nowhere(device.FunctionSetAssignmentsListLink)
        programs: dict[str, DERProgram] = {}
        for assignment in assignments.members if isinstance(assignments, FunctionSetAssignmentsList) else ():
            listed = self._use(assignment.DERProgramListLink, uses)
            whole = whole and (listed is not None or self._leads_nowhere(assignment.DERProgramListLink))
            if isinstance(listed, DERProgramList):
                programs |= {program.mRID: program for program in listed.members}
        return sorted(programs.values(), key=lambda p: (p.primacy, -int(p.mRID or "0", 16))), whole

    def _leads_nowhere(self, link: Link | None) -> bool:
        """Whether it is known that there is nothing."""
        return link is None or self.tree.is_absent(link)

    def _use(self, link: Link | None, uses: set[str] | None) -> WireObject | None:
        """What is behind a link; `uses` takes where that is."""
        href = None if link is None else self.tree.resolve(link.href)
        if href is None:
            return None
        if uses is not None:
            uses.add(href)
        return self.tree.value_at(href)

    @staticmethod
    def concerns(kind: type[object]) -> bool:
        """Whether a new resource of this kind calls for `feed`."""
        return issubclass(kind, _CONTROL_KINDS)

    def feed(self, time: float) -> list[tuple[str, str]]:
        """Show the events, as they are known now, to the followers of the devices that something has changed for.

        Returns:
            (LFDI, mRID) of the events that ended because their device is not assigned to their program any more.
        """
        stale = [*self._stale, *(lfdi for lfdi in self._unsettled if lfdi not in self._stale)]
        self._stale, self._unsettled = {}, set()
        facts: dict[tuple[str, int], Shown] = {}
        withdrawn: list[tuple[str, str]] = []
        for lfdi in stale:
            device = self.devices[lfdi]
            withdrawn += [(lfdi, mrid) for mrid in self._feed(device, time, facts)]
            self._touched(device)
            self._fed[lfdi] = None
        self._fresh.update(stale)
        return withdrawn

    def _feed(self, device: FollowedDevice, time: float, known: dict[tuple[str, int], Shown]) -> list[str]:
        uses: set[str] = set()
        programs: list[DERProgram] = []
        whole = self._matched
        if device.end_device is not None:
            programs, whole = self._programs(device.end_device, uses)
        assigned = {program.mRID for program in programs} if whole else None
        shown: Shown = []
        for program in programs:
            for beside in (program.DefaultDERControlLink, program.DERCurveListLink):
                self._use(beside, uses)
            controls = self._use(program.DERControlListLink, uses)
            if not isinstance(controls, DERControlList):
                whole = whole and self._leads_nowhere(program.DERControlListLink)
                continue
            # Devices of one program see the same events; programs that share a list see others.
            key = (program.mRID, id(controls))
            if key not in known:
                known[key] = [
                    (one, facts_of(one, primacy=program.primacy, program=program.mRID, server=self.server))
                    for one in controls.members
                ]
            shown += known[key]
        self._uses(device, frozenset(uses))
        device.follower.show(shown, time)
        withdrawn: list[str] = []
        if assigned is not None:
            # While not all programs are known, none has been left.
            left = [e.facts.mrid for e in device.follower.events.values() if e.facts.program not in assigned]
            withdrawn = [mrid for mrid in left if device.follower.withdraw(mrid, time, left=True)]
        # What is not listed has gone; a list that is still to be read would say nothing of that.
        if whole and device.follower.forget([facts.mrid for _, facts in shown], time):
            self._unsettled.add(device.lfdi)
        return withdrawn

    def _uses(self, device: FollowedDevice, uses: frozenset[str]) -> None:
        for href in device.uses - uses:
            self._users[href].discard(device.lfdi)
            if not self._users[href]:
                del self._users[href]
        for href in uses - device.uses:
            self._users.setdefault(href, set()).add(device.lfdi)
        device.uses = uses

    def _touched(self, device: FollowedDevice) -> None:
        """Something may have changed for a device: see when it is due, and what is in force."""
        due = device.follower.next_timer()
        at = float("-inf") if device.follower.has_news else (float("inf") if due is None else due)
        if at != device.next_at:
            device.next_at = at
            if at != float("inf"):
                self._timetable.put(device, at)
        self._moved[device.lfdi] = None

    def opt(self, lfdi: str, mrid: str, time: float, *, out: bool) -> bool:
        """A device's user overrides a control or takes that back; False when there is none to override."""
        device = self.devices.get(lfdi)
        if device is None:
            return False
        done = device.follower.opt_out(mrid, time) if out else device.follower.opt_in(mrid, time)
        self._touched(device)
        return done

    def resume(self, lfdi: str, followed: Followed) -> None:
        """Take an event up as it was followed before; see EventFollower.resume."""
        self.devices[lfdi].follower.resume(followed)
        self._touched(self.devices[lfdi])

    def withdraw(self, lfdi: str, mrid: str, time: float) -> bool:
        """End an event for one device without a word to the server; False when it is over."""
        done = self.devices[lfdi].follower.withdraw(mrid, time)
        self._touched(self.devices[lfdi])
        return done

    def advance(self, time: float) -> list[tuple[FollowedDevice, Transition]]:
        """Everything that is due at `time`, device by device."""
        happened: list[tuple[FollowedDevice, Transition]] = []
        while due := self._timetable.due(time):
            for device in due:
                happened += [(device, transition) for transition in device.follower.advance(time)]
                self._touched(device)
                self._fresh.add(device.lfdi)
        return happened

    def changed(self) -> list[FollowedDevice]:
        """The devices for which something else is in force than at the last call."""
        moved, self._moved = self._moved, {}
        result: list[FollowedDevice] = []
        for lfdi in moved:
            device = self.devices[lfdi]
            in_force = device.follower.in_force(self._defaults(device))
            if in_force != device.in_force:
                device.in_force = in_force
                result.append(device)
        return result

    def next_timer(self) -> float | None:
        """When `advance` is due next, or None."""
        return self._timetable.next_due()

    def look_again(self, hrefs: Iterable[str], time: float, lead: float, offset: float) -> None:
        """Have control lists fetched `lead` s before the first pending control of those they concern begins.

        Args:
            hrefs: of resources that were read since the last call; those of devices for which something happened are
                looked at, too.
            offset: server's time - own time.
        """
        fresh, self._fresh = self._fresh, set()
        lists = {href for href in hrefs if href in self._users} | {h for d in fresh for h in self.devices[d].uses}
        pending: dict[str, float | None] = {}
        for href in lists:
            node = self.tree.nodes.get(href)
            if node is None or not issubclass(node.kind, DERControlList):
                continue
            users = self._users.get(href, ())
            pending |= {d: self.devices[d].follower.first_pending(time) for d in users if d not in pending}
            first = min((at for d in users if (at := pending[d]) is not None), default=None)
            if first is not None and node.fetched_at < first - offset - lead:
                self.tree.poll_soon(href, first - offset - lead)

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
