"""Where a verb works: at a running server, or on the store of a stopped one. Owns the choice, no words.

What can be done at both has a protocol and two classes beside this file (fleet_place, user_place, token_place,
audit_place); verbs know the protocol only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gridiface.cli.direct import is_direct
from gridiface.cli.remote import Remote

#: A body or an answer of the REST API; both places take and give the same.
Plain = dict[str, Any]


def chosen(url: str | None, config: Path | None, token_file: Path | None) -> Path | Remote:
    """The configuration of the store, where one is named and there is no token; else the server.

    Raises:
        ConfigError: an address or token that cannot be used.
    """
    if config is not None and is_direct(config, token_file):
        return config
    return Remote.of(url, config, token_file)
