"""Where the audit log is read: at a running server, or in the store of a stopped one. Owns no words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gridiface.cli.places.direct import on_store
from gridiface.cli.places.place import Plain, chosen
from gridiface.cli.places.remote import Remote
from gridiface.errors import ConfigError
from gridiface.operator.areas.audit import AuditFilter
from gridiface.operator.records.audit import SPACE
from gridiface.operator.records.audit_chain import SEALS, verify
from gridiface.store.repository import Store

#: What a verification tells, as the REST API does.
_TOLD = ("ok", "entries", "seals", "unsealed", "keyed", "heads", "faults")


class AuditPlace(Protocol):
    """A place; its verbs raise StoreUnavailable or ConfigError where it cannot be worked at."""

    def newest(self, wanted: AuditFilter, most: int) -> list[Plain]:
        """Entries that fit, the newest first."""
        ...

    def verified(self, expect: str, key: Path | None) -> Mapping[str, Any]:
        """The log held against its seals; `key`: file of operator.audit_key, where the server does not know it."""
        ...

    def exported(self, wanted: AuditFilter) -> Mapping[str, Any]:
        """Entries that fit and all seals, as they are kept."""
        ...


def audit_at(url: str | None, config: Path | None, token_file: Path | None) -> AuditPlace:
    """Where the options say.

    Raises:
        ConfigError: an address or token that cannot be used.
    """
    at = chosen(url, config, token_file)
    return StoredAudit(at) if isinstance(at, Path) else RemoteAudit(at)


@dataclass(frozen=True, slots=True)
class RemoteAudit:
    """The log of a running server."""

    remote: Remote

    def newest(self, wanted: AuditFilter, most: int) -> list[Plain]:
        """See AuditPlace."""
        return self.remote.pages("/audit", "entries", most, **wanted.model_dump(exclude_defaults=True))

    def verified(self, expect: str, key: Path | None) -> Mapping[str, Any]:
        """See AuditPlace; the server has its own key.

        Raises:
            ConfigError: a key is named.
        """
        if key is not None:
            raise ConfigError("--key: a running server verifies with its own key; leave it out")
        found: Mapping[str, Any] = self.remote.get("/audit/verify", expect=expect)
        return found

    def exported(self, wanted: AuditFilter) -> Mapping[str, Any]:
        """See AuditPlace."""
        found: Mapping[str, Any] = self.remote.get("/audit/export", **wanted.model_dump(exclude_defaults=True))
        return found


@dataclass(frozen=True, slots=True)
class StoredAudit:
    """The log in the store of a stopped server."""

    config: Path

    def newest(self, wanted: AuditFilter, most: int) -> list[Plain]:
        """See AuditPlace."""
        rows = [json.loads(body) for _, body in self._kept(SPACE)]
        return [row for row in reversed(rows) if wanted.fits(row)][:most]

    def verified(self, expect: str, key: Path | None) -> Mapping[str, Any]:
        """See AuditPlace.

        Raises:
            ConfigError: the key cannot be read.
        """
        try:
            secret = None if key is None else key.read_bytes().strip()
        except OSError as problem:
            told = f"{key}: cannot be read: {problem.strerror}; name the file of operator.audit_key"
            raise ConfigError(told) from problem

        async def look(store: Store, now: float) -> Plain:
            entries, seals = await store.documents(SPACE), await store.documents(SEALS)
            found = verify(entries, seals, now, key=secret, expect=expect)
            return {name: getattr(found, name) for name in _TOLD}

        return on_store(self.config, look)

    def exported(self, wanted: AuditFilter) -> Mapping[str, Any]:
        """See AuditPlace."""
        entries = [(name, body) for name, body in self._kept(SPACE) if wanted.fits(json.loads(body))]
        seals = [json.loads(body) for _, body in self._kept(SEALS)]
        return {"entries": [{"key": name, "body": body} for name, body in entries], "seals": seals}

    def _kept(self, space: str) -> list[tuple[str, str]]:
        async def read(store: Store, _: float) -> list[tuple[str, str]]:
            return [(document.key, document.body.decode()) for document in await store.documents(space)]

        return on_store(self.config, read)
