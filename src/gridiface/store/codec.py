"""Domain values <-> what a column holds: controls and set-points as JSON, texts, numbers. Owns no table, no I/O.

The round trip is exact, payloads included. JSON has no bytes, tuples or infinities: those are written as
`{"$": kind, "v": ...}`; a mapping that has a "$" of its own is written as its items. Numbers keep all digits.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

from gridiface.domain.clock import Interval
from gridiface.domain.controls import (
    Control,
    ControlMode,
    ControlState,
    ModeValue,
    ServiceClass,
    Setpoint,
    Source,
    Target,
    TargetKind,
)
from gridiface.errors import LocalProtocolError

_MARK = "$"
#: Deeper payloads are refused: no protocol's payload comes near, and a reader must not run out of stack.
_MAX_DEPTH = 64


def key_text(text: str) -> str:
    """`text` for a key column, as it is.

    Raises:
        LocalProtocolError: it holds a NUL or half a surrogate pair, which no database can keep.
    """
    if text.isprintable() or _storable(text):
        return text
    raise LocalProtocolError(f"a key with NUL or a lone surrogate cannot be stored: {text!r}")


def free_text(text: str) -> str:
    """`text` for a column that people read; what no database can keep becomes a question mark."""
    if text.isprintable() or _storable(text):
        return text
    return text.replace("\0", "?").encode("utf-8", "replace").decode("utf-8")


def _storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def number(value: float | None) -> float | None:
    """`value` for a DOUBLE column that may be NULL; NaN becomes NULL on every engine alike."""
    return None if value is None or math.isnan(value) else float(value)


def pack(value: Any, depth: int = 0) -> Any:
    """A payload as what json can write without loss.

    Args:
        value: None, bool, int, float, str, bytes, or list, tuple or str-keyed mapping of these.
        depth: how deep the caller already is.

    Raises:
        LocalProtocolError: another type, or nested deeper than 64.
    """
    if depth > _MAX_DEPTH:
        raise LocalProtocolError(f"a payload nested deeper than {_MAX_DEPTH} cannot be stored")
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {_MARK: "float", "v": repr(value)}
    if isinstance(value, bytes):
        return {_MARK: "bytes", "v": base64.b64encode(value).decode("ascii")}
    return _pack_container(value, depth + 1)


def _pack_container(value: Any, depth: int) -> Any:
    if isinstance(value, list):
        return [pack(item, depth) for item in value]
    if isinstance(value, tuple):
        return {_MARK: "tuple", "v": [pack(item, depth) for item in value]}
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        packed = {str(key): pack(item, depth) for key, item in value.items()}
        return {_MARK: "items", "v": list(packed.items())} if _MARK in packed else packed
    raise LocalProtocolError(f"a payload of type {type(value).__name__} cannot be stored")


def unpack(value: Any) -> Any:
    """The payload that `pack` was given."""
    if isinstance(value, list):
        return [unpack(item) for item in value]
    if not isinstance(value, dict):
        return value
    content: Any = value.get("v")
    match value.get(_MARK):
        case None:
            return {key: unpack(item) for key, item in value.items()}
        case "float":
            return float(content)
        case "bytes":
            return base64.b64decode(content)
        case "tuple":
            return tuple(unpack(item) for item in content)
        case _:
            return {key: unpack(item) for key, item in content}


def _dumps(record: Mapping[str, Any]) -> str:
    return json.dumps(record, separators=(",", ":"), allow_nan=False)


def _values_out(values: Mapping[ControlMode, ModeValue]) -> dict[str, Any]:
    return {mode.value: [pack(v.value), v.base, pack(v.payload)] for mode, v in values.items()}


def _values_in(record: Mapping[str, Any]) -> dict[ControlMode, ModeValue]:
    return {
        ControlMode(mode): ModeValue(unpack(value), base, unpack(payload))
        for mode, (value, base, payload) in record.items()
    }


def _interval_out(interval: Interval | None) -> Any:
    return None if interval is None else [pack(interval.start), pack(interval.duration)]


def _interval_in(record: Any) -> Interval:
    return Interval(unpack(record[0]), unpack(record[1]))


def class_mark(service_class: ServiceClass) -> str:
    """What stands in the JSON of every control of a class. Quotes in texts are escaped: no text looks so."""
    return f'"service_class":"{service_class.value}"'


#: What stands in the JSON of every default control, and of no other.
DEFAULT_MARK = '"is_default":true'


def control_to_json(control: Control) -> str:
    """The whole control as one JSON object.

    Raises:
        LocalProtocolError: a payload of a type that cannot be stored.
    """
    source = control.source
    return _dumps(
        {
            "id": control.id,
            "source": [source.protocol, source.program, source.identity, pack(source.authority)],
            "target": [control.target.kind.value, control.target.id],
            "values": _values_out(control.values),
            "interval": _interval_out(control.interval),
            "created": pack(control.created),
            "service_class": control.service_class.value,
            "randomize_start_s": pack(control.randomize_start_s),
            "randomize_duration_s": pack(control.randomize_duration_s),
            "effective": _interval_out(control.effective),
            "ramp_s": pack(control.ramp_s),
            "is_default": control.is_default,
            "is_test": control.is_test,
            "response_required": control.response_required,
            "state": control.state.value,
            "description": control.description,
            "extra": [[str(key), str(value)] for key, value in control.extra.items()],
        }
    )


def control_from_json(text: str) -> Control:
    """The control that `control_to_json` wrote."""
    record = json.loads(text)
    protocol, program, identity, authority = record["source"]
    kind, target_id = record["target"]
    effective = record["effective"]
    return Control(
        id=record["id"],
        source=Source(protocol=protocol, program=program, identity=identity, authority=unpack(authority)),
        target=Target(TargetKind(kind), target_id),
        values=_values_in(record["values"]),
        interval=_interval_in(record["interval"]),
        created=unpack(record["created"]),
        service_class=ServiceClass(record["service_class"]),
        randomize_start_s=unpack(record["randomize_start_s"]),
        randomize_duration_s=unpack(record["randomize_duration_s"]),
        effective=None if effective is None else _interval_in(effective),
        ramp_s=unpack(record["ramp_s"]),
        is_default=record["is_default"],
        is_test=record["is_test"],
        response_required=record["response_required"],
        state=ControlState(record["state"]),
        description=record["description"],
        extra=dict(record["extra"]),
    )


def setpoint_to_json(setpoint: Setpoint) -> str:
    """The whole set-point as one JSON object.

    Raises:
        LocalProtocolError: a payload of a type that cannot be stored.
    """
    return _dumps(
        {
            "device_id": setpoint.device_id,
            "issued": pack(setpoint.issued),
            "active_power_w": pack(setpoint.active_power_w),
            "ceiling_w": pack(setpoint.ceiling_w),
            "reactive_power_var": pack(setpoint.reactive_power_var),
            "connect": setpoint.connect,
            "energize": setpoint.energize,
            "passed": _values_out(setpoint.passed),
            "release": setpoint.release,
            "let_go": sorted(setpoint.let_go),
            "valid_until": pack(setpoint.valid_until),
            "starts": pack(setpoint.starts),
            "ramp_s": pack(setpoint.ramp_s),
            "control_ids": list(setpoint.control_ids),
            "service_class": setpoint.service_class.value,
        }
    )


def setpoint_from_json(text: str) -> Setpoint:
    """The set-point that `setpoint_to_json` wrote."""
    record = json.loads(text)
    return Setpoint(
        device_id=record["device_id"],
        issued=unpack(record["issued"]),
        active_power_w=unpack(record["active_power_w"]),
        ceiling_w=unpack(record["ceiling_w"]),
        reactive_power_var=unpack(record["reactive_power_var"]),
        connect=record["connect"],
        energize=record["energize"],
        passed=_values_in(record["passed"]),
        release=record["release"],
        let_go=frozenset(ControlMode(mode) for mode in record.get("let_go", ())),
        valid_until=unpack(record["valid_until"]),
        starts=unpack(record.get("starts")),
        ramp_s=unpack(record["ramp_s"]),
        control_ids=tuple(record["control_ids"]),
        service_class=ServiceClass(record["service_class"]),
    )
