"""Tells the day's story to people: live lines while it runs, a report, a picture, tables of the settlement."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from gridiface.app.desks.exports import csv_text
from gridiface.cli.story.day import EVENING, Day, Times
from gridiface.cli.story.drawing import svg, terminal
from gridiface.cli.story.record import Record

#: What must hold: error of the fleet's total against what is feasible, and how far the limited feeder is above its
#: limit beside what died on it or came back in the same step, percent.
TRACKING_PCT, LIMIT_PCT = 2.0, 0.1

#: Steps between two looks at the live lines.
_SHOWN_EVERY = 15


def tell(*, devices: int, seed: int, evening: bool, output: Path | None, quiet: bool) -> dict[str, Any]:
    """Run the story; what came of it, with `ok`.

    Args:
        devices: size of the fleet, at least 20.
        seed: of fleet, failures and lies.
        evening: only the hours around the event.
        output: folder for `day.svg`, `settlement.csv` and `decisions.csv`.
        quiet: no live lines.
    """
    day = Day(devices=devices, seed=seed, times=EVENING if evening else Times())
    with _live(quiet=quiet) as live:
        record = day.run(lambda one: live(one, day))
    result = summary(day, record)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        rows, _ = record.settlement()
        (output / "day.svg").write_text(svg(record, title=f"A day of {devices} devices"), encoding="utf-8")
        (output / "settlement.csv").write_text(csv_text(rows), encoding="utf-8")
        (output / "decisions.csv").write_text(decisions_csv(record), encoding="utf-8")
        result["files"] = [str(output / name) for name in ("day.svg", "settlement.csv", "decisions.csv")]
    if not quiet:
        report(record, result)
    return result


def summary(day: Day, record: Record) -> dict[str, Any]:
    """All figures, and whether they are as they should be."""
    tracking, limit = record.tracking(), record.limit_kept()
    explained, window = record.explained(set(day.broken), day.liars), record.window_kept(day.liars)
    _, settled = record.settlement()
    checks = {
        "tracking": tracking["samples"] > 0 and tracking["error_pct"] <= TRACKING_PCT,
        "limit": limit["limit_w"] > 0 and limit["unexplained_w"] <= LIMIT_PCT / 100 * limit["limit_w"],
        "explained": not explained["without_reason"]
        and not explained["unanswered"]
        and explained["failures_explained"] == explained["failures"]
        and explained["liars_found"] == explained["liars"]
        and explained["limits_named"] > 0,
        "soc_window": window["outside"] == 0,
        "settlement": settled["sums_up"] and settled["settled"] == settled["rows"],
        "vehicles": day.ready is None or day.ready[0] == day.ready[1],
    }
    return {
        "story": "day",
        "ok": all(checks.values()),
        "checks": checks,
        "devices": day.devices,
        "seed": day.seed,
        "steps": len(record.samples),
        "set_points": record.setpoints,
        "seconds": round(day.took_s, 1),
        "tracking": tracking,
        "limit": limit,
        "explained": explained,
        "soc_window": window,
        "settlement": settled,
        "vehicles_ready": None if day.ready is None else {"ready": day.ready[0], "of": day.ready[1]},
        "controls": dict(Counter(control.source.protocol for control in day.controls)),
        "verdicts": dict(Counter(one.verdict for one in record.decisions).most_common()),
    }


def decisions_csv(record: Record) -> str:
    """Every decision: time, target, signal, source, priority, verdict, reason."""
    lines = ["at,target,signal,source,priority,verdict,reason,control,value"]
    for one in record.decisions:
        at = datetime.fromtimestamp(one.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        value = "" if one.value is None else f"{one.value:.1f}"
        source = f"{one.source.protocol} {one.source.program}".strip()
        cells = (one.target.id, one.signal, source, f"{one.source.authority:g}", one.verdict, one.reason)
        lines.append(",".join([at, *map(_cell, cells), _cell(one.control_id), value]))
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\n') else text


def report(record: Record, result: dict[str, Any]) -> None:
    """The figures as a few lines, and the day in characters."""
    for line in terminal(record):
        typer.echo(line)
    tracking, limit, explained = result["tracking"], result["limit"], result["explained"]
    settled, vehicles = result["settlement"], result["vehicles_ready"]
    rows = [
        (
            "tracking",
            f"{tracking['error_pct']} % of what is feasible off on average, {tracking['worst_pct']} % at worst",
        ),
        ("limit", _of_limit(limit)),
        (
            "explained",
            f"{explained['decisions']} decisions, {explained['failures_explained']} of {explained['failures']} "
            f"failures, {explained['liars_found']} of {explained['liars']} liars",
        ),
        (
            "settlement",
            f"{settled['rows']} rows, {settled['delivered_mwh']:.3f} MWh delivered, "
            f"largest gap between sums {settled['largest_gap_wh']:.1e} Wh",
        ),
    ]
    if vehicles is not None:
        rows.append(("vehicles", f"{vehicles['ready']} of {vehicles['of']} at 80 % by 7:00"))
    for name, text in rows:
        mark = "ok " if result["checks"][name] else "NOT"
        typer.echo(f"{mark} {name:11} {text}")
    for name in result.get("files", ()):
        typer.echo(f"written: {name}")


def _of_limit(limit: dict[str, float]) -> str:
    text = f"{limit['limit_w'] / 1e6:.3f} MW on one feeder, {limit['most_w'] / 1e6:.3f} MW at most"
    if not limit["above_w"]:
        return text
    return f"{text}, in the step in which {limit['jumped_w'] / 1e6:.3f} MW jumped as devices died or came back"


@contextlib.contextmanager
def _live(*, quiet: bool) -> Iterator[Any]:
    if quiet:
        yield lambda record, day: None
        return
    console = Console(stderr=True)
    with Live(console=console, refresh_per_second=4, transient=True) as shown:

        def show(record: Record, day: Day) -> None:
            if len(record.samples) % _SHOWN_EVERY:
                return
            now = record.samples[-1]
            clock = datetime.fromtimestamp(now.at, UTC).strftime("%H:%M:%S")
            head = f"{clock}  {now.delivered / 1e6:8.2f} MW  {now.online} of {day.devices} devices online"
            shown.update(Text("\n".join([head, *terminal(record, width=60)])))

        yield show
