"""`gridiface doctor`: looks at the machine and at one configuration, and says what would not work and what to do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import shutil
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from gridiface.app.config import Config, load_config
from gridiface.app.config.base import host_port
from gridiface.app.config.load import paths_of
from gridiface.app.northbound import tls_keeper
from gridiface.cli.bundle import write_bundle
from gridiface.cli.remote import Remote, TokenFileOption
from gridiface.drivers.registry import DriverRegistry
from gridiface.errors import ConfigError, GridifaceError
from gridiface.store.repository import Store

_LEAST_DISK_BYTES = 1_000_000_000
_OLDEST_CLOCK = 1_700_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One look: `level` is ok, warning or error; `fix` is empty where all is well."""

    check: str
    level: str
    text: str
    fix: str = ""


def doctor(
    config: Annotated[
        Path | None, typer.Argument(help="The configuration file; none: look at the machine only.")
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", help="Write a .tar.gz for whoever helps from afar; secrets are taken out."),
    ] = None,
    log: Annotated[Path | None, typer.Option("--log", help="With --bundle: the server's log; its end goes in.")] = None,
    url: Annotated[
        str | None, typer.Option("--url", help="With --bundle: a running server; what it tells of itself goes in.")
    ] = None,
    token_file: TokenFileOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Look at ports, clock, certificates, database, disk, drivers and limits.

    Exit code 0: nothing is wrong (warnings allowed); 1: something would not work.

    Example: gridiface doctor my-site/gridiface.yaml --bundle help.tar.gz --log server.log
    """
    findings = list(_machine())
    if config is not None:
        findings += _configuration(config)
    failed = any(finding.level == "error" for finding in findings)
    told = [asdict(finding) for finding in findings]
    if bundle is not None:
        remote = None if url is None else Remote.of(url, None, token_file)
        loaded = None if config is None else _readable(config)
        sizes = write_bundle(bundle, findings=told, config=loaded, log=log, remote=remote)
        if as_json:
            typer.echo(json.dumps({"ok": not failed, "findings": told, "bundle": str(bundle), "members": sizes}))
        else:
            typer.echo(f"{bundle}: {', '.join(sizes)}; look through it before it leaves the house")
        return
    if as_json:
        typer.echo(json.dumps({"ok": not failed, "findings": told}))
    else:
        for finding in findings:
            fix = f"\n           fix: {finding.fix}" if finding.fix else ""
            typer.echo(f"{finding.level:8} {finding.check}: {finding.text}{fix}")
    raise typer.Exit(1 if failed else 0)


def _readable(path: Path) -> Config | None:
    """The configuration, or None where it has a mistake: the findings tell it."""
    try:
        return load_config(path)
    except ConfigError:
        return None


def _machine() -> Iterator[Finding]:
    yield _clock()
    yield _cipher()
    yield _descriptors()
    names = DriverRegistry().names()
    if names:
        yield Finding("drivers", "ok", f"installed: {', '.join(names)}, and sep2")
    else:
        yield Finding("drivers", "error", "no driver is installed", "install the gridiface wheel again")


def _clock() -> Finding:
    now = time.time()
    if now < _OLDEST_CLOCK:
        text = f"the clock shows {time.strftime('%Y-%m-%d', time.gmtime(now))}"
        return Finding("clock", "error", text, "set the clock; events are kept by it (NTP)")
    drift = abs(time.time() - now)
    return Finding("clock", "ok" if drift < 1 else "warning", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)))


def _cipher() -> Finding:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.set_ciphers("ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0")
    except ssl.SSLError:
        fix = "use a Python whose OpenSSL has AES-CCM (any distribution's)"
        return Finding("tls", "error", f"{ssl.OPENSSL_VERSION} lacks ECDHE-ECDSA-AES128-CCM8", fix)
    return Finding("tls", "ok", ssl.OPENSSL_VERSION)


def _descriptors() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = f"{soft} open files allowed (at most {hard})"
    if hard < 4096:
        return Finding("limits", "warning", text, "raise `ulimit -n`: every connection and device needs one")
    return Finding("limits", "ok", text)


def _configuration(path: Path) -> list[Finding]:
    try:
        config = load_config(path)
    except ConfigError as problem:
        return [Finding("configuration", "error", line, "correct the file") for line in str(problem).splitlines()]
    looks: list[Callable[[Config], Iterator[Finding]]] = [_files, _certificates, _ports, _drivers, _database]
    findings = [Finding("configuration", "ok", f"{path}: {len(config.devices)} devices, {len(config.groups)} groups")]
    for look in looks:
        findings += look(config)
    return findings


def _files(config: Config) -> Iterator[Finding]:
    for place, path in paths_of(config).items():
        name = ".".join(str(step) for step in place)
        if not path.exists():
            if place[-1] != "revoked":
                yield Finding("files", "error", f"{name}: {path} does not exist", "make it, or correct the path")
        elif place[-1] == "key" and path.stat().st_mode & 0o077:
            yield Finding("files", "warning", f"{name}: {path} can be read by others", f"chmod 600 {path}")


def _certificates(config: Config) -> Iterator[Finding]:
    if config.sep2 is None:
        return
    try:
        tls_keeper(config.sep2)
    except (GridifaceError, OSError) as problem:
        fix = "`gridiface pki inspect` shows each check of a certificate"
        yield Finding("certificates", "error", str(problem), fix)
    else:
        yield Finding("certificates", "ok", f"{config.sep2.tls.certificate} fits its key")


def _ports(config: Config) -> Iterator[Finding]:
    wanted: dict[str, str | None] = {"sep2.listen": config.sep2.listen if config.sep2 else None}
    wanted["sep2.redirect"] = config.sep2.redirect if config.sep2 else None
    wanted["operator.listen"] = config.operator.listen if config.operator else None
    for at, device in _driver_listeners(config).items():
        wanted[f"devices.{device}.connection.listen"] = at
    for name, listen in wanted.items():
        if listen is None:
            continue
        host, port = host_port(listen)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as problem:
                fix = "stop what uses it (a running gridiface?) or choose another"
                yield Finding("ports", "warning", f"{name} {listen}: {problem.strerror}", fix)
            else:
                yield Finding("ports", "ok", f"{name} {listen} is free")


def _driver_listeners(config: Config) -> dict[str, str]:
    """Where drivers wait for devices to call, each with the first such device; wrong keys are `_drivers`' finding."""
    registry, found = DriverRegistry(), dict[str, str]()
    for device in config.devices:
        with contextlib.suppress(ConfigError):
            keys = None if device.driver == "sep2" else registry.config(device.driver, device.connection)
            if keys is not None and keys.listens_on is not None:
                found.setdefault(keys.listens_on, device.id)
    return found


def _drivers(config: Config) -> Iterator[Finding]:
    registry = DriverRegistry()
    for index, device in enumerate(config.devices):
        if device.driver == "sep2":
            continue
        try:
            registry.config(device.driver, device.connection, place=f"devices[{index}].connection")
        except ConfigError as problem:
            yield Finding("drivers", "error", str(problem), "correct the device's `driver` and `connection`")


def _database(config: Config) -> Iterator[Finding]:
    if config.database.startswith("sqlite:///"):
        path = Path(config.database.removeprefix("sqlite:///"))
        free = shutil.disk_usage(path.parent).free if path.parent.is_dir() else 0
        if free < _LEAST_DISK_BYTES:
            yield Finding("disk", "warning", f"{free / 1e9:.1f} GB free for {path}", "make room, or move the database")
        else:
            yield Finding("disk", "ok", f"{free / 1e9:.1f} GB free")
        if not path.exists():
            yield Finding("database", "ok", f"{path} does not exist yet; `serve` makes it")
            return
    try:
        asyncio.run(_open(config.database))
    except GridifaceError as problem:
        yield Finding("database", "error", str(problem), "`gridiface db check` and `gridiface db upgrade` tell more")
    else:
        yield Finding("database", "ok", "opens, and its schema is current")


async def _open(url: str) -> None:
    store = await Store.open(url, create=False)
    await store.close()
