"""Changes laid over the configuration file: what wins, what is written, what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gridiface.app.config.model import Config
from gridiface.app.fleet.overlay import DEVICES, GROUPS, Overlay, check, client_of
from gridiface.domain.changes import DeleteDocument, Document, PutDocument
from gridiface.domain.definitions import DeviceEntry, GroupEntry
from gridiface.errors import ConfigError

TLS = {"tls": {"certificate": "c", "key": "k", "roots": ["r"]}}


def file(**changes: Any) -> Config:
    devices = [{"id": name, "driver": "sunspec"} for name in ("a", "b")]
    return Config.model_validate({"devices": devices, "groups": [{"id": "g", "members": ["a", "b"]}]} | changes)


def device(name: str, **more: Any) -> DeviceEntry:
    return DeviceEntry.model_validate({"id": name, "driver": "sunspec", **more})


def test_what_was_changed_wins_and_tells_where_it_is_from() -> None:
    overlay = Overlay(
        {"a": device("a", tier=2), "b": None, "c": device("c")}, {"g": GroupEntry(id="g", members=("a", "c"))}
    )
    found = overlay.applied(file())
    assert [(entry.id, entry.tier) for entry in found.devices] == [("a", 2), ("c", 1)]
    assert found.groups[0].members == ("a", "c")
    check(found)
    origins = [overlay.origin(name, file(), group=False) for name in ("a", "c", "x")]
    assert origins == ["changed", "added", "configuration"]


def test_it_is_kept_and_read_again() -> None:
    before, after = Overlay({"a": None}), Overlay({"c": device("c", tier=3)}, {"g": None})
    changes = before.changes_to(after)
    kinds = [(type(change), change.space, change.key) for change in changes]
    assert kinds == [(DeleteDocument, DEVICES, "a"), (PutDocument, DEVICES, "c"), (PutDocument, GROUPS, "g")]
    kept = [Document(one.space, one.key, one.body) for one in changes if isinstance(one, PutDocument)]
    read = Overlay.of([d for d in kept if d.space == DEVICES], [d for d in kept if d.space == GROUPS])
    assert read == after
    assert after.changes_to(read) == []


@pytest.mark.parametrize("body", [b"{}", b"no JSON", b'{"entry": {"id": "c"}}', b'{"entry": 3}'])
def test_a_record_of_something_else_is_refused(body: bytes) -> None:
    with pytest.raises(ConfigError, match="a backup"):
        Overlay.of([Document(DEVICES, "c", body)], [])


def test_a_2030_5_device_is_a_client_with_its_lfdi() -> None:
    entry = DeviceEntry.model_validate({"id": "inv", "driver": "sep2", "connection": {"lfdi": "ab" * 20, "pin": 55}})
    base = file(sep2={**TLS, "clients": [{"lfdi": "CD" * 20, "device": "b"}]})
    found = Overlay({"inv": entry, "b": None}, {"g": None}).applied(base)
    assert found.sep2 is not None
    assert [(client.lfdi, client.device, client.pin) for client in found.sep2.clients] == [("AB" * 20, "inv", 55)]
    check(found)
    twin = Overlay({"inv": entry, "two": entry.model_copy(update={"id": "two"})}).applied(base)
    with pytest.raises(ConfigError, match="each has its own"):
        check(twin)
    for wrong in ({"lfdi": "12"}, {"lfdi": "ab" * 20, "pin": 5}):
        with pytest.raises(ConfigError, match="lfdi and, if need be, pin"):
            client_of(entry.model_copy(update={"connection": wrong}))


def test_a_name_that_an_older_version_took_does_not_stop_the_server() -> None:
    body = json.dumps({"entry": {"id": "c", "driver": "sunspec", "name": "a\x00b\n\u202ec" + "d" * 300}}).encode()
    [found] = Overlay.of([Document(DEVICES, "c", body)], []).devices.values()
    assert found is not None
    assert found.name == "abc" + "d" * 253
