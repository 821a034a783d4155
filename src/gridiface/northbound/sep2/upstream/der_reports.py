"""What the server is told of each device as a DER: capability, settings, status, availability.

Each is one resource that a newer one replaces, so only the newest is worth sending and nothing is kept for later.
Capability and settings go at the start and when they change; status and availability at the postRate, and at once
when a state or an alarm changes.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gridiface.domain.clock import Instant
from gridiface.domain.controls import TargetKind
from gridiface.domain.fleet import Device
from gridiface.domain.ports import FleetView
from gridiface.domain.telemetry import Snapshot
from gridiface.northbound.sep2 import csip_aus
from gridiface.northbound.sep2.settings import CsipAusSettings
from gridiface.northbound.sep2.translate import ratings, status
from gridiface.northbound.sep2.upstream.settings import Member, UpstreamSettings
from gridiface.protocols.sep2.client import Client
from gridiface.protocols.sep2.outbox import Written
from gridiface.protocols.sep2.resources import DER, ConnectionPoint, DERList, Link
from gridiface.protocols.xmlwire import WireObject, encode

#: After a refusal the same is not sent again for so long, s.
_REFUSED_S = 900.0
#: Writes of these under way at once; more is sent as they are answered.
_WINDOW = 64
#: The mark of what says the same at any time: only the rate calls for it.
_ANY = "any"


@dataclass(slots=True)
class _Sent:
    """What the server was told last of one resource: its mark, when, and the write under way."""

    mark: str = ""
    at: Instant = float("-inf")
    number: int | None = None


@dataclass(slots=True)
class _Shown:
    """What a member is made of, and what follows from that: it is made anew only when that changes.

    Attributes:
        devices: behind it; ratings: its capability and settings with their marks; storage: whether all store energy.
        snapshot: its newest state, and `states` what of that must not wait.
    """

    devices: Sequence[Device] = ()
    ratings: Sequence[tuple[str, WireObject, str]] = ()
    storage: bool = False
    snapshot: Snapshot | None = None
    states: str = ""


class DerReports:
    """The DER resources of one session's members.

    Args:
        settings: of the session.
        fleet: what they tell.

    Attributes:
        refused: writes that the server refused; hungry: whether more is due than may be under way at once.
    """

    def __init__(self, settings: UpstreamSettings, fleet: FleetView) -> None:
        self._settings = settings
        self._fleet = fleet
        self._sent: dict[tuple[str, str], _Sent] = {}
        self._writes: dict[int, tuple[str, str]] = {}
        self._shown = {member.lfdi: _Shown() for member in settings.members}
        self.refused = 0
        self.hungry = False

    def restart(self) -> None:
        """The client core is a new one: everything is told again."""
        self._sent.clear()
        self._writes.clear()

    def tick(self, client: Client, now: Instant) -> None:
        """Send what is due."""
        self.hungry = False
        if client.clock_offset is None or not client.enrolment.trusted:
            return
        for member in self._settings.members:
            if len(self._writes) >= _WINDOW:
                self.hungry = True
                return
            self._connect(client, member, now)
            der = _der_of(client, member.lfdi)
            if der is not None:
                self._tell(client, member, der, now)

    def _connect(self, client: Client, member: Member, now: Instant) -> None:
        end_device = client.devices[member.lfdi].end_device
        if member.connection_point and end_device is not None:
            body = ConnectionPoint(connectionPointId=member.connection_point)
            key, mark = (member.lfdi, "ConnectionPoint"), _mark(body)
            if (href := self._due(client, key, mark, end_device.ConnectionPointLink, now)) is not None:
                self._put(client, key, mark, href, body, now)

    def answered(self, outcome: Written, now: Instant) -> bool:
        """Take a final answer; whether it was for one of these."""
        key = self._writes.pop(outcome.number, None)
        if key is None:
            return False
        sent = self._sent[key]
        sent.number = None
        if not outcome.accepted:
            self.refused += 1
            sent.mark, sent.at = "", now + _REFUSED_S
        return True

    def _tell(self, client: Client, member: Member, der: DER, now: Instant) -> None:
        shown = self._shown[member.lfdi]
        self._look(member, shown)
        links = {"DERCapability": der.DERCapabilityLink, "DERSettings": der.DERSettingsLink}
        for name, body, mark in shown.ratings:
            key = (member.lfdi, name)
            if (href := self._due(client, key, mark, links[name], now)) is not None:
                self._put(client, key, mark, href, body, now)
        if shown.snapshot is None:
            return
        rate, offset = self._rate(client, member.lfdi), client.clock_offset or 0.0
        key = (member.lfdi, "DERStatus")
        if (href := self._due(client, key, shown.states, der.DERStatusLink, now, rate)) is not None:
            state = status.snapshot_to_status(_theirs(shown.snapshot, offset), storage=shown.storage)
            self._put(client, key, shown.states, href, state, now)
        key = (member.lfdi, "DERAvailability")
        if (href := self._due(client, key, _ANY, der.DERAvailabilityLink, now, rate)) is not None:
            available = status.snapshot_to_availability(_theirs(shown.snapshot, offset))
            self._put(client, key, _ANY, href, available, now)

    def _look(self, member: Member, shown: _Shown) -> None:
        """See what has changed about a member since the last look."""
        devices = self._devices(member)
        if len(devices) != len(shown.devices) or not all(map(operator.is_, devices, shown.devices)):
            changed = max((device.settings.updated or 0.0 for device in devices), default=0.0)
            made = self._ratings(member, devices, changed) if devices else {}
            shown.devices = devices
            shown.ratings = [(name, body, _mark(body)) for name, body in made.items()]
            shown.storage = bool(devices) and all(ratings.stores_energy(device) for device in devices)
        snapshot = self._fleet.snapshot(member.target)
        if snapshot is not shown.snapshot:
            shown.snapshot = snapshot
            shown.states = "" if snapshot is None else _states(snapshot)

    def _ratings(self, member: Member, devices: list[Device], changed: float) -> Mapping[str, WireObject]:
        profile = CsipAusSettings() if self._settings.csip_aus else None
        if member.target.kind is TargetKind.DEVICE:
            (device,) = devices
            limits, storage = csip_aus.limits_of(device.nameplate.capabilities), ratings.stores_energy(device)
            capability, settings = ratings.nameplate_to_capability(device), ratings.device_to_settings(device, changed)
        else:
            limits, storage = csip_aus.all_limits(), False
            capability, settings = ratings.group_capability(devices), ratings.group_settings(devices, changed)
        return {
            "DERCapability": csip_aus.with_limits(capability, limits, profile, storage=storage),
            "DERSettings": csip_aus.with_limits(settings, limits, profile, storage=storage),
        }

    def _due(
        self,
        client: Client,
        key: tuple[str, str],
        mark: str,
        link: Link | None,
        now: Instant,
        rate: float = float("inf"),
    ) -> str | None:
        """Where to put a resource whose mark has changed, or after `rate` s; None while it is under way or refused."""
        sent = self._sent.get(key)
        if sent is not None:
            fresh = sent.mark == mark and now < sent.at + rate
            if fresh or sent.number is not None or now < sent.at:
                return None
        return None if link is None else client.tree.resolve(link.href)

    def _put(self, client: Client, key: tuple[str, str], mark: str, href: str, body: WireObject, now: Instant) -> None:
        number = client.put(href, body, now)
        self._sent[key] = _Sent(mark, now, number)
        self._writes[number] = key

    def _devices(self, member: Member) -> list[Device]:
        target = member.target
        names = [target.id] if target.kind is TargetKind.DEVICE else self._fleet.members(target.id)
        return [device for name in names if (device := self._fleet.device(name)) is not None]

    def _rate(self, client: Client, lfdi: str) -> float:
        end_device = client.devices[lfdi].end_device
        rate = None if end_device is None else end_device.postRate
        return float(rate or self._settings.post_rate)


def _der_of(client: Client, lfdi: str) -> DER | None:
    """The DER of an EndDevice, once it is known."""
    end_device = client.devices[lfdi].end_device
    listed = None if end_device is None else client.tree.value(end_device.DERListLink)
    return listed.members[0] if isinstance(listed, DERList) and listed.members else None


def _mark(body: WireObject) -> str:
    return hashlib.sha256(encode(body)).hexdigest()


def _theirs(snapshot: Snapshot, offset: float) -> Snapshot:
    """As the server's clock has it."""
    return replace(snapshot, source_time=snapshot.source_time + offset)


def _states(snapshot: Snapshot) -> str:
    """What must not wait for the postRate."""
    return f"{snapshot.connected} {snapshot.state} {snapshot.local_control} {sorted(snapshot.alarms)}"
