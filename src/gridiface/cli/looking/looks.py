"""What `gridiface doctor` looks at of one configuration: files, certificates, ports, drivers, database, disk."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from gridiface.app.config import Config, load_config
from gridiface.app.config.base import host_port
from gridiface.app.config.checks import extra_checks
from gridiface.app.config.listening import listening_in
from gridiface.app.config.load import certificates_in, paths_of
from gridiface.app.config.mistakes import dotted
from gridiface.app.config.model import Sep2
from gridiface.app.fronts.sep2_settings import tls_keeper
from gridiface.cli.terminal.showing import many
from gridiface.drivers.registry import DriverRegistry
from gridiface.errors import ConfigError, GridifaceError
from gridiface.pki.credentials import load_roots
from gridiface.pki.inspection import read_chain
from gridiface.pki.policy import check_chain
from gridiface.pki.revocation import load_revocation
from gridiface.pki.rules import SERVER_AUTH, sep2_rules
from gridiface.store.repository import Store

#: Less room than the first is told of; with less than the second the first start would not come to its end.
_LEAST_DISK_BYTES, _NO_ROOM_BYTES = 1_000_000_000, 20_000_000

#: A certificate that ends sooner is told of, s.
_SOON_S = 30 * 86_400.0

#: Checks of a chain that the look at dates tells in its own words.
_OF_DATES = frozenset({"expired", "not-yet-valid"})

_PORT_FIXES = {
    errno.EADDRINUSE: "stop what uses it (a running gridiface?) or choose another",
    errno.EACCES: "choose a port from 1024 on, or give gridiface's service the right to this one "
    "(AmbientCapabilities=CAP_NET_BIND_SERVICE)",
    errno.EAFNOSUPPORT: "this machine has no such addresses: name one of the other family",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One look: `level` is ok, warning or error; `fix` is empty where all is well."""

    check: str
    level: str
    text: str
    fix: str = ""


def looks_at(path: Path) -> list[Finding]:
    """Everything that is found of a configuration, also that it has mistakes."""
    try:
        config = load_config(path)
    except ConfigError as problem:
        return [Finding("configuration", "error", line, "correct the file") for line in str(problem).splitlines()]
    looks: list[Callable[[Config], Iterator[Finding]]] = [_files, _certificates, _ports, _extras, _drivers, _database]
    findings = [
        Finding(
            "configuration", "ok", f"{path}: {many(len(config.devices), 'device')}, {many(len(config.groups), 'group')}"
        )
    ]
    for look in looks:
        findings += look(config)
    return findings


def _files(config: Config) -> Iterator[Finding]:
    for place, path in paths_of(config).items():
        name = ".".join(str(step) for step in place)
        try:
            there = path.exists()
        except OSError as problem:  # its folder may not be entered
            fix = "let gridiface's user enter its folder and read it; run doctor as that user"
            yield Finding("files", "error", f"{name}: {path}: {problem.strerror}", fix)
            continue
        if not there:
            if place[-1] != "revoked":
                yield Finding("files", "error", f"{name}: {path} does not exist", "make it, or correct the path")
        elif not os.access(path, os.R_OK):
            yield Finding(
                "files", "error", f"{name}: {path} cannot be read by who asks", "let gridiface's user read it"
            )
        elif place[-1] == "key" and path.stat().st_mode & 0o077:
            yield Finding("files", "warning", f"{name}: {path} can be read by others", f"chmod 600 {path}")


def _certificates(config: Config) -> Iterator[Finding]:
    for certificate, key in _pairs(config):
        yield from _fits(certificate, key)
    for certificate in certificates_in(config):
        yield from _dates(certificate, time.time())
    if config.sep2 is not None:
        try:
            tls_keeper(config.sep2)
        except (GridifaceError, OSError) as problem:
            fix = "`gridiface pki inspect` shows each check of a certificate"
            yield Finding("certificates", "error", str(problem), fix)
        else:
            yield from _chain(config.sep2)


def _chain(sep2: Sep2) -> Iterator[Finding]:
    """Whether clients that trust what we trust would take our own certificate."""
    tls = sep2.tls
    verdict = check_chain(
        [one.der for one in read_chain(tls.certificate)],
        now=time.time(),
        rules=sep2_rules(purpose=SERVER_AUTH),
        roots=load_roots(tls.roots),
        revocation=load_revocation(tls.revoked, ()),
    )
    refused = [one for one in verdict.checks if one.refuses and not one.passed and one.name not in _OF_DATES]
    if refused:
        told = "; ".join(f"{check.name}: {check.detail}" for check in refused[:2])
        text = f"{tls.certificate}: clients that trust sep2.tls.roots refuse it: {told}"
        fix = "have one issued below that root (`gridiface pki issue` for trials); `gridiface pki inspect --server`"
        yield Finding("certificates", "warning", text, fix)


def _pairs(config: Config) -> Iterator[tuple[Path, Path]]:
    """Every certificate that stands beside its key, each once."""
    paths = paths_of(config)
    keys = {place[:-1]: path for place, path in paths.items() if place[-1] == "key"}
    certificates = {place[:-1]: path for place, path in paths.items() if place[-1] == "certificate"}
    yield from sorted({(path, keys[block]) for block, path in certificates.items() if block in keys})


def _fits(certificate: Path, key: Path) -> Iterator[Finding]:
    if not (os.access(certificate, os.R_OK) and os.access(key, os.R_OK)):
        return  # what the look at files says
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")  # asks nobody
    except (OSError, ssl.SSLError) as problem:
        text = f"{certificate} and {key}: {problem}"
        yield Finding("certificates", "error", text, "name two PEM files that belong together; `gridiface pki inspect`")
    else:
        yield Finding("certificates", "ok", f"{certificate} fits its key")


def _dates(path: Path, now: float) -> Iterator[Finding]:
    try:
        chain = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError:
        return  # what the look at files says
    except ValueError as problem:
        yield Finding("certificates", "error", f"{path} is no certificate: {problem}", "name a PEM file")
        return
    begin = max(one.not_valid_before_utc for one in chain)
    end = min(one.not_valid_after_utc for one in chain)
    if begin.timestamp() > now:
        text = f"{path} holds from {begin:%Y-%m-%d %H:%M} UTC on only"
        yield Finding("certificates", "error", text, "set the clock, or have another issued")
    elif end.timestamp() <= now:
        yield Finding(
            "certificates", "error", f"{path} ended {end:%Y-%m-%d %H:%M} UTC", "have another issued: peers refuse it"
        )
    elif end.timestamp() - now < _SOON_S:
        yield Finding("certificates", "warning", f"{path} ends {end:%Y-%m-%d %H:%M} UTC", "have another issued")


def _ports(config: Config) -> Iterator[Finding]:
    wanted = {dotted(one.place): (one.address, one.udp) for one in listening_in(config)}
    for at, device in _driver_listeners(config).items():
        wanted[f"devices.{device}.connection.listen"] = at, False
    for name, (listen, udp) in wanted.items():
        host, port = host_port(listen)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as problem:
                # A port that is taken may be by a server that runs already; all else lets none start.
                level = "warning" if problem.errno == errno.EADDRINUSE else "error"
                fix = _PORT_FIXES.get(problem.errno or 0, "name an address of this machine, or 0.0.0.0 or [::] for all")
                yield Finding("ports", level, f"{name} {listen}: {problem.strerror}", fix)
            else:
                yield Finding("ports", "ok", f"{name} {listen} is free")


def _driver_listeners(config: Config) -> dict[str, str]:
    """Where drivers wait for devices to call, each with the first such device; wrong keys are `_drivers`' finding."""
    registry, found = DriverRegistry(folder=config.folder), dict[str, str]()
    for device in config.devices:
        with contextlib.suppress(ConfigError):
            keys = None if device.driver == "sep2" else registry.config(device.driver, device.connection)
            if keys is not None and keys.listens_on is not None:
                found.setdefault(keys.listens_on, device.id)
    return found


def _extras(config: Config) -> Iterator[Finding]:
    for place, text in extra_checks(config):
        told, _, fix = text.partition("; ")
        yield Finding("extras", "error", f"{dotted(place)}: {told}", fix)


def _drivers(config: Config) -> Iterator[Finding]:
    registry = DriverRegistry(folder=config.folder)
    for index, device in enumerate(config.devices):
        if device.driver == "sep2":
            continue
        try:
            keys = registry.config(device.driver, device.connection, place=f"devices[{index}].connection")
        except ConfigError as problem:
            # What is wrong with a key names its place; that there is no such driver does not.
            told = str(problem) if str(problem).startswith("devices[") else f"devices[{index}].driver: {problem}"
            yield Finding("drivers", "error", told, "correct the device's `driver` and `connection`")
            continue
        for hint in keys.hints():
            fix = f"`gridiface device try {device.id} --config ...` shows what it reads"
            yield Finding("drivers", "warning", f"device {device.id}: {hint}", fix)


def _database(config: Config) -> Iterator[Finding]:
    if config.database.startswith("sqlite:///"):
        path = Path(config.database.removeprefix("sqlite:///"))
        if not path.parent.is_dir():
            yield Finding("database", "error", f"the folder {path.parent} is not there", "make it, or name another")
            return
        if not os.access(path.parent, os.W_OK):
            fix = "let gridiface's user write there: the log of SQLite stands beside the file"
            yield Finding("database", "error", f"the folder {path.parent} cannot be written by who asks", fix)
            return
        free = shutil.disk_usage(path.parent).free
        if free < _LEAST_DISK_BYTES:
            level = "error" if free < _NO_ROOM_BYTES else "warning"
            yield Finding("disk", level, f"{free / 1e6:.0f} MB free for {path}", "make room, or move the database")
        else:
            yield Finding("disk", "ok", f"{free / 1e9:.1f} GB free")
        if not path.exists():
            yield Finding("database", "ok", f"{path} does not exist yet; `serve` makes it")
            return
    try:
        asyncio.run(_open(config.database))
    except GridifaceError as problem:
        told, _, fix = str(problem).partition("; ")
        yield Finding("database", "error", told, fix or "`gridiface db check` tells more")
    else:
        yield Finding("database", "ok", "opens, and its schema is current")


async def _open(url: str) -> None:
    store = await Store.open(url, create=False)
    await store.close()
