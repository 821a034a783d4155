"""What a server tells of itself on the local network: the function sets it serves, and its end devices."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any

import pytest

from gridiface.errors import ConfigError
from gridiface.northbound import multicast
from gridiface.northbound.sep2.announcing import Announcing
from gridiface.northbound.sep2.identities import sfdi
from gridiface.northbound.sep2.settings import CsipAusSettings, DiscoverySettings
from gridiface.protocols.dnssd.messages import RecordType, pairs_of
from gridiface.protocols.sep2 import discovery


async def test_what_is_served_has_a_path_and_nothing_else(kit: Any) -> None:
    announcing = Announcing(DiscoverySettings(), kit.core.state)
    assert announcing.path_of("derp") == "/derp"
    assert announcing.path_of("bill") is None
    assert announcing.path_of("upt") is None
    for path, body in kit.bodies.BILLING[:1]:
        assert (await kit.send("POST", path, body)).status == 201
    assert announcing.path_of("bill") == "/bill"


async def test_an_end_device_is_found_by_its_sfdi(kit: Any) -> None:
    announcing = Announcing(DiscoverySettings(), kit.core.state)
    assert announcing.path_of(sfdi(kit.lfdi["inv-1"])) == kit.edev("inv-1")
    assert announcing.path_of(sfdi(kit.lfdi["stranger"])) is None
    battery = kit.core.state.by_device["bat-1"]
    assert announcing.path_of(battery.sfdi) is None  # the server speaks for it: nobody looks for it


@pytest.mark.parametrize(("profile", "level"), [(None, "-S1"), (CsipAusSettings(), "+S1")])
async def test_the_level_says_whether_extensions_are_sent(
    kit: Any, profile: CsipAusSettings | None, level: str
) -> None:
    kit.core.state.settings = replace(kit.core.state.settings, csip_aus=profile)
    zone = Announcing(DiscoverySettings(name="Here"), kit.core.state).zone("xmdns", [], 443, 0)
    for label in ("Here", "Here derp", f"Here edev-{sfdi(kit.lfdi['inv-1']):012d}"):
        text = [r.data for r in zone.unique((label.encode(), *discovery.SERVICE, b"site")) if r.type == RecordType.TXT]
        assert [pairs_of(one)["level"] for one in text if isinstance(one, bytes)] == [level]


async def test_an_interface_that_is_named_must_be_there(kit: Any) -> None:
    announcing = Announcing(DiscoverySettings(interfaces=("nope",)), kit.core.state)
    with pytest.raises(ConfigError):
        await announcing.start([("0.0.0.0", 8443)], 0)
    await announcing.stop()


@pytest.mark.parametrize(
    ("listening", "told"),
    [
        (["0.0.0.0"], ["192.0.2.1", "192.0.2.2"]),
        (["::"], ["2001:db8::1"]),
        (["0.0.0.0", "::"], ["192.0.2.1", "192.0.2.2", "2001:db8::1"]),
        (["192.0.2.2"], ["192.0.2.2"]),
        (["2001:db8::1"], ["2001:db8::1"]),
        (["127.0.0.1"], []),
    ],
)
async def test_addresses_are_told_where_somebody_listens(
    kit: Any, monkeypatch: pytest.MonkeyPatch, listening: list[str], told: list[str]
) -> None:
    """A client takes the first address that it likes: one of a family that is not listened on leads nowhere."""
    own = [ipaddress.ip_address(text) for text in ("192.0.2.1", "192.0.2.2", "2001:db8::1")]
    monkeypatch.setattr(multicast, "own_addresses", lambda names: own)
    made: list[Any] = []

    class Announcer:
        def __init__(self, responder: Any, groups: Any, interface: str) -> None:
            made.append(responder.zone)

        async def start(self) -> None: ...

        async def stop(self) -> None: ...

    monkeypatch.setattr(multicast, "Announcer", Announcer)
    announcing = Announcing(DiscoverySettings(interfaces=("eth7",), transports=("xmdns",)), kit.core.state)
    await announcing.start([(host, 8443) for host in listening], 0)
    await announcing.stop()
    (zone,) = made
    kinds = (RecordType.A, RecordType.AAAA)
    assert [str(r.data) for r in zone.unique(zone.host) if r.type in kinds] == told
