"""What the server's advice is called on the command line: its routes as the verbs that ask them. Pure."""

from __future__ import annotations

import re
import shlex

#: Routes that list things, below /api/v1, and the verb that shows them.
VERBS = {
    "alarms": "alarm list",
    "approvals": "control waiting",
    "controls": "control list",
    "devices": "device list",
    "dnp3/outstations": "dnp3 stations",
    "engine/strategies": "group strategy",
    "groups": "group list",
    "openadr/vtn/events": "openadr vtn events",
    "openadr/vtn/vens": "openadr vtn vens",
    "openadr/vens": "openadr ven list",
    "portfolios": "portfolio list",
    "sep2/end-devices": "sep2 clients",
    "sep2/programs": "sep2 programs",
    "sep2/subscriptions": "sep2 subscriptions",
    "settlements": "settlement list",
    "tokens": "token list",
    "trace": "trace list",
    "users": "user list",
}

#: The same for lists that belong to one thing, whose name the verb takes.
_INNER = {
    ("dnp3/outstations", "masters"): "dnp3 masters",
    ("dnp3/outstations", "points"): "dnp3 live",
}

_ROUTE = re.compile(r"GET /api/v1/(\S+)(?= (?:lists|shows) )")


def as_verbs(fix: str) -> str:
    """The server's advice for somebody at a command line; routes that no verb asks stay as they are."""
    return _ROUTE.sub(lambda found: f"`gridiface {verb}`" if (verb := _verb(found[1])) else found[0], fix)


def _verb(route: str) -> str:
    """The verb that asks this route; "" where there is none."""
    if route in VERBS:
        return VERBS[route]
    outer, _, inner = route.rpartition("/")
    of, _, name = outer.rpartition("/")
    verb = _INNER.get((of, inner), "")
    return f"{verb} {shlex.quote(name)}" if verb else ""
