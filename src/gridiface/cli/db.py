"""`gridiface db`: upgrade, backup, restore and check the database. Owns words and exit codes, not the work."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable, Coroutine
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from gridiface.app.config import load_config
from gridiface.cli.terminal.progress import working
from gridiface.errors import ConfigError
from gridiface.plainyaml import read_yaml
from gridiface.store import maintenance
from gridiface.store.check import CheckReport
from gridiface.store.check import check as check_database
from gridiface.store.engine import Database

app = typer.Typer(no_args_is_help=True, help="Upgrade, back up, restore and check the database.")

#: Finds the database's URL in a configuration file; raises ConfigError.
DatabaseResolver = Callable[[Path], str]


def database_of_yaml(path: Path) -> str:
    """The database named in a configuration: its key `database`, a URL or a mapping with `url`.

    Raises:
        ConfigError: no such file, no YAML, no such key.
    """
    try:
        document = read_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise ConfigError(f"{path} is no YAML: {error}") from error
    found = document.get("database") if isinstance(document, dict) else None
    url = found.get("url") if isinstance(found, dict) else found
    if not isinstance(url, str) or not url:
        raise ConfigError(f"{path} names no database; add `database: sqlite:///gridiface.db`")
    return url


def database_of_configuration(path: Path) -> str:
    """The database of a whole configuration, read and checked as the server does; raises ConfigError."""
    return load_config(path).database


_resolvers: list[DatabaseResolver] = [database_of_configuration]


def use_resolver(resolver: DatabaseResolver) -> None:
    """Let another reader of configurations answer `--config` from now on."""
    _resolvers[:] = [resolver]


_YAML = frozenset({".yaml", ".yml"})


class BackupKind(StrEnum):
    """What a backup is: a database file, or JSON lines that either engine takes."""

    AUTO = "auto"
    SQLITE = "sqlite"
    ARCHIVE = "archive"


DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="GRIDIFACE_DATABASE",
        help="sqlite:///FILE, a file name, or postgresql://USER:PASSWORD@HOST/NAME.",
        show_envvar=True,
    ),
]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="Take the database from this configuration.")]
PlaceArgument = Annotated[
    str | None, typer.Argument(help="The database, as for --database, or the configuration that names it (.yaml).")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def _database(url: str | None, config: Path | None, place: str | None = None) -> Database:
    if place is not None and config is None and Path(place).suffix in _YAML and "://" not in place:
        config, place = Path(place), None
    elif place is not None and config is not None:
        raise ConfigError(f"{place} and --config {config} both name a database; give one of them")
    # The option's own value comes from the environment, too: what was named on the command line wins over that.
    if config is not None:
        return Database.parse(_resolvers[0](config))
    chosen = url if place is None else place
    if chosen is None:
        raise ConfigError("say which database: --database URL, --config FILE or GRIDIFACE_DATABASE")
    return Database.parse(chosen)


def _run(work: Callable[[], Coroutine[Any, Any, Any]], doing: str, *, as_json: bool) -> Any:
    """Do it, and show meanwhile that it is being done."""
    with working(doing, quiet=as_json):
        return asyncio.run(work())


def _show(report: Any, *, as_json: bool, line: str) -> None:
    if as_json:
        typer.echo(json.dumps({"ok": True, **dataclasses.asdict(report)}))
    else:
        typer.echo(line)


def _summary(rows: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in rows.items()) or "nothing"


@app.command()
def upgrade(
    place: PlaceArgument = None,
    database: DatabaseOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the database, or bring its schema to this version's. Twice does nothing.

    Stop the server first: it must not write meanwhile.

    Example: gridiface db upgrade gridiface.yaml
    """

    async def work() -> maintenance.UpgradeReport:
        return await maintenance.upgrade(_database(database, config, place))

    report = _run(work, "upgrading the database", as_json=as_json)
    change = "already" if report.before == report.after else f"from {report.before or 'nothing'}"
    _show(report, as_json=as_json, line=f"{report.database}: schema {report.after} ({change})")


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="The file to write.")],
    database: DatabaseOption = None,
    config: ConfigOption = None,
    kind: Annotated[BackupKind, typer.Option("--kind", help="auto: a file of SQLite, an archive of PostgreSQL.")] = (
        BackupKind.AUTO
    ),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a consistent copy of the database, also while the server runs.

    Example: gridiface db backup grid-2026-01-31.gz --kind archive --database sqlite:///gridiface.db
    """

    async def work() -> maintenance.BackupReport:
        return await maintenance.backup(_database(database, config), target, kind=kind.value, overwrite=overwrite)

    report = _run(work, "saving the database", as_json=as_json)
    line = f"{report.target}: {report.size_bytes} bytes, schema {report.revision}, {_summary(report.rows)}"
    _show(report, as_json=as_json, line=f"{line}\nsha256 of the content: {report.sha256}")


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A file that `backup` wrote.")],
    database: DatabaseOption = None,
    config: ConfigOption = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a database that holds rows.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring a backup back, all of it or nothing, into SQLite or PostgreSQL. Stop the server first.

    Example: gridiface db restore grid-2026-01-31.gz --database postgresql://grid@localhost/grid
    """

    async def work() -> maintenance.RestoreReport:
        return await maintenance.restore(_database(database, config), source, force=force)

    report = _run(work, "bringing the database back", as_json=as_json)
    line = f"{report.database}: restored from schema {report.revision}, {_summary(report.rows)}"
    _show(report, as_json=as_json, line=f"{line}\nsha256 of the content: {report.sha256}")


@app.command()
def check(
    place: PlaceArgument = None,
    database: DatabaseOption = None,
    config: ConfigOption = None,
    content_hash: Annotated[bool, typer.Option("--hash", help="Also hash the content; reads every row.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Look the database over, also while the server runs. Exit code 1 when something is wrong.

    Example: gridiface db check gridiface.sqlite --json
    """

    async def work() -> CheckReport:
        return await check_database(_database(database, config, place), content_hash=content_hash)

    report: CheckReport = _run(work, "looking at the database", as_json=as_json)
    _show(report, as_json=as_json, line="\n".join(_check_lines(report)))
    if not report.ok:
        raise typer.Exit(1)


def _check_lines(report: CheckReport) -> list[str]:
    lines = [
        f"{report.database} ({report.engine})",
        f"schema {report.revision or 'none'}, needed {report.head}",
        f"integrity {report.integrity}",
        f"rows: {_summary(report.rows)}",
        f"size {report.size_bytes} bytes, log {report.wal_bytes or 0} bytes",
    ]
    if report.writer_pid is not None:
        lines.append(f"written by process {report.writer_pid}")
    if report.sha256 is not None:
        lines.append(f"sha256 of the content: {report.sha256}")
    return lines + ([f"problem: {problem}" for problem in report.problems] or ["all is well"])
