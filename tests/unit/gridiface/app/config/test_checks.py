"""Checks across blocks."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.app.config import checks
from gridiface.app.config.checks import cross_checks, driver_checks, extra_checks
from gridiface.app.config.model import Config


def mistakes(**blocks: object) -> list[str]:
    return [text for _, text in cross_checks(Config.model_validate(blocks))]


def test_group_has_one_parent() -> None:
    groups = [
        {"id": "a", "members": ["c"]},
        {"id": "b", "members": ["c"]},
        {"id": "c", "members": []},
    ]
    assert any("one parent" in text for text in mistakes(groups=groups))


def test_long_cycle_is_found_once_per_group() -> None:
    groups = [{"id": "a", "members": ["b"]}, {"id": "b", "members": ["a"]}]
    assert sum("contains itself" in text for text in mistakes(groups=groups)) == 2


def test_soc_window_must_be_open() -> None:
    device = {"id": "d", "driver": "sunspec", "rating": {"soc_min": 0.9, "soc_max": 0.2}}
    assert mistakes(devices=[device]) == ["soc_min must be below soc_max"]


def test_sep2_device_needs_its_client() -> None:
    assert mistakes(devices=[{"id": "d", "driver": "sep2"}]) == ["driver sep2 needs the block `sep2`"]


def test_drivers_are_asked_about_their_keys() -> None:
    devices = [
        {"id": "a", "driver": "sunspecs"},
        {"id": "b", "driver": "sunspec", "connection": {"hosts": "127.0.0.1"}},
        {"id": "c", "driver": "sunspec", "connection": {"host": "127.0.0.1"}},
        {"id": "d", "driver": "sep2"},
    ]
    found = list(driver_checks(Config.model_validate({"devices": devices})))
    of_b = [("devices", 1, "connection", "host"), ("devices", 1, "connection", "hosts")]
    assert [place for place, _ in found] == [("devices", 0, "driver"), *of_b]
    assert found[0][1] == "no driver is called 'sunspecs'; did you mean 'sunspec'?"
    assert "unknown key 'hosts', did you mean 'host'?" in found[2][1]


#: Blocks that need an extra of the package, with its name.
EXTRAS: dict[str, dict[str, Any]] = {
    "postgresql": {"database": "postgresql://grid@db.example/grid"},
    "oidc": {
        "operator": {
            "oidc": {
                "issuer": "https://login.example",
                "client_id": "g",
                "url": "https://g.example",
                "role_claim": "groups",
                "roles": {"a": "viewer"},
            }
        }
    },
    "otel": {"otel": {"endpoint": "http://127.0.0.1:4318"}},
}


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_is_configured_and_not_installed_is_told_with_its_extra(
    extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Config.model_validate(EXTRAS[extra])
    assert list(extra_checks(config)) == []
    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    ((place, text),) = extra_checks(config)
    assert place[0] in EXTRAS[extra]
    assert text.endswith(f"is not installed; pip install 'gridiface[{extra}]'")
    assert list(extra_checks(Config())) == []


def test_a_package_whose_parent_is_missing_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(name=name.partition(".")[0])

    monkeypatch.setattr(checks, "find_spec", absent)
    assert [place for place, _ in extra_checks(Config.model_validate(EXTRAS["otel"]))] == [("otel",)]


def test_unknown_meter_is_named() -> None:
    assert mistakes(groups=[{"id": "g", "members": [], "meter": "m"}]) == ["no device 'm'; there are: none"]


def test_openadr_program_must_speak_of_what_exists() -> None:
    ven = {
        "name": "u",
        "url": "http://127.0.0.1:1/OpenADR2/Simple/2.0b",
        "ven_name": "v",
        "programs": [{"group": "nowhere"}],
    }
    assert mistakes(openadr={"vens": [ven]}) == ["no group 'nowhere'; there are: none"]


def test_a_port_that_is_listened_on_twice_is_told_with_the_other_place() -> None:
    blocks = {
        "operator": {"listen": "127.0.0.1:8444"},
        "openadr": {"vtn": {"vtn_id": "V", "listen": "127.0.0.1:8444", "vens": []}},
    }
    (told,) = cross_checks(Config.model_validate(blocks))
    assert told[1] in {
        "operator.listen listens on 127.0.0.1:8444 already; choose another port",
        "openadr.vtn.listen listens on 127.0.0.1:8444 already; choose another port",
    }
    blocks["operator"] = {"listen": "127.0.0.1:8445"}
    assert mistakes(**blocks) == []


def test_whoever_is_told_of_alarms_has_a_name_of_its_own() -> None:
    webhook = {"name": "ops", "url": "https://hooks.example/a"}
    mail = {"name": "ops", "host": "mail.example", "sender": "a@b.example", "to": ["c@d.example"]}
    operator = {"listen": "127.0.0.1:0", "webhooks": [webhook], "mails": [mail]}
    found = [place for place, _ in cross_checks(Config.model_validate({"operator": operator}))]
    assert found == [("operator", "mails", 0, "name")]
