from __future__ import annotations

from dataclasses import replace

import pytest

from gridiface.domain.telemetry import OperatingState, Snapshot
from gridiface.northbound.sep2.translate.status import (
    ALARMS,
    availability_to_snapshot,
    snapshot_to_availability,
    snapshot_to_status,
    status_to_snapshot,
    with_states,
)
from gridiface.protocols.sep2.resources import (
    ActivePower,
    ConnectStatusType,
    DERAvailability,
    DERStatus,
    InverterStatusType,
    LocalControlModeStatusType,
    OperationalModeStatusType,
    StateOfChargeStatusType,
)


def snapshot(**fields: object) -> Snapshot:
    return Snapshot(**{"device_id": "d", "source_time": 100.0, "received": 100.0, **fields})  # type: ignore[arg-type]


def test_a_posted_status_becomes_a_snapshot() -> None:
    wire = DERStatus(
        readingTime=90,
        alarmStatus=0b10_0000_0011,
        genConnectStatus=ConnectStatusType(dateTime=90, value=7),
        inverterStatus=InverterStatusType(dateTime=90, value=5),
        localControlModeStatus=LocalControlModeStatusType(dateTime=90, value=0),
        stateOfChargeStatus=StateOfChargeStatusType(dateTime=90, value=4321),
    )
    found = status_to_snapshot(wire, "d", 100.0)
    assert (found.source_time, found.received) == (90.0, 100.0)
    assert found.soc == 0.4321
    assert found.connected is True
    assert found.state is OperatingState.THROTTLED
    assert found.local_control
    assert found.alarms == {"over_current", "over_voltage", "low_power_input"}
    assert found.w is None


def test_a_reading_time_ahead_of_our_clock_is_now() -> None:
    assert status_to_snapshot(DERStatus(readingTime=500), "d", 100.0).source_time == 100.0


def test_operational_mode_speaks_where_the_inverter_status_does_not() -> None:
    wire = DERStatus(readingTime=1, operationalModeStatus=OperationalModeStatusType(dateTime=1, value=2))
    assert status_to_snapshot(wire, "d", 9.0).state is OperatingState.RUNNING
    assert status_to_snapshot(DERStatus(readingTime=1), "d", 9.0).state is OperatingState.UNKNOWN


@pytest.mark.parametrize("state", [s for s in OperatingState if s is not OperatingState.UNKNOWN])
def test_every_state_survives_the_wire(state: OperatingState) -> None:
    wire = snapshot_to_status(snapshot(state=state, connected=True), storage=True)
    assert status_to_snapshot(wire, "d", 100.0).state is state


@pytest.mark.parametrize("name", ALARMS.values())
def test_every_alarm_survives_the_wire(name: str) -> None:
    wire = snapshot_to_status(snapshot(alarms=frozenset({name})), storage=False)
    assert status_to_snapshot(wire, "d", 100.0).alarms == {name}


@pytest.mark.parametrize(("w", "mode"), [(5000.0, 1), (-5000.0, 0), (0.0, 2)])
def test_storage_charges_discharges_or_holds(w: float, mode: int) -> None:
    wire = snapshot_to_status(snapshot(w=w), storage=True)
    assert wire.storageModeStatus is not None
    assert wire.storageModeStatus.value == mode
    assert snapshot_to_status(snapshot(w=w), storage=False).storageModeStatus is None


def test_nothing_known_is_said_with_reading_time_zero() -> None:
    assert snapshot_to_status(None, storage=True) == DERStatus(readingTime=0)
    assert snapshot_to_availability(None) == DERAvailability(readingTime=0)


def test_availability_both_ways() -> None:
    wire = snapshot_to_availability(snapshot(available_up_w=10_000.0, available_wh=5_000.0))
    assert wire.availabilityDuration == 1800
    back = availability_to_snapshot(wire, "d", 100.0)
    assert (back.available_up_w, back.available_wh) == (10_000.0, 5_000.0)


def test_available_power_is_rounded_towards_what_is_there() -> None:
    wire = snapshot_to_availability(snapshot(available_up_w=99_999.9))
    assert wire.statWAvail == ActivePower(multiplier=1, value=9999)


@pytest.mark.parametrize(
    ("gen", "stor", "mode", "state"),
    [
        (0x11, None, None, OperatingState.FAULT),
        (0x11, None, 2, OperatingState.FAULT),  # what is faulted is not operational, whatever else it says
        (0x17, 0x07, 2, OperatingState.RUNNING),  # the storage goes on
        (0x17, 0x07, None, OperatingState.RUNNING),
        (0x10, 0x10, 1, OperatingState.FAULT),
        (0x07, None, 1, OperatingState.OFF),
        (0x0F, None, None, OperatingState.TEST),
        (None, 0x07, None, OperatingState.RUNNING),
        (0x03, None, 0, OperatingState.STANDBY),
        (0x01, None, None, OperatingState.UNKNOWN),
        (0x00, None, None, OperatingState.UNKNOWN),
    ],
)
def test_connections_speak_where_the_inverter_status_does_not(
    gen: int | None, stor: int | None, mode: int | None, state: OperatingState
) -> None:
    def connect(bits: int | None) -> ConnectStatusType | None:
        return None if bits is None else ConnectStatusType(dateTime=90, value=bits)

    operational = None if mode is None else OperationalModeStatusType(dateTime=90, value=mode)
    wire = DERStatus(
        genConnectStatus=connect(gen),
        operationalModeStatus=operational,
        readingTime=95,
        storConnectStatus=connect(stor),
    )
    assert status_to_snapshot(wire, "d", 100.0).state is state
    assert with_states(snapshot(), wire).state is state
    own = replace(wire, inverterStatus=InverterStatusType(dateTime=90, value=7))
    assert status_to_snapshot(own, "d", 100.0).state is OperatingState.FAULT
