"""`gridiface grafana`: the dashboard that the wheel carries, for Grafana over Prometheus."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from gridiface.errors import ConfigError


def grafana(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it here; none: print it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --output: say what was written as JSON.")] = False,
) -> None:
    """Print the Grafana dashboard of this version, to be imported over a Prometheus data source.

    Example: gridiface grafana --output gridiface.json
    """
    text = files("gridiface.operator").joinpath("grafana", "gridiface.json").read_text(encoding="utf-8")
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise ConfigError(f"{output}: cannot be written: {problem.strerror}; give another file") from problem
    if as_json:
        typer.echo(json.dumps({"ok": True, "output": str(output)}))
    else:
        typer.echo(f"{output}: import it in Grafana (Dashboards, New, Import)")
