"""Devices, groups, their ratings and settings, and who may act for them. Pure values, no state.

Signs as in quantities: charging is negative power, but ratings (max_charge_w, max_var_neg) are magnitudes >= 0.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gridiface.domain.clock import Interval
from gridiface.domain.local_time import DailyTime
from gridiface.domain.quantities import Phase


class DeviceKind(StrEnum):
    """What a device is, as far as the engine must treat it differently."""

    BATTERY = "battery"
    PV = "pv"
    PV_BATTERY = "pv_battery"
    EV = "ev"
    EVSE = "evse"
    GENERATOR = "generator"
    LOAD = "load"
    METER = "meter"
    MODE_BATTERY = "mode_battery"  # offers modes and reserve only, no watt set-point
    OTHER = "other"


#: What delivers beside, or without, a storage.
GENERATING = frozenset({DeviceKind.PV, DeviceKind.PV_BATTERY, DeviceKind.GENERATOR})


class Capability(StrEnum):
    """A control that a device can carry out."""

    SET_W = "set_w"
    LIMIT_W = "limit_w"
    SET_VAR = "set_var"
    POWER_FACTOR = "power_factor"
    CONNECT = "connect"
    ENERGIZE = "energize"
    CURVES = "curves"  # every curve: of a device that does not tell which
    VOLT_VAR = "volt_var"
    VOLT_WATT = "volt_watt"
    WATT_VAR = "watt_var"
    WATT_PF = "watt_pf"
    FREQ_WATT = "freq_watt"
    LOW_VOLTAGE_TRIP = "low_voltage_trip"  # must trip; where it may, and where it ceases for a moment, by themselves
    LOW_VOLTAGE_MAY_TRIP = "low_voltage_may_trip"
    LOW_VOLTAGE_CESSATION = "low_voltage_cessation"
    HIGH_VOLTAGE_TRIP = "high_voltage_trip"
    HIGH_VOLTAGE_MAY_TRIP = "high_voltage_may_trip"
    HIGH_VOLTAGE_CESSATION = "high_voltage_cessation"
    LOW_FREQUENCY_TRIP = "low_frequency_trip"
    LOW_FREQUENCY_MAY_TRIP = "low_frequency_may_trip"
    LOW_FREQUENCY_CESSATION = "low_frequency_cessation"
    HIGH_FREQUENCY_TRIP = "high_frequency_trip"
    HIGH_FREQUENCY_MAY_TRIP = "high_frequency_may_trip"
    HIGH_FREQUENCY_CESSATION = "high_frequency_cessation"
    FREQUENCY_DROOP = "frequency_droop"
    FREQUENCY_DROOP_LEAST = "frequency_droop_least"  # told how far it may go down by droop
    FREQUENCY_DROOP_MOST = "frequency_droop_most"  # told how far it may go up by droop
    ENTER_SERVICE = "enter_service"
    SCHEDULE = "schedule"


#: Limits of voltage and frequency over time at which a device trips, may trip, or ceases to energise for a moment.
TRIP_CAPABILITIES = frozenset(
    {
        Capability.LOW_VOLTAGE_TRIP,
        Capability.LOW_VOLTAGE_MAY_TRIP,
        Capability.LOW_VOLTAGE_CESSATION,
        Capability.HIGH_VOLTAGE_TRIP,
        Capability.HIGH_VOLTAGE_MAY_TRIP,
        Capability.HIGH_VOLTAGE_CESSATION,
        Capability.LOW_FREQUENCY_TRIP,
        Capability.LOW_FREQUENCY_MAY_TRIP,
        Capability.LOW_FREQUENCY_CESSATION,
        Capability.HIGH_FREQUENCY_TRIP,
        Capability.HIGH_FREQUENCY_MAY_TRIP,
        Capability.HIGH_FREQUENCY_CESSATION,
    }
)

#: What `Capability.CURVES` stands for.
CURVE_CAPABILITIES = TRIP_CAPABILITIES | {
    Capability.VOLT_VAR,
    Capability.VOLT_WATT,
    Capability.WATT_VAR,
    Capability.WATT_PF,
    Capability.FREQ_WATT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Nameplate:
    """What a device is built for (IEEE 2030.5 DERCapability, SunSpec 702). Magnitudes in W, var, VA, Wh, V, A, S.

    `max_charge_w` 0 means: cannot take power on purpose. None means: not stated. `over_excited_w` is the active power
    that is still there at the power factor `over_excited_pf` (0..1), `over_excited_charge_w` what can be taken then;
    and so under-excited. Performance categories of IEEE 1547: `normal_category` 1 is A, 2 is B; `abnormal_category` 1
    to 3 are I to III. `alarms` are those, by name, that the device is known to tell when they are raised; others may be
    told all the same.
    """

    max_w: float
    max_charge_w: float = 0.0
    max_discharge_w: float | None = None
    max_va: float | None = None
    max_var: float | None = None
    max_var_neg: float | None = None
    energy_wh: float | None = None
    nominal_v: float | None = None
    min_v: float | None = None
    max_v: float | None = None
    max_a: float | None = None
    max_charge_va: float | None = None
    over_excited_w: float | None = None
    over_excited_pf: float | None = None
    over_excited_charge_w: float | None = None
    under_excited_w: float | None = None
    under_excited_pf: float | None = None
    under_excited_charge_w: float | None = None
    susceptance_s: float | None = None
    normal_category: int | None = None
    abnormal_category: int | None = None
    capabilities: frozenset[Capability] = frozenset()
    alarms: frozenset[str] = frozenset()
    manufacturer: str = ""
    model: str = ""
    serial: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a device is set to, never above its nameplate (IEEE 2030.5 DERSettings). None: as the nameplate.

    `enter_*`: when it may return to service (IEEE 1547-2018, 4.10; SunSpec 703): voltage window in percent of nominal,
    frequency window in Hz, delay, random part of it and ramp in s. None: not told.
    """

    max_w: float | None = None
    max_charge_w: float | None = None
    max_discharge_w: float | None = None
    max_va: float | None = None
    max_charge_va: float | None = None
    max_var: float | None = None
    max_var_neg: float | None = None
    min_v: float | None = None
    max_v: float | None = None
    ramp_w_per_s: float | None = None
    soc_min: float = 0.0
    soc_max: float = 1.0
    enter_v_high: float | None = None
    enter_v_low: float | None = None
    enter_hz_high: float | None = None
    enter_hz_low: float | None = None
    enter_delay_s: float | None = None
    enter_random_s: float | None = None
    enter_ramp_s: float | None = None
    updated: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverTraits:
    """How precisely and how often a device can be commanded; part of its contract.

    `answers_itself`: the device tells by its own protocol's messages what it received, started and completed
    (a 2030.5 inverter, a VEN); for the others the engine derives that from what the dispatcher achieved.
    `polls`: nobody tells it that there is something new: it fetches what it is told in its own time.
    `report_period_s`: how often it was asked to tell its state, or is read; None: its own pace is found out.
    `plan_slots`: so many set-points with a start it can hold ahead of their time; 0: none. `least_power_w`: what it
    does at least unless it does nothing, W.
    """

    min_period_s: float = 0.0
    latency_s: float = 0.0
    power_step_w: float = 0.0
    least_power_w: float = 0.0
    revert_timer_s: float | None = None
    sessions: int = 1
    writes_wear_flash: bool = False
    answers_itself: bool = False
    polls: bool = False
    report_period_s: float | None = None
    plan_slots: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """A vehicle must hold `soc` (0..1) each time the local clock shows `time`."""

    time: DailyTime
    soc: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """What an owner or a data sheet allows beside ratings and settings. None and empty: nothing.

    `charge_w_by_soc`: (state of charge 0..1, most it takes in W) by rising state of charge, straight lines between.
    `daily_wh`: most energy through the storage (in and out together) per local day; `daily_cycles`: the same as full
    cycles of its energy, one cycle = energy in and out once. `min_w`: least power while it runs, W. `min_run_s`,
    `min_stop_s`: how long it stays on once on, and off once off. `modes_w`: the only powers it knows (a mode device),
    W, + delivered. `departure`: a floor on charging.
    """

    charge_w_by_soc: tuple[tuple[float, float], ...] = ()
    daily_wh: float | None = None
    daily_cycles: float | None = None
    min_w: float = 0.0
    min_run_s: float = 0.0
    min_stop_s: float = 0.0
    modes_w: tuple[float, ...] = ()
    departure: Departure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One member of the fleet.

    `identities` holds the names other systems know it by, each under its own kind ("lfdi", "ven_id", "address");
    the domain compares them and does not read them. `tier` 1 is asked first; tier 2 takes a shortfall.
    `shares`: see `Group`. `away`: when it will take no part, as far as that is told ahead, by start.
    """

    id: str
    nameplate: Nameplate
    kind: DeviceKind = DeviceKind.BATTERY
    name: str = ""
    settings: Settings = field(default_factory=Settings)
    traits: DriverTraits = field(default_factory=DriverTraits)
    phases: Phase = Phase.ALL
    tier: int = 1
    driver: str = ""
    identities: Mapping[str, str] = field(default_factory=dict)
    enabled: bool = True
    constraints: Constraints = field(default_factory=Constraints)
    shares: Mapping[str, float] = field(default_factory=dict)
    away: tuple[Interval, ...] = ()

    @property
    def max_export_w(self) -> float:
        """The most it may deliver: the least of rating and settings, W >= 0.

        Beside generation a rate of discharge is that of the storage alone (IEEE 2030.5, DERCapability of type 83).
        """
        n, s = self.nameplate, self.settings
        rates = [n.max_w, s.max_w]
        if self.kind not in GENERATING:
            rates += [n.max_discharge_w, s.max_discharge_w]
        return max(0.0, min(rate for rate in rates if rate is not None))

    @property
    def max_import_w(self) -> float:
        """The most it may take, W >= 0 (a magnitude)."""
        known = [v for v in (self.nameplate.max_charge_w, self.settings.max_charge_w) if v is not None]
        return max(0.0, min(known))


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A set of devices offered as one, possibly inside another group (a laminar tree: feeder, circuit, site).

    `max_export_w` and `max_import_w` are caps on the total at its metered point, W >= 0, None = none.
    `meter` names the device that measures the total; without one the total is the sum of its members.
    `shares`: program -> part 0..1 of the power that is reserved to it: such programs do not displace each other, each
    rules its part. `strategy` empty: as configured for the engine.
    """

    id: str
    members: tuple[str, ...]
    name: str = ""
    parent: str | None = None
    meter: str | None = None
    max_export_w: float | None = None
    max_import_w: float | None = None
    strategy: str = "water-filling"
    shares: Mapping[str, float] = field(default_factory=dict)


def reserved_key(protocol: str, program: str, shares: Container[str]) -> str:
    """The key among `shares` of the part that is reserved to a program: "protocol:program", program, or protocol.

    Empty: there is none.
    """
    keys = (f"{protocol}:{program}", program, protocol)
    return next((key for key in keys if key and key in shares), "")


class Role(StrEnum):
    """What an identity may do, narrowed once when it connects."""

    UNREGISTERED = "unregistered"
    DEVICE = "device"
    AGGREGATOR = "aggregator"
    UTILITY = "utility"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is asking: an authenticated identity, its role and the devices it may speak for."""

    identity: str
    role: Role
    device_id: str | None = None
    manages: frozenset[str] = frozenset()

    def speaks_for(self, device_id: str) -> bool:
        """Whether this principal is that device or manages it."""
        return device_id == self.device_id or device_id in self.manages
