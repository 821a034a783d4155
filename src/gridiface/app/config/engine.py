"""What the configuration may say of the engine: its tuning, the local schedule.

Owns names, types, ranges and defaults. Powers in W, + delivered to the grid; local times are "HH:MM" in
`engine.timezone`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from gridiface.aggregation.config import EngineConfig
from gridiface.domain.controls import ControlMode, ModeValue, Target, TargetKind
from gridiface.domain.definitions import Block, Day, LocalTime, days_of, seconds_of
from gridiface.domain.local_time import DailyWindow
from gridiface.domain.schedule import LocalSchedule
from gridiface.wording import worded


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError) as problem:
        raise ValueError("use a name of the time-zone database, for example Europe/Berlin") from problem
    return name


Zone = Annotated[str, AfterValidator(_zone)]


class ScheduleEntry(Block):
    """One line of the local schedule: what holds each day in a window while nobody else says anything of its kind."""

    id: str = Field(
        pattern=worded(
            r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", "1 to 64 letters, digits and . _ -, a letter or digit first"
        ),
        description="unique among schedules",
    )
    group: str | None = Field(default=None, description="the group it speaks of; or give `device`")
    device: str | None = Field(default=None, description="the device it speaks of")
    start: LocalTime = Field(description='local time, "HH:MM"')
    end: LocalTime = Field(description='local time, "HH:MM"; not after `start`: on the next day')
    days: tuple[Day, ...] = Field(default=(), description="weekdays on which it begins; none named: every day")
    set_w: float | None = Field(default=None, allow_inf_nan=False, description="total power, W")
    max_export_w: float | None = Field(default=None, ge=0, description="limit of what is delivered, W")
    max_import_w: float | None = Field(default=None, ge=0, description="limit of what is taken, W")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.group is None) == (self.device is None):
            raise ValueError("a schedule needs exactly one of `group` and `device`")
        if not self._values():
            raise ValueError("a schedule needs one of `set_w`, `max_export_w` and `max_import_w`")
        return self

    def _values(self) -> Mapping[ControlMode, ModeValue]:
        named = {
            ControlMode.SET_W: self.set_w,
            ControlMode.EXPORT_LIMIT: self.max_export_w,
            ControlMode.IMPORT_LIMIT: self.max_import_w,
        }
        return {mode: ModeValue(value) for mode, value in named.items() if value is not None}

    def rule(self) -> LocalSchedule:
        """As the domain has it."""
        kind = TargetKind.DEVICE if self.group is None else TargetKind.GROUP
        window = DailyWindow(start_s=seconds_of(self.start), end_s=seconds_of(self.end), days=days_of(self.days))
        target = Target(kind, self.group or self.device or "")
        return LocalSchedule(id=self.id, target=target, window=window, values=self._values())


class EngineBlock(Block):
    """How the engine decides."""

    period_s: float = Field(default=1.0, gt=0, le=60, description="period of the control loop, s")
    timezone: Zone = Field(default="UTC", description="zone of departures, daily caps and schedules")
    strategy: str = Field(default="water-filling", description="how a request is split where a group names nothing")
    deadband_w: float = Field(default=10.0, ge=0, description="smaller changes of a set-point are not sent, W")
    deadband_rel: float = Field(default=0.002, ge=0, le=0.5, description="the same, as a fraction of the rating")
    total_tolerance: float = Field(
        default=0.0005, ge=0, le=0.1, description="how far a total may be off for a quiet wire, fraction of it"
    )
    resplit_s: float = Field(default=300.0, gt=0, description="an unchanged target is split anew after so long, s")
    plan_ahead_s: float = Field(
        default=86_400.0,
        ge=0,
        le=604_800,
        description="so far ahead devices that can hold set-points with a start are told, s; 0: not at all",
    )
    stale_after_s: float = Field(
        default=2.5,
        gt=0,
        description="telemetry older than this, and than twice the device's own period, counts as stale, s",
    )
    lost_after_s: float = Field(
        default=4.0,
        gt=0,
        description="a device silent for this long, and for three times its own period, counts as lost, s",
    )
    return_after_s: float = Field(
        default=10.0, gt=0, description="a device that failed is asked again after so long; doubled each relapse, s"
    )
    return_after_max_s: float = Field(default=300.0, gt=0, description="the longest such wait, s")
    restore_grace_s: float = Field(
        default=3.0, ge=0, le=300, description="after a restart set-points wait so long for telemetry, s"
    )
    hold_time_s: float = Field(default=300.0, gt=0, description="how long stored energy must carry a set-point, s")
    soc_residual: float = Field(
        default=0.05, gt=0, le=1, description="a reported state of charge so far off its own power is in doubt, 0..1"
    )
    soc_derate: float = Field(default=0.5, ge=0, le=1, description="factor on the power of devices in doubt")
    departure_margin: float = Field(
        default=0.05, ge=0, le=1, description="charging towards a departure begins so much earlier, fraction"
    )
    trim_gain: float = Field(
        default=0.3, ge=0, le=2, description="integral gain of the loop on the measured total, 1/s"
    )
    trim_limit: float = Field(default=0.2, ge=0, le=1, description="most that loop adds, fraction of the rating")
    meter_filter_s: float = Field(default=10.0, ge=0, description="smoothing of what a meter sees beside members, s")
    lookahead_s: float = Field(default=5.0, gt=0, le=60, description="what is simulated before a command leaves, s")
    response_s: float = Field(default=0.4, ge=0, le=60, description="time constant of devices in that simulation, s")
    phase_spread: float | None = Field(
        default=0.2, gt=0, description="largest spread of power over the phases; none: not balanced"
    )
    fast_ramp_per_s: float = Field(
        default=0.3,
        gt=0,
        description="ramp of a total in fast frequency response, and back, fraction of its rating per second",
    )
    shortfall_rel: float = Field(default=0.01, ge=0, le=1, description="a larger gap is a shortfall, fraction")
    performance_interval_s: float = Field(default=5.0, gt=0, le=3600, description="length of a performance interval, s")
    open_validity_s: float = Field(
        default=300.0, gt=0, description="set-points of open-ended controls are valid so long, renewed at half time, s"
    )
    clock_jump_s: float = Field(default=60.0, gt=0, description="a larger step of the clock is taken as set, s")
    follow_after_s: float = Field(
        default=60.0,
        ge=0,
        description="a device that acknowledges and does not follow so long is left out, s; 0: never",
    )
    follow_rel: float = Field(default=0.2, gt=0, le=1, description="how far off that is, fraction of its rating")
    quarantine_after_s: float = Field(
        default=10.0, ge=0, description="telemetry that is impossible for so long is quarantined, s"
    )
    quarantine_release: Literal["operator", "auto"] = Field(
        default="operator", description="who ends a quarantine; auto: plausible telemetry for ten times that time"
    )
    meter_check_rel: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="a step that a group's meter does not see quarantines its device, from this part of its rating on; "
        "0: neither this nor whether the meter sees its members is checked",
    )
    soc_audit_s: float = Field(
        default=60.0, ge=0, description="simulated against reported state of charge is recorded so often, s; 0: never"
    )
    keep_finished: int = Field(default=1000, ge=1, description="finished controls that stay in memory")

    def settings(self) -> EngineConfig:
        """As the engine takes it."""
        return EngineConfig(**self.model_dump(exclude={"period_s"}))
