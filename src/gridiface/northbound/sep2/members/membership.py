"""Who has an EndDevice: clients of the configuration, devices and groups of the fleet, and who registers itself.

Owns how a record is made, stored, placed and taken away again, together with its program. Devices that came over
IEEE 2030.5 are made members of the fleet here; where they stand in groups is the registry's and the configuration's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.fleet import Device, Nameplate, Role
from gridiface.northbound.sep2.members.metering import Metering
from gridiface.northbound.sep2.members.placing import place_end_device
from gridiface.northbound.sep2.members.placing_programs import place_program
from gridiface.northbound.sep2.served import documents, identities
from gridiface.northbound.sep2.served.nodes import Audience
from gridiface.northbound.sep2.served.records import program_head, record_head
from gridiface.northbound.sep2.served.services import Services
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord, Program
from gridiface.northbound.sep2.settings import ClientEntry
from gridiface.northbound.sep2.translate import rates, ratings
from gridiface.protocols.sep2.enums import DeviceCategory
from gridiface.protocols.sep2.resources import DERCapability, DERSettings

#: The PIN of the conformance procedures, for clients whose PIN the operator did not set.
DEFAULT_PIN = 111_115
#: Drivers of the configuration whose devices are told over IEEE 2030.5.
OWN_DRIVERS = frozenset({"", "sep2"})

#: Scheduled controls that an inverter is given ahead; DERControlList pages hold more.
_PLAN_SLOTS = 8


class Membership:
    """Makes, places and removes end devices with their programs."""

    def __init__(self, services: Services, metering: Metering) -> None:
        self._s = services
        self._metering = metering
        self._clients = {client.lfdi: client for client in services.settings.clients}
        self._lfdi_of = {c.device_id: c.lfdi for c in services.settings.clients if c.device_id is not None}
        #: Whether somebody subscribes to the resource at a path.
        self.watched: Callable[[str], bool] = lambda _: False

    def expect(self, client: ClientEntry) -> None:
        """A client that came to the configuration while the server runs; `reconcile` gives it its EndDevice."""
        self._clients[client.lfdi] = client
        if client.device_id is not None:
            self._lfdi_of[client.device_id] = client.lfdi

    def expect_device(self, lfdi: str, device_id: str, pin: int | None) -> None:
        """A device of the fleet that came so."""
        self.expect(ClientEntry(lfdi=lfdi, role=Role.DEVICE, device_id=device_id, pin=pin))

    def expect_no_more(self, device_id: str) -> None:
        """The client of a device left the configuration; its EndDevice is removed by itself."""
        lfdi = self._lfdi_of.pop(device_id, None)
        if lfdi is not None:
            self._clients.pop(lfdi, None)

    # --- making -------------------------------------------------------------------------------------------------

    def make(
        self,
        now: Instant,
        *,
        lfdi: str,
        role: Role = Role.DEVICE,
        device_id: str | None = None,
        group_id: str | None = None,
        pin: int | None = None,
        in_band: bool = False,
        by_operator: bool = False,
        manager: str | None = None,
        name: str = "",
        category: int | None = None,
    ) -> tuple[EndDeviceRecord, Program | None, list[Change]]:
        """A new end device with its program, and what must be stored of both; nothing is placed yet."""
        number, changes = self._s.state.counters.take("edev")
        record = EndDeviceRecord(
            number=number,
            lfdi=lfdi,
            sfdi=identities.sfdi(lfdi),
            role=role,
            device_id=device_id,
            group_id=group_id,
            registered=int(now),
            changed=int(now),
            pin=pin,
            in_band=in_band,
            by_operator=by_operator,
            manager=manager,
            category=category if category is not None else self._category(device_id, group_id),
        )
        record.managed = bool(self._s.state.managers_of(record))
        program = None
        if role is Role.DEVICE:
            program, more = self._make_program(record, name or device_id or group_id or lfdi)
            record.program = program.number
            changes = [*changes, *more, documents.put(documents.PROGRAMS, str(program.number), None,
                                                      program_head(program))]  # fmt: skip
        changes = [*changes, documents.put(documents.END_DEVICES, str(number), None, record_head(record))]
        return record, program, changes

    def _category(self, device_id: str | None, group_id: str | None) -> int | None:
        """The deviceCategory of what the fleet knows: virtual DER for a group, the device's own kind."""
        if group_id is not None:
            return int(DeviceCategory.VIRTUAL_OR_MIXED_DER)
        device = self._s.fleet.device(device_id) if device_id else None
        return int(ratings.CATEGORIES[device.kind]) if device is not None else None

    def _make_program(self, record: EndDeviceRecord, name: str) -> tuple[Program, list[Change]]:
        settings = self._s.settings
        number, changes = self._s.state.counters.take("derp")
        kind = TargetKind.GROUP if record.group_id is not None else TargetKind.DEVICE
        target = Target(kind, record.group_id or record.device_id or record.lfdi)
        program = Program(
            number=number,
            mrid=identities.mrid(settings.site, "derp", f"{kind}/{target.id}", settings.pen),
            primacy=settings.channel.primacy,
            description=name,
            target=target,
            owner=record.number,
        )
        return program, changes

    def place(self, record: EndDeviceRecord, program: Program | None) -> None:
        """Show an end device and its program, to itself and to its aggregators."""
        state, fleet = self._s.state, self._s.fleet
        record.audience = Audience(readers=state.readers_of(record))
        place_end_device(state, record, fleet)
        if program is not None:
            program.audience = record.audience
            program.fetched = record.speaks
            place_program(state, program)
        self._s.doorman.forget()

    # --- the fleet and the configuration --------------------------------------------------------------------------

    def lfdi_of(self, device: Device) -> tuple[str, bool]:
        """The LFDI of a fleet's device, and whether a client with a certificate stands behind it."""
        given = self._lfdi_of.get(device.id) or device.identities.get("lfdi", "").upper()
        if given:
            return given, True
        settings = self._s.settings
        return identities.derived_lfdi(settings.site, "device", device.id, settings.pen), False

    async def reconcile(self, now: Instant) -> None:
        """Give every client of the configuration and every device and group of the fleet its EndDevice.

        Those whose device or group is gone from a fleet that has devices are removed, and clients that the
        configuration had and has no more; not who registered itself, or was registered by the operator.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        made = [*self._missing_devices(now), *self._missing_groups(now), *self._missing_clients(now)]
        if made:
            await self._s.ledger.commit([change for _, _, changes in made for change in changes])
        for record, program, _ in made:
            self.place(record, program)
        for record in self._stale():
            await self.remove(record, now)

    def _missing_devices(self, now: Instant) -> list[tuple[EndDeviceRecord, Program | None, list[Change]]]:
        made = []
        for device in self._s.fleet.devices():
            if device.id in self._s.state.by_device:
                continue
            lfdi, certified = self.lfdi_of(device)
            if lfdi in self._s.state.by_lfdi:
                continue
            client = self._clients.get(lfdi)
            pin = (client.pin if client and client.pin is not None else DEFAULT_PIN) if certified else None
            made.append(self.make(now, lfdi=lfdi, device_id=device.id, pin=pin, name=device.name))
        return made

    def _missing_groups(self, now: Instant) -> list[tuple[EndDeviceRecord, Program | None, list[Change]]]:
        settings = self._s.settings
        return [
            self.make(
                now,
                lfdi=identities.derived_lfdi(settings.site, "group", group.id, settings.pen),
                group_id=group.id,
                name=group.name,
            )
            for group in self._s.fleet.groups()
            if group.id not in self._s.state.by_group
        ]

    def _missing_clients(self, now: Instant) -> list[tuple[EndDeviceRecord, Program | None, list[Change]]]:
        in_fleet = {device.id for device in self._s.fleet.devices()}
        return [
            self.make(
                now,
                lfdi=client.lfdi,
                role=client.role,
                device_id=self.device_id_of(client) if client.role is Role.DEVICE else None,
                pin=client.pin if client.pin is not None else DEFAULT_PIN,
            )
            for client in self._clients.values()
            if client.role is not Role.UTILITY
            and client.lfdi not in self._s.state.by_lfdi
            and client.device_id not in in_fleet
        ]

    @staticmethod
    def device_id_of(client: ClientEntry) -> str:
        """The fleet's name of a client's device."""
        return client.device_id or own_device_id(client.lfdi)

    def _stale(self) -> list[EndDeviceRecord]:
        fleet, clients = self._s.fleet, self._clients
        if not fleet.devices():
            return []
        return [
            record
            for record in self._s.state.end_devices.values()
            if not (record.in_band or record.by_operator)
            and record.lfdi not in clients
            and (
                (record.device_id is not None and fleet.device(record.device_id) is None)
                or (record.group_id is not None and fleet.group(record.group_id) is None)
                or (record.device_id is None and record.group_id is None)
            )
        ]

    # --- members of the fleet that come over IEEE 2030.5 ------------------------------------------------------------

    def device_for(
        self,
        record: EndDeviceRecord,
        *,
        capability: DERCapability | None = None,
        settings: DERSettings | None = None,
    ) -> Device | None:
        """The fleet's device behind a client, as the client describes it; None where another driver leads to it.

        Args:
            record: the client's end device.
            capability, settings: what it has just stated; None: as known.
        """
        if record.device_id is None:
            return None
        known = self._s.fleet.device(record.device_id)
        if known is not None and known.driver not in OWN_DRIVERS:
            return None
        device = known or Device(id=record.device_id, nameplate=Nameplate(max_w=0.0), driver="sep2")
        device = replace(
            device,
            enabled=device.enabled and record.lfdi not in self._s.state.disabled,
            traits=replace(
                device.traits,
                answers_itself=True,
                polls=not self._is_told(record),
                report_period_s=float(self._s.state.post_rate_of(record)),
                plan_slots=_PLAN_SLOTS,
            ),
            identities={**device.identities, "lfdi": record.lfdi},
        )
        if capability is not None:
            kind = rates.kind_of(capability.type)
            device = replace(
                device,
                nameplate=ratings.capability_to_nameplate(
                    capability, device.nameplate, csip_aus=self._s.settings.csip_aus is not None
                ),
                kind=device.kind if known is not None and capability.type == 0 else kind,
            )
        if settings is not None:
            device = replace(device, settings=ratings.settings_from_wire(settings, device.settings, device.kind))
        return device

    async def enrol(self, record: EndDeviceRecord, now: Instant, *, along: Sequence[Change] = ()) -> bool:
        """Make a client's device a member of the fleet, with what it stated before.

        False where another driver leads to it; then `along` is not written.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        capability, settings = (self._s.stated(record, name) for name in ("dercap", "derg"))
        device = self.device_for(record, capability=capability, settings=settings)
        if device is None:
            return False
        groups = self._s.settings.in_band_groups if record.in_band else ()
        await self._s.registry.register(device, now, groups=groups, along=along)
        return True

    def _is_told(self, record: EndDeviceRecord) -> bool:
        """Whether it, or its aggregator, subscribes to the controls of its own program, and need not poll for them."""
        program = None if record.program is None else self._s.state.programs.get(record.program)
        return program is not None and self.watched(f"{program.path}/derc")

    async def followed(self, resources: Iterable[str], now: Instant) -> None:
        """Somebody subscribes to these for the first time, or nobody does any more: whose controls they are is told.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        for resource in resources:
            head, _, last = resource.rpartition("/")
            number = head.removeprefix("/derp/")
            program = self._s.state.programs.get(int(number)) if last == "derc" and number.isdecimal() else None
            record = None if program is None else self._s.state.end_devices.get(program.owner)
            device = None if record is None or record.device_id is None else self._s.fleet.device(record.device_id)
            if record is None or device is None or not record.speaks or record.role is not Role.DEVICE:
                continue
            if device.traits.polls == self._is_told(record):
                await self.enrol(record, now)

    async def remove(self, record: EndDeviceRecord, now: Instant) -> None:
        """Take an end device with everything below it away, and its device out of the fleet where it came by itself.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        changes = self._deletions(record)
        leaves = record.device_id is not None and (record.in_band or record.speaks)
        if leaves and record.device_id is not None and self.device_for(record) is not None:
            await self._s.registry.remove(record.device_id, now, along=changes)
        else:
            await self._s.ledger.commit(changes)
        state = self._s.state
        for number in record.programs:
            program = state.programs.pop(number, None)
            for event in list(program.events.values()) if program else ():
                state.drop_event(event)
            state.tree.remove(f"/derp/{number}")
            state.tree.remove(f"/rsps/{number}")
        grants = state.event_sets.pop(f"{record.path}/frp", None)
        for event in list(grants.events.values()) if grants is not None else ():
            state.drop_event(event)
        state.tree.remove(f"/rsps/frp{record.number}")
        self._metering.remove_of(record)
        state.drop_end_device(record)
        state.tree.remove(record.path)
        self._s.doorman.forget()

    def _deletions(self, record: EndDeviceRecord) -> list[Change]:
        """Everything stored below an end device."""
        paths = [record.path, f"/rsps/frp{record.number}"]
        for number in record.programs:
            paths += [f"/derp/{number}", f"/rsps/{number}"]
        changes: list[Change] = [documents.delete(documents.END_DEVICES, str(record.number))]
        changes += [documents.delete(documents.PROGRAMS, str(number)) for number in record.programs]
        changes += [
            documents.delete(space, path)
            for path in (*self._s.tree.below(*paths), *self._metering.paths_of(record))
            if (space := documents.space_of(path)) is not None
        ]
        return changes


def own_device_id(lfdi: str) -> str:
    """The fleet's name of a client that the configuration does not map to a device."""
    return f"sep2-{identities.sfdi(lfdi)}"
