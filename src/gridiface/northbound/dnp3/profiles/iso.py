"""The points that ISOs and RTOs poll at a resource's gateway: megawatts, limits, state of charge, AGC, heartbeat.

Owns indices, units, classes and dead-bands of this set; a market's own list is made from it by hand-made entries.
Powers in MW, + delivered to the grid. Analogs are floats (g30v5, g32v7, g40v3, g42v7).
"""

from __future__ import annotations

from typing import Any

from gridiface.domain.controls import ServiceClass
from gridiface.northbound.dnp3.pointmap.meanings import Action, Measure
from gridiface.northbound.dnp3.pointmap.points import PointEntry
from gridiface.protocols.dnp3.points import PointType

_MEGA, _KILO, _PERCENT = 1e6, 1e3, 0.01
_MW_PER_MIN = 1e6 / 60

AGC = "AGC enable"
SETPOINT = "MW set-point"
_HOLD = "set-point hold time"
_RAMP = "set-point ramp"
_POWER_DEADBAND = 0.1  # MW, what ISOs accept


def _ai(index: int, name: str, measure: Measure, unit: str, scale: float, **more: Any) -> PointEntry:
    values: dict[str, Any] = {"event_class": 2, "deadband": _POWER_DEADBAND if scale == _MEGA else 0.0} | more
    return PointEntry(
        type=PointType.ANALOG_INPUT, index=index, name=name, measure=measure, unit=unit, scale=scale, **values
    )


def _analog_inputs() -> tuple[PointEntry, ...]:
    return (
        _ai(0, "net power", Measure.W, "MW", _MEGA, event_class=1),
        _ai(1, "net reactive power", Measure.VAR, "MVAR", _MEGA, event_class=1),
        _ai(2, "voltage", Measure.VOLTS_LL, "kV", _KILO, deadband=0.01),
        _ai(3, "frequency", Measure.HZ, "Hz", 1.0, deadband=0.005),
        _ai(4, "available up", Measure.AVAILABLE_UP_W, "MW", _MEGA),
        _ai(5, "available down", Measure.AVAILABLE_DOWN_W, "MW", _MEGA),
        _ai(6, "highest power", Measure.HIGHEST_W, "MW", _MEGA),
        _ai(7, "lowest power", Measure.LOWEST_W, "MW", _MEGA),
        _ai(8, "rated discharge", Measure.RATED_DISCHARGE_W, "MW", _MEGA, event_class=3),
        _ai(9, "rated charge", Measure.RATED_CHARGE_W, "MW", _MEGA, event_class=3),
        _ai(10, "state of charge", Measure.SOC, "%", _PERCENT, deadband=0.1),
        _ai(11, "available energy", Measure.AVAILABLE_WH, "MWh", _MEGA),
        _ai(12, "lowest state of charge", Measure.SOC_MIN, "%", _PERCENT, event_class=3),
        _ai(13, "highest state of charge", Measure.SOC_MAX, "%", _PERCENT, event_class=3),
        _ai(14, "ramp up", Measure.RAMP_W_PER_S, "MW/min", _MW_PER_MIN, event_class=3),
        _ai(15, "ramp down", Measure.RAMP_W_PER_S, "MW/min", _MW_PER_MIN, event_class=3),
        _ai(16, "set-point in force", Measure.READ_BACK, "MW", 1.0, argument=SETPOINT, event_class=1),
        _ai(17, "regulation in force", Measure.READ_BACK, "MW", 1.0, argument="regulation", event_class=1),
        _ai(18, "reactive set-point in force", Measure.READ_BACK, "MVAR", 1.0, argument="MVAR set-point"),
        _ai(19, "export limit in force", Measure.READ_BACK, "MW", 1.0, argument="export limit"),
        _ai(20, "import limit in force", Measure.READ_BACK, "MW", 1.0, argument="import limit"),
        _ai(21, "members", Measure.MEMBERS, "", 1.0, event_class=3),
        _ai(22, "heartbeat back", Measure.READ_BACK, "", 1.0, argument="heartbeat"),
    )


def _bi(index: int, name: str, measure: Measure, argument: str = "", event_class: int = 1) -> PointEntry:
    return PointEntry(
        type=PointType.BINARY_INPUT,
        index=index,
        name=name,
        measure=measure,
        argument=argument,
        event_class=event_class,
    )


def _binary_inputs() -> tuple[PointEntry, ...]:
    return (
        _bi(0, "breaker closed", Measure.CONNECTED),
        _bi(1, "AGC enabled", Measure.READ_BACK, AGC),
        _bi(2, "unit online", Measure.RUNNING),
        _bi(3, "telemetry good", Measure.TELEMETRY_OK),
        _bi(4, "local control", Measure.LOCAL_CONTROL),
        # It changes with each refresh: without a class, so that it does not fill the event buffer.
        _bi(5, "heartbeat out", Measure.HEARTBEAT, event_class=0),
        _bi(6, "alarm", Measure.ALARM),
        _bi(7, "set-point active", Measure.IN_FORCE, SETPOINT),
    )


def _ao(index: int, name: str, action: Action, unit: str, scale: float, **more: Any) -> PointEntry:
    return PointEntry(
        type=PointType.ANALOG_OUTPUT, index=index, name=name, action=action, unit=unit, scale=scale, **more
    )


def _analog_outputs() -> tuple[PointEntry, ...]:
    agc: dict[str, Any] = {"enabled_by": AGC, "hold_from": _HOLD, "service_class": ServiceClass.REGULATION}
    return (
        _ao(0, SETPOINT, Action.SET_W, "MW", _MEGA, ramp_from=_RAMP, **agc),
        _ao(1, "regulation", Action.REGULATION, "MW", _MEGA, slot="regulation", **agc),
        _ao(2, "MVAR set-point", Action.SET_VAR, "MVAR", _MEGA, hold_from=_HOLD),
        _ao(3, "export limit", Action.EXPORT_LIMIT, "MW", _MEGA, minimum=0.0),
        _ao(4, "import limit", Action.IMPORT_LIMIT, "MW", _MEGA, minimum=0.0),
        _ao(5, _RAMP, Action.STORE, "MW/min", _MW_PER_MIN, minimum=0.0),
        _ao(6, "heartbeat", Action.STORE, "", 1.0),
        _ao(7, _HOLD, Action.STORE, "s", 1.0, minimum=0.0, maximum=86_400.0),
    )


def _bo(index: int, name: str, action: Action, **more: Any) -> PointEntry:
    return PointEntry(type=PointType.BINARY_OUTPUT, index=index, name=name, action=action, **more)


def _binary_outputs() -> tuple[PointEntry, ...]:
    pulses: dict[str, Any] = {
        "slot": "regulation",
        "enabled_by": AGC,
        "service_class": ServiceClass.REGULATION,
        "on_only": True,
    }
    return (
        _bo(0, AGC, Action.ENABLE, initial=1.0),
        _bo(1, "breaker", Action.CONNECT, idle=1.0),
        _bo(2, "raise", Action.RAISE, argument="100000", **pulses),
        _bo(3, "lower", Action.LOWER, argument="100000", **pulses),
        _bo(4, "release all", Action.RELEASE, on_only=True),
    )


def iso_gateway() -> tuple[PointEntry, ...]:
    """The whole set."""
    return (*_analog_inputs(), *_binary_inputs(), *_analog_outputs(), *_binary_outputs())
