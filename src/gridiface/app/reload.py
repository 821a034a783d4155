"""The configuration read again while the server runs: what changes at once, what waits for a restart. Pure.

No connection is touched: what is changed at once is looked up anew at its next use. Certificates, keys and revocation
lists need no reload at all: listeners watch their files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gridiface.app.config.model import Config

#: Keys that take effect at once.
LIVE = frozenset(
    {
        "devices",
        "groups",
        "logging.level",
        "logging.format",
        "reading_retention_days",
        "operator.approval_share",
        "operator.approval_within_s",
    }
)


@dataclass(frozen=True, slots=True)
class Reload:
    """What a new configuration means.

    Attributes:
        config: what the server goes on with.
        live: keys that changed and take effect at once.
        restart: keys that changed and wait for a restart.
    """

    config: Config
    live: tuple[str, ...]
    restart: tuple[str, ...]


def compare(old: Config, new: Config) -> Reload:
    """What of `new` takes effect at once; the rest of `old` stays.

    Devices and groups wait for a restart where the list of 2030.5 clients changed with them: they belong together.
    """
    changed = list(_changes(_plain(old), _plain(new)))
    together = "sep2.clients" in changed
    live = tuple(key for key in changed if key in LIVE and not (together and key in {"devices", "groups"}))
    restart = tuple(key for key in changed if key not in live)
    update: dict[str, Any] = {key: getattr(new, key) for key in ("devices", "groups") if key in live}
    if "reading_retention_days" in live:
        update["reading_retention_days"] = new.reading_retention_days
    if any(key.startswith("logging.") for key in live):
        update["logging"] = new.logging
    own = [key.removeprefix("operator.") for key in live if key.startswith("operator.")]
    if own and old.operator is not None:
        update["operator"] = old.operator.model_copy(update={name: getattr(new.operator, name) for name in own})
    return Reload(old.model_copy(update=update), live, restart)


def _plain(config: Config) -> dict[str, Any]:
    return config.model_dump(mode="json")


def _changes(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The dotted keys whose values differ; lists count as one value."""
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        here = f"{path}{name}"
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _changes(before, after, f"{here}.")
        elif before != after:
            yield here
