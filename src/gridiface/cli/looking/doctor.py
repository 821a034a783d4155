"""`gridiface doctor`: looks at the machine and at one configuration, and says what would not work and what to do."""

from __future__ import annotations

import ctypes
import json
import resource
import ssl
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gridiface.app.config import Config, load_config
from gridiface.app.process.clock import unset
from gridiface.cli.looking.bundle import write_bundle
from gridiface.cli.looking.looks import Finding, looks_at
from gridiface.cli.places.remote import Remote, TokenFileOption
from gridiface.drivers.registry import DriverRegistry
from gridiface.errors import ConfigError

#: TIME_ERROR of timex.h: nothing keeps the clock; and more room than any system's struct ntptimeval takes.
_NTP_ERROR, _NTP_BYTES = 5, 256


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
        findings += looks_at(config)
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
    doubt = unset(now)
    if doubt:
        return Finding("clock", "error", doubt, "set the clock; events are kept by it (NTP)")
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    if _is_kept() is False:
        fix = "run chrony or systemd-timesyncd: events begin and end by this clock, and certificates hold by it"
        return Finding("clock", "warning", f"{text}, and the system says that nothing keeps its clock", fix)
    return Finding("clock", "ok", text)


def _is_kept() -> bool | None:
    """Whether something keeps the system's clock (ntp_gettime of the C library); None: the system does not say."""
    try:
        state = ctypes.CDLL(None).ntp_gettime(ctypes.create_string_buffer(_NTP_BYTES))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _NTP_ERROR


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
