"""`gridiface doctor --bundle`: one archive with what somebody needs who helps from afar, and no secret in it.

Owns what goes in and what is taken out. Three nets lie one below the other: values of keys that name secrets, and
passwords in addresses, are never written; texts that look like secrets (tokens, tickets, PEM keys, passwords in URLs)
are replaced; and what the secret files of the configuration hold is looked for in the finished texts.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import io
import json
import os
import platform
import re
import sys
import tarfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gridiface import __version__
from gridiface.app.config import Config
from gridiface.app.config.load import paths_of
from gridiface.cli.places.remote import Remote
from gridiface.errors import ConfigError, GridifaceError
from gridiface.store.repository import Store

REMOVED = "[removed]"

#: Keys whose values are secrets, whatever they are; paths to secrets stay.
_SECRET_KEY = re.compile(
    r"pass|pwd|secret|token|credential|(api|access|private|shared)[-_]?key|^(pin|psk|sas|auth|user|username)$"
    r"|authorization|cookie|signature|community",
    re.IGNORECASE,
)

#: Texts that are secrets wherever they stand.
_SECRET_TEXT = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"gridiface_[0-9a-f]{12}_[A-Za-z0-9_-]+"),
    re.compile(r"(?<=setup#)\S+"),
    re.compile(r"(?<=://)[^\s/@]+(?=@)"),
    re.compile(r"(?i)(?<=authorization: )\S+ \S+"),
    re.compile(r"(?i)(?<=bearer )[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"),
    re.compile(r"(?im)(?<=cookie: )[^\r\n]+"),
    re.compile(r"(?i)(api|access)[-_]?key[\"']?\s*[:=]\s*[^\s,&]+"),
    re.compile(r"(?i)\bpin[\"']?\s*[:=]\s*\d{4,}"),
    re.compile(r"(?i)(?<=password=)[^\s&]+|(?<=secret=)[^\s&]+|(?<=token=)[^\s&]+"),
    re.compile(r"\$argon2id?\$\S+"),
)

#: Files of the configuration that are no secrets: they are named so, and their certificates are shown.
_PUBLIC = frozenset({"certificate", "roots", "revoked", "ca_file", "cert_file", "trust", "calendars", "table"})

#: How much of a log and of each text goes in, bytes; least length of a secret that is looked for.
_MOST_LOG, _LEAST = 2 * 1024 * 1024, 6


def write_bundle(
    output: Path,
    *,
    findings: Iterable[Mapping[str, Any]],
    config: Config | None,
    log: Path | None,
    remote: Remote | None,
) -> dict[str, int]:
    """Write the archive; the size of each member, bytes.

    Args:
        output: a .tar.gz, readable by its owner only.
        findings: of the doctor.
        config: of the installation; None: the machine only.
        log: the server's log; None: none is put in.
        remote: the running server; None, or away: it is not asked.

    Raises:
        ConfigError: the log cannot be read or the archive cannot be written.
    """
    members: dict[str, str] = {
        "README.txt": _README,
        "machine.json": _json(_machine()),
        "doctor.json": _json(list(findings)),
    }
    secrets: set[str] = set()
    if config is not None:
        secrets = secrets_of(config)
        members["configuration.json"] = _json(masked(config.model_dump(mode="json")))
        members["certificates.json"] = _json(_certificates(config))
        members["database.json"] = _json(asyncio.run(_database(config)))
    if remote is not None:
        members |= _server(remote)
    if log is not None:
        members["server.log"] = _tail(log)
    clean = {name: scrubbed(text, secrets) for name, text in members.items()}
    _write(output, clean)
    return {name: len(text) for name, text in clean.items()}


def masked(value: Any, key: str = "") -> Any:
    """A configuration as plain values without secrets: by the name of the key, and by the form of the text."""
    if isinstance(value, Mapping):
        # A header field of an address that is asked may be anything; what it is called tells enough.
        return {name: REMOVED if key == "headers" else masked(part, str(name)) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [masked(part, key) for part in value]
    if value in (None, "") or isinstance(value, bool):
        return value
    if _SECRET_KEY.search(key) and not _is_path(value):
        return REMOVED
    # The path and query of an address that alarms are posted to often are its password.
    return re.sub(r"^(https?://[^/\s]+)/\S+$", rf"\1/{REMOVED}", value) if key == "url" else value


def scrubbed(text: str, secrets: Iterable[str] = ()) -> str:
    """A text without what looks like a secret, and without the secrets given."""
    for form in _SECRET_TEXT:
        text = form.sub(REMOVED, text)
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, REMOVED)
    return text


def secrets_of(config: Config) -> set[str]:
    """What the secret files of a configuration hold, line by line, and passwords in its addresses."""
    found: set[str] = set()
    for place, path in paths_of(config).items():
        names = [str(step) for step in place if isinstance(step, str)]
        if names[-1] not in _PUBLIC and path.is_file() and path.stat().st_size < _MOST_LOG:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            found |= {line.strip() for line in lines if not line.startswith("-----")}
    for address in re.findall(r"://[^\s/@]*:([^\s/@]+)@", json.dumps(config.model_dump(mode="json"))):
        found.add(address)
    # The path of an address that alarms are posted to often is its password.
    for hook in () if config.operator is None else config.operator.webhooks:
        parts = urlsplit(hook.url)
        found |= {parts.path.strip("/"), parts.query, *parts.path.split("/")}
    found |= set(_valued(config.model_dump(mode="json")))
    return {secret for secret in found if len(secret) >= _LEAST}


def _valued(value: Any, key: str = "") -> Iterable[str]:
    """Values of keys that name secrets: they may stand in a log, too."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _valued(part, str(name))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _valued(part, key)
    elif isinstance(value, str) and _SECRET_KEY.search(key) and not _is_path(value):
        yield value


def _is_path(value: object) -> bool:
    """Whether it names a file that is there: secrets of base64 may begin with a slash, too."""
    return isinstance(value, str) and value.startswith("/") and len(value) < 4096 and os.path.exists(value)  # noqa: PTH110 - Path raises for long names


def _machine() -> dict[str, Any]:
    packages = sorted({f"{d.metadata['Name']} {d.version}" for d in importlib.metadata.distributions()})
    return {
        "gridiface": __version__,
        "python": sys.version,
        "platform": platform.platform(),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "packages": packages,
    }


def _certificates(config: Config) -> list[dict[str, Any]]:
    """Every certificate that the configuration names: what it says, not what it is signed with."""
    found: list[dict[str, Any]] = []
    for place, path in paths_of(config).items():
        if not {str(step) for step in place} & {"certificate", "roots", "trust", "ca_file", "cert_file"}:
            continue
        try:
            certificates = x509.load_pem_x509_certificates(path.read_bytes())
        except (OSError, ValueError) as problem:
            found.append({"file": str(path), "problem": str(problem)})
            continue
        found += [
            {
                "file": str(path),
                "subject": one.subject.rfc4514_string(),
                "issuer": one.issuer.rfc4514_string(),
                "not_after": one.not_valid_after_utc.isoformat(),
                "sha256": one.fingerprint(hashes.SHA256()).hex(),
            }
            for one in certificates
        ]
    return found


async def _database(config: Config) -> dict[str, Any]:
    try:
        async with await Store.open(config.database, create=False) as store:
            spaces = ("operator/user", "operator/token", "operator/session", "operator/alarm", "app/device")
            return {space: len(await store.documents(space)) for space in spaces}
    except GridifaceError as problem:
        return {"problem": str(problem)}


def _server(remote: Remote) -> dict[str, str]:
    """What a running server tells of itself; where it does not, why."""
    asks: dict[str, Callable[[], Any]] = {
        "status.json": lambda: remote.get("/status"),
        "alarms.json": lambda: remote.get("/alarms", state="all", limit=200),
        "decisions.json": lambda: remote.get("/decisions", limit=200),
        "devices.json": lambda: remote.get("/devices", limit=1000),
    }
    members = {}
    for name, ask in asks.items():
        try:
            members[name] = _json(ask())
        except GridifaceError as problem:
            members[name] = _json({"problem": str(problem)})
    return members


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _MOST_LOG))
            return file.read(_MOST_LOG).decode("utf-8", "replace")
    except OSError as problem:
        raise ConfigError(f"{log}: cannot be read: {problem.strerror}; give the server's log") from problem


def _write(output: Path, members: Mapping[str, str]) -> None:
    try:
        output.touch(mode=0o600)
        with tarfile.open(output, "w:gz") as archive:
            for name, text in sorted(members.items()):
                raw = text.encode()
                entry = tarfile.TarInfo(f"gridiface-bundle/{name}")
                entry.size, entry.mtime, entry.mode = len(raw), int(time.time()), 0o600
                archive.addfile(entry, io.BytesIO(raw))
    except OSError as problem:
        raise ConfigError(f"{output}: cannot be written: {problem.strerror}; give another file") from problem


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, default=str) + "\n"


_README = """What is in here: machine.json (versions), doctor.json (what was looked at), configuration.json (without
secrets), certificates.json (names and dates), database.json (how many records), and, where they were asked for,
what the running server tells of itself and the end of its log.

Passwords, tokens, keys, PINs and addresses with passwords were taken out; look through it all the same before it
leaves the house: it names devices, people and addresses of the network.
"""
