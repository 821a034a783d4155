"""The shapes that go over the REST API: what may be asked (pydantic, checked) and what is answered (typed, described).

Owns names, units, ranges and descriptions; the OpenAPI document is made from these types. Powers in W, + delivered to
the grid; reactive power in var, + injected; times in seconds since 1970 UTC unless a field says ISO 8601.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from gridiface.domain.controls import ControlMode, ControlState, ServiceClass, TargetKind
from gridiface.domain.quantities import PercentBase
from gridiface.domain.telemetry import Quality

#: Text for people: no control characters, so that logs and terminals show it as it is.
_PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]*$"

Text = Annotated[str, Field(max_length=256, pattern=_PRINTABLE)]
Name = Annotated[str, Field(min_length=1, max_length=128, pattern=_PRINTABLE)]

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
    "price",
]

Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e12, le=1e12)]

Scope = Literal["read", "control", "admin"]


class Asked(BaseModel):
    """Base of all requests: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# --- bodies --------------------------------------------------------------------------------------------------------


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
    start: AwareDatetime | None = Field(
        default=None, description="ISO 8601 with zone, or seconds since 1970 UTC; none: now"
    )
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


class Reason(Asked):
    """Why something is done; kept in the audit log."""

    reason: Text = Field(default="", description="for people and the audit log")


class NewToken(Asked):
    """A token to be made."""

    name: Name = Field(description="who or what will use it; unique, shown in the audit log")
    scopes: list[Scope] = Field(
        min_length=1, max_length=3, description="read; control (includes read); admin (includes both)"
    )
    days: float = Field(default=90.0, gt=0, le=3650, allow_inf_nan=False, description="valid for so many days")


# --- query parameters ----------------------------------------------------------------------------------------------


class NoQuery(Asked):
    """No query parameters."""


class Page(Asked):
    """One page of a list."""

    limit: int = Field(default=100, ge=1, le=1000, description="most members in this answer")
    after: str = Field(
        default="", max_length=256, pattern=_PRINTABLE, description="`next` of the page before; empty: the first page"
    )


class DeviceQuery(Page):
    """Which devices."""

    limit: int = Field(default=10_000, ge=1, le=10_000, description="most members in this answer")
    group: str = Field(default="", max_length=128, description="only members of this group, through nested groups")
    driver: str = Field(default="", max_length=64, description="only devices of this driver")
    quality: Quality | Literal["none", ""] = Field(
        default="", description="only devices whose newest data have this quality; `none`: no data yet"
    )


class DeviceDetailQuery(Asked):
    """How much of a device's past."""

    readings_s: float = Field(default=120.0, ge=0, le=3600, allow_inf_nan=False, description="readings of so long, s")


class ControlQuery(Page):
    """Which controls."""

    state: ControlState | Literal[""] = Field(default="", description="only controls in this state")
    target: str = Field(default="", max_length=128, description="only controls of this device or group")
    defaults: bool = Field(default=False, description="true: default controls, too")


class DecisionQuery(Asked):
    """Which decisions."""

    limit: int = Field(default=100, ge=1, le=1000, description="most members in this answer, the newest")
    control: str = Field(default="", max_length=256, pattern=_PRINTABLE, description="only decisions on this control")


class AuditQuery(Asked):
    """How much of the audit log."""

    limit: int = Field(default=100, ge=1, le=1000, description="most entries in this answer, the newest")


# --- answers -------------------------------------------------------------------------------------------------------


class Problem(TypedDict, total=False):
    """RFC 9457 problem details; `detail` is the reason, `fix` what to do about it."""

    type: str
    title: str
    status: int
    detail: str
    fix: str
    errors: list[dict[str, str]]
    verdict: str
    control: str


class OutcomeRow(TypedDict):
    """One step in the life of a control; device null: the control as a whole."""

    control: str
    device: str | None
    step: str
    at: float
    reason: str


class GroupRow(TypedDict):
    """One group: asked, told, done. W, + delivered; null: nothing known or asked. soc 0 to 1."""

    id: str
    name: str
    parent: str | None
    devices: int
    requested_W: float | None
    allocated_W: float | None
    delivered_W: float | None
    soc: float | None


class ControlRow(TypedDict):
    """One control with the number of devices that took each step. end null: until it is cancelled."""

    id: str
    description: str
    source: str
    target: str
    values: dict[str, float]
    start: float
    end: float | None
    state: str
    over: bool
    responses: dict[str, int]


class StatusAnswer(TypedDict):
    """Everything the overview shows."""

    site: str
    now: float
    devices: dict[str, int]
    groups: list[GroupRow]
    controls: list[ControlRow]
    outcomes: list[OutcomeRow]
    counters: dict[str, int]


class DeliveryRow(TypedDict):
    """What became of the last set-point."""

    outcome: str
    at: float
    attempts: int
    detail: str
    controls: list[str]


class DeviceRow(TypedDict):
    """One device: what it was told last and what it does."""

    id: str
    name: str
    kind: str
    driver: str
    setpoint_W: float | None
    delivered_W: float | None
    soc: float | None
    quality: str | None
    state: str | None
    delivery: DeliveryRow | None
    blocked: bool


class DeviceList(TypedDict):
    """A page of devices by id. `total` counts all that match; `next` goes into `after`, null at the end."""

    devices: list[DeviceRow]
    total: int
    next: str | None


class DecisionRow(TypedDict):
    """One entry of the decision log: which signal, from whom, won or lost, and why."""

    at: float
    target: str
    target_kind: str
    signal: str
    source: str
    identity: str
    verdict: str
    reason: str
    control: str
    value: float | None


class ReadingRow(TypedDict):
    """One measured value; the quantity's name is its unit."""

    quantity: str
    phase: str
    value: float | None
    at: float
    quality: str


class BlockRow(TypedDict):
    """Who blocked a device, when and why."""

    by: str
    at: float
    reason: str


class DeviceFacts(TypedDict):
    """What a device is: ratings and settings in W, var, VA, Wh, W/s, magnitudes."""

    enabled: bool
    tier: int
    phases: str
    identities: dict[str, str]
    nameplate: dict[str, Any]
    settings: dict[str, Any]
    traits: dict[str, Any]


class DeviceDetail(DeviceRow, DeviceFacts):
    """All that is known of one device."""

    groups: list[str]
    snapshot: dict[str, Any] | None
    setpoint: dict[str, Any] | None
    block: BlockRow | None
    decisions: list[DecisionRow]
    deliveries: list[DeliveryRow]
    readings: list[ReadingRow]


class GroupList(TypedDict):
    """All groups, by id."""

    groups: list[GroupRow]


class GroupDetail(GroupRow):
    """One group with its members and limits. Caps in W >= 0, null: none."""

    members: list[str]
    member_devices: list[str]
    meter: str | None
    max_export_w: float | None
    max_import_w: float | None
    strategy: str
    snapshot: dict[str, Any] | None
    controls: list[ControlRow]


class ControlList(TypedDict):
    """A page of controls, the latest start first."""

    controls: list[ControlRow]
    total: int
    next: str | None


class DevicePart(TypedDict):
    """One device's part in a control: the time of each step it took, and the reason of the last."""

    device: str
    steps: dict[str, float]
    reason: str


class ControlDetail(ControlRow):
    """One control: who sent it, what each device did, why, and what came of it."""

    target_kind: str
    program: str
    identity: str
    authority: float
    created: float
    service_class: str
    ramp_s: float | None
    devices: list[DevicePart]
    steps: dict[str, float]
    decisions: list[DecisionRow]
    report: dict[str, Any]


class Overlap(TypedDict):
    """A live control that concerns some of the same devices at the same time."""

    id: str
    source: str
    target: str
    authority: float
    higher: bool


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


class DecisionList(TypedDict):
    """The newest decisions, newest first."""

    decisions: list[DecisionRow]


class TokenRow(TypedDict):
    """One token; its secret cannot be shown again."""

    id: str
    name: str
    scopes: list[str]
    created: float
    expires: float
    expired: bool
    by: str


class TokenList(TypedDict):
    """All tokens, by name."""

    tokens: list[TokenRow]


class TokenMade(TokenRow):
    """A new token; `token` is shown this once."""

    token: str


class AuditRow(TypedDict):
    """One change: who did what to whom, before and after."""

    at: float
    who: str
    what: str
    subject: str
    before: Any
    after: Any
    reason: str


class AuditList(TypedDict):
    """The newest changes, newest first."""

    entries: list[AuditRow]


class ReportAnswer(TypedDict):
    """Requested, accepted, allocated, acknowledged and delivered power of one control."""

    control: str
    responses: dict[str, int]
    targets: list[dict[str, Any]]
