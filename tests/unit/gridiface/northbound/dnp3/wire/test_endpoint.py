"""Who gets a session: addresses, caps, policies."""

from ipaddress import ip_network

import pytest

from gridiface.errors import ConfigError
from gridiface.northbound.dnp3.settings import (
    EndpointSettings,
    MasterEntry,
    Mode,
    NewConnection,
    SerialSettings,
    Transport,
)
from gridiface.northbound.dnp3.wire.endpoint import Endpoint
from gridiface.northbound.dnp3.wire.identity import CertificateNames
from gridiface.northbound.dnp3.wire.journal import Journal


class Hub:
    journal = Journal(0)

    def spare(self):
        return False

    def now(self):
        return 1.7e9


@pytest.fixture
def endpoint(station):
    def make(masters=None, **settings):
        masters = masters or [MasterEntry(name="iso", address=1)]
        return Endpoint(EndpointSettings(port=0, **settings), [station(masters=masters)], Hub())

    return make


def come(endpoint, host="192.0.2.1", port=1, certificate=None):
    """One more peer; its drop is what a connection would do."""

    def drop(reason):
        session.close()
        endpoint.gone(session)

    session = endpoint.admit((host, port), certificate, lambda octets: None, drop)
    return session


async def test_only_listed_addresses_get_in(endpoint):
    door = endpoint([MasterEntry(name="iso", address=1, sources=(ip_network("192.0.2.0/24"),))])
    assert come(door, "198.51.100.1") is None
    assert come(door) is not None
    assert door.counters == {"refused_unlisted": 1, "admitted": 1}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "on 127.0.0.1 port 0"),
        ({"mode": Mode.CONNECT, "peer": ("192.0.2.1", 20000)}, "to 192.0.2.1 port 20000"),
        ({"mode": Mode.DUAL, "peer": ("192.0.2.1", 20000)}, "on 127.0.0.1 port 0 and to 192.0.2.1 port 20000"),
        ({"transport": Transport.SERIAL, "serial": SerialSettings(port="/dev/ttyS0")}, "on /dev/ttyS0"),
    ],
)
async def test_where_it_is_says_whom_it_calls_too(endpoint, settings, told):
    assert endpoint(**settings).where == told


async def test_caps_in_all_and_per_address(endpoint):
    door = endpoint(connections=3, connections_per_address=2)
    assert [come(door, host, 1) is not None for host in ("192.0.2.1",) * 3 + ("192.0.2.2",) * 2] == [
        True, True, False, True, False,
    ]  # fmt: skip
    assert door.counters["refused_full"] == 2


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        (NewConnection.SEVERAL, [True, True]),
        (NewConnection.REFUSE, [True, False]),
        (NewConnection.REPLACE, [False, True]),
    ],
)
async def test_the_policy_for_a_new_connection(endpoint, policy, kept):
    door = endpoint(new_connection=policy)
    peers = [come(door, port=port) for port in (1, 2)]
    assert [peer is not None and not peer.closed for peer in peers] == kept
    assert len(door.sessions) == sum(kept)


async def test_a_certificate_chooses_the_masters(station, endpoint):
    door = endpoint([MasterEntry(name="a", address=1), MasterEntry(name="b", address=2)])
    session = come(door, certificate=CertificateNames("0" * 64, frozenset()))
    assert session is not None  # without TLS certificates play no part


async def test_an_address_that_is_taken(endpoint):
    one = endpoint()
    await one.start()
    try:
        other = Endpoint(EndpointSettings(port=one.port), [], Hub())
        with pytest.raises(ConfigError, match="cannot listen"):
            await other.start()
        assert other.port == 0
    finally:
        await one.stop()
