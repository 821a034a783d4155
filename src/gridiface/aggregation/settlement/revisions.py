"""Settlements and their revisions: what late meter data change. Pure; `now` is an argument.

Meter data of an event arrive over days. Each time they do the event is settled anew; where a figure changed there is a
new revision, and every row says in which revision its figures last changed. After `LATE_WINDOW_S` the settlement is
final and changes only when it is reopened on purpose.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from gridiface.aggregation.settlement.rows import SettlementRow, Total, totals
from gridiface.domain.clock import Instant

#: Meter data are awaited for so long after the end of the event, s (72 h).
LATE_WINDOW_S = 72 * 3600.0

#: What of a row is compared; a difference of less than a milliwatt, or a millionth of a part, is none.
_LEAST: Mapping[str, float] = {
    **dict.fromkeys(("baseline_w", "metered_w", "delivered_w", "committed_w"), 1e-3),
    **dict.fromkeys(("eligible", "share"), 1e-6),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """One event settled.

    Attributes:
        event_id: the event's.
        revision: 1 for the first.
        computed: when.
        final: whether late data are no longer awaited.
        rows: all rows, by resource, then time.
        authority: of its sender; of events at the same time the larger counts first.
        reserved: of single resources the part of their power that is reserved to the event's program, 0 to 1.
    """

    event_id: str
    revision: int
    computed: Instant
    final: bool
    rows: tuple[SettlementRow, ...]
    authority: float = 0.0
    reserved: Mapping[str, float] = field(default_factory=dict)

    @property
    def total(self) -> Total | None:
        """The event's sum; None without rows."""
        found = totals(self.rows, "event")
        return found[0] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChange:
    """One row that a revision changed; `before` or `after` None where it came or went. `figures` by name."""

    resource_id: str
    start: Instant
    before: SettlementRow | None
    after: SettlementRow | None
    figures: tuple[str, ...]

    @property
    def delivered_change_w(self) -> float | None:
        """How much `delivered_w` moved; None where it was or is unknown."""
        if self.before is None or self.after is None:
            return None
        if self.before.delivered_w is None or self.after.delivered_w is None:
            return None
        return self.after.delivered_w - self.before.delivered_w


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What came of settling anew. `note` says why nothing was taken over, where that is so."""

    settlement: Settlement
    changes: tuple[RowChange, ...]
    note: str = ""


def settlement_of(
    event_id: str,
    event_end: Instant,
    rows: Iterable[SettlementRow],
    now: Instant,
    *,
    previous: Settlement | None = None,
    reopen: bool = False,
    authority: float = 0.0,
    reserved: Mapping[str, float] = MappingProxyType({}),
    late_window_s: float = LATE_WINDOW_S,
) -> Revision:
    """The first settlement of an event, or the next revision of it.

    Without any change the previous settlement stays, with its revision; it may become final.

    Args:
        event_id: the event's.
        event_end: its end.
        rows: as `settle` gives them.
        now: when this is done.
        previous: the last settlement of the same event; None for the first.
        reopen: change a final settlement, too.
        authority, reserved: see `Settlement`.
        late_window_s: how long data are awaited after the end, s.

    Raises:
        ValueError: `previous` is of another event.
    """
    ordered = tuple(sorted(rows, key=lambda row: (row.resource_id, row.start)))
    final = now >= event_end + late_window_s

    def made(*, revision: int, rows: tuple[SettlementRow, ...]) -> Settlement:
        return Settlement(
            event_id=event_id,
            revision=revision,
            computed=now,
            final=final,
            rows=rows,
            authority=authority,
            reserved=dict(reserved),
        )

    if previous is None:
        first = tuple(replace(row, revision=1) for row in ordered)
        return Revision(settlement=made(revision=1, rows=first), changes=())
    if previous.event_id != event_id:
        raise ValueError(f"{previous.event_id} is not an earlier settlement of {event_id}")
    changes = _changes(previous.rows, ordered)
    if not changes:
        same = previous if previous.final or not final else replace(previous, final=True)
        return Revision(settlement=same, changes=(), note="nothing changed")
    if previous.final and not reopen:
        note = f"revision {previous.revision} is final; {len(changes)} rows would change: reopen it to take them over"
        return Revision(settlement=previous, changes=changes, note=note)
    number = previous.revision + 1
    kept = {(row.resource_id, row.start): row.revision for row in previous.rows}
    changed = {(change.resource_id, change.start) for change in changes}
    rows_now = tuple(
        replace(row, revision=number if (row.resource_id, row.start) in changed else kept[row.resource_id, row.start])
        for row in ordered
    )
    return Revision(settlement=made(revision=number, rows=rows_now), changes=changes)


def _changes(before: tuple[SettlementRow, ...], after: tuple[SettlementRow, ...]) -> tuple[RowChange, ...]:
    old = {(row.resource_id, row.start): row for row in before}
    new = {(row.resource_id, row.start): row for row in after}
    found = []
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key), new.get(key)
        figures = ("row",) if was is None or now is None else _differing(was, now)
        if figures:
            found.append(RowChange(resource_id=key[0], start=key[1], before=was, after=now, figures=figures))
    return tuple(found)


def _differing(was: SettlementRow, now: SettlementRow) -> tuple[str, ...]:
    found = [name for name, least in _LEAST.items() if _differs(getattr(was, name), getattr(now, name), least)]
    found += [name for name in ("quality", "method", "end") if getattr(was, name) != getattr(now, name)]
    return tuple(found)


def _differs(was: float | None, now: float | None, least: float) -> bool:
    if was is None or now is None:
        return was is not now
    return abs(was - now) >= least
