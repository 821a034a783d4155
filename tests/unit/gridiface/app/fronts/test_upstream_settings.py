"""From the configuration to the settings of sessions with utilities' servers."""

from __future__ import annotations

import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gridiface.app.config.model import Config
from gridiface.app.fronts.upstream_settings import own_lfdi, upstream_context, upstream_settings, upstreams
from gridiface.domain.controls import Target, TargetKind
from gridiface.errors import ConfigError
from gridiface.northbound.sep2.served.identities import derived_lfdi
from gridiface.pki.folder import TestPki, write_credential
from gridiface.protocols.sep2.discovery import FoundServer
from gridiface.protocols.sep2.enums import DeviceCategory


@pytest.fixture
def config(tmp_path: Path) -> Any:
    now = float(int(time.time()))
    pki = TestPki.create(depth=3, now=now)
    pki.save(tmp_path)
    write_credential(tmp_path, "us", pki.issue("device", "us", now=now))

    def make(**more: Any) -> Config:
        tls = {"certificate": tmp_path / "us.pem", "key": tmp_path / "us.key", "roots": [tmp_path / "serca.pem"]}
        upstream = {"name": "utility", "url": "https://u.example", "tls": tls, "all_devices": True} | more
        return Config.model_validate(
            {
                "site": "home",
                "devices": [{"id": "d1", "driver": "sunspec", "kind": "pv"}, {"id": "d2", "driver": "sep2"}],
                "groups": [{"id": "fleet", "members": ["d1", "d2"]}],
                "sep2": {
                    "tls": {"certificate": "s.pem", "key": "s.key", "roots": ["r.pem"]},
                    "pen": 40732,
                    "clients": [{"lfdi": "E" * 40, "device": "d2"}],
                },
                "upstreams": [upstream],
            }
        )

    return make


def test_devices_have_their_own_lfdi_the_given_one_or_a_derived_one(config: Any) -> None:
    found = config(devices=[{"group": "fleet"}, {"device": "d1", "lfdi": "D" * 40}], own_group="fleet")
    settings = upstream_settings(found.upstreams[0], found)
    group = derived_lfdi("home", "group", "fleet", 40732)
    assert [(m.lfdi, m.target.id) for m in settings.members] == [(group, "fleet"), ("D" * 40, "d1"), ("E" * 40, "d2")]
    assert settings.members[0].category == DeviceCategory.VIRTUAL_OR_MIXED_DER
    assert settings.members[1].category == DeviceCategory.PHOTOVOLTAIC
    assert settings.targets[settings.lfdi] == Target(TargetKind.GROUP, "fleet")


@pytest.mark.parametrize(
    ("url", "authority", "dcap"),
    [
        ("https://u.example", "u.example:443", "/dcap"),
        ("https://u.example:8443/sep2/dcap", "u.example:8443", "/sep2/dcap"),
        ("https://[fd00::1]:8443/", "[fd00::1]:8443", "/dcap"),
    ],
)
def test_the_address_is_taken_apart(config: Any, url: str, authority: str, dcap: str) -> None:
    found = config(url=url)
    settings = upstream_settings(found.upstreams[0], found)
    assert (settings.authority, settings.dcap) == (authority, dcap)


def test_two_devices_with_one_lfdi_are_a_mistake(config: Any) -> None:
    found = config(devices=[{"device": "d1", "lfdi": "E" * 40}])
    with pytest.raises(ConfigError, match="LFDI of its own"):
        upstream_settings(found.upstreams[0], found)


def test_a_certificate_that_cannot_be_read_is_told(config: Any, tmp_path: Path) -> None:
    found = config()
    (tmp_path / "us.pem").write_text("nothing")
    with pytest.raises(ConfigError, match=r"us\.pem"):
        own_lfdi(found.upstreams[0])


def test_notifications_are_listened_for_only_where_they_are_wanted(config: Any) -> None:
    block = {"listen": "[::1]:0", "renew_s": 600}
    for mode in ("poll", "subscribe"):
        found = config(notifications=block, mode=mode)
        listen = upstream_settings(found.upstreams[0], found).notifications
        assert (listen is not None) is (mode == "subscribe")
        assert listen is None or (listen.host, listen.port, listen.renew_s) == ("::1", 0, 600)


def test_senders_without_a_certificate_are_taken_only_from_named_networks(config: Any) -> None:
    found = config(notifications={"listen": "[::1]:0"}, mode="subscribe")
    listen = upstream_settings(found.upstreams[0], found).notifications
    assert listen is not None
    assert listen.hints is None
    block = {"listen": "[::1]:0", "without_certificate": {"sources": ["192.0.2.7", "2001:db8::/32"], "per_minute": 9}}
    found = config(notifications=block, mode="subscribe")
    listen = upstream_settings(found.upstreams[0], found).notifications
    assert listen is not None
    assert listen.hints is not None
    assert [str(network) for network in listen.hints.sources] == ["192.0.2.7/32", "2001:db8::/32"]
    assert listen.hints.per_minute == 9
    for wrong in ({}, {"sources": []}, {"sources": ["somewhere"]}, {"sources": ["::1"], "max_body_bytes": 1}):
        with pytest.raises(ValidationError):
            config(notifications={"listen": "[::1]:0", "without_certificate": wrong}, mode="subscribe")


def test_the_context_is_strict(config: Any) -> None:
    context = upstream_context(config().upstreams[0], lambda _met: None)
    old = [cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] == "TLSv1.2"]
    assert (old, context.maximum_version) == (["ECDHE-ECDSA-AES128-CCM8"], ssl.TLSVersion.TLSv1_2)
    assert context.check_hostname


def test_without_upstreams_there_is_nothing() -> None:
    ports: dict[str, Any] = dict.fromkeys(("clock", "ledger", "inbox", "fleet", "history"))
    assert upstreams(Config(), **ports) is None


async def test_a_server_can_be_looked_for_instead(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = config(url=None, discover={"instance": "B", "wait_s": 1})
    settings = upstream_settings(found.upstreams[0], found)
    assert (settings.authority, settings.dcap) == ("utility.found.invalid:443", "/dcap")
    servers = [
        FoundServer(f"{name}._smartenergy._tcp.site", "192.0.2.1", port, "/d") for name, port in (("A", 1), ("B", 2))
    ]

    async def find_servers(*how: Any, **more: Any) -> list[FoundServer]:
        return servers

    monkeypatch.setattr("gridiface.app.fronts.upstream_settings.find_servers", find_servers)
    assert settings.locate is not None
    assert await settings.locate() == ("192.0.2.1:2", "/d")
    servers.clear()
    assert await settings.locate() is None
    for wrong in ({"url": None}, {"discover": {}}):
        with pytest.raises(ValueError, match="either `url`, or `discover`"):
            config(**wrong)
