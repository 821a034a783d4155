"""What a charging point says of itself, and the answers to it: the central system's half of OCPP 1.6 and 2.0.1. Pure.

Owned here: boot, heartbeats, states, who may charge, sessions, meter values. Not owned: frames (rpc), commands to it
(profiles), time (an argument).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
_PLUGGED = frozenset({"Preparing", "Occupied", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing"})
#: Messages that need no more than a receipt.
_RECEIPTS = frozenset(
    {
        "FirmwareStatusNotification", "DiagnosticsStatusNotification", "LogStatusNotification",
        "SecurityEventNotification", "SignedFirmwareStatusNotification", "NotifyEvent", "NotifyReport",
        "NotifyMonitoringReport", "NotifyCustomerInformation", "NotifyChargingLimit", "ClearedChargingLimit",
        "ReportChargingProfiles", "NotifyDisplayMessages", "ReservationStatusUpdate",
        "PublishFirmwareStatusNotification",
    }
)  # fmt: skip
_REFUSED = {
    "DataTransfer": {"status": "UnknownVendorId"},
    "SignCertificate": {"status": "Rejected"},
    "NotifyEVChargingNeeds": {"status": "Rejected"},
    "NotifyEVChargingSchedule": {"status": "Rejected"},
}
_MAX_TEXT = 255


@dataclass(slots=True)
class Connector:
    """One connector (2.0.1: EVSE)."""

    status: str = ""
    error: str = ""
    transaction: int | str | None = None
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
        self._config = config
        self._numbers = numbers

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
        """What a connector does."""
        return _STATES.get(self.at(number).status, OperatingState.UNKNOWN)

    def plugged(self, number: int) -> bool | None:
        """Whether a vehicle is there, None where it was not told."""
        status = self.at(number).status
        return None if not status else status in _PLUGGED

    def power(self, numbers: list[int]) -> tuple[float | None, Instant | None]:
        """The sum over connectors and the oldest time of them; a free one takes nothing."""
        total, oldest = 0.0, None
        for number in numbers:
            one = self.at(number)
            if one.measured.w is None:
                if one.status in ("Available", "Reserved", "Unavailable"):
                    continue
                return None, None
            total += one.measured.w
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
        one = self._connector(number)
        error = payload.get("errorCode", "NoError")
        one.status, one.error = status, "" if error == "NoError" else str(error)[:_MAX_TEXT]
        if status in ("Available", "Unavailable"):
            one.transaction, one.measured, one.measured_at = None, Measured(), None
        return {}

    def _on_MeterValues(self, payload: Json, now: Instant) -> Json:  # noqa: N802 - the action's name
        self._measure(_number(payload, "evseId" if "evseId" in payload else "connectorId"), payload, now)
        return {}

    # Sessions of 1.6 -----------------------------------------------------------------------------------------------

    def _on_Authorize(self, payload: Json, now: Instant) -> Json:  # noqa: N802 - the action's name
        if "idTag" in payload:
            return {"idTagInfo": {"status": self._judged(payload["idTag"])}}
        return {"idTokenInfo": {"status": self._judged(_token(payload))}}

    def _on_StartTransaction(self, payload: Json, now: Instant) -> Json:  # noqa: N802 - the action's name
        one = self._connector(_number(payload, "connectorId"))
        status, number = self._judged(payload.get("idTag")), self._numbers()
        if status == "Accepted":
            one.transaction = number
        return {"transactionId": number, "idTagInfo": {"status": status}}

    def _on_StopTransaction(self, payload: Json, now: Instant) -> Json:  # noqa: N802 - the action's name
        number = payload.get("transactionId")
        for one in self.connectors.values():
            if one.transaction == number:
                one.transaction, one.measured, one.measured_at = None, Measured(w=0.0), now
        return {"idTagInfo": {"status": self._judged(payload["idTag"])}} if "idTag" in payload else {}

    # Sessions of 2.0.1 ---------------------------------------------------------------------------------------------

    def _on_TransactionEvent(self, payload: Json, now: Instant) -> Json:  # noqa: N802 - the action's name
        kind, info, evse = payload.get("eventType"), payload.get("transactionInfo"), payload.get("evse")
        name = info.get("transactionId") if isinstance(info, dict) else None
        if kind not in ("Started", "Updated", "Ended") or not isinstance(name, str) or not 0 < len(name) <= 36:
            raise RemoteProtocolError("TransactionEvent: eventType or transactionId is missing or wrong")
        number = self._place(evse, name)
        if number is not None:
            one = self._connector(number)
            one.transaction = None if kind == "Ended" else name
            self._measure(number, payload, now)
            if kind == "Ended":
                one.measured, one.measured_at = Measured(w=0.0), now
        return {"idTokenInfo": {"status": self._judged(_token(payload))}} if "idToken" in payload else {}

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
            if found.w is not None:
                one.measured_at = now
            old = one.measured
            one.measured = Measured(
                w=old.w if found.w is None else found.w,
                var=old.var if found.var is None else found.var,
                hz=old.hz if found.hz is None else found.hz,
                soc=old.soc if found.soc is None else found.soc,
                volts={**old.volts, **found.volts},
            )
            one.meters += 1

    def _connector(self, number: int) -> Connector:
        return self.connectors.setdefault(number, Connector())

    def _judged(self, tag: object) -> str:
        known = self._config.tags
        if isinstance(tag, str) and 0 < len(tag) <= 36 and (not known or tag in known):
            return "Accepted"
        self.refused_tags += 1
        return "Invalid"


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
