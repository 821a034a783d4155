"""Puts end devices and programs into the tree: which resources each of them has, and what they show at first.

Does not store anything and decides nothing about the fleet: membership.py does. The resources of devices that do not
speak IEEE 2030.5, and of groups, are made live from the fleet; those of clients are what they wrote.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gridiface.domain.clock import Instant
from gridiface.domain.fleet import Role
from gridiface.domain.ports import FleetView
from gridiface.northbound.sep2 import csip_aus
from gridiface.northbound.sep2.members.der_shown import client_default, live_der, with_profile
from gridiface.northbound.sep2.served import identities
from gridiface.northbound.sep2.served.kinds import FSA_PROGRAMS, kind, list_kind
from gridiface.northbound.sep2.served.nodes import EVERYTHING, Audience, Item, Listing
from gridiface.northbound.sep2.served.state import State
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord
from gridiface.northbound.sep2.settings import Sep2Settings
from gridiface.protocols.sep2.enums import BatteryStatus, FileLoadStatus, FunctionsImplemented, PowerSource
from gridiface.protocols.sep2.resources import (
    DER,
    Configuration,
    ConnectionPoint,
    DERProgram,
    DeviceCapability,
    DeviceInformation,
    DeviceStatus,
    EndDevice,
    FileStatus,
    FunctionSetAssignments,
    PowerStatus,
    Registration,
    SelfDevice,
    Time,
)
from gridiface.protocols.sep2.time_zone import offsets_at

_OWN_FUNCTIONS = (
    FunctionsImplemented.DEVICE_CAPABILITY
    | FunctionsImplemented.SELF_DEVICE
    | FunctionsImplemented.END_DEVICE
    | FunctionsImplemented.FUNCTION_SET_ASSIGNMENTS
    | FunctionsImplemented.RESPONSE
    | FunctionsImplemented.TIME
    | FunctionsImplemented.DEVICE_INFORMATION
    | FunctionsImplemented.POWER_STATUS
    | FunctionsImplemented.LOG_EVENT
    | FunctionsImplemented.METERING
    | FunctionsImplemented.DER_CONTROL
    | FunctionsImplemented.SUBSCRIPTION
    | FunctionsImplemented.CONFIGURATION
    | FunctionsImplemented.SOFTWARE_DOWNLOAD
    | FunctionsImplemented.DRLC
    | FunctionsImplemented.PRICING
    | FunctionsImplemented.MESSAGING
    | FunctionsImplemented.BILLING
    | FunctionsImplemented.PREPAYMENT
    | FunctionsImplemented.FLOW_RESERVATION
)

#: What a client writes about its DER, by the last part of the path.
DER_RESOURCES = ("dercap", "derg", "ders", "dera")
#: What an end device has only where it, or its aggregator, speaks IEEE 2030.5.
SPEAKERS_ONLY = ("sub", "cfg", "di/loc", "fs", "ns", "frq", "frp", "lsl")


def place_roots(state: State) -> None:
    """The resources that are there before any device is: the entry point, the clock and the shared lists."""
    settings, tree = state.settings, state.tree
    anyone, registered = Audience(anyone=True), Audience(registered=True)
    lists = ("/edev", "/derp", "/rsps", "/mup")
    # Who may register here sees where that is done and where it will report; both are empty to it until then.
    in_band = ("/edev", "/mup") if settings.in_band_registration else ()
    for path in lists:
        open_to = anyone if path in in_band else registered
        tree.add(Listing(path, list_kind(path), open_to, scoped=True))
    tree.add(Item("/tm", kind("/tm"), anyone, live=lambda now: time_at(settings, now)))
    lfdi = settings.lfdi or identities.derived_lfdi(settings.site, "server", "self", settings.pen)
    tree.add(Item("/sdev", kind("/sdev"), registered, SelfDevice(lFDI=lfdi, sFDI=identities.sfdi(lfdi))))
    tree.add(Item("/dcap", kind("/dcap"), anyone, DeviceCapability()))


def time_at(settings: Sep2Settings, now: Instant) -> Time:
    """The server's clock, and what clocks show in the configured zone."""
    second = int(now)
    local = offsets_at(settings.timezone, second)
    return Time(
        currentTime=second,
        dstEndTime=local.end,
        dstOffset=local.saving_s,
        dstStartTime=local.start,
        localTime=local.at(second),
        quality=settings.time_quality,
        tzOffset=local.standard_s,
    )


def place_end_device(state: State, record: EndDeviceRecord, fleet: FleetView) -> None:
    """All resources of an end device; its program is placed by `place_program`."""
    tree, settings, audience = state.tree, state.settings, record.audience
    state.add_end_device(record)
    end_device = EndDevice(
        deviceCategory=record.category,
        lFDI=record.lfdi,
        sFDI=record.sfdi,
        changedTime=record.changed,
        enabled=record.lfdi not in state.disabled,
        postRate=state.post_rate_of(record),
    )
    item = Item(record.path, kind("/edev/{id1}"), audience, end_device, data=record)
    tree.add(item, "/edev")
    if record.pin is not None:
        registration = Registration(dateTimeRegistered=record.registered, pIN=record.pin)
        # The PIN proves the server to the device and to nobody else; in CSIP-AUS to the aggregator that stands for it.
        readers = {record.lfdi} if settings.csip_aus is None else set(audience.readers)
        own = Audience(readers=readers, private=True)
        tree.add(Item(f"{record.path}/rg", kind("/edev/{id1}/rg"), own, registration, data=record))
    for name, default in _device_resources(record, fleet).items():
        tree.add(Item(f"{record.path}/{name}", kind(f"/edev/{{id1}}/{name}"), audience, default, data=record))
    if settings.csip_aus is not None and record.role is Role.DEVICE:
        place = Item(f"{record.path}/cp", kind("/edev/{id1}/cp"), audience, data=record)
        tree.add(place)
        tree.set(place, _unwritten_sets(record)["cp"])
    log = Listing(f"{record.path}/lel", list_kind("/edev/{id1}/lel"), audience, data=record)
    tree.add(log)
    if record.role is Role.DEVICE:
        _place_der(state, record)
        _place_assignments(state, record)
    settle_speaking(state, record, fleet)


def settle_speaking(state: State, record: EndDeviceRecord, fleet: FleetView) -> None:
    """Bring what hangs on whether an end device speaks IEEE 2030.5, and for itself alone, up to that.

    What only speakers have is there or not, and its DER says what the device wrote or what the fleet knows.
    """
    tree, settings, path = state.tree, state.settings, f"{record.path}/sub"
    if record.speaks:
        _place_device_sets(state, record)
        if settings.notifications is not None:
            # An aggregator subscribes below its own EndDevice, for all that it manages; it is not led elsewhere.
            alone = record.connects and (settings.csip_aus is None or not record.managed)
            known = tree.listing(path)
            if known is None:
                listing = Listing(path, list_kind("/edev/{id1}/sub"), record.audience, shown_empty=alone, data=record)
                tree.add(listing)
            elif known.shown_empty != alone:
                known.shown_empty = alone
                tree.touch_list(known)
    else:
        for below in SPEAKERS_ONLY:
            tree.remove(f"{record.path}/{below}")
    settle_information(state, record, fleet)
    if record.role is Role.DEVICE:
        _settle_der(state, record, fleet)


def settle_information(state: State, record: EndDeviceRecord, fleet: FleetView) -> None:
    """Let DeviceInformation say what the fleet knows of the device by now, unless the device itself has written it."""
    information = state.tree.item(f"{record.path}/di")
    if information is not None and not information.stated:
        known = _device_resources(record, fleet)["di"]
        if information.obj != known:
            state.tree.set(information, known)


def _device_resources(record: EndDeviceRecord, fleet: FleetView) -> dict[str, Any]:
    """What dstat, di and ps show until the client writes them."""
    device = fleet.device(record.device_id) if record.device_id else None
    plate = device.nameplate if device else None
    at = record.registered  # nothing of it has changed since
    return {
        "dstat": DeviceStatus(changedTime=at, opState=0),
        "di": DeviceInformation(
            lFDI=record.lfdi,
            functionsImplemented=None if record.speaks else int(_OWN_FUNCTIONS),
            mfDate=0,
            mfHwVer="",
            mfID=0,
            mfInfo=plate.manufacturer[:32] if plate and plate.manufacturer else None,
            mfModel=plate.model[:32] if plate else "",
            mfSerNum=plate.serial[:32] if plate else "",
            primaryPower=PowerSource.UNKNOWN,
            secondaryPower=PowerSource.NONE,
            swActTime=0,
            swVer=plate.version[:32] if plate else "",
        ),
        "ps": PowerStatus(batteryStatus=BatteryStatus.UNKNOWN, changedTime=at, currentPowerSource=PowerSource.UNKNOWN),
    }


def _unwritten_sets(record: EndDeviceRecord) -> dict[str, Any]:
    """What cfg, fs and cp show until the client writes them."""
    return {
        "cfg": Configuration(currentLocale="en", userDeviceName=(record.device_id or "")[:32]),
        "fs": FileStatus(
            loadPercent=0,
            nextRequestAttempt=0,
            request503Count=0,
            requestFailCount=0,
            status=FileLoadStatus.IDLE,
            statusTime=record.registered,
        ),
        "cp": ConnectionPoint(connectionPointId=""),
    }


def unwritten(name: str, record: EndDeviceRecord, fleet: FleetView) -> Any:
    """What a resource below an end device shows until the client writes it, by the last part of its path."""
    if name in DER_RESOURCES:
        return client_default(name, record, fleet)
    return {**_device_resources(record, fleet), **_unwritten_sets(record)}[name]


def _place_device_sets(state: State, record: EndDeviceRecord) -> None:
    """What an end device has beside what CSIP asks for, as far as it is served."""
    tree, audience, wanted, path = state.tree, record.audience, state.settings.device_sets, record.path
    first = _unwritten_sets(record)

    def add_list(name: str) -> None:
        if tree.get(f"{path}/{name}") is None:
            tree.add(Listing(f"{path}/{name}", list_kind(f"/edev/{{id1}}/{name}"), audience, data=record))

    def add_item(name: str, first: Any) -> None:
        if tree.get(f"{path}/{name}") is None:
            tree.add(Item(f"{path}/{name}", kind(f"/edev/{{id1}}/{name}"), audience, first, data=record))

    if "configuration" in wanted:
        add_item("cfg", first["cfg"])
        add_list("cfg/prcfg")
        add_list("di/loc")
    if "file_status" in wanted:
        add_item("fs", first["fs"])
    if "network" in wanted:
        add_list("ns")
    if record.role is Role.DEVICE:
        for name in (
            *(("frq", "frp") if "flow_reservation" in wanted else ()),
            *(("lsl",) if "load_shed" in wanted else ()),
        ):
            add_list(name)


def _place_der(state: State, record: EndDeviceRecord) -> None:
    tree, audience = state.tree, record.audience
    tree.add(Listing(f"{record.path}/der", list_kind("/edev/{id1}/der"), audience, data=record))
    tree.add(Item(record.der, kind("/edev/{id1}/der/{id2}"), audience, DER(), data=record), f"{record.path}/der")
    tree.add(Listing(f"{record.der}/derp", list_kind("/edev/{id1}/der/{id2}/derp"), audience, data=record))
    tree.add(Item(f"{record.der}/upt", kind("/edev/{id1}/der/{id2}/upt"), audience, data=record))
    current = Item(f"{record.der}/cdp", kind("/edev/{id1}/der/{id2}/cdp"), audience, data=record)
    current.live = lambda now: current_program(state, record)
    tree.add(current)


def _settle_der(state: State, record: EndDeviceRecord, fleet: FleetView) -> None:
    """What a DER says: what its client wrote, or what the fleet knows of a device that speaks something else."""
    tree, profile = state.tree, state.settings.csip_aus
    makers = live_der(record, fleet)
    if profile is not None:
        makers |= {name: with_profile(makers[name], record, fleet, profile) for name in ("dercap", "derg")}
    for name in DER_RESOURCES:
        path = f"{record.der}/{name}"
        item = tree.item(path)
        known = item is not None
        if item is None:
            item = Item(path, kind(f"/edev/{{id1}}/der/{{id2}}/{name}"), record.audience, data=record)
        if known and record.speaks == (item.live is None):
            continue
        if record.speaks:
            item.live = None
            if not known:
                tree.add(item)
            shown = client_default(name, record, fleet)
            if name in ("dercap", "derg"):
                # CSIP-AUS demands its bit maps; what a device that has told nothing can keep is not known.
                shown = csip_aus.with_limits(shown, 0, profile)
            tree.set(item, shown)
        else:
            item.live, item.second, item.stated = makers[name], 0, False
            if known:
                tree.touch(item)
            else:
                tree.add(item)


def current_program(state: State, record: EndDeviceRecord) -> DERProgram:
    """The program of the most important control that is active for an end device, else its own; with its links."""
    own = state.programs.get(record.program or 0)
    candidates = state.programs_of_device(record.device_id) if record.device_id else [own] if own else []
    ruling = [p for p in candidates if (at := state.tree.listing(p.active)) is not None and at.items]
    chosen = min(ruling, key=lambda program: program.primacy, default=own)
    item = state.tree.item(chosen.path) if chosen is not None else None
    if chosen is None or item is None:
        return DERProgram(mRID="00", primacy=state.settings.channel.primacy)
    shown: DERProgram = state.tree.complete(item, EVERYTHING)  # type: ignore[assignment]  # what is at a program's path
    return replace(shown, subscribable=None)


def _place_assignments(state: State, record: EndDeviceRecord) -> None:
    tree, audience, settings = state.tree, record.audience, state.settings
    tree.add(Listing(f"{record.path}/fsa", list_kind("/edev/{id1}/fsa"), audience, data=record))
    tree.add(Listing(f"{record.path}/fsa/1/derp", list_kind(FSA_PROGRAMS), audience, data=record))
    assignment = FunctionSetAssignments(
        mRID=identities.mrid(settings.site, "fsa", record.lfdi, settings.pen), description="own program", version=0
    )
    item = Item(f"{record.path}/fsa/1", kind("/edev/{id1}/fsa/{id2}"), audience, assignment, data=record)
    tree.add(item, f"{record.path}/fsa")
