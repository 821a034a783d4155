"""DERStatus and DERAvailability <-> Snapshot. Pure.

A device posts them (wire -> Snapshot); for groups and devices that speak other protocols the server makes them
(Snapshot -> wire). Times on the wire are whole seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from gridiface.domain.clock import Instant
from gridiface.domain.quantities import Rounding, round_to_int
from gridiface.domain.telemetry import OperatingState, Snapshot
from gridiface.northbound.sep2.translate.scaling import clamp, si, watts
from gridiface.protocols.sep2.enums import (
    ConnectStatus,
    DERAlarm,
    InverterStatus,
    LocalControlMode,
    OperationalMode,
    StorageMode,
)
from gridiface.protocols.sep2.resources import (
    ConnectStatusType,
    DERAvailability,
    DERStatus,
    InverterStatusType,
    LocalControlModeStatusType,
    OperationalModeStatusType,
    StateOfChargeStatusType,
    StorageModeStatusType,
)

#: A device's alarms carry these names in the domain.
ALARMS: Mapping[DERAlarm, str] = {alarm: (alarm.name or "").lower() for alarm in DERAlarm}

#: The inverter states that say something.
_INVERTER_STATES: Mapping[int, OperatingState] = {
    InverterStatus.OFF: OperatingState.OFF,
    InverterStatus.SLEEPING: OperatingState.STANDBY,
    InverterStatus.STARTING: OperatingState.STARTING,
    InverterStatus.TRACKING: OperatingState.RUNNING,
    InverterStatus.DERATED: OperatingState.THROTTLED,
    InverterStatus.SHUTTING_DOWN: OperatingState.SHUTTING_DOWN,
    InverterStatus.FAULT: OperatingState.FAULT,
    InverterStatus.STANDBY: OperatingState.STANDBY,
    InverterStatus.TEST: OperatingState.TEST,
}
_INVERTER_WORDS = {state: word for word, state in _INVERTER_STATES.items() if word != InverterStatus.SLEEPING}
_OPERATIONAL_STATES: Mapping[int, OperatingState] = {
    OperationalMode.OFF: OperatingState.OFF,
    OperationalMode.OPERATIONAL: OperatingState.RUNNING,
    OperationalMode.TEST: OperatingState.TEST,
}
_OPERATIONAL_WORDS: Mapping[OperatingState, int] = {
    OperatingState.UNKNOWN: OperationalMode.NOT_APPLICABLE,
    OperatingState.OFF: OperationalMode.OFF,
    OperatingState.STANDBY: OperationalMode.OFF,
    OperatingState.FAULT: OperationalMode.OFF,
    OperatingState.TEST: OperationalMode.TEST,
}
#: What the connections of a generator and a storage say, the first that one of them says.
_CONNECTION_STATES: Mapping[ConnectStatus, OperatingState] = {
    ConnectStatus.TEST: OperatingState.TEST,
    ConnectStatus.OPERATING: OperatingState.RUNNING,
    ConnectStatus.AVAILABLE: OperatingState.STANDBY,
}
_RUNNING = frozenset({OperatingState.RUNNING, OperatingState.THROTTLED})
#: Power below this is holding, not charging or discharging, W.
_HOLDING_W = 1.0


def status_to_snapshot(wire: DERStatus, device_id: str, now: Instant) -> Snapshot:
    """What a posted DERStatus tells; measured quantities are not in it and stay None."""
    charge = wire.stateOfChargeStatus
    return Snapshot(
        device_id=device_id,
        source_time=min(float(wire.readingTime), now),
        received=now,
        soc=None if charge is None else clamp(charge.value, 0, 10_000) / 10_000,
        connected=_connected(wire),
        state=_state(wire),
        local_control=_is_local(wire),
        alarms=_alarms(wire.alarmStatus or 0),
    )


@lru_cache(maxsize=256)
def _alarms(bits: int) -> frozenset[str]:
    return frozenset(name for alarm, name in ALARMS.items() if bits & alarm)


def with_states(snapshot: Snapshot, status: DERStatus | None) -> Snapshot:
    """A snapshot of measured values with the states that the device told last.

    States hold until the device tells others; a measured value counts only for its own time and is not taken over.
    """
    if status is None:
        return snapshot
    return replace(
        snapshot,
        connected=_connected(status),
        state=_state(status),
        local_control=_is_local(status),
        alarms=_alarms(status.alarmStatus or 0),
    )


def _connections(wire: DERStatus) -> list[int]:
    return [s.value for s in (wire.genConnectStatus, wire.storConnectStatus) if s is not None]


def _connected(wire: DERStatus) -> bool | None:
    found = _connections(wire)
    return any(bits & ConnectStatus.CONNECTED for bits in found) if found else None


def _is_local(wire: DERStatus) -> bool:
    local = wire.localControlModeStatus
    return local is not None and local.value == LocalControlMode.LOCAL


def _state(wire: DERStatus) -> OperatingState:
    """The inverter's own word; else a fault of all that is there, the mode of operation, what the connections say."""
    if wire.inverterStatus is not None and wire.inverterStatus.value in _INVERTER_STATES:
        return _INVERTER_STATES[wire.inverterStatus.value]
    found = _connections(wire)
    if found and all(bits & ConnectStatus.FAULT for bits in found):
        return OperatingState.FAULT
    if wire.operationalModeStatus is not None and wire.operationalModeStatus.value in _OPERATIONAL_STATES:
        return _OPERATIONAL_STATES[wire.operationalModeStatus.value]
    return next(
        (state for bit, state in _CONNECTION_STATES.items() if any(bits & bit for bits in found)),
        OperatingState.UNKNOWN,
    )


def availability_to_snapshot(wire: DERAvailability, device_id: str, now: Instant) -> Snapshot:
    """What a posted DERAvailability tells: power that can be added, and the energy behind it where a time is given."""
    available_w = si(wire.statWAvail)
    energy = None
    if available_w is not None and wire.availabilityDuration is not None:
        energy = available_w * wire.availabilityDuration / 3600.0
    return Snapshot(
        device_id=device_id,
        source_time=min(float(wire.readingTime), now),
        received=now,
        available_up_w=None if available_w is None else max(0.0, available_w),
        available_wh=energy,
    )


def snapshot_to_status(snapshot: Snapshot | None, *, storage: bool) -> DERStatus:
    """DERStatus of a device or group from the newest snapshot; readingTime 0 where nothing is known yet.

    Args:
        snapshot: the newest, or None.
        storage: also tell the connection and mode of the storage.
    """
    if snapshot is None:
        return DERStatus(readingTime=0)
    at = round_to_int(snapshot.source_time, Rounding.FLOOR)
    connect = None if snapshot.connected is None else ConnectStatusType(dateTime=at, value=_connect_bits(snapshot))
    soc = snapshot.soc
    local = LocalControlMode.LOCAL if snapshot.local_control else LocalControlMode.REMOTE
    return DERStatus(
        alarmStatus=sum(alarm for alarm, name in ALARMS.items() if name in snapshot.alarms),
        genConnectStatus=connect,
        inverterStatus=InverterStatusType(dateTime=at, value=_INVERTER_WORDS.get(snapshot.state, 0)),
        localControlModeStatus=LocalControlModeStatusType(dateTime=at, value=local),
        operationalModeStatus=OperationalModeStatusType(dateTime=at, value=_operational(snapshot)),
        readingTime=at,
        stateOfChargeStatus=None
        if soc is None
        else StateOfChargeStatusType(dateTime=at, value=clamp(round_to_int(soc * 10_000), 0, 10_000)),
        storageModeStatus=_storage_mode(snapshot, at) if storage else None,
        storConnectStatus=connect if storage else None,
    )


def _operational(snapshot: Snapshot) -> int:
    return _OPERATIONAL_WORDS.get(snapshot.state, OperationalMode.OPERATIONAL)


def _connect_bits(snapshot: Snapshot) -> int:
    bits = ConnectStatus.CONNECTED if snapshot.connected else ConnectStatus(0)
    if snapshot.state not in {OperatingState.FAULT, OperatingState.OFF, OperatingState.UNKNOWN}:
        bits |= ConnectStatus.AVAILABLE
    if snapshot.state in _RUNNING:
        bits |= ConnectStatus.OPERATING
    if snapshot.state is OperatingState.TEST:
        bits |= ConnectStatus.TEST
    if snapshot.state is OperatingState.FAULT:
        bits |= ConnectStatus.FAULT
    return int(bits)


def _storage_mode(snapshot: Snapshot, at: int) -> StorageModeStatusType | None:
    if snapshot.w is None:
        return None
    mode = StorageMode.DISCHARGING if snapshot.w > 0 else StorageMode.CHARGING
    return StorageModeStatusType(dateTime=at, value=StorageMode.HOLDING if abs(snapshot.w) < _HOLDING_W else mode)


def snapshot_to_availability(snapshot: Snapshot | None) -> DERAvailability:
    """DERAvailability of a device or group from the newest snapshot; readingTime 0 where nothing is known yet."""
    if snapshot is None:
        return DERAvailability(readingTime=0)
    up, energy = snapshot.available_up_w, snapshot.available_wh
    duration = round_to_int(energy * 3600.0 / up, Rounding.FLOOR) if up and energy is not None else None
    return DERAvailability(
        availabilityDuration=None if duration is None else clamp(duration, 0, 0xFFFFFFFF),
        readingTime=round_to_int(snapshot.source_time, Rounding.FLOOR),
        statWAvail=None if up is None else watts(up, Rounding.TOWARD_ZERO),
    )
