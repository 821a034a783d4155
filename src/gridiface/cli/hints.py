"""What the server's advice is called on the command line: its routes as the verbs that ask them. Pure."""

from __future__ import annotations

import re

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

_ROUTE = re.compile(r"GET /api/v1/([a-z0-9/-]+)(?= (?:lists|shows) )")


def as_verbs(fix: str) -> str:
    """The server's advice for somebody at a command line; routes that no verb asks stay as they are."""
    return _ROUTE.sub(lambda found: f"`gridiface {VERBS[found[1]]}`" if found[1] in VERBS else found[0], fix)
