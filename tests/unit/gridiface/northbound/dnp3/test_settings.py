"""Settings refuse what cannot work, and say which networks a master may come from."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from gridiface.errors import ConfigError
from gridiface.northbound.dnp3.settings import (
    Dnp3Settings,
    EndpointSettings,
    MasterEntry,
    Mode,
    TlsSettings,
    Transport,
)
from gridiface.pki.contexts import KeyPair

TLS = TlsSettings(key_pair=KeyPair(Path("a"), Path("b")), roots=(Path("c"),))


@pytest.mark.parametrize(
    ("sources", "host", "allowed"),
    [
        ((), "198.51.100.7", True),
        (("192.0.2.0/24",), "192.0.2.9", True),
        (("192.0.2.0/24",), "::ffff:192.0.2.9", True),
        (("192.0.2.0/24",), "198.51.100.7", False),
        (("2001:db8::/32",), "2001:db8::1%eth0", True),
        (("192.0.2.0/24",), "", False),
    ],
)
def test_where_a_master_may_come_from(sources, host, allowed):
    master = MasterEntry(name="m", address=1, sources=tuple(ip_network(text) for text in sources))
    assert master.may_come_from(host) is allowed


@pytest.mark.parametrize(
    "wrong",
    [
        {"transport": Transport.TLS},
        {"tls": TLS},
        {"mode": Mode.CONNECT},
        {"peer": ("192.0.2.1", 20_000)},
        {"transport": Transport.UDP, "mode": Mode.DUAL, "peer": ("192.0.2.1", 20_000)},
        {"transport": Transport.UDP, "peer": ("scada.example", 20_000)},
    ],
)
def test_an_end_point_that_cannot_work(wrong):
    with pytest.raises(ConfigError):
        EndpointSettings(**wrong)


def test_a_station_needs_masters_of_different_addresses(station_settings):
    with pytest.raises(ConfigError):
        station_settings(masters=())
    with pytest.raises(ConfigError, match="addresses"):
        station_settings(masters=[MasterEntry(name=name, address=1) for name in "ab"])


def test_stations_and_end_points_must_fit(station_settings):
    one = station_settings()
    with pytest.raises(ConfigError, match="twice"):
        Dnp3Settings(stations=(one, one), endpoints=())
    with pytest.raises(ConfigError, match="no outstation 'x'"):
        Dnp3Settings(stations=(one,), endpoints=(EndpointSettings(stations=("x",)),))


def test_under_tls_every_master_has_an_identity(station_settings):
    endpoint = EndpointSettings(transport=Transport.TLS, tls=TLS)
    with pytest.raises(ConfigError, match="fingerprints"):
        Dnp3Settings(stations=(station_settings(),), endpoints=(endpoint,))
    named = station_settings(masters=[MasterEntry(name="m", address=1, names=("scada.example",))])
    assert Dnp3Settings(stations=(named,), endpoints=(endpoint,)).endpoints == (endpoint,)
