"""Who took no part in a control for a while: what devices answered, the operator's blocks, our own side's leave.

Owns what on record counts as an opt-out. What it does to a settlement is aggregation.settlement's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf
from typing import Protocol

from gridiface.domain.clock import Instant
from gridiface.domain.controls import OPTED_IN, OPTED_OUT, Control, Decision, Outcome, OutcomeKind, Verdict
from gridiface.domain.ports import DecisionSearch, History
from gridiface.domain.timeline import opts_out
from gridiface.operator.rows.rows import BlockRow

_BLOCKED = "blocked by the operator"

#: Most acts of blocking that are looked at; the newest.
_MOST = 100_000


class BlocksNow(Protocol):
    """The blocks that stand."""

    def of(self, device_id: str) -> BlockRow | None:
        """The block of a device, or None."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """A device took no part over [start, end), and why, for people."""

    device_id: str
    start: Instant
    end: Instant
    reason: str


def answered(outcomes: Iterable[Outcome], end: Instant) -> list[Leave]:
    """Devices that said in mid-event, or before it, that they take no part: they are out, until they begin again.

    What is told at the end (no acknowledgement, silence) is no opt-out: it is a bad performance.
    """
    found: list[Leave] = []
    out: dict[str, Leave] = {}
    for one in sorted(outcomes, key=lambda one: one.at):
        name = one.device_id
        if name is None or one.at >= end:
            continue
        word, _, said = (part.strip() for part in one.reason.partition(":"))
        blocked = one.kind in _OUT and word == Verdict.BLOCKED.value
        if one.kind is OutcomeKind.STARTED and name in out:
            found.append(replace(out.pop(name), end=one.at))
        elif (blocked or one.kind in _LEFT) and name not in out:
            why = "it opted out" if blocked or not one.reason else one.reason
            if one.kind is OutcomeKind.REFUSED and word == Verdict.BLOCKED.value and said:
                why = said
            out[name] = Leave(device_id=name, start=one.at, end=end, reason=why)
    return sorted([*found, *out.values()], key=lambda one: one.start)


_OUT = frozenset({OutcomeKind.FAILED, OutcomeKind.PARTIAL})
_LEFT = frozenset({OutcomeKind.REFUSED, OutcomeKind.PARTIAL})
#: How a control ends before its time.
_CUT_SHORT = frozenset({OutcomeKind.CANCELLED, OutcomeKind.SUPERSEDED})


async def recorded(
    records: History,
    blocks: BlocksNow,
    devices: Sequence[str],
    outcomes: Iterable[Outcome],
    start: Instant,
    end: Instant,
) -> list[Leave]:
    """The times for which devices took no part in [start, end): by their own word, by an operator's block, not enabled.

    Who opted out and is enabled again later (a VEN that opts in), or opts in again, is back from then on. A device's
    first answers of a kind alone are kept: that it changed its word more often is known from what the engine decided.
    What it opted out of before `start` keeps it out until that is over.
    """
    held = await _acts(records, devices, "block", end)
    away = await _acts(records, devices, "enabled", end)
    words = await _words(records, devices, end)
    back = {name: [one.at for one in acts if one.verdict == "enabled"] for name, acts in away.items()}
    for name, acts in words.items():
        back.setdefault(name, []).extend(one.at for one in acts if one.verdict == OPTED_IN)
    found = [
        replace(one, end=min((at for at in back.get(one.device_id, ()) if one.start < at < one.end), default=one.end))
        for one in answered(outcomes, end)
    ]
    known: dict[str, list[Leave]] = {}
    for one in found:
        known.setdefault(one.device_id, []).append(one)
    again = [one for name, acts in words.items() for one in _spans(name, acts, OPTED_OUT, "it opted out", end)]
    for one in await _lasting(records, again, start):
        if not any(other.start < one.end and one.start < other.end for other in known.get(one.device_id, ())):
            found.append(one)
    for name in devices:
        found += _spans(name, held.get(name, ()), "blocked", _BLOCKED, end)
        if name not in held and (now := blocks.of(name)) is not None and now["at"] < end:
            # Since before the oldest record.
            found.append(Leave(device_id=name, start=now["at"], end=end, reason=_BLOCKED))
        found += _spans(name, away.get(name, ()), "disabled", "not enabled: its owner opted out, or its settings", end)
    return found


def ended(control: Control, outcomes: Iterable[Outcome]) -> Instant:
    """When a control was over: at its end, or where it was cut short."""
    return min([control.span.end, *(one.at for one in outcomes if one.device_id is None and one.kind in _CUT_SHORT)])


async def _lasting(records: History, leaves: Sequence[Leave], start: Instant) -> list[Leave]:
    """Those that reach beyond `start`: whoever opted out is out until the end of what it opted out of.

    The engine says so when it lets the device in again, which it does not where it was stopped at that moment.
    """
    early: set[str | None] = {one.device_id for one in leaves if one.start < start < one.end}
    ends = dict.fromkeys(early, -inf)
    live = await records.controls(live_after=start) if early else []
    for control in (one for one in live if one.created < start):
        outcomes = await records.outcomes(control.id)
        for name in {one.device_id for one in outcomes if one.device_id in early and opts_out(one)}:
            ends[name] = max(ends[name], ended(control, outcomes))
    cut = [
        replace(one, end=min(one.end, ends[one.device_id])) if one.start < start < one.end else one for one in leaves
    ]
    return [one for one in cut if one.end > max(one.start, start)]


async def still_out(records: History, outcomes: Sequence[Outcome], now: Instant) -> list[Outcome]:
    """The outcomes without those opt-outs that their devices have taken back since."""
    names = sorted({one.device_id for one in outcomes if one.device_id is not None and opts_out(one)})
    words = await _words(records, names, now) if names else {}
    back = {name: acts[-1].at for name, acts in words.items() if acts[-1].verdict == OPTED_IN}
    return [one for one in outcomes if not (opts_out(one) and one.at <= back.get(one.device_id or "", -inf))]


async def _words(records: History, devices: Sequence[str], end: Instant) -> dict[str, list[Decision]]:
    """When each device opted out of what it was told, and in again, the oldest first."""
    found = await _acts(records, devices, "availability", end, OPTED_OUT)
    for name, acts in (await _acts(records, list(found), "availability", end, OPTED_IN) if found else {}).items():
        found[name] = sorted([*found[name], *acts], key=lambda one: one.at)
    return found


async def _acts(
    records: History, devices: Sequence[str], signal: str, end: Instant, verdict: str | None = None
) -> dict[str, list[Decision]]:
    """What was decided of each device about one thing, the oldest first."""
    search = DecisionSearch(targets=tuple(devices), signal=signal, end=end, verdict=verdict)
    found: dict[str, list[Decision]] = {}
    for one in reversed(await records.decisions(limit=_MOST, search=search)):
        found.setdefault(one.target.id, []).append(one)
    return found


def _spans(name: str, acts: Iterable[Decision], verdict: str, reason: str, end: Instant) -> list[Leave]:
    """The times for which that verdict stood."""
    spans = pairwise([*((one.at, one.verdict == verdict) for one in acts), (end, False)])
    return [Leave(device_id=name, start=at, end=to, reason=reason) for (at, on), (to, _) in spans if on and to > at]


async def left(records: History, control: Control, ended: Instant) -> str:
    """Why our own side left a control that ended before its time; empty where its sender ended it."""
    search = DecisionSearch(verdict="cancelled", text=OPTED_OUT)
    found = await records.decisions(control_id=control.id, limit=10, search=search)
    mine = [one.reason for one in found if one.reason.startswith(OPTED_OUT) and one.at <= ended + 1.0]
    return mine[0] if mine else ""
