"""`gridiface chaos`: provoke what goes wrong in the field, and say whether what must hold held."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer

from gridiface.cli.chaos.scenario import Plan, scenario, scenarios
from gridiface.simulation.load.figures import machine, versions


def chaos(
    name: Annotated[str, typer.Argument(help="Which scenario; `list` names all of them.")],
    full: Annotated[bool, typer.Option("--full", help="The long form; without it a short one of seconds.")] = False,
    size: Annotated[int | None, typer.Option(help="How many of what the scenario repeats.", min=1)] = None,
    seconds: Annotated[float | None, typer.Option(help="How long, where the scenario counts time.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line.")] = False,
) -> None:
    """Provoke failures, set clocks, lose links, and check what must hold.

    Exit code 0: everything held; 1: something did not.

    Example: gridiface chaos sequences --full --json
    """
    if name == "list":
        _list(as_json=as_json)
        return
    chosen = scenario(name)
    began = time.monotonic()
    found = chosen.run(Plan(full=full, seed=seed, size=size, seconds=seconds))
    answer: dict[str, Any] = {
        "chaos": chosen.name,
        "measure": chosen.measure,
        "ok": found.ok,
        "form": "full" if full else "short",
        "checks": found.checks,
        "figures": found.figures,
        "seed": seed,
        "seconds": round(time.monotonic() - began, 1),
        "machine": machine(),
        "versions": versions(("numpy",)),
    }
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        for check, held in found.checks.items():
            typer.echo(f"{'ok ' if held else 'NOT'} {check}")
        for figure, value in found.figures.items():
            typer.echo(f"    {figure}: {value}")
    raise typer.Exit(0 if found.ok else 1)


def _list(*, as_json: bool) -> None:
    known = scenarios().values()
    if as_json:
        typer.echo(json.dumps([{"name": one.name, "measure": one.measure, "summary": one.summary} for one in known]))
        return
    for one in known:
        typer.echo(f"{one.name:18} {one.measure:4} {one.summary}")
