"""Writes the reference pages that are made from code; `make reference` runs it, a test holds them current.

Not a verb: it needs a checkout, users read the result.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command

from gridiface.app.config import reference as config_reference
from gridiface.cli.lazy import LazyGroup, joined
from gridiface.northbound.dnp3.shown.words import reference_page
from gridiface.operator.alarms.kinds import alarms_page
from gridiface.operator.api.reference import metrics_page, rest_page
from gridiface.operator.areas.catalogue import AREAS


def commands(command: Any, path: str = "gridiface") -> Iterator[tuple[str, Any]]:
    """Every verb that does something, with its full name, in the order of the help.

    Commands are of typer's own kind or of click's, as the version has it; both have the same attributes.
    """
    if hasattr(command, "commands"):
        if isinstance(command, LazyGroup):
            command.load_all()
        for name, child in command.commands.items():
            yield from commands(child, f"{path} {name}")
    else:
        yield path, command


def cli_page(app: typer.Typer) -> str:
    """The page of all verbs and their options, Markdown."""
    lines = [
        "# Command line reference",
        "This page is made from the code (`make reference`). Exit codes: 0 done; 1 what was asked for failed or a",
        "check did not hold; 2 wrong usage or configuration; 3 the server or the store cannot be reached.",
    ]
    lines += ["", "## Before the verb", *_options(get_command(app))]
    for name, command in commands(get_command(app)):
        lines += ["", f"## {name}", _text(command.help), "", *_options(command)]
    return "\n".join(lines) + "\n"


def _text(text: str | None) -> str:
    return "\n".join(line.strip() for line in joined((text or "").replace("\f", "")).strip().splitlines())


def _options(command: Any) -> list[str]:
    rows = ["| option | meaning | default |", "|---|---|---|"]
    for parameter in command.params:
        if getattr(parameter, "hidden", False):
            continue
        is_argument = parameter.param_type_name == "argument"
        names = (parameter.name or "").upper() if is_argument else ", ".join(parameter.opts)
        meaning = " ".join((getattr(parameter, "help", "") or "").split())
        default = parameter.default
        shown = (
            "required" if parameter.required else "" if default in (None, False, ()) or callable(default) else default
        )
        rows.append(f"| `{names}` | {meaning} | {shown} |")
    return rows if len(rows) > 2 else []


def pages(root: Path) -> dict[Path, Callable[[], str]]:
    """Every generated file of the checkout and what makes its content."""
    from gridiface.cli.main import app  # noqa: PLC0415 - main imports every verb; only the generator needs them all

    return {
        root / "docs" / "reference" / "configuration.md": config_reference.page,
        root / "docs" / "reference" / "cli.md": partial(cli_page, app),
        root / "docs" / "reference" / "dnp3-points.md": reference_page,
        root / "docs" / "reference" / "rest.md": partial(rest_page, AREAS),
        root / "docs" / "reference" / "metrics.md": metrics_page,
        root / "docs" / "reference" / "alarms.md": alarms_page,
        root / "schemas" / "config" / "gridiface.schema.json": config_reference.json_schema,
    }


def write(root: Path) -> None:
    """Write every generated file."""
    for path, made in pages(root).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
