"""What a device or a group can be counted on for, from now into the coming hours: a series of spans with their bounds.

Pure values. Active power + delivered to the grid, reactive power + injected; W, var, Wh, s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gridiface.domain.clock import Instant
from gridiface.errors import GridifaceError


class Cause(StrEnum):
    """What holds a device back from its rating, or a total from the sum of its devices."""

    ENERGY = "energy"  # what is stored, or the room that is left, over the span
    CURVE = "charge_curve"  # what it takes at the state of charge that it comes to
    DAY = "daily_cap"  # what its daily throughput or cycles leave
    DOUBT = "charge_in_doubt"
    NATURAL = "sun_or_demand"  # not known so far ahead, or no more than it gives or wants now
    LEVELS = "levels"  # the nearest power that a coarse device knows
    DEPARTURE = "departure"  # it must charge to be ready
    GONE = "departed"  # its departure is over: whether it is back is not known
    AWAY = "opted_out"
    TIMES = "least_times"  # kept on, off or in its mode
    ASKED = "asked"  # a control of its own, or of a group inside, has it
    LIMIT = "limit"
    BLOCKED = "blocked"
    DISABLED = "disabled"
    LOCAL = "local_control"
    UNUSABLE = "not_usable"  # disconnected or at fault
    QUARANTINED = "quarantined"
    FAILING = "failing"
    SILENT = "silent"
    UNABLE = "unable"  # it cannot be told a power


@dataclass(frozen=True, slots=True)
class Held:
    """So many watts, >= 0, of so many devices are not to be had, and why. A limit is named with whom it came from."""

    cause: Cause
    watts: float
    devices: int
    control_id: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeSpan:
    """What can be had in [start, end), by who asks for it in this span alone and holds it from its start to its end.

    `min_w`, `max_w`: every total between them, W; None: no total is certain. `min_var`, `max_var`: the same of reactive
    power, beside the power that is planned; `sure_min_var`, `sure_max_var`: beside any power in the span. `planned_w`:
    what will be done, by what is known now. `beside_w`: of the totals, what nobody can be asked for, as it is now.
    `energy_up`, `energy_down`: whether stored energy, or room for it, bounds the power; `up_wh`, `down_wh`: how much of
    it there is at the start, None without a storage. `reach_up_s`, `reach_down_s`: how long ramps take to come there
    from what is planned. `held_up`, `held_down`: what holds the bounds back from the ratings, the most first.
    """

    start: Instant
    end: Instant
    min_w: float | None
    max_w: float | None
    min_var: float | None
    max_var: float | None
    sure_min_var: float | None
    sure_max_var: float | None
    planned_w: float
    beside_w: float
    energy_up: bool
    energy_down: bool
    up_wh: float | None
    down_wh: float | None
    reach_up_s: float
    reach_down_s: float
    held_up: tuple[Held, ...]
    held_down: tuple[Held, ...]


@dataclass(frozen=True, slots=True)
class Sure:
    """The most that devices can be counted on for, each by itself, whatever begins or ends at an instant to come.

    `most_w`: W, + delivered, by device; who is none of the fleet's is not in it. `held`: what holds back who is held
    back from its rating. `caps_w`: the most that groups' members may deliver together, W, where that is limited.
    """

    most_w: Mapping[str, float]
    held: Mapping[str, Cause]
    caps_w: Mapping[str, float]


class FleetChanged(GridifaceError):
    """Devices came or went while a series was being made: it is to be begun anew."""
