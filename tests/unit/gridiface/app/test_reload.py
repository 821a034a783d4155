"""What a configuration that is read again changes at once, and what waits for a restart."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.app.config.model import Config
from gridiface.app.reload import compare

BASE: dict[str, Any] = {
    "devices": [
        {"id": name, "driver": "sunspec", "connection": {"host": "127.0.0.1"}, "rating": {"max_w": 1000}}
        for name in ("a", "b")
    ],
    "groups": [{"id": "fleet", "members": ["a", "b"]}],
}


def config(**changes: Any) -> Config:
    return Config.model_validate(BASE | changes)


def test_the_same_changes_nothing() -> None:
    found = compare(config(), config())
    assert (found.live, found.restart) == ((), ())
    assert found.config == config()


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"logging": {"level": "debug"}}, "logging.level"),
        ({"reading_retention_days": 7}, "reading_retention_days"),
        ({"groups": [{"id": "fleet", "members": ["a"], "max_export_w": 500}]}, "groups"),
        ({"operator": {"approval_share": 0.5}}, "operator.approval_share"),
        ({"groups": [*BASE["groups"], {"id": "more", "members": []}]}, "groups"),
        ({"devices": [*BASE["devices"], {"id": "c", "driver": "sunspec"}]}, "devices"),
    ],
)
def test_what_takes_effect_at_once(changes: dict[str, Any], key: str) -> None:
    found = compare(config(), config(**changes))
    assert (found.live, found.restart) == ((key,), ())
    assert found.config == config(**changes)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"site": "elsewhere"}, "site"),
        ({"operator": {"listen": "127.0.0.1:9999"}}, "operator.listen"),
    ],
)
def test_what_waits_for_a_restart(changes: dict[str, Any], key: str) -> None:
    found = compare(config(), config(**changes))
    assert key in found.restart
    assert getattr(found.config, key.partition(".")[0]) == getattr(config(), key.partition(".")[0])


def test_devices_wait_together_with_the_2030_5_clients_that_they_are() -> None:
    sep2 = {"tls": {"certificate": "c", "key": "k", "roots": ["r"]}}
    old = config(sep2=sep2)
    inverter = {"id": "inv", "driver": "sep2"}
    new = config(sep2=sep2 | {"clients": [{"lfdi": "AB" * 20, "device": "inv"}]}, devices=[*BASE["devices"], inverter])
    found = compare(old, new)
    assert (found.live, set(found.restart)) == ((), {"devices", "sep2.clients"})
    assert found.config == old
