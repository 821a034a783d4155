"""What every table of points has: the points' quantities, how they are written, and the rules on them.

Owned here: what can be checked without knowing what carries the points. Each carrier's table adds where a point is
found. Unknown keys are errors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from functools import cached_property
from itertools import chain, islice
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gridiface.domain.fleet import DeviceKind
from gridiface.domain.quantities import Phase
from gridiface.domain.telemetry import OperatingState
from gridiface.wording import worded
from gridiface_southbound.points.meanings import (
    CONTROLS,
    DIMENSION,
    DIRECTIONS,
    PERCENT,
    PHASES,
    RATINGS,
    REPEATED,
    SUMMED,
    TEXTS,
    UNITS,
    WORDS,
    Meaning,
)
from gridiface_southbound.points.problems import Wrong, require_none

Direction = Literal["delivered", "taken", "injected", "absorbed"]


class Poll(StrEnum):
    """How often a point is read."""

    FAST = "fast"
    SLOW = "slow"
    ONCE = "once"
    NEVER = "never"


class Part(BaseModel):
    """A part of a table."""

    model_config = ConfigDict(extra="forbid", frozen=True, ignored_types=(cached_property,))


class Step(Part):
    """One more point that is written for a command."""

    point: str
    value: float | str = Field(description="In the point's own unit; of an enumeration the number or the word.")


class WriteRule(Part):
    """How a point is written."""

    read_back: bool | str = Field(default=True, description="A name: the point that shows what was taken over.")
    read_back_delay_s: float = Field(0.0, ge=0, le=30)
    tolerance: float = Field(0.0, ge=0, description="A read-back this far off still counts, in the point's unit.")
    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()
    release: tuple[Step, ...] = Field((), description="What is written to let go.")
    revert: str | None = Field(None, description="The point that holds the device's own fall-back timer.")
    memory: Literal["ram", "flash"] = "ram"
    min_period_s: float = Field(0.0, ge=0, le=86_400)

    @model_validator(mode="after")
    def _flash_is_spared(self) -> WriteRule:
        if self.memory == "flash" and not self.min_period_s:
            raise ValueError("a flash register wears out: give min_period_s, or memory: ram if it is not one")
        return self


class Point(Part):
    """One value of the device."""

    name: str = Field(pattern=worded(r"^[a-z][a-z0-9_]{0,63}$", "1 to 64 small letters, digits and _, a letter first"))
    meaning: Meaning | None = None
    phase: Phase | None = None
    scale: float = Field(1.0, allow_inf_nan=False)
    offset: float = Field(0.0, allow_inf_nan=False)
    unit: str = ""
    positive: Direction | None = None
    percent_of: Literal["max_w", "max_charge_w", "max_va", "max_var"] | float | None = None
    watts_per_amp: float | None = Field(None, gt=0)
    valid: tuple[float, float] | None = Field(None, description="Least and most, in the point's unit.")
    bits: dict[int, str] = Field(default_factory=dict)
    poll: Poll | None = None
    optional: bool = False
    write: WriteRule | None = None

    @property
    def place(self) -> str:
        """Where the device has it, in the words of its manual."""
        return ""

    @property
    def sign(self) -> int:
        """1 where the device counts as the domain does, else -1."""
        if self.positive is None or self.meaning is None:
            return 1
        return 1 if self.positive == DIRECTIONS[self.meaning][0] else -1

    @property
    def polled(self) -> Poll:
        """How often it is read, the meaning's habit where the table does not say."""
        if self.poll is not None:
            return self.poll
        if self.meaning is None or self.meaning in CONTROLS:
            return Poll.NEVER
        return Poll.ONCE if self.meaning in RATINGS | TEXTS else Poll.FAST

    @property
    def state_words(self) -> tuple[str, ...]:
        """The words that an enumeration can show; empty where it has none."""
        return ()

    @model_validator(mode="after")
    def _consistent(self) -> Point:
        # The first alone: what follows may be its consequence.
        require_none(islice(chain(self._shape(), self._quantity(), self._writing()), 1))
        return self

    def _shape(self) -> Iterator[Wrong]:
        if self.scale == 0:
            yield "scale", "scale 0 makes every value 0"
        if self.valid is not None and self.valid[0] > self.valid[1]:
            yield "valid", f"valid: {self.valid[0]:g} is above {self.valid[1]:g}"

    def _quantity(self) -> Iterator[Wrong]:
        meaning = self.meaning
        phases = PHASES.get(meaning, ()) if meaning is not None else ()
        if self.phase is None and phases and meaning not in SUMMED:
            yield "meaning", f"{meaning} need a phase: {', '.join(phases)}"
        if self.phase is not None and self.phase not in phases:
            told = f"of {meaning} is one of {', '.join(phases)}" if phases else f"belongs to {', '.join(PHASES)}"
            yield "phase", f"phase {told}"
        if meaning is Meaning.STATE:
            known = {state.value for state in OperatingState}
            odd = [word for word in self.state_words if word not in known]
            if odd or not self.state_words:
                yield (
                    "values",
                    f"state needs values: {{number: word}} with words of {', '.join(sorted(known))}, not {odd}",
                )
        if (meaning in DIRECTIONS) != (self.positive is not None):
            yield (
                "positive",
                "positive says which direction the device counts as positive; w, var, set_w and set_var need it",
            )
        elif meaning in DIRECTIONS and self.positive not in DIRECTIONS[meaning]:
            yield "positive", f"positive of {meaning} is one of {', '.join(DIRECTIONS[meaning])}"
        yield from self._units()

    def _units(self) -> Iterator[Wrong]:
        meaning = self.meaning
        if meaning is None or meaning in WORDS:
            if self.unit and self.unit not in UNITS:
                yield "unit", f"unit {self.unit!r} is not one of {', '.join(UNITS)}"
            return
        if meaning is not Meaning.AMPS and (self.unit == "A") != (self.watts_per_amp is not None):
            yield "unit", "unit A and watts_per_amp (phases x volts) belong together"
        elif (self.unit == "%" and meaning in PERCENT) != (self.percent_of is not None):
            yield "percent_of", "percent_of names the 100 % of a power in %, and nothing else has it"
        elif self.watts_per_amp is not None:
            if DIMENSION[meaning] != "W":
                yield "unit", f"{meaning} cannot be given in A"
        elif self.unit not in UNITS or (self.percent_of is None and UNITS[self.unit][0] != DIMENSION[meaning]):
            fitting = [u for u, (base, _) in UNITS.items() if base == DIMENSION[meaning]]
            yield "unit", f"unit of {meaning} is one of {', '.join(fitting)}, not {self.unit!r}"

    def _writing(self) -> Iterator[Wrong]:
        if (self.meaning in CONTROLS) and self.write is None:
            yield "meaning", f"{self.meaning} is a control and needs write"
        if self.write is None:
            return
        if self.meaning in CONTROLS - {Meaning.CONNECT} and not self.write.release:
            yield "write", "release is missing: what is written so that the device returns to its own default"


class Identity(Part):
    """What a point must show when the driver opens."""

    point: str
    one_of: tuple[int | str, ...] = ()
    starts_with: str | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> Identity:
        if bool(self.one_of) == (self.starts_with is not None):
            raise ValueError("give one_of or starts_with")
        return self


class Heartbeat(Part):
    """What is written again and again so that the device knows its controller lives."""

    point: str
    period_s: float = Field(gt=0, le=3600)
    kind: Literal["counter", "toggle", "constant"] = "counter"
    modulo: int = Field(65536, ge=2, le=65536, description="A counter runs from 0 to one less.")
    value: int = Field(1, ge=0, le=65535, description="What a constant heartbeat writes.")


class TableNameplate(Part):
    """Ratings that the device does not tell; points and the device's configuration come first."""

    max_w: float | None = Field(default=None, ge=0)
    max_charge_w: float | None = Field(default=None, ge=0)
    max_va: float | None = Field(default=None, ge=0)
    max_var: float | None = Field(default=None, ge=0)
    energy_wh: float | None = Field(default=None, gt=0)
    nominal_v: float | None = Field(default=None, gt=0)
    manufacturer: str = ""
    model: str = ""


P = TypeVar("P", bound=Point)


class Table(Part, Generic[P]):
    """A whole device."""

    title: str = ""
    source: str = Field("", description="Where the table comes from.")
    tried_on_hardware: bool = False
    kind: DeviceKind
    slow_period_s: float = Field(60.0, gt=0, le=86_400)
    power_step_w: float = Field(0.0, ge=0)
    nameplate: TableNameplate = TableNameplate()
    identity: tuple[Identity, ...] = ()
    heartbeat: Heartbeat | None = None
    points: tuple[P, ...] = Field(min_length=1, max_length=1000)

    @model_validator(mode="after")
    def _consistent(self) -> Table[P]:
        require_none(self._problems(), whole=True)
        return self

    def _problems(self) -> Iterator[Wrong]:
        """What is wrong with the table as a whole."""
        twice = [name for name, count in Counter(p.name for p in self.points).items() if count > 1]
        if twice:
            yield "points", f"the name {twice[0]} is used twice"
        meanings = Counter(p.meaning for p in self.points if p.meaning is not None and p.meaning not in REPEATED)
        yield from (
            ("points", f"{count} points mean {meaning}; one can") for meaning, count in meanings.items() if count > 1
        )
        phases = Counter((p.meaning, p.phase) for p in self.points if p.phase is not None)
        yield from (
            ("points", f"{meaning} of phase {phase} is told twice")
            for (meaning, phase), count in phases.items()
            if count > 1
        )
        for place, name, wants in self._references():
            target = self.by_name.get(name)
            if target is None:
                yield place, f"no point is called {name!r}; points: {', '.join(self.by_name)}"
            elif wants == "write" and target.write is None:
                yield place, f"point {name} is written, so it needs write: {{}}"

    def _references(self) -> Iterator[tuple[str, str, str]]:
        """Each place where a point is named: the place, the name, and what it must allow."""
        for number, identity in enumerate(self.identity, 1):
            yield f"identity.{number}", identity.point, "read"
        if self.heartbeat is not None:
            yield "heartbeat", self.heartbeat.point, "write"
        for point in self.points:
            place = f"points.{point.name}"
            if point.write is None:
                continue
            if isinstance(point.write.read_back, str):
                yield f"{place}.write.read_back", point.write.read_back, "read"
            if point.write.revert is not None:
                yield f"{place}.write.revert", point.write.revert, "write"
            rule = point.write
            for key, steps in (("before", rule.before), ("after", rule.after), ("release", rule.release)):
                yield from ((f"{place}.write.{key}.{n}", step.point, "write") for n, step in enumerate(steps, 1))

    @cached_property
    def by_name(self) -> dict[str, P]:
        """The points by name."""
        return {point.name: point for point in self.points}

    @cached_property
    def controls(self) -> dict[Meaning, P]:
        """The points that carry out commands."""
        return {p.meaning: p for p in self.points if p.meaning is not None and p.meaning in CONTROLS}
