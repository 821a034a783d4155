"""What can be set on the engine. Plain values; reading YAML is the app's work."""

from __future__ import annotations

from dataclasses import dataclass

from gridiface.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """Settings of the engine. Powers in W, times in seconds, shares as fractions.

    Quiet wire: a device's set-point is sent when it moved by more than the larger of `deadband_w` and
    `deadband_rel` x its rating; a group's total may stand off its target by `total_tolerance` of it for that.
    `resplit_s`: after so long an unchanged target is split anew.
    `plan_ahead_s`: so far ahead devices that can hold a schedule are told; 0: not at all.

    Telemetry: stale after the larger of `stale_after_s` and twice the device's own period, lost after the larger
    of `lost_after_s` and three times it. A lost or failed device returns after `return_after_s`, doubled for each
    relapse up to `return_after_max_s`.

    Envelope: power is limited so that it can be held for `hold_time_s`. `soc_derate` scales the power of a device
    whose reported state of charge left its own history by more than `soc_residual`.

    Closed loop: with `trim_gain` (1/s) what the group's measured power lacks is added to its target, up to
    `trim_limit` of its rating; 0 switches it off.

    Look-ahead: `lookahead_s` is simulated before anything leaves, with `response_s` as every device's time constant.

    `open_validity_s`: validity of a set-point under an open-ended control; renewed at half time.
    `strategy` splits where a group names none; `strategies` overrides by group id (switchable while running).
    `fast_ramp_per_s`: of the sum of a group's ratings per second, cap on its total under fast frequency response.

    `timezone`: of departures, daily caps and local schedules. `departure_margin`: charging towards a departure begins
    so much earlier than it must, as a fraction of the time it needs.

    Trust: a device that acknowledges and stays off by `follow_rel` of its rating for `follow_after_s` is taken as
    failing (0: never). Power beyond physics for `quarantine_after_s`, or a step of at least `meter_check_rel` of its
    rating that its group's meter does not see, quarantines a device until `quarantine_release`: "operator", or "auto"
    after ten times `quarantine_after_s` of plausible telemetry. `soc_audit_s`: how often simulated against reported
    state of charge is recorded; 0: never.
    """

    deadband_w: float = 10.0
    deadband_rel: float = 0.002
    total_tolerance: float = 0.0005
    resplit_s: float = 300.0
    stale_after_s: float = 2.5
    lost_after_s: float = 4.0
    return_after_s: float = 10.0
    return_after_max_s: float = 300.0
    restore_grace_s: float = 3.0
    hold_time_s: float = 300.0
    soc_residual: float = 0.05
    soc_derate: float = 0.5
    trim_gain: float = 0.15
    trim_limit: float = 0.2
    meter_filter_s: float = 10.0
    lookahead_s: float = 5.0
    response_s: float = 0.4
    phase_spread: float | None = 0.2
    performance_interval_s: float = 10.0
    open_validity_s: float = 300.0
    clock_jump_s: float = 60.0
    fast_ramp_per_s: float = 0.3
    shortfall_rel: float = 0.01
    strategy: str = "water-filling"
    strategies: tuple[tuple[str, str], ...] = ()
    keep_finished: int = 1000
    timezone: str = "UTC"
    departure_margin: float = 0.05
    follow_after_s: float = 60.0
    follow_rel: float = 0.2
    quarantine_after_s: float = 10.0
    quarantine_release: str = "operator"
    meter_check_rel: float = 0.1
    soc_audit_s: float = 60.0
    plan_ahead_s: float = 86_400.0

    def __post_init__(self) -> None:
        for name in ("hold_time_s", "performance_interval_s", "open_validity_s", "return_after_s", "lookahead_s"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"engine: {name} must be above 0, not {getattr(self, name)}")
        for name in ("deadband_w", "deadband_rel", "total_tolerance", "trim_gain", "trim_limit", "stale_after_s"):
            if getattr(self, name) < 0:
                raise ConfigError(f"engine: {name} must not be below 0, not {getattr(self, name)}")
        if self.lost_after_s < self.stale_after_s:
            raise ConfigError("engine: lost_after_s must not be below stale_after_s")
