"""An event as a client follows it, as plain data and back: what survives a restart of the client.

The random shifts are drawn once, so they are kept with where the client is with the event and with the event itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gridiface.protocols.sep2.enums import ResponseStatus
from gridiface.protocols.sep2.events import facts_of
from gridiface.protocols.sep2.followed import Followed, Phase
from gridiface.protocols.sep2.resources import Event

_PLAIN = ("begins", "drawn_end", "ends", "stops", "opted_out", "opted_in_again", "participated", "since")
_ORIGIN = ("primacy", "program", "server")


def followed_head(followed: Followed) -> dict[str, Any]:
    """All of it but the event itself, in the types of JSON."""
    return {
        **{name: getattr(followed, name) for name in _PLAIN},
        **{name: getattr(followed.facts, name) for name in _ORIGIN},
        "phase": followed.phase.value,
        "left": followed.left,
        "remaining": sorted(followed.remaining),
        "outcome": None if followed.outcome is None else int(followed.outcome),
    }


def followed_from(head: Mapping[str, Any], event: Event) -> Followed:
    """The inverse of `followed_head`.

    Raises:
        KeyError, ValueError: the head was not made by it.
    """
    outcome = head["outcome"]
    return Followed(
        facts=facts_of(event, **{name: head[name] for name in _ORIGIN}),
        event=event,
        phase=Phase(head["phase"]),
        remaining=frozenset(head["remaining"]),
        outcome=None if outcome is None else ResponseStatus(outcome),
        left=bool(head.get("left")),
        **{name: head[name] for name in _PLAIN},
    )
