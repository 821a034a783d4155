"""What a server tells of itself on the local network: the function sets it serves, and its end devices."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any

import pytest

from gridiface.errors import ConfigError
from gridiface.northbound import multicast
from gridiface.northbound.sep2.announcing import Announcing
from gridiface.northbound.sep2.served.identities import sfdi
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
    monkeypatch.setattr(multicast, "condition", lambda name: (7, "up", ()))
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


class Place:
    """Interfaces that come and go, and what is announced on them; stands in for northbound.multicast's sockets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.there: dict[str, tuple[int, list[str]]] = {}
        self.works = True
        self.running: dict[str, Any] = {}
        self.starts = 0
        place = self

        class Announcer:
            def __init__(self, responder: Any, groups: Any, interface: str) -> None:
                self.interface, self.zone = interface, responder.zone

            async def start(self) -> None:
                place.starts += 1
                if not place.works:
                    raise ConfigError("no multicast DNS")
                assert self.interface not in place.running
                place.running[self.interface] = self.zone

            async def stop(self) -> None:
                del place.running[self.interface]

        def condition(name: str) -> tuple[int, str, tuple[Any, ...]]:
            if name not in self.there:
                raise ConfigError(f"no {name}")
            return self.there[name][0], "up", ()

        monkeypatch.setattr(multicast, "Announcer", Announcer)
        monkeypatch.setattr(multicast, "interfaces", lambda: list(self.there))
        monkeypatch.setattr(multicast, "condition", condition)
        monkeypatch.setattr(
            multicast, "own_addresses", lambda names: [ipaddress.ip_address(a) for n in names for a in self.there[n][1]]
        )

    def told(self) -> dict[str, list[str]]:
        kinds = (RecordType.A, RecordType.AAAA)
        return {
            name: [str(r.data) for r in zone.unique(zone.host) if r.type in kinds]
            for name, zone in self.running.items()
        }


async def test_what_the_network_becomes_is_told(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(monkeypatch)
    announcing = Announcing(DiscoverySettings(transports=("xmdns",)), kit.core.state)
    await announcing.start([("0.0.0.0", 8443)], 0)
    assert place.told() == {}
    for there in (
        {"eth0": (3, [])},
        {"eth0": (3, ["192.0.2.1"])},
        {"eth0": (3, ["192.0.2.1"]), "wlan0": (4, ["198.51.100.1"])},
        {"eth0": (3, ["192.0.2.9"]), "wlan0": (4, ["198.51.100.1"])},
        {"wlan0": (4, ["198.51.100.1"])},
    ):
        place.there = there
        await announcing.look()
        assert place.told() == {name: addresses for name, (_, addresses) in there.items()}
    starts = place.starts
    await announcing.look()
    assert place.starts == starts  # nothing changed
    place.there = {"wlan0": (5, ["198.51.100.1"])}  # made anew: its groups were left with the old one
    await announcing.look()
    assert place.starts == starts + 1
    await announcing.stop()
    assert place.running == {}


async def test_an_interface_without_multicast_is_tried_again_when_it_changes(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(monkeypatch)
    place.there, place.works = {"eth0": (3, ["192.0.2.1"])}, False
    announcing = Announcing(DiscoverySettings(transports=("mdns",)), kit.core.state)
    await announcing.start([("0.0.0.0", 8443)], 0)
    await announcing.look()
    assert (place.told(), place.starts) == ({}, 1)
    place.there, place.works = {"eth0": (3, ["192.0.2.2"])}, True
    await announcing.look()
    assert place.told() == {"eth0": ["192.0.2.2"]}
    await announcing.stop()


async def test_what_is_served_later_is_told_later(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(monkeypatch)
    place.there = {"eth0": (3, ["192.0.2.1"])}
    announcing = Announcing(DiscoverySettings(transports=("mdns",), name="Here"), kit.core.state)
    await announcing.start([("0.0.0.0", 8443)], 0)
    bill = (b"Here bill", *discovery.SERVICE, b"local")
    assert not place.running["eth0"].unique(bill)
    for path, body in kit.bodies.BILLING[:1]:
        assert (await kit.send("POST", path, body)).status == 201
    await announcing.look()
    assert place.running["eth0"].unique(bill)
    await announcing.stop()
