"""What is recorded of a control step, when, and what of it goes where the store cannot write for long."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, islice

from gridiface.aggregation.accounting.device_lines import DeviceLines
from gridiface.aggregation.tick_result import TickResult
from gridiface.app.dispatching.device_lines import documents_of, gone
from gridiface.domain.changes import (
    AppendDecisions,
    AppendDeliveries,
    AppendOutcome,
    AppendPerformance,
    AppendReadings,
    Change,
    DeleteDocument,
    Document,
    PutControl,
)
from gridiface.domain.controls import Decision
from gridiface.domain.performance import PerformanceInterval

#: One change, or some that become durable together.
Piece = Change | tuple[Change, ...]

#: Records that wait for a store that cannot write; beyond this the oldest performance and delivery rows go first.
BACKLOG = 100_000

#: Records that become durable together, in one transaction. What a step did to a hundred thousand devices is made,
#: written and told in such parts: nobody else waits longer for the loop or for the disk than one of them takes.
PART = 1024

#: How long the record of a control step waits for its set-points to leave, s; while the loop answers timers later than
#: `_BUSY_S`, again and again, up to `_DEVICES_LAST_S`.
_DEVICES_FIRST_S, _BUSY_S, _DEVICES_LAST_S = 0.5, 0.02, 2.0


async def devices_first(handing_out: Collection[asyncio.Task[None]]) -> None:
    """Wait until a step's set-points have left, or for a short while.

    While the loop is busy with nothing but them it is longer: a record would only make them wait.
    """
    loop = asyncio.get_running_loop()
    latest = loop.time() + _DEVICES_LAST_S
    while handing_out and loop.time() < latest:
        due = loop.time() + _DEVICES_FIRST_S
        _, under_way = await asyncio.wait(handing_out, timeout=_DEVICES_FIRST_S)
        if not under_way or loop.time() - due < _BUSY_S:
            return


def decided(decisions: Sequence[Decision]) -> list[Change]:
    """The records of decisions, if there are any."""
    return [AppendDecisions(tuple(decisions))] if decisions else []


def changes_of(result: TickResult) -> Iterator[Piece]:
    """The records of one step; what is told of thousands of devices is made as they are asked for (see `Late`).

    Steps of the devices come before that of their control, as they were told: where the server dies between two parts,
    the control is not over yet, and the devices that are missing are told when it goes on.
    """
    yield from decided(result.decisions)
    yield from map(AppendOutcome, result.outcomes)
    keep = tuple(chain.from_iterable(map(documents_of, result.lines)))
    parts = performance_of(result.performance)
    # The targets' own intervals are in the first part: who dies leaves them with their devices' lines, or none.
    if keep:
        first = next(parts, None)
        yield keep if first is None else (first, *keep)
    yield from parts
    yield from chain.from_iterable(gone(lines) for lines in result.lines if lines.over)


def performance_of(intervals: Iterable[PerformanceInterval]) -> Iterator[Change]:
    """The records of these intervals, in parts."""
    left = iter(intervals)
    while part := tuple(islice(left, PART)):
        yield AppendPerformance(part)


def left_behind(found: Iterable[tuple[Document, DeviceLines]]) -> Iterator[Change]:
    """What a server that died left of its controls' devices becomes performance; then it is forgotten."""
    for document, lines in found:
        yield from performance_of(lines.intervals())
        yield DeleteDocument(document.space, document.key)


def in_parts(*records: Iterable[Piece], most: int = PART) -> Iterator[list[Change]]:
    """The changes in their order, so many rows at once; those of fewer rows, and those of one piece, stay together."""
    part: list[Change] = []
    rows = 0
    for piece in chain(*records):
        changes: tuple[Change, ...]
        if type(piece) is AppendOutcome:  # three of them for each device told
            more, changes = 1, (piece,)
        else:
            changes = piece if isinstance(piece, tuple) else (piece,)
            more = sum(map(_rows_of, changes))
        if part and rows + more > most:
            yield part
            part, rows = [], 0
        part.extend(changes)
        rows += more
    if part:
        yield part


def _rows_of(change: Change) -> int:
    match change:
        case AppendPerformance():
            return len(change.intervals)
        case AppendDeliveries():
            return len(change.deliveries)
        case AppendReadings():
            return len(change.readings)
        case AppendDecisions():
            return len(change.decisions)
        case _:
            return 1


def trimmed(changes: list[Change], most: int = BACKLOG) -> list[Change]:
    """At most `most` changes: controls and outcomes stay, the oldest of the rest go."""
    surplus = len(changes) - most
    if surplus <= 0:
        return changes
    kept: list[Change] = []
    for change in changes:
        if surplus and not isinstance(change, PutControl | AppendOutcome):
            surplus -= 1
            continue
        kept.append(change)
    return kept
