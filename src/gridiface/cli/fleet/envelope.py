"""`gridiface group envelope`, `gridiface device envelope`: what can be counted on over the coming hours. Words only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from gridiface.aggregation.settlement.calendar import zone
from gridiface.app.desks.exports import table_text
from gridiface.cli.fleet.define import DeviceArgument, GroupArgument
from gridiface.cli.places.remote import Remote, asking
from gridiface.cli.terminal.days import instant
from gridiface.cli.terminal.progress import working
from gridiface.cli.terminal.showing import kw, many, show_json, show_table, utc
from gridiface.errors import ConfigError
from gridiface.segments import segment

_CSV = (
    *("start", "end", "min_w", "max_w", "min_var", "max_var", "sure_min_var", "sure_max_var", "planned_w", "beside_w"),
    *("energy_up", "energy_down", "up_wh", "down_wh", "reach_up_s", "reach_down_s", "held_up", "held_down"),
)

Begin = Annotated[
    str | None, typer.Option("--from", help="From then on, ISO 8601; local time of --zone or with offset. None: now.")
]
End = Annotated[str | None, typer.Option("--to", help="Until then, at most 7 days ahead. None: a day.")]
Step = Annotated[float, typer.Option("--step", help="Spans end at least at each multiple of so many minutes.")]
Zone = Annotated[str, typer.Option("--zone", help="Time zone of times without offset.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write the series as CSV here.")]


@asking
def group_envelope(
    remote: Remote,
    *,
    as_json: bool,
    group: GroupArgument,
    begin: Begin = None,
    end: End = None,
    step: Step = 15.0,
    zone_name: Zone = "UTC",
    output: Output = None,
) -> None:
    """What a group can be counted on for over the coming hours: least and most W and var, and what bounds them.

    Example: gridiface group envelope feeder-2 --step 60
    """
    _show(remote, f"/groups/{segment(group)}", (begin, end, step, zone_name), output, as_json=as_json)


@asking
def device_envelope(
    remote: Remote,
    *,
    as_json: bool,
    device: DeviceArgument,
    begin: Begin = None,
    end: End = None,
    step: Step = 15.0,
    zone_name: Zone = "UTC",
    output: Output = None,
) -> None:
    """What a device can be counted on for over the coming hours: least and most W and var, and what bounds them.

    Example: gridiface device envelope battery-1 --from 2026-07-22T16:00 --to 2026-07-22T20:00
    """
    _show(remote, f"/devices/{segment(device)}", (begin, end, step, zone_name), output, as_json=as_json)


def _show(
    remote: Remote, path: str, asked: tuple[str | None, str | None, float, str], output: Path | None, *, as_json: bool
) -> None:
    begin, end, minutes, zone_name = asked
    place = zone(zone_name)
    times = {name: str(instant(text, place)) for name, text in (("start", begin), ("end", end)) if text is not None}
    with working("looking ahead", quiet=as_json):
        found = remote.get(f"{path}/envelope?{urlencode({**times, 'step': str(60.0 * minutes)})}")
    spans = found["spans"]
    if output is not None:
        try:
            output.write_text(table_text(_CSV, map(_flat, spans)), encoding="utf-8")
        except OSError as problem:
            raise ConfigError(f"{output}: cannot be written: {problem.strerror}; give another file") from problem
    if as_json:
        show_json(found)
    elif output is not None:
        typer.echo(f"{output}: {many(len(spans), 'span')}")
    else:
        columns = ("from, UTC", "to", "least, kW", "most, kW", "planned", "least, kvar", "most", "held back by")
        show_table("", columns, map(_cells, spans))


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "held_up": _causes(row["held_up"]), "held_down": _causes(row["held_down"])}


def _cells(row: Mapping[str, Any]) -> Sequence[object]:
    sides = ((word, _causes(row[side])) for word, side in (("up", "held_up"), ("down", "held_down")))
    return (
        utc(row["start"]),
        utc(row["end"])[11:],
        kw(row["min_w"]),
        kw(row["max_w"]),
        kw(row["planned_w"]),
        kw(row["min_var"]),
        kw(row["max_var"]),
        "; ".join(f"{word}: {causes}" for word, causes in sides if causes),
    )


def _causes(held: Sequence[Mapping[str, Any]]) -> str:
    """What holds a bound back, in words with kW."""
    words = []
    for one in held:
        whose = "/".join(filter(None, (one["source"], one["control_id"])))
        words.append(f"{one['cause'].replace('_', ' ')}{f' ({whose})' if whose else ''} {kw(one['watts'])}")
    return ", ".join(words)
