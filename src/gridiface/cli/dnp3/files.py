"""`gridiface dnp3 file`: the files of an outstation, listed, fetched, sent, removed and activated by a master.

Owns words and arguments; the dialogue with the outstation is protocols/dnp3/master/files.py (IEEE 1815 clause 5.3).
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from gridiface.cli.dnp3.peer import with_master
from gridiface.cli.terminal.showing import Json, many, show_table, utc
from gridiface.errors import ConfigError
from gridiface.protocols.dnp3.files import FileInfo, FileType
from gridiface.protocols.dnp3.master.files import (
    authenticate_file,
    delete_file,
    file_info,
    list_directory,
    read_file,
    write_file,
)
from gridiface.protocols.dnp3.master.settings import TaskDone
from gridiface.protocols.dnp3.master.tasks import Task, activate_config
from gridiface.simulation.dnp3.client import MasterClient, MasterFailed

files = typer.Typer(
    no_args_is_help=True,
    help="Files of an outstation by file transfer (g70): its device profile, frame log and configuration, say.",
)

Name = Annotated[str, typer.Argument(help="The file's name at the outstation.")]
Login = Annotated[str, typer.Option(help="Name for the outstation's file authentication (function 29).")]
PasswordFile = Annotated[Path | None, typer.Option(help="File with the password to it.")]


@files.command("list")
@with_master
def list_(
    client: MasterClient,
    *,
    directory: Annotated[str, typer.Argument(help="Directory; without: the outstation's root.")] = "",
    login: Login = "",
    password_file: PasswordFile = None,
    as_json: Json = False,
) -> None:
    """List the files of an outstation.

    Example: gridiface dnp3 file list 127.0.0.1:20000
    """
    done = _run(
        client, f"list {directory or '/'}", lambda key: list_directory(directory, key=key), login, password_file
    )
    found = done.value if isinstance(done.value, list) else []
    if as_json:
        typer.echo(json.dumps({"files": [_fields(item) for item in found]}))
    else:
        show_table("", ("name", "kind", "octets", "changed", "permissions"), [_row(item) for item in found])


@files.command("info")
@with_master
def info(client: MasterClient, *, name: Name, as_json: Json = False) -> None:
    """Describe one file of an outstation.

    Example: gridiface dnp3 file info 127.0.0.1:20000 points.json
    """
    done = _run(client, f"info {name}", lambda _: file_info(name))
    if not isinstance(done.value, FileInfo):
        raise MasterFailed(f"info {name}: the outstation describes nothing")
    if as_json:
        typer.echo(json.dumps(_fields(done.value)))
    else:
        show_table("", ("name", "kind", "octets", "changed", "permissions"), [_row(done.value)])


@files.command("get")
@with_master
def get(
    client: MasterClient,
    *,
    name: Name,
    out: Annotated[Path | None, typer.Option(help="Write to this file, which must not exist; without: print.")] = None,
    login: Login = "",
    password_file: PasswordFile = None,
    as_json: Json = False,
) -> None:
    """Fetch a file of an outstation.

    Example: gridiface dnp3 file get 127.0.0.1:20000 points.json --out points.json
    """
    if as_json and out is None:
        raise ConfigError("--json tells what was written: name a file with --out")
    if out is not None and out.exists():
        raise ConfigError(f"{out} exists; take another name or remove it")
    done = _run(client, f"get {name}", lambda key: read_file(name, key=key), login, password_file)
    octets = done.value if isinstance(done.value, bytes) else b""
    if out is None:
        sys.stdout.buffer.write(octets)
        sys.stdout.buffer.flush()
        return
    try:
        with out.open("xb") as file:
            file.write(octets)
    except OSError as problem:
        raise ConfigError(f"{out}: cannot be written: {problem}") from problem
    if as_json:
        typer.echo(json.dumps({"file": name, "octets": len(octets), "out": str(out)}))
    else:
        typer.echo(f"{name}: {many(len(octets), 'octet')} written to {out}")


@files.command("put")
@with_master
def put(
    client: MasterClient,
    *,
    source: Annotated[Path, typer.Argument(help="The file here.")],
    name: Annotated[str, typer.Argument(help="Its name at the outstation; without: the same.")] = "",
    append: Annotated[bool, typer.Option("--append", help="Add to what is there.")] = False,
    login: Login = "",
    password_file: PasswordFile = None,
    as_json: Json = False,
) -> None:
    """Send a file to an outstation.

    What a configuration brings is in force once it is activated: `gridiface dnp3 file activate`.

    Example: gridiface dnp3 file put 127.0.0.1:20000 points.json
    """
    octets, there = _octets(source), name or source.name
    _run(client, f"put {there}", lambda key: write_file(there, octets, append=append, key=key), login, password_file)
    if as_json:
        typer.echo(json.dumps({"file": there, "octets": len(octets), "appended": append}))
    else:
        typer.echo(f"{there}: {many(len(octets), 'octet')} {'appended' if append else 'taken'}")


@files.command("delete")
@with_master
def delete(
    client: MasterClient, *, name: Name, login: Login = "", password_file: PasswordFile = None, as_json: Json = False
) -> None:
    """Remove a file of an outstation.

    Example: gridiface dnp3 file delete 127.0.0.1:20000 old.json
    """
    _run(client, f"delete {name}", lambda key: delete_file(name, key=key), login, password_file)
    typer.echo(json.dumps({"deleted": name}) if as_json else f"{name}: removed")


@files.command("activate")
@with_master
def activate(
    client: MasterClient,
    *,
    names: Annotated[list[str], typer.Argument(help="Configurations that were sent before.")],
    as_json: Json = False,
) -> None:
    """Activate configurations that were sent (function 31).

    Example: gridiface dnp3 file activate 127.0.0.1:20000 points.json
    """
    _run(client, f"activate {', '.join(names)}", lambda _: activate_config(names))
    typer.echo(json.dumps({"activated": names}) if as_json else f"{', '.join(names)}: in force")


def _run(
    client: MasterClient, what: str, task: Callable[[int], Task], login: str = "", password_file: Path | None = None
) -> TaskDone:
    """One task, after the outstation gave a key for it where a name is given."""
    if bool(login) != (password_file is not None):
        raise ConfigError("--login and --password-file belong together")
    password = "" if password_file is None else _octets(password_file).decode("utf-8", "replace").rstrip("\r\n")

    async def run() -> TaskDone:
        async with client:
            key = 0
            if login:
                given = await client.run(f"authenticate {login}", authenticate_file(login, password))
                key = given.value if isinstance(given.value, int) else 0
            return await client.run(what, task(key))

    return asyncio.run(run())


def _octets(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise ConfigError(f"{path}: cannot be read: {problem.strerror or problem}") from problem


def _kind(item: FileInfo) -> str:
    return "directory" if item.type is FileType.DIRECTORY else "file"


def _fields(item: FileInfo) -> dict[str, object]:
    return {
        "name": item.name,
        "kind": _kind(item),
        "octets": item.size,
        "changed_ms": item.time_ms,
        "permissions": f"{item.permissions:03o}",
    }


def _row(item: FileInfo) -> tuple[object, ...]:
    changed = utc(item.time_ms / 1000) if item.time_ms else "-"
    return (item.name, _kind(item), item.size, changed, f"{item.permissions:03o}")
