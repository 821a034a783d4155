"""Intervals and what they carry: the substitution groups of strm:streamPayloadBase and ei:payloadBase."""

from __future__ import annotations

from gridiface.protocols.openadr.payloads.namespaces import (
    ATOM,
    DATE_TIME,
    DURATION,
    EI,
    OADR,
    XCAL,
    V,
    ei,
    oadr,
    strm,
    token,
)
from gridiface.protocols.openadr.payloads.units import UNITS, Unit
from gridiface.protocols.xmlwire import WireObject, element, wire
from gridiface.protocols.xmlwire.primitives import BOOLEAN, FLOAT, RAW_XML, STRING, integer

_CONFIDENCE = integer("ConfidenceType", 0, 100)
_BAD = (
    *("Non Specific", "Configuration Error", "Not Connected", "Device Failure", "Sensor Failure"),
    *("Last Known Value", "Comm Failure", "Out of Service"),
)
_UNCERTAIN = ("Non Specific", "Last Usable Value", "Sensor Not Accurate", "EU Units Exceeded", "Sub Normal")
#: Quality words of a report's value.
DATA_QUALITIES = (
    "No Quality - No Value",
    "No New Value - Previous Value Used",
    *(f"Quality Bad - {word}" for word in _BAD),
    *(f"Quality Uncertain - {word}" for word in _UNCERTAIN),
    "Quality Good - Non Specific",
    "Quality Good - Local Override",
    *(f"Quality Limit - Field/{word}" for word in ("Not", "Low", "High", "Constant")),
)
QUALITY_GOOD = "Quality Good - Non Specific"
QUALITY_BAD = "Quality Bad - Non Specific"
_DATA_QUALITY = token("oadrDataQualityType", DATA_QUALITIES, extensible=True)


@ei
class PayloadFloat(WireObject):
    """A number."""

    value: float = element(FLOAT)


@wire(V, ns=OADR, element=None, empty_is_absent=True)
class LoadControlValue(WireObject):
    """One attribute of a controllable load: its range, its value now, its normal value."""

    oadrMin: float | None = element(FLOAT, default=None)
    oadrMax: float | None = element(FLOAT, default=None)
    oadrCurrent: float = element(FLOAT)
    oadrNormal: float | None = element(FLOAT, default=None)


@oadr
class OadrLoadControlState(WireObject):
    """State of a controllable load in the words of LOAD_CONTROL."""

    oadrCapacity: LoadControlValue | None = element(LoadControlValue, default=None)
    oadrLevelOffset: LoadControlValue | None = element(LoadControlValue, default=None)
    oadrPercentOffset: LoadControlValue | None = element(LoadControlValue, default=None)
    oadrSetPoint: LoadControlValue | None = element(LoadControlValue, default=None)


@oadr
class OadrPayloadResourceStatus(WireObject):
    """State of a resource: the payload of TELEMETRY_STATUS."""

    oadrOnline: bool = element(BOOLEAN)
    oadrManualOverride: bool = element(BOOLEAN)
    oadrLoadControlState: OadrLoadControlState | None = element(OadrLoadControlState, default=None)


_PAYLOADS = (PayloadFloat, OadrPayloadResourceStatus)


@ei
class SignalPayload(WireObject):
    """The value of one interval of a signal or baseline; a number in all events (rule 100)."""

    payloadBase: PayloadFloat | OadrPayloadResourceStatus = element(_PAYLOADS)


@oadr
class OadrReportPayload(WireObject):
    """The value of one data point in one interval of a report."""

    rID: str = element(STRING, ns=EI)
    confidence: int | None = element(_CONFIDENCE, default=None, ns=EI)
    accuracy: float | None = element(FLOAT, default=None, ns=EI)
    payloadBase: PayloadFloat | OadrPayloadResourceStatus = element(_PAYLOADS)
    oadrDataQuality: str | None = element(_DATA_QUALITY, default=None)


@oadr
class OadrGBPayload(WireObject):
    """A Green Button document as the payload of an interval; kept as its bytes."""

    feed: bytes = element(RAW_XML, ns=ATOM)


@oadr
class OadrGBDataDescription(WireObject):
    """A Green Button document that describes a data point; kept as its bytes."""

    feed: bytes = element(RAW_XML, ns=ATOM)


ItemBase = Unit | OadrGBDataDescription
ITEM_BASE: tuple[type[WireObject], ...] = (*UNITS, OadrGBDataDescription)


@ei
class Interval(WireObject):
    """A piece of time and its payloads; uid counts from 0 in events (rule 2)."""

    dtstart: float | None = element(DATE_TIME, default=None, ns=XCAL, inside="date-time")
    duration: int | None = element(DURATION, default=None, ns=XCAL, inside="duration", unit="s")
    uid: str | None = element(STRING, default=None, ns=XCAL, inside="text")
    streamPayloadBase: list[SignalPayload | OadrReportPayload | OadrGBPayload] = element(
        (SignalPayload, OadrReportPayload, OadrGBPayload), default_factory=list, at_least=1
    )


@strm
class Intervals(WireObject):
    """One or more intervals in time order."""

    interval: list[Interval] = element(Interval, ns=EI, default_factory=list, at_least=1)
