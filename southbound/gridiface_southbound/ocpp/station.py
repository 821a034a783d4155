"""What a charging point says of itself, and the answers to it: the central system's half of OCPP 1.6, 2.0.1, 2.1. Pure.

Owned here: boot, heartbeats, states, who may charge, sessions, meter values. Not owned: frames (rpc), commands to it
(profiles), time (an argument).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gridiface.domain.clock import Instant
from gridiface.domain.telemetry import OperatingState
from gridiface.errors import RemoteProtocolError
from gridiface_southbound.ocpp.config import OcppConfig
from gridiface_southbound.ocpp.meter import Measured, measured, samples_of
from gridiface_southbound.ocpp.profiles import timestamp
from gridiface_southbound.ocpp.rpc import Json

_STATES = {
    "Available": OperatingState.STANDBY,
    "Reserved": OperatingState.STANDBY,
    "Preparing": OperatingState.STARTING,
    "Occupied": OperatingState.RUNNING,
    "Charging": OperatingState.RUNNING,
    "SuspendedEV": OperatingState.STANDBY,
    "SuspendedEVSE": OperatingState.THROTTLED,
    "Finishing": OperatingState.SHUTTING_DOWN,
    "Unavailable": OperatingState.OFF,
    "Faulted": OperatingState.FAULT,
}
#: Nobody charges there.
_FREE = frozenset({"Available", "Reserved", "Unavailable"})
_PLUGGED = frozenset({"Preparing", "Occupied", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing"})
#: Messages that need no more than a receipt.
_RECEIPTS = frozenset(
    {
        "FirmwareStatusNotification", "DiagnosticsStatusNotification", "LogStatusNotification",
        "SecurityEventNotification", "SignedFirmwareStatusNotification", "NotifyReport",
        "NotifyMonitoringReport", "NotifyCustomerInformation", "NotifyChargingLimit", "ClearedChargingLimit",
        "ReportChargingProfiles", "NotifyDisplayMessages", "ReservationStatusUpdate",
        "PublishFirmwareStatusNotification", "NotifyDERAlarm", "NotifyDERStartStop", "ReportDERControl",
        "NotifyPriorityCharging", "NotifySettlement", "NotifyWebPaymentStarted", "BatterySwap",
        "ClosePeriodicEventStream",
    }
)  # fmt: skip
_REFUSED = {
    "DataTransfer": {"status": "UnknownVendorId"},
    "SignCertificate": {"status": "Rejected"},
    "NotifyEVChargingSchedule": {"status": "Rejected"},
    "OpenPeriodicEventStream": {"status": "Rejected"},
    "PullDynamicScheduleUpdate": {"status": "Rejected"},
}
#: What a session does (2.x), where the connector is only said to be occupied.
_SESSION_STATES = {
    "EVConnected": "Preparing",
    "Charging": "Charging",
    "SuspendedEV": "SuspendedEV",
    "SuspendedEVSE": "SuspendedEVSE",
    "Idle": "Finishing",
}
#: Ways of charging that are allowed where vehicles may give back (2.1 part 2, Q01).
_BOTH_WAYS = ["AC_single_phase", "AC_two_phase", "AC_three_phase", "DC", "AC_BPT", "DC_BPT"]
_MAX_TEXT = 255
_MAX_EVENTS = 1000


@dataclass(slots=True)
class Connector:
    """One connector (2.x: EVSE).

    Attributes:
        ended: the session before.
        ended_at: when it ended, by the station's own clock (1.6), as far as it said so.
        tells_power: whether power was ever told; else it follows from the currents.
        gives_w: the most that the vehicle says it gives back, W; None: it has not said.
    """

    status: str = ""
    session: str = ""
    error: str = ""
    transaction: int | str | None = None
    ended: int | str | None = None
    ended_at: datetime | None = None
    gives_w: float | None = None
    tells_power: bool = False
    measured: Measured = field(default_factory=Measured)
    measured_at: Instant | None = None
    meters: int = 0


class Unknown(RemoteProtocolError):
    """An action that a central system does not take; the station is told NotImplemented."""


class Station:
    """One charging point; lives as long as its driver, over many connections.

    Args:
        config: the driver's.
        numbers: gives transaction numbers that were not given before.
    """

    def __init__(self, config: OcppConfig, numbers: Callable[[], int]) -> None:
        self.booted = False
        self.vendor = self.model = self.serial = self.firmware = ""
        self.connectors: dict[int, Connector] = {}
        self.refused_tags = 0
        self.version = ""
        self._config = config
        #: The configuration of each connector that is a device.
        self._configs: dict[int, OcppConfig] = {}
        self._numbers = numbers

    def take_in(self, config: OcppConfig) -> None:
        """A connector is driven as configured."""
        self._configs[config.connector] = config

    def let_out(self, config: OcppConfig) -> None:
        """A connector is not driven any more."""
        self._configs.pop(config.connector, None)

    def _of(self, number: int) -> OcppConfig:
        return self._configs.get(number, self._config)

    def at(self, number: int) -> Connector:
        """A connector, as far as it is known."""
        return self.connectors.get(number, Connector())

    def handle(self, action: str, payload: Json, now: Instant) -> Json:
        """The answer to a call.

        Raises:
            Unknown: the action is not one for a central system.
            RemoteProtocolError: a field is missing or wrong; `reason` names it.
        """
        handler = getattr(self, f"_on_{action}", None) if action.isalnum() else None
        if handler is not None:
            return dict(handler(payload, now))
        if action in _RECEIPTS:
            return {}
        if action in _REFUSED:
            return dict(_REFUSED[action])
        raise Unknown(f"{action} is not taken by this central system")

    def state(self, number: int) -> OperatingState:
        """What a connector does; an occupied one what its session does, where it tells."""
        one = self.at(number)
        session = one.session if one.status in ("", "Occupied") else ""
        return _STATES.get(session or one.status, OperatingState.UNKNOWN)

    def gives(self, number: int) -> float:
        """What the vehicle at a connector may be asked to give back, W >= 0: by configuration, and by what it says."""
        one = self.at(number)
        most = self._of(number).max_discharge_w if self.version == "2.1" and one.transaction is not None else 0.0
        return most if one.gives_w is None else min(most, one.gives_w)

    def plugged(self, number: int) -> bool | None:
        """Whether a vehicle is there, None where it was not told."""
        status = self.at(number).status
        return None if not status else status in _PLUGGED

    def power(self, numbers: list[int]) -> tuple[float | None, Instant | None]:
        """The sum over connectors and the oldest time of them; a free one takes nothing."""
        total, oldest = 0.0, None
        for number in numbers:
            one = self.at(number)
            config = self._of(number)
            watts = one.measured.power(config.phases, config.volts)
            if watts is None:
                if one.status in _FREE:
                    continue
                return None, None
            total += watts
            if one.measured_at is not None:
                oldest = one.measured_at if oldest is None else min(oldest, one.measured_at)
        return total, oldest

    # Calls of both versions ----------------------------------------------------------------------------------------

    def _on_BootNotification(self, payload: Json, now: Instant) -> Json:  # noqa: N802 - the action's name
        station = payload.get("chargingStation")
        told: Mapping[str, Any] = station if isinstance(station, dict) else payload
        self.vendor = _text(told, "chargePointVendor", "vendorName")
        self.model = _text(told, "chargePointModel", "model")
        self.serial = _text(told, "chargePointSerialNumber", "serialNumber")
        self.firmware = _text(told, "firmwareVersion")
        if not self.model:
            raise RemoteProtocolError("BootNotification tells no model")
        self.booted = True
        return {"status": "Accepted", "currentTime": timestamp(now), "interval": self._config.heartbeat_s}

    def _on_Heartbeat(self, payload: Json, now: Instant) -> Json:  # noqa: N802 - the action's name
        return {"currentTime": timestamp(now)}

    def _on_StatusNotification(self, payload: Json, now: Instant) -> Json:  # noqa: N802 - the action's name
        number = _number(payload, "evseId" if "evseId" in payload else "connectorId")
        status = payload.get("status", payload.get("connectorStatus"))
        if not isinstance(status, str) or status not in _STATES:
            raise RemoteProtocolError(f"StatusNotification: status {str(status)[:40]!r} is not known")
        error = payload.get("errorCode", "NoError")
        self._is(number, status, "" if error == "NoError" else str(error)[:_MAX_TEXT])
        return {}

    def _on_NotifyEvent(self, payload: Json, now: Instant) -> Json:  # noqa: N802 - the action's name
        """In 2.x a connector's state may come as a variable, too (2.0.1 part 2, G01)."""
        events = payload.get("eventData")
        for event in events[:_MAX_EVENTS] if isinstance(events, list) else ():
            match event:
                case {
                    "component": {"name": "Connector" | "EVSE", "evse": dict(evse)},
                    "variable": {"name": "AvailabilityState"},
                    "actualValue": str(status),
                } if status in _STATES:
                    self._is(_number(evse, "id"), status, "")
        return {}

    def _is(self, number: int, status: str, error: str) -> None:
        one = self._connector(number)
        one.status, one.error = status, error
        if status in ("Available", "Unavailable"):
            self._over(one, Measured(), None)

    def _on_MeterValues(self, payload: Json, now: Instant) -> Json:  # noqa: N802 - the action's name
        number = _number(payload, "evseId" if "evseId" in payload else "connectorId")
        session, one = payload.get("transactionId"), self._connector(number)
        self._recognise(number, session)
        if session is not None and session == one.ended and one.ended_at is not None:
            told, end = payload.get("meterValue"), one.ended_at
            later = [one for one in told if not _is_before(one, end)] if isinstance(told, list) else []
            payload = {**payload, "meterValue": later}
        self._measure(number, payload, now)
        return {}

    def _recognise(self, number: int, session: object) -> None:
        """In 1.6 meter values name their session: one that began before we were called, or before our restart.

        Values that were queued while it could not call may come after the end of theirs: they are no power of now.
        """
        one = self._connector(number)
        known = one.transaction is not None or session == one.ended or one.status in _FREE
        if isinstance(session, int) and not isinstance(session, bool) and session > 0 and not known:
            one.transaction = session

    # Sessions of 1.6 -----------------------------------------------------------------------------------------------

    def _on_Authorize(self, payload: Json, now: Instant) -> Json:  # noqa: N802 - the action's name
        if "idTag" in payload:
            return {"idTagInfo": {"status": self._judged(payload["idTag"])}}
        answer: Json = {"idTokenInfo": {"status": self._judged(_token(payload))}}
        if self.version == "2.1" and any(one.max_discharge_w for one in self._driven):
            answer["allowedEnergyTransfer"] = _BOTH_WAYS
        return answer

    def _on_StartTransaction(self, payload: Json, now: Instant) -> Json:  # noqa: N802 - the action's name
        place = _number(payload, "connectorId")
        one, status, number = self._connector(place), self._judged(payload.get("idTag"), place), self._numbers()
        if status == "Accepted":
            one.transaction = number
        return {"transactionId": number, "idTagInfo": {"status": status}}

    def _on_StopTransaction(self, payload: Json, now: Instant) -> Json:  # noqa: N802 - the action's name
        number = payload.get("transactionId")
        for one in self.connectors.values():
            if one.transaction == number:
                self._over(one, Measured(w=0.0), now)
                one.ended_at = _moment(payload.get("timestamp"))
        return {"idTagInfo": {"status": self._judged(payload["idTag"])}} if "idTag" in payload else {}

    # Sessions of 2.x -----------------------------------------------------------------------------------------------

    def _on_TransactionEvent(self, payload: Json, now: Instant) -> Json:  # noqa: N802 - the action's name
        kind, info, evse = payload.get("eventType"), payload.get("transactionInfo"), payload.get("evse")
        name = info.get("transactionId") if isinstance(info, dict) else None
        if kind not in ("Started", "Updated", "Ended") or not isinstance(name, str) or not 0 < len(name) <= 36:
            raise RemoteProtocolError("TransactionEvent: eventType or transactionId is missing or wrong")
        number = self._place(evse, name)
        if number is not None:
            one = self._connector(number)
            one.transaction = name
            one.session = _SESSION_STATES.get(str(info.get("chargingState")), one.session) if info else ""
            if payload.get("offline") is not True:
                # what was measured while it could not call is told late: it is not the power of now (2.0.1 E04)
                self._measure(number, payload, now)
            if kind == "Ended":
                self._over(one, Measured(w=0.0), now)
        return {"idTokenInfo": {"status": self._judged(_token(payload))}} if "idToken" in payload else {}

    def _on_NotifyEVChargingNeeds(self, payload: Json, now: Instant) -> Json:  # noqa: N802 - the action's name
        """A vehicle's limits are noted; a schedule is only given to one that may be steered (2.1 part 2, Q02)."""
        if self.version != "2.1" or not any(one.max_discharge_w for one in self._driven):
            return {"status": "Rejected"}
        number, needs = _number(payload, "evseId"), payload.get("chargingNeeds")
        both_ways = needs.get("v2xChargingParameters") if isinstance(needs, dict) else None
        told = both_ways.get("maxDischargePower", 0.0) if isinstance(both_ways, dict) else 0.0
        if isinstance(told, bool) or not isinstance(told, int | float) or not 0.0 <= told < math.inf:
            raise RemoteProtocolError("NotifyEVChargingNeeds: maxDischargePower is wrong")
        self._connector(number).gives_w = float(told)
        return {"status": "Processing"}

    def _place(self, evse: object, name: str) -> int | None:
        """The EVSE of a session: as it says, else where it began."""
        if isinstance(evse, dict):
            return _number(evse, "id")
        return next((number for number, one in self.connectors.items() if one.transaction == name), None)

    # -----------------------------------------------------------------------------------------------------------------

    def _measure(self, number: int, payload: Json, now: Instant) -> None:
        one = self._connector(number)
        for values in samples_of(payload):
            found = measured(values)
            one.tells_power = one.tells_power or found.w is not None
            of_currents = bool(found.amps) and not one.tells_power
            if found.w is not None or of_currents:
                one.measured_at = now
            old = one.measured
            one.measured = Measured(
                w=found.w if found.w is not None or of_currents else old.w,
                var=old.var if found.var is None else found.var,
                hz=old.hz if found.hz is None else found.hz,
                soc=old.soc if found.soc is None else found.soc,
                volts={**old.volts, **found.volts},
                amps={**old.amps, **found.amps},
            )
            one.meters += 1

    @staticmethod
    def _over(one: Connector, last: Measured, at: Instant | None) -> None:
        one.ended = one.ended if one.transaction is None else one.transaction
        one.transaction, one.session, one.gives_w, one.measured, one.measured_at = None, "", None, last, at

    def _connector(self, number: int) -> Connector:
        return self.connectors.setdefault(number, Connector())

    @property
    def _driven(self) -> list[OcppConfig]:
        return list(self._configs.values()) or [self._config]

    def _judged(self, tag: object, number: int | None = None) -> str:
        """Whether a tag may charge at a connector; without one: at any of those that are driven."""
        configs = self._driven if number is None else [self._of(number)]
        if isinstance(tag, str) and 0 < len(tag) <= 36 and any(not one.tags or tag in one.tags for one in configs):
            return "Accepted"
        self.refused_tags += 1
        return "Invalid"


def _moment(text: object) -> datetime | None:
    """A time of the station's clock; without a zone it is UTC. None: it is none."""
    try:
        said = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return said if said is None or said.tzinfo is not None else said.replace(tzinfo=UTC)


def _is_before(value: object, end: datetime) -> bool:
    """Whether a meter value was measured before a session ended, or then; both by the station's clock."""
    at = _moment(value.get("timestamp")) if isinstance(value, dict) else None
    return at is not None and at <= end


def _text(told: Mapping[str, Any], *names: str) -> str:
    return next((value[:_MAX_TEXT] for name in names if isinstance(value := told.get(name), str)), "")


def _token(payload: Json) -> object:
    token = payload.get("idToken")
    return token.get("idToken") if isinstance(token, dict) else None


def _number(payload: Mapping[str, Any], name: str) -> int:
    number = payload.get(name)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= 64:
        raise RemoteProtocolError(f"{name} is missing or wrong")
    return number
