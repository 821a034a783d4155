"""`gridiface report performance`: what came of all controls over a span of time, from a running server.

Owns words and the table only.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gridiface.aggregation.settlement.calendar import zone
from gridiface.app.desks.exports import table_text
from gridiface.cli.places.remote import Remote, asking
from gridiface.cli.terminal.days import instant
from gridiface.cli.terminal.progress import working
from gridiface.cli.terminal.showing import many, percent, show_json, show_table
from gridiface.errors import ConfigError

#: Most sums that are fetched.
_MOST = 100_000

_ENERGIES = ("requested_wh", "accepted_wh", "allocated_wh", "acknowledged_wh", "delivered_wh")
_PARTS = ("tracking_error", "availability", "acknowledged")
_TIMES = ("count", "mean_s", "median_s", "p95_s", "max_s")
_SCORES = ("score", "correlation", "delay", "precision", "hours", "samples", "missing")
_LIMIT = ("seconds", "limit_w", "kept", "over_s", "excess_wh", "peak_w")
_CSV = (
    *("name", "protocol", "program", "identity", "target", "controls", "seconds"),
    *(*_ENERGIES, *_PARTS, "quality", *(f"response_{name}" for name in _TIMES)),
    *(f"regulation_{name}" for name in _SCORES),
    *(f"limit_{name.removeprefix('limit_')}" for name in _LIMIT),
)


class By(StrEnum):
    """What each sum is of."""

    CONTROL = "control"
    PROGRAM = "program"
    GROUP = "group"
    DEVICE = "device"


@asking
def performance(
    remote: Remote,
    *,
    as_json: bool,
    begin: Annotated[str, typer.Option("--from", help="From then on, ISO 8601; local time of --zone or with offset.")],
    end: Annotated[str | None, typer.Option("--to", help="Before then; none: until now.")] = None,
    by: Annotated[By, typer.Option("--by", help="What each sum is of.")] = By.PROGRAM,
    zone_name: Annotated[str, typer.Option("--zone", help="Time zone of times without offset.")] = "UTC",
    defaults: Annotated[
        bool, typer.Option("--defaults", help="With the times of default controls and of the local schedule.")
    ] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the sums as CSV here.")] = None,
) -> None:
    """Energies, tracking error, availability, response times and regulation score by control, program, group or device.

    Example: gridiface report performance --from 2026-07-22 --to 2026-07-23 --by program
    """
    place = zone(zone_name)
    # All pages speak of the same time.
    span = {"start": instant(begin, place), "end": time.time() if end is None else instant(end, place)}
    asked = {**{name: str(at) for name, at in span.items()}, **({"defaults": "true"} if defaults else {})}
    with working("summing", quiet=as_json):
        rows = remote.pages("/performance", "performance", _MOST, by=by.value, **asked)
    if output is not None:
        try:
            output.write_text(table_text(_CSV, map(_flat, rows)), encoding="utf-8")
        except OSError as problem:
            raise ConfigError(f"{output}: cannot be written: {problem.strerror}; give another file") from problem
    if as_json:
        show_json({**span, "by": by.value, "performance": rows})
    elif output is not None:
        typer.echo(f"{output}: {many(len(rows), 'row')}")
    else:
        _show(by, rows)


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    scores = row["regulation"] or {}
    return {
        **row,
        **{f"response_{name}": row["responses"][name] for name in _TIMES},
        **{f"regulation_{name}": scores.get(name) for name in _SCORES},
        **{f"limit_{name.removeprefix('limit_')}": (row["limit"] or {}).get(name) for name in _LIMIT},
    }


def _show(by: By, rows: list[dict[str, Any]]) -> None:
    columns = (
        *(by.value, *(("sender",) if by in {By.CONTROL, By.PROGRAM} else ())),
        *("controls", "hours", "requested", "allocated", "acknowledged", "delivered, kWh"),
        *("error, %", "available, %", "response, s", "p95", "regulation", "limit kept, %", "over, s", "quality"),
    )
    show_table("", columns, (_cells(by, row) for row in rows))


def _cells(by: By, row: Mapping[str, Any]) -> list[object]:
    sender = "/".join(filter(None, (row["protocol"], row["identity"])))
    responses = row["responses"]
    return [
        *(row["name"], *((sender,) if by in {By.CONTROL, By.PROGRAM} else ())),
        row["controls"],
        f"{row['seconds'] / 3600:.3f}",
        *(_kwh(row[name]) for name in _ENERGIES if name != "accepted_wh"),
        *(percent(row[name]) for name in _PARTS[:2]),
        *(_s(responses[name]) for name in ("mean_s", "p95_s")),
        "-" if row["regulation"] is None else f"{row['regulation']['score']:.3f}",
        *_limit(row["limit"]),
        row["quality"],
    ]


def _limit(row: Mapping[str, Any] | None) -> tuple[str, str]:
    """What part of the time no limit was passed, and for how long one was."""
    if row is None or row["kept"] is None:
        return "-", "-"
    return percent(row["kept"]), f"{row['over_s']:.1f}"


def _kwh(wh: float | None) -> str:
    return "-" if wh is None else f"{wh / 1000:.3f}"


def _s(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.3f}"
