"""What a caller may do: scopes, the roles of users, and the names that other systems give to scopes. Tables only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

Scope = Literal["stream", "read", "control", "configure", "audit", "admin"]
Role = Literal["viewer", "operator", "engineer", "admin", "auditor"]

#: What each scope is for.
MEANING: dict[Scope, str] = {
    "stream": "read the event stream",
    "read": "see everything but users, tokens and the audit log",
    "control": "send and cancel controls, block devices, acknowledge alarms",
    "configure": "set up devices, groups, programs and whatever else engineers do",
    "audit": "read the audit log",
    "admin": "everything, users and tokens among it",
}

#: What each scope allows.
IMPLIED: dict[str, frozenset[str]] = {
    "stream": frozenset({"stream"}),
    "read": frozenset({"read", "stream"}),
    "control": frozenset({"read", "stream", "control"}),
    "configure": frozenset({"read", "stream", "configure"}),
    "audit": frozenset({"read", "stream", "audit"}),
    "admin": frozenset(get_args(Scope)),
}

#: The scopes of each role of a user.
ROLES: dict[str, tuple[Scope, ...]] = {
    "viewer": ("read",),
    "operator": ("control",),
    "engineer": ("control", "configure"),
    "auditor": ("audit",),
    "admin": ("admin",),
}

#: Scopes as OAuth 2.0 clients of this field ask for them.
ALIASES: dict[str, Scope] = {
    "telemetry:stream": "stream",
    "telemetry:read": "read",
    "asset:read": "read",
    "dispatch:read": "read",
    "dispatch:write": "control",
    "asset:write": "configure",
    "audit:read": "audit",
}


def allowed(scopes: Iterable[str]) -> frozenset[str]:
    """Everything that these scopes allow; unknown ones allow nothing."""
    return frozenset().union(*(IMPLIED.get(scope, frozenset()) for scope in scopes))
