"""`gridiface sep2`: flow reservations - what devices ask to charge or discharge, and how they are answered."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gridiface.cli.places.remote import Remote, asking
from gridiface.cli.sep2.words import ReasonOption, show_resource, show_rows, start_of
from gridiface.cli.terminal.showing import show_json

app = typer.Typer()

RequestArgument = Annotated[str, typer.Argument(help="href of the request, such as /edev/3/frq/1.")]
WindowStartOption = Annotated[
    str,
    typer.Option(
        "--start",
        help="+SECONDS from now, ISO 8601, or seconds since 1970; without it: when the device's window begins, or now.",
    ),
]
_ROOT = "/sep2/flow-reservations"
_COLUMNS = ("path", "device", "state", "start", "duration", "energy_wh", "power_w", "granted_wh", "granted_w")


@app.command("flow")
@asking
def list_flow(
    remote: Remote,
    *,
    as_json: bool,
    limit: Annotated[int, typer.Option("--limit", help="At most so many.", min=1)] = 1000,
) -> None:
    """List what devices ask to charge (+) or discharge, with what is granted.

    Example: gridiface sep2 flow
    """
    rows = remote.pages(_ROOT, "requests", limit)
    if as_json:
        show_json({"requests": rows})
        return
    for row in rows:
        granted = row["grants"][0] if row["state"] in {"granted", "refused"} and row["grants"] else {}
        row |= {"granted_wh": granted.get("energy_wh", ""), "granted_w": granted.get("power_w", "")}
    show_rows("", _COLUMNS, rows)


@app.command("flow-grant")
@asking
def grant_flow(
    remote: Remote,
    *,
    as_json: bool,
    path: RequestArgument,
    energy: Annotated[float | None, typer.Option("--energy", help="At most so much, Wh; without: as asked.")] = None,
    power: Annotated[float | None, typer.Option("--power", help="At most so much, W; without: as asked.")] = None,
    start: WindowStartOption = "",
    duration: Annotated[int | None, typer.Option("--duration", help="Seconds; without: as asked.", min=1)] = None,
    reason: ReasonOption = "",
) -> None:
    """Grant a flow reservation, in whole or in part; what was granted before ends.

    Example: gridiface sep2 flow-grant /edev/3/frq/1 --power 3000
    """
    moment = start_of(start)
    body: dict[str, Any] = {
        "path": path,
        "energy_wh": energy,
        "power_w": power,
        "start": None if moment is None else round(moment),
        "duration": duration,
        "reason": reason,
    }
    show_resource(remote.post(f"{_ROOT}/answer", body), as_json)


@app.command("flow-refuse")
@asking
def refuse_flow(
    remote: Remote,
    *,
    as_json: bool,
    path: RequestArgument,
    reason: ReasonOption = "",
) -> None:
    """Refuse a flow reservation: nothing is granted, and what was granted before ends.

    Example: gridiface sep2 flow-refuse /edev/3/frq/1 --reason maintenance
    """
    body = {"path": path, "refuse": True, "reason": reason}
    show_resource(remote.post(f"{_ROOT}/answer", body), as_json)


@app.command("flow-cancel")
@asking
def cancel_flow(
    remote: Remote,
    *,
    as_json: bool,
    path: RequestArgument,
    reason: ReasonOption = "",
) -> None:
    """Cancel what is granted to a flow reservation.

    Example: gridiface sep2 flow-cancel /edev/3/frq/1
    """
    show_resource(remote.post(f"{_ROOT}/cancel", {"path": path, "reason": reason}), as_json)
