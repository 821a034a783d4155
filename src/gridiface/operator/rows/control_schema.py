"""What a control that is sent here may say, and what it is answered with. Signs and units are the domain's own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BeforeValidator, Field, WithJsonSchema
from typing_extensions import TypedDict

from gridiface.domain.controls import ControlMode, ServiceClass, TargetKind
from gridiface.domain.quantities import PercentBase
from gridiface.operator.rows.rows import Overlap
from gridiface.operator.schema import Asked, Name, Number, Text

#: Year 1 to 9999, s since 1970.
_FIRST_S, _LAST_S = -62_135_596_800, 253_402_300_799


def _moment(given: object) -> object:
    """Text and seconds as their moment, all else as it is; pydantic itself takes large numbers for milliseconds."""
    if isinstance(given, str):
        return datetime.fromisoformat(given)
    if isinstance(given, bool) or not isinstance(given, int | float):
        return given
    if not _FIRST_S <= given <= _LAST_S:
        raise ValueError("seconds since 1970 within the years 1 to 9999 are wanted")
    return datetime.fromtimestamp(given, UTC)


_OR_SECONDS = {
    "anyOf": [{"type": "string", "format": "date-time"}, {"type": "number", "minimum": _FIRST_S, "maximum": _LAST_S}]
}
Start = Annotated[AwareDatetime, BeforeValidator(_moment), WithJsonSchema(_OR_SECONDS)]

#: What each mode's number means; modes with a payload of their protocol (curves, droop, text) cannot be asked here.
MODE_UNITS: dict[ControlMode, str] = {
    ControlMode.CONNECT: "1 = galvanically connected, 0 = not",
    ControlMode.ENERGIZE: "1 = may give or take power, 0 = gives and takes nothing",
    ControlMode.SET_W: "W of the target's total, + delivered to the grid, - taken from it",
    ControlMode.SET_W_PERCENT: "%, + of the discharge or generation rating, - of the charge rating; see percent_base",
    ControlMode.DELTA_W: "W, change against the total at the control's start, + = more delivered",
    ControlMode.LOAD_LEVEL: "-1 to 1, part of what can be shed (+) or taken on (-)",
    ControlMode.MAX_W_PERCENT: "%, 0 to 100, ceiling of generation, of setMaxW",
    ControlMode.EXPORT_LIMIT: "W >= 0, most that may be delivered at the connection point",
    ControlMode.IMPORT_LIMIT: "W >= 0, most that may be taken at the connection point",
    ControlMode.GENERATION_LIMIT: "W >= 0, most that may be generated",
    ControlMode.LOAD_LIMIT: "W >= 0, most that loads may take",
    ControlMode.ENERGY_TARGET: "Wh over the control's duration, + = discharged",
    ControlMode.REGULATION: "W, signed change around the set-point that rules, + = more delivered",
    ControlMode.SET_VAR: "var, + injected (over-excited)",
    ControlMode.SET_VAR_PERCENT: "%, + injected; see percent_base",
    ControlMode.POWER_FACTOR_INJECT: "-1 to 1 while delivering, + over-excited",
    ControlMode.POWER_FACTOR_ABSORB: "-1 to 1 while taking, + over-excited",
    ControlMode.ENTER_V_HIGH: "% of nominal voltage, at most this before a device returns to service",
    ControlMode.ENTER_V_LOW: "% of nominal voltage, at least this before it returns",
    ControlMode.ENTER_HZ_HIGH: "Hz, at most this before it returns",
    ControlMode.ENTER_HZ_LOW: "Hz, at least this before it returns",
    ControlMode.ENTER_DELAY: "s for which voltage and frequency must have been inside before it returns",
    ControlMode.ENTER_RANDOM_DELAY: "s, most that chance adds to that",
    ControlMode.ENTER_RAMP: "s from nothing to full power after it has returned",
    ControlMode.PRICE: "currency per kWh; published, not acted on",
}

OfferedMode = Literal[
    "connect",
    "energize",
    "set_w",
    "set_w_percent",
    "delta_w",
    "load_level",
    "max_w_percent",
    "export_limit",
    "import_limit",
    "generation_limit",
    "load_limit",
    "energy_target",
    "regulation",
    "set_var",
    "set_var_percent",
    "power_factor_inject",
    "power_factor_absorb",
    "enter_v_high",
    "enter_v_low",
    "enter_hz_high",
    "enter_hz_low",
    "enter_delay_s",
    "enter_random_s",
    "enter_ramp_s",
    "price",
]


class TargetRef(Asked):
    """Whom a control concerns: one device, or the total of a group."""

    kind: TargetKind = Field(description="device or group")
    id: Name = Field(description="id of the device or group")


class NewControl(Asked):
    """A control to be sent, or to be judged with `preview`."""

    target: TargetRef
    values: dict[OfferedMode, Number] = Field(
        min_length=1,
        max_length=8,
        description="what is asked, by mode: " + "; ".join(f"{m.value}: {unit}" for m, unit in MODE_UNITS.items()),
    )
    percent_base: PercentBase | None = Field(
        default=None, description="the 100 % of set_w_percent and set_var_percent; none: the mode's own"
    )
    start: Start | None = Field(default=None, description="ISO 8601 with zone, or seconds since 1970 UTC; none: now")
    duration_s: Annotated[float, Field(gt=0, le=31_622_400, allow_inf_nan=False)] | None = Field(
        default=None, description="how long it lasts, s; none: until it is cancelled"
    )
    priority: int = Field(
        default=50, ge=0, le=100, description="0 to 100 (wins), within operator.authority_min to authority_max"
    )
    service_class: ServiceClass = Field(default=ServiceClass.DISPATCH, description="how fast it must be carried out")
    ramp_s: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] | None = Field(
        default=None, description="time to reach the value, s; none: the target's own ramp"
    )
    randomize_start_s: float = Field(
        default=0.0, ge=-3600, le=3600, allow_inf_nan=False, description="random shift of the start, s"
    )
    randomize_duration_s: float = Field(
        default=0.0, ge=-3600, le=3600, allow_inf_nan=False, description="random change of the duration, s"
    )
    description: Text = Field(default="", description="for people")
    preview: bool = Field(default=False, description="true: answer what would happen, change nothing")


class ControlAnswer(TypedDict):
    """What became of a POST. `feasible_W`: what can be delivered, where a power was asked; null: not asked."""

    control: str
    preview: bool
    verdict: str
    will_run: bool
    reason: str
    feasible_W: float | None
    left_out: list[str]
    start: float
    end: float | None
    authority: float
    overlaps: list[Overlap]
