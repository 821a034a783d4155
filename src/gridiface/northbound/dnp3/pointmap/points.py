"""The point map: which index means what, in which unit, with which sign, class, variation and dead-band.

Owns one entry per point; what an input can show and an output can ask is meanings.py. Numbers are turned by
`PointEntry.to_wire` and `to_si`; where they come from and what they do is translate/'s and commanding/'s.
Ready-made maps are in profiles/.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gridiface.domain.controls import ServiceClass, Target
from gridiface.domain.curves import CurveKind
from gridiface.domain.fleet import Capability
from gridiface.errors import ConfigError, LocalProtocolError
from gridiface.northbound.dnp3.pointmap.meanings import Action, Measure
from gridiface.protocols.dnp3.objects import Flags
from gridiface.protocols.dnp3.points import EventMode, PointConfig, PointType

Key = tuple[PointType, int]

INPUTS = frozenset({PointType.ANALOG_INPUT, PointType.BINARY_INPUT, PointType.COUNTER})
OUTPUTS = frozenset({PointType.ANALOG_OUTPUT, PointType.BINARY_OUTPUT})
BINARIES = frozenset({PointType.BINARY_INPUT, PointType.BINARY_OUTPUT})

_ABOUT_OUTPUT = frozenset({Measure.READ_BACK, Measure.IN_FORCE, Measure.STARTING, Measure.STOPPING, Measure.STOPPED})
_NEED_ARGUMENT = frozenset(
    {
        Measure.SUPPORTS,
        Measure.ALARMED,
        Measure.TOLD_ALARM,
        Measure.READ_BACK,
        Measure.IN_FORCE,
        Measure.ABOVE,
        Measure.BELOW,
        Measure.SCHEDULE_STATE,
    }
)


_RATES = {"use", "discharge_up", "discharge_down", "charge_up", "charge_down"}


def _pairs(text: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in text.split())


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
        minimum, maximum: in wire units; outside is OUT_OF_RANGE of an analog output, of an analog input the bound is
            shown as over range.
        hold_s: a control lasts so long; None: until changed.
        slot: outputs of one slot replace each other's control; empty: a slot of its own.
        enabled_by, hold_from, ramp_from, sign_from: names of other outputs: the one that must be on for this one to
            act (until then the value is armed), the one that holds the hold time in s, the ramp in W/s, and the state
            that turns the sign round.
        ramp_time_from, window_from: names of outputs that hold the time of the ramp, s, and the time within which the
            control starts at random, s.
        rates_from: "NAME=OUTPUT ...": outputs that hold ramp rates, % of the rating by second: `discharge_up`,
            `discharge_down`, `charge_up`, `charge_down` (0: no ramp there), and `use`, while which is on they count.
        parameters_from: "NAME=OUTPUT ..." of a curve or droop: outputs that hold what else belongs to it; a change of
            one of them acts at once.
        keeps: the value stays, and acts again, when the enabling output is switched off and on, or its hold time ends.
        effect_with: of an input: the output that enables the function it belongs to; while that is off the input tells
            its value without ONLINE, where the station's QualityPolicy has it so.
        family, priority_from: of an enabling output: of those of one family that are on, the one whose priority, which
            another output holds, is the smallest number acts; see modes.py.
        only: the one value, in wire units, that an output takes: others are OUT_OF_RANGE.
        not_below: "rated_w": a stored value is taken where it is no less than the target's rating: a limit that limits
            nothing. Others are OUT_OF_RANGE.
        needs: capabilities, with blanks between: while a member has one of them, `only` and `not_below` do not count,
            every value is taken. An enabling output is switched on only while a member has one.
        permitted_by: an output: while it is off commands to this one are BLOCKED.
        or_kept: where nobody can carry the control out, the value is kept for the outputs that name this one.
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
    rates_from: str = ""
    parameters_from: str = ""
    keeps: bool = False
    effect_with: str = ""
    family: str = ""
    priority_from: str = ""
    only: float | None = None
    not_below: str = ""
    needs: str = ""
    permitted_by: str = ""
    or_kept: bool = False
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
        if not all("=" in pair for pair in (*self.parameters_from.split(), *self.rates_from.split())):
            raise ConfigError(f"point {self.name}: parameters and rates are NAME=OUTPUT, with blanks between")
        if self.rates_from and self.rates.keys() != _RATES:
            raise ConfigError(f"point {self.name}: rates are {', '.join(sorted(_RATES))}")
        unknown = set(self.needs.split()) - set(Capability)
        if unknown:
            raise ConfigError(f"point {self.name}: no capability is called {min(unknown)!r}")
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
        return _pairs(self.parameters_from)

    @property
    def rates(self) -> dict[str, str]:
        """What `rates_from` says: outputs by the name of the rate."""
        return _pairs(self.rates_from)

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

    def within(self, wire: float) -> float:
        """The number, or the bound that it is beyond by more than the rounding of an integer can be; NaN stays."""
        if wire < self.minimum - 0.5:
            return self.minimum
        return self.maximum if wire > self.maximum + 0.5 else wire

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
            for name in (*entry.parameters.values(), *filter(None, (entry.sign_from,))):
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
        """The outputs that have this one as a parameter, or take their sign from it."""
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
        wanted += [entry.effect_with, entry.permitted_by, *entry.rates.values()]
        wanted += [entry.ramp_time_from, entry.window_from, entry.priority_from, *entry.parameters.values()]
        if entry.measure in {Measure.ABOVE, Measure.BELOW}:
            wanted.append(entry.argument.partition(" ")[2])
        if entry.measure in _ABOUT_OUTPUT:
            wanted.append(entry.argument)
        for name in wanted:
            other = self.by_name.get(name) if name else None
            if name and (other is None or not other.is_output):
                raise ConfigError(f"point {entry.name}: no output is named {name!r}")
        if entry.enabled_by and self.by_name[entry.enabled_by].action is not Action.ENABLE:
            raise ConfigError(f"point {entry.name}: {entry.enabled_by!r} is not an enabling output")
