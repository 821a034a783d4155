"""What of each row counts for its event: who opted out, and which of several events at once counts a watt-hour. Pure.

A meter does not show for which of two events a load went down, so each moment of a resource counts once: parts that
are reserved to a program count for it, in proportion; the rest for one event, that of the larger authority, of equals
the one that began earlier, then the smaller id. Who is out of an event for a while leaves that time to the next. A
settlement that is final keeps what it has.

Within a row power is taken as even, so that a part of its time is that part of its energy.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice, pairwise

from gridiface.aggregation.settlement.revisions import Settlement
from gridiface.aggregation.settlement.rows import SettlementRow
from gridiface.domain.clock import Instant

#: Parts smaller than this are none.
_NOTHING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOut:
    """A resource took no part in an event over [start, end), and why, for people."""

    resource_id: str
    start: Instant
    end: Instant
    reason: str


def eligible(rows: Iterable[SettlementRow], outs: Iterable[OptOut]) -> tuple[SettlementRow, ...]:
    """The rows with the part of their time for which their resource took part in the event."""
    of: dict[str, list[OptOut]] = {}
    for one in sorted(outs, key=lambda out: (out.start, out.end)):
        of.setdefault(one.resource_id, []).append(one)
    return tuple(_eligible(row, of[row.resource_id]) if row.resource_id in of else row for row in rows)


def _eligible(row: SettlementRow, outs: Sequence[OptOut]) -> SettlementRow:
    away, until, reasons = 0.0, row.start, []
    for out in outs:
        start, end = max(out.start, row.start, until), min(out.end, row.end)
        if end > start:
            away, until = away + end - start, end
            reasons.append(f"out {_span(out, row)}: {out.reason}")
    if not reasons:
        return row
    why = "; ".join(filter(None, (row.reason, *dict.fromkeys(reasons))))
    return replace(row, eligible=1.0 - away / (row.end - row.start), reason=why)


def _span(out: OptOut, row: SettlementRow) -> str:
    """When, as far as it lies in the row."""
    if out.start <= row.start and out.end >= row.end:
        return "all the time"
    since = f"from {_clock(out.start)}" if out.start > row.start else ""
    return " ".join(filter(None, (since, f"until {_clock(out.end)}" if out.end < row.end else "")))


def _clock(at: Instant) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%SZ")


def credited(settlements: Sequence[Settlement]) -> tuple[Settlement, ...]:
    """The same settlements with the share of each row that the others leave to it; final ones as they are.

    Whatever `share` their rows have is not looked at, but for final ones.
    """
    ranked = sorted(settlements, key=_rank)
    ranks = {one.event_id: rank for rank, one in enumerate(ranked)}
    by_resource: dict[str, list[tuple[Settlement, list[SettlementRow]]]] = {}
    for one in ranked:
        for name, rows in _by_resource(one.rows).items():
            by_resource.setdefault(name, []).append((one, rows))
    found: dict[tuple[str, str, Instant], SettlementRow] = {}
    for parts in by_resource.values():
        for settlement, rows in parts:
            beside = [(other, theirs) for other, theirs in parts if other is not settlement]
            if not settlement.final:
                for row in rows:
                    found[row.event_id, row.resource_id, row.start] = _credited(settlement, row, beside, ranks)
    return tuple(
        replace(one, rows=tuple(found.get((row.event_id, row.resource_id, row.start), row) for row in one.rows))
        for one in settlements
    )


def _rank(settlement: Settlement) -> tuple[bool, float, Instant, str]:
    start = min((row.start for row in settlement.rows), default=0.0)
    return not settlement.final, -settlement.authority, start, settlement.event_id


def _by_resource(rows: Iterable[SettlementRow]) -> Mapping[str, list[SettlementRow]]:
    found: dict[str, list[SettlementRow]] = {}
    for row in rows:
        found.setdefault(row.resource_id, []).append(row)
    return found


@dataclass(frozen=True, slots=True)
class _Claim:
    """One event's row at one moment: the rows of one resource that are there, in the order of their ranks."""

    settlement: Settlement
    row: SettlementRow

    @property
    def reserved(self) -> float:
        return self.settlement.reserved.get(self.row.resource_id, 0.0)


def _credited(
    settlement: Settlement,
    row: SettlementRow,
    beside: Iterable[tuple[Settlement, Sequence[SettlementRow]]],
    ranks: Mapping[str, int],
) -> SettlementRow:
    """The row with its share: the mean over its time of what the others leave at each moment."""
    others = [_Claim(other, one) for other, rows in beside for one in _during(rows, row.start, row.end)]
    own = replace(row, share=1.0, elsewhere="")
    if not others:
        return own
    claims = sorted([_Claim(settlement, row), *others], key=lambda claim: ranks[claim.settlement.event_id])
    inside = {at for one in others for at in (one.row.start, one.row.end) if row.start < at < row.end}
    mine, theirs = 0.0, dict[str, float]()
    for start, end in pairwise(sorted({row.start, row.end, *inside})):
        part = (end - start) / (row.end - row.start)
        for claim, share in _shares([one for one in claims if one.row.start <= start and one.row.end >= end]):
            if claim.row is row:
                mine += part * share
            elif share * claim.row.eligible > _NOTHING:
                name = claim.settlement.event_id
                theirs[name] = theirs.get(name, 0.0) + part * share * claim.row.eligible
    if mine > 1 - _NOTHING:
        return own
    why = "; ".join(f"{name} counts {part:.0%}" for name, part in theirs.items())
    return replace(own, share=mine if mine > _NOTHING else 0.0, elsewhere=why)


def _during(rows: Sequence[SettlementRow], start: Instant, end: Instant) -> Iterator[SettlementRow]:
    """Those of a resource's rows, which are in order of time, that touch [start, end)."""
    for row in islice(rows, bisect_right(rows, start, key=lambda one: one.end), None):
        if row.start >= end:
            return
        yield row


def _shares(claims: Sequence[_Claim]) -> list[tuple[_Claim, float]]:
    """The share of each of the claims of one moment, which are in the order of their ranks.

    Final ones have what they have; of the rest reserved parts get theirs, and the first of the others what is left of
    it, the next what that one was not there for.
    """
    found = [(claim, claim.row.share) for claim in claims if claim.settlement.final]
    left = max(0.0, 1.0 - sum(claim.row.eligible * share for claim, share in found))
    reserved = [claim for claim in claims if not claim.settlement.final and claim.reserved > 0]
    others = [claim for claim in claims if not claim.settlement.final and claim.reserved <= 0]
    whole = sum(claim.reserved for claim in reserved)
    rest = max(0.0, 1.0 - whole) if others else 0.0
    found += [(claim, left * claim.reserved / (whole + rest)) for claim in reserved]
    free = left * (rest / (whole + rest) if reserved else 1.0)
    for claim in others:
        found.append((claim, free))
        free *= 1.0 - claim.row.eligible
    return found
