"""`gridiface audit`: search, export and verify the audit log, on a running server or on a stopped one's store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gridiface.cli.places.audit_place import AuditPlace, audit_at
from gridiface.cli.places.place import at, checked
from gridiface.cli.terminal.progress import working
from gridiface.cli.terminal.showing import many, show_json, show_table, utc
from gridiface.errors import ConfigError
from gridiface.operator.areas.audit import AuditFilter, VerifyQuery, table

app = typer.Typer(no_args_is_help=True, help="Search, export and verify the log of who changed what.")

WhoOption = Annotated[str, typer.Option("--who", help="Only changes by this user or token.")]
WhatOption = Annotated[str, typer.Option("--what", help="Only kinds that begin so, for example control.")]
SubjectOption = Annotated[str, typer.Option("--subject", help="Only changes of this thing.")]
SinceOption = Annotated[str, typer.Option("--since", help="Not before this time, ISO 8601, UTC without a zone.")]
UntilOption = Annotated[str, typer.Option("--until", help="Before this time, ISO 8601, UTC without a zone.")]
KeyOption = Annotated[Path | None, typer.Option("--key", help="File of operator.audit_key; only with --config.")]


class ExportFormat(StrEnum):
    """json: entries and seals as they are kept; csv: a table."""

    JSON = "json"
    CSV = "csv"


@app.command("list")
@at(audit_at)
def list_audit(
    place: AuditPlace,
    *,
    as_json: bool,
    who: WhoOption = "",
    what: WhatOption = "",
    subject: SubjectOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    limit: Annotated[int, typer.Option("--limit", help="At most so many, the newest.", min=1)] = 50,
) -> None:
    """List changes, the newest first.

    Example: gridiface audit list --what control. --since 2026-03-01
    """
    wanted = _filter(who, what, subject, since, until)
    found = place.newest(wanted, limit)
    if as_json:
        show_json({"entries": found})
        return
    columns = ("time, UTC", "who", "what", "subject", "before", "after", "reason")
    cells = [
        (utc(r["at"]), r["who"], r["what"], r["subject"], _short(r["before"]), _short(r["after"]), r["reason"])
        for r in found
    ]
    show_table("", columns, cells)


@app.command("verify")
@at(audit_at)
def verify_audit(
    place: AuditPlace,
    *,
    as_json: bool,
    expect: Annotated[str, typer.Option("--expect", help="A hash that was noted before; it must still be there.")] = "",
    key: KeyOption = None,
) -> None:
    """Hold the audit log against its seals. Exit code 1: something was altered, removed or inserted.

    Note the hash that it prints somewhere else: with --expect it shows later that no seal was made anew.

    Example: gridiface audit verify --config gridiface.yaml --expect 9f86d0...
    """
    with working("holding the audit log against its seals", quiet=as_json):
        noted = checked(VerifyQuery, {"expect": expect.strip().lower()}, "--").expect
        found = place.verified(noted, key)
    if as_json:
        show_json(found)
    else:
        _show(found)
    if not found["ok"]:
        raise typer.Exit(1)


@app.command("export")
@at(audit_at)
def export_audit(
    place: AuditPlace,
    *,
    as_json: bool,
    out: Annotated[Path, typer.Argument(help="The file that is written.")],
    form: Annotated[ExportFormat, typer.Option("--format", help="json has the seals, too; csv is a table.")] = (
        ExportFormat.JSON
    ),
    who: WhoOption = "",
    what: WhatOption = "",
    subject: SubjectOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
) -> None:
    """Write the audit log into a file, for an archive or another's verification.

    Example: gridiface audit export audit.csv --format csv --since 2026-01-01
    """
    wanted = _filter(who, what, subject, since, until)
    with working("reading the audit log", quiet=as_json):
        found = place.exported(wanted)
    rows = [json.loads(entry["body"]) for entry in found["entries"]]
    text = table(rows) if form is ExportFormat.CSV else json.dumps(found, indent=1) + "\n"
    try:
        out.write_text(text, encoding="utf-8", newline="")
    except OSError as problem:
        raise ConfigError(f"{out}: cannot be written: {problem.strerror}; name another file") from problem
    done = {"file": str(out), "entries": len(rows), "seals": len(found["seals"])}
    if as_json:
        show_json(done)
    else:
        typer.echo(f"{many(len(rows), 'entry', 'entries')} in {out}")


def _filter(who: str, what: str, subject: str, since: str, until: str) -> AuditFilter:
    times = {name: _instant(text) for name, text in (("since", since), ("until", until)) if text}
    return checked(AuditFilter, {"who": who, "what": what, "subject": subject, **times}, "--")


def _instant(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as problem:
        raise ConfigError(f"{text!r} is no time; write for example 2026-03-01T12:00") from problem
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _show(found: Mapping[str, Any]) -> None:
    for fault in found["faults"]:
        typer.echo(fault, err=True)
    state = "is as it was sealed" if found["ok"] else "is NOT as it was sealed"
    typer.echo(
        f"the audit log {state}: {found['entries']} entries, {found['seals']} seals, {found['unsealed']} unsealed"
    )
    for head in found["heads"]:
        typer.echo(f"note this hash elsewhere: {head}")


def _short(value: Any) -> str:
    if value is None:
        return ""
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= 80 else text[:77] + "..."
