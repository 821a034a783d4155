"""Devices and groups as people write them: in the configuration file, and over REST. Checked with pydantic.

One declaration for both: names, types, ranges, defaults and descriptions. Powers in W, + delivered to the grid;
energies in Wh; local times are "HH:MM". What a definition means for the fleet as it runs is the app's.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gridiface.domain.fleet import Capability, Constraints, Departure, DeviceKind
from gridiface.domain.local_time import EVERY_DAY, DailyTime
from gridiface.domain.quantities import Phase

_NAME_FORM = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_NAME = re.compile(_NAME_FORM)
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)|24:00")
#: Names for people: no control characters, and no marks after which others are shown from right to left (U+202A to
#: U+202E, U+2066 to U+2069), so that pages, logs and terminals show them, and what is beside them, as they are.
TITLE, LONGEST_TITLE = r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*$", 256
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _clock(text: str) -> str:
    if not _CLOCK.fullmatch(text):
        raise ValueError("write HH:MM between 00:00 and 24:00")
    return text


def is_identifier(text: str) -> bool:
    """Whether things of a configuration may be called so."""
    return _NAME.fullmatch(text) is not None


def _identifier(text: str) -> str:
    if not is_identifier(text):
        raise ValueError("use 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit")
    return text


def as_title(text: str) -> str:
    """A name for people, of any text: without what TITLE leaves out, and not too long."""
    return "".join(sign for sign in text if re.fullmatch(TITLE, sign))[:LONGEST_TITLE]


def _title(text: str) -> str:
    if not re.fullmatch(TITLE, text) or (text and not any(sign.isprintable() and sign != " " for sign in text)):
        text = "a name is one line, without control characters and marks that turn its direction round"
        raise ValueError(f"{text}, with something to be seen")
    return text


def _curve(points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    socs = [soc for soc, _ in points]
    if any(not 0 <= soc <= 1 for soc in socs) or any(watts < 0 for _, watts in points):
        raise ValueError("give pairs of state of charge 0..1 and watts >= 0")
    if any(one >= other for one, other in pairwise(socs)):
        raise ValueError("the states of charge must rise")
    return points


def _shares(shares: dict[str, float]) -> dict[str, float]:
    if any(not 0 < part <= 1 for part in shares.values()) or sum(shares.values()) > 1 + 1e-9:
        raise ValueError("each share is above 0 and at most 1, and so is their sum")
    return shares


Identifier = Annotated[str, Field(json_schema_extra={"pattern": f"^{_NAME_FORM}$"}), AfterValidator(_identifier)]
LocalTime = Annotated[str, AfterValidator(_clock)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Title = Annotated[str, Field(max_length=LONGEST_TITLE, json_schema_extra={"pattern": TITLE}), AfterValidator(_title)]
Shares = Annotated[dict[str, float], AfterValidator(_shares)]


def seconds_of(text: str) -> int:
    """Seconds after midnight of a validated HH:MM."""
    hours, minutes = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60


def days_of(days: tuple[str, ...]) -> frozenset[int]:
    """Weekdays, 0 = Monday; none named is every day."""
    return frozenset(_DAYS.index(day) for day in days) or EVERY_DAY


class Block(BaseModel):
    """Base of every block that people write: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DepartureEntry(Block):
    """When a vehicle leaves, and how full it must be then."""

    at: LocalTime = Field(description='local time, "HH:MM"')
    soc: float = Field(ge=0, le=1, description="state of charge it must have then, 0..1")
    days: tuple[Day, ...] = Field(default=(), description="weekdays; none named: every day")

    def rule(self) -> Departure:
        """As the domain has it."""
        return Departure(time=DailyTime(at_s=seconds_of(self.at), days=days_of(self.days)), soc=self.soc)


class ConstraintsEntry(Block):
    """What the owner or the data sheet allows beside the ratings."""

    charge_w_by_soc: Annotated[tuple[tuple[float, float], ...], AfterValidator(_curve)] = Field(
        default=(), description="pairs of state of charge and most power taken, W; straight lines between"
    )
    daily_wh: float | None = Field(default=None, gt=0, description="most energy through it a day, in and out, Wh")
    daily_cycles: float | None = Field(default=None, gt=0, description="most full cycles a day")
    min_w: float = Field(default=0.0, ge=0, description="least power while it runs, W")
    min_run_s: float = Field(default=0.0, ge=0, le=86_400, description="least time it stays on, s")
    min_stop_s: float = Field(default=0.0, ge=0, le=86_400, description="least time it stays off, s")
    modes_w: tuple[float, ...] = Field(
        default=(), max_length=64, description="the only powers it knows (a mode device), W, + delivered"
    )
    departure: DepartureEntry | None = Field(default=None, description="a floor on charging, for vehicles")

    def rule(self) -> Constraints:
        """As the domain has it."""
        return Constraints(
            charge_w_by_soc=self.charge_w_by_soc,
            daily_wh=self.daily_wh,
            daily_cycles=self.daily_cycles,
            min_w=self.min_w,
            min_run_s=self.min_run_s,
            min_stop_s=self.min_stop_s,
            modes_w=self.modes_w,
            departure=None if self.departure is None else self.departure.rule(),
        )


class Rating(Block):
    """Nameplate and settings in one, where the device cannot tell them itself. Magnitudes."""

    max_w: float | None = Field(default=None, ge=0, description="rated active power delivered, W")
    max_charge_w: float | None = Field(default=None, ge=0, description="rated active power taken, W")
    max_va: float | None = Field(default=None, ge=0, description="rated apparent power, VA")
    max_var: float | None = Field(default=None, ge=0, description="rated reactive power injected, var")
    max_var_neg: float | None = Field(default=None, ge=0, description="rated reactive power absorbed, var")
    over_excited_charge_w: float | None = Field(
        default=None, ge=0, description="rated active power taken at its over-excited power factor, W"
    )
    under_excited_charge_w: float | None = Field(
        default=None, ge=0, description="rated active power taken at its under-excited power factor, W"
    )
    energy_wh: float | None = Field(default=None, ge=0, description="usable energy of the storage, Wh")
    ramp_w_per_s: float | None = Field(default=None, gt=0, description="fastest change of power, W/s")
    soc_min: float = Field(default=0.0, ge=0, le=1, description="no discharge below this state of charge, 0..1")
    soc_max: float = Field(default=1.0, ge=0, le=1, description="no charge above this state of charge, 0..1")
    capabilities: tuple[Capability, ...] = Field(
        default=(), description="controls it can carry out; empty: what its driver finds"
    )


class DeviceEntry(Block):
    """One device of the fleet."""

    id: Identifier = Field(description="unique among devices and groups")
    name: Title = Field(default="", description="for people")
    kind: DeviceKind | None = Field(default=None, description="what it is; none: as the device itself tells")
    driver: str = Field(description="name of an installed driver (`gridiface doctor` lists them), or sep2")
    connection: dict[str, Any] = Field(default_factory=dict, description="the driver's own settings")
    rating: Rating = Rating()
    phases: Phase = Field(default=Phase.ALL, description="phases it is connected to")
    tier: int = Field(default=1, ge=1, le=9, description="1 is asked first; higher tiers take a shortfall")
    enabled: bool = Field(default=True, description="false: known, but not controlled")
    constraints: ConstraintsEntry = ConstraintsEntry()
    shares: Shares = Field(default_factory=dict, description="program -> part 0..1 of its power reserved to it")


class GroupEntry(Block):
    """A set of devices, or of groups, that is offered as one."""

    id: Identifier = Field(description="unique among devices and groups")
    name: Title = Field(default="", description="for people")
    members: tuple[Identifier, ...] = Field(description="devices and groups")
    meter: Identifier | None = Field(default=None, description="device that measures the group's total")
    max_export_w: float | None = Field(default=None, ge=0, description="cap on the total delivered, W")
    max_import_w: float | None = Field(default=None, ge=0, description="cap on the total taken, W")
    strategy: str = Field(
        default="", description="how a request is split over the members; empty: as `engine.strategy` says"
    )
    shares: Shares = Field(default_factory=dict, description="program -> part 0..1 of its power reserved to it")
