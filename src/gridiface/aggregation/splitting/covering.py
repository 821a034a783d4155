"""Says which running control gives way to which for a while, and when it rules again: one entry for each change.

A control that a higher claim covers goes on and is told nothing by its protocol, as it may rule again; the record says
so. What is superseded for good is told by the book of controls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gridiface.aggregation.deciding.arbitration import Claim, Ruling
from gridiface.aggregation.deciding.entry import Lost
from gridiface.aggregation.deciding.plan import Plan
from gridiface.aggregation.state.log import DecisionLog
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control


class Covering:
    """Compares each plan with the one before it.

    Args:
        log: where entries go.
    """

    def __init__(self, log: DecisionLog) -> None:
        self._log = log
        self._plan: Plan | None = None
        #: (control, kind of mode) that gives way -> (its claim, the control that rules).
        self._covered: Mapping[tuple[str, str], tuple[Claim, str]] = {}

    def look(self, plan: Plan, now: Instant) -> None:
        """Note what changed since the plan before; the same plan again is nothing."""
        if plan is self._plan:
            return
        self._plan = plan
        before, found = self._covered, {}
        ruling: set[tuple[str, str]] = set()
        for one in (*(node.ruling for node in plan.nodes()), *plan.rulings.values()):
            for loser, winner in one.displaced:
                key = (loser.control.id, loser.kind)
                found[key] = loser, winner.control.id
                if before.get(key, (None, ""))[1] != winner.control.id:
                    self._say(loser, "covered", _why(loser.control, winner.control), now)
            if before:
                ruling |= _winners(one)
        self._covered = found
        for key, (claim, _) in before.items():
            if key not in found and key in ruling:
                self._say(claim, "uncovered", "what ruled in its place is over: it rules again", now)

    def _say(self, claim: Claim, verdict: str, reason: str, now: Instant) -> None:
        control = claim.control
        self._log.add(
            now, control.target, claim.mode.value, verdict, reason, source=control.source, control_id=control.id
        )

    def lost(self, lost: Iterable[Lost], now: Instant) -> None:
        """Controls that lost modes for good and go on with the others."""
        for one in lost:
            reason = f"superseded by {one.by}; the rest of the control stands"
            for mode in one.modes:
                self._say(Claim(one.control, mode, one.control.values[mode]), "superseded", reason, now)


def _winners(ruling: Ruling) -> set[tuple[str, str]]:
    """(control, kind) of all claims that rule here."""
    var = () if ruling.var is None else (ruling.var,)
    return {(one.control.id, one.kind) for one in (*ruling.powers, *var, *ruling.passed.values(), *ruling.curves)}


def _why(loser: Control, winner: Control) -> str:
    mine, theirs = loser.source.authority, winner.source.authority
    because = f"authority {theirs:g} against {mine:g}" if theirs != mine else "of equals the later"
    rest = "it rules again after that" if winner.span.end < loser.span.end else "nothing is left of it after that"
    return f"gives way to {winner.id} for now ({because}); {rest}"
