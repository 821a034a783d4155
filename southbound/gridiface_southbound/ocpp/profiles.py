"""Charging profiles: what is sent to limit or steer a charging point, and what it shows of that. Pure.

OCPP 1.6 clauses 3.13, 5.5, 5.7, 5.16; 2.0.1 part 2 block K; 2.1 blocks K and Q. Limits are consumption, >= 0, in the
configured unit. Only a vehicle that gives back is told a set-point (2.1: CentralSetpoint), + is consumption there, too.
ChargingStationExternalConstraints is not used: 2.0.1 forbids it to a central system (K01.FR.22).
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from gridiface.domain.clock import Instant
from gridiface_southbound.ocpp.config import OcppConfig
from gridiface_southbound.ocpp.rpc import Json

_PURPOSES = {
    "1.6": {"station": "ChargePointMaxProfile", "default": "TxDefaultProfile", "transaction": "TxProfile"},
    "2.0.1": {"station": "ChargingStationMaxProfile", "default": "TxDefaultProfile", "transaction": "TxProfile"},
}
_PURPOSES["2.1"] = _PURPOSES["2.0.1"]


def timestamp(at: Instant) -> str:
    """RFC 3339, UTC, milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def limit_of(watts: float, config: OcppConfig) -> float:
    """The limit for a power to take, W: in tenths of the unit, never more than asked; < 0 gives back."""
    size = math.floor(round(10.0 * abs(watts) / config.watts_per_unit, 6)) / 10.0
    return -size if watts < 0 and size else size


def purpose(config: OcppConfig, transaction: int | str | None) -> str:
    """Which kind of profile: a session's own where one runs, else the connector's default."""
    if config.purpose != "auto":
        return config.purpose
    if not config.connector:
        return "station"
    return "default" if transaction is None else "transaction"


def steers(version: str, config: OcppConfig, transaction: int | str | None) -> bool:
    """Whether a vehicle is told a set-point that it follows both ways, not a limit (2.1 part 2, Q05)."""
    return version == "2.1" and config.max_discharge_w > 0 and transaction is not None


def ids_of(config: OcppConfig) -> tuple[int, ...]:
    """The ids of all profiles that are ours: with `auto` the default's, and that of the session that runs."""
    first = config.profile_id + 2 * max(0, config.connector - 1)  # an id is of one profile in the whole station
    return (first, first + 1) if follows_sessions(config) else (first,)


def follows_sessions(config: OcppConfig) -> bool:
    """Whether a running session is given a profile of its own beside the connector's default."""
    return config.purpose == "auto" and config.connector > 0


def set_profile(
    version: str,
    config: OcppConfig,
    limit: float,
    *,
    transaction: int | str | None,
    seconds: float | None,
    now: Instant,
) -> Json:
    """SetChargingProfile. `seconds`: after them it holds no more; None: it holds until it is cleared."""
    kind = purpose(config, transaction)
    number = ids_of(config)[-1 if kind == "transaction" else 0]
    period: Json = {"startPeriod": 0, "limit": limit}
    if steers(version, config, transaction):
        period = {"startPeriod": 0, "operationMode": "CentralSetpoint", "setpoint": limit}
    if config.unit == "A" and config.phases != 3:
        period["numberPhases"] = config.phases  # not told, a station takes it for three
    periods = [period]
    schedule: Json = {"chargingRateUnit": config.unit, "chargingSchedulePeriod": periods}
    # A clock that is a little behind must not keep the profile from holding at once.
    schedule["startSchedule"] = timestamp(math.floor(now) - 1)
    if seconds is not None:
        schedule["duration"] = math.ceil(seconds) + 1
    profile: Json = {
        "stackLevel": config.stack_level,
        "chargingProfilePurpose": _PURPOSES[version][kind],
        "chargingProfileKind": "Absolute",
    }
    if kind == "transaction" and transaction is not None:
        profile["transactionId"] = transaction
    if version == "1.6":
        profile |= {"chargingProfileId": number, "chargingSchedule": schedule}
        return {"connectorId": config.connector, "csChargingProfiles": profile}
    profile |= {"id": number, "chargingSchedule": [{"id": 1, **schedule}]}
    return {"evseId": config.connector, "chargingProfile": profile}


def clear_profiles(version: str, config: OcppConfig) -> list[Json]:
    """ClearChargingProfile, of our own profiles only."""
    return [{"id" if version == "1.6" else "chargingProfileId": number} for number in ids_of(config)]


def ask_composite(version: str, config: OcppConfig) -> Json:
    """GetCompositeSchedule for the next minute."""
    place = "connectorId" if version == "1.6" else "evseId"
    return {place: config.connector, "duration": 60, "chargingRateUnit": config.unit}


def composite_limit(version: str, payload: Json, config: OcppConfig) -> float | None:
    """The limit or set-point that holds now, in the configured unit; None: none, or it is not told."""
    schedule: Any = payload.get("chargingSchedule" if version == "1.6" else "schedule")
    if payload.get("status") != "Accepted" or not isinstance(schedule, dict):
        return None
    periods = schedule.get("chargingSchedulePeriod")
    first = periods[0] if isinstance(periods, list) and periods else None
    limit = first.get("setpoint", first.get("limit")) if isinstance(first, dict) else None
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not math.isfinite(limit):
        return None
    there = schedule.get("chargingRateUnit", config.unit)
    if there == config.unit:
        return float(limit)
    amps = config.phases * config.volts
    return limit * amps if there == "A" else limit / amps


def availability(version: str, config: OcppConfig, *, on: bool) -> Json:
    """ChangeAvailability."""
    word = "Operative" if on else "Inoperative"
    if version == "1.6":
        return {"connectorId": config.connector, "type": word}
    return {"operationalStatus": word} | ({"evse": {"id": config.connector}} if config.connector else {})


def ask_meter(version: str, config: OcppConfig) -> Json:
    """TriggerMessage for meter values."""
    message: Json = {"requestedMessage": "MeterValues"}
    if config.connector:
        message |= {"connectorId": config.connector} if version == "1.6" else {"evse": {"id": config.connector}}
    return message
