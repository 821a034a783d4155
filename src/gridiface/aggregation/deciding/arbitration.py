"""Which of several active controls of one target rules, per kind of mode. Pure; a function of the set alone.

Limits all stand and intersect. Of set-points the highest authority wins, of equals the later created one, then the
larger id. Regulation is a delta and stands beside the set-point. Defaults fill the kinds that nobody rules, the local
schedule those that are left. Programs with a part of the power reserved to them each rule their part.
The order in which the controls arrived plays no part.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from gridiface.domain.clock import Instant
from gridiface.domain.controls import (
    INFORMING_MODES,
    LIMIT_MODES,
    PASS_THROUGH_MODES,
    Control,
    ControlMode,
    ModeValue,
)
from gridiface.domain.curves import each_curve
from gridiface.domain.fleet import reserved_key

#: The kind of a mode: of one kind one control rules. Modes that are not listed are kinds of their own.
KIND_OF: Mapping[ControlMode, str] = {
    ControlMode.SET_W: "power",
    ControlMode.SET_W_PERCENT: "power",
    ControlMode.DELTA_W: "power",
    ControlMode.LOAD_LEVEL: "power",
    ControlMode.ENERGY_TARGET: "power",
    ControlMode.SET_VAR: "var",
    ControlMode.SET_VAR_PERCENT: "var",
}

#: Modes of these kinds ask for a power.
_ASKING = frozenset({"power", ControlMode.REGULATION.value})


def kind_of(mode: ControlMode, value: ModeValue) -> str:
    """The kind for superseding; each curve (named by `base`) is a kind of its own."""
    if mode is ControlMode.CURVE:
        return f"curve:{value.base}"
    return KIND_OF.get(mode, mode.value)


def asks_power(values: Mapping[ControlMode, ModeValue]) -> bool:
    """Whether these modes ask for a power, of which one control at a time rules."""
    return any(kind_of(mode, value) in _ASKING for mode, value in values.items())


def precedence(control: Control) -> tuple[float, Instant, str]:
    """Larger wins: authority, then creation, then id."""
    return (control.source.authority, control.created, control.id)


def same_program(one: Control, other: Control) -> bool:
    """Whether both came from the same program of the same protocol, so that the later replaces the earlier."""
    return (one.source.protocol, one.source.program) == (other.source.protocol, other.source.program)


@dataclass(frozen=True, slots=True)
class Claim:
    """One mode of one control."""

    control: Control
    mode: ControlMode
    value: ModeValue

    @property
    def kind(self) -> str:
        """See `kind_of`."""
        return kind_of(self.mode, self.value)


def claims_of(control: Control) -> list[Claim]:
    """The modes of a control; each of the curves that it carries is a claim of its own."""
    return [
        Claim(control, mode, part)
        for mode, value in control.values.items()
        for part in (each_curve(value) if mode is ControlMode.CURVE else (value,))
    ]


def _kind(claim: Claim, shares: Mapping[str, float] | None) -> str:
    """The kind of which one claim rules: of the power one in each lane."""
    lane = lane_of(claim.control, shares) if shares and claim.kind == "power" else ""
    return f"power@{lane}" if lane else claim.kind


@dataclass(frozen=True, slots=True)
class Ruling:
    """Who rules a target: one claim per kind, all limits, and who had to give way to whom.

    `shared`: lane (see `lane_of`) -> who rules the part of the power reserved to it; `power` rules the rest.
    """

    power: Claim | None = None
    shared: Mapping[str, Claim] = field(default_factory=dict)
    regulation: Claim | None = None
    var: Claim | None = None
    limits: tuple[Claim, ...] = ()
    passed: Mapping[ControlMode, Claim] = field(default_factory=dict)
    curves: tuple[Claim, ...] = ()
    displaced: tuple[tuple[Claim, Claim], ...] = ()

    @property
    def powers(self) -> tuple[Claim, ...]:
        """All claims that have a part in the total: set-points, then regulation."""
        return tuple(one for one in (self.power, *self.shared.values(), self.regulation) if one is not None)

    @property
    def leading(self) -> Claim | None:
        """The claim whose ramp and service class hold for the total; None where no total is asked for."""
        return self.power or next(iter(self.shared.values()), None) or self.regulation

    @property
    def ends(self) -> Instant:
        """When the last power that rules ends; infinite where none does, or without an end."""
        return max((claim.control.span.end for claim in self.powers), default=math.inf)

    @property
    def controls(self) -> tuple[Control, ...]:
        """The controls that have a part in it, each once, by precedence (greatest first)."""
        claims = [*self.powers, *([] if self.var is None else [self.var])]
        found = {
            claim.control.id: claim.control for claim in (*claims, *self.limits, *self.passed.values(), *self.curves)
        }
        return tuple(sorted(found.values(), key=precedence, reverse=True))


def lane_of(control: Control, shares: Mapping[str, float]) -> str:
    """The part of the power that a control's program has to itself, by its key in `shares`; empty: none.

    A key is a program, a protocol, or "protocol:program".
    """
    return reserved_key(control.source.protocol, control.source.program, shares)


def _alone(claim: Claim) -> Ruling:
    """Where one claim is all that there is: thousands of devices may have a control of their own."""
    if claim.mode in INFORMING_MODES:
        return Ruling()
    if claim.mode in LIMIT_MODES:
        return Ruling(limits=(claim,))
    if claim.mode is ControlMode.CURVE:
        return Ruling(curves=(claim,))
    if claim.mode in PASS_THROUGH_MODES:
        return Ruling(passed={claim.mode: claim})
    if claim.mode is ControlMode.REGULATION:
        return Ruling(regulation=claim)
    match claim.kind:
        case "power":
            return Ruling(power=claim)
        case "var":
            return Ruling(var=claim)
        case _:
            return Ruling()


def rule(
    claims: Iterable[Claim],
    defaults: Collection[Claim] = (),
    schedule: Collection[Claim] = (),
    shares: Mapping[str, float] | None = None,
) -> Ruling:
    """Decide between the claims of one target.

    Args:
        claims: modes of its active controls, those already superseded left out; any order.
        defaults: modes of its default controls; each stands in where no claim of its kind is there.
        schedule: modes of its local schedule; each stands in where neither is there.
        shares: see `Group.shares`.
    """
    claims = list(claims)
    if len(claims) == 1 and not (defaults or schedule or shares):
        return _alone(claims[0])
    by_kind: dict[str, list[Claim]] = {}
    for claim in claims:
        if claim.mode not in INFORMING_MODES:
            by_kind.setdefault(_kind(claim, shares), []).append(claim)
    taken = frozenset(by_kind)
    for stand_ins in (defaults, schedule):
        known = frozenset(kind.partition("@")[0] for kind in by_kind)
        for claim in stand_ins:
            if claim.mode not in INFORMING_MODES and claim.kind not in known:
                by_kind.setdefault(_kind(claim, shares), []).append(claim)
    winners: dict[str, Claim] = {}
    limits: list[Claim] = []
    displaced: list[tuple[Claim, Claim]] = []
    for kind in sorted(by_kind):
        rivals = sorted(by_kind[kind], key=lambda claim: precedence(claim.control), reverse=True)
        if rivals[0].mode in LIMIT_MODES:
            limits.extend(rivals[:1] if kind not in taken else rivals)
            continue
        winners[kind] = rivals[0]
        displaced.extend((loser, rivals[0]) for loser in rivals[1:] if kind in taken)
    return Ruling(
        power=winners.get("power"),
        shared={kind.partition("@")[2]: claim for kind, claim in winners.items() if kind.startswith("power@")},
        regulation=winners.get(ControlMode.REGULATION.value),
        var=winners.get("var"),
        limits=tuple(limits),
        passed={
            claim.mode: claim
            for claim in winners.values()
            if claim.mode in PASS_THROUGH_MODES and claim.mode is not ControlMode.CURVE
        },
        curves=tuple(claim for claim in winners.values() if claim.mode is ControlMode.CURVE),
        displaced=tuple(displaced),
    )


def displaced_kinds(ruler: Control, other: Control, *, apart: bool = False) -> set[str]:
    """The kinds of modes that `other` loses for good once `ruler` runs.

    In the same program the later one takes the kinds both have, for good, as soon as it starts and if the two
    overlap. Between programs a higher claim that lasts at least as long as the other's leaves nothing of it; a
    shorter one only covers it for a while. Limits of different programs never displace each other. A test neither
    displaces nor is displaced. `apart`: each has its own part of the power (`Group.shares`), which the other leaves.
    """
    if ruler.is_test or other.is_test:
        return set()
    if not ruler.span.overlaps(other.span) or precedence(ruler) < precedence(other):
        return set()
    same = same_program(ruler, other)
    if same and (ruler.created, ruler.id) < (other.created, other.id):
        return set()
    if not same and ruler.span.end < other.span.end:
        return set()
    theirs = {claim.kind: claim.mode for claim in claims_of(other) if claim.mode not in INFORMING_MODES}
    ours = {claim.kind for claim in claims_of(ruler)}
    if apart:
        ours.discard("power")
    return {kind for kind, mode in theirs.items() if kind in ours and (same or mode not in LIMIT_MODES)}


def is_information(control: Control) -> bool:
    """Whether the control asks nothing of a device: it only informs (price, bid, message), or it is a test."""
    return control.is_test or all(mode in INFORMING_MODES for mode in control.values)
