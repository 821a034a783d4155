"""The point map: which index means what, in which unit, with which sign, class, variation and dead-band.

Owns the names of what an input can show (`Measure`) and of what an output can ask (`Action`), and one entry per
point. Numbers are turned by `PointEntry.to_wire` and `to_si`; where they come from and what they do is translate.py's
and handlers.py's. Ready-made maps are in profiles/.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from gridiface.domain.controls import ServiceClass, Target
from gridiface.domain.curves import CurveKind
from gridiface.errors import ConfigError, LocalProtocolError
from gridiface.protocols.dnp3.objects import Flags
from gridiface.protocols.dnp3.points import EventMode, PointConfig, PointType

Key = tuple[PointType, int]

INPUTS = frozenset({PointType.ANALOG_INPUT, PointType.BINARY_INPUT, PointType.COUNTER})
OUTPUTS = frozenset({PointType.ANALOG_OUTPUT, PointType.BINARY_OUTPUT})
BINARIES = frozenset({PointType.BINARY_INPUT, PointType.BINARY_OUTPUT})


class Measure(StrEnum):
    """What an input shows. SI units and the sign rule of domain.quantities; states are 0 or 1."""

    W = "w"
    VAR = "var"
    VA = "va"
    POWER_FACTOR = "power_factor"  # |W| / VA, -1..1 with the sign of the power
    HZ = "hz"
    VOLTS = "volts"  # mean of the phases to neutral that are known
    VOLTS_A = "volts_a"
    VOLTS_B = "volts_b"
    VOLTS_C = "volts_c"
    VOLTS_LL = "volts_ll"  # mean of line to line; from the phases where only those are known
    W_A = "w_a"  # of one phase, where the group's meter or the device tells it
    W_B = "w_b"
    W_C = "w_c"
    VAR_A = "var_a"
    VAR_B = "var_b"
    VAR_C = "var_c"
    AMPS_A = "amps_a"
    AMPS_B = "amps_b"
    AMPS_C = "amps_c"
    SOC = "soc"  # 0..1
    AVAILABLE_WH = "available_wh"
    AVAILABLE_UP_W = "available_up_w"  # how far the power can rise
    AVAILABLE_DOWN_W = "available_down_w"  # how far it can fall, >= 0
    HIGHEST_W = "highest_w"  # power now + available up
    LOWEST_W = "lowest_w"  # power now - available down
    CHARGE_W = "charge_w"  # the most that can be taken now, as power: <= 0
    AVAILABLE_VAR = "available_var"  # reactive power that can be injected now, by ratings and active power
    AVAILABLE_VAR_NEG = "available_var_neg"  # absorbed, >= 0
    RATED_W = "rated_w"
    RATED_CHARGE_W = "rated_charge_w"
    RATED_DISCHARGE_W = "rated_discharge_w"
    RATED_VA = "rated_va"
    RATED_VAR = "rated_var"
    RATED_VAR_NEG = "rated_var_neg"
    RATED_WH = "rated_wh"
    USABLE_WH = "usable_wh"  # between the lowest and the highest state of charge that is used
    RATED_V = "rated_v"
    SET_MAX_W = "set_max_w"  # settings, never above the rating
    SET_MAX_CHARGE_W = "set_max_charge_w"  # >= 0
    SET_MAX_VA = "set_max_va"
    SET_MAX_VAR = "set_max_var"
    SET_MAX_VAR_NEG = "set_max_var_neg"
    RAMP_W_PER_S = "ramp_w_per_s"
    RAMP_PERCENT_PER_S = "ramp_percent_per_s"  # % of rated W per second
    CHARGE_RAMP_PERCENT_PER_S = "charge_ramp_percent_per_s"  # % of rated charge W per second
    SOC_MIN = "soc_min"
    SOC_MAX = "soc_max"
    MEMBERS = "members"
    BATTERIES = "batteries"
    METERS = "meters"
    INVERTERS = "inverters"  # members that are not meters
    SOC_FULL = "soc_full"  # the state of charge is at its highest allowed value, or above
    SOC_EMPTY = "soc_empty"  # at its lowest, or below
    ENERGY_OUT = "energy_out"  # Wh delivered since the counter began; counted from the power, kept over restarts
    ENERGY_IN = "energy_in"  # Wh taken
    REACTIVE_OUT = "reactive_out"  # varh injected
    REACTIVE_IN = "reactive_in"  # varh absorbed
    CONNECTED = "connected"
    GENERATING = "generating"  # power is delivered
    CHARGING = "charging"  # power is taken
    IDLE = "idle"  # connected, and neither
    STOPPING = "stopping"
    RUNNING = "running"
    OFF_AVAILABLE = "off_available"
    OFF_UNAVAILABLE = "off_unavailable"
    LOCAL_CONTROL = "local_control"
    TELEMETRY_OK = "telemetry_ok"
    COMM_LOST = "comm_lost"
    ALARM = "alarm"
    ALARMED = "alarmed"  # one of the alarms named in `argument`, with blanks between, is raised
    SUPPORTS = "supports"  # of the capability named by `argument`
    HEARTBEAT = "heartbeat"  # a state toggles, an analog or counter counts, at each refresh
    READ_BACK = "read_back"  # the value in force of the output named by `argument`
    IN_FORCE = "in_force"  # whether the output named by `argument` has a control that runs
    CONSTANT = "constant"  # the number in `argument`
    CURVE_IN_USE = "curve_in_use"  # whether the curve that the edit window shows is used by a mode that is enabled
    ABOVE = "above"  # `argument` is "MEASURE OUTPUT": the measure is above the threshold that the output holds
    BELOW = "below"  # the same, below it; 0 is no threshold
    SCHEDULE_STATE = "schedule_state"  # `argument` is "WINDOW/WORD", see station_records.py
    UNKNOWN = "unknown"  # the domain does not know it: never online


class Action(StrEnum):
    """What a command to an output asks. Units as in domain.controls; states: 1 = the word, 0 = its opposite."""

    SET_W = "set_w"
    SET_W_PERCENT = "set_w_percent"
    DELTA_W = "delta_w"
    MAX_W_PERCENT = "max_w_percent"
    EXPORT_LIMIT = "export_limit"
    IMPORT_LIMIT = "import_limit"
    GENERATION_LIMIT = "generation_limit"
    LOAD_LIMIT = "load_limit"
    REGULATION = "regulation"  # W, + = more delivered
    SET_VAR = "set_var"
    SET_VAR_PERCENT = "set_var_percent"
    POWER_FACTOR_INJECT = "power_factor_inject"
    POWER_FACTOR_ABSORB = "power_factor_absorb"
    CONNECT = "connect"
    ENERGIZE = "energize"
    RAISE = "raise"  # each pulse adds `argument` W to the regulation of the output's slot
    LOWER = "lower"  # each pulse takes `argument` W from it
    ENABLE = "enable"  # outputs whose `enabled_by` names it act only while it is on
    RELEASE = "release"  # ends every control that this master has in force here
    CURVE = "curve"  # the number of a curve of the edit window; `argument` is its kind
    DROOP = "droop"  # the frequency's distance from nominal, Hz, above which power falls; the rest by `parameters_from`
    EDIT = "edit"  # a field of an edit window, `argument` is "WINDOW/FIELD"
    STORE = "store"  # kept, read back, used by outputs that name it
    NONE = "none"  # exists, but nothing can be done with it: NOT_SUPPORTED


_NEED_ARGUMENT = frozenset(
    {
        Measure.SUPPORTS,
        Measure.ALARMED,
        Measure.READ_BACK,
        Measure.IN_FORCE,
        Measure.ABOVE,
        Measure.BELOW,
        Measure.SCHEDULE_STATE,
    }
)

#: Actions whose number asks for a control of the engine.
CONTROLLING = frozenset(Action) - {Action.ENABLE, Action.RELEASE, Action.STORE, Action.NONE, Action.EDIT}


@dataclass(frozen=True, slots=True, kw_only=True)
class PointEntry:
    """One point: what it is on the wire and what it means.

    On the wire stands `(sign * SI value) / scale + offset`; for states `sign` -1 turns them round.

    Attributes:
        type, index: on the wire.
        name: unique in its map.
        measure: of an input.
        action: of an output.
        argument: of the measure or action, see there.
        target: the group or device; None: the station's.
        unit: for people and documents.
        scale, offset, sign: see above; scale > 0.
        event_class: 0 to 3; 0: no events.
        static_variation, event_variation: 0: the type's default.
        deadband: in wire units.
        event_mode: when updates make events.
        most_recent_only: whether a newer event replaces one of the point that was not yet reported.
        minimum, maximum: of an analog output, in wire units; outside is OUT_OF_RANGE.
        hold_s: a control lasts so long; None: until changed.
        slot: outputs of one slot replace each other's control; empty: a slot of its own.
        enabled_by, hold_from, ramp_from, sign_from: names of other outputs: the one that must be on for this one to
            act (until then the value is armed), the one that holds the hold time in s, the ramp in W/s, and the state
            that turns the sign round.
        ramp_time_from, window_from: names of outputs that hold the time of the ramp, s, and the time within which the
            control starts at random, s.
        parameters_from: "NAME=OUTPUT ..." of a curve or droop: outputs that hold what else belongs to it; a change of
            one of them acts at once.
        keeps: the value stays, and acts again, when the enabling output is switched off and on, or its hold time ends.
        family, priority_from: of an enabling output: of those of one family that are on, the one whose priority, which
            another output holds, is the smallest number acts; see modes.py.
        only: the one value, in wire units, that an output takes: others are OUT_OF_RANGE.
        idle: what is read back when no control is in force, wire units.
        initial: the value of a stored or enabling output at the first start, wire units.
        on_only: a state whose 0 means nothing: off commands are NOT_SUPPORTED.
        service_class: of its controls.
        masters: names of the masters that may command it; empty: all that may control.
        frozen_class: of a counter: class of its frozen value's events; None: it cannot be frozen.
    """

    type: PointType
    index: int
    name: str
    measure: Measure = Measure.UNKNOWN
    action: Action = Action.NONE
    argument: str = ""
    target: Target | None = None
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0
    sign: int = 1
    event_class: int = 0
    static_variation: int = 0
    event_variation: int = 0
    deadband: float = 0.0
    event_mode: EventMode = EventMode.DETECT
    most_recent_only: bool = False
    minimum: float = float("-inf")
    maximum: float = float("inf")
    hold_s: float | None = None
    slot: str = ""
    enabled_by: str = ""
    hold_from: str = ""
    ramp_from: str = ""
    sign_from: str = ""
    ramp_time_from: str = ""
    window_from: str = ""
    parameters_from: str = ""
    keeps: bool = False
    family: str = ""
    priority_from: str = ""
    only: float | None = None
    idle: float = 0.0
    initial: float = 0.0
    on_only: bool = False
    service_class: ServiceClass = ServiceClass.DISPATCH
    masters: tuple[str, ...] = ()
    frozen_class: int | None = None

    def __post_init__(self) -> None:
        if self.type not in INPUTS and self.type not in OUTPUTS:
            raise ConfigError(f"point {self.name}: type {self.type.value} has no meaning for a fleet")
        if not self.scale > 0 or self.sign not in (1, -1):
            raise ConfigError(f"point {self.name}: scale must be above 0, sign 1 or -1")
        self._check_argument()

    def _check_argument(self) -> None:
        numeric = self.measure is Measure.CONSTANT or self.action in {Action.RAISE, Action.LOWER}
        if numeric:
            try:
                float(self.argument)
            except ValueError:
                raise ConfigError(f"point {self.name}: it needs a number as argument") from None
        if (self.measure in _NEED_ARGUMENT or self.action in {Action.CURVE, Action.EDIT}) and not self.argument:
            raise ConfigError(f"point {self.name}: {self.measure} or {self.action} needs an argument")
        if self.action is Action.CURVE and self.argument not in {kind.name.lower() for kind in CurveKind}:
            raise ConfigError(f"point {self.name}: no kind of curve is called {self.argument!r}")

    @property
    def key(self) -> Key:
        """Type and index."""
        return self.type, self.index

    @property
    def is_output(self) -> bool:
        """Whether commands can be sent to it."""
        return self.type in OUTPUTS

    @property
    def schedulable(self) -> bool:
        """Whether a schedule may command it."""
        never = {Action.NONE, Action.EDIT, Action.RELEASE, Action.RAISE, Action.LOWER}
        return self.is_output and self.action not in never

    @property
    def parameters(self) -> dict[str, str]:
        """What `parameters_from` says: outputs by the name of the parameter."""
        return dict(pair.split("=", 1) for pair in self.parameters_from.split())

    @property
    def own_slot(self) -> str:
        """The slot whose control it replaces."""
        return self.slot or self.name

    def to_wire(self, value: float) -> float:
        """The number or state on the wire for an SI value."""
        if self.type in BINARIES:
            return float((value != 0) == (self.sign > 0))
        return self.sign * value / self.scale + self.offset

    def to_si(self, wire: float) -> float:
        """The SI value for a number or state on the wire."""
        if self.type in BINARIES:
            return float((wire != 0) == (self.sign > 0))
        return self.sign * (wire - self.offset) * self.scale

    def core(self) -> PointConfig:
        """The point as the protocol core wants it.

        Raises:
            ConfigError: a variation or class that the standard does not know.
        """
        stored = self.is_output and self.action in {Action.STORE, Action.ENABLE, Action.EDIT}
        try:
            return PointConfig(
                type=self.type,
                index=self.index,
                name=self.name,
                event_class=self.event_class,
                static_variation=self.static_variation,
                event_variation=self.event_variation,
                deadband=self.deadband,
                mode=self.event_mode,
                most_recent_only=self.most_recent_only,
                minimum=self.minimum,
                maximum=self.maximum,
                initial_flags=Flags.ONLINE if stored else Flags.RESTART,
            )
        except LocalProtocolError as problem:
            raise ConfigError(f"point {self.name}: {problem}") from problem


class PointMap:
    """All points of one outstation.

    Args:
        entries: in any order; type and index, and names, must be unique.

    Raises:
        ConfigError: doubled points, or a name that leads nowhere.
    """

    def __init__(self, entries: Iterable[PointEntry]) -> None:
        self.entries = tuple(sorted(entries, key=lambda entry: (entry.type.value, entry.index)))
        self.by_key: dict[Key, PointEntry] = {}
        self.by_name: dict[str, PointEntry] = {}
        for entry in self.entries:
            if entry.key in self.by_key:
                raise ConfigError(f"{entry.type.value} {entry.index} is there twice")
            if entry.name in self.by_name:
                raise ConfigError(f"two points are named {entry.name!r}")
            self.by_key[entry.key] = entry
            self.by_name[entry.name] = entry
        for entry in self.entries:
            self._check_names(entry)
        self._inputs = [entry for entry in self.entries if not entry.is_output]
        self._outputs = [entry for entry in self.entries if entry.is_output]
        self._slots: dict[str, list[PointEntry]] = {}
        self._users: dict[str, list[PointEntry]] = {}
        for entry in self._outputs:
            self._slots.setdefault(entry.own_slot, []).append(entry)
            for name in entry.parameters.values():
                self._users.setdefault(name, []).append(entry)

    def __iter__(self) -> Iterator[PointEntry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def inputs(self) -> list[PointEntry]:
        """Points that show something."""
        return self._inputs

    def outputs(self) -> list[PointEntry]:
        """Points that can be commanded."""
        return self._outputs

    def of_slot(self, slot: str) -> list[PointEntry]:
        """The outputs whose controls replace each other."""
        return self._slots.get(slot, [])

    def users_of(self, name: str) -> list[PointEntry]:
        """The outputs that have this one as a parameter."""
        return self._users.get(name, [])

    def core(self) -> list[PointConfig]:
        """For the protocol core's database; a counter that can be frozen brings its frozen point along.

        Raises:
            ConfigError: a variation or class that the standard does not know.
        """
        frozen = [
            PointConfig(PointType.FROZEN_COUNTER, entry.index, f"{entry.name} frozen", entry.frozen_class)
            for entry in self.entries
            if entry.type is PointType.COUNTER and entry.frozen_class is not None
        ]
        return [*(entry.core() for entry in self.entries), *frozen]

    def merged(self, others: Iterable[PointEntry]) -> PointMap:
        """This map with entries added; one with the same type and index replaces the one here.

        Raises:
            ConfigError: as for the constructor.
        """
        added = {entry.key: entry for entry in others}
        return PointMap([*(entry for entry in self.entries if entry.key not in added), *added.values()])

    def _check_names(self, entry: PointEntry) -> None:
        wanted = [entry.enabled_by, entry.hold_from, entry.ramp_from, entry.sign_from]
        wanted += [entry.ramp_time_from, entry.window_from, entry.priority_from, *entry.parameters.values()]
        if entry.measure in {Measure.ABOVE, Measure.BELOW}:
            wanted.append(entry.argument.partition(" ")[2])
        if entry.measure in {Measure.READ_BACK, Measure.IN_FORCE}:
            wanted.append(entry.argument)
        for name in wanted:
            other = self.by_name.get(name) if name else None
            if name and (other is None or not other.is_output):
                raise ConfigError(f"point {entry.name}: no output is named {name!r}")
        if entry.enabled_by and self.by_name[entry.enabled_by].action is not Action.ENABLE:
            raise ConfigError(f"point {entry.name}: {entry.enabled_by!r} is not an enabling output")
