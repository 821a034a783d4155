"""What a server tells of itself on the local network: the function sets it serves, and its end devices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gridiface.errors import ConfigError
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
        await announcing.start(8443, 0)
    await announcing.stop()
