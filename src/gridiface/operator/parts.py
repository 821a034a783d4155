"""How each part of the server is doing: protocols, drivers, store. Values only; the app fills them in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PartHealth:
    """One part.

    Args:
        name: short name, as in the configuration.
        title: for people.
        state: "ok", "degraded", "down" or "waiting".
        text: one line that says what it is doing or what is wrong.
        path: page with more; empty: none.
    """

    name: str
    title: str
    state: str
    text: str
    path: str = ""
