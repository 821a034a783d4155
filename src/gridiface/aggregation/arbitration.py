"""Which of several active controls of one target rules, per kind of mode. Pure; a function of the set alone.

Limits all stand and intersect. Of set-points the highest authority wins, of equals the later created one, then the
larger id. Regulation is a delta and stands beside the set-point. Defaults fill the kinds that nobody rules.
The order in which the controls arrived plays no part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gridiface.domain.clock import Instant
from gridiface.domain.controls import LIMIT_MODES, PASS_THROUGH_MODES, Control, ControlMode, ModeValue

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

#: Modes that inform and are not carried out: they never displace each other.
INFORMING = frozenset({ControlMode.PRICE, ControlMode.MESSAGE})


def kind_of(mode: ControlMode, value: ModeValue) -> str:
    """The kind for superseding; each curve (named by `base`) is a kind of its own."""
    if mode is ControlMode.CURVE:
        return f"curve:{value.base}"
    return KIND_OF.get(mode, mode.value)


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


@dataclass(frozen=True, slots=True)
class Ruling:
    """Who rules a target: one claim per kind, all limits, and who had to give way to whom."""

    power: Claim | None = None
    regulation: Claim | None = None
    var: Claim | None = None
    limits: tuple[Claim, ...] = ()
    passed: Mapping[ControlMode, Claim] = field(default_factory=dict)
    curves: tuple[Claim, ...] = ()
    displaced: tuple[tuple[Claim, Claim], ...] = ()

    @property
    def controls(self) -> tuple[Control, ...]:
        """The controls that have a part in it, each once, by precedence (greatest first)."""
        claims = [claim for claim in (self.power, self.regulation, self.var) if claim is not None]
        found = {
            claim.control.id: claim.control for claim in (*claims, *self.limits, *self.passed.values(), *self.curves)
        }
        return tuple(sorted(found.values(), key=precedence, reverse=True))


def rule(claims: Iterable[Claim], defaults: Iterable[Claim] = ()) -> Ruling:
    """Decide between the claims of one target.

    Args:
        claims: modes of its active controls, those already superseded left out; any order.
        defaults: modes of its default controls; each stands in where no claim of its kind is there.
    """
    by_kind: dict[str, list[Claim]] = {}
    for claim in claims:
        if claim.mode not in INFORMING:
            by_kind.setdefault(claim.kind, []).append(claim)
    taken = frozenset(by_kind)
    for claim in defaults:
        if claim.mode not in INFORMING and claim.kind not in taken:
            by_kind.setdefault(claim.kind, []).append(claim)
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
