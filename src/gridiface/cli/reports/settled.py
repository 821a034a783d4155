"""Settlements of meter files: what of an event counts (opt-outs, other events), and how the outcome is told.

Owns options and words; the rules are aggregation.settlement's.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import tzinfo
from pathlib import Path
from typing import Annotated, Any

import typer

from gridiface.aggregation.settlement import (
    OptOut,
    Revision,
    Settlement,
    SettlementRow,
    credited,
    eligible,
    totals,
)
from gridiface.aggregation.settlement.rows import Total
from gridiface.app.desks import exports
from gridiface.cli.terminal.days import instant
from gridiface.cli.terminal.quiet import note
from gridiface.domain.clock import Instant
from gridiface.errors import ConfigError

OptOuts = Annotated[
    list[str] | None,
    typer.Option(
        "--opt-out",
        metavar="RESOURCE=FROM[/TO]",
        help="A resource took no part then; without TO to the end. Repeatable.",
    ),
]
Beside = Annotated[
    list[Path] | None,
    typer.Option("--beside", help="A settlement of another event: what it counts is not counted again. Repeatable."),
]


def opt_outs_in(texts: list[str] | None, zone: tzinfo, end: Instant, resources: Collection[str]) -> list[OptOut]:
    """The opt-outs that are named; times without offset are of `zone`.

    Raises:
        ConfigError: one cannot be read, ends before it begins, or is of a resource without meter data.
    """
    found = []
    for text in texts or ():
        name, _, span = text.rpartition("=")
        since, _, until = span.partition("/")
        if not name:
            raise ConfigError(f"{text!r} is no RESOURCE=FROM[/TO]; write for example house-1=2026-07-22T16:40")
        if name not in resources:
            raise ConfigError(f"--opt-out {text!r}: there are no meter data of {name!r}; look at its name")
        start, stop = instant(since, zone), instant(until, zone) if until else end
        if stop <= start:
            raise ConfigError(f"--opt-out {text!r}: it ends before it begins; write FROM before TO")
        found.append(OptOut(resource_id=name, start=start, end=stop, reason="opted out"))
    return found


def settlements_in(files: list[Path] | None) -> list[Settlement]:
    """Settlements that stand as they are.

    Raises:
        ConfigError: a file is no settlement, or two are of one event.
    """
    found: dict[str, Settlement] = {}
    for file in files or ():
        one = exports.read_settlement(file)[0]
        if one.event_id in found:
            raise ConfigError(f"{file}: a settlement of {one.event_id} was given before; give the newest of each event")
        found[one.event_id] = replace(one, final=True)
    return list(found.values())


def counted(
    event_id: str, rows: Iterable[SettlementRow], outs: Iterable[OptOut], beside: Sequence[Settlement]
) -> tuple[SettlementRow, ...]:
    """The rows with what of each counts for the event.

    Raises:
        ConfigError: a settlement beside it is of the event itself.
    """
    if any(one.event_id == event_id for one in beside):
        raise ConfigError(f"--beside names a settlement of {event_id} itself; give it as --previous")
    draft = Settlement(event_id=event_id, revision=0, computed=0.0, final=False, rows=eligible(rows, outs))
    return credited([draft, *beside])[0].rows


def show(found: Revision, *, as_json: bool) -> None:
    """Tell what came of settling: sums, and what changed."""
    settlement = found.settlement
    if as_json:
        record: dict[str, Any] = {
            "event": settlement.event_id,
            "revision": settlement.revision,
            "final": settlement.final,
            "note": found.note,
            "total": [exports.total_record(total) for total in totals(settlement.rows, "event")],
            "resources": [exports.total_record(total) for total in totals(settlement.rows, "resource")],
            "changes": [exports.change_record(change) for change in found.changes],
        }
        typer.echo(json.dumps(record))
        return
    state = "final" if settlement.final else "awaiting late data"
    typer.echo(f"{settlement.event_id}: revision {settlement.revision}, {state}")
    for total in (*totals(settlement.rows, "resource"), *totals(settlement.rows, "event")):
        performance = "      -" if total.performance is None else f"{total.performance:7.1%}"
        settled = f"{total.settled}/{total.rows}"
        typer.echo(
            f"{total.key:24} delivered {total.delivered_wh / 1000:10.3f} kWh  {_part(total)}performance {performance}  "
            f"settled {settled:>9}  {total.quality.value}"
        )
    for change in found.changes[:50]:
        moved = "" if change.delivered_change_w is None else f" ({change.delivered_change_w / 1000:+.3f} kW delivered)"
        typer.echo(f"changed: {change.resource_id} {exports.utc(change.start)}: {', '.join(change.figures)}{moved}")
    if len(found.changes) > 50:
        typer.echo(f"and {len(found.changes) - 50} more changes; --json lists them all")
    if found.note:
        note(f"note: {found.note}")


def _part(total: Total) -> str:
    """What counts, where that is not all that was delivered."""
    less = abs(total.credited_wh - total.delivered_wh) > 1e-6
    return f"counts {total.credited_wh / 1000:.3f} kWh  " if less else ""
